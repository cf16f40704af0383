//! The table access protocol: TAP 1.1 with UWS, VOSI and DALI, over HTTP.
//!
//! The story of one synchronous query, `POST /tap/sync` with `QUERY=SELECT ...`:
//!
//! 1. [`router`] sends it to `sync::query`.
//! 2. `parameters::Parameters::read` takes the parameters from the address and the body, within the bound on its size.
//! 3. `question::Question::read` makes one question of them: the text, the format of the answer, the bound on its rows.
//! 4. [`QueryService::query`] plans and starts it. This crate sees no more of the database than that trait.
//! 5. `stream::EncodedResult` waits for the first rows: until there is something to send, a failure is an error document with an HTTP
//!    status of its own (`error::Failure`).
//! 6. From then on the format's `formats::ResultWriter` writes each batch, chunk by chunk, while the client reads; most bring it into
//!    VOTable's types first (`columns::Block`). `compression` compresses the chunks if the client asks for it. When the client goes away,
//!    the body is dropped, and with it the query.
//!
//! Tables that a request brings along (`upload`) are kept as files until its query has ended; the service opens them.
//!
//! An asynchronous query (`uws`) takes the same road from step 3, into a file instead of a socket, and waits there to be fetched.
//! `vosi` says what the service can do and which tables it has; `landing` is for people with a browser.
//!
//! Absent: DataFusion, ADQL's grammar, the catalog's SQL. Queries on `tap_schema` are queries like all others.

mod cell;
mod columns;
mod compression;
mod error;
mod formats;
mod landing;
mod moment;
mod parameters;
mod question;
mod settings;
mod stream;
mod sync;
mod upload;
mod uws;
mod vosi;
mod votable;
mod xml;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use qserv_core::clock::SharedClock;
use qserv_core::query::QueryService;
use qserv_core::upload::TableReader;

pub use settings::{Example, FeatureSet, Function, TapSettings};
pub use upload::UploadSettings;

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
    tables: vosi::TablesCache,
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
        format!("http://{}/tap", host.filter(is_host).unwrap_or("localhost"))
    }
}

/// The TAP service at `/tap`, to be merged into the server's router. `tables` reads the tables that requests bring along.
///
/// The jobs of asynchronous queries live in the router's state: they end when the last clone of the router is dropped.
pub fn router(
    service: Arc<dyn QueryService>,
    settings: TapSettings,
    clock: SharedClock,
    tables: Arc<dyn TableReader>,
) -> Router {
    let max_body_bytes = settings.max_body_bytes;
    let settings = Arc::new(settings);
    let scratch = formats::Scratch::new(settings.scratch_dir.clone(), settings.max_scratch_bytes);
    let uploads = Arc::new(upload::Uploads::new(&settings, tables));
    let jobs = uws::Jobs::new(service.clone(), settings.clone(), clock.clone(), uploads.clone(), scratch.clone());
    let tap = Tap {
        started_unix_ms: clock.unix_ms(),
        jobs: Arc::new(jobs),
        clock,
        scratch,
        uploads,
        tables: vosi::TablesCache::default(),
        service,
        settings,
    };
    Router::new()
        .route("/tap", get(landing::page))
        .route("/tap/", get(landing::page))
        .route("/tap/sync", get(sync::query).post(sync::query))
        .merge(uws::routes())
        .merge(vosi::routes())
        .layer(DefaultBodyLimit::max(max_body_bytes))
        .layer(map_response(name_server))
        .with_state(Arc::new(tap))
}

/// Says which program answers, so that people who compare services know what they compare.
async fn name_server(mut response: Response) -> Response {
    let name = HeaderValue::from_static(concat!("qserv/", env!("CARGO_PKG_VERSION")));
    response.headers_mut().insert(header::SERVER, name);
    response
}
