//! Looks columns up: in the tables of the SELECT, among its aliases, then in the SELECTs around it.

use std::rc::Rc;

use sqlparser::tokenizer::Span;

use super::grouping::Ungrouped;
use super::scope::{AliasUse, RelationColumn, Scope, Visible};
use super::tables::{Found, find};
use super::value::Value;
use super::{Translator, sql};
use crate::ast::{Expr, ExprKind, Name};
use crate::functions::{self, FunctionSignature};
use crate::names::TypeClass;
use crate::nearest;
use crate::options::Level;
use crate::report::Problem;

impl<'q> Translator<'q, '_, '_, '_> {
    /// The value of a column.
    pub(super) fn column(&mut self, path: &'q [Name], span: Span) -> Value {
        match path {
            [] => Value::null(),
            [name] => self.unqualified(name),
            [qualifier @ .., name] => self.qualified(qualifier, name, span),
        }
    }

    fn unqualified(&mut self, name: &'q Name) -> Value {
        for level in (0..self.scopes.len()).rev() {
            let compared = self.scopes.get(level).map_or(0, |scope| scope.visible.len() + scope.aliases.len());
            if !self.charge_comparisons(compared, name.span) {
                return Value::null();
            }
            if let Some(visible) = self.visible_as(level, name) {
                return match visible {
                    Some(visible) => self.value_of(level, &visible, name.span),
                    None => Value::null(),
                };
            }
            if let Some(value) = self.alias(level, name) {
                return value;
            }
        }
        if let Some(text) = self.quoted_text(name) {
            return text;
        }
        self.no_column(name);
        Value::null()
    }

    /// A quoted name that is no column, and near to none unless a text is expected, is a text in wrong quotes.
    fn quoted_text(&mut self, name: &Name) -> Option<Value> {
        let complete = !self.scopes.iter().any(|scope| scope.incomplete);
        if !name.quoted || !complete || self.report.level() == Level::Strict {
            return None;
        }
        if !self.beside_text {
            let columns = self.scopes.iter().flat_map(|scope| {
                scope.visible.iter().filter_map(|visible| scope.column_of(visible)).map(|(_, column)| &*column.name)
            });
            if !nearest::names(&name.text, columns).is_empty() {
                return None;
            }
        }
        let message = format!("\"{}\" is no column and is taken for a text, which stands in single quotes", name.text);
        self.report.lenient(name.span, message);
        Some(Value::new(sql::text(&name.text), TypeClass::Text))
    }

    /// The column of one SELECT's tables that a name means. `Some(None)`: it means several, and the fault is reported.
    pub(super) fn visible_as(&mut self, level: usize, name: &Name) -> Option<Option<Visible>> {
        let scope = self.scopes.get(level)?;
        let named = scope.visible.iter().enumerate().filter_map(|(index, visible)| {
            let (_, column) = scope.column_of(visible)?;
            // The cheap comparison first: tables have thousands of columns.
            column.name.eq_ignore_ascii_case(&name.text).then_some((index, column.name.as_ref()))
        });
        let candidates: Vec<(usize, &str)> = named.collect();
        match find(name, candidates.iter().copied(), |(_, name)| name.to_owned()) {
            Found::One((index, _)) => Some(scope.visible.get(index).cloned()),
            Found::OtherCase((index, declared)) => {
                let (visible, declared) = (scope.visible.get(index).cloned(), declared.to_owned());
                Some(if self.other_case(name, &declared) { visible } else { None })
            }
            Found::Several(several) => {
                // Quotes tell columns apart that differ in their letter case alone.
                let cases = several.iter().any(|(_, column)| several.iter().any(|(_, other)| other != column));
                let several: Vec<String> = several
                    .iter()
                    .filter_map(|(index, column)| {
                        let (relation, _) = scope.column_of(scope.visible.get(*index)?)?;
                        let quote = if cases { "\"" } else { "" };
                        Some(format!("{}.{quote}{column}{quote}", relation.shown()))
                    })
                    .collect();
                let several: Vec<&str> = several.iter().map(String::as_str).collect();
                self.ambiguous(name, "column", &several);
                Some(None)
            }
            Found::None => None,
        }
    }

    fn qualified(&mut self, qualifier: &[Name], name: &Name, span: Span) -> Value {
        for level in (0..self.scopes.len()).rev() {
            let Some(scope) = self.scopes.get(level) else { continue };
            let called: Vec<usize> = scope
                .reachable()
                .filter(|(_, relation)| relation.is_called(qualifier))
                .map(|(index, _)| index)
                .collect();
            match called.as_slice() {
                [] => {}
                [relation] => return self.column_in(level, *relation, name, span),
                several => {
                    let shown: Vec<String> = several
                        .iter()
                        .filter_map(|index| scope.relations.get(*index).map(|relation| relation.shown()))
                        .collect();
                    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
                    if let Some(last) = qualifier.last() {
                        self.ambiguous(last, "table", &shown);
                    }
                    return Value::null();
                }
            }
        }
        self.no_relation(qualifier);
        Value::null()
    }

    fn column_in(&mut self, level: usize, index: usize, name: &Name, span: Span) -> Value {
        let Some(relation) = self.scopes.get(level).and_then(|scope| scope.relations.get(index)) else {
            return Value::null();
        };
        let columns = Rc::clone(&relation.columns);
        let shown = relation.shown();
        if !self.charge_comparisons(columns.len(), span) {
            return Value::null();
        }
        let position = |column: usize| Visible { relation: index, column, merged: None, other: None };
        let candidates = columns.iter().enumerate().filter(|(_, column)| column.name.eq_ignore_ascii_case(&name.text));
        let candidates: Vec<(usize, &str)> = candidates.map(|(column, declared)| (column, &*declared.name)).collect();
        match find(name, candidates.into_iter(), |(_, name)| name.to_owned()) {
            Found::One((column, _)) => self.value_of(level, &position(column), span),
            Found::OtherCase((column, declared)) if self.other_case(name, declared) => {
                self.value_of(level, &position(column), span)
            }
            Found::OtherCase(_) => Value::null(),
            Found::Several(several) => {
                if several.iter().all(|(_, column)| several.first().is_some_and(|(_, first)| first == column)) {
                    self.report.fault(name.span, format!("{shown} has more than one column `{}`", name.text));
                    return Value::null();
                }
                let several: Vec<String> = several.iter().map(|(_, column)| format!("{shown}.\"{column}\"")).collect();
                let several: Vec<&str> = several.iter().map(String::as_str).collect();
                self.ambiguous(name, "column", &several);
                Value::null()
            }
            Found::None => {
                let known = self.scopes.get(level).is_some_and(|scope| !scope.incomplete || !columns.is_empty());
                if known && !self.report.is_full() {
                    let near = nearest::names(&name.text, columns.iter().map(|column| &*column.name));
                    let problem = Problem::new(name.span, format!("no column `{}` in {shown}", name.text));
                    self.report.problem(problem.suggesting(near));
                }
                Value::null()
            }
        }
    }

    /// The value of a column that was found, noted where the SELECT groups.
    fn value_of(&mut self, level: usize, visible: &Visible, span: Span) -> Value {
        let Some(scope) = self.scopes.get_mut(level) else { return Value::null() };
        let value = Value::new(scope.sql_of(visible, span), scope.class_of(visible));
        let name = scope.column_of(visible).map(|(_, column)| column.name.to_string());
        if let (Some(grouping), Some(name)) = (&mut scope.grouping, name)
            && !grouping.keys.contains(&value.sql)
        {
            let single = visible.merged.is_none() && grouping.single.contains(&visible.relation);
            let dependent = single.then(|| value.sql.clone());
            grouping.ungrouped.push(Ungrouped { span, name, dependent, star: false });
        }
        value
    }

    /// The value of an alias of the select list, where aliases can be used.
    fn alias(&mut self, level: usize, name: &'q Name) -> Option<Value> {
        let innermost = level + 1 == self.scopes.len();
        let scope = self.scopes.get_mut(level)?;
        let alias_use = scope.alias_use;
        if alias_use == AliasUse::No || !innermost {
            return None;
        }
        let known = scope.known_aliases;
        let index = scope.aliases.iter().take(known).position(|(alias, _)| name_means(name, alias))?;
        let (_, expr) = scope.aliases.get(index).copied()?;
        let clause = scope.clause;
        if !self.may_visit(name.span) {
            return Some(Value::null());
        }
        if alias_use == AliasUse::Liberty {
            if self.report.level() == Level::Strict {
                return None;
            }
            self.report.lenient(name.span, format!("`{}` is an alias; ADQL knows it in ORDER BY only", name.text));
        }
        if matches!(clause, "WHERE" | "GROUP BY") && is_aggregated(expr, &self.options.functions) {
            self.report.fault(name.span, format!("`{}` is an aggregate, which cannot stand in {clause}", name.text));
            return Some(Value::null());
        }
        if !matches!(clause, "ORDER BY" | "SELECT") && has_window(expr) {
            let message = format!("`{}` is a window function, which cannot stand in {clause}", name.text);
            self.report.fault(name.span, message + "; compute it in a query in FROM, and use its column outside");
            return Some(Value::null());
        }
        // The alias's own expression knows the aliases before it.
        self.set_alias_use(AliasUse::Liberty);
        self.set_known_aliases(index);
        let value = self.expr(expr);
        self.set_known_aliases(known);
        self.set_alias_use(alias_use);
        Some(value)
    }

    pub(super) fn set_known_aliases(&mut self, known: usize) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.known_aliases = known;
        }
    }

    pub(super) fn set_alias_use(&mut self, alias_use: AliasUse) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.alias_use = alias_use;
        }
    }

    fn no_column(&mut self, name: &Name) {
        if self.report.is_full() || self.scopes.iter().any(|scope| scope.incomplete) {
            return;
        }
        let Some(scope) = self.scopes.last() else {
            self.report.fault(name.span, format!("no column `{}`", name.text));
            return;
        };
        let columns =
            scope.visible.iter().filter_map(|visible| scope.column_of(visible)).map(|(_, column)| &*column.name);
        let aliases = scope.aliases.iter().filter(|_| scope.alias_use == AliasUse::Yes).map(|(alias, _)| &*alias.text);
        let near = nearest::names(&name.text, columns.chain(aliases));
        let tables: Vec<String> = scope.reachable().map(|(_, relation)| relation.shown()).collect();
        let place = match tables.as_slice() {
            [] => " here".to_owned(),
            tables if tables.len() <= 3 => format!(" in {}", tables.join(", ")),
            _ => " in any table of FROM".to_owned(),
        };
        let mut message = format!("no column `{}`{place}", name.text);
        if name.text.eq_ignore_ascii_case("ROWNUM") {
            message += "; the number of rows is bounded with TOP behind SELECT";
        } else if name.quoted {
            message += "; a text stands in single quotes";
        }
        self.report.problem(Problem::new(name.span, message).suggesting(near));
    }

    pub(super) fn no_relation(&mut self, qualifier: &[Name]) {
        let (Some(first), Some(last)) = (qualifier.first(), qualifier.last()) else { return };
        if self.scopes.iter().any(|scope| scope.incomplete) {
            return;
        }
        let shown: Vec<&str> = qualifier.iter().map(|name| &*name.text).collect();
        let tables: Vec<String> = self
            .scopes
            .iter()
            .rev()
            .flat_map(|scope| scope.reachable())
            .map(|(_, relation)| relation.shown())
            .collect();
        let mut near = nearest::names(&shown.join("."), tables.iter().map(String::as_str));
        if near.is_empty() {
            near = tables.into_iter().take(3).collect();
        }
        let problem =
            Problem::new(first.span.union(&last.span), format!("there is no table `{}` in FROM", shown.join(".")));
        self.report.problem(problem.suggesting(near));
    }

    /// The catalog's name of a column, without reporting anything: for naming outputs.
    pub(super) fn declared_name(&self, path: &[Name]) -> Option<String> {
        let (name, qualifier) = path.split_last()?;
        self.scopes.iter().rev().find_map(|scope| declared_in(scope, qualifier, name))
    }
}

fn declared_in(scope: &Scope<'_, '_>, qualifier: &[Name], name: &Name) -> Option<String> {
    let exact = |column: &&RelationColumn<'_>| name.matches(&column.name);
    let folded = |column: &&RelationColumn<'_>| column.name.eq_ignore_ascii_case(&name.text);
    let found = if qualifier.is_empty() {
        let columns = scope.visible.iter().filter_map(|visible| scope.column_of(visible)).map(|(_, column)| column);
        columns.clone().find(exact).or_else(|| columns.clone().find(folded))
    } else {
        let (_, relation) = scope.reachable().find(|(_, relation)| relation.is_called(qualifier))?;
        relation.columns.iter().find(exact).or_else(|| relation.columns.iter().find(folded))
    };
    found.map(|column| column.name.to_string())
}

/// Whether a name means an alias: by letters if one of both is quoted, else in any letter case.
pub(super) fn name_means(name: &Name, alias: &Name) -> bool {
    if name.quoted { name.text == alias.text } else { name.text.eq_ignore_ascii_case(&alias.text) }
}

/// Whether the value is made by a window function.
fn has_window(expr: &Expr) -> bool {
    expr.any(&|expr| matches!(&expr.kind, ExprKind::Call(call) if call.over.is_some()))
}

/// Whether the value is made of many rows.
pub(super) fn is_aggregated(expr: &Expr, declared: &[FunctionSignature]) -> bool {
    expr.any(&|expr| match &expr.kind {
        ExprKind::Call(call) => call.over.is_none() && functions::is_aggregate(&call.name.text, declared),
        _ => false,
    })
}
