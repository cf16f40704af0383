//! FROM: tables, derived tables, and joins with USING and NATURAL put as ON.

use std::collections::HashMap;

use sqlparser::ast::{
    BinaryOperator, Expr as SqlExpr, Join as SqlJoin, JoinConstraint, JoinOperator, Select, SelectItem, SetExpr,
    TableFactor, TableWithJoins, WildcardAdditionalOptions,
};
use sqlparser::tokenizer::Span;

use super::scope::{Relation, Visible};
use super::tables::{Found, find};
use super::{TableName, Translator, sql};
use crate::ast::{self, JoinCondition, JoinKind, Joined, Name, Path};
use crate::nearest;
use crate::report::Problem;

impl<'q, 'n> Translator<'q, 'n, '_, '_> {
    /// Translates FROM, and fills the innermost scope with its tables.
    pub(super) fn from(&mut self, from: &'q [Joined]) -> Vec<TableWithJoins> {
        let mut visible = Vec::new();
        let mut translated = Vec::new();
        for joined in from {
            let (table, columns) = self.joined(joined);
            translated.push(table);
            visible.extend(columns);
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.first = 0;
            scope.visible = visible;
        }
        translated
    }

    /// One entry of FROM, and the columns that it shows.
    fn joined(&mut self, joined: &'q Joined) -> (TableWithJoins, Vec<Visible>) {
        let start = self.scopes.last().map_or(0, |scope| scope.relations.len());
        let (relation, mut visible) = self.relation(&joined.first);
        let mut joins = Vec::new();
        for join in &joined.joins {
            let between = self.scopes.last().map_or(0, |scope| scope.relations.len());
            let (relation, right) = self.relation(&join.relation);
            self.mark_nullable(join.kind, start, between);
            let (constraint, columns) = self.join_condition(join, start, visible, right);
            visible = columns;
            joins.push(SqlJoin { relation, global: false, join_operator: join_operator(join.kind, constraint) });
        }
        (TableWithJoins { relation, joins }, visible)
    }

    /// Notes the tables whose rows an outer join fills up: those on the other side of the one that is kept.
    fn mark_nullable(&mut self, kind: JoinKind, start: usize, between: usize) {
        let Some(scope) = self.scopes.last_mut() else { return };
        let end = scope.relations.len();
        let filled = match kind {
            JoinKind::Inner | JoinKind::Cross => return,
            JoinKind::Left => between..end,
            JoinKind::Right => start..between,
            JoinKind::Full => start..end,
        };
        scope.relations.iter_mut().take(filled.end).skip(filled.start).for_each(|relation| relation.nullable = true);
    }

    fn join_condition(
        &mut self,
        join: &'q ast::Join,
        start: usize,
        left: Vec<Visible>,
        right: Vec<Visible>,
    ) -> (Option<SqlExpr>, Vec<Visible>) {
        match &join.condition {
            JoinCondition::None => {
                if join.kind != JoinKind::Cross {
                    let at = join.span.start;
                    self.report.warn(format!(
                        "line {}, column {}: a join without ON or USING pairs each row with every other, as CROSS JOIN does",
                        at.line, at.column
                    ));
                }
                (None, left.into_iter().chain(right).collect())
            }
            JoinCondition::On(condition) => {
                let visible: Vec<Visible> = left.into_iter().chain(right).collect();
                // Inside ON only the tables of this join can be named.
                if let Some(scope) = self.scopes.last_mut() {
                    scope.first = start;
                    scope.visible = visible;
                }
                let condition = self.condition(condition);
                let visible = self.scopes.last_mut().map(|scope| std::mem::take(&mut scope.visible));
                (Some(condition), visible.unwrap_or_default())
            }
            JoinCondition::Using(names) => {
                let mut pairs = Vec::new();
                for name in names.iter().take(left.len()) {
                    let (left, right) = (self.using(name, &left, "left"), self.using(name, &right, "right"));
                    if let (Some(left), Some(right)) = (left, right) {
                        if pairs.contains(&(left, right)) {
                            self.report.fault(name.span, format!("USING names `{}` twice", name.text));
                            break;
                        }
                        pairs.push((left, right));
                    }
                }
                self.merge(join.kind, left, right, &pairs, join.span)
            }
            JoinCondition::Natural => {
                let pairs = self.natural_pairs(&left, &right, join.span);
                if pairs.is_empty() {
                    self.report.warn("the tables of a NATURAL JOIN have no column in common".to_owned());
                }
                self.merge(join.kind, left, right, &pairs, join.span)
            }
        }
    }

    /// The column that USING names on one side, as a position in that side's columns.
    fn using(&mut self, name: &Name, side: &[Visible], which: &str) -> Option<usize> {
        let scope = self.scopes.last()?;
        let named = side.iter().enumerate().filter_map(|(index, visible)| {
            let (_, column) = scope.column_of(visible)?;
            column.name.eq_ignore_ascii_case(&name.text).then_some((index, column.name.as_ref()))
        });
        let candidates: Vec<(usize, &str)> = named.collect();
        match find(name, candidates.iter().copied(), |(_, name)| name.to_owned()) {
            Found::One((index, _)) => Some(index),
            Found::OtherCase((index, declared)) => {
                let declared = declared.to_owned();
                self.other_case(name, &declared).then_some(index)
            }
            Found::None => {
                if !scope.incomplete && !self.report.is_full() {
                    let columns = side.iter().filter_map(|visible| scope.column_of(visible));
                    let near = nearest::names(&name.text, columns.map(|(_, column)| &*column.name));
                    let message = format!("no column `{}` on the {which} side of the join", name.text);
                    self.report.problem(Problem::new(name.span, message).suggesting(near));
                }
                None
            }
            Found::Several(_) => {
                self.report
                    .fault(name.span, format!("`{}` stands more than once on the {which} side of the join", name.text));
                None
            }
        }
    }

    /// The columns that both sides have, as positions.
    fn natural_pairs(&mut self, left: &[Visible], right: &[Visible], span: Span) -> Vec<(usize, usize)> {
        let Some(scope) = self.scopes.last() else { return Vec::new() };
        let folded = |visible: &Visible| scope.column_of(visible).map(|(_, column)| column.name.to_ascii_lowercase());
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, visible) in right.iter().enumerate() {
            if let Some(name) = folded(visible) {
                by_name.entry(name).or_default().push(index);
            }
        }
        let mut pairs = Vec::new();
        let mut seen = HashMap::new();
        let mut repeated = None;
        for (index, visible) in left.iter().enumerate() {
            let Some(name) = folded(visible) else { continue };
            let Some(others) = by_name.get(&name) else { continue };
            if others.len() > 1 || seen.insert(name.clone(), index).is_some() {
                repeated = Some(name);
            } else if let Some(other) = others.first() {
                pairs.push((index, *other));
            }
        }
        if let Some(name) = repeated {
            self.report
                .fault(span, format!("NATURAL cannot tell which `{name}` is meant: one side has it more than once"));
        }
        pairs
    }

    /// Joins two sides by equal columns: the condition, and what the join shows: each pair as one column, then the rest.
    fn merge(
        &mut self,
        kind: JoinKind,
        left: Vec<Visible>,
        right: Vec<Visible>,
        pairs: &[(usize, usize)],
        span: Span,
    ) -> (Option<SqlExpr>, Vec<Visible>) {
        let Some(scope) = self.scopes.last_mut() else { return (None, left) };
        scope.merges |= !pairs.is_empty();
        let mut conditions = Vec::new();
        let mut shown = Vec::new();
        for (left_index, right_index) in pairs {
            let (Some(one), Some(two)) = (left.get(*left_index), right.get(*right_index)) else { continue };
            let (one_sql, two_sql) = (scope.sql_of(one, span), scope.sql_of(two, span));
            conditions.push(sql::binary(one_sql.clone(), BinaryOperator::Eq, two_sql.clone()));
            shown.push(match kind {
                JoinKind::Inner | JoinKind::Left | JoinKind::Cross => one.clone(),
                JoinKind::Right => two.clone(),
                JoinKind::Full => Visible {
                    merged: Some(Box::new(sql::call("coalesce", [one_sql, two_sql]))),
                    other: Some((two.relation, two.column)),
                    ..one.clone()
                },
            });
        }
        let is_merged = |index: usize, side: fn(&(usize, usize)) -> usize| pairs.iter().any(|pair| side(pair) == index);
        let rest_left = left.iter().enumerate().filter(|(index, _)| !is_merged(*index, |pair| pair.0));
        shown.extend(rest_left.map(|(_, visible)| visible.clone()));
        let rest_right = right.iter().enumerate().filter(|(index, _)| !is_merged(*index, |pair| pair.1));
        shown.extend(rest_right.map(|(_, visible)| visible.clone()));
        (sql::chain(conditions, &BinaryOperator::And), shown)
    }

    fn relation(&mut self, relation: &'q ast::Relation) -> (TableFactor, Vec<Visible>) {
        match relation {
            ast::Relation::Table { path, alias } => self.named_table(path, alias.as_ref()),
            ast::Relation::Sampled { table, percent, .. } => self.sampled(table, percent),
            ast::Relation::Derived { query, alias } => {
                // The tables beside it cannot be named inside.
                let scope = self.scopes.pop();
                let (subquery, outputs) = self.query(query);
                self.scopes.extend(scope);
                let number = self.scopes.last().map_or(0, |scope| scope.relations.len()) + 1;
                let (name, span) = match alias {
                    Some(alias) => (alias.text.clone(), alias.span),
                    None => (format!("query_{number}"), query.span),
                };
                let ident = sql::name(&name, span);
                let relation = Relation {
                    path: vec![name],
                    qualifier: vec![ident.clone()],
                    columns: super::query::relation_columns(outputs),
                    table: None,
                    nullable: false,
                };
                let factor = TableFactor::Derived {
                    lateral: false,
                    subquery: Box::new(subquery),
                    alias: Some(sql::alias(ident)),
                    sample: None,
                };
                (factor, self.push(relation))
            }
            ast::Relation::Nested(joined) => {
                let (table_with_joins, visible) = self.joined(joined);
                (TableFactor::NestedJoin { table_with_joins: Box::new(table_with_joins), alias: None }, visible)
            }
        }
    }

    fn named_table(&mut self, path: &'q Path, alias: Option<&'q Name>) -> (TableFactor, Vec<Visible>) {
        if let [name] = path.as_slice()
            && let Some(common) = self.common.iter().rev().find(|common| name.matches(&common.name.text)).cloned()
        {
            let called = alias.unwrap_or(common.name);
            let ident = sql::name(&called.text, alias.unwrap_or(name).span);
            let relation = Relation {
                path: vec![called.text.clone()],
                qualifier: vec![ident.clone()],
                columns: common.columns,
                table: None,
                nullable: false,
            };
            let table = sql::object_name(&[sql::name(&common.emitted, name.span)]);
            return (sql::table(table, Some(sql::alias(ident))), self.push(relation));
        }
        let span = path.iter().fold(Span::empty(), |span, name| span.union(&name.span));
        let Some(table) = self.table(path) else {
            // A table of the user's name with no columns: what refers to it is not reported again.
            return (sql::table(sql::object_name(&[]), None), self.push_unknown(path, alias));
        };
        let TableName { database, table: table_name } = &table;
        let full = vec![sql::name(database, span), sql::name(table_name, span)];
        let columns = self.columns(&table);
        let (path, qualifier) = match alias {
            Some(alias) => (vec![alias.text.clone()], vec![sql::name(&alias.text, alias.span)]),
            None => (vec![database.clone(), table_name.clone()], full.clone()),
        };
        let relation = Relation { path, qualifier, columns, table: Some(table.clone()), nullable: false };
        let sql_alias = alias.map(|alias| sql::alias(sql::name(&alias.text, alias.span)));
        let factor = sql::table(sql::object_name(&full), sql_alias);
        if !self.tables.contains(&table) {
            self.tables.push(table);
        }
        (factor, self.push(relation))
    }

    /// A table by chance: the query of those of its rows that a random number selects.
    fn sampled(&mut self, table: &'q ast::Relation, percent: &str) -> (TableFactor, Vec<Visible>) {
        let (relation, visible) = self.relation(table);
        let Some(sampled) = self.scopes.last_mut().and_then(|scope| {
            let number = scope.relations.len();
            scope.relations.last_mut().map(|sampled| (number, sampled))
        }) else {
            return (relation, visible);
        };
        let (number, sampled) = sampled;
        let ident = match sampled.qualifier.as_slice() {
            [alias] => alias.clone(),
            _ => sql::name(&format!("sample_{number}"), Span::empty()),
        };
        sampled.qualifier = vec![ident.clone()];
        let fraction = percent.parse::<f64>().unwrap_or(100.0) / 100.0;
        let selection = sql::binary(sql::call("random", []), BinaryOperator::Lt, sql::number(&format!("{fraction:?}")));
        let select = Select {
            projection: vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())],
            from: vec![TableWithJoins { relation, joins: vec![] }],
            selection: Some(selection),
            ..sql::select()
        };
        let factor = TableFactor::Derived {
            lateral: false,
            subquery: Box::new(sql::query(SetExpr::Select(Box::new(select)))),
            alias: Some(sql::alias(ident)),
            sample: None,
        };
        (factor, visible)
    }

    fn push(&mut self, relation: Relation<'n>) -> Vec<Visible> {
        let Some(scope) = self.scopes.last_mut() else { return Vec::new() };
        scope.relations.push(relation);
        scope.columns_of(scope.relations.len() - 1)
    }

    fn push_unknown(&mut self, path: &[Name], alias: Option<&Name>) -> Vec<Visible> {
        let names: Vec<String> =
            alias.map_or_else(|| path.iter().map(|name| name.text.clone()).collect(), |alias| vec![alias.text.clone()]);
        let relation =
            Relation { path: names, qualifier: Vec::new(), columns: [].into(), table: None, nullable: false };
        if let Some(scope) = self.scopes.last_mut() {
            scope.incomplete = true;
        }
        self.push(relation)
    }
}

fn join_operator(kind: JoinKind, condition: Option<SqlExpr>) -> JoinOperator {
    match (kind, condition) {
        (JoinKind::Inner | JoinKind::Cross, None) => JoinOperator::CrossJoin(JoinConstraint::None),
        (kind, condition) => {
            // An outer join without a condition is a NATURAL one without common columns: all rows match.
            let condition = JoinConstraint::On(condition.unwrap_or_else(|| sql::boolean(true)));
            match kind {
                JoinKind::Inner | JoinKind::Cross => JoinOperator::Inner(condition),
                JoinKind::Left => JoinOperator::LeftOuter(condition),
                JoinKind::Right => JoinOperator::RightOuter(condition),
                JoinKind::Full => JoinOperator::FullOuter(condition),
            }
        }
    }
}
