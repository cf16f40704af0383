//! Which sub-queries DataFusion turns into joins itself, and rightly.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, LogicalPlan, Operator};

use super::references::{names_outer_rows, subquery_of};

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A part of a condition on rows.
    Condition,
    Projection,
    Other,
}

/// Whether a term of a filter is EXISTS or IN, as a whole, in a form that becomes a semi or an anti join.
pub(super) fn is_predicate(term: &Expr) -> bool {
    let (negated, term) = match term {
        Expr::Not(inner) => (true, &**inner),
        term => (false, term),
    };
    match term {
        Expr::Exists(Exists { subquery, .. }) => filters_alone(&subquery.subquery, true),
        Expr::InSubquery(InSubquery { expr, subquery, negated: not_in }) => {
            // With columns of the outer row, NULLs are those of this row's answer only, which an anti join does not tell apart.
            let is_anti = negated != *not_in;
            let is_correlated = names_outer_rows(&subquery.subquery);
            let is_join = !is_correlated || !is_anti && filters_alone(&subquery.subquery, true);
            is_join && !holds_foreign(expr, Place::Condition)
        }
        _ => false,
    }
}

/// Whether an expression holds a sub-query that DataFusion does not answer there.
pub(super) fn holds_foreign(expr: &Expr, place: Place) -> bool {
    let mut holds = false;
    // The closure cannot fail.
    let _ = expr.apply(|part| {
        holds |= is_foreign(part, place);
        Ok(if holds { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    holds
}

/// Whether an expression is such a sub-query.
pub(super) fn is_foreign(expr: &Expr, place: Place) -> bool {
    match expr {
        // One that depends on nothing is run ahead.
        Expr::ScalarSubquery(subquery) => {
            names_outer_rows(&subquery.subquery) && (place == Place::Other || !is_aggregate(&subquery.subquery))
        }
        Expr::Exists(Exists { subquery, .. }) => place != Place::Condition || !filters_alone(&subquery.subquery, true),
        // Inside of another condition, a mark join does not tell false from NULL.
        Expr::InSubquery(_) => true,
        _ => false,
    }
}

/// Whether outer rows are named in filters alone, with nothing but projections above them.
fn filters_alone(plan: &LogicalPlan, distinct: bool) -> bool {
    if !names_outer_rows(plan) {
        return true;
    }
    let is_plain = |expr: &Expr| !expr.contains_outer() && !holds_subquery(expr);
    match plan {
        LogicalPlan::Projection(projection) => {
            projection.expr.iter().all(is_plain) && filters_alone(&projection.input, distinct)
        }
        LogicalPlan::SubqueryAlias(alias) => filters_alone(&alias.input, distinct),
        LogicalPlan::Distinct(Distinct::All(input)) => distinct && filters_alone(input, distinct),
        LogicalPlan::Filter(filter) => !holds_subquery(&filter.predicate) && !names_outer_rows(&filter.input),
        _ => false,
    }
}

/// Whether what a sub-query's plan holds of sub-queries names no rows outside of the plan.
pub(super) fn is_plain(plan: &LogicalPlan) -> bool {
    !names_outer_rows(plan) || filters_alone(plan, true) || is_aggregate(plan)
}

/// Whether a plan is one aggregate over rows that are chosen by equality with the outer row.
fn is_aggregate(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => {
            projection.expr.iter().all(|expr| !expr.contains_outer() && !holds_subquery(expr))
                && is_aggregate(&projection.input)
        }
        LogicalPlan::SubqueryAlias(alias) => is_aggregate(&alias.input),
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.is_empty()
                && aggregate.aggr_expr.iter().all(|expr| !expr.contains_outer() && !holds_subquery(expr))
                && filters_alone(&aggregate.input, false)
                && filters_by_equality(&aggregate.input)
        }
        _ => false,
    }
}

fn filters_by_equality(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => filters_by_equality(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => filters_by_equality(&alias.input),
        LogicalPlan::Filter(filter) => {
            split_conjunction(&filter.predicate).into_iter().filter(|term| term.contains_outer()).all(is_equality)
        }
        _ => true,
    }
}

/// Whether a term compares a value of the outer row with one of the inner row.
fn is_equality(term: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = term else { return false };
    let is_outer = |expr: &Expr| expr.contains_outer() && !expr.any_column_refs();
    let is_inner = |expr: &Expr| !expr.contains_outer() && expr.any_column_refs();
    (is_outer(left) && is_inner(right)) || (is_inner(left) && is_outer(right))
}

/// Whether an expression holds a sub-query that is not run ahead.
fn holds_subquery(expr: &Expr) -> bool {
    let mut found = false;
    // The closure cannot fail.
    let _ = expr.apply(|part| {
        let is_value = matches!(part, Expr::ScalarSubquery(_));
        found |= subquery_of(part).is_some_and(|subquery| !is_value || names_outer_rows(&subquery.subquery));
        Ok(TreeNodeRecursion::Continue)
    });
    found
}
