//! Doors for answers of millions of rows: where a plan needs no merge, its rows are handed out where they lie.
//!
//! A czar ([`BulkService`]) cuts such a plan in [`Part`]s, or says that the answer must come from one place. A part is text for machines:
//! whoever runs parts ([`PartService`], in a worker or beside the czar) understands it, nobody else needs to. Nothing here knows
//! how parts travel.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::catalog::WorkerId;
use crate::error::Result;
use crate::query::{QueryProgress, QueryRequest, QueryResult};

/// An answer that is planned and not yet run.
pub struct BulkPlan {
    /// Column names and types, as [`QueryResult::schema`].
    pub schema: SchemaRef,
    /// Things the user should know, one sentence each.
    pub warnings: Vec<String>,
    /// Where its rows come from.
    pub rows: BulkRows,
}

/// Where the rows of an answer come from.
pub enum BulkRows {
    /// From each of these; every row from just one.
    Parts(Vec<Part>),
    /// From the czar.
    Merged(Arc<dyn PlannedQuery>),
}

/// A part of an answer: some chunks of one plan, over one snapshot.
#[derive(Debug, Clone)]
pub struct Part {
    /// What a [`PartService`] opens. Opened again, it gives the same rows in the same order while its segments are there.
    pub plan: Bytes,
    /// The workers to ask, the best first: it and those behind it hold the part's segments. Any other worker could read them too.
    pub workers: Vec<PartWorker>,
    /// Bytes of its segments.
    pub bytes: u64,
}

/// A worker that can run a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartWorker {
    /// Its name.
    pub id: WorkerId,
    /// Its address, `http://host:port/`; `None` if it lives in the czar's process.
    pub url: Option<String>,
}

/// A query over the snapshot that it was planned on.
#[async_trait]
pub trait PlannedQuery: Send + Sync {
    /// Runs it, from its first row each time.
    async fn run(&self, progress: Arc<QueryProgress>) -> Result<QueryResult>;
}

/// What is known of a statement before it runs.
pub struct Described {
    /// Its columns, as [`QueryResult::schema`].
    pub schema: SchemaRef,
    /// The values that it leaves open by `?`, a column each: a type for what the statement does with it.
    pub parameters: SchemaRef,
}

/// Plans answers in bulk.
#[async_trait]
pub trait BulkService: Send + Sync + 'static {
    /// Plans a query over the newest snapshot. Nothing runs yet but value sub-queries.
    async fn plan(&self, request: QueryRequest) -> Result<BulkPlan>;

    /// What a query is about, whatever values it leaves open.
    async fn describe(&self, request: QueryRequest) -> Result<Described>;
}

/// Runs parts.
#[async_trait]
pub trait PartService: Send + Sync + 'static {
    /// Opens a part. Dropping what it gives ends it.
    ///
    /// # Errors
    /// `Invalid` for what is no part of this version.
    async fn open(&self, plan: &[u8]) -> Result<PartRows>;
}

/// The rows of a part.
pub struct PartRows {
    /// Their schema.
    pub schema: SchemaRef,
    /// The rows; the first error ends them.
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}
