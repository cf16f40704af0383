//! `DoExchange`: a table goes in, and the rows of a query over it come out.
//!
//! The first message names the query in its descriptor, as `GetFlightInfo` takes it. The table is [`TAP_UPLOAD`]`.sent`, or has the name
//! that a header gives it; it is taken the way of those of sessions, lives as long as the call, and is there beside those of the
//! caller's session.

use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{Any, Command, CommandStatementQuery};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use prost::Message;
use qserv_core::query::{QueryRequest, QueryResult};
use qserv_core::upload::{TAP_UPLOAD, Upload};
use qserv_core::{Error, Result};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tonic::metadata::MetadataMap;

use super::FlightSql;
use super::protocol::language;
use crate::server::bare_text;
use crate::sessions::named;
use crate::status::told;
use crate::stream::{DataStream, Purpose, compression, encode};

/// The header that names the table.
const TABLE: &str = "qserv-table";

/// Its name without the header.
const SENT: &str = "sent";

impl FlightSql {
    /// Takes the table and answers the query.
    pub(crate) async fn exchange(&self, headers: &MetadataMap, mut data: Streaming<FlightData>) -> Result<DataStream> {
        let options = compression(headers)?;
        let language = language(headers).map_err(|status| told(&status))?;
        let table = headers.get(TABLE).and_then(|name| name.to_str().ok()).unwrap_or(SENT);
        let first = self.sessions.in_time(data.message()).await?.map_err(|status| told(&status))?;
        let first = first.ok_or_else(|| Error::invalid("nothing was sent"))?;
        let text = query_of(&first.flight_descriptor.clone().unwrap_or_default().cmd)?;

        // Some clients send the descriptor alone, before the columns.
        let rest = data.map_err(FlightError::from);
        let data = futures::stream::iter([Ok(first)]).chain(rest);
        let data = data.try_filter(|data| std::future::ready(!data.data_header.is_empty()));
        let rows = FlightRecordBatchStream::new_from_flight_data(data);
        let rows = rows.map_err(|error| Error::invalid("the rows that were sent cannot be read").caused_by(error));
        let (upload, bytes) = self.sessions.take_once(table, rows).await?;
        self.parts.streams.uploaded(bytes);
        let mut uploads = self.sessions.uploads(named(headers)?.as_deref())?;
        uploads.retain(|other: &Upload| !other.name().eq_ignore_ascii_case(upload.name()));
        uploads.push(upload);

        let place = self.parts.streams.enter(Purpose::Query)?;
        let answer = self.queries.query(QueryRequest { language, uploads, ..QueryRequest::adql(text) }).await;
        let QueryResult { schema, batches, .. } =
            answer.inspect_err(|error| self.parts.streams.count(error.kind().as_str()))?;
        Ok(encode(schema, batches, options, place, CancellationToken::new()))
    }
}

/// The query that a command is.
fn query_of(command: &Bytes) -> Result<String> {
    if let Some(text) = bare_text(command) {
        return Ok(text.to_owned());
    }
    let message = Any::decode(command.clone()).ok().and_then(|any| Command::try_from(any).ok());
    match message {
        Some(Command::CommandStatementQuery(CommandStatementQuery { query, .. })) => Ok(query),
        _ => Err(Error::invalid(format!(
            "name the query in the descriptor of the first message; the table that follows is {TAP_UPLOAD}.{SENT}"
        ))),
    }
}
