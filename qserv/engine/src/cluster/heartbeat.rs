//! A worker's announcements to its czar.

use std::sync::Arc;
use std::time::Duration;

use qserv_core::{Error, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use super::fault::Fault;
use super::http;
use super::messages::{Announcement, Membership, WORKERS_PATH};
use super::peers::Peers;
use super::secret::Secret;

/// Longest answer to an announcement: the most workers a cluster may have, with long names and addresses.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Bounds of what a czar may ask for as the heartbeat's interval, so that a wrong answer neither floods nor silences.
const INTERVAL_BOUNDS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(60));

/// How a worker announces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeartbeatSettings {
    /// How long to wait for a connection to the czar, and for each answer, in milliseconds.
    pub timeout_ms: u64,
    /// The first wait after a failed announcement, in milliseconds; it doubles with each further failure.
    pub retry_first_ms: u64,
    /// The longest wait after a failed announcement, in milliseconds.
    pub retry_longest_ms: u64,
}

impl Default for HeartbeatSettings {
    fn default() -> Self {
        Self { timeout_ms: 5_000, retry_first_ms: 100, retry_longest_ms: 5_000 }
    }
}

/// Announces a worker to its czar until it is dropped or [`Heartbeat::leave`]s. Failures are retried for ever.
#[derive(Debug)]
pub struct Heartbeat {
    tasks: JoinSet<()>,
    answers: watch::Receiver<u64>,
    announcer: Arc<Announcer>,
}

struct Announcer {
    client: reqwest::Client,
    address: Url,
    announcement: Box<dyn Fn() -> Announcement + Send + Sync>,
    peers: Peers,
    secret: Option<Secret>,
    settings: HeartbeatSettings,
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announcer").field("address", &self.address.as_str()).finish_non_exhaustive()
    }
}

impl Heartbeat {
    /// Starts to announce a worker to the czar at `czar_url`. `announcement` is asked each time, `peers` filled from the answers.
    ///
    /// # Errors
    /// `Invalid` if the czar's address is none.
    pub fn start(
        czar_url: &Url,
        announcement: impl Fn() -> Announcement + Send + Sync + 'static,
        peers: Peers,
        secret: Option<Secret>,
        settings: HeartbeatSettings,
    ) -> Result<Self> {
        let address = czar_url
            .join(WORKERS_PATH)
            .ok()
            .filter(|address| ["http", "https"].contains(&address.scheme()) && address.has_host())
            .ok_or_else(|| {
                Error::invalid("a czar's address must have the form http://host:port/").with("address", czar_url)
            })?;
        let timeout = Duration::from_millis(settings.timeout_ms);
        let client = http::client(timeout, Some(timeout), peers.trust())?;
        let announcement = Box::new(announcement);
        let announcer = Arc::new(Announcer { client, address, announcement, peers, secret, settings });
        let (heard, answers) = watch::channel(0);
        let mut tasks = JoinSet::new();
        let looping = Arc::clone(&announcer);
        tasks.spawn(async move { looping.announce_for_ever(&heard).await });
        Ok(Self { tasks, answers, announcer })
    }

    /// Waits until the czar has answered once more than it had when this was called.
    pub async fn answered(&self) {
        let mut answers = self.answers.clone();
        answers.mark_unchanged();
        // It fails only if the loop has ended, which it does not before `self` is dropped.
        let _ = answers.changed().await;
    }

    /// Waits until the czar has answered for the first time.
    pub async fn registered(&self) {
        let mut answers = self.answers.clone();
        let _ = answers.wait_for(|count| *count > 0).await;
    }

    /// Stops, and tells the czar so, which then sends no more work. One attempt: a czar that misses it sees the heartbeats stop.
    pub async fn leave(mut self) {
        self.tasks.shutdown().await;
        let goodbye = Announcement { leaving: true, ..(self.announcer.announcement)() };
        if let Err(error) = self.announcer.announce(&goodbye).await {
            tracing::debug!(error = %error.to_log(), "the czar did not hear that this worker leaves");
        }
    }
}

impl Announcer {
    async fn announce_for_ever(&self, heard: &watch::Sender<u64>) {
        let first = Duration::from_millis(self.settings.retry_first_ms.max(1));
        let longest = Duration::from_millis(self.settings.retry_longest_ms).max(first);
        let mut retry = first;
        let mut was_heard = None;
        loop {
            let wait = match self.announce(&(self.announcement)()).await {
                Ok(membership) => {
                    if was_heard != Some(true) {
                        tracing::info!(czar = %self.address, "the czar knows this worker");
                    }
                    was_heard = Some(true);
                    self.peers.replace(&membership.workers);
                    heard.send_modify(|count| *count += 1);
                    retry = first;
                    Duration::from_millis(membership.heartbeat_interval_ms).clamp(INTERVAL_BOUNDS.0, INTERVAL_BOUNDS.1)
                }
                Err(error) => {
                    // Once per outage: an outage may last for days.
                    if was_heard != Some(false) {
                        tracing::warn!(czar = %self.address, error = %error.to_log(), "the czar does not take this worker; trying again");
                    }
                    was_heard = Some(false);
                    let wait = retry;
                    retry = (retry * 2).min(longest);
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn announce(&self, announcement: &Announcement) -> Result<Membership> {
        let mut request = self.client.post(self.address.clone()).json(announcement);
        if let Some(secret) = &self.secret {
            let mut headers = reqwest::header::HeaderMap::new();
            secret.add_to(&mut headers);
            request = request.headers(headers);
        }
        let answer =
            request.send().await.map_err(|error| Error::unavailable("the czar does not answer").caused_by(error))?;
        if !answer.status().is_success() {
            return Err(Fault::read(answer).await);
        }
        http::read_json(answer, MAX_ANSWER_BYTES).await
    }
}
