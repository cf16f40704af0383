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
        DataFusionError::ParquetError(inner) => Some(inside(inner.as_ref()).unwrap_or_else(|| parquet(inner.as_ref()))),
        DataFusionError::IoError(_) => Some(Error::unavailable("stored data could not be read")),
        DataFusionError::NotImplemented(text) => Some(absent(text)),
        DataFusionError::Plan(text) => Some(plan(text)),
        DataFusionError::SchemaError(..) => {
            // Names are resolved before: what the planner misses here, it lost on the way through sub-queries.
            Some(Error::invalid(
                "this form of sub-query cannot be answered: it names a column of a query further out than the one around it",
            ))
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
    of_values(text).unwrap_or_else(|| {
        Error::internal("the query failed while it ran: a fault of the service, which has been logged")
    })
}

/// What values of the query's own can do wrong while it runs: how the engine's text tells it, in lower case, and what the user reads.
const OF_VALUES: &[(&str, &str)] = &[
    ("more than one row", "a sub-query used as a value returned more than one row"),
    ("divide by zero", "division by zero"),
    ("square root of a negative", "the square root of a negative number cannot be computed"),
    ("negative count not allowed", "the length of a part of a text cannot be negative"),
    ("negative substring length", "the length of a part of a text cannot be negative"),
    ("overflow", "a number grew beyond the range of its type"),
    ("is too large to store", "a number grew beyond the range of its type"),
    ("exceeds the representable", "a number grew beyond the range of its type"),
    ("out of range", "a number grew beyond the range of its type"),
    ("cannot cast", "a value cannot be converted to the type asked for"),
    ("can't cast", "a value cannot be converted to the type asked for"),
    ("casterror", "a value cannot be converted to the type asked for"),
    ("cast error", "a value cannot be converted to the type asked for"),
    ("error parsing", "a value cannot be converted to the type asked for"),
    ("parseerror", "a value cannot be converted to the type asked for"),
    ("parser error", "a value cannot be converted to the type asked for"),
    ("expected an integer value", "a whole number that is written out must stand where the function takes one"),
    ("requires a positive integer", "a whole number that is written out must stand where the function takes one"),
];

fn of_values(text: &str) -> Option<Error> {
    said(OF_VALUES, text).map(Error::invalid)
}

/// What the planner refuses and the translation from ADQL has let through.
const OF_PLANS: &[(&str, &str)] = &[
    (
        "correlated scalar subquery must be aggregated",
        "a sub-query that stands for a value and names a column of the query around it must be an aggregate, such as MAX: \
         it has to give one row",
    ),
    (
        "correlated scalar subquery can only",
        "a sub-query that names a column of the query around it cannot stand for a value here; join a query in FROM",
    ),
    ("correlated", "a sub-query of this form cannot name a column of the query around it; join a query in FROM"),
    ("subquery", "this form of sub-query cannot be answered; join a query in FROM"),
    ("window frame", "the bounds of a window do not fit each other"),
    ("range requires", "the bounds of a window do not fit its ORDER BY"),
    ("group by", "a column of the select list is neither grouped nor inside an aggregate function"),
    ("aggregat", "a column of the select list is neither grouped nor inside an aggregate function"),
    ("arithmetic expression", "two values of these types cannot be combined by an operator"),
    ("incompatible inputs for union", "the columns on both sides of a set operation do not have the same type"),
    ("comparison operation", "two values of these types cannot be compared"),
    ("failed to match any signature", "a function does not take values of these types"),
    ("no function matches", "a function does not take values of these types"),
    ("coerc", "types in the query do not fit each other"),
    ("type", "types in the query do not fit each other"),
    ("cannot infer", "types in the query do not fit each other"),
];

fn plan(text: &str) -> Error {
    let known = of_values(text).or_else(|| said(OF_PLANS, text).map(Error::invalid));
    known.unwrap_or_else(|| Error::invalid("the query has a form that cannot be answered"))
}

/// What is implemented nowhere in the engine.
const OF_ABSENT: &[(&str, &str)] = &[
    ("scalarsubquery", "this form of sub-query cannot be answered; join a query in FROM"),
    ("insubquery", "IN with a query cannot stand here; join a query in FROM"),
    ("exists", "EXISTS cannot stand here; join a query in FROM"),
    ("cast from", "a value cannot be converted to the type asked for"),
    ("literal types", "a whole number that is written out must stand where the function takes one"),
];

fn absent(text: &str) -> Error {
    Error::invalid(said(OF_ABSENT, text).unwrap_or("the query uses something that is not supported"))
}

/// The first entry whose text occurs.
fn said(table: &[(&'static str, &'static str)], text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    table.iter().find(|(part, _)| lower.contains(part)).map(|(_, message)| *message)
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
        other => of_values(&other.to_string()).unwrap_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "the query failed while it ran: a fault of the service, which has been logged",
            )
        }),
    }
}

/// An error of reading Parquet. Filters run inside of the reader, so that it may be one of a value.
fn parquet(error: &(dyn std::error::Error + 'static)) -> Error {
    let text = error.to_string();
    if text.contains("Error evaluating filter predicate") {
        return execution(&text);
    }
    Error::data("a stored file is damaged")
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
    fn values_are_no_damage_and_no_fault_of_the_service() {
        let filter = "External: Compute error: Error evaluating filter predicate: ArrowError(CastError(\"Cannot cast string 'g'\"))";
        let errors = [
            DataFusionError::ParquetError(Box::new(parquet::errors::ParquetError::General(filter.to_owned()))),
            DataFusionError::Execution("Cannot cast Timestamp(s) value 5 to Timestamp(ns)".to_owned()),
            DataFusionError::ArrowError(
                Box::new(ArrowError::ComputeError("Int64Array overflow on abs(-9)".to_owned())),
                None,
            ),
            DataFusionError::NotImplemented("Physical plan does not support logical expression Exists(..)".to_owned()),
            DataFusionError::Plan("Correlated scalar subquery must be aggregated to return at most one row".to_owned()),
        ];
        let words = ["converted", "converted", "beyond the range", "EXISTS", "must be an aggregate"];
        for (error, word) in errors.into_iter().zip(words) {
            let error = from_datafusion(error);
            assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(word), "{error}");
        }
        let damaged = parquet::errors::ParquetError::General("bad magic".to_owned());
        assert_eq!(from_datafusion(DataFusionError::ParquetError(Box::new(damaged))).kind(), ErrorKind::Data);
    }

    #[test]
    fn a_lost_channel_is_worth_a_retry() {
        let error = from_datafusion(DataFusionError::External(Box::new(tonic::Status::unavailable("h2"))));
        assert!(error.kind().is_retryable());
    }
}
