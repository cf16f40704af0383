//! What an operator sets for Flight.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The settings of Flight, on the czar and on workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlightSettings {
    /// Address and port of the czar's Flight SQL; left out: there is none.
    pub listen: Option<String>,
    /// Whether clients are sent to the workers of a cluster for rows that need no merge.
    pub from_workers: bool,
    /// How long a ticket can be used.
    pub ticket_lifetime_s: u64,
    /// Largest ticket, in bytes; a query that would need a larger one is refused.
    pub max_ticket_bytes: usize,
    /// Streams of rows that one process hands out at once.
    pub max_streams: usize,
    /// A client that takes nothing of a stream of rows for so long loses it. Longer than TAP waits: a program may compute over what it has
    /// before it takes more, and it can read a ticket again.
    pub client_timeout_s: u64,
    /// How long a query runs on, and its first rows are held, for a client that polls and is not heard of.
    pub poll_patience_s: u64,
    /// Bytes that the uploaded tables of all sessions may have together; 0: nothing is taken.
    pub max_upload_bytes: u64,
    /// How long the tables of a session are kept after its last request.
    pub session_patience_s: u64,
    /// Planned and prepared statements that a czar keeps at once.
    pub max_statements: usize,
}

impl Default for FlightSettings {
    fn default() -> Self {
        Self {
            listen: None,
            from_workers: true,
            ticket_lifetime_s: 24 * 3600,
            max_ticket_bytes: 1 << 20,
            max_streams: 256,
            client_timeout_s: 600,
            poll_patience_s: 30,
            max_upload_bytes: 4 << 30,
            session_patience_s: 3600,
            max_statements: 4096,
        }
    }
}

impl FlightSettings {
    pub(crate) fn ticket_lifetime(&self) -> Duration {
        Duration::from_secs(self.ticket_lifetime_s)
    }

    pub(crate) fn client_timeout(&self) -> Duration {
        Duration::from_secs(self.client_timeout_s.max(1))
    }
}
