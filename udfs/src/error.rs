//! Our errors inside DataFusion's.

use datafusion::error::DataFusionError;

/// Carries an error of ours through DataFusion whole, for the engine to take out again with its kind and message. Between
/// machines foreign errors are flattened to text, but a context layer is kept: it holds the error in full.
#[must_use]
pub fn external(error: qserv_core::Error) -> DataFusionError {
    let wire = error.to_wire();
    DataFusionError::External(Box::new(error)).context(wire)
}
