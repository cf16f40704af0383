//! An account of each query, in the log and in the metrics: its id at the start, and at the end its rows, bytes, seconds and kind of
//! error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use qserv_core::Error;
use tokio::time::Instant;
use uuid::Uuid;

use crate::metrics::Metrics;

/// The response header that holds a query's id, so that a user can tell the operator which query it was.
pub(crate) const QUERY_ID_HEADER: &str = "x-query-id";

/// Characters of a query's text that are logged.
const TEXT_CHARS: usize = 2_000;

/// The kind of error of a query that had none.
const NO_ERROR: &str = "none";

/// One query. It is logged as begun when this is made, and as ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Account {
    id: String,
    mode: &'static str,
    metrics: Arc<Metrics>,
    began: Instant,
    rows: Arc<AtomicU64>,
    bytes: u64,
    /// How it ended; a query that says nothing lost its client.
    outcome: &'static str,
}

impl Account {
    /// A query that begins.
    pub(crate) fn begin(
        id: String,
        mode: &'static str,
        owner: Option<&str>,
        text: &str,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let cut = text.char_indices().nth(TEXT_CHARS).map_or(text, |(end, _)| &text[..end]);
        tracing::info!(query_id = %id, mode, owner, text = cut, "a query begins");
        metrics.query_begins(mode);
        let (metrics, began) = (Arc::clone(metrics), Instant::now());
        Self { id, mode, metrics, began, rows: Arc::default(), bytes: 0, outcome: "client_gone" }
    }

    /// A new id.
    pub(crate) fn new_id() -> String {
        Uuid::new_v4().simple().to_string()
    }

    /// The span of the query, for everything that is logged while it is worked on. It is there whatever the log's filter lets through,
    /// so that a warning has its query's id.
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::error_span!("query", query_id = %self.id)
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
        self.outcome = NO_ERROR;
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
        let outcome = if self.outcome == NO_ERROR { "ok" } else { self.outcome };
        self.metrics.query_ended(self.mode, outcome, seconds, rows, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(work: impl FnOnce()) -> Vec<String> {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).finish();
        tracing::subscriber::with_default(subscriber, work);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_query_is_logged_at_its_start_and_its_end() {
        type End = fn(&mut Account);
        let ends: [(End, &str); 4] = [
            (|account| account.succeeded(), "none"),
            (|account| account.failed(&Error::unavailable("x")), "unavailable"),
            (|account| account.cancelled(), "cancelled"),
            (|_| {}, "client_gone"),
        ];
        for (end, kind) in ends {
            let metrics = Arc::new(Metrics::new().unwrap());
            let lines = logged(|| {
                let mut account = Account::begin("q1".to_owned(), "sync", Some("ada"), &"x".repeat(3_000), &metrics);
                account.add_rows_and_bytes(7, 40);
                account.add_bytes(2);
                end(&mut account);
            });
            let [begins, ended] = lines.as_slice() else { panic!("two lines: {lines:?}") };
            assert!(
                begins.contains("query_id=q1") && begins.contains("owner=\"ada\"") && begins.len() < 2_300,
                "{begins}"
            );
            for word in ["query_id=q1", "rows=7", "bytes=42", "seconds=", &format!("error=\"{kind}\"")] {
                assert!(ended.contains(word), "{word} in {ended}");
            }
            let text = String::from_utf8(metrics.text().unwrap()).unwrap();
            let outcome = if kind == "none" { "ok" } else { kind };
            for line in [
                format!("qserv_queries_total{{mode=\"sync\",outcome=\"{outcome}\"}} 1"),
                "qserv_queries_running{mode=\"sync\"} 0".to_owned(),
                "qserv_rows_total{mode=\"sync\"} 7".to_owned(),
            ] {
                assert!(text.contains(&line), "{line} in {text}");
            }
        }
    }
}
