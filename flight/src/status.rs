//! Errors as gRPC tells them.

use qserv_core::{Error, ErrorKind};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// The trailer in which kind, message and facts stand as JSON.
const DETAILS: &str = "qserv-error-bin";

/// The gRPC code of a kind.
fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Invalid => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Denied => Code::PermissionDenied,
        ErrorKind::Conflict => Code::FailedPrecondition,
        ErrorKind::Limit => Code::ResourceExhausted,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Data => Code::DataLoss,
        ErrorKind::Internal => Code::Internal,
        ErrorKind::Cancelled => Code::Cancelled,
    }
}

/// An error for a client. Faults of ours are logged here, for nobody else sees their cause.
pub(crate) fn status(error: &Error) -> Status {
    if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Data) {
        tracing::error!(error = %error.to_log(), "a Flight request failed");
    }
    let facts: Vec<[&str; 2]> = error.context().iter().map(|(key, value)| [key.as_ref(), value.as_str()]).collect();
    let details =
        serde_json::json!({ "kind": error.kind().as_str(), "message": error.message(), "context": facts }).to_string();
    let mut metadata = MetadataMap::new();
    metadata.insert_bin(DETAILS, MetadataValue::from_bytes(details.as_bytes()));
    Status::with_metadata(code(error.kind()), error.to_string(), metadata)
}

/// The error that a server told, with what [`status`] puts beside it; of other servers the code and the message.
pub(crate) fn told(status: &Status) -> Error {
    let details = status.metadata().get_bin(DETAILS).and_then(|details| details.to_bytes().ok());
    match details.and_then(|details| serde_json::from_slice::<Details>(&details).ok()) {
        Some(Details { kind, message, context }) => {
            let kind = ErrorKind::parse(&kind).unwrap_or(ErrorKind::Internal);
            context.into_iter().fold(Error::new(kind, message), |error, (key, value)| error.with(key, value))
        }
        None => {
            let kind = match status.code() {
                Code::Unavailable | Code::Unknown | Code::DeadlineExceeded => ErrorKind::Unavailable,
                Code::Cancelled => ErrorKind::Cancelled,
                Code::InvalidArgument | Code::Unimplemented => ErrorKind::Invalid,
                Code::NotFound => ErrorKind::NotFound,
                Code::PermissionDenied | Code::Unauthenticated => ErrorKind::Denied,
                Code::ResourceExhausted => ErrorKind::Limit,
                _ => ErrorKind::Unavailable,
            };
            Error::new(kind, "the connection to the server broke off").caused_by(status.clone())
        }
    }
}

/// Whether a server told it, and not the connection to one.
pub(crate) fn is_told(status: &Status) -> bool {
    status.metadata().get_bin(DETAILS).is_some()
}

#[derive(serde::Deserialize)]
struct Details {
    kind: String,
    message: String,
    context: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_kind_message_and_facts_and_no_cause() {
        let error = Error::limit("too many").with("setting", "flight.max_streams").caused_by("secret cause");
        let status = status(&error);
        assert_eq!(
            (status.code(), status.message()),
            (Code::ResourceExhausted, "too many (setting: flight.max_streams)")
        );
        let details = status.metadata().get_bin(DETAILS).unwrap().to_bytes().unwrap();
        let details: serde_json::Value = serde_json::from_slice(&details).unwrap();
        assert_eq!((&details["kind"], &details["context"][0][0]), (&"limit".into(), &"setting".into()));
        assert!(!format!("{status:?}").contains("secret cause"));
        let told = told(&status);
        assert_eq!((told.kind(), told.to_string()), (ErrorKind::Limit, error.to_string()));
        assert_eq!(super::told(&Status::unavailable("x")).kind(), ErrorKind::Unavailable);
    }
}
