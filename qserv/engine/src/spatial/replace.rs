//! Nested loops over positions become spatial joins.
//!
//! DataFusion plans a join without an equality as a nested loop, and datafusion-distributed knows how to hand such a loop's
//! left side to every task. So plans are made with nested loops, and these are replaced when all else is decided: the plan
//! that is shown and run does the same with fewer pairs.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties, ReplaceChildrenOptions,
};

use super::condition::SpatialCondition;
use super::exec::{Reach, SpatialJoinExec};

/// Replaces every nested loop whose filter wants rows near each other.
///
/// # Errors
/// `Internal` for a plan that cannot be rebuilt.
pub fn replace_nested_loops(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let Some(nested) = node.downcast_ref::<NestedLoopJoinExec>() else { return Ok(Transformed::no(node)) };
        if nested.filter().and_then(SpatialCondition::of).is_none() {
            return Ok(Transformed::no(node));
        }
        match replacement(nested)? {
            Some(join) => Ok(Transformed::yes(join)),
            None => Ok(Transformed::no(node)),
        }
    })
    .data()
}

fn replacement(nested: &NestedLoopJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    match nested.join_type() {
        // The side whose rows are handed out without a partner has to stream.
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => swapped(nested),
        JoinType::Full => {
            let right = in_one_partition(nested.right());
            Ok(spatial(rebuilt(nested, Arc::clone(nested.left()), right)?))
        }
        _ => Ok(spatial(rebuilt(nested, Arc::clone(nested.left()), Arc::clone(nested.right()))?)),
    }
}

fn spatial(nested: NestedLoopJoinExec) -> Option<Arc<dyn ExecutionPlan>> {
    SpatialJoinExec::of(nested, Reach::Everything).map(|join| Arc::new(join) as Arc<dyn ExecutionPlan>)
}

/// The join with its sides exchanged, below what puts its columns in their old order.
fn swapped(nested: &NestedLoopJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (order, swapped) = take_projection(nested.swap_inputs()?);
    let Some(join) = swapped.downcast_ref::<NestedLoopJoinExec>() else { return Ok(None) };
    let join = rebuilt(join, in_one_partition(join.left()), in_all_partitions(join.right()))?;
    let Some(join) = spatial(join) else { return Ok(None) };
    match order {
        None => Ok(Some(join)),
        Some(order) => {
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            order.replace_children(vec![join], options).map(Some)
        }
    }
}

/// A join with its sides exchanged, and apart from it what puts its columns in their old order, if anything must.
pub(super) fn take_projection(
    swapped: Arc<dyn ExecutionPlan>,
) -> (Option<Arc<dyn ExecutionPlan>>, Arc<dyn ExecutionPlan>) {
    match swapped.downcast_ref::<ProjectionExec>() {
        Some(order) => {
            let join = Arc::clone(order.input());
            (Some(swapped), join)
        }
        None => (None, swapped),
    }
}

/// The nested loop over other inputs.
pub(super) fn rebuilt(
    nested: &NestedLoopJoinExec,
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
) -> Result<NestedLoopJoinExec> {
    NestedLoopJoinExecBuilder::new(left, right, *nested.join_type())
        .with_filter(nested.filter().cloned())
        .with_projection_ref(nested.projection().clone())
        .build()
}

fn in_one_partition(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if plan.output_partitioning().partition_count() == 1 {
        return Arc::clone(plan);
    }
    Arc::new(CoalescePartitionsExec::new(Arc::clone(plan)))
}

/// What was put into one partition for the nested loop's sake streams in the partitions that it has.
fn in_all_partitions(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match plan.downcast_ref::<CoalescePartitionsExec>() {
        Some(coalesce) if coalesce.fetch().is_none() => Arc::clone(coalesce.input()),
        _ => Arc::clone(plan),
    }
}
