//! A worker's segments over HTTP: `GET` (with one `Range`), `HEAD`, `PUT`, `DELETE` below `/segments/`.

use std::ops::Range;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use qserv_core::byte_range::{Part, part};
use qserv_core::{Error, Result};
use qserv_engine::cluster::Fault;
use qserv_engine::store::{LocalStore, PendingPut, SEGMENTS_PATH};

/// Bytes read from the disk at a time for an answer, and gathered before they are written to it. With it the memory of a
/// request is bounded, however large the segment.
const PIECE_BYTES: u64 = 1024 * 1024;

#[derive(Clone)]
struct Segments {
    store: LocalStore,
    max_segment_bytes: u64,
}

/// Serves the segments in `store`. Segments larger than `max_segment_bytes` are not taken.
pub(crate) fn router(store: LocalStore, max_segment_bytes: u64) -> Router {
    Router::new()
        .route(
            &format!("{SEGMENTS_PATH}{{*path}}"),
            get(read_segment).head(head_segment).put(put_segment).delete(delete_segment),
        )
        .with_state(Segments { store, max_segment_bytes })
}

async fn head_segment(State(segments): State<Segments>, Path(path): Path<String>) -> Response {
    match segments.store.length(&path) {
        Ok(Some(length)) => whole_headers(length).into_response(),
        Ok(None) => fault(&absent(&path)),
        Err(error) => fault(&error),
    }
}

async fn read_segment(State(segments): State<Segments>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    segments
        .read(path, headers.get(RANGE).and_then(|range| range.to_str().ok()))
        .await
        .unwrap_or_else(|error| fault(&error))
}

async fn put_segment(
    State(segments): State<Segments>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    match segments.put(path, length, body).await {
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(error) => fault(&error),
    }
}

async fn delete_segment(State(segments): State<Segments>, Path(path): Path<String>) -> Response {
    let deleted = blocking(move || segments.store.delete(&path)).await;
    match deleted {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => fault(&error),
    }
}

impl Segments {
    async fn read(&self, path: String, range: Option<&str>) -> Result<Response> {
        let Some(length) = self.store.length(&path)? else { return Err(absent(&path)) };
        let (status, range) = match part(range, length) {
            Part::Whole => (StatusCode::OK, 0..length),
            Part::Range(range) => (StatusCode::PARTIAL_CONTENT, range),
            Part::Outside => {
                let outside = [(CONTENT_RANGE, format!("bytes */{length}"))];
                return Ok((StatusCode::RANGE_NOT_SATISFIABLE, outside).into_response());
            }
        };
        // The first piece, most often the only one, is read before the answer begins, so that a failure is an error and no
        // broken answer.
        let first = range.start..range.end.min(range.start.saturating_add(PIECE_BYTES));
        let bytes = self.store.get(&path, Some(first.clone())).await?.ok_or_else(|| absent(&path))?;
        let body = if first.end == range.end {
            Body::from(bytes)
        } else {
            let rest = pieces(self.store.clone(), path, first.end..range.end);
            Body::from_stream(futures::stream::iter([Ok(bytes)]).chain(rest))
        };
        let mut answer = (status, whole_headers(range.end - range.start), body).into_response();
        if status == StatusCode::PARTIAL_CONTENT
            && let Ok(value) = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1)).parse()
        {
            answer.headers_mut().insert(CONTENT_RANGE, value);
        }
        Ok(answer)
    }

    async fn put(&self, path: String, length: Option<u64>, body: Body) -> Result<()> {
        let length = length
            .ok_or_else(|| Error::invalid("a segment must be sent with its length").with("header", CONTENT_LENGTH))?;
        if length > self.max_segment_bytes {
            return Err(Error::limit("the segment is larger than this worker takes")
                .with("bytes", length)
                .with("setting", "max_segment_bytes"));
        }
        let mut body = body.into_data_stream();
        let result = self.write(path, length, &mut body).await;
        if result.is_err() {
            // An error that is answered before the body has arrived is often lost, since the sender is still sending.
            drain(&mut body, length).await;
        }
        result
    }

    async fn write(&self, path: String, length: u64, body: &mut BodyDataStream) -> Result<()> {
        let store = self.store.clone();
        let mut pending = blocking(move || store.begin_put(&path)).await?;
        let mut gathered = BytesMut::new();
        loop {
            let chunk = body
                .try_next()
                .await
                .map_err(|error| Error::unavailable("the segment did not arrive whole").caused_by(error))?;
            let is_last = chunk.is_none();
            gathered.extend_from_slice(&chunk.unwrap_or_default());
            let received = pending.written() + gathered.len() as u64;
            if received > length || (is_last && received < length) {
                return Err(Error::invalid("the segment is not as long as its sender said")
                    .with("said", length)
                    .with("received", received));
            }
            if is_last || gathered.len() as u64 >= PIECE_BYTES {
                pending = append(pending, gathered.split().freeze()).await?;
            }
            if is_last {
                return blocking(move || pending.commit()).await;
            }
        }
    }
}

async fn append(mut pending: PendingPut, bytes: Bytes) -> Result<PendingPut> {
    blocking(move || pending.write(&bytes).map(|()| pending)).await
}

/// Reads and forgets what is left of a body, at most `length` bytes.
async fn drain(body: &mut BodyDataStream, length: u64) {
    let mut drained = 0;
    while let Some(Ok(chunk)) = body.next().await {
        drained += chunk.len() as u64;
        if drained > length {
            break;
        }
    }
}

fn pieces(store: LocalStore, path: String, rest: Range<u64>) -> impl futures::Stream<Item = Result<Bytes>> + Send {
    futures::stream::try_unfold((store, path, rest), |(store, path, rest)| async move {
        if rest.is_empty() {
            return Ok(None);
        }
        let piece = rest.start..rest.end.min(rest.start.saturating_add(PIECE_BYTES));
        let bytes = store.get(&path, Some(piece.clone())).await?.ok_or_else(|| absent(&path))?;
        Ok(Some((bytes, (store, path, piece.end..rest.end))))
    })
}

fn whole_headers(length: u64) -> [(axum::http::HeaderName, String); 3] {
    [
        (CONTENT_LENGTH, length.to_string()),
        (CONTENT_TYPE, "application/vnd.apache.parquet".to_owned()),
        (ACCEPT_RANGES, "bytes".to_owned()),
    ]
}

fn absent(path: &str) -> Error {
    Error::not_found("this worker does not have the segment").with("segment", path)
}

fn fault(error: &Error) -> Response {
    Fault::from(error).into_response()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("a write to the segment store ended unexpectedly").caused_by(error))?
}
