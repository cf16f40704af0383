//! Has workers let go of what is left of queries that have ended.
//!
//! A worker of datafusion-distributed forgets a query's plan in two steps: when the query ends, the plan is struck off a list, and when
//! the list is next used, a third of a second later or more, it is dropped. The rows that a plan spreads to several workers
//! (`BroadcastExec`) are made by tasks that end with the plan and not before. So on a cluster where nobody asks anything more, a query
//! that was ended would go on with them, on all processors. [`Sweeper`] uses the list.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNode;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_distributed::{ChannelResolver, MaybeEncoded, NetworkBroadcastExec, SetPlanRequest, TaskKey};
use futures::StreamExt;
use reqwest::header::HeaderMap;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use url::Url;
use uuid::Uuid;

/// The list of a worker is tidied at most every 300 ms: a use before that drops nothing.
const PAUSE: Duration = Duration::from_millis(320);

/// Uses of the list after a query: one may fall too soon after another query's.
const USES: usize = 2;

/// Lets workers go after queries have ended. A cheap handle; the work ends with the last of them.
#[derive(Debug, Clone)]
pub struct Sweeper {
    shared: Arc<Shared>,
    _task: Arc<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The workers to be told, each once, and a context to reach it in.
    waiting: Mutex<HashMap<Url, Arc<TaskContext>>>,
    wake: Notify,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<Url, Arc<TaskContext>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held while a query runs; its workers are told when it is dropped.
#[derive(Debug)]
pub struct SweepAfter {
    shared: Arc<Shared>,
    workers: Vec<Url>,
    context: Arc<TaskContext>,
}

impl Sweeper {
    /// Reaches workers by these channels. To be called inside a runtime.
    #[must_use]
    pub fn start(channels: Arc<dyn ChannelResolver + Send + Sync>) -> Self {
        let shared = Arc::<Shared>::default();
        let mut task = JoinSet::new();
        let todo = Arc::clone(&shared);
        task.spawn(async move {
            loop {
                todo.wake.notified().await;
                let waiting = std::mem::take(&mut *todo.waiting());
                for _ in 0..USES {
                    tokio::time::sleep(PAUSE).await;
                    for (url, context) in &waiting {
                        if let Err(error) = use_list(channels.as_ref(), url, context).await {
                            // It is gone, and what it did with it.
                            tracing::debug!(%url, %error, "a worker cannot be told to let go of a query");
                        }
                    }
                }
            }
        });
        Self { shared, _task: Arc::new(task) }
    }

    /// What to hold while this plan runs on these workers; `None` if it ends by itself.
    #[must_use]
    pub fn after(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        workers: impl Iterator<Item = Url>,
        context: &Arc<TaskContext>,
    ) -> Option<SweepAfter> {
        let spreads = plan.exists(|node| Ok(node.is::<NetworkBroadcastExec>())).unwrap_or(true);
        spreads.then(|| SweepAfter {
            shared: Arc::clone(&self.shared),
            workers: workers.collect(),
            context: Arc::clone(context),
        })
    }
}

impl Drop for SweepAfter {
    fn drop(&mut self) {
        let mut waiting = self.shared.waiting();
        for url in self.workers.drain(..) {
            waiting.insert(url, Arc::clone(&self.context));
        }
        drop(waiting);
        self.shared.wake.notify_one();
    }
}

/// Uses a worker's list of plans: puts an empty one in and takes it out again.
async fn use_list(channels: &(dyn ChannelResolver + Send + Sync), url: &Url, context: &Arc<TaskContext>) -> Result<()> {
    let mut channel = channels.get_worker_client_for_url(url).await?;
    let plan: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(Arc::new(Schema::empty())));
    let request = SetPlanRequest {
        task_key: TaskKey { query_id: Uuid::new_v4(), stage_id: 0, task_number: 0 },
        task_count: 1,
        plan: MaybeEncoded::Decoded(plan),
        work_unit_feed_declarations: Vec::new(),
        target_worker_url: url.clone(),
        query_start_time_ns: 0,
    };
    let nothing = futures::stream::empty().boxed();
    let metrics = ExecutionPlanMetricsSet::new();
    let mut answers = channel.coordinator_channel(HeaderMap::new(), request, nothing, metrics, context).await?;
    while answers.next().await.transpose()?.is_some() {}
    Ok(())
}
