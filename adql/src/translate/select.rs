//! One SELECT: its list, the names of its columns, WHERE, GROUP BY, HAVING, and the ORDER BY behind it.

use std::collections::{HashMap, HashSet};

use sqlparser::ast::{
    Distinct, Expr as SqlExpr, GroupByExpr, Ident, OrderByExpr, Select as SqlSelect, SelectItem,
    SelectItemQualifiedWildcardKind, WildcardAdditionalOptions,
};
use sqlparser::tokenizer::Span;

use super::columns::{is_aggregated, name_means};
use super::grouping::{Ungrouped, equalities};
use super::query::order_item;
use super::scope::{AliasUse, Scope, Visible};
use super::{OutputColumn, Translator, sql};
use crate::ast::{Call, Comparison, Expr, ExprKind, Item, Name, OrderItem, Select};
use crate::functions::FunctionSignature;
use crate::names::{Metadata, TypeClass};
use crate::options::Level;

/// Most columns of one SELECT. The widest tables have two thousand; what the engine does for each column is not to be
/// done half a million times because a hostile text asks for it.
const MAX_COLUMNS: usize = 10_000;

/// Longest name that is made up for a column without one.
const LONGEST_NAME: usize = 63;

/// One column of the answer while it is made.
struct Column<'q> {
    source: Source<'q>,
    sql: SqlExpr,
    /// What the user is to see.
    name: String,
    /// Nobody wrote this name, so it may be changed.
    made_up: bool,
    emitted: String,
    class: TypeClass,
    metadata: Metadata,
}

enum Source<'q> {
    Expr {
        expr: &'q Expr,
        alias: Option<&'q Name>,
    },
    /// From `*`; the number of the select list's entry.
    Star {
        entry: usize,
        merged: bool,
    },
}

impl<'q> Translator<'q, '_, '_, '_> {
    /// A SELECT, its columns, and the ORDER BY that follows it.
    pub(super) fn select(
        &mut self,
        select: &'q Select,
        order_by: &'q [OrderItem],
    ) -> (SqlSelect, Vec<OutputColumn>, Vec<OrderByExpr>) {
        self.scopes.push(Scope::new());
        let from = self.from(&select.from);
        self.collect_aliases(select);

        let selection = select.filter.as_ref().map(|filter| {
            self.enter("WHERE", AliasUse::Liberty);
            self.condition(filter)
        });
        let mut keys = self.group_by(select);
        if is_grouped(select, order_by, &self.options.functions) {
            let equalities = equalities(&from, selection.as_ref());
            self.begin_grouping(&keys, &equalities);
        }
        self.enter("SELECT", AliasUse::Liberty);
        let mut columns = self.columns_of_list(select);
        name_uniquely(&mut columns);
        let having = select.having.as_ref().map(|having| {
            self.enter("HAVING", AliasUse::Yes);
            self.condition(having)
        });
        self.enter("ORDER BY", AliasUse::Yes);
        let order_by = order_by.iter().map(|item| self.order_item(item, &columns, select.distinct)).collect();
        keys.extend(self.end_grouping(select));

        let keys = group_positions(keys, &columns);
        let projection = self.projection(select, &columns, !keys.is_empty());
        self.scopes.pop();
        let translated = SqlSelect {
            distinct: select.distinct.then_some(Distinct::Distinct),
            projection,
            from,
            selection,
            group_by: GroupByExpr::Expressions(keys, vec![]),
            having,
            ..sql::select()
        };
        let outputs = columns
            .into_iter()
            .map(|column| OutputColumn {
                name: column.name,
                emitted: column.emitted,
                class: column.class,
                metadata: column.metadata,
            })
            .collect();
        (translated, outputs, order_by)
    }

    fn enter(&mut self, clause: &'static str, alias_use: AliasUse) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.clause = clause;
            scope.alias_use = alias_use;
            scope.known_aliases = scope.aliases.len();
        }
    }

    fn collect_aliases(&mut self, select: &'q Select) {
        let aliases = select.items.iter().filter_map(|item| match item {
            Item::Expr { expr, alias: Some(alias) } => Some((alias, expr)),
            _ => None,
        });
        if let Some(scope) = self.scopes.last_mut() {
            scope.aliases = aliases.collect();
        }
    }

    // Grouping.

    /// The keys of GROUP BY. A number is a position in the select list, a name a column or else an alias.
    fn group_by(&mut self, select: &'q Select) -> Vec<SqlExpr> {
        self.enter("GROUP BY", AliasUse::Yes);
        let mut keys = Vec::new();
        let mut seen = HashSet::new();
        for expr in &select.group_by {
            if !self.may_visit(expr.span) {
                break;
            }
            let key = match expr.as_position() {
                Some(position) => match self.listed(select, position) {
                    Some(listed) => {
                        if is_aggregated(listed, &self.options.functions) {
                            self.report.fault(expr.span, "an aggregate cannot stand in GROUP BY");
                        }
                        self.set_alias_use(AliasUse::No);
                        let key = self.expr(listed).plain().sql;
                        self.set_alias_use(AliasUse::Yes);
                        key
                    }
                    None => {
                        self.report
                            .fault(expr.span, format!("GROUP BY {position} is no expression of the select list"));
                        continue;
                    }
                },
                None => self.expr(expr).plain().sql,
            };
            if seen.insert(key.clone()) {
                keys.push(key);
            }
        }
        keys
    }

    /// The expression at a position of the select list, if no `*` stands before it.
    fn listed(&self, select: &'q Select, position: &str) -> Option<&'q Expr> {
        let index = position.parse::<usize>().ok()?.checked_sub(1)?;
        let plain = select.items.iter().take(index).all(|item| matches!(item, Item::Expr { .. }));
        match select.items.get(index) {
            Some(Item::Expr { expr, .. }) if plain => Some(expr),
            _ => None,
        }
    }

    // The select list.

    fn columns_of_list(&mut self, select: &'q Select) -> Vec<Column<'q>> {
        let mut columns = Vec::new();
        let mut aliases = 0;
        for (entry, item) in select.items.iter().enumerate() {
            self.set_known_aliases(aliases);
            aliases += usize::from(matches!(item, Item::Expr { alias: Some(_), .. }));
            if columns.len() > MAX_COLUMNS {
                self.report.fault(select.span, format!("a SELECT has at most {MAX_COLUMNS} columns"));
                break;
            }
            match item {
                Item::Star(span) => {
                    let scope = self.scopes.last();
                    let visible = scope.map_or_else(Vec::new, |scope| scope.visible.clone());
                    if scope.is_some_and(|scope| scope.relations.is_empty()) {
                        self.report.fault(*span, "`*` needs a table in FROM");
                    }
                    self.star_columns(entry, visible, *span, &mut columns);
                }
                Item::TableStar(path, span) => {
                    let scope = self.scopes.last();
                    let called =
                        scope.and_then(|scope| scope.reachable().find(|(_, relation)| relation.is_called(path)));
                    match (scope, called) {
                        (Some(scope), Some((relation, _))) => {
                            let visible = scope.columns_of(relation);
                            self.star_columns(entry, visible, *span, &mut columns);
                        }
                        _ => self.no_relation(path),
                    }
                }
                Item::Expr { expr, alias } => {
                    let (expr, alias) = match alias {
                        Some(alias) => (expr, Some(alias)),
                        None => self.assigned(expr),
                    };
                    let value = self.expr(expr).plain();
                    let (name, made_up) = match alias {
                        Some(alias) => (alias.text.clone(), false),
                        None => self.name_of(expr, columns.len() + 1),
                    };
                    columns.push(Column {
                        source: Source::Expr { expr, alias },
                        sql: value.sql,
                        emitted: name.clone(),
                        name,
                        made_up,
                        class: value.class,
                        metadata: self.metadata_of(expr),
                    });
                }
            }
        }
        columns
    }

    /// `name = expression` names a column in one dialect. It can mean nothing else where no column has that name.
    fn assigned(&mut self, expr: &'q Expr) -> (&'q Expr, Option<&'q Name>) {
        let ExprKind::Compare { left, operator: Comparison::Equal, right } = &expr.kind else { return (expr, None) };
        let Some(name) = left.as_single_name() else { return (expr, None) };
        let aliased = self.scopes.last().is_some_and(|scope| {
            let mut aliases = scope.aliases.iter();
            scope.incomplete || scope.relations.is_empty() || aliases.any(|(alias, _)| name_means(name, alias))
        });
        let exists = aliased || (0..self.scopes.len()).any(|level| self.visible_as(level, name).is_some());
        if exists || self.report.level() == Level::Strict {
            return (expr, None);
        }
        self.report
            .lenient(expr.span, format!("a column is named behind its expression in ADQL, with AS {}", name.text));
        (right, Some(name))
    }

    fn star_columns(&mut self, entry: usize, visible: Vec<Visible>, span: Span, columns: &mut Vec<Column<'q>>) {
        let Some(scope) = self.scopes.last_mut() else { return };
        let mut ungrouped: Vec<String> = Vec::new();
        for visible in visible {
            let Some((_, column)) = scope.column_of(&visible) else { continue };
            let name = column.name.to_string();
            let (sql, class) = (scope.sql_of(&visible, span), column.class);
            let metadata = scope.metadata_of(&visible);
            if let Some(grouping) = &mut scope.grouping
                && !grouping.keys.contains(&sql)
            {
                if visible.merged.is_none() && grouping.single.contains(&visible.relation) {
                    let dependent = Some(sql.clone());
                    grouping.ungrouped.push(Ungrouped { span, name: name.clone(), dependent, star: true });
                } else {
                    ungrouped.push(name.clone());
                }
            }
            let source = Source::Star { entry, merged: visible.merged.is_some() };
            columns.push(Column { source, sql, emitted: name.clone(), name, made_up: false, class, metadata });
        }
        if let Some(first) = ungrouped.first() {
            let message = match ungrouped.len() {
                1 => format!("`*` shows `{first}`, which is not in GROUP BY"),
                count => format!("`*` shows {count} columns that are not in GROUP BY, the first is `{first}`"),
            };
            self.report.fault(span, message);
        }
    }

    /// The name of a column without an alias, and whether it is made up.
    fn name_of(&self, expr: &Expr, position: usize) -> (String, bool) {
        let (name, made_up) = match &expr.bare().kind {
            ExprKind::Column(path) => (self.column_name(path), false),
            ExprKind::Cast { operand, .. } => match &operand.bare().kind {
                ExprKind::Column(path) => (self.column_name(path), true),
                _ => (None, true),
            },
            ExprKind::Call(call) => (Some(self.name_of_call(call)), true),
            _ => (None, true),
        };
        (name.unwrap_or_else(|| format!("col{position}")), made_up)
    }

    fn name_of_call(&self, call: &Call) -> String {
        let function = call.name.text.to_ascii_lowercase();
        let argument = call.arguments.first().and_then(|argument| match &argument.bare().kind {
            ExprKind::Column(path) => self.column_name(path),
            _ => None,
        });
        let name = argument.map_or_else(|| function.clone(), |argument| format!("{function}_{argument}"));
        // A column may be called anything; what is made of it is to be a plain name.
        name.chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' })
            .take(LONGEST_NAME)
            .collect()
    }

    fn column_name(&self, path: &[Name]) -> Option<String> {
        self.declared_name(path).or_else(|| path.last().map(|name| name.text.clone()))
    }

    /// The select list of the statement. `*` stays where it means the same columns under the same names.
    fn projection(&self, select: &Select, columns: &[Column<'_>], groups: bool) -> Vec<SelectItem> {
        let scope = self.scopes.last();
        let is_plain = |column: &Column<'_>| match (&column.source, &column.sql) {
            (Source::Star { merged, .. }, SqlExpr::CompoundIdentifier(path)) => {
                !merged && path.last().is_some_and(|name| name.value == column.emitted)
            }
            (Source::Star { .. }, _) => false,
            (Source::Expr { .. }, _) => true,
        };
        let keeps_stars = !groups && scope.is_some_and(|scope| !scope.merges) && columns.iter().all(is_plain);
        let mut items = Vec::new();
        let mut last_star = None;
        for column in columns {
            match column.source {
                Source::Star { entry, .. } if keeps_stars => {
                    if last_star != Some(entry) {
                        last_star = Some(entry);
                        items.extend(self.star(select.items.get(entry)));
                    }
                }
                _ => items.push(item(column)),
            }
        }
        items
    }

    fn star(&self, item: Option<&Item>) -> Option<SelectItem> {
        let options = WildcardAdditionalOptions::default();
        match item? {
            Item::Star(_) => Some(SelectItem::Wildcard(options)),
            Item::TableStar(path, _) => {
                let scope = self.scopes.last()?;
                let (_, relation) = scope.reachable().find(|(_, relation)| relation.is_called(path))?;
                let name = sql::object_name(&relation.qualifier);
                Some(SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options))
            }
            Item::Expr { .. } => None,
        }
    }

    // ORDER BY.

    fn order_item(&mut self, item: &'q OrderItem, columns: &[Column<'q>], distinct: bool) -> OrderByExpr {
        if !self.charge_comparisons(columns.len(), item.expr.span) {
            return order_item(item, sql::null());
        }
        if let Some(position) = item.expr.as_position() {
            let position = self.position(position, columns.len(), item);
            return order_item(item, position);
        }
        if let Some(name) = item.expr.as_single_name()
            && let Some(found) = self.ordered_column(name, columns)
        {
            return order_item(item, found);
        }
        let translated = self.expr(&item.expr).plain().sql;
        // What the select list holds is not computed again.
        let listed = columns.iter().find(|column| sql::bare(&column.sql) == sql::bare(&translated));
        if distinct && listed.is_none() {
            self.report.fault(item.expr.span, "with DISTINCT, ORDER BY can only name what the select list holds");
        }
        let expr = listed.map_or(translated, output_reference);
        order_item(item, expr)
    }

    /// The column of the answer that a name in ORDER BY means. Names that were made up yield to the tables' columns.
    fn ordered_column(&mut self, name: &'q Name, columns: &[Column<'q>]) -> Option<SqlExpr> {
        let named = |column: &&Column<'q>| match &column.source {
            Source::Expr { alias: Some(alias), .. } => name_means(name, alias),
            _ => name.matches(&column.name),
        };
        let written: Vec<&Column<'q>> = columns.iter().filter(|column| !column.made_up).filter(named).collect();
        if let [first, rest @ ..] = written.as_slice() {
            if rest.iter().any(|other| other.sql != first.sql) {
                self.report
                    .fault(name.span, format!("`{}` can mean more than one column of the select list", name.text));
            }
            return Some(output_reference(first));
        }
        let level = self.scopes.len().checked_sub(1)?;
        if self.visible_as(level, name).is_some() {
            return None;
        }
        columns.iter().filter(|column| column.made_up).find(named).map(output_reference)
    }
}

/// How ORDER BY refers to a column of the answer: an expression by its name, a column of a table as itself.
fn output_reference(column: &Column<'_>) -> SqlExpr {
    if is_unaliased_column(column) {
        return column.sql.clone();
    }
    SqlExpr::Identifier(sql::name(&column.emitted, Span::empty()))
}

/// Whether the statement needs no AS to call the column by its name.
fn is_unaliased_column(column: &Column<'_>) -> bool {
    match &column.sql {
        SqlExpr::CompoundIdentifier(path) => path.last().is_some_and(|name| name.value == column.emitted),
        _ => false,
    }
}

fn item(column: &Column<'_>) -> SelectItem {
    if is_unaliased_column(column) {
        return SelectItem::UnnamedExpr(column.sql.clone());
    }
    let span = match column.source {
        Source::Expr { expr, alias } => alias.map_or(expr.span, |alias| alias.span),
        Source::Star { .. } => Span::empty(),
    };
    let alias: Ident = sql::name(&column.emitted, span);
    SelectItem::ExprWithAlias { expr: column.sql.clone(), alias }
}

/// Gives each column a name of its own in the statement. What the user wrote comes first; made-up names change.
fn name_uniquely(columns: &mut [Column<'_>]) {
    let mut taken: HashSet<String> = HashSet::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let wished: HashSet<String> =
        columns.iter().filter(|column| !column.made_up).map(|column| column.name.clone()).collect();
    for made_up in [false, true] {
        for column in columns.iter_mut().filter(|column| column.made_up == made_up) {
            // Goes on where the last column of this name stopped, so that many of them take no longer each.
            let number = numbers.entry(column.name.clone()).or_insert(2);
            while taken.contains(&column.emitted) || column.emitted != column.name && wished.contains(&column.emitted) {
                column.emitted = format!("{}_{number}", column.name);
                *number += 1;
            }
            taken.insert(column.emitted.clone());
            if made_up {
                column.name.clone_from(&column.emitted);
            }
        }
    }
}

fn is_grouped(select: &Select, order_by: &[OrderItem], declared: &[FunctionSignature]) -> bool {
    let aggregated = |item: &Item| matches!(item, Item::Expr { expr, .. } if is_aggregated(expr, declared));
    !select.group_by.is_empty()
        || select.having.is_some()
        || select.items.iter().any(aggregated)
        || order_by.iter().any(|item| is_aggregated(&item.expr, declared))
}

/// The keys as the engine wants them: a constant would be taken for a position, so it is given as its position.
fn group_positions(keys: Vec<SqlExpr>, columns: &[Column<'_>]) -> Vec<SqlExpr> {
    let constants =
        columns.iter().enumerate().filter(|(_, column)| matches!(sql::bare(&column.sql), SqlExpr::Value(_)));
    let positions: HashMap<&SqlExpr, usize> =
        constants.map(|(index, column)| (sql::bare(&column.sql), index + 1)).collect();
    keys.into_iter()
        .map(|key| match sql::bare(&key) {
            SqlExpr::Value(_) => {
                let position = positions.get(sql::bare(&key)).copied();
                position.map_or(key, sql::integer)
            }
            _ => key,
        })
        .collect()
}
