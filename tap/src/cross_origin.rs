//! Which web pages may ask (CORS): browsers let a page read the answers of another site only where that site says so.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use qserv_core::{Error, Result};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::account::QUERY_ID_HEADER;
use crate::settings::TapSettings;

/// For how long a browser may keep what it was told before a request.
const KEPT: Duration = Duration::from_secs(86_400);

/// Headers of answers that a page may read, beside those that each may.
const SHOWN: [HeaderName; 6] = [
    header::LOCATION,
    header::ETAG,
    header::ACCEPT_RANGES,
    header::CONTENT_RANGE,
    header::RETRY_AFTER,
    HeaderName::from_static(QUERY_ID_HEADER),
];

/// What answers tell browsers; nothing is told about passwords and cookies, so that browsers keep them to themselves.
///
/// # Errors
/// `Invalid` for an origin that no header can hold.
pub(crate) fn layer(settings: &TapSettings) -> Result<CorsLayer> {
    let origins = settings.allowed_origins.iter().map(|origin| {
        let is_origin = origin == "*" || origin.contains("://") && !origin.ends_with('/');
        HeaderValue::from_str(origin).ok().filter(|_| is_origin).ok_or_else(|| {
            Error::invalid("a page's origin is written like https://portal.example.org, without a slash at its end")
                .with("origin", origin)
                .with("setting", "tap.allowed_origins")
        })
    });
    let origins: Vec<HeaderValue> = origins.collect::<Result<_>>()?;
    let is_for_all = origins.iter().any(|origin| origin == "*");
    // Answers to all are the same whoever asks, and caches may know it.
    let (allowed, varies) = match is_for_all {
        true => (AllowOrigin::any(), Vec::new()),
        false => (AllowOrigin::list(origins), vec![header::ORIGIN]),
    };
    Ok(CorsLayer::new()
        .allow_origin(allowed)
        .vary(varies)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allow_headers(Any)
        .expose_headers(SHOWN)
        .max_age(KEPT))
}
