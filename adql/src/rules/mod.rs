//! The rules that grammar alone does not hold: which words may be names, which functions exist and how they are called,
//! where aggregates and conditions may stand. All of them are checked, whatever else is wrong.

mod areaspec;
mod calls;
mod conditions;
mod foreign;
mod geometry;
mod structure;
mod values;
mod windows;

pub(crate) use geometry::{system, without_system};
pub(crate) use structure::{position_outside, unequal_columns};

use crate::ast::{Body, Expr, Item, JoinCondition, Joined, Name, OrderItem, Query, Relation, Select};
use crate::lexical;
use crate::options::{Level, Options};
use crate::report::{Problem, Report};

/// Checks the whole query.
pub(crate) fn check(query: &Query, options: &Options, report: &mut Report<'_>) {
    Rules { options, report }.query(query, true);
}

struct Rules<'o, 'r, 't> {
    options: &'o Options,
    report: &'r mut Report<'t>,
}

/// Where an expression stands.
#[derive(Debug, Clone, Copy)]
struct Context {
    /// The clause, as faults call it.
    clause: &'static str,
    aggregates: bool,
    windows: bool,
    inside_aggregate: bool,
}

impl Context {
    const fn plain(clause: &'static str) -> Self {
        Self { clause, aggregates: false, windows: false, inside_aggregate: false }
    }

    const SELECT: Self = Self { clause: "SELECT", aggregates: true, windows: true, inside_aggregate: false };
    const HAVING: Self = Self { clause: "HAVING", aggregates: true, windows: false, inside_aggregate: false };
    const ORDER_BY: Self = Self { clause: "ORDER BY", aggregates: true, windows: true, inside_aggregate: false };
    const ON: Self = Self::plain("ON");
    const WHERE: Self = Self::plain("WHERE");
    const GROUP_BY: Self = Self::plain("GROUP BY");
}

impl Rules<'_, '_, '_> {
    fn is_strict(&self) -> bool {
        self.report.level() == Level::Strict
    }

    fn query(&mut self, query: &Query, outermost: bool) {
        self.common_tables(&query.with, outermost);
        self.body(&query.body);
        self.bounds(query);
        self.positions(query);
        self.order_items(&query.order_by, Context::ORDER_BY);
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Select(select) => self.select(select),
            Body::Query(query) => self.query(query, false),
            Body::Operations { first, links } => {
                self.body(first);
                for link in links {
                    self.body(&link.right);
                    self.same_columns(first, link);
                }
            }
        }
    }

    fn select(&mut self, select: &Select) {
        self.stars(&select.items);
        for item in &select.items {
            match item {
                Item::Star(_) => {}
                Item::TableStar(path, _) => path.iter().for_each(|name| self.name(name)),
                Item::Expr { expr, alias } => {
                    self.value(expr, Context::SELECT);
                    alias.iter().for_each(|name| self.name(name));
                }
            }
        }
        self.exposed_names(&select.from);
        select.from.iter().for_each(|joined| self.joined(joined));
        select.filter.iter().for_each(|filter| self.filter(filter));
        select.group_by.iter().for_each(|expr| self.value(expr, Context::GROUP_BY));
        select.having.iter().for_each(|having| self.condition(having, Context::HAVING));
    }

    fn joined(&mut self, joined: &Joined) {
        self.relation(&joined.first);
        for join in &joined.joins {
            self.relation(&join.relation);
            match &join.condition {
                JoinCondition::On(condition) => self.condition(condition, Context::ON),
                JoinCondition::Using(columns) => columns.iter().for_each(|name| self.name(name)),
                JoinCondition::None | JoinCondition::Natural => {}
            }
        }
    }

    fn relation(&mut self, relation: &Relation) {
        match relation {
            Relation::Table { path, alias } => path.iter().chain(alias).for_each(|name| self.name(name)),
            Relation::Derived { query, alias } => {
                self.query(query, false);
                alias.iter().for_each(|name| self.name(name));
            }
            Relation::Nested(joined) => self.joined(joined),
            Relation::Sampled { table, .. } => self.relation(table),
        }
    }

    fn order_items(&mut self, items: &[OrderItem], context: Context) {
        items.iter().for_each(|item| self.value(&item.expr, context));
    }

    fn values(&mut self, list: &[Expr], context: Context) {
        list.iter().for_each(|expr| self.value(expr, context));
    }

    /// A name that the grammar does not take as it stands.
    fn name(&mut self, name: &Name) {
        if name.quoted || lexical::is_regular_identifier(&name.text) {
            return;
        }
        let text = &name.text;
        let message = if lexical::is_reserved(text) {
            format!("`{text}` is a reserved word; to use it as a name, quote it: \"{text}\"")
        } else {
            format!("`{text}` does not begin with a letter; to use it as a name, quote it: \"{text}\"")
        };
        self.report.lenient(name.span, message);
    }

    fn fault(&mut self, problem: Problem) {
        self.report.problem(problem);
    }
}
