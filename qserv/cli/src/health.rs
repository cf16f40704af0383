//! `/health`: whether the process lives, and whether it can answer queries now; for those who watch over it.
//!
//! `/health/live` is answered as long as requests are answered at all: who does not get it should start the process again.
//! `/health/ready` (and `/health`) is 200 while queries can be answered, else 503: who balances load should send them elsewhere. It says
//! what is missing: the catalog, workers, or that the process is about to stop.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use qserv_core::query::QueryService;
use qserv_engine::cluster::Peers;
use qserv_tap::TapService;
use serde::Serialize;

/// A catalog that takes longer to answer does not answer: whoever watches waits a few seconds.
const CATALOG_PATIENCE: Duration = Duration::from_secs(2);

/// What readiness depends on.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) queries: Arc<dyn QueryService>,
    pub(crate) peers: Peers,
    pub(crate) tap: TapService,
}

/// The answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Report {
    ready: bool,
    catalog: bool,
    workers: usize,
    stopping: bool,
}

impl Report {
    fn of(catalog: bool, workers: usize, stopping: bool) -> Self {
        Self { ready: catalog && workers > 0 && !stopping, catalog, workers, stopping }
    }

    fn status(&self) -> StatusCode {
        if self.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    }
}

/// The routes.
pub(crate) fn router(health: Health) -> Router {
    Router::new()
        .route("/health", get(ready))
        .route("/health/ready", get(ready))
        .route("/health/live", get(|| async { "ok\n" }))
        // The name that workers have for it.
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> (StatusCode, Json<Report>) {
    let snapshot = tokio::time::timeout(CATALOG_PATIENCE, health.queries.snapshot()).await;
    let catalog = matches!(snapshot, Ok(Ok(_)));
    let report = Report::of(catalog, health.peers.live().len(), health.tap.is_stopping());
    if !report.ready {
        tracing::warn!(catalog, workers = report.workers, stopping = report.stopping, "queries cannot be answered now");
    }
    (report.status(), Json(report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_must_be_there() {
        for (catalog, workers, stopping, ready) in
            [(true, 1, false, true), (false, 1, false, false), (true, 0, false, false), (true, 1, true, false)]
        {
            let report = Report::of(catalog, workers, stopping);
            assert_eq!((report.ready, report.status() == StatusCode::OK), (ready, ready), "{report:?}");
        }
    }
}
