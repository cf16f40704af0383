//! Asks the workers whether they are still there, when a query has reason to doubt it.

use std::time::Duration;

use futures::future::join_all;
use qserv_core::catalog::WorkerId;
use reqwest::StatusCode;

use super::http;
use super::peers::{Peer, Peers};

/// A worker that is up answers in a few milliseconds; one that is swamped gets the benefit of the doubt.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

impl Peers {
    /// Asks every live worker of another process for a sign of life, all at once. Those that give none are taken as gone
    /// until their next heartbeat; their names are returned.
    pub async fn probe(&self) -> Vec<WorkerId> {
        let Ok(client) = http::client(ANSWER_TIMEOUT, Some(ANSWER_TIMEOUT), self.trust()) else { return Vec::new() };
        let others = self.live().into_iter().filter(|peer| !peer.in_process);
        let silent = join_all(others.map(|peer| is_silent(&client, peer))).await;
        let lost: Vec<WorkerId> = silent.into_iter().flatten().collect();
        for id in &lost {
            self.suspect(id);
        }
        lost
    }
}

async fn is_silent(client: &reqwest::Client, peer: Peer) -> Option<WorkerId> {
    let Ok(url) = peer.url.join("healthz") else { return Some(peer.id) };
    match client.get(url).send().await {
        Ok(answer) if answer.status() == StatusCode::OK => None,
        _ => Some(peer.id),
    }
}
