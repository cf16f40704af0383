//! Errors as users of TAP see them: an HTTP status and a DALI error document, mapped here and nowhere else.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use qserv_core::{Error, ErrorKind};

use crate::votable;

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
        let document = votable::error_document(&self.0.to_string());
        (status(self.0.kind()), [(header::CONTENT_TYPE, votable::CONTENT_TYPE)], document).into_response()
    }
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
            assert_eq!(Failure(Error::new(kind, "x")).into_response().status().as_u16(), code);
        }
    }
}
