//! The words of the catalog database, and what everything else stands on.
//!
//! - [`sky`]: positions, angles and regions with exact containment.
//! - [`partition`]: pixelizations, chunks, sub-chunks and overlap.
//! - [`schema`]: table declarations: Felis files, layouts, Parquet schemas.
//! - [`catalog`]: what is loaded, where it is, and what is visible, in SQL.
//! - [`index`]: the key index, key → chunk.
//! - [`store`]: where segments are kept; [`byte_range`]: which part of one is asked for.
//! - [`query`]: the door through which protocols ask questions; [`upload`]: tables that come with them;
//!   [`bulk`]: answers whose rows are handed out where they lie.
//! - [`error`]: the one error; [`clock`]: the time.
//!
//! Absent: DataFusion, HTTP, any protocol. The arrow goes the other way.

pub mod bulk;
pub mod byte_range;
pub mod catalog;
pub mod clock;
pub mod error;
pub mod index;
pub mod partition;
pub mod query;
pub mod schema;
pub mod sky;
pub mod store;
pub mod upload;

pub use error::{Error, ErrorKind, Result};
