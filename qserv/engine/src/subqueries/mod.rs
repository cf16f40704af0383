//! Sub-queries that name columns of the row around them, turned into joins.
//!
//! DataFusion itself answers a few forms of them. [`join_subqueries`] leaves those alone and rewrites all others, in every place:
//! select lists, CASE, OR, ON, GROUP BY, aggregates, ORDER BY, and through several levels of queries. The way is the one of
//! Neumann and Kemper, "Unnesting Arbitrary Queries" (2015):
//!
//! 1. `Outer` are the distinct values of those columns of the outer rows that the sub-query names.
//! 2. `push` puts them into the sub-query's plan in place of the references: joined at its tables, as further keys of its
//!    groups, windows and bounds. The plan then answers the sub-query for all outer rows at once.
//! 3. `attach` joins that answer to the outer rows: a value by a left join, EXISTS and IN by a mark join.
//!
//! The outer rows are computed twice, so they must be the same both times. What may be others the second time is computed once, ahead
//! ([`KeptRows`]).

mod attach;
mod kept;
mod native;
mod pairs;
mod push;
mod references;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, Join, JoinType, LogicalPlan, Projection, Sort};
use qserv_core::Error;

use crate::error::into_datafusion;
use native::{Place, holds_foreign, is_foreign};

pub use kept::{KeptRows, kept_rows, with_kept_rows};
pub use references::names_outer_rows;

/// Most sub-queries of one query that are turned into joins: each may be joined to the rows of another.
const MAX_JOINED: usize = 64;

/// Turns the sub-queries that DataFusion cannot answer into joins. The plan comes as `SqlToRel` makes it, before any
/// other rule; its output stays the same.
///
/// # Errors
/// `Invalid` for a sub-query that has no place in a plan of joins.
pub fn join_subqueries(plan: LogicalPlan) -> Result<LogicalPlan> {
    Joiner::default().plan(plan)
}

/// The state of one rewriting.
#[derive(Debug, Default)]
struct Joiner {
    /// How many names were made.
    names: usize,
    /// How many sub-queries were joined.
    joined: usize,
}

impl Joiner {
    fn plan(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        plan.transform_up(|node| self.node(node).map(Transformed::yes)).data()
    }

    /// A name that no other column or table has.
    fn name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("__{what}_{}", self.names)
    }

    /// Counts a sub-query that is joined.
    fn count(&mut self) -> Result<()> {
        self.joined += 1;
        if self.joined > MAX_JOINED {
            let message = format!("more than {MAX_JOINED} sub-queries that name columns of the query around them");
            return Err(into_datafusion(Error::limit(message)));
        }
        Ok(())
    }

    /// One node, whose inputs are done.
    fn node(&mut self, node: LogicalPlan) -> Result<LogicalPlan> {
        let node = self.inside(node)?;
        match node {
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::Join(join)
                if join.filter.as_ref().is_some_and(|filter| holds_foreign(filter, Place::Other)) =>
            {
                self.join(join)
            }
            LogicalPlan::Projection(_) => self.expressions(node, Place::Projection),
            LogicalPlan::Sort(sort) => self.sort(sort),
            LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) => self.expressions(node, Place::Other),
            node => Ok(node),
        }
    }

    /// The plans of sub-queries that are left as they are, or could be: what they hold names none of the rows outside.
    fn inside(&mut self, node: LogicalPlan) -> Result<LogicalPlan> {
        node.map_subqueries(|subquery| match subquery {
            LogicalPlan::Subquery(mut subquery) if native::is_plain(&subquery.subquery) => {
                subquery.subquery = Arc::new(self.plan(Arc::unwrap_or_clone(subquery.subquery))?);
                Ok(Transformed::yes(LogicalPlan::Subquery(subquery)))
            }
            subquery => Ok(Transformed::no(subquery)),
        })
        .data()
    }

    /// A filter: what needs no join is tested first, so that fewer outer rows are left.
    fn filter(&mut self, filter: Filter) -> Result<LogicalPlan> {
        let (foreign, plain): (Vec<_>, Vec<_>) = split_conjunction_owned(filter.predicate.clone())
            .into_iter()
            .partition(|term| !native::is_predicate(term) && holds_foreign(term, Place::Condition));
        if foreign.is_empty() {
            return Ok(LogicalPlan::Filter(filter));
        }
        let columns = columns_of(&filter.input);
        let base = match conjunction(plain) {
            Some(plain) => LogicalPlan::Filter(Filter::try_new(plain, filter.input)?),
            None => Arc::unwrap_or_clone(filter.input),
        };
        let base = self.settled(base, &foreign)?;
        let mut input = base.clone();
        let foreign = foreign
            .into_iter()
            .map(|term| self.replaced(term, Place::Condition, &base, &mut input))
            .collect::<Result<Vec<_>>>()?;
        let Some(predicate) = conjunction(foreign) else { return Ok(base) };
        let filtered = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?);
        project(filtered, columns)
    }

    /// A node with one input whose expressions hold sub-queries.
    fn expressions(&mut self, node: LogicalPlan, place: Place) -> Result<LogicalPlan> {
        let expressions = node.expressions();
        if !expressions.iter().any(|expr| holds_foreign(expr, place)) {
            return Ok(node);
        }
        let Some(base) = node.inputs().first().map(|base| LogicalPlan::clone(base)) else { return Ok(node) };
        let base = self.settled(base, &expressions)?;
        let mut input = base.clone();
        let names = NamePreserver::new(&node);
        let mut replaced = Vec::with_capacity(expressions.len());
        for expr in expressions {
            let name = names.save(&expr);
            replaced.push(name.restore(self.replaced(expr, place, &base, &mut input)?));
        }
        let columns = columns_of(&node);
        let made = node.with_new_exprs(replaced, vec![input])?;
        // Windows and sorts hand on what was joined to their input.
        if made.schema().fields().len() == columns.len() { Ok(made) } else { project(made, columns) }
    }

    /// A sort. Its sub-queries may name columns of the rows below the select list, which the list does not hand on: then they are
    /// answered there, as further items of the list.
    fn sort(&mut self, sort: Sort) -> Result<LogicalPlan> {
        let is_below = |part: &Expr| {
            is_foreign(part, Place::Other)
                && !references::all_columns(part).iter().all(|column| sort.input.schema().has_column(column))
        };
        let mut items = Vec::new();
        let mut order = sort.expr.clone();
        for item in &mut order {
            let hoisted = item.expr.clone().transform_down(|part| {
                if !is_below(&part) {
                    return Ok(Transformed::no(part));
                }
                let name = self.name("order");
                let column = Expr::Column(Column::new_unqualified(&name));
                items.push(part.alias(name));
                Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
            })?;
            item.expr = hoisted.data;
        }
        let LogicalPlan::Projection(list) = &*sort.input else {
            return self.expressions(LogicalPlan::Sort(sort), Place::Other);
        };
        if items.is_empty() {
            return self.expressions(LogicalPlan::Sort(sort), Place::Other);
        }
        let columns = columns_of(&sort.input);
        let items = list.expr.iter().cloned().chain(items).collect();
        let list = LogicalPlan::Projection(Projection::try_new(items, Arc::clone(&list.input))?);
        let input = Arc::new(self.expressions(list, Place::Other)?);
        let sorted =
            self.expressions(LogicalPlan::Sort(Sort { expr: order, input, fetch: sort.fetch }), Place::Other)?;
        project(sorted, columns)
    }

    /// A join whose ON holds sub-queries.
    fn join(&mut self, join: Join) -> Result<LogicalPlan> {
        let columns = columns_of(&LogicalPlan::Join(join.clone()));
        let Some(filter) = join.filter.clone() else { return Ok(LogicalPlan::Join(join)) };
        let (foreign, plain): (Vec<_>, Vec<_>) =
            split_conjunction_owned(filter).into_iter().partition(|term| holds_foreign(term, Place::Other));
        if join.join_type == JoinType::Inner {
            let joined = Join { filter: conjunction(plain), ..join };
            let Some(predicate) = conjunction(foreign) else { return Ok(LogicalPlan::Join(joined)) };
            return self.filter(Filter::try_new(predicate, Arc::new(LogicalPlan::Join(joined)))?);
        }
        if foreign.iter().any(|term| names_both_sides(term, &join)) {
            return self.join_of_pairs(join);
        }
        let left_base = self.settled(LogicalPlan::clone(&join.left), &foreign)?;
        let right_base = self.settled(LogicalPlan::clone(&join.right), &foreign)?;
        let (mut left, mut right) = (left_base.clone(), right_base.clone());
        let mut terms = plain;
        for term in foreign {
            let replaced = term.transform_down(|part| {
                if !is_foreign(&part, Place::Other) {
                    return Ok(Transformed::no(part));
                }
                let replaced = if is_of(&part, &right_base) {
                    self.replaced(part, Place::Other, &right_base, &mut right)?
                } else {
                    self.replaced(part, Place::Other, &left_base, &mut left)?
                };
                Ok(Transformed::new(replaced, true, TreeNodeRecursion::Jump))
            })?;
            terms.push(replaced.data);
        }
        let joined = Join::try_new(
            Arc::new(left),
            Arc::new(right),
            join.on,
            conjunction(terms),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?;
        project(LogicalPlan::Join(joined), columns)
    }
}

/// Whether an expression needs columns of these rows alone.
fn is_of(expr: &Expr, base: &LogicalPlan) -> bool {
    references::all_columns(expr).iter().all(|column| base.schema().has_column(column))
}

/// Whether a term of ON holds a sub-query that cannot be answered for the rows of one side.
fn names_both_sides(term: &Expr, join: &Join) -> bool {
    let mut names = false;
    // The closure cannot fail.
    let _ = term.apply(|part| {
        names |= is_foreign(part, Place::Other) && !is_of(part, &join.left) && !is_of(part, &join.right);
        Ok(if names { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    names
}

/// The columns of a plan's output.
fn columns_of(plan: &LogicalPlan) -> Vec<Column> {
    plan.schema().columns()
}

/// The plan with these columns alone.
fn project(plan: LogicalPlan, columns: Vec<Column>) -> Result<LogicalPlan> {
    let columns = columns.into_iter().map(Expr::Column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}
