//! Loading through a server.

use async_trait::async_trait;
use futures::StreamExt;
use qserv_core::catalog::{Database, Example, TransactionId};
use qserv_core::schema::Description;
use qserv_core::{Error, Result};
use qserv_loaders::Input;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;

use crate::http::error::ErrorBody;
use crate::http::{Begun, ContributionQuery, DatabaseDeclaration};
use crate::loading::{LoadFile, Loading};
use crate::progress::{Progress, Step};
use crate::report::{CommitReport, ContributionReport};

/// Bytes sent at once.
const PIECE_BYTES: usize = 256 << 10;

/// Talks to the [`crate::router`] of a server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    /// A client of the server at this address, for example `http://czar:4040`, that asks by way of `http`.
    ///
    /// # Errors
    /// `Invalid` if it is no HTTP address.
    pub fn new(server: &str, http: reqwest::Client) -> Result<Self> {
        let server = server.trim_end_matches('/');
        if !server.starts_with("http://") && !server.starts_with("https://") {
            return Err(Error::invalid("a server's address begins with http:// or https://").with("server", server));
        }
        Ok(Self { base: format!("{server}/api/v1"), http })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| {
            Error::unavailable("the server does not answer").with("server", &self.base).caused_by(error)
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let is_text =
            response.headers().get(CONTENT_TYPE).is_some_and(|form| form.as_bytes().starts_with(b"text/plain"));
        let text = response.text().await.unwrap_or_default();
        match serde_json::from_str::<ErrorBody>(&text) {
            Ok(body) => Err(body.into_error()),
            Err(_) if is_text => Err(Error::invalid(text.trim().to_owned()).with("server", &self.base)),
            Err(_) => Err(Error::unavailable("the server's answer is not understood; is it a Qserv server?")
                .with("server", &self.base)
                .with("status", status)),
        }
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        self.send(request).await?.json().await.map_err(|error| {
            Error::unavailable("the server's answer is not understood").with("server", &self.base).caused_by(error)
        })
    }
}

/// A name as a part of a path.
fn path_part(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[async_trait]
impl Loading for Client {
    async fn create_database(&self, database: &Database) -> Result<Database> {
        let declaration = DatabaseDeclaration::Database(Box::new(database.clone()));
        self.ask(self.request(Method::POST, "/databases").json(&declaration)).await
    }

    async fn databases(&self) -> Result<Vec<Description>> {
        self.ask(self.request(Method::GET, "/databases")).await
    }

    async fn describe_database(&self, name: &str) -> Result<Description> {
        self.ask(self.request(Method::GET, &format!("/databases/{}", path_part(name)))).await
    }

    async fn replace_examples(&self, database: &str, examples: &[Example]) -> Result<()> {
        let path = format!("/databases/{}/examples", path_part(database));
        self.send(self.request(Method::PUT, &path).json(examples)).await.map(drop)
    }

    async fn drop_database(&self, name: &str) -> Result<()> {
        self.send(self.request(Method::DELETE, &format!("/databases/{}", path_part(name)))).await.map(drop)
    }

    async fn begin(&self, database: &str) -> Result<TransactionId> {
        let path = format!("/databases/{}/transactions", path_part(database));
        let begun: Begun = self.ask(self.request(Method::POST, &path)).await?;
        Ok(begun.transaction)
    }

    async fn contribute(
        &self,
        transaction: TransactionId,
        file: LoadFile,
        progress: &Progress,
    ) -> Result<ContributionReport> {
        let options = serde_json::to_string(&file.options)
            .map_err(|error| Error::internal("the format options cannot be written").caused_by(error))?;
        let query = ContributionQuery { table: file.table, source: Some(file.input.name()), options: Some(options) };
        let body = body(file.input, progress.clone()).await?;
        let request = self.request(Method::POST, &format!("/transactions/{transaction}/contributions"));
        let report: ContributionReport = self.ask(request.query(&query).body(body)).await?;
        // Rows are counted at the other end, and known when it is done.
        progress.step(Step { rows: report.rows, bytes_read: 0 });
        Ok(report)
    }

    async fn commit(&self, transaction: TransactionId) -> Result<CommitReport> {
        self.ask(self.request(Method::POST, &format!("/transactions/{transaction}/commit"))).await
    }

    async fn abort(&self, transaction: TransactionId) -> Result<()> {
        self.send(self.request(Method::POST, &format!("/transactions/{transaction}/abort"))).await.map(drop)
    }
}

/// The input as a streamed body that tells how much of it has gone.
async fn body(input: Input, progress: Progress) -> Result<reqwest::Body> {
    let mut sent = 0;
    match input {
        Input::File(path) => {
            let file = tokio::fs::File::open(&path).await.map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Error::not_found("there is no such file").with("file", path.display()),
                _ => Error::data("the file cannot be opened").with("file", path.display()).caused_by(error),
            })?;
            let pieces = ReaderStream::with_capacity(file, PIECE_BYTES).inspect(move |piece| {
                sent += piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
                progress.step(Step { rows: 0, bytes_read: sent });
            });
            Ok(reqwest::Body::wrap_stream(pieces))
        }
        Input::Stream { mut reader, .. } => {
            let (sender, mut receiver) = mpsc::channel::<std::io::Result<Vec<u8>>>(2);
            // Ends with the stream, or when the request does.
            tokio::task::spawn_blocking(move || {
                loop {
                    let mut piece = vec![0; PIECE_BYTES];
                    let read = reader.read(&mut piece).map(|count| {
                        piece.truncate(count);
                        piece
                    });
                    let is_end = read.as_ref().is_ok_and(Vec::is_empty);
                    let is_last = read.is_err();
                    if is_end || sender.blocking_send(read).is_err() || is_last {
                        return;
                    }
                }
            });
            let pieces = futures::stream::poll_fn(move |context| receiver.poll_recv(context)).inspect(move |piece| {
                sent += piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
                progress.step(Step { rows: 0, bytes_read: sent });
            });
            Ok(reqwest::Body::wrap_stream(pieces))
        }
    }
}
