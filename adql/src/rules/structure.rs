//! Rules about the parts of a query: WITH, set operations, positions, tables in FROM.

use super::Rules;
use crate::ast::{Body, CommonTable, Expr, Item, Joined, Name, Path, Query, Relation, SetLink, SetOperator};
use crate::report::Problem;

impl Rules<'_, '_, '_> {
    pub(super) fn common_tables(&mut self, tables: &[CommonTable], outermost: bool) {
        if let Some(first) = tables.first()
            && !outermost
        {
            self.report.lenient(first.name.span, "WITH can only stand in front of the whole query in ADQL");
        }
        for (index, table) in tables.iter().enumerate() {
            self.name(&table.name);
            table.columns.iter().for_each(|name| self.name(name));
            let earlier = tables.iter().take(index);
            if earlier.clone().any(|other| same(&other.name, &table.name)) {
                self.report.fault(table.name.span, format!("WITH names `{}` twice", table.name.text));
            }
            if let Some(count) = columns(&table.query.body)
                && !table.columns.is_empty()
                && table.columns.len() != count
            {
                let message =
                    format!("`{}` lists {} columns and its query has {count}", table.name.text, table.columns.len());
                self.report.fault(table.name.span, message);
            }
            self.query(&table.query, false);
        }
    }

    /// TOP and LIMIT say the same thing.
    pub(super) fn bounds(&mut self, query: &Query) {
        if let (Some(limit), Body::Select(select)) = (query.limit, &query.body)
            && select.top.is_some()
        {
            self.report.fault(limit.span, "TOP and LIMIT mean the same; only one of them can be given");
        }
    }

    /// Both sides of a set operation have the same number of columns.
    pub(super) fn same_columns(&mut self, first: &Body, link: &SetLink) {
        if let (Some(left), Some(right)) = (columns(first), columns(&link.right))
            && left != right
        {
            self.report.fault(link.span, unequal_columns(link.operator, left, right));
        }
    }

    /// Positions in ORDER BY and GROUP BY are within the select list.
    pub(super) fn positions(&mut self, query: &Query) {
        let Some(count) = columns(&query.body) else { return };
        for item in &query.order_by {
            self.position(&item.expr, count, "ORDER BY");
        }
        if let Body::Select(select) = &query.body {
            for expr in &select.group_by {
                self.position(expr, count, "GROUP BY");
            }
        }
    }

    fn position(&mut self, expr: &Expr, count: usize, clause: &str) {
        if let Some(position) = expr.as_position()
            && !position.parse::<usize>().is_ok_and(|position| (1..=count).contains(&position))
        {
            self.report.fault(expr.span, position_outside(position, count, clause));
        }
    }

    pub(super) fn stars(&mut self, items: &[Item]) {
        if items.len() < 2 {
            return;
        }
        for item in items {
            if let Item::Star(span) = item {
                self.report.lenient(*span, "`*` stands alone in ADQL; beside other columns write `table.*`");
            }
        }
    }

    /// No two tables of one FROM are called the same.
    pub(super) fn exposed_names(&mut self, from: &[Joined]) {
        let mut seen: Vec<Exposed<'_>> = Vec::new();
        for joined in from {
            collect_exposed(joined, &mut seen);
        }
        for (index, exposed) in seen.iter().enumerate() {
            if let Some(last) = exposed.last()
                && seen.iter().take(index).any(|earlier| earlier.same(exposed))
            {
                let message = format!("`{}` stands twice in FROM; give each an alias of its own", last.text);
                self.fault(Problem::new(last.span, message));
            }
        }
    }
}

/// What a table in FROM is called.
enum Exposed<'q> {
    Alias(&'q Name),
    Table(&'q Path),
}

impl Exposed<'_> {
    fn last(&self) -> Option<&Name> {
        match self {
            Self::Alias(name) => Some(name),
            Self::Table(path) => path.last(),
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Alias(one), Self::Alias(two)) => same(one, two),
            (Self::Table(one), Self::Table(two)) => {
                one.len() == two.len() && one.iter().zip(two.iter()).all(|(one, two)| same(one, two))
            }
            (Self::Alias(alias), Self::Table(path)) | (Self::Table(path), Self::Alias(alias)) => {
                path.len() == 1 && path.last().is_some_and(|table| same(table, alias))
            }
        }
    }
}

fn collect_exposed<'q>(joined: &'q Joined, seen: &mut Vec<Exposed<'q>>) {
    for relation in std::iter::once(&joined.first).chain(joined.joins.iter().map(|join| &join.relation)) {
        let relation = match relation {
            Relation::Sampled { table, .. } => table,
            relation => relation,
        };
        match relation {
            Relation::Table { alias: Some(alias), .. } | Relation::Derived { alias: Some(alias), .. } => {
                seen.push(Exposed::Alias(alias));
            }
            Relation::Table { path, alias: None } => seen.push(Exposed::Table(path)),
            Relation::Derived { alias: None, .. } | Relation::Sampled { .. } => {}
            Relation::Nested(inner) => collect_exposed(inner, seen),
        }
    }
}

/// Whether two names clash: quoted ones by their letters, others in any letter case.
pub(crate) fn same(one: &Name, two: &Name) -> bool {
    if one.quoted && two.quoted { one.text == two.text } else { one.text.eq_ignore_ascii_case(&two.text) }
}

/// The number of columns of a query, if no `*` hides it.
pub(crate) fn columns(body: &Body) -> Option<usize> {
    match body {
        Body::Select(select) => {
            let plain = select.items.iter().all(|item| matches!(item, Item::Expr { .. }));
            plain.then_some(select.items.len())
        }
        Body::Query(query) => columns(&query.body),
        Body::Operations { first, .. } => columns(first),
    }
}

pub(crate) fn unequal_columns(operator: SetOperator, left: usize, right: usize) -> String {
    let operator = match operator {
        SetOperator::Union => "UNION",
        SetOperator::Except => "EXCEPT",
        SetOperator::Intersect => "INTERSECT",
    };
    format!("{operator} needs the same number of columns on both sides; here they are {left} and {right}")
}

pub(crate) fn position_outside(position: &str, count: usize, clause: &str) -> String {
    format!("{clause} {position} is no position in the select list, which has {count} columns")
}
