//! Rows on their way out: encoded as they are asked for, within bounds.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::IpcWriteOptions;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use qserv_core::query::QueryMeter;
use qserv_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::status::status;
use crate::watched::{Account, MODE, Watched};

/// The header in which a client says how its rows are to be compressed: `zstd`, `lz4` or `none`.
pub(crate) const COMPRESSION: &str = "qserv-compression";

/// What `DoGet` answers with.
pub(crate) type DataStream = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// The places for streams of one process, and what is counted of them.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    /// How long a client may take nothing.
    patience: Duration,
    watchers: Arc<Mutex<JoinSet<()>>>,
    meter: Option<Arc<dyn QueryMeter>>,
}

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Query,
    /// Nobody counts these.
    Metadata,
}

/// A place for a stream.
pub(crate) struct Place {
    permit: OwnedSemaphorePermit,
    streams: Streams,
    purpose: Purpose,
}

impl Streams {
    pub(crate) fn new(most: usize, patience: Duration) -> Self {
        let places = Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        Self { places, patience, watchers: Arc::default(), meter: None }
    }

    /// The same places, counted.
    pub(crate) fn metered(&self, meter: Arc<dyn QueryMeter>) -> Self {
        Self { meter: Some(meter), ..self.clone() }
    }

    /// A place for as long as it is held.
    pub(crate) fn enter(&self, purpose: Purpose) -> Result<Place> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => Ok(Place { permit, streams: self.clone(), purpose }),
            Err(_) => {
                if let (Some(meter), Purpose::Query) = (&self.meter, purpose) {
                    meter.refused(MODE);
                }
                Err(Error::limit("too many streams of rows are being read; try again later")
                    .with("setting", "flight.max_streams"))
            }
        }
    }

    /// Counts a query that has no stream here.
    pub(crate) fn count(&self, outcome: &str) {
        if let Some(meter) = &self.meter {
            meter.begins(MODE);
            meter.ended(MODE, outcome, 0.0, 0, 0);
        }
    }

    /// Counts a table that was sent.
    pub(crate) fn uploaded(&self, bytes: u64) {
        if let Some(meter) = &self.meter {
            meter.uploaded(bytes);
        }
    }
}

/// What a client chose.
///
/// # Errors
/// `Invalid` for a word that is none of the three.
pub(crate) fn compression(headers: &MetadataMap) -> Result<IpcWriteOptions> {
    let chosen = match headers.get(COMPRESSION).map(|word| word.to_str().unwrap_or_default()) {
        None | Some("none") => None,
        Some("zstd") => Some(CompressionType::ZSTD),
        Some("lz4") => Some(CompressionType::LZ4_FRAME),
        Some(_) => return Err(Error::invalid(format!("the header {COMPRESSION} must be zstd, lz4 or none"))),
    };
    IpcWriteOptions::default()
        .try_with_compression(chosen)
        .map_err(|error| Error::internal("rows cannot be compressed").caused_by(error))
}

/// Encodes rows as the client reads them. Dropping the stream drops the rows' source, and so does a client that takes nothing for too long;
/// `cancelled` ends it with an error.
pub(crate) fn encode(
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch>>,
    options: IpcWriteOptions,
    place: Place,
    cancelled: CancellationToken,
) -> DataStream {
    let Place { permit, streams, purpose } = place;
    let account = Account::begin(streams.meter.filter(|_| purpose == Purpose::Query));
    let tally = account.tally();
    let end = Box::pin(cancelled.cancelled_owned());
    let rows = futures::stream::unfold(Some((rows, end)), |state| async move {
        let (mut rows, mut end) = state?;
        tokio::select! {
            biased;
            () = &mut end => Some((Err(Error::new(ErrorKind::Cancelled, "the query was cancelled")), None)),
            next = rows.next() => match next? {
                Ok(batch) => Some((Ok(batch), Some((rows, end)))),
                Err(error) => Some((Err(error), None)),
            },
        }
    });
    let rows = rows.map(move |rows| match rows {
        Ok(batch) => {
            tally.add_rows(batch.num_rows());
            Ok(batch)
        }
        Err(error) => {
            tally.failed(error.kind());
            Err(FlightError::Tonic(Box::new(status(&error))))
        }
    });
    let encoded = FlightDataEncoderBuilder::new().with_schema(schema).with_options(options).build(rows);
    let data = encoded.map(move |data| {
        // Held by the stream, and so given back with it.
        let _held = &permit;
        data.map_err(refused)
    });
    Watched::new(data.boxed(), account, streams.patience, &streams.watchers).boxed()
}

/// An error of ours as it is; what the encoder says itself is for the log.
fn refused(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => status(&Error::internal("the rows cannot be sent").caused_by(other)),
    }
}
