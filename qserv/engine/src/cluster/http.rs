//! The HTTP client of the cluster's inner traffic.

use std::time::Duration;

use qserv_core::{Error, Result};
use qserv_tls::Trust;
use reqwest::redirect::Policy;
use serde::de::DeserializeOwned;

/// Idle connections to one host that are kept for the next request.
const IDLE_CONNECTIONS: usize = 16;

/// A client that talks to parts of the cluster only: straight, without proxies of the environment, and never redirected.
///
/// `idle_timeout` bounds the wait for the next byte of an answer, not the whole answer.
///
/// # Errors
/// `Internal` if the client cannot be set up.
pub(crate) fn client(
    connect_timeout: Duration,
    idle_timeout: Option<Duration>,
    trust: &Trust,
) -> Result<reqwest::Client> {
    let mut builder = trust
        .over(reqwest::Client::builder())
        .no_proxy()
        .redirect(Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS);
    if let Some(idle_timeout) = idle_timeout {
        builder = builder.read_timeout(idle_timeout);
    }
    builder.build().map_err(|error| Error::internal("the HTTP client cannot be set up").caused_by(error))
}

/// Reads a JSON answer of at most `limit` bytes.
///
/// # Errors
/// `Unavailable` if it does not arrive whole, is longer, or is not what is expected.
pub(crate) async fn read_json<T: DeserializeOwned>(mut answer: reqwest::Response, limit: usize) -> Result<T> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(Error::unavailable("a server of the cluster answered more than it may")),
            Ok(None) => break,
            Err(error) => return Err(Error::unavailable("an answer of the cluster broke off").caused_by(error)),
        }
    }
    serde_json::from_slice(&body)
        .map_err(|error| Error::unavailable("a server of the cluster answered something unexpected").caused_by(error))
}
