//! Errors as users of TAP see them: an HTTP status and a DALI error document, mapped here and nowhere else.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use qserv_core::{Error, ErrorKind};

use crate::votable;

/// Seconds after which a client may try again what failed for now: queries take seconds, and workers come back within them.
const RETRY_AFTER_S: &str = "10";

/// The HTTP status of an error's kind.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        // A cancelled query's client has usually gone; one that has not is told that its request was given up.
        ErrorKind::Invalid | ErrorKind::Cancelled => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Limit => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Data | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// UWS calls an error that may pass by itself transient.
pub(crate) fn uws_type(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unavailable => "transient",
        _ => "fatal",
    }
}

/// Logs an error at the level that its remedy asks for: users' own mistakes are not the operator's business.
pub(crate) fn log(error: &Error) {
    match error.kind() {
        ErrorKind::Data | ErrorKind::Internal => tracing::error!(error = %error.to_log(), "a request failed"),
        ErrorKind::Unavailable | ErrorKind::Limit => tracing::warn!(error = %error.to_log(), "a request failed"),
        _ => tracing::debug!(error = %error.to_log(), "a request failed"),
    }
}

/// An error on its way to the user.
pub(crate) struct Failure(pub(crate) Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        log(&self.0);
        let kind = self.0.kind();
        let mut response = error_response(status(kind), &self.0);
        if kind == ErrorKind::Unavailable {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }
}

/// The refusal of a client that asks too much at once.
pub(crate) fn too_many_requests(limit: usize) -> Response {
    let error = Error::limit("you have too many queries open at once; wait for one to end")
        .with("limit", limit)
        .with("setting", "tap.max_requests_per_client");
    log(&error);
    let mut response = error_response(StatusCode::TOO_MANY_REQUESTS, &error);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
    response
}

fn error_response(status: StatusCode, error: &Error) -> Response {
    let document = votable::error_document(&error.to_string());
    (status, [(header::CONTENT_TYPE, votable::CONTENT_TYPE)], document).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_status() {
        for (kind, code) in [
            (ErrorKind::Invalid, 400),
            (ErrorKind::Cancelled, 400),
            (ErrorKind::Denied, 403),
            (ErrorKind::NotFound, 404),
            (ErrorKind::Conflict, 409),
            (ErrorKind::Limit, 413),
            (ErrorKind::Data, 500),
            (ErrorKind::Internal, 500),
            (ErrorKind::Unavailable, 503),
        ] {
            let response = Failure(Error::new(kind, "x")).into_response();
            assert_eq!(response.status().as_u16(), code);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), code == 503);
        }
    }
}
