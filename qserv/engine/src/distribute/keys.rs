//! Keeps apart two kinds of partitioning that DataFusion calls by one name.
//!
//! A scan of whole chunks declares that it is partitioned by its key: equal keys are in one partition. So does an
//! exchange that hashes rows. Both satisfy what a join or a GROUP BY asks for, but partition *i* of the one is not
//! partition *i* of the other, nor that of a scan whose chunks follow another director. A partitioned join of two such
//! inputs would miss matches. [`KeepKeysTogether`] runs after DataFusion has chosen its exchanges and puts one more below
//! the declared side wherever the two sides are not of the same making. [`JoinWithinChunks`] runs before, and keeps
//! DataFusion from copying one side of a join that needs no exchange at all.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode, SortMergeJoinExec};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::union::InterleaveExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties, ReplaceChildrenOptions,
};

use crate::scan::files_of;
use crate::spatial::SpatialJoinExec;
use crate::table::{Family, family_of};

/// Joins tables whose chunks follow one director where they lie, before DataFusion thinks of copying the smaller one to
/// every worker. The first physical optimizer rule to run.
#[derive(Debug, Default)]
pub struct JoinWithinChunks;

impl PhysicalOptimizerRule for JoinWithinChunks {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(node)) };
            if join.mode == PartitionMode::Partitioned || join.null_aware || !is_chunk_local(join) {
                return Ok(Transformed::no(node));
            }
            let local = join.builder().with_partition_mode(PartitionMode::Partitioned).build()?;
            Ok(Transformed::yes(Arc::new(local) as Arc<dyn ExecutionPlan>))
        })
        .data()
    }

    fn name(&self) -> &str {
        "JoinWithinChunks"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether both inputs are chunks of one family, partitioned by just the columns that the join compares.
fn is_chunk_local(join: &HashJoinExec) -> bool {
    let (left, right) = (origin(join.left()), origin(join.right()));
    if !matches!((&left, &right), (Origin::Chunks(_), Origin::Chunks(_))) || !left.fits(&right) {
        return false;
    }
    let (Partitioning::Hash(left_key, left_count), Partitioning::Hash(right_key, right_count)) =
        (join.left().output_partitioning(), join.right().output_partitioning())
    else {
        return false;
    };
    left_count == right_count
        && matches!((left_key.as_slice(), right_key.as_slice(), join.on()), ([left_key], [right_key], [(left, right)])
            if left_key == left && right_key == right)
}

/// The physical optimizer rule; the last one to run.
#[derive(Debug, Default)]
pub struct KeepKeysTogether;

/// What made a plan's partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// Chunks of this family; a scan without files fits every family.
    Chunks(Option<Family>),
    /// A hash exchange.
    Hashed,
    /// Neither, or both in parts.
    Other,
}

impl Origin {
    /// Whether partition *i* of both holds the same keys.
    fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Chunks(left), Self::Chunks(right)) => left.is_none() || right.is_none() || left == right,
            (Self::Hashed, Self::Hashed) => true,
            _ => false,
        }
    }
}

impl PhysicalOptimizerRule for KeepKeysTogether {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            if !pairs_partitions(&node) {
                return Ok(Transformed::no(node));
            }
            let origins: Vec<Origin> = node.children().into_iter().map(origin).collect();
            if origins.windows(2).all(|pair| pair[0].fits(&pair[1])) {
                return Ok(Transformed::no(node));
            }
            let children = node.children().into_iter().zip(&origins).map(|(child, origin)| exchange(child, origin));
            let children = children.collect::<Result<Vec<_>>>()?;
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            Ok(Transformed::yes(node.replace_children(children, options)?))
        })
        .data()
    }

    fn name(&self) -> &str {
        "KeepKeysTogether"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether a node works on partitions of the same number of all its inputs together.
fn pairs_partitions(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.downcast_ref::<HashJoinExec>().is_some_and(|join| join.mode == PartitionMode::Partitioned)
        || node.is::<SortMergeJoinExec>()
        || node.is::<InterleaveExec>()
}

fn exchange(child: &Arc<dyn ExecutionPlan>, origin: &Origin) -> Result<Arc<dyn ExecutionPlan>> {
    match (origin, child.output_partitioning()) {
        (Origin::Hashed, _) => Ok(Arc::clone(child)),
        (_, hash @ Partitioning::Hash(..)) => {
            Ok(Arc::new(RepartitionExec::try_new(Arc::clone(child), hash.clone())?.with_preserve_order()))
        }
        // One partition is one partition, whatever made it.
        _ => Ok(Arc::clone(child)),
    }
}

fn origin(plan: &Arc<dyn ExecutionPlan>) -> Origin {
    if let Some(exchange) = plan.downcast_ref::<RepartitionExec>() {
        return if matches!(exchange.partitioning(), Partitioning::Hash(..)) { Origin::Hashed } else { Origin::Other };
    }
    if let Some(scan) = files_of(plan) {
        let by_key = matches!(scan.output_partitioning, Some(Partitioning::Hash(..)));
        return if by_key { Origin::Chunks(family_of(scan)) } else { Origin::Other };
    }
    let children = plan.children();
    if let Some(join) = plan.downcast_ref::<SpatialJoinExec>() {
        return origin(join.streaming());
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        let side = if join.mode == PartitionMode::Partitioned { join.left() } else { join.right() };
        return origin(side);
    }
    match children.as_slice() {
        [] => Origin::Other,
        [only] => origin(only),
        // Inputs of one node that fit each other; `transform_up` has seen to those that pair partitions.
        [first, rest @ ..] => {
            let first = origin(first);
            if rest.iter().all(|child| first.fits(&origin(child))) { first } else { Origin::Other }
        }
    }
}
