//! The czar's side: it hears announcements and tells who is there.

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use qserv_core::catalog::{Catalog, Worker};
use qserv_core::clock::SharedClock;
use qserv_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::messages::{Announcement, Member, Membership, WORKERS_PATH};
use super::peers::Peers;
use super::secret::Secret;

/// Longest announcement in bytes: a name, an address and a few numbers.
const MAX_ANNOUNCEMENT_BYTES: usize = 16 * 1024;

/// How a czar keeps count of its workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MembershipSettings {
    /// How often workers are asked to announce themselves, in milliseconds.
    pub heartbeat_interval_ms: u64,
    /// After this long without an announcement a worker gets no more work, in milliseconds. A few intervals, so that one lost
    /// announcement or a busy moment does not count.
    pub worker_timeout_ms: u64,
}

impl Default for MembershipSettings {
    fn default() -> Self {
        Self { heartbeat_interval_ms: 2_000, worker_timeout_ms: 10_000 }
    }
}

impl MembershipSettings {
    /// An empty list of workers with this timeout.
    #[must_use]
    pub fn peers(&self, clock: SharedClock) -> Peers {
        Peers::new(clock, Duration::from_millis(self.worker_timeout_ms))
    }
}

#[derive(Clone)]
struct Czar {
    peers: Peers,
    catalog: Catalog,
    clock: SharedClock,
    heartbeat_interval_ms: u64,
}

/// Serves [`WORKERS_PATH`]: `POST` takes an [`Announcement`] and answers a [`Membership`], `GET` answers a [`Membership`].
///
/// What is announced goes into `peers` and, for czars to come, into the catalog.
pub fn router(
    peers: Peers,
    catalog: Catalog,
    settings: &MembershipSettings,
    secret: Option<Secret>,
    clock: SharedClock,
) -> Router {
    let czar = Czar { peers, catalog, clock, heartbeat_interval_ms: settings.heartbeat_interval_ms };
    let router = Router::new()
        .route(WORKERS_PATH, get(list).post(announce))
        .layer(DefaultBodyLimit::max(MAX_ANNOUNCEMENT_BYTES))
        .with_state(czar);
    Secret::guard(secret, router)
}

async fn list(State(czar): State<Czar>) -> Json<Membership> {
    Json(czar.membership())
}

async fn announce(State(czar): State<Czar>, body: axum::body::Bytes) -> Response {
    match czar.take(&body).await {
        Ok(membership) => Json(membership).into_response(),
        Err(error) => Fault::from(&error).into_response(),
    }
}

impl Czar {
    async fn take(&self, body: &[u8]) -> Result<Membership> {
        let announcement: Announcement = serde_json::from_slice(body)
            .map_err(|error| Error::invalid("this is not the announcement of a worker").caused_by(error))?;
        let is_new = self.peers.announced(&announcement)?;
        if is_new {
            tracing::info!(worker = %announcement.id, url = %announcement.url, version = announcement.version, "a worker registered");
        }
        if announcement.leaving {
            tracing::info!(worker = %announcement.id, "a worker left");
        } else if let Err(error) = self.record(&announcement, is_new).await {
            // The list in memory is what queries are routed by; the catalog gets the next announcement.
            tracing::warn!(worker = %announcement.id, error = %error.to_log(), "a worker's announcement is not in the catalog");
        }
        Ok(self.membership())
    }

    async fn record(&self, announcement: &Announcement, is_new: bool) -> Result<()> {
        let now = self.clock.unix_ms();
        if is_new {
            let worker = Worker { id: announcement.id.clone(), url: announcement.url.to_string(), seen_unix_ms: now };
            self.catalog.register_worker(&worker).await
        } else {
            self.catalog.heartbeat(&announcement.id, announcement.url.as_str(), now).await
        }
    }

    fn membership(&self) -> Membership {
        let workers =
            self.peers.all().into_iter().map(|peer| Member { id: peer.id, url: peer.url, live: peer.live }).collect();
        Membership { workers, heartbeat_interval_ms: self.heartbeat_interval_ms }
    }
}
