//! The only place that puts the parts together: catalog, store, workers, czar, loading, TAP, Flight.
//!
//! [`Server::cluster`] is a czar whose workers are processes of their own and announce themselves; [`Server::embedded`] holds
//! its workers in this process, reached without a network. Beside that they are the same.

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use axum::serve::ListenerExt;
use qserv_adql::FeatureGroup;
use qserv_core::catalog::Catalog;
use qserv_core::clock::{SharedClock, SystemClock};
use qserv_core::index::KeyIndexCache;
use qserv_core::query::QueryService;
use qserv_core::store::SegmentStore;
use qserv_core::{Error, Result};
use qserv_czar::{BulkCzar, Czar, Parts, QuerySettings};
use qserv_engine::cluster::{Channels, MembershipSettings, Peers, Secret};
use qserv_engine::parts::PartRunner;
use qserv_engine::scan::ColumnCache;
use qserv_engine::session::{EngineLimits, WorkerSession, runtime};
use qserv_engine::store::ClusterStore;
use qserv_flight::{FlightSql, PartServer, TicketKey};
use qserv_ingest::Ingest;
use qserv_tap::{FeatureSet, Function, TapService, TapSettings};
use qserv_tls::{Acceptor, Tls};
use qserv_worker::{EmbeddedWorker, WorkerNode, WorkerServer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::health::{self, Health};
use crate::listener::PatientListener;
use crate::settings::Settings;

/// How long answers that were given up may take to say so to their clients.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often a Flight client is asked whether it is there, and how long its answer may take.
const FLIGHT_PROBE: Duration = Duration::from_secs(5);

/// The folder of tables that Flight's clients bring along, below the czar's own.
const FLIGHT_UPLOADS: &str = "flight-uploads";

/// How often to look for loads that nobody ends and files that nothing names: neither is urgent.
const TIDY_INTERVAL: Duration = Duration::from_secs(60);

/// A czar with all that belongs to it, ready to be served.
pub struct Server {
    catalog: Catalog,
    czar: Arc<Czar>,
    ingest: Ingest,
    peers: Peers,
    secret: Option<Secret>,
    membership: MembershipSettings,
    tap: TapSettings,
    flight: FlightSql,
    /// Where Flight is served, if it is.
    flight_listener: Option<TcpListener>,
    clock: SharedClock,
    /// No other czar uses the catalog.
    is_alone: bool,
    drain: Duration,
    client_timeout: Duration,
    /// Makes the connections of all ports secure.
    acceptor: Option<Acceptor>,
    /// Dropped last: queries and loads end before the workers of this process do.
    workers: Vec<EmbeddedWorker>,
    tasks: JoinSet<()>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("workers", &self.workers).finish_non_exhaustive()
    }
}

/// What differs between the two ways to serve.
struct Shape<'a> {
    data_dir: &'a Path,
    /// Workers in this process.
    workers: usize,
    replication: usize,
}

impl Server {
    /// The czar of a cluster.
    ///
    /// # Errors
    /// `Unavailable` if the catalog cannot be opened; `Invalid` for settings that cannot be.
    pub async fn cluster(settings: &Settings) -> Result<Self> {
        let czar = &settings.czar;
        let shape = Shape { data_dir: &czar.data_dir, workers: 0, replication: settings.ingest.replication };
        Self::build(settings, &shape, Arc::new(SystemClock)).await
    }

    /// A czar with workers in this process, everything below one folder.
    ///
    /// # Errors
    /// As [`Server::cluster`]; `Conflict` if another process uses the folder.
    pub async fn embedded(settings: &Settings, data_dir: &Path) -> Result<Self> {
        let up = &settings.up;
        if up.replication > up.workers {
            return Err(Error::invalid("a chunk cannot be stored on more workers than there are")
                .with("up.replication", up.replication)
                .with("up.workers", up.workers));
        }
        let shape = Shape { data_dir, workers: up.workers, replication: up.replication };
        Self::build(settings, &shape, Arc::new(SystemClock)).await
    }

    async fn build(settings: &Settings, shape: &Shape<'_>, clock: SharedClock) -> Result<Self> {
        let Tls { acceptor, trust } = settings.tls.read()?;
        make_folder(shape.data_dir).await?;
        let catalog_url = match &settings.czar.catalog_url {
            Some(url) => url.clone(),
            None => Catalog::sqlite_url(&shape.data_dir.join("catalog.sqlite")),
        };
        let catalog = Catalog::open(&catalog_url).await?;

        let secret = settings.czar.secret.as_deref().map(Secret::new).transpose()?;
        let peers = settings.czar.membership.peers(Arc::clone(&clock)).trusting(trust);
        let store = ClusterStore::new(peers.clone(), settings.czar.store.clone(), secret.clone())?;
        let channels = Channels::new(peers.clone(), settings.czar.channels.clone(), secret.clone());
        let limits = EngineLimits {
            query_memory_bytes: settings.query.memory_bytes,
            metadata_cache_bytes: settings.czar.metadata_cache_bytes,
            column_cache_bytes: settings.czar.column_cache_bytes,
        };
        let columns = ColumnCache::new(limits.column_cache_bytes);
        let runtime = runtime(limits, store.reader())?;

        let mut workers = Vec::new();
        for number in 1..=shape.workers {
            let name = format!("w{number}");
            let worker = EmbeddedWorker::start(
                shape.data_dir.join("workers").join(&name),
                Some(name),
                settings.czar.store.open_files,
                peers.clone(),
                store.clone(),
                channels.clone(),
                Arc::new(WorkerSession::new(Arc::new(channels.clone()), Arc::clone(&columns))),
                Arc::clone(&runtime),
            );
            workers.push(Box::pin(worker).await?);
        }
        if shape.workers == 0 {
            peers.merge_catalog(&catalog.workers().await?);
        }

        let store: Arc<dyn SegmentStore> = Arc::new(store);
        let parts = Arc::new(PartRunner::new(Arc::clone(&runtime), Arc::clone(&columns)));
        let czar = Arc::new(Czar::new(Parts {
            catalog: catalog.clone(),
            store: Arc::clone(&store),
            peers: peers.clone(),
            channels: Arc::new(channels),
            runtime,
            columns,
            key_cache: Arc::new(KeyIndexCache::new(settings.czar.key_cache_bytes)),
            clock: Arc::clone(&clock),
            settings: query_settings(settings),
        }));
        let flight = flight(settings, shape.data_dir, &czar, parts, Arc::clone(&clock))?;
        let ingest_settings = qserv_ingest::Settings {
            replication: shape.replication,
            scratch: shape.data_dir.join(&settings.ingest.scratch),
            ..settings.ingest.clone()
        };
        let ingest = Ingest::new(catalog.clone(), store, ingest_settings, Arc::clone(&clock))?;
        // A SQLite file has one czar, so whatever is open is left from one that died.
        let is_alone = settings.czar.catalog_url.is_none();
        if is_alone {
            catalog.expire_temporary().await?;
        }
        let aborted = ingest.recover(is_alone).await?;
        if aborted > 0 {
            tracing::info!(aborted, "undid loads that an earlier run left unfinished");
        }

        let mut tasks = JoinSet::new();
        tasks.spawn(tidy(ingest.clone()));
        if shape.workers == 0 {
            let interval_ms = settings.czar.membership.heartbeat_interval_ms;
            tasks.spawn(follow_catalog(peers.clone(), catalog.clone(), interval_ms));
        }
        let membership = settings.czar.membership.clone();
        let tap = tap_settings(settings, shape.data_dir);
        let drain = Duration::from_millis(settings.czar.drain_ms);
        let client_timeout = Duration::from_secs(settings.czar.client_timeout_s.max(1));
        Ok(Self {
            catalog,
            czar,
            ingest,
            peers,
            secret,
            membership,
            tap,
            flight,
            flight_listener: None,
            clock,
            is_alone,
            drain,
            client_timeout,
            acceptor,
            workers,
            tasks,
        })
    }

    /// What is loaded and where.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Loading, without HTTP.
    #[must_use]
    pub fn ingest(&self) -> &Ingest {
        &self.ingest
    }

    /// Queries, without HTTP.
    #[must_use]
    pub fn queries(&self) -> Arc<dyn QueryService> {
        Arc::clone(&self.czar) as Arc<dyn QueryService>
    }

    /// Flight SQL, without a listener.
    #[must_use]
    pub fn flight(&self) -> FlightSql {
        self.flight.clone()
    }

    /// Serves Flight SQL too, on this listener.
    pub fn listen_flight(&mut self, listener: Option<TcpListener>) {
        self.flight_listener = listener;
    }

    /// TAP, without HTTP.
    fn tap(&self) -> Result<TapService> {
        let parts = qserv_tap::Parts {
            service: self.queries(),
            catalog: self.catalog.clone(),
            tables: Arc::new(qserv_loaders::TableFiles),
            clock: Arc::clone(&self.clock),
            is_alone: self.is_alone,
        };
        TapService::new(parts, self.tap.clone())
    }

    /// Everything that is served over HTTP.
    fn router(&self, tap: &TapService) -> Router {
        let router = Router::new()
            .route("/", get(|| async { Redirect::temporary("/tap") }))
            .merge(health::router(Health { queries: self.queries(), peers: self.peers.clone(), tap: tap.clone() }))
            .merge(tap.router())
            .merge(qserv_ingest::router(self.ingest.clone()))
            .merge(qserv_engine::cluster::router(
                self.peers.clone(),
                self.catalog.clone(),
                &self.membership,
                self.secret.clone(),
                Arc::clone(&self.clock),
            ));
        tap.measured(router)
    }

    /// Serves HTTP and runs jobs until `stop` is ready. Then requests and jobs that run have the drain time to end; what has not
    /// ended by then says so to its client, or waits in the catalog to be run again.
    ///
    /// # Errors
    /// `Unavailable` if the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let tap = self.tap()?;
        let router = self.router(&tap);
        let Self { catalog, workers, mut tasks, drain, client_timeout, acceptor, flight, flight_listener, .. } = self;
        // Nothing is left to do with each connection, but axum knows the addresses only of listeners like this.
        let listener = PatientListener::new(listener, client_timeout, acceptor.clone()).tap_io(|_| ());
        let flight_listener = flight_listener.map(|listener| PatientListener::new(listener, client_timeout, acceptor));
        let (stopping, mut stopped) = tokio::sync::watch::channel(false);
        let told = tap.clone();
        let serving = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(async move {
                stop.await;
                told.stop();
                stopping.send_replace(true);
            })
            .into_future();
        let flying = Box::pin(serve_flight(flight.metered(tap.meter()), flight_listener, stopped.clone()));
        // All end by themselves after the stop.
        let working = async {
            let (served, (), flown) = tokio::join!(serving, tap.run_jobs(), flying);
            served.map_err(|error| Error::unavailable("HTTP cannot be served").caused_by(error)).and(flown)
        };
        let drained = async {
            // An error: the sender is gone, and with it the server.
            let _ = stopped.wait_for(|stopped| *stopped).await;
            tokio::time::sleep(drain).await;
            tap.give_up().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        let ended = tokio::select! {
            ended = working => ended,
            () = drained => Ok(()),
        };
        // Once more: what was given up may have ended before the catalog was told.
        tap.give_up().await;
        tasks.shutdown().await;
        drop(workers);
        catalog.close().await;
        ended
    }
}

/// The key of tickets, and whether workers know it.
fn ticket_key(secret: Option<&str>) -> Result<(TicketKey, bool)> {
    match secret {
        Some(secret) => Ok((TicketKey::of_secret(secret)?, true)),
        None => Ok((TicketKey::random()?, false)),
    }
}

fn flight(
    settings: &Settings,
    data_dir: &Path,
    czar: &Arc<Czar>,
    parts: Arc<PartRunner>,
    clock: SharedClock,
) -> Result<FlightSql> {
    let (key, is_shared) = ticket_key(settings.czar.secret.as_deref())?;
    let bulk = BulkCzar::new(Arc::clone(czar), settings.flight.from_workers && is_shared);
    let queries = Arc::clone(czar) as Arc<dyn QueryService>;
    let uploads = data_dir.join(FLIGHT_UPLOADS);
    let parts = qserv_flight::Parts { queries, bulk: Arc::new(bulk), parts, key, uploads, clock };
    Ok(FlightSql::new(parts, settings.flight.clone()))
}

/// Serves Flight SQL until told to stop, if there is a listener.
async fn serve_flight(
    flight: FlightSql,
    listener: Option<PatientListener>,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) -> Result<()> {
    let Some(listener) = listener else { return Ok(()) };
    let stop = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    tonic::transport::Server::builder()
        // A client that vanished without a word is found out, and all that runs for it ends.
        .http2_keepalive_interval(Some(FLIGHT_PROBE))
        .http2_keepalive_timeout(Some(FLIGHT_PROBE))
        .add_service(flight.into_service())
        .serve_with_incoming_shutdown(listener.connections(), stop)
        .await
        .map_err(|error| Error::unavailable("Flight cannot be served").caused_by(error))
}

/// A worker with what it hands out over Flight.
///
/// # Errors
/// As [`WorkerServer::start`].
pub async fn start_worker(settings: &Settings) -> Result<WorkerServer> {
    let clock: SharedClock = Arc::new(SystemClock);
    let node = WorkerNode::open(&settings.worker, Arc::clone(&clock), settings.tls.read()?).await?;
    let engine = node.engine(&settings.worker)?;
    let public = match &settings.worker.secret {
        Some(secret) if settings.flight.from_workers => {
            let parts = Arc::new(PartRunner::new(Arc::clone(&engine.runtime), Arc::clone(&engine.columns)));
            let parts = PartServer::new(parts, TicketKey::of_secret(secret)?, clock, &settings.flight);
            tonic::service::Routes::new(parts.into_service()).into_axum_router().reset_fallback()
        }
        _ => Router::new(),
    };
    WorkerServer::start_beside(&settings.worker, node, engine.session, engine.runtime, public).await
}

async fn make_folder(folder: &Path) -> Result<()> {
    tokio::fs::create_dir_all(folder).await.map_err(|error| {
        Error::unavailable("cannot make the data folder").with("folder", folder.display()).caused_by(error)
    })
}

fn query_settings(settings: &Settings) -> QuerySettings {
    let query = &settings.query;
    QuerySettings {
        max_running: query.max_running,
        max_waiting: query.max_waiting,
        timeout: Duration::from_secs(query.timeout_s),
        max_replans: query.max_replans,
        max_text_bytes: query.max_text_bytes,
        max_upload_bytes: query.max_upload_bytes,
        cut_upload_bytes: query.cut_upload_bytes,
    }
}

/// The optional features of ADQL that the language has, as TAPRegExt declares them. Functions have their own list.
fn features() -> Vec<FeatureSet> {
    let declared = |group: FeatureGroup| {
        let (_, kind) = group.ivoid()?.split_once("#features-")?;
        let forms = qserv_adql::features().iter().filter(|feature| feature.group == group);
        Some(FeatureSet { kind, forms: forms.map(|feature| feature.name).collect() })
    };
    FeatureGroup::ALL.into_iter().filter(|group| *group != FeatureGroup::UserFunctions).filter_map(declared).collect()
}

/// The functions that the engine has are those that the service declares.
fn tap_settings(settings: &Settings, data_dir: &Path) -> TapSettings {
    let function =
        |signature: qserv_udfs::Signature| Function { signature: signature.form, description: signature.description };
    TapSettings {
        results_dir: data_dir.join(&settings.tap.results_dir),
        scratch_dir: data_dir.join(&settings.tap.scratch_dir),
        functions: qserv_udfs::signatures().into_iter().map(function).collect(),
        features: features(),
        is_secure: settings.tls.certificate.is_some(),
        ..settings.tap.clone()
    }
}

/// Undoes loads whose loader has gone, and deletes files that nothing names any more.
async fn tidy(ingest: Ingest) {
    let mut interval = tokio::time::interval(TIDY_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(error) = ingest.tidy().await {
            tracing::warn!(error = %error.to_log(), "cannot tidy up after loads");
        }
    }
}

/// Several czars share what they hear of workers through the catalog.
async fn follow_catalog(peers: Peers, catalog: Catalog, interval_ms: u64) {
    let mut interval = tokio::time::interval(Duration::from_millis(interval_ms.max(100)));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match catalog.workers().await {
            Ok(workers) => peers.merge_catalog(&workers),
            Err(error) => tracing::warn!(error = %error.to_log(), "the catalog does not tell of workers"),
        }
    }
}
