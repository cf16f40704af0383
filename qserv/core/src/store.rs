//! Where segments are kept: one store a worker, and one view over all of them.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::ObjectStore;

use crate::catalog::WorkerId;
use crate::error::Result;

/// The URL scheme and host under which the engine knows the view over all stores.
pub const SEGMENT_STORE_URL: &str = "qserv://segments/";

/// The segments of the whole cluster.
///
/// Reading through [`SegmentStore::reader`] finds a segment wherever a replica lives: the local store first, else ranged
/// reads from a worker that holds it. Writing names the worker. A file appears under its path complete and synced, or not
/// at all, and never changes afterwards.
#[async_trait]
pub trait SegmentStore: Send + Sync + std::fmt::Debug + 'static {
    /// A read-only view of every segment by its path.
    fn reader(&self) -> Arc<dyn ObjectStore>;

    /// Writes one segment to one worker's store. Returns when it is durable there.
    ///
    /// # Errors
    /// `Unavailable` if the worker does not answer, `Limit` if its disk is full.
    async fn put(&self, worker: &WorkerId, path: &str, bytes: Bytes) -> Result<()>;

    /// Deletes one segment from one worker's store; one that is not there is no error.
    async fn delete(&self, worker: &WorkerId, path: &str) -> Result<()>;

    /// The workers that can take segments now.
    async fn workers(&self) -> Result<Vec<WorkerId>>;
}

/// Paths of segments below a store's root, in the HATS catalog layout.
pub mod paths {
    use crate::catalog::SegmentRole;
    use crate::partition::ChunkId;

    /// The folder of what queries keep on workers while they run: rows of tables that users uploaded. No database has this name.
    pub const TEMPORARY: &str = "tap_upload";

    /// The path of a temporary segment. `name` is unique in the cluster.
    #[must_use]
    pub fn temporary(name: &str) -> String {
        format!("{TEMPORARY}/{name}.parquet")
    }

    /// The path of a segment. `chunk` is the order and cell of its chunk, `None` for replicated tables and key indexes.
    /// `name` is unique in the cluster.
    ///
    /// Rows of a partitioned table: `<database>/<table>/dataset/Norder=K/Dir=D/Npix=N/<name>.parquet`, with `D` the cell
    /// rounded down to a multiple of 10,000 (HATS). Overlap rows stand in a catalog of their own, `<table>_margin`, the second
    /// copy of a match table in `<table>_by_right`, a key index in `<table>_key_index`.
    #[must_use]
    pub fn segment(database: &str, table: &str, role: SegmentRole, chunk: Option<(u8, ChunkId)>, name: &str) -> String {
        let suffix = match role {
            SegmentRole::Rows => "",
            SegmentRole::Overlap => "_margin",
            SegmentRole::RowsByRight => "_by_right",
            SegmentRole::KeyIndex => "_key_index",
        };
        match chunk {
            Some((order, ChunkId(cell))) => {
                let directory = cell / 10_000 * 10_000;
                format!("{database}/{table}{suffix}/dataset/Norder={order}/Dir={directory}/Npix={cell}/{name}.parquet")
            }
            None => format!("{database}/{table}{suffix}/dataset/{name}.parquet"),
        }
    }
}
