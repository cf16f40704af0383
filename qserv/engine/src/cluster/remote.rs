//! The way to a worker in another process: errors of the connection are told with the worker's name.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_distributed::{
    CoordinatorToWorkerMsg, ExecuteTaskRequest, GetWorkerInfoRequest, GetWorkerInfoResponse, SetPlanRequest,
    WorkerChannel, WorkerToCoordinatorMsg,
};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use qserv_core::{Error, ErrorKind};
use reqwest::header::HeaderMap;
use tonic::{Code, Status};

use crate::error::into_datafusion;

/// A gRPC channel whose errors, where they are not the worker's own, name the worker.
pub(super) struct RemoteChannel {
    channel: Box<dyn WorkerChannel>,
    worker: Arc<str>,
}

impl RemoteChannel {
    pub(super) fn new(channel: Box<dyn WorkerChannel>, worker: Arc<str>) -> Self {
        Self { channel, worker }
    }
}

#[async_trait]
impl WorkerChannel for RemoteChannel {
    async fn coordinator_channel(
        &mut self,
        headers: HeaderMap,
        request: SetPlanRequest,
        messages: BoxStream<'static, CoordinatorToWorkerMsg>,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<WorkerToCoordinatorMsg>>> {
        let answers = self.channel.coordinator_channel(headers, request, messages, metrics, context).await;
        let worker = Arc::clone(&self.worker);
        match answers {
            Ok(answers) => Ok(answers.map_err(move |error| named(error, &worker)).boxed()),
            Err(error) => Err(named(error, &worker)),
        }
    }

    async fn execute_task(
        &mut self,
        headers: HeaderMap,
        request: ExecuteTaskRequest,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<Vec<BoxStream<'static, Result<RecordBatch>>>> {
        let streams = self
            .channel
            .execute_task(headers, request, metrics, context)
            .await
            .map_err(|error| named(error, &self.worker))?;
        let name = |stream: BoxStream<'static, Result<RecordBatch>>| {
            let worker = Arc::clone(&self.worker);
            stream.map_err(move |error| named(error, &worker)).boxed()
        };
        Ok(streams.into_iter().map(name).collect())
    }

    async fn get_worker_info(&mut self, request: GetWorkerInfoRequest) -> Result<GetWorkerInfoResponse> {
        self.channel.get_worker_info(request).await.map_err(|error| named(error, &self.worker))
    }
}

/// Turns an error of the connection into one of ours that names the worker. What the worker itself reported passes unchanged.
fn named(error: DataFusionError, worker: &str) -> DataFusionError {
    let DataFusionError::External(cause) = error else { return error };
    match cause.downcast::<Status>() {
        Ok(status) => into_datafusion(from_status(*status, worker)),
        Err(cause) => DataFusionError::External(cause),
    }
}

fn from_status(status: Status, worker: &str) -> Error {
    // A status with a cause was made on this side, when the connection failed; the others came from the worker.
    let broken = std::error::Error::source(&status).is_some();
    let error = match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => {
            Error::new(ErrorKind::Denied, "a worker does not accept this server: their secrets differ")
        }
        Code::ResourceExhausted | Code::OutOfRange => Error::limit("a worker refused to send so much at once"),
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded | Code::Aborted => {
            unreachable_worker()
        }
        _ if broken => unreachable_worker(),
        _ => Error::internal("a worker failed unexpectedly"),
    };
    error.with("worker", worker).caused_by(status)
}

fn unreachable_worker() -> Error {
    Error::unavailable("a worker does not answer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::from_datafusion;

    #[test]
    fn errors_of_the_connection_name_the_worker_and_others_pass() {
        let told = |status: Status| from_datafusion(named(DataFusionError::External(Box::new(status)), "w7"));
        let mut broken = Status::internal("h2 protocol error");
        broken.set_source(Arc::new(std::io::Error::other("reset")));
        for (status, kind) in [
            (Status::unavailable("refused"), ErrorKind::Unavailable),
            (Status::permission_denied(""), ErrorKind::Denied),
            (Status::internal("bug"), ErrorKind::Internal),
            (broken, ErrorKind::Unavailable),
        ] {
            let error = told(status);
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains("worker: w7"), "{error}");
        }
        let workers_own = DataFusionError::Execution("division by zero".into());
        assert!(matches!(named(workers_own, "w7"), DataFusionError::Execution(_)));
        assert!(matches!(named(DataFusionError::External("other".into()), "w7"), DataFusionError::External(_)));
    }
}
