//! Table declarations: what a database's tables are, and how they are spread over the sky.
//!
//! The way of a declaration, from files to the catalog:
//!
//! 1. [`read_felis`] reads a Felis YAML file (the schema language of the LSST data model) and the files it takes columns
//!    from; [`from_parquet_schema`] does the same for a Parquet file's own schema.
//! 2. [`read_layout`] reads the small TOML file that says which tables are directors, children and matches.
//! 3. [`declare`] puts the two together into a [`Database`](crate::catalog::Database) and checks it ([`check`]).
//! 4. [`Catalog::create_database`](crate::catalog::Catalog::create_database) checks it again, for declarations that came
//!    over the network, and stores it.
//! 5. [`read_examples`] reads the example queries that an operator puts beside a database.
//! 6. [`Description`] renders it back for people.
//!
//! Every refusal names the file, the line, and what to write instead, and all faults of a file are told at once.
//!
//! Absent: reading of files. Text comes in, and a callback resolves the names of further files, so that the caller
//! decides which files a declaration may reach.

mod check;
mod declare;
mod describe;
mod examples;
mod faults;
mod felis;
mod layout;
mod parquet;
mod yaml;

pub use check::check;
pub use declare::declare;
pub use describe::{ColumnDescription, Description, TableDescription};
pub use examples::{MAX_EXAMPLES, check_examples, read_examples};
pub use felis::{FelisSchema, FelisTable, read_felis};
pub use layout::{Layout, LayoutTable, read_layout};
pub use parquet::from_parquet_schema;

/// A declared database whose ids are still 0.
pub type DatabaseDefinition = crate::catalog::Database;

/// Longest Felis or layout text that is read. The largest schema of the LSST data model has 0.4 MB.
pub const MAX_TEXT_BYTES: usize = 32 * 1024 * 1024;

/// Most columns of a table: about ten times the widest table of the LSST data model. Every column costs memory in each
/// query's plan.
pub const MAX_COLUMNS: usize = 10_000;

/// Most tables of a database.
pub const MAX_TABLES: usize = 1_000;

/// Longest name of a database or table: it becomes a folder's name together with a suffix of ours, and file systems end
/// at 255 bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// Widest overlap. One degree is far beyond any near-neighbour search; beyond it, overlap outgrows the chunks themselves.
pub const MAX_OVERLAP_ARCSEC: f64 = 3_600.0;

/// Overlap where the layout names none: one arc minute, as in LSST's own Qserv databases.
pub const DEFAULT_OVERLAP_ARCSEC: f64 = 60.0;
