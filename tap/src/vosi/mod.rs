//! What the service says of itself (VOSI 1.1): [`capabilities`], its [`tables`], its [`availability`].

mod availability;
mod capabilities;
mod tables;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::Tap;
use crate::settings::TapSettings;

pub(crate) use tables::TablesCache;

const XSI: (&str, &str) = ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");
const VODATASERVICE: (&str, &str) = ("xmlns:vs", "http://www.ivoa.net/xml/VODataService/v1.1");

/// The routes of the VOSI resources.
pub(crate) fn routes() -> Router<Arc<Tap>> {
    Router::new()
        .route("/tap/capabilities", get(show_capabilities))
        .route("/tap/availability", get(availability::show))
        .route("/tap/tables", get(tables::show_all))
        .route("/tap/tables/{*name}", get(tables::show_one))
}

/// The capabilities document.
pub(crate) fn capabilities(settings: &TapSettings, base_url: &str) -> Response {
    xml(capabilities::document(settings, base_url))
}

async fn show_capabilities(State(tap): State<Arc<Tap>>, request: Request) -> Response {
    capabilities(&tap.settings, &tap.base_url(&request))
}

/// The media type of the documents.
const CONTENT_TYPE: &str = "text/xml";

fn xml(document: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], document).into_response()
}
