//! What GROUP BY lets a SELECT read: its keys, and what has one value for each group because the keys say which row of its
//! table is meant.
//!
//! The standard wants every column that is read outside of aggregates in GROUP BY. If a group holds the key of a table, only
//! one row of that table is in it, and all its other columns have one value: the service adds them to the keys, which makes
//! the same groups. Equalities carry this on: in `FROM Object o JOIN Source s ON o.objectId = s.objectId GROUP BY s.objectId`
//! the group holds the key of Object too.

use std::collections::HashSet;

use sqlparser::ast::{BinaryOperator, Expr as SqlExpr, JoinConstraint, JoinOperator, TableFactor, TableWithJoins};
use sqlparser::tokenizer::Span;

use super::columns::is_aggregated;
use super::scope::Scope;
use super::{Translator, sql};
use crate::ast::Select;
use crate::options::Level;

/// What is known of grouping in a SELECT that groups.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    pub(super) keys: HashSet<SqlExpr>,
    /// The tables of which a group holds one row at most.
    pub(super) single: HashSet<usize>,
    /// Columns that were read outside of aggregates and are part of no key so far.
    pub(super) ungrouped: Vec<Ungrouped>,
}

/// A column that is no key of GROUP BY.
#[derive(Debug)]
pub(super) struct Ungrouped {
    pub(super) span: Span,
    pub(super) name: String,
    /// The column, if it has one value for each group all the same.
    pub(super) dependent: Option<SqlExpr>,
    /// It comes from `*`.
    pub(super) star: bool,
}

impl Translator<'_, '_, '_, '_> {
    /// From here on, columns that are read must be grouped. The equalities are those that hold in every row.
    pub(super) fn begin_grouping(&mut self, keys: &[SqlExpr], equalities: &[(SqlExpr, SqlExpr)]) {
        let Some(scope) = self.scopes.last_mut() else { return };
        let keys: HashSet<SqlExpr> = keys.iter().map(|key| sql::bare(key).clone()).collect();
        let single = single_rows(scope, &keys, equalities);
        scope.grouping = Some(Grouping { keys, single, ungrouped: Vec::new() });
    }

    /// Tells of the columns that are no keys; the answer is what is to be added to the keys.
    pub(super) fn end_grouping(&mut self, select: &Select) -> Vec<SqlExpr> {
        let Some(grouping) = self.scopes.last_mut().and_then(|scope| scope.grouping.take()) else { return Vec::new() };
        let mut added = Vec::new();
        let mut seen = HashSet::new();
        let declared = &self.options.functions;
        let only_having =
            select.group_by.is_empty() && select.having.as_ref().is_some_and(|having| !is_aggregated(having, declared));
        for Ungrouped { span, name, dependent, star } in grouping.ungrouped {
            match dependent {
                Some(column) if self.report.level() == Level::Service => {
                    let what = if star { "what `*` shows".to_owned() } else { format!("`{name}`") };
                    let reason = "the key of its table stands there, so that it has one value in each group";
                    self.report.lenient(span, format!("{what} must stand in GROUP BY in ADQL; {reason}"));
                    if seen.insert(column.clone()) {
                        added.push(column);
                    }
                }
                _ => {
                    let remedy = if only_having { "; conditions on rows stand in WHERE, not in HAVING" } else { "" };
                    let message = format!("`{name}` must stand in GROUP BY or inside an aggregate such as MIN{remedy}");
                    self.report.fault(span, message);
                }
            }
        }
        added
    }
}

/// The tables of which each group has one row at most.
fn single_rows(scope: &Scope<'_, '_>, keys: &HashSet<SqlExpr>, equalities: &[(SqlExpr, SqlExpr)]) -> HashSet<usize> {
    // Of each table: its keys and, by their first words, all its columns.
    let unique: Vec<Vec<SqlExpr>> = scope
        .relations
        .iter()
        .map(|relation| {
            let keys = relation.columns.iter().filter(|column| column.unique);
            keys.map(|column| sql::column(&relation.qualifier, &column.emitted, Span::empty())).collect()
        })
        .collect();
    let mut single = HashSet::new();
    if unique.iter().all(Vec::is_empty) {
        return single;
    }
    let mut known: HashSet<&SqlExpr> = keys.iter().collect();
    let owner = |expr: &SqlExpr| match expr {
        SqlExpr::CompoundIdentifier(path) => {
            let qualifier = path.split_last().map_or(path.as_slice(), |(_, qualifier)| qualifier);
            scope.relations.iter().position(|relation| relation.qualifier == qualifier)
        }
        _ => None,
    };
    loop {
        let before = known.len() + single.len();
        for (index, keys) in unique.iter().enumerate() {
            if keys.iter().any(|key| known.contains(key)) {
                single.insert(index);
            }
        }
        for (one, two) in equalities {
            let is_known =
                |expr: &SqlExpr| known.contains(expr) || owner(expr).is_some_and(|own| single.contains(&own));
            let (one_known, two_known) = (is_known(one), is_known(two));
            if one_known {
                known.insert(two);
            }
            if two_known {
                known.insert(one);
            }
        }
        if known.len() + single.len() == before {
            return single;
        }
    }
}

/// The columns that are equal in every row: by WHERE, and by the conditions of inner joins. Where an outer join fills rows up,
/// both sides of such an equality are NULL together.
pub(super) fn equalities(from: &[TableWithJoins], filter: Option<&SqlExpr>) -> Vec<(SqlExpr, SqlExpr)> {
    let mut found = Vec::new();
    from.iter().for_each(|joined| equalities_of_joins(joined, &mut found));
    filter.into_iter().for_each(|filter| equalities_of(filter, &mut found));
    found
}

fn equalities_of_joins(joined: &TableWithJoins, found: &mut Vec<(SqlExpr, SqlExpr)>) {
    let nested = |relation: &TableFactor, found: &mut Vec<_>| {
        if let TableFactor::NestedJoin { table_with_joins, .. } = relation {
            equalities_of_joins(table_with_joins, found);
        }
    };
    nested(&joined.relation, found);
    for join in &joined.joins {
        nested(&join.relation, found);
        if let JoinOperator::Inner(JoinConstraint::On(condition)) = &join.join_operator {
            equalities_of(condition, found);
        }
    }
}

fn equalities_of(condition: &SqlExpr, found: &mut Vec<(SqlExpr, SqlExpr)>) {
    match sql::bare(condition) {
        SqlExpr::BinaryOp { left, op: BinaryOperator::And, right } => {
            equalities_of(left, found);
            equalities_of(right, found);
        }
        SqlExpr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            let column = |expr: &SqlExpr| matches!(expr, SqlExpr::CompoundIdentifier(_));
            if column(left) && column(right) {
                found.push((SqlExpr::clone(left), SqlExpr::clone(right)));
            }
        }
        _ => {}
    }
}
