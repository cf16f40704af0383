//! How far a distributed query is: the groups of chunks whose rows have been read to their end.
//!
//! A stage that reads chunks gives the rows of a group as one partition, so the end of a partition's stream is the end of the group's
//! chunks. Only streams that come to the czar itself are seen: a plan that exchanges rows between workers tells its progress late, as
//! its last stage ends.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_distributed::{
    ChannelResolver, CoordinatorToWorkerMsg, ExecuteTaskRequest, GetWorkerInfoRequest, GetWorkerInfoResponse,
    SetPlanRequest, WorkerChannel, WorkerToCoordinatorMsg,
};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use qserv_core::query::QueryProgress;
use reqwest::header::HeaderMap;
use url::Url;

use crate::placement::{Placement, Slot};

/// Counts the chunks of a query that are read.
#[derive(Debug)]
pub struct ChunkCounter {
    placement: Arc<Placement>,
    progress: Arc<QueryProgress>,
    ended: Mutex<HashSet<Slot>>,
}

impl ChunkCounter {
    /// A counter that begins anew: all chunks of the placement are to be read.
    #[must_use]
    pub fn new(placement: Arc<Placement>, progress: Arc<QueryProgress>) -> Self {
        progress.chunks_total.store(placement.chunks() as u64, Ordering::Relaxed);
        progress.chunks_done.store(0, Ordering::Relaxed);
        Self { placement, progress, ended: Mutex::default() }
    }

    fn ended(&self, slot: Slot) {
        if self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(slot) {
            self.progress.chunks_done.fetch_add(self.placement.chunks_in(slot) as u64, Ordering::Relaxed);
        }
    }
}

/// The way to the workers, with what comes back counted.
pub struct CountedChannels {
    channels: Arc<dyn ChannelResolver + Send + Sync>,
    counter: Arc<ChunkCounter>,
}

impl CountedChannels {
    /// Counts what comes back over these channels.
    #[must_use]
    pub fn new(channels: Arc<dyn ChannelResolver + Send + Sync>, counter: ChunkCounter) -> Self {
        Self { channels, counter: Arc::new(counter) }
    }
}

impl std::fmt::Debug for CountedChannels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CountedChannels").field("counter", &self.counter).finish_non_exhaustive()
    }
}

#[async_trait]
impl ChannelResolver for CountedChannels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>, DataFusionError> {
        let channel = self.channels.get_worker_client_for_url(url).await?;
        Ok(Box::new(CountedChannel { channel, counter: Arc::clone(&self.counter) }))
    }
}

struct CountedChannel {
    channel: Box<dyn WorkerChannel>,
    counter: Arc<ChunkCounter>,
}

#[async_trait]
impl WorkerChannel for CountedChannel {
    async fn coordinator_channel(
        &mut self,
        headers: HeaderMap,
        request: SetPlanRequest,
        messages: BoxStream<'static, CoordinatorToWorkerMsg>,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<WorkerToCoordinatorMsg>>> {
        self.channel.coordinator_channel(headers, request, messages, metrics, context).await
    }

    async fn execute_task(
        &mut self,
        headers: HeaderMap,
        request: ExecuteTaskRequest,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<Vec<BoxStream<'static, Result<RecordBatch>>>> {
        let (task, first) = (request.task_key.task_number, request.target_partition_start);
        let streams = self.channel.execute_task(headers, request, metrics, context).await?;
        let counted = |(index, rows): (usize, BoxStream<'static, Result<RecordBatch>>)| {
            let (counter, slot) = (Arc::clone(&self.counter), Slot { task, group: first + index });
            // Reached only if all rows before were asked for.
            let end = stream::once(async move { counter.ended(slot) }).filter_map(|()| async { None });
            rows.chain(end).boxed()
        };
        Ok(streams.into_iter().enumerate().map(counted).collect())
    }

    async fn get_worker_info(&mut self, request: GetWorkerInfoRequest) -> Result<GetWorkerInfoResponse> {
        self.channel.get_worker_info(request).await
    }
}
