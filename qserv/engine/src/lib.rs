//! The engine that czar and workers share: tables, restriction, placement, distribution.
//!
//! A query's way through it, once `qserv-adql` has made SQL of it and DataFusion a logical plan:
//!
//! 1. [`table::CatalogTable`] is what a table's name is resolved to: one table of one snapshot.
//!    [`subqueries::join_subqueries`] makes joins of sub-queries that name columns of the row around them.
//! 2. [`restrict::restrict`] turns filters and joins into the set of chunks that each scan must read, looks keys up in
//!    the key index, and places the chunks on workers ([`placement::Placement`]).
//! 3. `table::scan` makes each scan a Parquet scan whose file groups are whole chunks.
//! 4. [`distribute::distribute`] hooks the placement into datafusion-distributed, which cuts the plan into stages.
//! 5. [`spatial::replace_nested_loops`] puts spatial joins where rows near each other are paired.
//! 6. Workers run their parts in sessions of [`session::WorkerSession`], reading segments through [`store`], and their columns by way
//!    of the cache that all queries of a process share ([`scan`]).
//! 7. For answers in bulk [`parts::split`] cuts a plan that needs no merge into parts instead, and [`parts::PartRunner`] runs one.
//! 8. What goes wrong anywhere comes back through [`error::from_datafusion`] as one of our errors.
//!
//! Absent: ADQL, HTTP protocols for users, the catalog's SQL (it sees snapshots only).

pub mod cluster;
pub mod distribute;
pub mod error;
pub mod explain;
pub mod parts;
pub mod placement;
mod random;
pub mod restrict;
pub mod scan;
pub mod session;
pub mod spatial;
pub mod store;
pub mod subqueries;
pub mod table;
mod yielding;
