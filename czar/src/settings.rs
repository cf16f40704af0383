//! The czar's bounds on queries.

use std::time::Duration;

/// Bounds on queries. Each has a default that suits one machine and a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuerySettings {
    /// Queries that run at once. More would only share the same cores and memory.
    pub max_running: usize,
    /// Queries that wait for their turn; one more is refused, so that a flood cannot grow without end.
    pub max_waiting: usize,
    /// Longest time that one query may run, from planning to its last row.
    pub timeout: Duration,
    /// How often a query is planned again after it lost a worker before its first row.
    pub max_replans: usize,
    /// Longest query text, in bytes.
    pub max_text_bytes: usize,
    /// Most bytes that the rows of the tables which one query brings along may have in memory, if they were all there at once. A
    /// small file may unpack to a large table; this bounds what workers must store for it.
    pub max_upload_bytes: u64,
    /// From how many bytes in memory on a table that a query brings along is cut by the chunks of the table with which it is joined by
    /// distance. Smaller ones are sent whole to every worker, which costs less than many small files.
    pub cut_upload_bytes: u64,
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self {
            max_running: 64,
            max_waiting: 1024,
            timeout: Duration::from_secs(24 * 3600),
            max_replans: 3,
            max_text_bytes: 1 << 20,
            max_upload_bytes: 8 << 30,
            cut_upload_bytes: 32 << 20,
        }
    }
}
