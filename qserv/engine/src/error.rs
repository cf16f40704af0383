//! DataFusion's errors turned into ours, once, for everything that plans or runs.
//!
//! An error of ours may travel through DataFusion and between machines: [`into_datafusion`] wraps it so that
//! datafusion-distributed keeps it whole, [`from_datafusion`] takes it out again. What DataFusion says itself becomes the
//! error's cause, for logs; the user reads our words.

use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use qserv_core::{Error, ErrorKind};

/// Wraps an error of ours. The context layer survives the way between machines, where foreign errors are flattened.
#[must_use]
pub fn into_datafusion(error: Error) -> DataFusionError {
    qserv_udfs::error::external(error)
}

/// The error of ours that a DataFusion error is, or the one that says best what happened.
#[must_use]
pub fn from_datafusion(error: DataFusionError) -> Error {
    match classify(&error) {
        Some(found) => found.caused_by(error),
        None => Error::internal("the query could not be run: a fault of the service, which has been logged")
            .caused_by(error),
    }
}

/// How the text of one of our errors begins, see [`Error::to_wire`].
const WIRE_MARK: &str = "qserv-error:";

fn classify(error: &DataFusionError) -> Option<Error> {
    match error {
        DataFusionError::Context(text, inner) => Error::from_wire(text).or_else(|| classify(inner)),
        DataFusionError::Shared(inner) => classify(inner),
        DataFusionError::Diagnostic(_, inner) => classify(inner),
        DataFusionError::Collection(errors) => errors.iter().find_map(classify),
        DataFusionError::External(inner) => external(inner.as_ref()),
        DataFusionError::ArrowError(inner, _) => Some(inside(inner.as_ref()).unwrap_or_else(|| arrow(inner))),
        DataFusionError::ResourcesExhausted(_) => Some(Error::limit(
            "the query needs more memory than it may use; ask for less, or raise the setting query.memory_bytes",
        )),
        DataFusionError::ObjectStore(inner) => Some(inside(inner.as_ref()).unwrap_or_else(|| store(inner))),
        DataFusionError::ParquetError(inner) => {
            Some(inside(inner.as_ref()).unwrap_or_else(|| Error::data("a stored file is damaged")))
        }
        DataFusionError::IoError(_) => Some(Error::unavailable("stored data could not be read")),
        DataFusionError::NotImplemented(_) => Some(Error::invalid("the query uses something that is not supported")),
        DataFusionError::Plan(text) => Some(plan(text)),
        DataFusionError::SchemaError(..) => {
            Some(Error::invalid("a column named in the query does not exist or its name is ambiguous"))
        }
        DataFusionError::SQL(..) => Some(Error::invalid("the query could not be understood")),
        DataFusionError::Execution(text) => Some(execution(text)),
        _ => None,
    }
}

fn external(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Option<Error> {
    if let Some(ours) = error.downcast_ref::<Error>() {
        return Some(copy_of(ours));
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return classify(inner);
    }
    // Anything else that reaches us from outside DataFusion is the channel to a worker.
    error.downcast_ref::<tonic::Status>().map(|_| lost_worker())
}

/// The error of ours among the causes of another, or at the end of its text: reading segments fails deep inside of
/// Parquet and Arrow, and between machines nothing but text is left of causes.
fn inside(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(ours) = current.downcast_ref::<Error>() {
            return Some(copy_of(ours));
        }
        if let Some(store) = current.downcast_ref::<object_store::Error>()
            && current.source().is_none()
        {
            return Some(self::store(store));
        }
        cause = current.source();
    }
    let text = error.to_string();
    text.find(WIRE_MARK).and_then(|start| Error::from_wire(text.get(start..)?))
}

fn copy_of(ours: &Error) -> Error {
    ours.context()
        .iter()
        .fold(Error::new(ours.kind(), ours.message()), |copy, (key, value)| copy.with(key.clone(), value))
}

/// What the user reads when a worker went away in the middle of a query.
fn lost_worker() -> Error {
    Error::unavailable("a worker was lost while the query ran; try again")
}

fn execution(text: &str) -> Error {
    // datafusion-distributed has no error of its own for a connection that cannot be made.
    if text.contains("connecting to Distributed DataFusion worker")
        || text.contains("waiting for Distributed DataFusion channel")
        || text.contains("timed-out while waiting for the plan")
    {
        return lost_worker();
    }
    if text.contains("Scalar subquery returned more than one row") {
        return Error::invalid("a sub-query used as a value returned more than one row");
    }
    Error::internal("the query failed while it ran: a fault of the service, which has been logged")
}

fn plan(text: &str) -> Error {
    // The parts of DataFusion's planner messages that tell what is wrong in the query's own terms.
    let lower = text.to_ascii_lowercase();
    let message = if lower.contains("group by") || lower.contains("aggregat") {
        "a column of the select list is neither grouped nor inside an aggregate function"
    } else if lower.contains("coerc") || lower.contains("type") || lower.contains("cannot infer") {
        "types in the query do not fit each other"
    } else if lower.contains("correlated") || lower.contains("subquery") {
        "this form of sub-query is not supported"
    } else {
        "the query cannot be planned as it is written"
    };
    Error::invalid(message)
}

fn arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::invalid("division by zero"),
        ArrowError::ArithmeticOverflow(_) => Error::invalid("a number grew beyond the range of its type"),
        ArrowError::CastError(_) | ArrowError::ParseError(_) => {
            Error::invalid("a value cannot be converted to the type asked for")
        }
        ArrowError::ExternalError(inner) => {
            external(inner.as_ref()).unwrap_or_else(|| Error::unavailable("stored data could not be read"))
        }
        ArrowError::IoError(..) | ArrowError::IpcError(_) => lost_worker(),
        _ => Error::new(
            ErrorKind::Internal,
            "the query failed while it ran: a fault of the service, which has been logged",
        ),
    }
}

fn store(error: &object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { path, .. } => {
            Error::unavailable("a part of the data cannot be reached at the moment").with("segment", path)
        }
        _ => Error::unavailable("stored data could not be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_ours_comes_back_whole_through_any_wrapping() {
        let wrapped = into_datafusion(Error::invalid("latitude 95 is beyond a pole").with("function", "CIRCLE"));
        let wrapped = DataFusionError::Shared(std::sync::Arc::new(wrapped.context("while running")));
        let back = from_datafusion(wrapped);
        assert_eq!(back.kind(), ErrorKind::Invalid);
        assert_eq!(back.to_string(), "latitude 95 is beyond a pole (function: CIRCLE)");
    }

    #[test]
    fn what_datafusion_says_stays_out_of_the_message() {
        let error = from_datafusion(DataFusionError::Plan("Error during planning: Projection xyz".to_owned()));
        assert!(!error.to_string().contains("xyz"));
        assert!(error.to_log().contains("xyz"));
    }

    #[test]
    fn a_lost_channel_is_worth_a_retry() {
        let error = from_datafusion(DataFusionError::External(Box::new(tonic::Status::unavailable("h2"))));
        assert!(error.kind().is_retryable());
    }
}
