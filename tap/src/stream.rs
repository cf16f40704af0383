//! A result as a stream of encoded bytes, made as its batches arrive.
//!
//! Memory is one batch and one chunk, however long the result. Whatever is encoded is handed out as soon as the query has nothing
//! more to give at once, so a small answer leaves in one piece and a slow one does not wait for a chunk to fill.

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

use crate::columns::{Block, ResultColumn, result_columns};
use crate::formats::{Ending, ResultWriter};
use crate::question::Question;
use crate::votable::Header;

/// Bytes after which a chunk is handed out: large enough that the cost of a chunk does not show, small enough to stay in a cache.
const CHUNK_BYTES: usize = 256 * 1024;

/// Cells that are encoded between two looks at the size of the chunk: wide rows must not make a chunk much larger than it should be.
const BLOCK_CELLS: usize = 16 * 1024;

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
    columns: Vec<ResultColumn>,
    writer: Box<dyn ResultWriter>,
    on_failure: OnFailure,
    deadline: Option<Pin<Box<Sleep>>>,
    /// The batch at work, and its first row that is not encoded yet.
    block: Option<(Block, usize)>,
    out: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is encoded yet: not before the first row is there, so that nothing is sent before.
    Begin,
    Rows,
    /// The end is encoded, or the result failed.
    Done,
}

impl EncodedResult {
    /// Encodes a result as its question asks.
    pub(crate) fn new(question: &Question, result: QueryResult, on_failure: OnFailure) -> Self {
        let QueryResult { schema, batches, warnings, overflow, progress: _ } = result;
        let columns = result_columns(&schema);
        let header = Header { query: question.text.clone(), warnings };
        let (batches, overflow) = if question.max_rows == Some(0) {
            // Metadata only: the query need not run, and DALI wants the mark of a cut result.
            (futures::stream::empty().boxed(), Arc::new(AtomicBool::new(true)))
        } else {
            (batches, overflow)
        };
        Self {
            batches,
            overflow,
            writer: question.output.writer(columns.clone(), header),
            columns,
            on_failure,
            deadline: None,
            block: None,
            out: Vec::new(),
            state: State::Begin,
        }
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

    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() > 0 {
            self.block = Some((Block::of(&self.columns, batch)?, 0));
        }
        Ok(())
    }

    /// Encodes some rows of the batch at work, if there is one.
    fn encode(&mut self) -> Result<bool> {
        if self.block.is_none() {
            return Ok(false);
        }
        self.begin();
        let Some((block, next)) = &mut self.block else { return Ok(false) };
        let rows = (BLOCK_CELLS / self.columns.len().max(1)).clamp(1, 1024);
        let end = (*next + rows).min(block.rows);
        let before = self.out.len();
        self.writer.rows(block, *next..end, &mut self.out).inspect_err(|_| self.out.truncate(before))?;
        *next = end;
        if end == block.rows {
            self.block = None;
        }
        Ok(true)
    }

    fn chunk(&mut self) -> Bytes {
        let capacity = if self.state == State::Done { 0 } else { CHUNK_BYTES + CHUNK_BYTES / 4 };
        Bytes::from(std::mem::replace(&mut self.out, Vec::with_capacity(capacity)))
    }

    fn end(&mut self, outcome: Result<(), Error>) -> Result<Bytes> {
        self.begin();
        self.state = State::Done;
        self.block = None;
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
        Ok(self.chunk())
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
        if this.deadline_passed(context) {
            return Poll::Ready(Some(this.end(Err(run_time_exceeded()))));
        }
        loop {
            match this.encode() {
                Ok(true) if this.out.len() >= CHUNK_BYTES => return Poll::Ready(Some(Ok(this.chunk()))),
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => return Poll::Ready(Some(this.end(Err(error)))),
            }
            let next = match this.batches.poll_next_unpin(context) {
                Poll::Pending if !this.out.is_empty() => return Poll::Ready(Some(Ok(this.chunk()))),
                next => ready!(next),
            };
            let taken = match next {
                None => return Poll::Ready(Some(this.end(Ok(())))),
                Some(Ok(batch)) => this.take(&batch),
                Some(Err(error)) => Err(error),
            };
            if let Err(error) = taken {
                return Poll::Ready(Some(this.end(Err(error))));
            }
        }
    }
}
