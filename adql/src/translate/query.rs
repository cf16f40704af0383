//! Whole queries: WITH, set operations, and the bounds of TOP, LIMIT and OFFSET.

use std::rc::Rc;

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    Cte, OrderByExpr, OrderByOptions, Query as SqlQuery, SetExpr, SetOperator as SqlSetOperator, SetQuantifier,
    TableAlias, TableAliasColumnDef,
};

use super::scope::{CommonRelation, Described, Relation, RelationColumn, Scope};
use super::{OutputColumn, Translator, sql};
use crate::ast::{Body, CommonTable, OrderItem, Query, SetLink, SetOperator};
use crate::names::TypeClass;
use crate::report::Problem;
use crate::rules::{position_outside, unequal_columns};

/// The bound on the rows of the whole answer.
pub(super) fn row_bound(query: &Query) -> Option<u64> {
    match &query.body {
        Body::Select(select) => select.top.or(query.limit).map(|bound| bound.rows),
        Body::Query(inner) if query.limit.is_none() && query.offset.is_none() => row_bound(inner),
        _ => query.limit.map(|bound| bound.rows),
    }
}

/// Outputs of a query as the columns of a table.
pub(super) fn relation_columns<'n>(outputs: Vec<OutputColumn>) -> Rc<[RelationColumn<'n>]> {
    outputs
        .into_iter()
        .map(|output| RelationColumn {
            name: output.name.into(),
            emitted: output.emitted.into(),
            class: output.class,
            described: Described::Computed(Rc::new(output.metadata)),
            unique: false,
        })
        .collect()
}

impl<'q> Translator<'q, '_, '_, '_> {
    /// A query and the columns of its answer.
    pub(super) fn query(&mut self, query: &'q Query) -> (SqlQuery, Vec<OutputColumn>) {
        let outer_common = self.common.len();
        let with = query.with.iter().map(|table| self.common_table(table)).collect();
        let (mut translated, outputs) = self.body_with_order(query);
        self.common.truncate(outer_common);
        translated.with = sql::with(with);
        (translated, outputs)
    }

    fn body_with_order(&mut self, query: &'q Query) -> (SqlQuery, Vec<OutputColumn>) {
        let offset = query.offset.map(|offset| offset.rows);
        let limit = query.limit.map(|limit| limit.rows);
        let (body, outputs, order_by, limit) = match &query.body {
            Body::Select(select) => {
                let (body, outputs, order_by) = self.select(select, &query.order_by);
                let limit = select.top.map(|top| top.rows).or(limit);
                (SetExpr::Select(Box::new(body)), outputs, order_by, limit)
            }
            body => {
                let (body, outputs) = self.operand(body);
                let order_by = self.order_of_outputs(&query.order_by, &outputs);
                (body, outputs, order_by, limit)
            }
        };
        let translated = SqlQuery {
            order_by: sql::order_by(order_by),
            limit_clause: sql::bounds(limit, offset),
            ..sql::query(body)
        };
        (translated, outputs)
    }

    /// A query as a part of a set operation: a TOP of its own makes it a query of its own.
    fn operand(&mut self, body: &'q Body) -> (SetExpr, Vec<OutputColumn>) {
        match body {
            Body::Select(select) => {
                let (translated, outputs, _) = self.select(select, &[]);
                let translated = SetExpr::Select(Box::new(translated));
                let Some(top) = select.top else { return (translated, outputs) };
                let bounded = SqlQuery { limit_clause: sql::bounds(Some(top.rows), None), ..sql::query(translated) };
                (SetExpr::Query(Box::new(bounded)), outputs)
            }
            Body::Query(query) => {
                let (translated, outputs) = self.query(query);
                (SetExpr::Query(Box::new(translated)), outputs)
            }
            Body::Operations { first, links } => {
                let (mut translated, mut outputs) = self.operand(first);
                for link in links {
                    translated = self.link(translated, &mut outputs, link);
                }
                (translated, outputs)
            }
        }
    }

    /// One more set operation; the columns keep the names of the first operand.
    fn link(&mut self, left: SetExpr, outputs: &mut [OutputColumn], link: &'q SetLink) -> SetExpr {
        let (right, right_outputs) = self.operand(&link.right);
        if outputs.len() != right_outputs.len() {
            self.report.fault(link.span, unequal_columns(link.operator, outputs.len(), right_outputs.len()));
        }
        // Of lists that do not fit, it is not known which columns belong together.
        let comparable = outputs.len() == right_outputs.len();
        for (position, (output, other)) in (1..).zip(outputs.iter_mut().zip(right_outputs)) {
            let shapes = |class| matches!(class, TypeClass::Point | TypeClass::Circle | TypeClass::Polygon);
            let both_shapes = shapes(output.class) && shapes(other.class);
            if comparable && !both_shapes && output.class.clashes_with(other.class) {
                let (one, two) = (output.class.noun(), other.class.noun());
                let message = format!("column {position} is {one} on one side and {two} on the other");
                self.report.problem(Problem::new(link.span, message).expecting(["CAST(.. AS ..) around one of them"]));
            }
            output.class = common_class(output.class, other.class);
            output.metadata.keep_common(&other.metadata);
        }
        let op = match link.operator {
            SetOperator::Union => SqlSetOperator::Union,
            SetOperator::Except => SqlSetOperator::Except,
            SetOperator::Intersect => SqlSetOperator::Intersect,
        };
        let set_quantifier = if link.all { SetQuantifier::All } else { SetQuantifier::None };
        SetExpr::SetOperation { op, set_quantifier, left: Box::new(left), right: Box::new(right) }
    }

    /// ORDER BY of a set operation: only its columns can be named.
    fn order_of_outputs(&mut self, items: &'q [OrderItem], outputs: &[OutputColumn]) -> Vec<OrderByExpr> {
        if items.is_empty() {
            return Vec::new();
        }
        let columns = relation_columns(outputs.to_vec());
        let mut scope = Scope::new();
        scope.clause = "ORDER BY";
        scope.relations.push(Relation {
            path: vec!["the query's columns".to_owned()],
            qualifier: Vec::new(),
            columns,
            table: None,
            nullable: false,
        });
        scope.visible = scope.columns_of(0);
        self.scopes.push(scope);
        let translated = items
            .iter()
            .map(|item| {
                let expr = match item.expr.as_position() {
                    Some(position) => self.position(position, outputs.len(), item),
                    None => self.expr(&item.expr).plain().sql,
                };
                order_item(item, expr)
            })
            .collect();
        self.scopes.pop();
        translated
    }

    /// A position in the select list.
    pub(super) fn position(&mut self, position: &str, count: usize, item: &OrderItem) -> sqlparser::ast::Expr {
        if !position.parse::<usize>().is_ok_and(|position| (1..=count).contains(&position)) {
            self.report.fault(item.expr.span, position_outside(position, count, "ORDER BY"));
        }
        sql::integer(position)
    }

    fn common_table(&mut self, table: &'q CommonTable) -> Cte {
        let (query, mut outputs) = self.query(&table.query);
        // The engine looks names of WITH up before those of tables, whatever stands in front of them.
        let mut emitted = table.name.text.replace('.', "_");
        let mut number = 2;
        while self.common_names.contains(&emitted) {
            emitted = format!("{}_{number}", table.name.text.replace('.', "_"));
            number += 1;
        }
        self.common_names.push(emitted.clone());
        // Without the AS that a table's alias has: here the query stands behind AS.
        let mut alias = TableAlias { explicit: false, ..sql::alias(sql::name(&emitted, table.name.span)) };
        if !table.columns.is_empty() {
            if table.columns.len() != outputs.len() {
                let message = format!(
                    "`{}` lists {} columns and its query has {}",
                    table.name.text,
                    table.columns.len(),
                    outputs.len()
                );
                self.report.fault(table.name.span, message);
            }
            for (index, (output, name)) in outputs.iter_mut().zip(&table.columns).enumerate() {
                output.name.clone_from(&name.text);
                let repeated = table.columns.iter().take(index).any(|earlier| earlier.text == name.text);
                output.emitted = if repeated { format!("{}_{}", name.text, index + 1) } else { name.text.clone() };
                let name = sql::name(&output.emitted, name.span);
                alias.columns.push(TableAliasColumnDef { name, data_type: None });
            }
        }
        self.common.push(CommonRelation { name: &table.name, emitted, columns: relation_columns(outputs) });
        Cte {
            alias,
            query: Box::new(query),
            from: None,
            materialized: None,
            closing_paren_token: AttachedToken::empty(),
        }
    }
}

pub(super) fn order_item(item: &OrderItem, expr: sqlparser::ast::Expr) -> OrderByExpr {
    let options = OrderByOptions { asc: item.descending.map(|descending| !descending), nulls_first: item.nulls_first };
    OrderByExpr { expr, options, with_fill: None }
}

/// What two values that meet in one column are.
pub(super) fn common_class(one: TypeClass, two: TypeClass) -> TypeClass {
    match (one, two) {
        (one, two) if one == two => one,
        (TypeClass::Other, known) | (known, TypeClass::Other) => known,
        (TypeClass::Integer, TypeClass::Float) | (TypeClass::Float, TypeClass::Integer) => TypeClass::Float,
        _ => TypeClass::Other,
    }
}
