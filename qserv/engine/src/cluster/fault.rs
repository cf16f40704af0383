//! An error as it crosses HTTP between the parts of a cluster.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use qserv_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

/// Longest answer that is read as a fault, in bytes: what is longer was not sent by a part of this cluster.
const MAX_FAULT_BYTES: usize = 64 * 1024;

/// An error's kind, message and context, as JSON: `{"kind": "limit", "message": "the disk is full", "context": [["folder", "/d"]]}`.
/// Causes stay where they happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// See [`ErrorKind::as_str`].
    pub kind: String,
    /// See [`Error::message`].
    pub message: String,
    /// See [`Error::context`].
    #[serde(default)]
    pub context: Vec<(String, String)>,
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        let context = error.context().iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
        Self { kind: error.kind().as_str().to_owned(), message: error.message().to_owned(), context }
    }
}

impl Fault {
    /// The HTTP status of a kind.
    #[must_use]
    pub fn status(kind: ErrorKind) -> StatusCode {
        match kind {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Denied => StatusCode::FORBIDDEN,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Limit => StatusCode::INSUFFICIENT_STORAGE,
            ErrorKind::Unavailable | ErrorKind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Data | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The error that an answer other than success tells of. The answer is not trusted: it is read up to a bound, and what
    /// is no fault becomes `Unavailable`.
    pub async fn read(mut answer: reqwest::Response) -> Error {
        let status = answer.status();
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            if body.len() + chunk.len() > MAX_FAULT_BYTES {
                body.clear();
                break;
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice::<Self>(&body).ok().and_then(Self::into_error).unwrap_or_else(|| {
            Error::unavailable("a server of the cluster answered with an error it does not explain")
                .with("status", status.as_u16())
        })
    }

    /// The error; `None` if its kind is unknown here.
    fn into_error(self) -> Option<Error> {
        let error = Error::new(ErrorKind::parse(&self.kind)?, self.message);
        Some(self.context.into_iter().fold(error, |error, (key, value)| error.with(key, value)))
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = ErrorKind::parse(&self.kind).map_or(StatusCode::INTERNAL_SERVER_ERROR, Self::status);
        (status, Json(self)).into_response()
    }
}
