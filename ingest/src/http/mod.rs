//! Loading over HTTP, below `/api/v1`.
//!
//! | request | answer |
//! |---|---|
//! | `GET /databases` | all databases with what is loaded |
//! | `POST /databases` | makes one from a [`DatabaseDeclaration`] |
//! | `GET /databases/{name}` | one database |
//! | `DELETE /databases/{name}` | drops it |
//! | `PUT /databases/{name}/examples` | a JSON array of examples, in the place of those that it has |
//! | `POST /databases/{name}/transactions` | opens a transaction: `{"transaction": 7}` |
//! | `POST /transactions/{id}/contributions?table=T&source=FILE&options=JSON` | loads the body as a file |
//! | `POST /transactions/{id}/commit` | makes it visible |
//! | `POST /transactions/{id}/abort` | gives it up |
//!
//! Bodies and answers are JSON, but the contribution's body, which is the file itself, streamed. Errors are
//! `{"kind": ..., "message": ..., "context": {...}}`.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use qserv_core::catalog::{Database, Example, TransactionId};
use qserv_core::schema::{Description, MAX_TEXT_BYTES, declare, read_examples, read_felis, read_layout};
use qserv_core::{Error, Result};
use qserv_loaders::{FormatOptions, Input};
use serde::{Deserialize, Serialize};

use crate::ingest::Ingest;
use crate::loading::{LoadFile, Loading};
use crate::progress::Progress;
use crate::report::{CommitReport, ContributionReport};

pub(crate) mod error;
mod upload;

use error::{Answer, Refusal};

/// A database to make: the declaration itself, or the texts of the files that declare it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DatabaseDeclaration {
    /// As it will stand in the catalog; its numbers are given anew.
    Database(Box<Database>),
    /// Felis and layout files.
    Files {
        /// The database's name, if the layout does not give it.
        name: Option<String>,
        /// The Felis file.
        schema: TextFile,
        /// The layout.
        layout: TextFile,
        /// The files that the Felis file takes columns from, by the names it uses.
        #[serde(default)]
        resources: std::collections::BTreeMap<String, String>,
        /// The file of its examples.
        #[serde(default)]
        examples: Option<TextFile>,
    },
}

/// A file as text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFile {
    /// Its name in errors.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl DatabaseDeclaration {
    fn declare(self) -> Result<Database> {
        match self {
            Self::Database(database) => Ok(*database),
            Self::Files { name, schema, layout, resources, examples } => {
                let resolve = |wanted: &str| {
                    resources.get(wanted).cloned().ok_or_else(|| {
                        Error::invalid("the schema takes columns from a file that was not sent along")
                            .with("file", wanted)
                    })
                };
                let schema = read_felis(&schema.text, &schema.name, &resolve)?;
                let mut database = declare(&schema, &read_layout(&layout.text, &layout.name)?)?;
                if let Some(name) = name {
                    database.name = name;
                }
                if let Some(file) = examples {
                    database.examples = read_examples(&file.text, &file.name)?;
                }
                Ok(database)
            }
        }
    }
}

/// A transaction's number, as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Begun {
    pub(crate) transaction: TransactionId,
}

/// What the query of a contribution says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ContributionQuery {
    pub(crate) table: String,
    pub(crate) source: Option<String>,
    /// [`FormatOptions`] as JSON.
    pub(crate) options: Option<String>,
}

/// The routes of loading.
pub fn router(ingest: Ingest) -> Router {
    // Texts of a schema and what it refers to, with the room that JSON's escapes take.
    let declarations = DefaultBodyLimit::max(2 * MAX_TEXT_BYTES);
    let routes = Router::new()
        .route("/databases", get(databases).post(create_database).layer(declarations))
        .route("/databases/{name}", get(describe_database).delete(drop_database))
        .route("/databases/{name}/examples", put(replace_examples).layer(declarations))
        .route("/databases/{name}/transactions", post(begin))
        .route("/transactions/{id}/contributions", post(contribute).layer(DefaultBodyLimit::disable()))
        .route("/transactions/{id}/commit", post(commit))
        .route("/transactions/{id}/abort", post(abort))
        .fallback(unknown)
        .with_state(ingest);
    Router::new().nest("/api/v1", routes)
}

async fn unknown() -> Refusal {
    Error::not_found("there is no such address below /api/v1, or it does not take this method").into()
}

/// A transaction's number in a path.
fn transaction(id: Result<Path<i64>, PathRejection>) -> Result<TransactionId> {
    match id {
        Ok(Path(id)) => Ok(TransactionId(id)),
        Err(error) => Err(Error::invalid("a transaction is named by its number").caused_by(error)),
    }
}

async fn databases(State(ingest): State<Ingest>) -> Answer<Json<Vec<Description>>> {
    Ok(Json(ingest.databases().await?))
}

async fn create_database(
    State(ingest): State<Ingest>,
    body: Result<Json<DatabaseDeclaration>, JsonRejection>,
) -> Answer<(StatusCode, Json<Database>)> {
    let Json(declaration) =
        body.map_err(|error| Error::invalid(format!("the declaration cannot be read: {}", error.body_text())))?;
    Ok((StatusCode::CREATED, Json(ingest.create_database(&declaration.declare()?).await?)))
}

async fn describe_database(State(ingest): State<Ingest>, Path(name): Path<String>) -> Answer<Json<Description>> {
    Ok(Json(ingest.describe_database(&name).await?))
}

async fn replace_examples(
    State(ingest): State<Ingest>,
    Path(name): Path<String>,
    body: Result<Json<Vec<Example>>, JsonRejection>,
) -> Answer<StatusCode> {
    let Json(examples) =
        body.map_err(|error| Error::invalid(format!("the examples cannot be read: {}", error.body_text())))?;
    ingest.replace_examples(&name, &examples).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn drop_database(State(ingest): State<Ingest>, Path(name): Path<String>) -> Answer<StatusCode> {
    ingest.drop_database(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn begin(State(ingest): State<Ingest>, Path(name): Path<String>) -> Answer<(StatusCode, Json<Begun>)> {
    Ok((StatusCode::CREATED, Json(Begun { transaction: ingest.begin(&name).await? })))
}

async fn contribute(
    State(ingest): State<Ingest>,
    id: Result<Path<i64>, PathRejection>,
    query: Result<Query<ContributionQuery>, QueryRejection>,
    body: axum::body::Body,
) -> Answer<Json<ContributionReport>> {
    let id = transaction(id)?;
    let Query(query) = query.map_err(|error| {
        Error::invalid("a contribution needs ?table=, and may have &source= and &options=").caused_by(error)
    })?;
    let options: FormatOptions = match &query.options {
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Error::invalid(format!("the format options cannot be read: {error}")))?,
        None => FormatOptions::default(),
    };
    let options = options.within_limits();
    let (reader, forward) = upload::channel(body);
    let name = query.source.unwrap_or_else(|| "upload".to_owned());
    let input = Input::Stream { name, reader: Box::new(reader) };
    let file = LoadFile { table: query.table, input, options };
    let progress = Progress::none();
    let load = ingest.contribute(id, file, &progress);
    let (report, ()) = futures::future::join(load, forward).await;
    Ok(Json(report?))
}

async fn commit(State(ingest): State<Ingest>, id: Result<Path<i64>, PathRejection>) -> Answer<Json<CommitReport>> {
    Ok(Json(ingest.commit(transaction(id)?).await?))
}

async fn abort(State(ingest): State<Ingest>, id: Result<Path<i64>, PathRejection>) -> Answer<StatusCode> {
    ingest.abort(transaction(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
