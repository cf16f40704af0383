//! Flight SQL on the czar.

mod exchange;
mod protocol;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::PeekableFlightDataStream;
use arrow_flight::sql::{CommandStatementIngest, TableExistsOption, TableNotExistOption};
use arrow_flight::{CancelStatus, FlightDescriptor, FlightEndpoint, FlightInfo, PollInfo, Ticket};
use bytes::Bytes;
use futures::TryStreamExt;
use qserv_core::bulk::{BulkPlan, BulkRows, BulkService, Part, PartService};
use qserv_core::catalog::Snapshot;
use qserv_core::clock::SharedClock;
use qserv_core::query::{QueryMeter, QueryRequest, QueryService};
use qserv_core::upload::{TAP_UPLOAD, Upload};
use qserv_core::{Error, Result};
use tokio::task::JoinSet;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::kept::{Kept, lock};
use crate::parts::PartServer;
use crate::prepared::Prepared;
use crate::runs::Run;
use crate::sessions::{Existing, Sessions, named};
use crate::settings::FlightSettings;
use crate::status::status;
use crate::stream::{DataStream, Purpose, compression, encode};
use crate::ticket::{Content, TicketKey, sealed_in, ticket_of, unix_s};

/// What the service is made of; all of it comes from outside.
#[derive(Clone)]
pub struct Parts {
    /// What there is to ask.
    pub queries: Arc<dyn QueryService>,
    /// Plans in bulk.
    pub bulk: Arc<dyn BulkService>,
    /// Runs the parts of workers that live in this process.
    pub parts: Arc<dyn PartService>,
    /// Signs tickets.
    pub key: TicketKey,
    /// A folder of its own for the tables of sessions.
    pub uploads: PathBuf,
    /// The time.
    pub clock: SharedClock,
}

/// Flight SQL over a query service. Cheap to clone.
#[derive(Clone)]
pub struct FlightSql {
    queries: Arc<dyn QueryService>,
    bulk: Arc<dyn BulkService>,
    parts: PartServer,
    key: TicketKey,
    clock: SharedClock,
    settings: Arc<FlightSettings>,
    planned: Arc<Mutex<Kept<Arc<Run>>>>,
    sessions: Arc<Sessions>,
    /// What runs ahead of its clients.
    ahead: Arc<Mutex<JoinSet<()>>>,
    prepared: Arc<Mutex<Kept<Prepared>>>,
}

impl FlightSql {
    /// A service over these parts.
    #[must_use]
    pub fn new(parts: Parts, settings: FlightSettings) -> Self {
        let Parts { queries, bulk, parts, key, uploads, clock } = parts;
        let patience = Duration::from_secs(settings.session_patience_s);
        Self {
            queries,
            bulk,
            parts: PartServer::new(parts, key.clone(), Arc::clone(&clock), &settings),
            key,
            clock,
            planned: Arc::new(Mutex::new(Kept::new(settings.max_statements))),
            sessions: Arc::new(Sessions::new(uploads, settings.max_upload_bytes, patience, settings.client_timeout())),
            ahead: Arc::default(),
            prepared: Arc::new(Mutex::new(Kept::new(settings.max_statements))),
            settings: Arc::new(settings),
        }
    }

    /// Counts its queries by this.
    #[must_use]
    pub fn metered(mut self, meter: Arc<dyn QueryMeter>) -> Self {
        self.parts.streams = self.parts.streams.metered(meter);
        self
    }

    fn ends_s(&self) -> u64 {
        unix_s(&self.clock).saturating_add(self.settings.ticket_lifetime().as_secs())
    }

    /// Plans a statement and says where its rows are. Counted are those that cannot be planned, and those whose rows others hand out:
    /// what is handed out here is counted when it is.
    async fn info(&self, request: QueryRequest, descriptor: FlightDescriptor) -> Result<FlightInfo> {
        let planned = self.planned(request, descriptor).await;
        let outcome = match &planned {
            Ok(info) if info.endpoint.iter().all(|endpoint| endpoint.location.is_empty()) => return planned,
            Ok(_) => "to_workers",
            Err(error) => error.kind().as_str(),
        };
        self.parts.streams.count(outcome);
        planned
    }

    async fn planned(&self, request: QueryRequest, descriptor: FlightDescriptor) -> Result<FlightInfo> {
        let has_uploads = !request.uploads.is_empty();
        let BulkPlan { schema, rows, .. } = self.bulk.plan(request).await?;
        let ends_s = match has_uploads {
            // Its copies of the session's tables are not kept for longer than the tables themselves.
            true => self.ends_s().min(unix_s(&self.clock).saturating_add(self.settings.session_patience_s)),
            false => self.ends_s(),
        };
        let endpoints = match rows {
            BulkRows::Parts(parts) => {
                let endpoints = parts.into_iter().map(|part| self.endpoint(part, ends_s));
                endpoints.collect::<Result<Vec<_>>>()?
            }
            BulkRows::Merged(query) => {
                let id = lock(&self.planned).keep(Arc::new(Run::new(query)), unix_s(&self.clock), ends_s);
                vec![endpoint(ticket_of(self.key.seal(&Content::Planned(id), ends_s)?), ends_s)]
            }
        };
        described(&schema).map(|info| info.with_descriptor(descriptor).with_endpoints(endpoints))
    }

    fn endpoint(&self, part: Part, ends_s: u64) -> Result<FlightEndpoint> {
        let sealed = self.key.seal(&Content::Part(part.plan.to_vec()), ends_s)?;
        if sealed.len() > self.settings.max_ticket_bytes {
            return Err(Error::limit("the query reads too many segments for a ticket")
                .with("bytes", sealed.len())
                .with("setting", "flight.max_ticket_bytes"));
        }
        let endpoint = endpoint(ticket_of(sealed), ends_s);
        // Without an address a ticket is for whoever gave it.
        let locations = part.workers.iter().filter_map(|worker| worker.url.as_deref()).map(location);
        Ok(locations.fold(endpoint, |endpoint, location| endpoint.with_location(location)))
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>, Status> {
        self.queries.snapshot().await.map_err(|error| status(&error))
    }

    /// The rows of a ticket.
    async fn hand_out(&self, ticket: &[u8], headers: &MetadataMap) -> Result<DataStream> {
        match self.key.open(ticket, unix_s(&self.clock))? {
            Content::Part(part) => self.parts.rows(&part, headers).await,
            Content::Planned(id) => {
                let options = compression(headers)?;
                let gone = || Error::not_found("the czar does not have this statement any more; ask the query again");
                let run = lock(&self.planned).get(&id).ok_or_else(gone)?;
                let place = self.parts.streams.enter(Purpose::Query)?;
                let result = run.rows().await?;
                Ok(encode(result.schema, result.batches, options, place, run.cancelled.clone()))
            }
        }
    }

    /// Ends what the czar does for an answer. What workers hand out ends with its streams.
    fn cancel(&self, info: &FlightInfo) -> CancelStatus {
        let tickets = info.endpoint.iter().filter_map(|endpoint| sealed_in(&endpoint.ticket.as_ref()?.ticket));
        // What still runs for a client that polls has no endpoints yet.
        let tickets = tickets.chain([info.app_metadata.clone()]);
        let mut was_known = false;
        for ticket in tickets {
            if let Ok(Content::Planned(id)) = self.key.open(&ticket, unix_s(&self.clock))
                && let Some(run) = lock(&self.planned).remove(&id)
            {
                run.cancelled.cancel();
                was_known = true;
            }
        }
        if was_known { CancelStatus::Cancelled } else { CancelStatus::NotCancellable }
    }

    /// Says how far a query is, and in the end where its rows are. What the czar merges runs from the first poll on; plans in parts are
    /// whole when they are made, and how far they are their readers see.
    ///
    /// `command` is what the last poll gave, or a query's own; of the latter `first` tells where its rows would be.
    pub(crate) async fn poll(
        &self,
        command: Bytes,
        first: impl Future<Output = Result<FlightInfo, Status>>,
    ) -> Result<PollInfo, Status> {
        let now_s = unix_s(&self.clock);
        let (run, sealed) = match self.key.open(&command, now_s) {
            Ok(Content::Planned(id)) => {
                let gone = || status(&Error::not_found("the czar does not have this query any more; ask it again"));
                let run = lock(&self.planned).get(&id).ok_or_else(gone)?;
                (run, command)
            }
            _ => {
                let info = first.await?;
                let ticket = info.endpoint.first().and_then(|first| sealed_in(&first.ticket.as_ref()?.ticket));
                let planned = ticket.and_then(|ticket| match self.key.open(&ticket, now_s) {
                    Ok(Content::Planned(id)) => lock(&self.planned).get(&id).map(|run| (run, ticket)),
                    _ => None,
                });
                let Some((run, ticket)) = planned else {
                    return Ok(PollInfo { info: Some(info), progress: Some(1.0), ..PollInfo::default() });
                };
                let patience = Duration::from_secs(self.settings.poll_patience_s);
                run.start(info, patience, &self.ahead);
                (run, ticket)
            }
        };
        let (info, is_all) = run.news().await?;
        if is_all {
            return Ok(PollInfo { info: Some(info), progress: Some(1.0), ..PollInfo::default() });
        }
        let info = FlightInfo { endpoint: Vec::new(), app_metadata: sealed.clone(), ..info };
        Ok(PollInfo {
            info: Some(info),
            flight_descriptor: Some(FlightDescriptor::new_cmd(sealed)),
            progress: Some(run.fraction()),
            expiration_time: None,
        })
    }

    fn prepared(&self, handle: &[u8]) -> Result<Prepared> {
        let id = Uuid::from_slice(handle).ok();
        id.and_then(|id| lock(&self.prepared).get(&id))
            .ok_or_else(|| Error::not_found("there is no such prepared statement; prepare it again"))
    }

    /// The tables of the session that a request names.
    fn uploads(&self, headers: &MetadataMap) -> Result<Vec<Upload>, Status> {
        let uploads = named(headers).and_then(|session| self.sessions.uploads(session.as_deref()));
        uploads.map_err(|error| status(&error))
    }

    /// Takes a table into the session that a request names.
    async fn ingest(&self, command: CommandStatementIngest, request: Request<PeekableFlightDataStream>) -> Result<i64> {
        if !command.temporary {
            return Err(Error::invalid(
                "only temporary tables can be sent here; permanent ones are loaded with `qserv load`",
            ));
        }
        let is_ours = command.schema.as_deref().is_none_or(|schema| schema.eq_ignore_ascii_case(TAP_UPLOAD));
        if !is_ours {
            return Err(Error::invalid(format!("a table that is sent belongs into {TAP_UPLOAD}")));
        }
        let (absent, present) =
            command.table_definition_options.map_or((0, 0), |options| (options.if_not_exist, options.if_exists));
        if absent == TableNotExistOption::Fail as i32 || present == TableExistsOption::Append as i32 {
            return Err(Error::invalid("a table that is sent is made anew; rows are not added to one"));
        }
        let replace = present == TableExistsOption::Replace as i32;
        let existing = if replace { Existing::Replace } else { Existing::Refuse };
        let session = named(request.metadata())?.ok_or_else(|| Error::invalid("the request names no session"))?;
        let rows = FlightRecordBatchStream::new_from_flight_data(request.into_inner().map_err(FlightError::from));
        let rows = rows.map_err(|error| Error::invalid("the rows that were sent cannot be read").caused_by(error));
        let (count, bytes) = self.sessions.take(&session, &command.table, existing, rows).await?;
        self.parts.streams.uploaded(bytes);
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Gives a prepared statement the values that it leaves open.
    fn give(&self, handle: &[u8], values: RecordBatch) -> Result<()> {
        let prepared = self.prepared(handle)?;
        if values.num_columns() != prepared.open {
            return Err(Error::invalid("the statement does not have as many parameters as there are values")
                .with("parameters", prepared.open)
                .with("values", values.num_columns()));
        }
        if let Ok(id) = Uuid::from_slice(handle) {
            lock(&self.prepared).change(&id, |prepared| prepared.values = Some(values));
        }
        Ok(())
    }
}

/// A worker's address as Flight writes it.
fn location(url: &str) -> String {
    let (scheme, host) = url.split_once("://").unwrap_or(("http", url));
    let scheme = if scheme == "https" { "grpc+tls" } else { "grpc+tcp" };
    format!("{scheme}://{}", host.trim_end_matches('/'))
}

fn endpoint(ticket: Ticket, ends_s: u64) -> FlightEndpoint {
    let seconds = i64::try_from(ends_s).unwrap_or(i64::MAX);
    FlightEndpoint::new().with_ticket(ticket).with_expiration_time(prost_types::Timestamp { seconds, nanos: 0 })
}

fn described(schema: &Schema) -> Result<FlightInfo> {
    FlightInfo::new()
        .try_with_schema(schema)
        .map_err(|error| Error::internal("the schema cannot be sent").caused_by(error))
}
