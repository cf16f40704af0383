//! `/tap/sync`: a query and its answer in one exchange.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use qserv_core::query::QueryResult;
use qserv_core::{Error, Result};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::Tap;
use crate::account::{Account, QUERY_ID_HEADER};
use crate::client::Place;
use crate::compression;
use crate::error::{Failure, too_many_requests};
use crate::parameters::Parameters;
use crate::question::Question;
use crate::stream::{EncodedResult, OnFailure, run_time_exceeded};
use crate::turns::Turn;
use crate::vosi;

/// The mode of these queries in the log and in the metrics.
const MODE: &str = "sync";

/// Answers a synchronous request. A client that goes away drops this future or the body that it gave, and with it the query.
pub(crate) async fn query(State(tap): State<Arc<Tap>>, request: Request) -> Response {
    let Some(place) = tap.clients.enter(&tap.client(&request)) else {
        tap.metrics.query_refused(MODE);
        return too_many_requests(tap.clients.most());
    };
    let id = Account::new_id();
    let header: Option<header::HeaderValue> = id.parse().ok();
    let mut response = answer(&tap, request, id, place).await.unwrap_or_else(IntoResponse::into_response);
    if let Some(id) = header {
        response.headers_mut().insert(QUERY_ID_HEADER, id);
    }
    response
}

async fn answer(tap: &Tap, request: Request, id: String, place: Place) -> Result<Response, Failure> {
    let (base_url, client) = (tap.base_url(&request), tap.client(&request));
    let headers = request.headers().clone();
    tap.turns.look().inspect_err(|_| tap.metrics.query_refused(MODE))?;
    let parameters = Parameters::read_with_files(request, tap).await?;
    if parameters.one("REQUEST")?.is_some_and(|request| request.eq_ignore_ascii_case("getCapabilities")) {
        return Ok(vosi::capabilities(&tap.settings, &base_url));
    }
    let question = Question::read(&parameters, &tap.settings, tap.clock.unix_ms())?;
    let turn = turn(tap).await?;
    let mut account = Account::begin(id, MODE, client.owner.as_deref(), &question.text, &tap.metrics);
    let span = account.span();
    let deadline = tap.settings.sync_run_time_s.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let started = start(tap, &parameters, &question, deadline, &account).instrument(span.clone());
    let started = match deadline {
        None => started.await,
        Some(deadline) => tokio::time::timeout_at(deadline, started).await.unwrap_or_else(|_| Err(run_time_exceeded())),
    };
    let chunks = started.inspect_err(|error| account.failed(error))?;
    let body = Answered { chunks, account, span, _place: place, _turn: turn };
    Ok(compression::respond(&headers, question.output, body))
}

/// Waits for the query's turn.
async fn turn(tap: &Tap) -> Result<Turn> {
    let turn = tokio::select! {
        turn = tap.turns.wait() => turn,
        () = tap.giving_up.cancelled() => Err(stopped()),
    };
    turn.inspect_err(|_| tap.metrics.query_refused(MODE))
}

/// Starts the query and waits until there is something to send or it has failed.
async fn start(
    tap: &Tap,
    parameters: &Parameters,
    question: &Question,
    deadline: Option<Instant>,
    account: &Account,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    let asked = async { tap.service.query(question.request(tap.uploads.of(parameters).await?)).await };
    let result = tokio::select! {
        result = asked => result?,
        () = tap.giving_up.cancelled() => return Err(stopped()),
    };
    let result = watched(result, account, tap.giving_up.clone());
    let encoded = EncodedResult::new(question, result, OnFailure::Tell, &tap.scratch)?;
    Ok(encoded.with_deadline(deadline).started().await?.boxed())
}

/// The result with its rows counted, ending with an error when the service gives up what it has not finished.
fn watched(mut result: QueryResult, account: &Account, giving_up: CancellationToken) -> QueryResult {
    let rows = account.rows();
    let counted = result.batches.inspect(move |batch| {
        if let Ok(batch) = batch {
            rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        }
    });
    let given_up = stream::once(async move { giving_up.cancelled_owned().await }).map(|()| Err(stopped()));
    // Whichever ends first ends the result, which stops at its first error.
    let ended = counted.map(Some).chain(stream::iter([None]));
    let either = stream::select(ended, given_up.map(Some));
    result.batches =
        either.take_while(|next| std::future::ready(next.is_some())).filter_map(std::future::ready).boxed();
    result
}

/// The error of a query that a stopping service gives up.
fn stopped() -> Error {
    Error::unavailable("the service is shutting down; ask again when it is back")
}

/// The body of an answer, with what ends when it does.
struct Answered {
    chunks: BoxStream<'static, Result<Bytes>>,
    account: Account,
    span: tracing::Span,
    _place: Place,
    _turn: Turn,
}

impl Stream for Answered {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let next = this.span.in_scope(|| this.chunks.poll_next_unpin(context));
        match &next {
            Poll::Pending => {}
            Poll::Ready(None) => this.account.succeeded(),
            Poll::Ready(Some(Ok(chunk))) => this.account.add_bytes(chunk.len() as u64),
            Poll::Ready(Some(Err(error))) => this.account.failed(error),
        }
        next
    }
}
