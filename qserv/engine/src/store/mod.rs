//! Where segments are, and how to read any of them from anywhere.
//!
//! The life of a segment: a load hands its bytes to [`ClusterStore::put`](qserv_core::store::SegmentStore::put) with the name of a
//! worker. If that worker lives in this process its [`LocalStore`] writes them, else they travel by HTTP to the worker's server,
//! whose own [`LocalStore`] does ([`PendingPut`]): temporary name, sync, rename, sync of the directory. A scan reads through
//! [`ClusterStore::reader`](qserv_core::store::SegmentStore::reader): from a folder of this process if the segment is in one
//! (a cached file handle and a positioned read, a few microseconds), else by ranged reads from a worker that has it; the reader
//! asks the workers once and remembers who had it.
//!
//! Segments never change, so open handles, lengths and places may be remembered until they fail.

mod cluster;
mod file;
mod local;
mod path;
mod peer;
mod put;
mod reader;
mod recent;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use cluster::ClusterStore;
pub use local::LocalStore;
pub use path::SegmentPath;
pub use peer::SEGMENTS_PATH;
pub use put::PendingPut;

/// How segments are read and written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// Most segments that are kept open per folder. Each is a file descriptor, of which a process commonly has 1024.
    pub open_files: usize,
    /// How long to wait for a connection to a worker, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long to wait for the next byte of an answer, in milliseconds.
    pub idle_timeout_ms: u64,
    /// How long writing a segment to a worker may take beside its transfer, in milliseconds: a sync may have to wait for
    /// others' writes.
    pub put_timeout_ms: u64,
    /// The slowest transfer of a segment to a worker that is waited for, in bytes a second.
    pub put_slowest_bytes_s: u64,
    /// How often a read is tried in all, over all workers that have the segment.
    pub read_attempts: u32,
    /// The wait before a read is tried a third time, in milliseconds; it doubles with each further attempt. The second attempt,
    /// elsewhere if there is an elsewhere, follows at once.
    pub retry_wait_ms: u64,
    /// Ranges at most this many bytes apart are read in one request from another worker: what a request costs there.
    pub merge_gap_bytes: u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            open_files: 256,
            connect_timeout_ms: 3_000,
            idle_timeout_ms: 30_000,
            put_timeout_ms: 60_000,
            put_slowest_bytes_s: 1024 * 1024,
            read_attempts: 4,
            retry_wait_ms: 100,
            merge_gap_bytes: 256 * 1024,
        }
    }
}
