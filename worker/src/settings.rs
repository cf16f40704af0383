//! What an operator sets for a worker.

use std::net::SocketAddr;
use std::path::PathBuf;

use qserv_engine::cluster::{ChannelSettings, HeartbeatSettings};
use qserv_engine::store::StoreSettings;
use serde::{Deserialize, Serialize};

/// The settings of one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSettings {
    /// The address that the worker serves plans and segments on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The address under which the czar and other workers reach it, `http://host:port/`, if that is not `listen`.
    pub advertise_url: Option<String>,
    /// The address of the czar to register with, `http://host:port/`; without one the worker serves whoever knows its address.
    pub czar_url: Option<String>,
    /// The worker's folder: its name, its lock, its segments.
    pub data_dir: PathBuf,
    /// Its name. Left out, the name of its folder, or for a new folder a made-up one. A folder's name never changes.
    pub id: Option<String>,
    /// The secret that all parts of the cluster share, 16 characters or more. Left out, whoever reaches `listen` is served.
    pub secret: Option<String>,
    /// Memory that all queries may use here together, in bytes.
    pub query_memory_bytes: usize,
    /// Memory for cached Parquet footers, in bytes.
    pub metadata_cache_bytes: usize,
    /// Memory for decoded columns that queries share, in bytes; 0: none.
    pub column_cache_bytes: usize,
    /// Largest segment that is taken, in bytes.
    pub max_segment_bytes: u64,
    /// Most connections at once; further ones wait. A czar and each other worker use a few.
    pub max_connections: usize,
    /// Most requests at once on one connection; a query takes two per task.
    pub max_requests_per_connection: u32,
    /// How long running work may take to end when the worker shuts down, in milliseconds.
    pub drain_ms: u64,
    /// How segments are read and written.
    pub store: StoreSettings,
    /// How other workers are reached.
    pub channels: ChannelSettings,
    /// How the worker announces itself.
    pub heartbeat: HeartbeatSettings,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        let limits = qserv_engine::session::EngineLimits::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7001)),
            advertise_url: None,
            czar_url: None,
            data_dir: PathBuf::from("qserv-worker"),
            id: None,
            secret: None,
            query_memory_bytes: limits.query_memory_bytes,
            metadata_cache_bytes: limits.metadata_cache_bytes,
            column_cache_bytes: limits.column_cache_bytes,
            max_segment_bytes: 8 << 30,
            max_connections: 4096,
            max_requests_per_connection: 65_536,
            drain_ms: 10_000,
            store: StoreSettings::default(),
            channels: ChannelSettings::default(),
            heartbeat: HeartbeatSettings::default(),
        }
    }
}
