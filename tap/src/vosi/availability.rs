//! `/tap/availability`: whether queries can be asked now.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::xml;
use crate::moment::uws_time;
use crate::xml::XmlWriter;
use crate::{Tap, error};

/// Asks the database for its snapshot: without one no query can be planned.
pub(super) async fn show(State(tap): State<Arc<Tap>>) -> Response {
    let snapshot = tap.service.snapshot().await.map(|_| ()).inspect_err(error::log);
    let mut out = Vec::new();
    let mut document = XmlWriter::document(&mut out);
    document.open("vosi:availability", &[("xmlns:vosi", "http://www.ivoa.net/xml/VOSIAvailability/v1.0")]);
    document.leaf("vosi:available", &[], if snapshot.is_ok() { "true" } else { "false" });
    document.leaf("vosi:upSince", &[], &uws_time(tap.started_unix_ms));
    if let Err(error) = &snapshot {
        document.leaf("vosi:note", &[], &error.to_string());
    }
    document.finish();
    xml(out)
}
