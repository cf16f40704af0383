//! A worker's side: it hands out the rows of tickets, and knows nothing else of Flight.

use std::sync::Arc;

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::stream::BoxStream;
use qserv_core::bulk::PartService;
use qserv_core::clock::SharedClock;
use qserv_core::{Error, Result};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use crate::settings::FlightSettings;
use crate::status::status;
use crate::stream::{DataStream, Purpose, Streams, compression, encode};
use crate::ticket::{Content, TicketKey, sealed_in, unix_s};

/// Largest request that a worker reads beside its ticket, in bytes.
const MAX_REQUEST_BYTES: usize = 64 << 10;

/// Hands out the rows of parts. Cheap to clone.
#[derive(Clone)]
pub struct PartServer {
    parts: Arc<dyn PartService>,
    key: TicketKey,
    clock: SharedClock,
    pub(crate) streams: Streams,
    max_ticket_bytes: usize,
}

impl PartServer {
    /// Runs parts by `parts`, for whoever has a ticket that `key` sealed.
    #[must_use]
    pub fn new(parts: Arc<dyn PartService>, key: TicketKey, clock: SharedClock, settings: &FlightSettings) -> Self {
        let streams = Streams::new(settings.max_streams, settings.client_timeout());
        Self { parts, key, clock, streams, max_ticket_bytes: settings.max_ticket_bytes }
    }

    /// The gRPC service of a worker.
    #[must_use]
    pub fn into_service(self) -> FlightServiceServer<impl FlightService> {
        let most = self.max_ticket_bytes + MAX_REQUEST_BYTES;
        FlightServiceServer::new(self).max_decoding_message_size(most)
    }

    pub(crate) async fn hand_out(&self, ticket: &[u8], headers: &MetadataMap) -> Result<DataStream> {
        match self.key.open(ticket, unix_s(&self.clock))? {
            Content::Part(part) => self.rows(&part, headers).await,
            Content::Planned(_) => Err(Error::not_found("these rows come from the czar, not from a worker")),
        }
    }

    pub(crate) async fn rows(&self, part: &[u8], headers: &MetadataMap) -> Result<DataStream> {
        let options = compression(headers)?;
        let place = self.streams.enter(Purpose::Query)?;
        let rows = self.parts.open(part).await?;
        Ok(encode(rows.schema, rows.batches, options, place, CancellationToken::new()))
    }
}

fn not_here<T>() -> Result<T, Status> {
    Err(Status::unimplemented("a worker hands out rows and does nothing else; ask the czar"))
}

#[tonic::async_trait]
impl FlightService for PartServer {
    type HandshakeStream = BoxStream<'static, Result<HandshakeResponse, Status>>;
    type ListFlightsStream = BoxStream<'static, Result<FlightInfo, Status>>;
    type DoGetStream = DataStream;
    type DoPutStream = BoxStream<'static, Result<PutResult, Status>>;
    type DoActionStream = BoxStream<'static, Result<arrow_flight::Result, Status>>;
    type ListActionsStream = BoxStream<'static, Result<ActionType, Status>>;
    type DoExchangeStream = BoxStream<'static, Result<FlightData, Status>>;

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<DataStream>, Status> {
        let not_ours = || Status::invalid_argument("this is no ticket for rows");
        let ticket = sealed_in(&request.get_ref().ticket).ok_or_else(not_ours)?;
        let rows = self.hand_out(&ticket, request.metadata()).await;
        rows.map(Response::new).map_err(|error| status(&error))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        not_here()
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        not_here()
    }

    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        not_here()
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        not_here()
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        not_here()
    }

    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        not_here()
    }

    async fn do_action(&self, _: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        not_here()
    }

    async fn list_actions(&self, _: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        not_here()
    }

    async fn do_exchange(&self, _: Request<Streaming<FlightData>>) -> Result<Response<Self::DoExchangeStream>, Status> {
        not_here()
    }
}
