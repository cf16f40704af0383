//! Flight SQL on the czar.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, CommandGetCatalogs,
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo,
    CommandPreparedStatementQuery, CommandStatementIngest, CommandStatementQuery, DoPutPreparedStatementResult,
    ProstMessageExt, SqlInfo, TableExistsOption, TableNotExistOption, TicketStatementQuery,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightDescriptor,
    FlightEndpoint, FlightInfo, IpcMessage, PollInfo, SchemaAsIpc, Ticket,
};
use arrow_ipc::writer::IpcWriteOptions;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use prost::Message;
use qserv_core::bulk::{BulkPlan, BulkRows, BulkService, Described, Part, PartService};
use qserv_core::catalog::Snapshot;
use qserv_core::clock::SharedClock;
use qserv_core::query::{Language, QueryRequest, QueryService};
use qserv_core::upload::{TAP_UPLOAD, Upload};
use qserv_core::{Error, Result};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::metadata::{self, TableFilter};
use crate::parts::{PartServer, unix_s, unwrap, wrap};
use crate::runs::Run;
use crate::server::{FlightServer, spelled};
use crate::sessions::{Existing, Sessions, named};
use crate::settings::FlightSettings;
use crate::status::status;
use crate::stream::{DataStream, compression, encode};
use crate::ticket::{Content, TicketKey};

/// The header in which a client names the language of its queries: `adql`, which is the default, or `sql`.
const LANGUAGE: &str = "qserv-language";

/// The action that ends a session.
const CLOSE_SESSION: &str = "CloseSession";

/// Largest message that is read: some clients send each batch of a table whole.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// The action that ends a query.
const CANCEL_FLIGHT_INFO: &str = "CancelFlightInfo";

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

/// Things under made-up names, for a time; the oldest goes first where there are too many.
struct Kept<T> {
    most: usize,
    entries: HashMap<Uuid, (u64, u64, T)>,
    next: u64,
}

impl<T: Clone> Kept<T> {
    fn new(most: usize) -> Self {
        Self { most: most.max(1), entries: HashMap::new(), next: 0 }
    }

    fn keep(&mut self, value: T, now_s: u64, ends_s: u64) -> Uuid {
        self.entries.retain(|_, (_, ends, _)| *ends > now_s);
        if self.entries.len() >= self.most
            && let Some(oldest) = self.entries.iter().min_by_key(|(_, (order, _, _))| *order).map(|(id, _)| *id)
        {
            self.entries.remove(&oldest);
        }
        let id = Uuid::new_v4();
        self.next += 1;
        self.entries.insert(id, (self.next, ends_s, value));
        id
    }

    fn get(&self, id: &Uuid) -> Option<T> {
        self.entries.get(id).map(|(_, _, value)| value.clone())
    }

    fn change(&mut self, id: &Uuid, change: impl FnOnce(&mut T)) {
        if let Some((_, _, value)) = self.entries.get_mut(id) {
            change(value);
        }
    }

    fn remove(&mut self, id: &Uuid) -> Option<T> {
        self.entries.remove(id).map(|(_, _, value)| value)
    }
}

/// A statement that is to be run several times.
#[derive(Clone)]
struct Prepared {
    text: String,
    language: Language,
    /// How many values it leaves open.
    open: usize,
    /// The values that were given last.
    values: Option<RecordBatch>,
}

impl Prepared {
    fn request(&self) -> Result<QueryRequest> {
        if self.open > 0 && self.values.is_none() {
            return Err(
                Error::invalid("the statement has parameters, and no values were given").with("parameters", self.open)
            );
        }
        let parameters = if self.open > 0 { self.values.clone() } else { None };
        Ok(QueryRequest { language: self.language, parameters, ..QueryRequest::adql(self.text.clone()) })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
            sessions: Arc::new(Sessions::new(uploads, settings.max_upload_bytes, patience)),
            ahead: Arc::default(),
            prepared: Arc::new(Mutex::new(Kept::new(settings.max_statements))),
            settings: Arc::new(settings),
        }
    }

    /// The gRPC service.
    #[must_use]
    pub fn into_service(self) -> FlightServiceServer<impl FlightService> {
        FlightServiceServer::new(FlightServer(self)).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn ends_s(&self) -> u64 {
        unix_s(&self.clock).saturating_add(self.settings.ticket_lifetime().as_secs())
    }

    /// Plans a statement and says where its rows are.
    async fn info(&self, request: QueryRequest, descriptor: FlightDescriptor) -> Result<FlightInfo> {
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
                vec![endpoint(wrap(self.key.seal(&Content::Planned(id), ends_s)?), ends_s)]
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
        let endpoint = endpoint(wrap(sealed), ends_s);
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
                let permit = self.parts.streams.enter()?;
                let result = run.rows().await?;
                Ok(encode(result.schema, result.batches, options, permit, run.cancelled.clone()))
            }
        }
    }

    /// Ends what the czar does for an answer. What workers hand out ends with its streams.
    fn cancel(&self, info: &FlightInfo) -> CancelStatus {
        let tickets = info.endpoint.iter().filter_map(|endpoint| unwrap(&endpoint.ticket.as_ref()?.ticket));
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
    pub(crate) async fn poll(&self, request: Request<FlightDescriptor>) -> Result<PollInfo, Status> {
        let now_s = unix_s(&self.clock);
        let (run, sealed) = match self.key.open(&request.get_ref().cmd, now_s) {
            Ok(Content::Planned(id)) => {
                let gone = || status(&Error::not_found("the czar does not have this query any more; ask it again"));
                let run = lock(&self.planned).get(&id).ok_or_else(gone)?;
                (run, request.into_inner().cmd)
            }
            _ => {
                let info = FlightService::get_flight_info(self, spelled(request)).await?.into_inner();
                let ticket = info.endpoint.first().and_then(|first| unwrap(&first.ticket.as_ref()?.ticket));
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
        let count = self.sessions.take(&session, &command.table, existing, rows).await?;
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

    fn one(&self, batch: Result<RecordBatch>) -> Result<Response<DataStream>, Status> {
        let stream = batch.and_then(|batch| {
            let rows = futures::stream::iter([Ok(batch.clone())]).boxed();
            let permit = self.parts.streams.enter()?;
            Ok(encode(batch.schema(), rows, IpcWriteOptions::default(), permit, CancellationToken::new()))
        });
        stream.map(Response::new).map_err(|error| status(&error))
    }

    /// Where metadata is: here, under the command that asks for it.
    fn about(
        &self,
        command: &impl ProstMessageExt,
        schema: &Schema,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(command.as_any().encode_to_vec()));
        let info = described(schema).map_err(|error| status(&error))?;
        Ok(Response::new(info.with_descriptor(request.into_inner()).with_endpoint(endpoint)))
    }
}

/// The one row of values in a stream.
async fn one_row(stream: PeekableFlightDataStream) -> Result<RecordBatch> {
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

/// A worker's address as Flight writes it.
fn location(url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    format!("grpc+tcp://{host}")
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

fn language(headers: &MetadataMap) -> Result<Language, Status> {
    match headers.get(LANGUAGE).map(|word| word.to_str().unwrap_or_default()) {
        None => Ok(Language::Adql),
        Some(word) if word.eq_ignore_ascii_case("adql") => Ok(Language::Adql),
        Some(word) if word.eq_ignore_ascii_case("sql") => Ok(Language::Sql),
        Some(_) => Err(status(&Error::invalid(format!("the header {LANGUAGE} must be adql or sql")))),
    }
}

fn schema_bytes(schema: &SchemaRef) -> Result<Bytes, Status> {
    let options = IpcWriteOptions::default();
    let message: Result<IpcMessage, _> = SchemaAsIpc::new(schema, &options).try_into();
    let cannot =
        |error: arrow::error::ArrowError| status(&Error::internal("the schema cannot be sent").caused_by(error));
    message.map(|message| message.0).map_err(cannot)
}

#[tonic::async_trait]
impl FlightSqlService for FlightSql {
    type FlightService = Self;

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let language = language(request.metadata())?;
        let uploads = self.uploads(request.metadata())?;
        let asked = QueryRequest { language, uploads, ..QueryRequest::adql(query.query) };
        let info = self.info(asked, request.into_inner()).await;
        info.map(Response::new).map_err(|error| status(&error))
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let rows = self.hand_out(&ticket.statement_handle, request.metadata()).await;
        rows.map(Response::new).map_err(|error| status(&error))
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let language = language(request.metadata())?;
        let uploads = self.uploads(request.metadata())?;
        let asked = QueryRequest { language, uploads, ..QueryRequest::adql(&query.query) };
        let described = self.bulk.describe(asked).await;
        let Described { schema, parameters } = described.map_err(|error| status(&error))?;
        let prepared = Prepared { text: query.query, language, open: parameters.fields().len(), values: None };
        let id = lock(&self.prepared).keep(prepared, unix_s(&self.clock), self.ends_s());
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: Bytes::copy_from_slice(id.as_bytes()),
            dataset_schema: schema_bytes(&schema)?,
            parameter_schema: schema_bytes(&parameters)?,
        })
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        if let Ok(id) = Uuid::from_slice(&query.prepared_statement_handle) {
            lock(&self.prepared).remove(&id);
        }
        Ok(())
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let prepared = self.prepared(&query.prepared_statement_handle).map_err(|error| status(&error))?;
        let asked = prepared.request().map_err(|error| status(&error))?;
        let asked = QueryRequest { uploads: self.uploads(request.metadata())?, ..asked };
        let info = self.info(asked, request.into_inner()).await;
        info.map(Response::new).map_err(|error| status(&error))
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let handle = query.prepared_statement_handle;
        let values = one_row(request.into_inner()).await.map_err(|error| status(&error))?;
        self.give(&handle, values).map_err(|error| status(&error))?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
    }

    async fn do_action_cancel_query(
        &self,
        query: ActionCancelQueryRequest,
        _: Request<Action>,
    ) -> Result<ActionCancelQueryResult, Status> {
        let unreadable = |_| status(&Error::invalid("this is no request to cancel a query"));
        // The older message has the same numbers, under names that the library does not give out.
        let result = self.cancel(&FlightInfo::decode(query.info).map_err(unreadable)?) as i32;
        Ok(ActionCancelQueryResult { result })
    }

    async fn do_put_statement_ingest(
        &self,
        command: CommandStatementIngest,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        self.ingest(command, request).await.map_err(|error| status(&error))
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        let session = named(request.metadata()).map_err(|error| status(&error))?;
        let action = request.into_inner();
        if action.r#type == CLOSE_SESSION {
            session.iter().for_each(|name| self.sessions.close(name));
            // What `CloseSessionResult` is in bytes: its first field, the status, is CLOSED.
            let result = arrow_flight::Result { body: Bytes::from_static(&[8, 1]) };
            return Ok(Response::new(futures::stream::iter([Ok(result)]).boxed()));
        }
        if action.r#type != CANCEL_FLIGHT_INFO {
            return Err(status(&Error::invalid("there is no such action")));
        }
        let info = CancelFlightInfoRequest::decode(action.body).ok().and_then(|request| request.info);
        let info = info.ok_or_else(|| status(&Error::invalid("this is no request to cancel a query")))?;
        let result = CancelFlightInfoResult { status: self.cancel(&info) as i32 };
        let result = arrow_flight::Result { body: result.encode_to_vec().into() };
        Ok(Response::new(futures::stream::iter([Ok(result)]).boxed()))
    }

    async fn list_custom_actions(&self) -> Option<Vec<Result<ActionType, Status>>> {
        let action = |name: &str, description: &str| {
            Ok(ActionType { r#type: name.to_owned(), description: description.to_owned() })
        };
        Some(vec![
            action(CANCEL_FLIGHT_INFO, "Ends a query of which the czar hands out the rows."),
            action(CLOSE_SESSION, "Forgets the tables that were sent in a session."),
        ])
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.about(&query, &query.into_builder().schema(), request)
    }

    async fn do_get_catalogs(&self, _: CommandGetCatalogs, _: Request<Ticket>) -> Result<Response<DataStream>, Status> {
        self.one(metadata::catalogs())
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.clone().into_builder().schema();
        self.about(&query, &schema, request)
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        _: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let snapshot = self.snapshot().await?;
        self.one(metadata::schemas(query, &snapshot))
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.clone().into_builder().schema();
        self.about(&query, &schema, request)
    }

    async fn do_get_tables(&self, query: CommandGetTables, _: Request<Ticket>) -> Result<Response<DataStream>, Status> {
        let snapshot = self.snapshot().await?;
        self.one(metadata::tables(query, &snapshot))
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.about(&query, &metadata::TABLE_TYPES, request)
    }

    async fn do_get_table_types(
        &self,
        _: CommandGetTableTypes,
        _: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        self.one(metadata::table_types())
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let info = metadata::sql_info().map_err(|error| status(&error))?;
        self.about(&query, &info.schema(), request)
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        _: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let failed = |error| Error::internal("the metadata cannot be made").caused_by(error);
        self.one(metadata::sql_info().and_then(|info| query.into_builder(&info).build().map_err(failed)))
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let types = metadata::types().map_err(|error| status(&error))?;
        self.about(&query, &types.schema(), request)
    }

    async fn do_get_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        _: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let failed = |error| Error::internal("the metadata cannot be made").caused_by(error);
        self.one(metadata::types().and_then(|types| types.record_batch(query.data_type).map_err(failed)))
    }

    async fn get_flight_info_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.about(&query, &metadata::PRIMARY_KEYS, request)
    }

    async fn do_get_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        _: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let filter = TableFilter { schema: query.db_schema, table: query.table };
        let snapshot = self.snapshot().await?;
        self.one(metadata::primary_keys(&filter, &snapshot))
    }

    async fn get_flight_info_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.about(&query, &metadata::FOREIGN_KEYS, request)
    }

    async fn do_get_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        _: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let filter = TableFilter { schema: query.db_schema, table: query.table };
        let snapshot = self.snapshot().await?;
        self.one(metadata::foreign_keys(Some(&filter), None, &snapshot))
    }

    async fn get_flight_info_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.about(&query, &metadata::FOREIGN_KEYS, request)
    }

    async fn do_get_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        _: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let filter = TableFilter { schema: query.db_schema, table: query.table };
        let snapshot = self.snapshot().await?;
        self.one(metadata::foreign_keys(None, Some(&filter), &snapshot))
    }

    async fn get_flight_info_cross_reference(
        &self,
        query: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.about(&query, &metadata::FOREIGN_KEYS, request)
    }

    async fn do_get_cross_reference(
        &self,
        query: CommandGetCrossReference,
        _: Request<Ticket>,
    ) -> Result<Response<DataStream>, Status> {
        let target = TableFilter { schema: query.pk_db_schema, table: query.pk_table };
        let from = TableFilter { schema: query.fk_db_schema, table: query.fk_table };
        let snapshot = self.snapshot().await?;
        self.one(metadata::foreign_keys(Some(&target), Some(&from), &snapshot))
    }

    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}
