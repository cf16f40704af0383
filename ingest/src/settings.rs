//! What an operator may set.

use std::path::PathBuf;

use qserv_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Settings of loading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Folder for temporary files. It belongs to one process: what an earlier one left there is deleted at start-up.
    pub scratch: PathBuf,
    /// Rows that one transaction keeps in memory before it writes them to the scratch folder, in bytes of Arrow memory. Beside
    /// them a transaction holds the batches in flight (a few of 8 MiB of input), one block of at most the same size whose keys are
    /// being looked up, `parallelism + 2` segments of `segment_bytes`, and, while spilled rows are merged, 256 KiB a temporary file.
    pub memory_bytes: usize,
    /// Workers that get a copy of each chunk, if there are so many.
    pub replication: usize,
    /// Rows of the largest table per chunk, when the first load chooses the chunk order: a chunk is read, kept and repaired as a
    /// whole, and 250,000 objects with their light curves are some gigabytes at most.
    pub target_rows_per_chunk: u64,
    /// A database should have about so many chunks even if it is small, for the sake of parallel work ...
    pub aimed_chunks: u64,
    /// ... unless that made chunks smaller than this, below which the cost of a file outweighs that of its rows.
    pub least_rows_per_chunk: u64,
    /// Most rows of a segment.
    pub segment_rows: usize,
    /// Most bytes of a segment in memory, before encoding: bounds the memory of writing.
    pub segment_bytes: usize,
    /// Keys of a key index segment, and keys of orphans that a load keeps in memory: a million are about 50 MB, and a billion keys
    /// are a thousand segments.
    pub index_segment_keys: usize,
    /// Rows of a row group: the unit that a query skips or reads by its statistics.
    pub row_group_rows: usize,
    /// Rows of a page: what a small cone reads of a row group.
    pub page_rows: usize,
    /// Segments that one transaction encodes at the same time; 0 for one per processor.
    pub parallelism: usize,
    /// Decoded key index kept in memory, all loads together.
    pub key_cache_bytes: usize,
    /// Open transactions that this process accepts at once; each may use `memory_bytes`.
    pub open_transactions: usize,
    /// An open transaction to which nothing was added for so long has lost its loader, and is aborted.
    pub abandoned_after_ms: i64,
    /// Files of dropped databases are deleted after so long, when no query reads them any more.
    pub garbage_grace_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scratch: std::env::temp_dir(),
            memory_bytes: 256 << 20,
            replication: 1,
            target_rows_per_chunk: 250_000,
            aimed_chunks: 48,
            least_rows_per_chunk: 10_000,
            segment_rows: 1_000_000,
            segment_bytes: 64 << 20,
            index_segment_keys: 1 << 20,
            row_group_rows: 65_536,
            page_rows: 4096,
            parallelism: 0,
            key_cache_bytes: 128 << 20,
            open_transactions: 16,
            abandoned_after_ms: 15 * 60 * 1000,
            garbage_grace_ms: 10 * 60 * 1000,
        }
    }
}

impl Settings {
    /// Checks that everything that must be above zero is.
    ///
    /// # Errors
    /// `Invalid`, naming the setting.
    pub fn check(&self) -> Result<()> {
        let bounds = [
            ("memory_bytes", self.memory_bytes as u64),
            ("replication", self.replication as u64),
            ("target_rows_per_chunk", self.target_rows_per_chunk),
            ("aimed_chunks", self.aimed_chunks),
            ("least_rows_per_chunk", self.least_rows_per_chunk),
            ("segment_rows", self.segment_rows as u64),
            ("segment_bytes", self.segment_bytes as u64),
            ("index_segment_keys", self.index_segment_keys as u64),
            ("row_group_rows", self.row_group_rows as u64),
            ("page_rows", self.page_rows as u64),
            ("open_transactions", self.open_transactions as u64),
        ];
        match bounds.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(Error::invalid(format!("the ingest setting {name} must be above zero"))),
            None => Ok(()),
        }
    }

    /// Segments encoded at the same time.
    #[must_use]
    pub fn encoders(&self) -> usize {
        match self.parallelism {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        }
    }

    /// The rows that a chunk is to hold when a table of `rows` rows is the database's largest.
    #[must_use]
    pub fn rows_per_chunk(&self, rows: u64) -> u64 {
        (rows / self.aimed_chunks.max(1)).max(self.least_rows_per_chunk).min(self.target_rows_per_chunk)
    }
}
