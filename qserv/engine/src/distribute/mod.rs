//! How a plan is cut over the workers: hooks of datafusion-distributed, no planner of our own.
//!
//! - `desired_tasks`: a stage that reads chunks has a task for each worker of the query's [`Placement`].
//! - `split_leaf`: each task's copy of a scan keeps the files of its own chunks, group by group.
//! - `route`: each task goes to the worker whose chunks it reads.
//! - [`JoinWithinChunks`] and [`KeepKeysTogether`]: joins on a director's key stay inside chunks, and declared and hashed
//!   partitions are never joined index by index.

mod keys;

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, exec_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedExt, DistributedLeafExec, RouteTasksEvent,
    RouteTasksEventResponse, ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse, SessionStateBuilderExt,
    WorkerResolver,
};
use url::Url;

use crate::placement::Placement;
use crate::scan::files_of;
use crate::spatial::SpatialJoinCodec;
use crate::table::FileSlot;

pub use keys::{JoinWithinChunks, KeepKeysTogether};

/// The workers of one query, for datafusion-distributed: those with tasks first.
#[derive(Debug)]
struct QueryWorkers(Vec<Url>);

impl WorkerResolver for QueryWorkers {
    fn get_urls(&self) -> Result<Vec<Url>> {
        Ok(self.0.clone())
    }
}

/// Makes a session plan for many workers by this placement.
#[must_use]
pub fn distribute(builder: SessionStateBuilder, placement: &Arc<Placement>) -> SessionStateBuilder {
    let urls: Vec<Url> = placement.workers().map(|worker| worker.url.clone()).collect();
    let mut builder = builder
        .with_distributed_worker_resolver(QueryWorkers(urls))
        .with_distributed_desired_task_count_handler(desired_tasks)
        .with_distributed_scale_up_leaf_node_handler(split_leaf)
        .with_distributed_route_tasks_handler(route)
        .with_distributed_user_codec(SpatialJoinCodec)
        .with_distributed_planner();
    if let Some(config) = builder.config() {
        config.set_extension(Arc::clone(placement));
    }
    builder
}

fn placement_of(config: &SessionConfig) -> Option<Arc<Placement>> {
    config.get_extension::<Placement>()
}

/// Whether a scan reads chunks; a replicated table's scan does not.
fn reads_chunks(scan: &FileScanConfig) -> bool {
    scan.output_partitioning.is_some()
        || scan
            .file_groups
            .iter()
            .flat_map(|group| group.files())
            .any(|file| file.extensions.get::<FileSlot>().is_some_and(|slot| slot.partitioned))
}

/// A leaf that reads chunks wants one task a worker of the query; any other leaf of ours one task.
fn desired_tasks(event: DesiredTaskCountEvent) -> Option<Result<DesiredTaskCountEventResponse>> {
    let scan = files_of(event.plan)?;
    let placement = placement_of(event.session_config)?;
    let tasks = if reads_chunks(scan) { placement.tasks().len().max(1) } else { 1 };
    Some(Ok(DesiredTaskCountEventResponse::desired(tasks)))
}

/// Splits a scan over the tasks of its stage by the slots of its files. All scans of a stage are split alike, so groups
/// of the same number hold the same keys in each task.
fn split_leaf(event: ScaleUpLeafNodeEvent) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let scan = files_of(event.plan)?;
    if event.task_count <= 1 {
        return Some(Ok(ScaleUpLeafNodeEventResponse::new(Arc::clone(event.plan))));
    }
    Some(split(event.plan, scan, event.task_count).map(ScaleUpLeafNodeEventResponse::new))
}

fn split(plan: &Arc<dyn ExecutionPlan>, scan: &FileScanConfig, tasks: usize) -> Result<Arc<dyn ExecutionPlan>> {
    // Each file goes to its task in one pass: a release may have a hundred thousand, and hundreds of tasks.
    let mut groups_of_tasks: Vec<Vec<Vec<PartitionedFile>>> = vec![vec![Vec::new(); scan.file_groups.len()]; tasks];
    for (number, group) in scan.file_groups.iter().enumerate() {
        for file in group.files() {
            groups_of_tasks[task_of(file) % tasks][number].push(file.clone());
        }
    }
    let mut without_files = scan.clone();
    without_files.file_groups = Vec::new();
    let variants = groups_of_tasks.into_iter().map(|groups| {
        let mut variant = without_files.clone();
        variant.file_groups = groups.into_iter().map(FileGroup::new).collect();
        DataSourceExec::from_data_source(variant) as Arc<dyn ExecutionPlan>
    });
    Ok(Arc::new(DistributedLeafExec::try_new(Arc::clone(plan), variants)?))
}

fn task_of(file: &PartitionedFile) -> usize {
    file.extensions.get::<FileSlot>().map_or(0, |slot| slot.slot.task)
}

/// Sends each task of a stage that reads chunks to the worker of those chunks, any other stage's tasks to the query's
/// workers in turn.
fn route(event: RouteTasksEvent) -> Option<Result<RouteTasksEventResponse>> {
    let placement = placement_of(event.task_ctx.session_config())?;
    let workers: Vec<Url> = placement.workers().map(|worker| worker.url.clone()).collect();
    if workers.is_empty() {
        return Some(exec_err!("no worker is up"));
    }
    let urls = (0..event.task_count).map(|task| workers[task % workers.len()].clone()).collect();
    Some(Ok(RouteTasksEventResponse::new(urls)))
}

/// Counts the leaves of a plan that read chunks, for tests and explanations.
#[must_use]
pub fn chunk_scans(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let mut count = 0;
    let _ = plan.apply(|node| {
        if let Some(scan) = files_of(node)
            && reads_chunks(scan)
        {
            count += 1;
        }
        Ok(TreeNodeRecursion::Continue)
    });
    count
}
