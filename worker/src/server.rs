//! The worker's one listener: plans by gRPC, segments by HTTP.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use datafusion::execution::runtime_env::RuntimeEnv;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use qserv_core::catalog::WorkerId;
use qserv_core::clock::SharedClock;
use qserv_core::{Error, Result};
use qserv_engine::cluster::{Announcement, Heartbeat, Secret, check_worker_url};
use qserv_tls::{Acceptor, Connection, Tls};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use url::Url;

use crate::node::{Engine, SharedSessionBuilder, WorkerNode, engine_worker};
use crate::segments;
use crate::settings::WorkerSettings;

/// How long a client may take to send the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait after a connection could not be accepted: nearly always because there are no file descriptors left, which
/// only time brings back.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The flow control window of a whole connection, see [`qserv_engine::cluster::ChannelSettings::stream_window_bytes`]: the largest
/// there is, so that one slow stream does not hold up the others.
const CONNECTION_WINDOW_BYTES: u32 = i32::MAX as u32;

/// A worker that serves. Dropping it cuts off whatever runs.
#[derive(Debug)]
pub struct WorkerServer {
    node: Arc<WorkerNode>,
    local_addr: SocketAddr,
    url: Url,
    /// Becomes true when the listener is to take no more and let what runs end.
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    heartbeat: Option<Heartbeat>,
    drain: Duration,
}

impl WorkerServer {
    /// Opens the worker's folder and serves it without TLS, with the engine's sessions.
    ///
    /// # Errors
    /// As [`WorkerNode::open`] and [`WorkerServer::start_with`].
    pub async fn start(settings: &WorkerSettings, clock: SharedClock) -> Result<Self> {
        let node = WorkerNode::open(settings, clock, Tls::default()).await?;
        let Engine { session, runtime, .. } = node.engine(settings)?;
        Self::start_with(settings, node, session, runtime).await
    }

    /// Serves an opened worker. `session` builds the session of each part of a query, within the resources of `runtime`.
    ///
    /// Returns when the listener is open; registering with the czar goes on in the background, see [`WorkerServer::registered`].
    ///
    /// # Errors
    /// `Unavailable` if the address cannot be listened on, `Invalid` if other servers cannot reach it as it is set.
    pub async fn start_with(
        settings: &WorkerSettings,
        node: WorkerNode,
        session: SharedSessionBuilder,
        runtime: Arc<RuntimeEnv>,
    ) -> Result<Self> {
        Self::start_beside(settings, node, session, runtime, Router::new()).await
    }

    /// As [`WorkerServer::start_with`], and serves `public` beside it to whoever asks: it must see to its own safety.
    ///
    /// # Errors
    /// As [`WorkerServer::start_with`].
    pub async fn start_beside(
        settings: &WorkerSettings,
        node: WorkerNode,
        session: SharedSessionBuilder,
        runtime: Arc<RuntimeEnv>,
        public: Router,
    ) -> Result<Self> {
        let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
            Error::unavailable("the worker's address cannot be listened on")
                .with("listen", settings.listen)
                .caused_by(error)
        })?;
        let local_addr = listener
            .local_addr()
            .map_err(|error| Error::internal("the listener does not know its address").caused_by(error))?;
        let acceptor = node.tls.acceptor.clone();
        let url = advertised(settings, local_addr, acceptor.is_some())?;
        if node.secret.is_none() && !local_addr.ip().is_loopback() {
            tracing::warn!(listen = %local_addr, "whoever reaches this address can read and write all data: set a secret");
        }

        let plans = tonic::service::Routes::new(engine_worker(session, runtime).into_worker_server());
        let guarded = plans
            .into_axum_router()
            .reset_fallback()
            .merge(segments::router(node.local.clone(), settings.max_segment_bytes));
        let router = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .merge(public)
            .merge(Secret::guard(node.secret.clone(), guarded));

        let node = Arc::new(node);
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let limits = ConnectionLimits {
            connections: settings.max_connections,
            requests: settings.max_requests_per_connection,
            stream_window_bytes: settings.channels.stream_window_bytes,
            probe_interval: Duration::from_millis(settings.channels.probe_interval_ms),
            probe_timeout: Duration::from_millis(settings.channels.probe_timeout_ms),
        };
        tasks.spawn(listen(listener, acceptor, router, limits, stopping));
        let heartbeat = match &settings.czar_url {
            Some(czar_url) => Some(start_heartbeat(settings, &parse_url(czar_url, "czar_url")?, &node, &url)?),
            None => None,
        };
        tracing::info!(worker = %node.id(), listen = %local_addr, %url, "the worker serves");
        let drain = Duration::from_millis(settings.drain_ms);
        Ok(Self { node, local_addr, url, stop, tasks, heartbeat, drain })
    }

    /// The worker's name.
    #[must_use]
    pub fn id(&self) -> &WorkerId {
        self.node.id()
    }

    /// The address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address under which others reach it.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Its folder, store and ways to others.
    #[must_use]
    pub fn node(&self) -> &WorkerNode {
        &self.node
    }

    /// Its announcements to the czar, if it has one.
    #[must_use]
    pub fn heartbeat(&self) -> Option<&Heartbeat> {
        self.heartbeat.as_ref()
    }

    /// Waits until the czar knows this worker; returns at once if it has no czar.
    pub async fn registered(&self) {
        if let Some(heartbeat) = &self.heartbeat {
            heartbeat.registered().await;
        }
    }

    /// Ends the worker: tells the czar, takes no more requests, lets those that run end, for a bounded time, and releases the
    /// folder.
    pub async fn shutdown(mut self) {
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.leave().await;
        }
        self.stop.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.drain, ended).await.is_err() {
            tracing::warn!(worker = %self.node.id(), "requests still ran when the worker shut down; they were cut off");
        }
        self.abort().await;
    }

    /// Ends the worker at once, as a crash would: nobody is told, requests are cut off. The folder and the address are free when
    /// this returns.
    pub async fn abort(mut self) {
        drop(self.heartbeat.take());
        // The connections end with the task that owns them.
        self.tasks.shutdown().await;
    }
}

fn advertised(settings: &WorkerSettings, local_addr: SocketAddr, is_secure: bool) -> Result<Url> {
    if let Some(url) = &settings.advertise_url {
        let url = parse_url(url, "advertise_url")?;
        check_worker_url(&url)?;
        if (url.scheme() == "https") != is_secure {
            let error = "the address of a worker begins with https:// if it has a certificate, and else with http://";
            return Err(Error::invalid(error).with("setting", "advertise_url").with("address", url));
        }
        return Ok(url);
    }
    if local_addr.ip().is_unspecified() && settings.czar_url.is_some() {
        return Err(Error::invalid("a worker that listens on all addresses must be told the one to announce")
            .with("listen", local_addr)
            .with("setting", "advertise_url"));
    }
    let scheme = if is_secure { "https" } else { "http" };
    Url::parse(&format!("{scheme}://{local_addr}/"))
        .map_err(|error| Error::internal("the listener's address is none").caused_by(error))
}

fn parse_url(text: &str, setting: &'static str) -> Result<Url> {
    Url::parse(text).map_err(|error| {
        Error::invalid("an address must have the form http://host:port/").with("setting", setting).caused_by(error)
    })
}

fn start_heartbeat(settings: &WorkerSettings, czar_url: &Url, node: &Arc<WorkerNode>, url: &Url) -> Result<Heartbeat> {
    let (id, store, url) = (node.id().clone(), node.local.clone(), url.clone());
    let announcement = move || Announcement {
        id: id.clone(),
        url: url.clone(),
        // A disk that does not tell is not one to send segments to.
        free_bytes: store.free_bytes().unwrap_or(0),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        leaving: false,
    };
    Heartbeat::start(czar_url, announcement, node.peers.clone(), node.secret.clone(), settings.heartbeat.clone())
}

/// The bounds of what a client may do.
#[derive(Debug, Clone, Copy)]
struct ConnectionLimits {
    connections: usize,
    requests: u32,
    stream_window_bytes: u32,
    probe_interval: Duration,
    probe_timeout: Duration,
}

/// Accepts connections until told to stop, then waits until all have ended. Dropping the future cuts them off.
async fn listen(
    listener: TcpListener,
    acceptor: Option<Acceptor>,
    router: Router,
    limits: ConnectionLimits,
    mut stopping: watch::Receiver<bool>,
) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.requests)
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(limits.probe_interval)
        .keep_alive_timeout(limits.probe_timeout);

    let slots = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (listener.accept().await, slot)
        };
        tokio::select! {
            biased;
            () = told_to_stop(&mut stopping) => break,
            Some(_) = connections.join_next() => {}
            (accepted, slot) = accepted => match accepted {
                Ok((stream, _)) => {
                    let serving = serve(stream, acceptor.clone(), router.clone(), server.clone(), stopping.clone());
                    connections.spawn(async move {
                        serving.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection until it ends; when told to stop, until the requests that run on it have ended.
async fn serve(
    stream: TcpStream,
    acceptor: Option<Acceptor>,
    router: Router,
    server: auto::Builder<TokioExecutor>,
    mut stopping: watch::Receiver<bool>,
) {
    // Without it small messages wait for the acknowledgement of earlier ones, 40 ms and more for each step of a query.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays with delayed sending");
    }
    let stream = match acceptor {
        None => Connection::Plain(stream),
        Some(acceptor) => {
            let accepted = tokio::select! {
                accepted = acceptor.accept(stream, |stream| stream) => accepted,
                () = told_to_stop(&mut stopping) => return,
            };
            match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection is not secure");
                    return;
                }
            }
        }
    };
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_stop(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients go away as they please.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Waits until the server is told to stop, or is gone.
async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}
