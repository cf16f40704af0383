//! Tables of one query that are joined with a director by distance: how they can be cut so that the join stays inside chunks.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Join, LogicalPlan};
use qserv_core::Result;
use qserv_core::catalog::{DatabaseSnapshot, TableKind, TableSnapshot};

use super::neighbours::{column, is_position_of, near_positions, only_site};
use super::tag_sites;
use crate::error::from_datafusion;
use crate::table::Site;

/// How a table is to be cut.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The table's name in its own database.
    pub table: String,
    /// Its columns with longitude and latitude in degrees.
    pub position: [String; 2],
    /// The database whose chunks it is cut by.
    pub database: Arc<DatabaseSnapshot>,
    /// The director that it is joined with.
    pub director: Arc<TableSnapshot>,
}

/// How the tables of the database `temporary` can be cut for an optimized plan: each once, by the first join that would stay inside
/// chunks.
///
/// # Errors
/// Those of walking the plan.
pub fn cuts(plan: LogicalPlan, temporary: &str) -> Result<Vec<Cut>> {
    let (plan, sites) = tag_sites(plan)?;
    let sites: Vec<Arc<Site>> = sites.into_iter().map(|(site, _)| site).collect();
    let mut found: Vec<Cut> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node
            && let Some(cut) = of_join(join, &sites, temporary)
            && !found.iter().any(|other| other.table == cut.table)
        {
            found.push(cut);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(from_datafusion)?;
    Ok(found)
}

fn of_join(join: &Join, sites: &[Arc<Site>], temporary: &str) -> Option<Cut> {
    let sides = [&join.left, &join.right].map(|plan| Some((plan, sites.get(only_site(plan)?)?)));
    let [Some((left_plan, left)), Some((right_plan, right))] = sides else { return None };
    let is_temporary = |site: &Site| &**site.table.database_name() == temporary;
    // The temporary table is read chunk by chunk, each of its rows once: an outer join must not keep the other's rows.
    let (own_plan, own, plan, director) = match (is_temporary(left), is_temporary(right), join.join_type) {
        (
            true,
            false,
            JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark,
        ) => (left_plan, left, right_plan, right),
        (
            false,
            true,
            JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark,
        ) => (right_plan, right, left_plan, left),
        _ => return None,
    };
    let TableKind::Director { position, .. } = &director.table.table().table.kind else { return None };
    let overlap_deg = director.table.database().database.overlap_arcsec / 3600.0;
    let mut found = None;
    for (places, radius_deg) in near_positions(join) {
        for (theirs, ours) in [(places[0], places[1]), (places[1], places[0])] {
            if found.is_some() || radius_deg > overlap_deg || !is_position_of(&theirs, plan, director.index, position) {
                continue;
            }
            let names = ours.map(|expr| {
                let end = super::links::trace(own_plan, column(expr)?, true)?;
                (end.site == own.index).then_some(end.column)
            });
            if let [Some(lon), Some(lat)] = names {
                found = Some([lon, lat]);
            }
        }
    }
    Some(Cut {
        table: own.table.table().table.name.clone(),
        position: found?,
        database: Arc::clone(director.table.database()),
        director: Arc::clone(director.table.table()),
    })
}
