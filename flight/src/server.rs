//! What Flight has beside Flight SQL: schemas and polling, over the same service.

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::{Any, CommandStatementQuery, ProstMessageExt};
use arrow_flight::{
    Action, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, PollInfo, SchemaResult, Ticket,
};
use bytes::Bytes;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::service::FlightSql;
use crate::sessions::{SESSION, named};
use crate::status::status;

/// Largest message that is read: some clients send each batch of a table whole.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

impl FlightSql {
    /// The gRPC service.
    #[must_use]
    pub fn into_service(self) -> FlightServiceServer<impl FlightService> {
        FlightServiceServer::new(FlightServer(self)).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

/// A request whose command is the text of a query, as the message of Flight SQL for it: clients without Flight SQL can ask too.
fn spelled(request: Request<FlightDescriptor>) -> Request<FlightDescriptor> {
    request.map(|descriptor| match bare_text(&descriptor.cmd) {
        Some(text) => {
            let command = CommandStatementQuery { query: text.to_owned(), transaction_id: None };
            FlightDescriptor { cmd: command.as_any().encode_to_vec().into(), ..descriptor }
        }
        None => descriptor,
    })
}

/// The text that a command is, if it is no message of Flight SQL.
pub(crate) fn bare_text(command: &Bytes) -> Option<&str> {
    let is_message = Any::decode(command.clone()).is_ok_and(|any| !any.type_url.is_empty());
    std::str::from_utf8(command).ok().filter(|text| !is_message && !text.trim().is_empty())
}

/// Flight SQL with what its own service leaves out.
struct FlightServer(FlightSql);

#[tonic::async_trait]
impl FlightService for FlightServer {
    type HandshakeStream = <FlightSql as FlightService>::HandshakeStream;
    type ListFlightsStream = <FlightSql as FlightService>::ListFlightsStream;
    type DoGetStream = <FlightSql as FlightService>::DoGetStream;
    type DoPutStream = <FlightSql as FlightService>::DoPutStream;
    type DoActionStream = <FlightSql as FlightService>::DoActionStream;
    type ListActionsStream = <FlightSql as FlightService>::ListActionsStream;
    type DoExchangeStream = <FlightSql as FlightService>::DoExchangeStream;

    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        let command = request.get_ref().cmd.clone();
        let first = async { self.get_flight_info(request).await.map(Response::into_inner) };
        self.0.poll(command, first).await.map(Response::new)
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        let info = self.get_flight_info(request).await?.into_inner();
        Ok(Response::new(SchemaResult { schema: info.schema }))
    }

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        FlightService::handshake(&self.0, request).await
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        FlightService::list_flights(&self.0, request).await
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        FlightService::get_flight_info(&self.0, spelled(request)).await
    }

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        FlightService::do_get(&self.0, request).await
    }

    async fn do_put(&self, mut request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        // A client that sends a table and names no session gets one, if it keeps cookies.
        let made = match named(request.metadata()).map_err(|error| status(&error))? {
            Some(_) => None,
            None => Some(Uuid::new_v4().simple().to_string()),
        };
        if let Some(name) = made.as_deref().and_then(|name| name.parse().ok()) {
            request.metadata_mut().insert(SESSION, name);
        }
        let mut response = FlightService::do_put(&self.0, request).await?;
        if let Some(cookie) = made.and_then(|name| format!("{SESSION}={name}; HttpOnly").parse().ok()) {
            response.metadata_mut().insert("set-cookie", cookie);
        }
        Ok(response)
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        FlightService::do_action(&self.0, request).await
    }

    async fn list_actions(&self, request: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        FlightService::list_actions(&self.0, request).await
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        let (headers, _, data) = request.into_parts();
        self.0.exchange(&headers, data).await.map(Response::new).map_err(|error| status(&error))
    }
}
