//! How a plan reaches a worker: inside this process directly, elsewhere by gRPC.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::DataFusionError;
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{ChannelResolver, Worker, WorkerChannel};
use qserv_core::{Error, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use tonic::transport::Endpoint;
use tower::ServiceExt;
use url::Url;

use super::in_process::InProcessChannel;
use super::peers::Peers;
use super::remote::RemoteChannel;
use super::secret::Secret;
use crate::error::into_datafusion;

/// Most remote workers to which connections are kept. At this many all are given up and made again as needed: it takes
/// thousands of workers, or addresses that change all the time, to get there.
const MAX_CHANNELS: usize = 4096;

/// The flow control window of a whole connection: the largest that HTTP/2 has. Streams have windows of their own; a connection's
/// would let one query that is read slowly hold up all others that share the connection.
const CONNECTION_WINDOW_BYTES: u32 = i32::MAX as u32;

/// How connections to workers are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelSettings {
    /// How long to wait for a connection, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How often a connection is probed, in milliseconds: finds out that a machine is gone without a word.
    pub probe_interval_ms: u64,
    /// How long to wait for the answer to a probe before the connection is given up, in milliseconds.
    pub probe_timeout_ms: u64,
    /// Bytes of one result stream that may be on their way unread: enough to keep a fast network busy.
    pub stream_window_bytes: u32,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 3_000,
            probe_interval_ms: 10_000,
            probe_timeout_ms: 10_000,
            stream_window_bytes: 4 * 1024 * 1024,
        }
    }
}

/// Finds the way to a worker by its address. A cheap handle: clones share connections.
///
/// A worker that lives in this process ([`Channels::add_in_process`]) is called directly. For any other one gRPC connection is
/// kept and shared by all queries; it is given up as soon as it fails, so that a worker that comes back under its address is
/// reached again.
#[derive(Debug, Clone)]
pub struct Channels {
    inner: Arc<Inner>,
}

struct Inner {
    in_process: RwLock<HashMap<Url, Worker>>,
    remote: Mutex<HashMap<Url, Connection>>,
    peers: Peers,
    settings: ChannelSettings,
    secret: Option<Secret>,
}

/// A connection that is there, or is being made by the first who asked for it.
type Connection = Arc<OnceCell<BoxCloneSyncChannel>>;

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Channels {
    /// Without workers in this process. `peers` gives the workers' names for errors.
    #[must_use]
    pub fn new(peers: Peers, settings: ChannelSettings, secret: Option<Secret>) -> Self {
        let inner = Inner { in_process: RwLock::default(), remote: Mutex::default(), peers, settings, secret };
        Self { inner: Arc::new(inner) }
    }

    /// From now on the address means this worker. It need not be one that anything listens on, as `http://in-process/w1`.
    pub fn add_in_process(&self, url: Url, worker: Worker) {
        self.inner.in_process.write().unwrap_or_else(PoisonError::into_inner).insert(url, worker);
    }

    /// Forgets a worker of this process.
    pub fn remove_in_process(&self, url: &Url) {
        self.inner.in_process.write().unwrap_or_else(PoisonError::into_inner).remove(url);
    }

    fn in_process(&self, url: &Url) -> Option<Worker> {
        self.inner.in_process.read().unwrap_or_else(PoisonError::into_inner).get(url).cloned()
    }

    fn remote(&self) -> MutexGuard<'_, HashMap<Url, Connection>> {
        self.inner.remote.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of the worker at an address, or the address where the name is not known.
    fn worker_name(&self, url: &Url) -> Arc<str> {
        self.inner.peers.at(url).map_or_else(|| url.as_str().into(), |peer| peer.id.0.into())
    }

    async fn connection(&self, url: &Url) -> Result<BoxCloneSyncChannel> {
        let connection = {
            let mut remote = self.remote();
            if remote.len() >= MAX_CHANNELS && !remote.contains_key(url) {
                remote.clear();
            }
            Arc::clone(remote.entry(url.clone()).or_default())
        };
        let channel = connection.get_or_try_init(|| self.connect(url, &connection)).await.cloned();
        channel.inspect_err(|_| self.forget(url, &connection))
    }

    async fn connect(&self, url: &Url, connection: &Connection) -> Result<BoxCloneSyncChannel> {
        let settings = &self.inner.settings;
        let connect_timeout = Duration::from_millis(settings.connect_timeout_ms);
        let unreachable_worker =
            || Error::unavailable("a worker does not answer").with("worker", self.worker_name(url));
        let endpoint = Endpoint::from_shared(url.to_string())
            .map_err(|error| Error::internal("a worker's address is none").with("address", url).caused_by(error))?
            .connect_timeout(connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_millis(settings.probe_interval_ms))
            .keep_alive_timeout(Duration::from_millis(settings.probe_timeout_ms))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(settings.stream_window_bytes)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let connected = self.inner.peers.trust().connect(endpoint).await;
        let channel = connected.map_err(|error| unreachable_worker().caused_by(error))?;

        let secret = self.inner.secret.clone();
        let (channels, url, connection) = (Arc::downgrade(&self.inner), url.clone(), Arc::downgrade(connection));
        let channel = channel
            .map_request(move |mut request: tonic::codegen::http::Request<_>| {
                if let Some(secret) = &secret {
                    secret.add_to(request.headers_mut());
                }
                request
            })
            .map_err(move |error| {
                if let (Some(inner), Some(connection)) = (channels.upgrade(), connection.upgrade()) {
                    Self { inner }.forget(&url, &connection);
                }
                error
            });
        Ok(BoxCloneSyncChannel::new(channel))
    }

    /// Gives up a connection, unless another has taken its place already.
    fn forget(&self, url: &Url, connection: &Connection) {
        let mut remote = self.remote();
        if remote.get(url).is_some_and(|current| Arc::ptr_eq(current, connection)) {
            remote.remove(url);
        }
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>, DataFusionError> {
        if let Some(worker) = self.in_process(url) {
            return Ok(Box::new(InProcessChannel::new(worker)));
        }
        let channel = self.connection(url).await.map_err(into_datafusion)?;
        Ok(Box::new(RemoteChannel::new(create_worker_client(channel), self.worker_name(url))))
    }
}
