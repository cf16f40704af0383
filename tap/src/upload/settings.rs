//! The bounds of uploads.

use serde::{Deserialize, Serialize};

/// Bounds of the tables that requests bring along. All have defaults; every bound says why it is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UploadSettings {
    /// Most bytes of all uploads of one request together: 1 GiB holds some ten million positions. With 0 the service takes no uploads.
    pub max_bytes: u64,
    /// Most bytes of the uploads of all requests and jobs together, on the disk of this server.
    pub max_spool_bytes: u64,
    /// Most tables of one request; nobody joins more.
    pub max_tables: usize,
    /// A body of which nothing arrives for so many seconds has lost its client.
    pub idle_timeout_s: u64,
    /// Whether tables are fetched from http and https addresses that users name. Off: whoever can ask a query could make this
    /// server ask others.
    pub from_urls: bool,
    /// Whether such addresses may be in private networks: of this machine, of this site. For services that only such a network reaches.
    pub from_private_networks: bool,
    /// Longest time in seconds that fetching one table may take.
    pub fetch_timeout_s: u64,
}

impl Default for UploadSettings {
    fn default() -> Self {
        Self {
            max_bytes: 1024 * 1024 * 1024,
            max_spool_bytes: 16 * 1024 * 1024 * 1024,
            max_tables: 32,
            idle_timeout_s: 120,
            from_urls: false,
            from_private_networks: false,
            fetch_timeout_s: 300,
        }
    }
}
