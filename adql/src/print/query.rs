//! Queries: WITH, SELECT, FROM, set operations, ORDER BY and the bounds.

use super::{LINE, Layout, Printer};
use crate::ast::{
    Body, CommonTable, Expr, ExprKind, Item, Join, JoinCondition, JoinKind, Joined, OrderItem, Query, Relation, Select,
    SetOperator,
};

impl Printer {
    pub(super) fn query(&mut self, query: &Query) {
        let Query { with, body, order_by, limit, offset, span: _, height: _, size: _ } = query;
        if !with.is_empty() {
            self.push("WITH ");
            self.listed(with, Self::common_table);
            self.next_clause();
        }
        self.body(body);
        if !order_by.is_empty() {
            self.next_clause();
            self.push("ORDER BY ");
            self.listed(order_by, Self::order_item);
        }
        if let Some(limit) = limit {
            self.next_clause();
            self.push("LIMIT ");
            self.number(limit.rows);
        }
        if let Some(offset) = offset {
            self.next_clause();
            self.push("OFFSET ");
            self.number(offset.rows);
        }
    }

    fn common_table(&mut self, table: &CommonTable) {
        let CommonTable { name, columns, query } = table;
        self.name(name);
        if !columns.is_empty() {
            self.push(" (");
            self.listed(columns, Self::name);
            self.push(")");
        }
        self.push(" AS ");
        self.subquery(query);
    }

    /// A query in parentheses.
    pub(super) fn subquery(&mut self, query: &Query) {
        self.parenthesised(|printer| printer.query(query));
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Select(select) => self.select(select),
            Body::Query(query) => self.subquery(query),
            Body::Operations { first, links } => {
                self.body(first);
                for link in links {
                    self.next_clause();
                    self.push(match link.operator {
                        SetOperator::Union => "UNION",
                        SetOperator::Except => "EXCEPT",
                        SetOperator::Intersect => "INTERSECT",
                    });
                    if link.all {
                        self.push(" ALL");
                    }
                    self.next_clause();
                    self.body(&link.right);
                }
            }
        }
    }

    fn select(&mut self, select: &Select) {
        let Select { distinct, top, items, from, filter, group_by, having, span: _ } = select;
        self.push("SELECT ");
        if *distinct {
            self.push("DISTINCT ");
        }
        if let Some(top) = top {
            self.push("TOP ");
            self.number(top.rows);
            self.push(" ");
        }
        self.items(items);
        if !from.is_empty() {
            self.next_clause();
            self.push("FROM ");
            self.listed(from, Self::joined);
        }
        if let Some(filter) = filter {
            self.next_clause();
            self.push("WHERE ");
            self.condition(filter);
        }
        if !group_by.is_empty() {
            self.next_clause();
            self.push("GROUP BY ");
            self.listed(group_by, Self::expr);
        }
        if let Some(having) = having {
            self.next_clause();
            self.push("HAVING ");
            self.condition(having);
        }
    }

    /// The select list: in one line if it fits.
    fn items(&mut self, items: &[Item]) {
        if self.layout == Layout::Lines {
            let mut line = Self { text: String::new(), layout: Layout::OneLine, indent: 0 };
            // Enough is known as soon as the line is full.
            for item in items {
                line.item(item);
                if line.text.len() > LINE {
                    break;
                }
            }
            if line.text.len() + 2 * items.len() > LINE && items.len() > 1 {
                self.indent += 1;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.push(",");
                    } else {
                        self.text.truncate(self.text.trim_end().len());
                    }
                    self.new_line();
                    self.item(item);
                }
                self.indent -= 1;
                return;
            }
        }
        self.listed(items, Self::item);
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Star(_) => self.push("*"),
            Item::TableStar(path, _) => {
                self.path(path);
                self.push(".*");
            }
            Item::Expr { expr, alias } => {
                self.expr(expr);
                self.alias(alias.as_ref());
            }
        }
    }

    /// A condition of a clause: a line for each term of an AND.
    fn condition(&mut self, condition: &Expr) {
        match &condition.kind {
            ExprKind::And(terms) if self.layout == Layout::Lines => {
                for (index, term) in terms.iter().enumerate() {
                    if index > 0 {
                        self.new_line();
                        self.push("  AND ");
                    }
                    self.expr(term);
                }
            }
            _ => self.expr(condition),
        }
    }

    fn joined(&mut self, joined: &Joined) {
        self.relation(&joined.first);
        for Join { kind, relation, condition, span: _ } in &joined.joins {
            self.next_clause();
            if *condition == JoinCondition::Natural {
                self.push("NATURAL ");
            }
            self.push(match kind {
                JoinKind::Inner => "JOIN ",
                JoinKind::Left => "LEFT JOIN ",
                JoinKind::Right => "RIGHT JOIN ",
                JoinKind::Full => "FULL JOIN ",
                JoinKind::Cross => "CROSS JOIN ",
            });
            self.relation(relation);
            match condition {
                JoinCondition::None | JoinCondition::Natural => {}
                JoinCondition::On(condition) => {
                    self.push(" ON ");
                    self.expr(condition);
                }
                JoinCondition::Using(columns) => {
                    self.push(" USING (");
                    self.listed(columns, Self::name);
                    self.push(")");
                }
            }
        }
    }

    fn relation(&mut self, relation: &Relation) {
        match relation {
            Relation::Table { path, alias } => {
                self.path(path);
                self.alias(alias.as_ref());
            }
            Relation::Derived { query, alias } => {
                self.subquery(query);
                self.alias(alias.as_ref());
            }
            Relation::Nested(joined) => self.parenthesised(|printer| printer.joined(joined)),
            Relation::Sampled { table, percent, span: _ } => {
                self.relation(table);
                self.push(" TABLESAMPLE(");
                self.push(percent);
                self.push(")");
            }
        }
    }

    pub(super) fn order_item(&mut self, item: &OrderItem) {
        let OrderItem { expr, descending, nulls_first } = item;
        self.expr(expr);
        match descending {
            None => {}
            Some(false) => self.push(" ASC"),
            Some(true) => self.push(" DESC"),
        }
        match nulls_first {
            None => {}
            Some(true) => self.push(" NULLS FIRST"),
            Some(false) => self.push(" NULLS LAST"),
        }
    }
}
