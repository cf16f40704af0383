//! Loading: from files to rows that queries see.
//!
//! The story of one load, from [`Loading::begin`] to [`Loading::commit`]:
//!
//! 1. [`Ingest`] opens a transaction in the catalog and a `load::Load` beside it, with a scratch folder of its own.
//! 2. [`Loading::contribute`] gives it a file. `qserv_loaders` reads it on a thread of its own and hands over typed rows in
//!    batches; a bad row is skipped and counted, or ends the transaction.
//! 3. `placement` finds each row's chunk: a director's row by its position, a child's row where its director's key lives, a match row
//!    where both of its keys live. Rows of a database whose first load this is wait in a `spill::Spool` until `chunk_order` has seen
//!    how many there are and where.
//! 4. Placed rows collect in a `sorter::Sorter`, which writes what does not fit the memory budget to temporary files.
//! 5. `flush` takes them back sorted by chunk, cell and key, cuts them into segments, and collects on the way the rows that neighbouring
//!    chunks keep as `overlap` and the keys for the director's index.
//! 6. `segment_writer` encodes each segment as Parquet with its exact `bounds`, names it in the catalog as a part of the open
//!    transaction, and puts it to the workers that `replicas` chose.
//! 7. [`Loading::commit`] compares the load with others that were committed meanwhile, says which tables lost their `locality`, and
//!    makes everything visible in one SQL transaction.
//!
//! Whatever happens before the last step, nothing is visible: a failed load deletes its files at once, and what a killed process
//! left is deleted by [`Ingest::recover`].
//!
//! [`router`] serves the same over HTTP, and [`Client`] is its other end: both are [`Loading`].
//!
//! Absent: queries, and DataFusion.

mod bounds;
mod chunk_order;
mod client;
mod columns;
mod context;
mod flush;
mod http;
mod ingest;
mod load;
mod loading;
mod locality;
mod overlap;
mod placement;
mod progress;
mod replicas;
mod report;
mod segment_writer;
mod settings;
mod sorter;
mod spill;

pub use client::Client;
pub use http::{DatabaseDeclaration, router};
pub use ingest::Ingest;
pub use loading::{LoadFile, Loading};
pub use progress::{Progress, Step};
pub use report::{CommitReport, ContributionReport, TableReport};
pub use settings::Settings;
