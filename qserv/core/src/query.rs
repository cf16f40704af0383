//! The one door through which protocols (TAP, Flight, the command line) ask questions.
//!
//! A protocol crate knows [`QueryService`] and nothing of what is behind it; the czar implements it.

use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::catalog::Snapshot;
use crate::error::Result;
use crate::upload::Upload;

/// Keys of the Arrow field metadata in which a result column carries its VO description.
pub mod field_metadata {
    /// Unit in VOUnit syntax.
    pub const UNIT: &str = "unit";
    /// UCD1+ string.
    pub const UCD: &str = "ucd";
    /// Data model role.
    pub const UTYPE: &str = "utype";
    /// Human text.
    pub const DESCRIPTION: &str = "description";
    /// DALI extended type, for example `timestamp`.
    pub const XTYPE: &str = "xtype";
    /// VOTable `arraysize` where the declaration gives one, for example `12*`.
    pub const ARRAYSIZE: &str = "arraysize";
    /// VOTable `datatype` where the Arrow type leaves it open: `char` on text that is declared to be ASCII. Text without
    /// this key may hold any Unicode.
    pub const DATATYPE: &str = "datatype";
    /// Address that a value leads to, as VOTable's LINK has it: `${name}` in it stands for the row's value of that column.
    pub const LINK: &str = "link";
}

/// The language a query is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// ADQL 2.1, with the extensions that the service declares.
    #[default]
    Adql,
    /// The engine's SQL: one query, names in the letter case of their declaration.
    Sql,
}

/// One question.
#[derive(Debug, Clone, Default)]
pub struct QueryRequest {
    /// The text as the user wrote it.
    pub text: String,
    /// Its language.
    pub language: Language,
    /// At most this many rows; `None` for no bound. A result that was cut says so in [`QueryResult::overflow`].
    pub max_rows: Option<u64>,
    /// Answer with the plan instead of rows: one column `plan`, a row a line.
    pub explain: bool,
    /// Where the service says how far it is, from before the first row on.
    pub progress: Arc<QueryProgress>,
    /// Tables that are there for this query alone.
    pub uploads: Vec<Upload>,
    /// The values that the text leaves open by `?`, in one row; `None` for a text that must leave none open.
    pub parameters: Option<RecordBatch>,
}

impl QueryRequest {
    /// An unbounded ADQL query.
    pub fn adql(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// An answer that arrives as a stream. Dropping it cancels the query everywhere.
pub struct QueryResult {
    /// Column names and types; VO metadata is in the fields' metadata under [`field_metadata`]'s keys.
    pub schema: SchemaRef,
    /// The rows. The first error ends the stream; the rows before it are not a whole answer.
    pub batches: BoxStream<'static, Result<RecordBatch>>,
    /// Things the user should know, one sentence each.
    pub warnings: Vec<String>,
    /// Becomes true, at the latest when the stream ends, if `max_rows` cut the result.
    pub overflow: Arc<std::sync::atomic::AtomicBool>,
    /// How far it is: the request's.
    pub progress: Arc<QueryProgress>,
}

impl std::fmt::Debug for QueryResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryResult").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Counters of a running query; read at any time from any thread.
#[derive(Debug, Default)]
pub struct QueryProgress {
    /// Chunks that the query must read.
    pub chunks_total: std::sync::atomic::AtomicU64,
    /// Chunks of those that are read, about: workers tell it from time to time, some only at the end.
    pub chunks_done: std::sync::atomic::AtomicU64,
    /// Rows handed out so far.
    pub rows: std::sync::atomic::AtomicU64,
}

/// Answers queries. Cheap to share; all methods may be called at once from many tasks.
#[async_trait]
pub trait QueryService: Send + Sync + 'static {
    /// Plans the query and starts it. The error of a query that cannot be planned comes from here, one that happens
    /// while it runs from the stream.
    async fn query(&self, request: QueryRequest) -> Result<QueryResult>;

    /// What can be queried now: every database with its tables and columns, `tap_schema` included.
    async fn snapshot(&self) -> Result<Arc<Snapshot>>;
}

/// Counts queries, for those who watch over the service. A mode is a word of the protocol that brings them.
pub trait QueryMeter: std::fmt::Debug + Send + Sync {
    /// A query has its turn.
    fn begins(&self, mode: &'static str);

    /// A query that had its turn has ended: `ok`, `client_gone`, or with a kind of error; so many rows and bytes were handed out.
    fn ended(&self, mode: &'static str, outcome: &str, seconds: f64, rows: u64, bytes: u64);

    /// A query was refused because too many are there.
    fn refused(&self, mode: &'static str);

    /// A table of so many bytes was brought along.
    fn uploaded(&self, bytes: u64);
}

/// A VO description of a field's metadata value, if it has one.
#[must_use]
pub fn describe<'a>(field: &'a Field, key: &str) -> Option<&'a str> {
    field.metadata().get(key).map(String::as_str).filter(|value| !value.is_empty())
}
