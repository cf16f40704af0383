//! Spatial joins inside chunks: one side reads its chunks, the other its chunks with their overlap.
//!
//! [`JoinWithOverlap`] runs before all other physical rules and pairs the partitions of such scans, which hold the same chunks
//! in the same order. [`CheckOverlap`] runs after them: rows of an overlap are copies, so a plan in which anything but such
//! a join sees them is refused, and the czar makes another one without overlap.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::physical_expr::Partitioning;
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
use crate::scan::{files_of, over_files};
use crate::table::{is_halo, reads_chunks};

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
    files_of(plan).is_some_and(is_halo) || plan.children().into_iter().any(exposes_overlap)
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
    if let Some(scan) = files_of(plan) {
        return if is_halo(scan) { Some(Chunks::WithOverlap) } else { reads_chunks(scan).then_some(Chunks::Alone) };
    }
    if !(plan.is::<FilterExec>() || plan.is::<ProjectionExec>()) {
        return None;
    }
    plan.children().into_iter().next().and_then(chunks)
}

/// A chunk's part of both sides of a join, each a plan of one partition.
pub(super) type ChunkPair = (Arc<dyn ExecutionPlan>, Arc<dyn ExecutionPlan>);

/// The chunks of one partition of a join, one by one: read together, two neighbours would show the rows of each other's overlap
/// twice. Those that the streaming (right) side does not read have no rows to give.
pub(super) fn chunk_by_chunk(
    left: &Arc<dyn ExecutionPlan>,
    right: &Arc<dyn ExecutionPlan>,
    partition: usize,
) -> Result<Vec<ChunkPair>> {
    let mut folders = BTreeSet::new();
    find_folders(right, partition, &mut folders);
    let pair = |chunk: &String| Ok((over_chunk(left, partition, chunk)?, over_chunk(right, partition, chunk)?));
    folders.iter().map(pair).collect()
}

/// The folder of a file below its table's: what a chunk's rows and its overlap have in common, and no two chunks of a database. Workers
/// know nothing else of chunks.
fn folder(file: &PartitionedFile) -> &str {
    let path = file.object_meta.location.as_ref();
    let below = path.split_once("/dataset/").map_or(path, |(_, below)| below);
    below.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn find_folders(plan: &Arc<dyn ExecutionPlan>, partition: usize, found: &mut BTreeSet<String>) {
    if let Some(group) = files_of(plan).and_then(|scan| scan.file_groups.get(partition)) {
        found.extend(group.files().iter().map(|file| folder(file).to_owned()));
    }
    plan.children().into_iter().for_each(|child| find_folders(child, partition, found));
}

fn over_chunk(plan: &Arc<dyn ExecutionPlan>, partition: usize, chunk: &str) -> Result<Arc<dyn ExecutionPlan>> {
    let narrowed = Arc::clone(plan).transform_up(|node| {
        let Some(scan) = files_of(&node) else { return Ok(Transformed::no(node)) };
        let files = scan.file_groups.get(partition).map(FileGroup::files).unwrap_or_default();
        let files = files.iter().filter(|file| folder(file) == chunk).cloned().collect();
        let mut narrow = scan.clone();
        narrow.file_groups = vec![FileGroup::new(files)];
        narrow.output_partitioning = scan.output_partitioning.clone().map(|partitioning| match partitioning {
            Partitioning::Hash(keys, _) => Partitioning::Hash(keys, 1),
            _ => Partitioning::UnknownPartitioning(1),
        });
        Ok(Transformed::yes(over_files(&node, narrow)))
    });
    narrowed.data()
}
