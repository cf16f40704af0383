//! Which sites of a plan are joined on which columns, and in which direction a restriction may be carried.
//!
//! For `A JOIN B ON A.k = B.k`, rows of B whose key is in no chunk that A reads cannot match. An inner join carries that
//! both ways, an outer join from the side whose rows all stay to the other. A column is followed down to the scan it
//! comes from only through nodes for which leaving out rows of other keys changes nothing that the join could see.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, Join, LogicalPlan};
use qserv_core::catalog::{SegmentRole, TableKind};

use super::any_node;
use crate::table::Site;

/// A column of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) site: usize,
    pub(super) column: String,
}

/// Rows of `to` are wanted only where `from` has the same key.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) from: End,
    pub(super) to: End,
}

/// All links of a plan.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) links: Vec<Link>,
    /// Every joined column of every site.
    joined: Vec<End>,
    /// Whether the plan groups, deduplicates or ranks rows, so that NULL keys are equal to each other.
    pub(super) groups_rows: bool,
}

impl Links {
    /// Which copy of a match table a site reads: the one by the right director if only that key is joined.
    pub(super) fn role(&self, site: &Site) -> SegmentRole {
        let TableKind::Match { left, right } = &site.table.table().table.kind else { return SegmentRole::Rows };
        let joins = |column: &str| {
            self.joined.iter().any(|end| end.site == site.index && end.column.eq_ignore_ascii_case(column))
        };
        if joins(&right.column) && !joins(&left.column) { SegmentRole::RowsByRight } else { SegmentRole::Rows }
    }
}

/// Finds the links of a plan, sub-queries included.
pub(super) fn find(plan: &LogicalPlan) -> Result<Links> {
    let mut links = Links::default();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node {
            join_links(join, &mut links);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    links.groups_rows = any_node(plan, |node| match node {
        LogicalPlan::Aggregate(aggregate) => !aggregate.group_expr.is_empty(),
        LogicalPlan::Window(_) | LogicalPlan::Distinct(_) => true,
        LogicalPlan::Join(join) => join.null_equality == NullEquality::NullEqualsNull,
        _ => false,
    })?;
    Ok(links)
}

fn join_links(join: &Join, links: &mut Links) {
    let (rightwards, leftwards) = match join.join_type {
        JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => (true, true),
        JoinType::Left | JoinType::LeftAnti | JoinType::LeftMark => (true, false),
        JoinType::Right | JoinType::RightAnti | JoinType::RightMark => (false, true),
        JoinType::Full => (false, false),
    };
    for (left, right) in &join.on {
        let (Expr::Column(left), Expr::Column(right)) = (left, right) else { continue };
        let left_source = trace(&join.left, left, false);
        let right_source = trace(&join.right, right, false);
        links.joined.extend(left_source.iter().cloned());
        links.joined.extend(right_source.iter().cloned());
        // Where NULL equals NULL, rows without a key match each other across chunks; and NOT IN asks whether there is a
        // NULL anywhere.
        if join.null_equality == NullEquality::NullEqualsNull || join.null_aware {
            continue;
        }
        if rightwards && let (Some(from), Some(to)) = (&left_source, trace(&join.right, right, true)) {
            links.links.push(Link { from: from.clone(), to });
        }
        if leftwards && let (Some(from), Some(to)) = (&right_source, trace(&join.left, left, true)) {
            links.links.push(Link { from: from.clone(), to });
        }
    }
}

/// The site's column that a column of a plan is. With `restricting`, only through nodes below which rows of other keys
/// can be left out; else through every node that hands on no other non-NULL values of it than it gets.
pub(super) fn trace(plan: &LogicalPlan, column: &Column, restricting: bool) -> Option<End> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let provider = source_as_provider(&scan.source).ok()?;
            let site = provider.downcast_ref::<Site>()?;
            // A scan that stops after some rows would go on to other rows if some were left out.
            if restricting && scan.fetch.is_some() {
                return None;
            }
            Some(End { site: site.index, column: column.name.clone() })
        }
        LogicalPlan::Projection(projection) => {
            let index = projection.schema.maybe_index_of_column(column)?;
            trace(&projection.input, as_column(projection.expr.get(index)?)?, restricting)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let index = alias.schema.maybe_index_of_column(column)?;
            let (qualifier, field) = alias.input.schema().qualified_field(index);
            trace(&alias.input, &Column::new(qualifier.cloned(), field.name()), restricting)
        }
        LogicalPlan::Filter(filter) => trace(&filter.input, column, restricting),
        LogicalPlan::Sort(sort) if !(restricting && sort.fetch.is_some()) => trace(&sort.input, column, restricting),
        LogicalPlan::Limit(limit) if !restricting => trace(&limit.input, column, restricting),
        LogicalPlan::Window(window) if !restricting => trace(&window.input, column, restricting),
        LogicalPlan::Distinct(Distinct::All(input)) => trace(input, column, restricting),
        LogicalPlan::Aggregate(aggregate) => trace_aggregate(aggregate, column, restricting),
        LogicalPlan::Join(join) => trace_join(join, column, restricting),
        _ => None,
    }
}

/// A grouping key: leaving out rows of other keys leaves out whole groups.
fn trace_aggregate(aggregate: &Aggregate, column: &Column, restricting: bool) -> Option<End> {
    let index = aggregate.schema.maybe_index_of_column(column)?;
    let grouped = aggregate.group_expr.get(index)?;
    trace(&aggregate.input, as_column(grouped)?, restricting)
}

fn trace_join(join: &Join, column: &Column, restricting: bool) -> Option<End> {
    let in_left = join.left.schema().maybe_index_of_column(column).is_some();
    let in_right = join.right.schema().maybe_index_of_column(column).is_some();
    let side: &Arc<LogicalPlan> = match (in_left, in_right) {
        (true, false) => &join.left,
        (false, true) => &join.right,
        _ => return None,
    };
    // Leaving out rows of the side that may be padded with NULLs turns matches into padded rows.
    let keeps_rows = match join.join_type {
        JoinType::Inner => true,
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => in_left,
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => in_right,
        JoinType::Full => false,
    };
    if restricting && !keeps_rows { None } else { trace(side, column, restricting) }
}

fn as_column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => as_column(&alias.expr),
        _ => None,
    }
}
