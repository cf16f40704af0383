//! A service over made-up answers, asked without a network.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::StreamExt;
use qserv_core::catalog::Catalog;
use qserv_core::clock::SystemClock;
use qserv_core::query::QueryService;
use qserv_core::upload::{TableReader, TableRows, UploadFile};
use qserv_core::{Error, Result};
use qserv_tap::{Parts, TapService, TapSettings};
use tokio::runtime::Runtime;
use tower::ServiceExt;

#[derive(Debug)]
struct NoFiles;

impl TableReader for NoFiles {
    fn open(&self, file: UploadFile<'_>) -> Result<TableRows> {
        Err(Error::invalid("made-up rows need no uploads").with("table", file.name))
    }
}

/// The service's router; its files go to `folder`.
pub(crate) fn router(runtime: &Runtime, folder: &Path, service: Arc<dyn QueryService>) -> Router {
    let settings = TapSettings {
        scratch_dir: folder.join("scratch"),
        results_dir: folder.join("results"),
        ..TapSettings::default()
    };
    let parts = Parts {
        service,
        catalog: runtime.block_on(Catalog::open("sqlite::memory:")).unwrap(),
        tables: Arc::new(NoFiles),
        clock: Arc::new(SystemClock),
        is_alone: true,
    };
    TapService::new(parts, settings).unwrap().router()
}

/// Asks and reads the body; its length.
pub(crate) async fn length_of(router: &Router, request: Request<Body>) -> usize {
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut chunks = response.into_body().into_data_stream();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        length += black_box(chunk.unwrap()).len();
    }
    length
}
