//! An account of each query in the log: its id at the start, and at the end its rows, bytes, seconds and kind of error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use qserv_core::Error;
use tokio::time::Instant;
use uuid::Uuid;

/// The response header that holds a query's id, so that a user can tell the operator which query it was.
pub(crate) const QUERY_ID_HEADER: &str = "x-query-id";

/// Characters of a query's text that are logged.
const TEXT_CHARS: usize = 2_000;

/// One query. It is logged as begun when this is made, and as ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Account {
    id: String,
    began: Instant,
    rows: Arc<AtomicU64>,
    bytes: u64,
    /// How it ended; a query that says nothing lost its client.
    outcome: &'static str,
}

impl Account {
    /// A query that begins.
    pub(crate) fn begin(id: String, mode: &'static str, owner: Option<&str>, text: &str) -> Self {
        let cut = text.char_indices().nth(TEXT_CHARS).map_or(text, |(end, _)| &text[..end]);
        tracing::info!(query_id = %id, mode, owner, text = cut, "a query begins");
        Self { id, began: Instant::now(), rows: Arc::default(), bytes: 0, outcome: "client_gone" }
    }

    /// A new id.
    pub(crate) fn new_id() -> String {
        Uuid::new_v4().simple().to_string()
    }

    /// The span of the query, for everything that is logged while it is worked on.
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::info_span!("query", id = %self.id)
    }

    /// A counter of the rows that the query gave.
    pub(crate) fn rows(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.rows)
    }

    /// Counts bytes that were handed to the client, or to the store of results.
    pub(crate) fn add_bytes(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Counts what was counted elsewhere.
    pub(crate) fn add_rows_and_bytes(&mut self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes += bytes;
    }

    /// The query ended well.
    pub(crate) fn succeeded(&mut self) {
        self.outcome = "none";
    }

    /// The query ended with this error.
    pub(crate) fn failed(&mut self, error: &Error) {
        self.outcome = error.kind().as_str();
    }

    /// Someone ended the query.
    pub(crate) fn cancelled(&mut self) {
        self.outcome = "cancelled";
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let rows = self.rows.load(Ordering::Relaxed);
        let seconds = self.began.elapsed().as_secs_f64();
        tracing::info!(query_id = %self.id, rows, bytes = self.bytes, seconds, error = self.outcome, "a query ended");
    }
}
