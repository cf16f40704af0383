//! Prepared statements: a text with values that it leaves open.

use arrow::array::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::PeekableFlightDataStream;
use futures::TryStreamExt;
use qserv_core::query::{Language, QueryRequest};
use qserv_core::{Error, Result};

/// A statement that is to be run several times.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) text: String,
    pub(crate) language: Language,
    /// How many values it leaves open.
    pub(crate) open: usize,
    /// The values that were given last.
    pub(crate) values: Option<RecordBatch>,
}

impl Prepared {
    pub(crate) fn request(&self) -> Result<QueryRequest> {
        if self.open > 0 && self.values.is_none() {
            return Err(
                Error::invalid("the statement has parameters, and no values were given").with("parameters", self.open)
            );
        }
        let parameters = if self.open > 0 { self.values.clone() } else { None };
        Ok(QueryRequest { language: self.language, parameters, ..QueryRequest::adql(self.text.clone()) })
    }
}

/// The one row of values in a stream.
pub(crate) async fn one_row(stream: PeekableFlightDataStream) -> Result<RecordBatch> {
    let unreadable = |error| Error::invalid("the values cannot be read").caused_by(error);
    let mut batches = FlightRecordBatchStream::new_from_flight_data(stream.map_err(FlightError::from));
    let mut values: Option<RecordBatch> = None;
    while let Some(batch) = batches.try_next().await.map_err(unreadable)? {
        let before = values.as_ref().map_or(0, RecordBatch::num_rows);
        if before + batch.num_rows() > 1 {
            return Err(Error::invalid("a statement takes one row of values at a time"));
        }
        if batch.num_rows() == 1 {
            values = Some(batch);
        }
    }
    values.ok_or_else(|| Error::invalid("there is no row of values"))
}
