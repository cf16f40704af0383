//! A result as a stream of encoded bytes, made as its batches arrive.
//!
//! Memory is one batch and one chunk, however long the result. Whatever is encoded is handed out as soon as the query has nothing
//! more to give at once, so a small answer leaves in one piece and a slow one does not wait for a chunk to fill.
//!
//! A format whose first lines tell what only the last row reveals (FITS) gives nothing while the query runs, and all of it behind.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use qserv_core::query::QueryResult;
use qserv_core::{Error, Result};
use tokio::time::{Instant, Sleep};

use crate::formats::{Ending, Header, ResultWriter, Scratch};
use crate::question::Question;

/// Bytes after which a chunk is handed out: large enough that the cost of a chunk does not show, small enough to stay in a cache.
const CHUNK_BYTES: usize = 256 * 1024;

/// Rows that are encoded between two looks at the size of the chunk, at least and at most, whatever their writer would take.
const ROWS_AT_ONCE: std::ops::RangeInclusive<usize> = 1..=64 * 1024;

/// What to do about an error after the first chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// Say so at the end of the document if the format can: someone is reading it already.
    Tell,
    /// Give the error instead of a document: nobody has seen it.
    Fail,
}

/// An encoded result. Dropping it cancels the query.
pub(crate) struct EncodedResult {
    batches: BoxStream<'static, Result<RecordBatch>>,
    overflow: Arc<AtomicBool>,
    writer: Box<dyn ResultWriter>,
    on_failure: OnFailure,
    deadline: Option<Pin<Box<Sleep>>>,
    /// The batch at work, and its first row that is not encoded yet.
    batch: Option<(RecordBatch, usize)>,
    /// Rows that the writer takes at once.
    rows_at_once: usize,
    out: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is encoded yet: not before the first row is there, so that nothing is sent before.
    Begin,
    Rows,
    /// All rows are handed to the writer, and it goes on writing.
    More,
    /// The end is encoded, or the result failed.
    Done,
}

impl EncodedResult {
    /// Encodes a result as its question asks, with rows put aside in `scratch` if the format needs that.
    ///
    /// # Errors
    /// If the format cannot hold the result's columns.
    pub(crate) fn new(
        question: &Question,
        result: QueryResult,
        on_failure: OnFailure,
        scratch: &Scratch,
    ) -> Result<Self> {
        let QueryResult { schema, batches, warnings, overflow, progress: _ } = result;
        let header = Header {
            query: question.text.clone(),
            warnings,
            asked_unix_ms: Some(question.asked_unix_ms),
            citation: question.citation.clone(),
        };
        let (batches, overflow) = if question.max_rows == Some(0) {
            // Metadata only: the query need not run, and DALI wants the mark of a cut result.
            (futures::stream::empty().boxed(), Arc::new(AtomicBool::new(true)))
        } else {
            (batches, overflow)
        };
        let writer = question.output.format.writer(&schema, header, scratch)?;
        let rows_at_once = writer.cells_at_once() / schema.fields().len().max(1);
        Ok(Self {
            batches,
            overflow,
            writer,
            on_failure,
            deadline: None,
            batch: None,
            rows_at_once: rows_at_once.clamp(*ROWS_AT_ONCE.start(), *ROWS_AT_ONCE.end()),
            out: Vec::new(),
            state: State::Begin,
        })
    }

    /// Ends the result with an error at this moment.
    pub(crate) fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline.map(|at| Box::pin(tokio::time::sleep_until(at)));
        self
    }

    /// Waits for the first chunk, and gives it back with the rest. A query that fails before there is a chunk to send has its error's
    /// status, whatever the format.
    ///
    /// # Errors
    /// The query's.
    pub(crate) async fn started(mut self) -> Result<impl Stream<Item = Result<Bytes>> + Send> {
        let afterwards = std::mem::replace(&mut self.on_failure, OnFailure::Fail);
        let first = self.next().await.transpose()?;
        self.on_failure = afterwards;
        Ok(futures::stream::iter(first.map(Ok)).chain(self))
    }

    /// Encodes what stands before the rows, once.
    fn begin(&mut self) {
        if self.state == State::Begin {
            self.state = State::Rows;
            self.writer.begin(&mut self.out);
        }
    }

    fn take(&mut self, batch: RecordBatch) {
        self.batch = (batch.num_rows() > 0).then_some((batch, 0));
    }

    /// Encodes some rows of the batch at work, if there is one.
    fn encode(&mut self) -> Result<bool> {
        if self.batch.is_none() {
            return Ok(false);
        }
        self.begin();
        let Some((batch, next)) = &mut self.batch else { return Ok(false) };
        let rows = self.rows_at_once.min(batch.num_rows() - *next);
        let before = self.out.len();
        let encoded = self.writer.rows(&batch.slice(*next, rows), &mut self.out);
        encoded.inspect_err(|_| self.out.truncate(before))?;
        *next += rows;
        if *next == batch.num_rows() {
            self.batch = None;
        }
        Ok(true)
    }

    fn chunk(&mut self) -> Bytes {
        let capacity = if self.state == State::Done { 0 } else { CHUNK_BYTES + CHUNK_BYTES / 4 };
        Bytes::from(std::mem::replace(&mut self.out, Vec::with_capacity(capacity)))
    }

    fn end(&mut self, outcome: Result<(), Error>) -> Result<()> {
        self.begin();
        self.state = State::Done;
        self.batch = None;
        // Lets go of the query now, not when the client has read the last chunk.
        self.batches = futures::stream::empty().boxed();
        match outcome {
            Ok(()) if self.overflow.load(Ordering::Acquire) => self.writer.end(Ending::Overflow, &mut self.out)?,
            Ok(()) => self.writer.end(Ending::Whole, &mut self.out)?,
            Err(error) => {
                if self.on_failure == OnFailure::Fail {
                    return Err(error);
                }
                crate::error::log(&error);
                self.writer.end(Ending::Failed(&error), &mut self.out)?;
            }
        }
        self.state = State::More;
        Ok(())
    }

    /// The next chunk of what the writer writes behind the rows.
    fn rest(&mut self) -> Result<Bytes> {
        while self.out.len() < CHUNK_BYTES {
            if !self.writer.more(&mut self.out).inspect_err(|_| self.state = State::Done)? {
                self.state = State::Done;
                break;
            }
        }
        Ok(self.chunk())
    }

    /// Encodes rows until there is a chunk of them to hand out, or all are encoded and the state is [`State::More`].
    fn poll_rows(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.deadline_passed(context) {
            return Poll::Ready(self.end(Err(run_time_exceeded())));
        }
        loop {
            match self.encode() {
                Ok(true) if self.out.len() >= CHUNK_BYTES => return Poll::Ready(Ok(())),
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => return Poll::Ready(self.end(Err(error))),
            }
            match self.batches.poll_next_unpin(context) {
                Poll::Pending if !self.out.is_empty() => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(self.end(Ok(()))),
                Poll::Ready(Some(Ok(batch))) => self.take(batch),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(self.end(Err(error))),
            }
        }
    }

    fn deadline_passed(&mut self, context: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(context).is_ready())
    }
}

/// The error of a query that ran for longer than it may.
pub(crate) fn run_time_exceeded() -> Error {
    Error::limit("the query ran for longer than its run time allows; ask for less, or run it asynchronously")
}

impl Stream for EncodedResult {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.state == State::Done {
            return Poll::Ready(None);
        }
        if this.state != State::More
            && let Err(error) = ready!(this.poll_rows(context))
        {
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Ready(Some(if this.state == State::More { this.rest() } else { Ok(this.chunk()) }))
    }
}
