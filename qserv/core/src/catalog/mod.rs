//! What is loaded, where it is, and what is visible: the catalog, in SQL.
//!
//! The life of a load, in calls:
//!
//! 1. [`Catalog::create_database`] stores a declaration ([`crate::schema::declare`] made it).
//! 2. [`Catalog::begin`] opens a transaction. The first load of a database fixes the order of its chunks with
//!    [`Catalog::set_chunk_order`].
//! 3. [`Catalog::add_segments`] names segments before they are put to workers, so that after a crash every file that may
//!    exist is known; all copies are durable before the commit. [`Catalog::add_contribution`] says what they came from. Nothing of it is visible.
//! 4. [`Catalog::commit`] makes all of it visible in one SQL transaction: it gives the transaction its snapshot number.
//!    [`Catalog::abort`] instead turns its files into garbage, and so does whoever finds it in
//!    [`Catalog::abandoned`] after a crash.
//! 5. [`Catalog::snapshot`] is what queries see: the newest committed state, shared until the version moves.
//! 6. Files that nothing names any more stand in [`Catalog::garbage`] until someone deletes them and says so with
//!    [`Catalog::forget_garbage`], so that a crash between the two leaves nothing behind.
//!
//! Asynchronous queries are rows too, with a life of their own ([`Job`]): no snapshot names them.
//!
//! SQLite by default, PostgreSQL by URL, through one set of SQL with `$1` placeholders and three types. Several processes
//! may share a PostgreSQL catalog, or one SQLite file on one machine.
//!
//! Locks are taken in one order, so that PostgreSQL finds no deadlock: the snapshot counter, the database's row, the
//! transaction's row, the other counters. In SQLite a writer holds the whole file.
//!
//! Absent: any cache but the newest snapshot. What is not in the SQL database did not happen.

mod bulk;
mod connection;
mod databases;
mod examples;
mod garbage;
mod jobs;
mod model;
mod segments;
mod snapshots;
pub mod tap_schema;
#[cfg(test)]
mod tests;
mod transactions;
mod workers;

pub use connection::{Catalog, Settings};
pub use garbage::Garbage;
pub use jobs::{
    Job, JobFailure, JobFilter, JobLimits, JobOutcome, JobPhase, JobProgress, JobResult, JobSummary, JobUpload,
    LostJobs,
};
pub use model::*;
pub use transactions::Contribution;
