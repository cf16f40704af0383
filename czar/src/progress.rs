//! How far a running query is, told to whoever asked for it from before its first row; and what is to be done after it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_distributed::{ChannelResolver, DistributedExec, DistributedExt};
use qserv_core::query::QueryProgress;
use qserv_engine::cluster::{ChunkCounter, CountedChannels, SweepAfter, Sweeper};
use qserv_engine::scan::files_of;

use crate::planner::Planned;

/// How often the counters of a plan that runs here are read.
const LOOK: Duration = Duration::from_millis(200);

/// Follows one plan.
pub(crate) struct Follower {
    progress: Arc<QueryProgress>,
    /// The plan, if the czar runs it alone: then its scans count files. Otherwise the channels to the workers count.
    here: Option<Arc<dyn ExecutionPlan>>,
    _sweep_after: Option<SweepAfter>,
}

impl Follower {
    /// Follows a plan about to run, and gives the context to run it in.
    pub(crate) fn of(
        planned: &Planned,
        channels: &Arc<dyn ChannelResolver + Send + Sync>,
        sweeper: &Sweeper,
        progress: &Arc<QueryProgress>,
    ) -> (Self, Arc<TaskContext>) {
        let counter = ChunkCounter::new(Arc::clone(&planned.restricted.placement), Arc::clone(progress));
        let is_distributed = planned.plan.is::<DistributedExec>();
        let context = if is_distributed {
            counted(&planned.context, CountedChannels::new(Arc::clone(channels), counter))
        } else {
            Arc::clone(&planned.context)
        };
        let here = (!is_distributed).then(|| Arc::clone(&planned.plan));
        let workers = planned.restricted.placement.workers().map(|worker| worker.url.clone());
        let sweep_after = sweeper.after(&planned.plan, workers, &planned.context);
        (Self { progress: Arc::clone(progress), here, _sweep_after: sweep_after }, context)
    }

    /// Waits for `work`, and looks from time to time how far it is.
    pub(crate) async fn during<W: Future>(&self, work: W) -> W::Output {
        let Some(plan) = &self.here else { return work.await };
        tokio::pin!(work);
        loop {
            match tokio::time::timeout(LOOK, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.look(plan),
            }
        }
    }

    /// All rows were handed out.
    pub(crate) fn ended(&self) {
        let total = self.progress.chunks_total.load(Ordering::Relaxed);
        self.progress.chunks_done.store(total, Ordering::Relaxed);
    }

    /// Takes the files that are read for the chunks that are: each chunk has about as many.
    fn look(&self, plan: &Arc<dyn ExecutionPlan>) {
        let (mut files, mut read) = (0_u64, 0_u64);
        let _ = plan.apply(|node| {
            if let Some(config) = files_of(node) {
                files += config.file_groups.iter().map(|group| group.len() as u64).sum::<u64>();
                let processed = node.metrics().and_then(|metrics| metrics.sum_by_name("files_processed"));
                read += processed.map_or(0, |count| count.as_usize() as u64);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        let total = self.progress.chunks_total.load(Ordering::Relaxed);
        let done = total.saturating_mul(read.min(files)) / files.max(1);
        self.progress.chunks_done.store(done, Ordering::Relaxed);
    }
}

/// The same context with other channels.
fn counted(context: &TaskContext, channels: CountedChannels) -> Arc<TaskContext> {
    let config = context.session_config().clone().with_distributed_channel_resolver(channels);
    Arc::new(TaskContext::new(
        context.task_id(),
        context.session_id(),
        config,
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    ))
}
