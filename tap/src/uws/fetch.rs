//! Fetching a job's result: in any format, whole or in part.
//!
//! The stored result is encoded while the client reads. An answer that is short is encoded first, so that its length is known and any
//! part of it can be given. Of a longer one parts are given in the job's own format: the first request for one has the encoded form
//! put beside the stored result, and from then on that file is the answer. Encoding the same result again gives the same bytes, so a
//! client may go on with a part where the whole broke off.
//!
//! A client that accepts it, and asks for no part, gets the answer compressed on its way. That is another representation, with an
//! ETag of its own and without parts.

use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use qserv_core::byte_range::{Part, part};
use qserv_core::catalog::{Job, JobResult};
use qserv_core::query::{QueryProgress, QueryResult};
use qserv_core::{Error, ErrorKind, Result};

use super::jobs::Jobs;
use crate::compression::{self, Coding};
use crate::formats::Output;
use crate::parameters::Parameters;
use crate::question::Question;
use crate::range;
use crate::results::ArrowFile;
use crate::stream::{EncodedResult, OnFailure};

/// Bytes of an answer that are encoded before it begins.
const SHORT_BYTES: usize = 1024 * 1024;

/// Bytes read from an encoded file at once.
const READ_BYTES: u64 = 1024 * 1024;

impl Jobs {
    /// The answer to a request for a job's result; RESPONSEFORMAT (or FORMAT) names another format than the job's own.
    ///
    /// # Errors
    /// `NotFound` if the job has no result, `Invalid` for a format that is not known, and those of reading it.
    pub(super) async fn fetch(&self, job: &Job, parameters: &Parameters, headers: &HeaderMap) -> Result<Response> {
        let result = job.result.as_ref().ok_or_else(|| no_result(job))?;
        let mut question = self.question(job, &Parameters::from_stored(job.parameters.clone(), Vec::new()))?;
        let own = question.output;
        question.output = parameters.format().map_or(Ok(own), Output::parse)?;
        let is_own = question.output == own;
        let is_compressible = question.output.format.is_compressible();
        let asks_for_part = headers.contains_key(header::RANGE);
        let coding = if is_compressible && !asks_for_part { Coding::accepted(headers) } else { Coding::Identity };
        let etag = etag(result, question.output, coding);
        let fetch = Fetch {
            range: range::asked(headers, &etag).map(str::to_owned),
            etag,
            content_type: question.output.content_type,
            is_compressible,
            coding,
        };

        let encoded = encoded_path(result);
        if is_own && let Some(length) = self.store.length(&encoded).await? {
            return Ok(fetch.stored(self, encoded, length));
        }
        let chunks = self.encoded(&question, result, OnFailure::Tell).await?.started().await?;
        let mut chunks = Box::pin(chunks);
        let (mut first, mut bytes) = (Vec::new(), 0);
        while bytes < SHORT_BYTES {
            match chunks.next().await {
                Some(chunk) => {
                    let chunk = chunk?;
                    bytes += chunk.len();
                    first.push(chunk);
                }
                None => return Ok(fetch.short(first.concat().into())),
            }
        }
        if is_own && fetch.range.is_some() {
            drop(chunks);
            match self.encode(job, result, &question, &encoded).await {
                Ok(length) => return Ok(fetch.stored(self, encoded, length)),
                // Without room for the encoded form the client gets the whole, as if it had not asked for a part.
                Err(error) if error.kind() == ErrorKind::Limit => crate::error::log(&error),
                Err(error) => return Err(error),
            }
            let chunks = self.encoded(&question, result, OnFailure::Tell).await?.started().await?;
            return Ok(fetch.streamed(chunks, is_own));
        }
        let first = stream::iter(first.into_iter().map(Ok));
        Ok(fetch.streamed(first.chain(chunks), is_own))
    }

    /// What a job asks.
    ///
    /// # Errors
    /// `Invalid` if its parameters make no sense.
    pub(super) fn question(&self, job: &Job, parameters: &Parameters) -> Result<Question> {
        Question::read(parameters, &self.settings, job.created_unix_ms)
    }

    async fn encoded(&self, question: &Question, result: &JobResult, on_failure: OnFailure) -> Result<EncodedResult> {
        EncodedResult::new(question, self.open(result).await?, on_failure, &self.scratch)
    }

    /// The stored result as if a query had just given it.
    async fn open(&self, result: &JobResult) -> Result<QueryResult> {
        let file = ArrowFile::open(Arc::clone(&self.store), &result.path).await?;
        Ok(QueryResult {
            schema: Arc::clone(&file.schema),
            warnings: file.summary.warnings.clone(),
            overflow: Arc::new(file.summary.overflow.into()),
            progress: Arc::<QueryProgress>::default(),
            batches: file.batches(),
        })
    }

    /// Puts the encoded form beside the stored result, once, and gives its length.
    async fn encode(&self, job: &Job, result: &JobResult, question: &Question, path: &str) -> Result<u64> {
        let turn = {
            let mut encoding = self.encoding.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(encoding.entry(path.to_owned()).or_default())
        };
        let _turn = Turn { jobs: self, path, lock: &turn };
        let _mine = turn.lock().await;
        if let Some(length) = self.store.length(path).await? {
            return Ok(length);
        }
        self.look_at_room().await?;
        let mut encoded = self.encoded(question, result, OnFailure::Fail).await?;
        let mut file = self.store.create(path);
        while let Some(chunk) = encoded.next().await {
            self.store.write(&mut file, chunk?).await?;
        }
        let room = self.store.finish(file).await?;
        self.catalog.add_stored_bytes(&job.id, room.bytes()).await?;
        Ok(room.bytes())
    }
}

/// One who encodes a result, or waits for another to do so. The last one forgets the lock.
struct Turn<'j> {
    jobs: &'j Jobs,
    path: &'j str,
    lock: &'j Arc<tokio::sync::Mutex<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut encoding = self.jobs.encoding.lock().unwrap_or_else(PoisonError::into_inner);
        // One in the list, one here.
        if Arc::strong_count(self.lock) <= 2 {
            encoding.remove(self.path);
        }
    }
}

/// What a client asks for.
struct Fetch {
    etag: String,
    content_type: &'static str,
    /// The answer depends on what the client accepts.
    is_compressible: bool,
    /// Anything but the body as it is only where no part is asked for.
    coding: Coding,
    range: Option<String>,
}

impl Fetch {
    /// An answer in memory, or a part of it.
    fn short(self, body: Bytes) -> Response {
        if self.coding != Coding::Identity {
            return self.compressed(stream::iter([Ok(body)]));
        }
        match self.part(body.len() as u64) {
            Part::Whole => self.respond(StatusCode::OK, Some(body.len() as u64), None, Body::from(body)),
            Part::Outside => self.outside(body.len() as u64),
            Part::Range(range) => {
                let at = |position: u64| usize::try_from(position).unwrap_or(body.len()).min(body.len());
                let part = body.slice(at(range.start)..at(range.end));
                let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, body.len());
                self.respond(StatusCode::PARTIAL_CONTENT, Some(part.len() as u64), Some(content_range), part.into())
            }
        }
    }

    /// An encoded file of the store, or a part of it.
    fn stored(self, jobs: &Jobs, path: String, length: u64) -> Response {
        let (status, range) = match self.part(length) {
            Part::Whole => (StatusCode::OK, 0..length),
            Part::Outside => return self.outside(length),
            Part::Range(range) => (StatusCode::PARTIAL_CONTENT, range),
        };
        let content_range = (status == StatusCode::PARTIAL_CONTENT)
            .then(|| format!("bytes {}-{}/{length}", range.start, range.end - 1));
        let bytes = range.end - range.start;
        let store = Arc::clone(&jobs.store);
        let parts = stream::try_unfold(range, move |mut left| {
            let (store, path) = (Arc::clone(&store), path.clone());
            async move {
                if left.is_empty() {
                    return Ok::<_, Error>(None);
                }
                let end = left.end.min(left.start + READ_BYTES);
                let part = store.read(&path, left.start..end).await?;
                left.start = end;
                Ok(Some((part, left)))
            }
        });
        if self.coding != Coding::Identity {
            return self.compressed(parts);
        }
        self.respond(status, Some(bytes), content_range, Body::from_stream(parts))
    }

    /// An answer of unknown length.
    fn streamed(self, chunks: impl Stream<Item = Result<Bytes>> + Send + 'static, has_parts: bool) -> Response {
        if self.coding != Coding::Identity {
            return self.compressed(chunks);
        }
        let mut response = self.respond(StatusCode::OK, None, None, Body::from_stream(chunks));
        if !has_parts {
            response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        }
        response
    }

    /// The whole answer, in the coding that the client accepts.
    fn compressed(self, chunks: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Response {
        let coding = self.coding;
        let body = Body::from_stream(compression::compressed(coding, chunks));
        let mut response = self.respond(StatusCode::OK, None, None, body);
        response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        if let Some(name) = coding.name() {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response
    }

    fn part(&self, length: u64) -> Part {
        part(self.range.as_deref(), length)
    }

    fn outside(self, length: u64) -> Response {
        let content_range = Some(format!("bytes */{length}"));
        self.respond(StatusCode::RANGE_NOT_SATISFIABLE, Some(0), content_range, Body::empty())
    }

    fn respond(self, status: StatusCode, bytes: Option<u64>, range: Option<String>, body: Body) -> Response {
        let always = [
            (header::CONTENT_TYPE, self.content_type.to_owned()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::ETAG, self.etag),
        ];
        let mut response = (status, always, body).into_response();
        let sometimes = [
            (header::CONTENT_LENGTH, bytes.map(|bytes| bytes.to_string())),
            (header::CONTENT_RANGE, range),
            (header::VARY, self.is_compressible.then(|| header::ACCEPT_ENCODING.to_string())),
        ];
        for (name, value) in sometimes {
            if let Some(value) = value.and_then(|value| value.parse().ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Names the bytes of one result in one format and coding, as this version of the program encodes it.
fn etag(result: &JobResult, output: Output, coding: Coding) -> String {
    let form: String = output.content_type.chars().filter(|character| !matches!(character, '"' | '\\')).collect();
    let coding = coding.name().map(|name| format!(";{name}")).unwrap_or_default();
    format!("\"{};{form};{}{coding}\"", result.path, env!("CARGO_PKG_VERSION"))
}

/// Where the encoded form of a stored result is.
fn encoded_path(result: &JobResult) -> String {
    format!("{}.encoded", result.path.trim_end_matches(".arrow"))
}

fn no_result(job: &Job) -> Error {
    let error = Error::not_found("the job has no result").with("phase", job.phase.name());
    match &job.failure {
        Some(failure) => error.with("error", &failure.message),
        None => error,
    }
}
