//! The messages of Flight SQL, each to what the service does about it.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, CommandGetCatalogs,
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo,
    CommandPreparedStatementQuery, CommandStatementIngest, CommandStatementQuery, DoPutPreparedStatementResult,
    ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, FlightDescriptor, FlightEndpoint, FlightInfo,
    IpcMessage, SchemaAsIpc, Ticket,
};
use arrow_ipc::writer::IpcWriteOptions;
use bytes::Bytes;
use futures::StreamExt;
use prost::Message;
use qserv_core::bulk::Described;
use qserv_core::query::{Language, QueryRequest};
use qserv_core::{Error, Result};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{FlightSql, described};
use crate::kept::lock;
use crate::metadata::{self, TableFilter};
use crate::prepared::{Prepared, one_row};
use crate::sessions::named;
use crate::status::status;
use crate::stream::{DataStream, Purpose, encode};
use crate::ticket::unix_s;

/// The header in which a client names the language of its queries: `adql`, which is the default, or `sql`.
const LANGUAGE: &str = "qserv-language";

/// The action that ends a session.
const CLOSE_SESSION: &str = "CloseSession";

/// The action that ends a query.
const CANCEL_FLIGHT_INFO: &str = "CancelFlightInfo";

impl FlightSql {
    /// Metadata that is made at once.
    fn one(&self, batch: Result<RecordBatch>) -> Result<Response<DataStream>, Status> {
        let stream = batch.and_then(|batch| {
            let rows = futures::stream::iter([Ok(batch.clone())]).boxed();
            let place = self.parts.streams.enter(Purpose::Metadata)?;
            Ok(encode(batch.schema(), rows, IpcWriteOptions::default(), place, CancellationToken::new()))
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

pub(super) fn language(headers: &MetadataMap) -> Result<Language, Status> {
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
