//! `/tap/sync`: a query and its answer in one exchange.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use qserv_core::Result;
use tokio::time::Instant;

use crate::Tap;
use crate::compression;
use crate::error::Failure;
use crate::parameters::Parameters;
use crate::question::Question;
use crate::stream::{EncodedResult, OnFailure, run_time_exceeded};
use crate::vosi;

/// Answers a synchronous request. A client that goes away drops this future or the body that it gave, and with it the query.
pub(crate) async fn query(State(tap): State<Arc<Tap>>, request: Request) -> Result<Response, Failure> {
    let base_url = tap.base_url(&request);
    let headers = request.headers().clone();
    let parameters = Parameters::read_with_files(request, &tap).await?;
    if parameters.one("REQUEST")?.is_some_and(|request| request.eq_ignore_ascii_case("getCapabilities")) {
        return Ok(vosi::capabilities(&tap.settings, &base_url));
    }
    let question = Question::read(&parameters, &tap.settings, tap.clock.unix_ms())?;
    let deadline = tap.settings.sync_run_time_s.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let started = start(&tap, &parameters, &question, deadline);
    let chunks = match deadline {
        None => started.await?,
        Some(deadline) => tokio::time::timeout_at(deadline, started).await.map_err(|_| run_time_exceeded())??,
    };
    Ok(compression::respond(&headers, question.output, chunks))
}

/// Starts the query and waits until there is something to send or it has failed.
async fn start(
    tap: &Tap,
    parameters: &Parameters,
    question: &Question,
    deadline: Option<Instant>,
) -> Result<impl Stream<Item = Result<Bytes>> + Send + use<>> {
    let result = tap.service.query(question.request(tap.uploads.of(parameters).await?)).await?;
    EncodedResult::new(question, result, OnFailure::Tell, &tap.scratch)?.with_deadline(deadline).started().await
}
