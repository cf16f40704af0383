//! The other side: asks a czar, and reads the parts of an answer from whoever has them.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use prost::Message;
use qserv_core::{Error, Result};
use qserv_tls::Trust;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::status::{is_told, told};
use crate::stream::COMPRESSION;

/// Largest message that is read: rows come in pieces far below it.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// How long a server may take to accept a connection, and to answer when it is asked whether it is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// A planned answer: its columns, and where its rows are. It can be kept: its tickets give the same rows until they end.
#[derive(Debug, Clone)]
pub struct Answer(FlightInfo);

/// A part of an answer, read from one place.
pub struct PartRows {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows; they are whole if no error ends them.
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}

impl Answer {
    /// How many parts there are.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.0.endpoint.len()
    }

    /// The columns.
    ///
    /// # Errors
    /// `Data` if they cannot be read.
    pub fn schema(&self) -> Result<SchemaRef> {
        let schema = self.0.clone().try_decode_schema();
        schema.map(Arc::new).map_err(|error| Error::data("the columns of the answer cannot be read").caused_by(error))
    }

    /// As bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }

    /// From [`Answer::to_bytes`].
    ///
    /// # Errors
    /// `Data` if it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let info = FlightInfo::decode(bytes);
        info.map(Self).map_err(|error| Error::data("the kept answer cannot be read").caused_by(error))
    }
}

/// Asks one czar.
#[derive(Debug, Clone)]
pub struct FlightClient {
    czar: String,
    trust: Trust,
}

impl FlightClient {
    /// The czar at this address: `grpc://host:port`, or `grpc+tls://host:port` if it has a certificate, which `trust` believes or not.
    #[must_use]
    pub fn new(czar: impl Into<String>, trust: Trust) -> Self {
        Self { czar: czar.into(), trust }
    }

    /// Plans an ADQL query.
    ///
    /// # Errors
    /// The czar's; `Unavailable` if there is none.
    pub async fn plan(&self, query: &str) -> Result<Answer> {
        let command = CommandStatementQuery { query: query.to_owned(), transaction_id: None };
        let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
        let mut client = connect(&self.czar, &self.trust).await?;
        let info = client.get_flight_info(descriptor).await.map_err(|status| answered(&status, &self.czar))?;
        Ok(Answer(info.into_inner()))
    }

    /// The places of a part, the best first. The last is the czar, who can read what workers hold.
    #[must_use]
    pub fn places(&self, answer: &Answer, part: usize) -> Vec<String> {
        let endpoint = answer.0.endpoint.get(part);
        let locations =
            endpoint.into_iter().flat_map(|endpoint| &endpoint.location).map(|location| location.uri.clone());
        locations.chain([self.czar.clone()]).collect()
    }

    /// The rows of a part from one of its places.
    ///
    /// # Errors
    /// That of the place; `Unavailable` if it does not answer.
    pub async fn read(&self, answer: &Answer, part: usize, place: &str) -> Result<PartRows> {
        let ticket = answer.0.endpoint.get(part).and_then(|FlightEndpoint { ticket, .. }| ticket.clone());
        let ticket = ticket.ok_or_else(|| Error::data("a part of the answer has no ticket"))?;
        let mut request = Request::new(ticket);
        request.metadata_mut().insert(COMPRESSION, MetadataValue::from_static("lz4"));
        let mut client = connect(place, &self.trust).await?;
        let data = client.do_get(request).await.map_err(|status| told(&status))?.into_inner();
        let batches = FlightRecordBatchStream::new_from_flight_data(data.map_err(FlightError::from));
        Ok(PartRows { schema: answer.schema()?, batches: batches.map_err(broken).boxed() })
    }
}

/// How addresses begin, and whether TLS is spoken there.
const SCHEMES: [(&str, bool); 6] =
    [("grpc", false), ("grpc+tcp", false), ("http", false), ("grpc+tls", true), ("grpcs", true), ("https", true)];

async fn connect(place: &str, trust: &Trust) -> Result<FlightServiceClient<Channel>> {
    let (scheme, host) = place.split_once("://").unwrap_or(("grpc", place));
    let (_, is_secure) = SCHEMES.iter().find(|(known, _)| *known == scheme).ok_or_else(|| {
        Error::invalid("an address of Flight begins with grpc:// or grpc+tls://").with("address", place)
    })?;
    let scheme = if *is_secure { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(Bytes::from(format!("{scheme}://{host}")))
        .map_err(|error| Error::invalid("this is no address of Flight").with("address", place).caused_by(error))?
        .connect_timeout(PATIENCE)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PATIENCE)
        .keep_alive_timeout(PATIENCE);
    let channel = trust.connect(endpoint).await.map_err(|error| unreachable(place, error))?;
    Ok(FlightServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// What came of the first request. A server with TLS breaks a connection without it off, and cannot say why to a client of gRPC.
fn answered(status: &Status, place: &str) -> Error {
    let is_secure = SCHEMES.iter().any(|(scheme, is_secure)| *is_secure && place.starts_with(&format!("{scheme}:")));
    match told(status) {
        error if is_told(status) || is_secure => error,
        error => error.with("remedy", "if the server speaks TLS, write its address with grpc+tls://"),
    }
}

/// Why there is no connection. Of TLS's own words those about certificates are worth telling.
fn unreachable(place: &str, error: tonic::transport::Error) -> Error {
    let mut cause = std::error::Error::source(&error);
    let mut words = None;
    while let Some(error) = cause {
        words = Some(error.to_string()).filter(|words| words.contains("certificate")).or(words);
        cause = error.source();
    }
    let told = Error::unavailable("no server answers over Flight").with("address", place);
    match words {
        Some(words) if words.contains("certificate") => told.with("reason", words).caused_by(error),
        _ => told.caused_by(error),
    }
}

fn broken(error: FlightError) -> Error {
    match error {
        FlightError::Tonic(status) => told(&status),
        other => Error::data("the rows cannot be read").caused_by(other),
    }
}

/// Whether another place may do better: this one is gone, full, or has lost its data.
#[must_use]
pub fn is_of_the_place(error: &Error) -> bool {
    use qserv_core::ErrorKind::{Data, Internal, Limit, NotFound, Unavailable};
    matches!(error.kind(), Unavailable | Limit | Internal | Data | NotFound)
}
