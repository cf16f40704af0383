//! Rows on their way out: encoded as they are asked for, within bounds.

use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::IpcWriteOptions;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use qserv_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::status::status;

/// The header in which a client says how its rows are to be compressed: `zstd`, `lz4` or `none`.
pub(crate) const COMPRESSION: &str = "qserv-compression";

/// What `DoGet` answers with.
pub(crate) type DataStream = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// The places for streams of one process.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    places: Arc<Semaphore>,
}

impl Streams {
    pub(crate) fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS))) }
    }

    /// A place for as long as the permit is held.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Error::limit("too many streams of rows are being read; try again later")
                .with("setting", "flight.max_streams")
        })
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

/// Encodes rows as the client reads them. Dropping the stream drops the rows' source; `cancelled` ends it with an error.
pub(crate) fn encode(
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch>>,
    options: IpcWriteOptions,
    permit: OwnedSemaphorePermit,
    cancelled: CancellationToken,
) -> DataStream {
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
    let rows = rows.map_err(|error| FlightError::Tonic(Box::new(status(&error))));
    let encoded = FlightDataEncoderBuilder::new().with_schema(schema).with_options(options).build(rows);
    encoded
        .map(move |data| {
            // Held by the stream, and so given back with it.
            let _held = &permit;
            data.map_err(refused)
        })
        .boxed()
}

/// An error of ours as it is; what the encoder says itself is for the log.
fn refused(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => status(&Error::internal("the rows cannot be sent").caused_by(other)),
    }
}
