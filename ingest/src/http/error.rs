//! Errors on the wire: `{"kind": ..., "message": ..., "context": {...}}`, and back.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use qserv_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

/// A handler's result.
pub(crate) type Answer<T> = Result<T, Refusal>;

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Refusal(Error);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// An error as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    kind: String,
    message: String,
    #[serde(default)]
    context: serde_json::Map<String, serde_json::Value>,
}

impl ErrorBody {
    /// The error that was sent.
    pub(crate) fn into_error(self) -> Error {
        let kind = ErrorKind::parse(&self.kind).unwrap_or(ErrorKind::Internal);
        self.context.into_iter().fold(Error::new(kind, self.message), |error, (key, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            error.with(key, value)
        })
    }
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Limit => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Data => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        // The status that proxies use for a client that has gone; there is none in the standard.
        ErrorKind::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(error) = self;
        if error.kind() == ErrorKind::Internal {
            tracing::error!(error = error.to_log(), "a load request failed");
        } else {
            tracing::debug!(error = error.to_log(), "a load request was refused");
        }
        let body = ErrorBody {
            kind: error.kind().as_str().to_owned(),
            message: error.message().to_owned(),
            context: error.context().iter().map(|(key, value)| (key.to_string(), value.clone().into())).collect(),
        };
        (status(error.kind()), Json(body)).into_response()
    }
}
