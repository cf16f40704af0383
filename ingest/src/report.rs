//! What a load did.

use qserv_core::catalog::SnapshotId;
use serde::{Deserialize, Serialize};

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContributionReport {
    /// The table, as declared.
    pub table: String,
    /// The file's or stream's name.
    pub source: String,
    /// Rows taken.
    pub rows: u64,
    /// Rows skipped because they did not fit.
    pub bad_rows: u64,
    /// Rows taken whose key the director does not have. In the load that fixes a database's chunk order, rows are placed
    /// only when it commits, and [`TableReport::orphans`] tells.
    pub orphans: u64,
    /// What was wrong with the first of the bad rows.
    pub bad_row_samples: Vec<String>,
}

/// What a transaction did to one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableReport {
    /// The table, as declared.
    pub table: String,
    /// Rows taken.
    pub rows: u64,
    /// Rows skipped because they did not fit.
    pub bad_rows: u64,
    /// Rows taken whose key the director does not have.
    pub orphans: u64,
}

/// A committed transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitReport {
    /// The snapshot in which its rows are visible.
    pub snapshot: SnapshotId,
    /// The tables that it filled. Empty if the transaction had been committed before, by a caller who lost the answer.
    pub tables: Vec<TableReport>,
    /// Segments written, each counted once however many copies it has.
    pub segments: u64,
}

impl CommitReport {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}
