//! Joins of near neighbours that find every partner in a chunk and its overlap.
//!
//! In `a JOIN b ON DISTANCE(a.., b..) < r`, with `r` at most the overlap radius, a row of `a` finds all its partners among the
//! rows of `b` in its own chunk and in that chunk's overlap. So one side, the *anchor*, is read chunk by chunk as always, and
//! the other, the *halo*, with its overlap beside it; nothing is exchanged. The anchor is the side whose rows an outer join
//! keeps: each of its rows is read once. A table of the query alone that was cut by the same chunks can only be an anchor.

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Join, LogicalPlan};
use qserv_core::catalog::{SegmentRole, TableKind};

use super::Choice;
use super::links::trace;
use super::predicate::within;
use crate::table::Site;

/// Two sites whose rows are paired by distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neighbours {
    /// The site that is read chunk by chunk.
    pub(super) anchor: usize,
    /// The site that is read with its overlap.
    pub(super) halo: usize,
    /// Whether an anchor's row without a partner is in the answer.
    pub(super) keeps_anchor: bool,
}

/// Finds them. Every site is part of one pair at most.
///
/// # Errors
/// Those of walking the plan.
pub(super) fn find(plan: &LogicalPlan, choices: &[Choice]) -> Result<Vec<Neighbours>> {
    let mut found: Vec<Neighbours> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node
            && let Some(neighbours) = of_join(join, choices)
        {
            let is_taken = |site| found.iter().any(|other| [other.anchor, other.halo].contains(&site));
            if !is_taken(neighbours.anchor) && !is_taken(neighbours.halo) {
                found.push(neighbours);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn of_join(join: &Join, choices: &[Choice]) -> Option<Neighbours> {
    let (left, right) = (choices.get(only_site(&join.left)?)?, choices.get(only_site(&join.right)?)?);
    let fewer_chunks_left = left.chunks().len() <= right.chunks().len();
    let (anchor, halo) = match join.join_type {
        // One that was cut has no overlap.
        JoinType::Inner if left.site.table.cut_position().is_some() => (left, right),
        JoinType::Inner if right.site.table.cut_position().is_some() => (right, left),
        JoinType::Inner if fewer_chunks_left => (left, right),
        JoinType::Inner => (right, left),
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (left, right),
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (right, left),
        JoinType::Full => return None,
    };
    let (anchor_table, halo_table) = (&anchor.site.table, &halo.site.table);
    let is_director = |choice: &Choice| matches!(choice.site.table.table().table.kind, TableKind::Director { .. });
    let is_anchor = is_director(anchor) || anchor_table.cut_position().is_some();
    if anchor_table.chunks_of() != halo_table.chunks_of() || !is_anchor || !is_director(halo) {
        return None;
    }
    let overlap_deg = halo_table.database().database.overlap_arcsec / 3600.0;
    let is_near = near_positions(join).any(|(places, radius_deg)| {
        let own = |place: usize, plan: &LogicalPlan, choice: &Choice| is_position(&places[place], plan, choice);
        let both = |one: usize, two: usize| own(one, &join.left, left) && own(two, &join.right, right);
        radius_deg <= overlap_deg && (both(0, 1) || both(1, 0))
    });
    let keeps_anchor = !matches!(join.join_type, JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi);
    is_near.then(|| Neighbours { anchor: anchor.site.index, halo: halo.site.index, keeps_anchor })
}

/// Whether two expressions are the position by which a site's rows are in their chunks.
fn is_position(place: &[&Expr; 2], plan: &LogicalPlan, choice: &Choice) -> bool {
    let table = &choice.site.table;
    let position = table.cut_position().or_else(|| table.restricting_columns(SegmentRole::Rows).position);
    position.is_some_and(|position| is_position_of(place, plan, choice.site.index, position))
}

/// Whether two expressions are these columns of a site.
pub(super) fn is_position_of(place: &[&Expr; 2], plan: &LogicalPlan, site: usize, position: &[String; 2]) -> bool {
    place.iter().zip(position).all(|(expr, name)| {
        column(expr)
            .and_then(|column| trace(plan, column, true))
            .is_some_and(|end| end.site == site && end.column == *name)
    })
}

/// The pairs of positions that a join wants near each other, and how near, in degrees. None if it also compares keys.
pub(super) fn near_positions(join: &Join) -> impl Iterator<Item = ([[&Expr; 2]; 2], f64)> {
    let filter = join.filter.as_ref().filter(|_| join.on.is_empty());
    filter
        .into_iter()
        .flat_map(split_conjunction)
        .filter_map(within)
        .map(|([lon1, lat1, lon2, lat2], radius_deg)| ([[lon1, lat1], [lon2, lat2]], radius_deg))
}

pub(super) fn column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Cast(cast) => column(&cast.expr),
        _ => None,
    }
}

/// The site of a plan that does nothing but filter and project its rows, each by itself.
pub(super) fn only_site(plan: &LogicalPlan) -> Option<usize> {
    let is_volatile =
        plan.expressions().iter().any(|expr| expr.exists(|part| Ok(part.is_volatile_node())).unwrap_or(true));
    if is_volatile {
        return None;
    }
    match plan {
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
            let provider = source_as_provider(&scan.source).ok()?;
            provider.downcast_ref::<Site>().map(|site| site.index)
        }
        LogicalPlan::Projection(projection) => only_site(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => only_site(&alias.input),
        LogicalPlan::Filter(filter) => only_site(&filter.input),
        _ => None,
    }
}

/// Lets each halo read its overlap beside the anchor's chunks.
pub(super) fn read_overlap(choices: &mut [Choice], pairs: &[Neighbours]) {
    for pair in pairs {
        let (Some(anchor), Some(halo)) = (choices.get(pair.anchor), choices.get(pair.halo)) else { continue };
        let chunks = anchor.chunks();
        let table = halo.site.table.table();
        let mut segments: Vec<_> = table
            .segments_of(SegmentRole::Rows)
            .chain(table.segments_of(SegmentRole::Overlap))
            .filter(|segment| segment.chunk.is_some_and(|chunk| chunks.contains(&chunk)))
            .filter(|segment| halo.predicate.may_match(segment))
            .cloned()
            .collect();
        segments.sort_by_key(|segment| segment.chunk);
        if let Some(halo) = choices.get_mut(pair.halo) {
            halo.segments = segments;
            halo.is_halo = true;
            halo.is_paired = true;
        }
        let with_partners = choices.get(pair.halo).map(Choice::chunks).unwrap_or_default();
        let Some(anchor) = choices.get_mut(pair.anchor) else { continue };
        anchor.is_paired = true;
        if !pair.keeps_anchor {
            anchor.segments.retain(|segment| segment.chunk.is_some_and(|chunk| with_partners.contains(&chunk)));
        }
    }
}
