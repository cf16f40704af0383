//! Spatial joins inside chunks: one side reads its chunks, the other its chunks with their overlap.
//!
//! [`JoinWithOverlap`] runs before all other physical rules and pairs the partitions of such scans, which hold the same chunks
//! in the same order. [`CheckOverlap`] runs after them: rows of an overlap are copies, so a plan in which anything but such
//! a join sees them is refused, and the czar makes another one without overlap.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties, ReplaceChildrenOptions,
};

use super::condition::SpatialCondition;
use super::exec::{Reach, SpatialJoinExec};
use super::replace::{rebuilt, take_projection};
use crate::table::{family_of, is_halo};

/// Joins near neighbours where their chunks lie. One of the first physical optimizer rules to run.
#[derive(Debug, Default)]
pub struct JoinWithOverlap;

impl PhysicalOptimizerRule for JoinWithOverlap {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(nested) = node.downcast_ref::<NestedLoopJoinExec>() else { return Ok(Transformed::no(node)) };
            match within_chunks(nested)? {
                Some(join) => Ok(Transformed::yes(join)),
                None => Ok(Transformed::no(node)),
            }
        })
        .data()
    }

    fn name(&self) -> &str {
        "JoinWithOverlap"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Refuses plans in which rows of an overlap are seen by anything but a join inside chunks. The last physical optimizer rule
/// to run.
#[derive(Debug, Default)]
pub struct CheckOverlap;

impl PhysicalOptimizerRule for CheckOverlap {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        if exposes_overlap(&plan) { Err(DataFusionError::Plan(EXPOSED.to_owned())) } else { Ok(plan) }
    }

    fn name(&self) -> &str {
        "CheckOverlap"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

const EXPOSED: &str = "rows of the overlap of chunks would be seen outside of a join of near neighbours";

/// Whether an error of planning is [`CheckOverlap`]'s: the plan can be made without overlap.
#[must_use]
pub fn is_exposed_overlap(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::Plan(text) if text == EXPOSED)
}

fn exposes_overlap(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(join) = plan.downcast_ref::<SpatialJoinExec>()
        && join.reach() == Reach::SamePartition
    {
        return exposes_overlap(join.nested().right());
    }
    scan_of(plan).is_some_and(is_halo) || plan.children().into_iter().any(exposes_overlap)
}

fn within_chunks(nested: &NestedLoopJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if nested.filter().and_then(SpatialCondition::of).is_none() {
        return Ok(None);
    }
    let (Some(left), Some(right)) = (chunks(nested.left()), chunks(nested.right())) else { return Ok(None) };
    if nested.left().output_partitioning().partition_count() != nested.right().output_partitioning().partition_count() {
        return Ok(None);
    }
    match (left, right) {
        (Chunks::WithOverlap, Chunks::Alone) => {
            let nested = rebuilt(nested, Arc::clone(nested.left()), Arc::clone(nested.right()))?;
            Ok(inside_chunks(nested))
        }
        (Chunks::Alone, Chunks::WithOverlap) => {
            let (order, swapped) = take_projection(nested.swap_inputs()?);
            let Some(nested) = swapped.downcast_ref::<NestedLoopJoinExec>() else { return Ok(None) };
            let nested = rebuilt(nested, Arc::clone(nested.left()), Arc::clone(nested.right()))?;
            match (order, inside_chunks(nested)) {
                (Some(order), Some(join)) => {
                    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
                    order.replace_children(vec![join], options).map(Some)
                }
                (_, join) => Ok(join),
            }
        }
        _ => Ok(None),
    }
}

fn inside_chunks(nested: NestedLoopJoinExec) -> Option<Arc<dyn ExecutionPlan>> {
    SpatialJoinExec::of(nested, Reach::SamePartition).map(|join| Arc::new(join) as Arc<dyn ExecutionPlan>)
}

/// What a plan's partitions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunks {
    /// Whole chunks.
    Alone,
    /// Whole chunks and their overlap.
    WithOverlap,
}

/// `None` for a plan whose partitions are not those of a scan of chunks.
fn chunks(plan: &Arc<dyn ExecutionPlan>) -> Option<Chunks> {
    if let Some(scan) = scan_of(plan) {
        return if is_halo(scan) { Some(Chunks::WithOverlap) } else { family_of(scan).map(|_| Chunks::Alone) };
    }
    if !(plan.is::<FilterExec>() || plan.is::<ProjectionExec>()) {
        return None;
    }
    plan.children().into_iter().next().and_then(chunks)
}

fn scan_of(plan: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    plan.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<FileScanConfig>()
}
