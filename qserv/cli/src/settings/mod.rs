//! Settings: defaults, then a TOML file, then `QSERV_*` environment variables, then options of the command line.
//!
//! A key that is not known is refused, wherever it comes from, with the nearest name that is. `qserv.example.toml` at the
//! root of the project holds every key with its default and its meaning; a test keeps it equal to [`Settings::default`].
//! A key that has no default stands in it as `#key = value`, without a space.

mod layers;

use std::path::PathBuf;

use qserv_czar::QuerySettings;
use qserv_engine::cluster::{ChannelSettings, MembershipSettings};
use qserv_engine::session::EngineLimits;
use qserv_engine::store::StoreSettings;
use qserv_flight::FlightSettings;
use qserv_tap::TapSettings;
use qserv_tls::TlsSettings;
use qserv_worker::WorkerSettings;
use serde::{Deserialize, Serialize};

pub use layers::{Layers, Override};

/// Everything that can be set. The TOML file has a section for each field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the program writes about its own doing.
    pub log: Log,
    /// Commands that ask a server.
    pub client: Client,
    /// The process that plans, routes and merges, and serves HTTP.
    pub czar: Czar,
    /// Bounds on queries.
    pub query: Query,
    /// The TAP service.
    pub tap: TapSettings,
    /// Arrow Flight SQL, and the rows that workers hand out for it.
    pub flight: FlightSettings,
    /// TLS on the ports of every part of a cluster, and of those who ask it.
    pub tls: TlsSettings,
    /// Loading of catalogs, done by the czar.
    pub ingest: qserv_ingest::Settings,
    /// A process that holds chunks and executes.
    pub worker: WorkerSettings,
    /// `qserv up`: a czar and workers in one process.
    pub up: Up,
    /// `qserv demo`: the sample sky.
    pub demo: Demo,
}

/// See [`Settings::log`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// What is written to standard error, as `tracing` filter directives.
    pub filter: String,
    /// How it is written.
    pub format: LogFormat,
}

/// How lines of the log are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: an object a line.
    Json,
}

/// See [`Settings::client`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The czar's address.
    pub server: String,
    /// The czar's address of Arrow Flight SQL.
    pub flight: String,
}

/// See [`Settings::czar`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Czar {
    /// Address and port of HTTP: TAP, loading, and the workers' registration.
    pub listen: String,
    /// Folder of the catalog and of results that wait to be fetched.
    pub data_dir: PathBuf,
    /// The catalog in SQL, `sqlite:PATH` or `postgres://...`; left out: a SQLite file in `data_dir`.
    pub catalog_url: Option<String>,
    /// The secret that all parts of the cluster share, 16 characters or more.
    pub secret: Option<String>,
    /// How long running requests and jobs may take to end when the czar shuts down, in milliseconds.
    pub drain_ms: u64,
    /// A client that takes nothing of its answer for so long is given up, and its query with it.
    pub client_timeout_s: u64,
    /// Memory for cached Parquet footers, in bytes.
    pub metadata_cache_bytes: usize,
    /// Memory for decoded columns that queries share, in bytes; 0: none.
    pub column_cache_bytes: usize,
    /// Memory for decoded pieces of key indexes, in bytes.
    pub key_cache_bytes: usize,
    /// How the czar keeps count of its workers.
    pub membership: MembershipSettings,
    /// How segments are read and written.
    pub store: StoreSettings,
    /// How workers are reached.
    pub channels: ChannelSettings,
}

/// See [`Settings::query`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Memory that all running queries together may hold on the czar, in bytes.
    pub memory_bytes: usize,
    /// Queries that run at the same time.
    pub max_running: usize,
    /// Queries that wait for their turn; one more is refused.
    pub max_waiting: usize,
    /// A query that runs for longer is ended.
    pub timeout_s: u64,
    /// How often a query is planned again after it lost a worker before its first row.
    pub max_replans: usize,
    /// Longest query text.
    pub max_text_bytes: usize,
    /// Most bytes that the rows of one query's uploaded tables may have in memory.
    pub max_upload_bytes: u64,
    /// From how many bytes on an uploaded table is cut by the chunks of the table that it is joined with by distance.
    pub cut_upload_bytes: u64,
}

/// See [`Settings::up`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Up {
    /// Number of workers.
    pub workers: usize,
    /// On how many of them each chunk is stored.
    pub replication: usize,
    /// Folder of everything.
    pub data_dir: PathBuf,
}

/// See [`Settings::demo`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demo {
    /// Number of objects.
    pub objects: u64,
    /// The sky that is made: the same number, the same sky.
    pub seed: u64,
    /// Folder of everything.
    pub data_dir: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            log: Log { filter: "warn".to_owned(), format: LogFormat::Text },
            client: Client { server: "http://127.0.0.1:8080".to_owned(), flight: "grpc://127.0.0.1:8815".to_owned() },
            czar: Czar::default(),
            query: Query::default(),
            // Below the czar's own folder.
            tap: TapSettings {
                scratch_dir: "tap-scratch".into(),
                results_dir: "results".into(),
                ..TapSettings::default()
            },
            flight: FlightSettings::default(),
            tls: TlsSettings::default(),
            ingest: qserv_ingest::Settings {
                scratch: "scratch".into(),
                replication: 2,
                ..qserv_ingest::Settings::default()
            },
            worker: WorkerSettings::default(),
            up: Up { workers: 2, replication: 1, data_dir: "qserv-data".into() },
            demo: Demo { objects: 200_000, seed: 20_260_101, data_dir: "qserv-demo".into() },
        }
    }
}

impl Default for Czar {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            data_dir: "qserv-czar".into(),
            catalog_url: None,
            secret: None,
            drain_ms: 5_000,
            client_timeout_s: 300,
            metadata_cache_bytes: EngineLimits::default().metadata_cache_bytes,
            column_cache_bytes: EngineLimits::default().column_cache_bytes,
            key_cache_bytes: 256 << 20,
            membership: MembershipSettings::default(),
            store: StoreSettings::default(),
            channels: ChannelSettings::default(),
        }
    }
}

impl Default for Query {
    fn default() -> Self {
        let bounds = QuerySettings::default();
        Self {
            memory_bytes: EngineLimits::default().query_memory_bytes,
            max_running: bounds.max_running,
            max_waiting: bounds.max_waiting,
            timeout_s: bounds.timeout.as_secs(),
            max_replans: bounds.max_replans,
            max_text_bytes: bounds.max_text_bytes,
            max_upload_bytes: bounds.max_upload_bytes,
            cut_upload_bytes: bounds.cut_upload_bytes,
        }
    }
}

#[cfg(test)]
mod tests;
