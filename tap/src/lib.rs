//! The table access protocol: TAP 1.1 with UWS, VOSI and DALI, over HTTP.
//!
//! The story of one synchronous query, `POST /tap/sync` with `QUERY=SELECT ...`:
//!
//! 1. [`TapService::router`] sends it to `sync::query`.
//! 2. `parameters::Parameters::read` takes the parameters from the address and the body, within the bound on its size.
//! 3. `question::Question::read` makes one question of them: the text, the format of the answer, the bound on its rows. It waits for its
//!    turn (`turns`).
//! 4. [`QueryService::query`] plans and starts it. This crate sees no more of the database than that trait.
//! 5. `stream::EncodedResult` waits for the first rows: until there is something to send, a failure is an error document with an HTTP
//!    status of its own (`error::Failure`).
//! 6. From then on the format's `formats::ResultWriter` writes each batch, chunk by chunk, while the client reads; most bring it into
//!    VOTable's types first (`columns::Block`). `compression` compresses the chunks if the client asks for it. When the client goes away,
//!    the body is dropped, and with it the query.
//!
//! Tables that a request brings along (`upload`) are kept as files until its query has ended; the service opens them.
//!
//! An asynchronous query (`uws`) is a row of the catalog. It takes the same road from step 3, with a file of the store of results
//! (`results`) in the socket's place, and takes the rest of the road each time it is fetched, in any format.
//! `account` logs each query's start and end, `metrics` counts them, `client` counts who asks how much at once, and `cross_origin` says
//! which web pages may ask.
//! `vosi` says what the service can do and which tables it has; `landing` and `examples` are for people with a browser.
//!
//! Absent: DataFusion, ADQL's grammar, the catalog's SQL. Queries on `tap_schema` are queries like all others.

mod account;
mod cell;
mod client;
mod columns;
mod compression;
mod cross_origin;
mod error;
mod examples;
mod formats;
mod landing;
mod metrics;
mod moment;
mod parameters;
mod question;
mod range;
mod results;
mod settings;
mod stream;
mod sync;
mod turns;
mod upload;
mod uws;
mod vosi;
mod votable;
mod xml;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::get;
use client::{Client, ClientHeaders, Clients};
use qserv_core::Result;
use qserv_core::catalog::Catalog;
use qserv_core::clock::SharedClock;
use qserv_core::query::{QueryMeter, QueryService};
use qserv_core::upload::TableReader;
use tokio_util::sync::CancellationToken;
use tower_http::cors::CorsLayer;

pub use settings::{FeatureSet, Function, TapSettings};
pub use upload::UploadSettings;

/// What the service is made of; all of it comes from outside.
pub struct Parts {
    /// Answers queries.
    pub service: Arc<dyn QueryService>,
    /// Keeps the jobs.
    pub catalog: Catalog,
    /// Reads the tables that requests bring along.
    pub tables: Arc<dyn TableReader>,
    /// Tells the time.
    pub clock: SharedClock,
    /// No other process runs jobs of this catalog: those that it says are running were lost.
    pub is_alone: bool,
}

/// The TAP service. A cheap handle: clones are one service.
#[derive(Clone)]
pub struct TapService {
    tap: Arc<Tap>,
    cross_origin: CorsLayer,
    is_alone: bool,
}

/// What every handler needs.
struct Tap {
    service: Arc<dyn QueryService>,
    settings: Arc<TapSettings>,
    clock: SharedClock,
    /// Where rows are put aside until they can be written.
    scratch: formats::Scratch,
    started_unix_ms: i64,
    uploads: Arc<upload::Uploads>,
    jobs: Arc<uws::Jobs>,
    turns: turns::Turns,
    metrics: Arc<metrics::Metrics>,
    tables: vosi::TablesCache,
    headers: ClientHeaders,
    clients: Clients,
    /// No further jobs are started, and nobody waits any more.
    stopping: CancellationToken,
    /// What has not ended is given up.
    giving_up: CancellationToken,
}

impl Tap {
    /// The address of `/tap` as the client of this request sees it, without a slash at its end.
    fn base_url(&self, request: &Request) -> String {
        if let Some(base_url) = &self.settings.base_url {
            return base_url.trim_end_matches('/').to_owned();
        }
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
        // The host goes into documents and Location headers, so it has to look like one.
        let is_host = |host: &&str| {
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
        };
        let scheme = if self.settings.is_secure { "https" } else { "http" };
        format!("{scheme}://{}/tap", host.filter(is_host).unwrap_or("localhost"))
    }

    fn client(&self, request: &Request) -> Client {
        self.headers.client(request)
    }
}

impl TapService {
    /// A service over these parts.
    ///
    /// # Errors
    /// `Invalid` for settings that cannot be, `Unavailable` if the folder of results cannot be used.
    pub fn new(parts: Parts, settings: TapSettings) -> Result<Self> {
        let Parts { service, catalog, tables, clock, is_alone } = parts;
        let settings = Arc::new(settings);
        let store = Arc::new(results::Store::open(&settings)?);
        let scratch = formats::Scratch::new(settings.scratch_dir.clone(), settings.max_scratch_bytes);
        let metrics = Arc::new(metrics::Metrics::new()?);
        let uploads = Arc::new(upload::Uploads::new(&settings, tables, Arc::clone(&metrics)));
        let stopping = CancellationToken::new();
        let jobs = uws::Jobs::new(uws::Parts {
            service: Arc::clone(&service),
            catalog,
            store,
            uploads: Arc::clone(&uploads),
            scratch: scratch.clone(),
            settings: Arc::clone(&settings),
            clock: Arc::clone(&clock),
            stopping: stopping.clone(),
            metrics: Arc::clone(&metrics),
        });
        let cross_origin = cross_origin::layer(&settings)?;
        let tap = Tap {
            started_unix_ms: clock.unix_ms(),
            uploads,
            jobs: Arc::new(jobs),
            turns: turns::Turns::new(&settings),
            metrics,
            tables: vosi::TablesCache::default(),
            headers: ClientHeaders::of(&settings)?,
            clients: Clients::new(settings.max_requests_per_client),
            stopping,
            giving_up: CancellationToken::new(),
            clock,
            scratch,
            service,
            settings,
        };
        Ok(Self { tap: Arc::new(tap), cross_origin, is_alone })
    }

    /// The service at `/tap`, to be merged into the server's router.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/tap", get(landing::page))
            .route("/tap/", get(landing::page))
            .route("/tap/sync", get(sync::query).post(sync::query))
            .route("/tap/examples", get(examples::page))
            .merge(uws::routes())
            .merge(vosi::routes())
            .layer(DefaultBodyLimit::max(self.tap.settings.max_body_bytes))
            .layer(self.cross_origin.clone())
            .layer(map_response(name_server))
            .with_state(Arc::clone(&self.tap))
    }

    /// Counts queries of other protocols beside TAP's.
    #[must_use]
    pub fn meter(&self) -> Arc<dyn QueryMeter> {
        Arc::clone(&self.tap.metrics) as Arc<dyn QueryMeter>
    }

    /// The routes of a server with their requests counted, and `/metrics` beside them, which tells what is counted.
    pub fn measured(&self, router: Router) -> Router {
        let metrics = Router::new().route("/metrics", get(metrics::show)).with_state(Arc::clone(&self.tap));
        router.merge(metrics).layer(from_fn_with_state(Arc::clone(&self.tap), metrics::observe))
    }

    /// Whether the service was told to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.tap.stopping.is_cancelled()
    }

    /// Runs the jobs of asynchronous queries until [`TapService::stop`] was called and those that ran have ended. Without it jobs wait.
    /// Dropping the future ends what runs.
    pub async fn run_jobs(&self) {
        Arc::clone(&self.tap.jobs).run(self.is_alone).await;
    }

    /// Begins to stop: no further job is started, and requests that wait for a job's phase are answered. What runs goes on.
    pub fn stop(&self) {
        self.tap.stopping.cancel();
    }

    /// Gives up what still runs: synchronous answers end with an error, and jobs go back to the queue, for another czar or the next
    /// start. To be called after [`TapService::stop`], when no more time is left.
    pub async fn give_up(&self) {
        self.tap.giving_up.cancel();
        match self.tap.jobs.release().await {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "jobs that ran wait to be started again"),
            Err(error) => tracing::warn!(error = %error.to_log(), "jobs that ran stay so until their leases run out"),
        }
    }
}

/// Says which program answers, so that people who compare services know what they compare.
async fn name_server(mut response: Response) -> Response {
    let name = HeaderValue::from_static(concat!("qserv/", env!("CARGO_PKG_VERSION")));
    response.headers_mut().insert(header::SERVER, name);
    response
}
