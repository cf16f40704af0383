//! Tables that a request brings along (TAP 1.1, section 2.5), for its query alone.
//!
//! The way of one, `UPLOAD=mine,param:file1` with a part `file1` of the body:
//!
//! 1. `parameters::Parameters::read_with_files` reads the body as it arrives; a part that is a file goes straight into a file of the
//!    [`spool`], within the bounds of [`UploadSettings`].
//! 2. [`Uploads::of`] reads UPLOAD ([`parameter`]) and finds the part; or it fetches the table from the address that UPLOAD names
//!    ([`fetch`], from public addresses only ([`address`]), and only where the operator allows it).
//! 3. What goes into the request for the query service is a table that can be opened ([`qserv_core::upload`]). How its file looks inside
//!    only the [`TableReader`] knows that the service was given.
//!
//! The file is deleted when nothing refers to it any more: after the query of a synchronous request, after the run of a job.

mod address;
mod fetch;
mod parameter;
mod settings;
mod spool;

use std::sync::Arc;
use std::time::Duration;

use qserv_core::upload::{TableReader, TableRows, Upload, UploadFile, UploadedTable};
use qserv_core::{Error, Result};

pub use settings::UploadSettings;
pub(crate) use spool::SpooledFile;

use self::fetch::Fetcher;
use self::parameter::Source;
use self::spool::{Receiving, Spool};
use crate::metrics::Metrics;
use crate::parameters::Parameters;
use crate::settings::TapSettings;

/// The folder of uploads below the scratch folder.
const FOLDER: &str = "uploads";

/// Receives uploads and opens them.
#[derive(Debug)]
pub(crate) struct Uploads {
    settings: UploadSettings,
    spool: Spool,
    reader: Arc<dyn TableReader>,
    /// Whoever may not fetch has none.
    fetcher: Option<Fetcher>,
    metrics: Arc<Metrics>,
}

impl Uploads {
    /// Uploads whose files `reader` opens.
    pub(crate) fn new(settings: &TapSettings, reader: Arc<dyn TableReader>, metrics: Arc<Metrics>) -> Self {
        let bounds = settings.uploads.clone();
        let fetcher = bounds.from_urls.then(|| Fetcher::new(&bounds));
        let fetcher = fetcher.transpose().unwrap_or_else(|error| {
            tracing::error!(error = %error.to_log(), "no tables will be fetched from addresses");
            None
        });
        let spool = Spool::new(settings.scratch_dir.join(FOLDER), bounds.max_spool_bytes);
        Self { settings: bounds, spool, reader, fetcher, metrics }
    }

    /// Whether the service takes uploads at all.
    pub(crate) fn are_taken(&self) -> bool {
        self.settings.max_bytes > 0
    }

    /// Most bytes of the files of one request.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.settings.max_bytes
    }

    /// How long to wait for the next bytes of a body.
    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.settings.idle_timeout_s.max(1))
    }

    /// Begins to receive the files of one request.
    pub(crate) fn inbox(&self) -> Inbox<'_> {
        Inbox { uploads: self, left: self.settings.max_bytes }
    }

    /// The tables that the parameters of a query name.
    ///
    /// # Errors
    /// `Invalid` if UPLOAD makes no sense or a table cannot be fetched, `Denied` for addresses that are not allowed, `Limit` beyond the
    /// bounds.
    pub(crate) async fn of(&self, parameters: &Parameters) -> Result<Vec<Upload>> {
        let named = parameter::read(parameters.all("UPLOAD"))?;
        if named.is_empty() {
            return Ok(Vec::new());
        }
        if !self.are_taken() {
            return Err(Error::invalid("this service does not take table uploads"));
        }
        if named.len() > self.settings.max_tables {
            return Err(Error::limit("the request brings along too many tables")
                .with("tables", named.len())
                .with("limit", self.settings.max_tables));
        }
        let mut inbox = self.inbox();
        let mut uploads = Vec::with_capacity(named.len());
        for (name, source) in named {
            let file = match source {
                Source::Part(part) => match parameters.file(&part) {
                    Some(file) => Arc::clone(file),
                    // A part that looked like a parameter.
                    None => match parameters.all(&part.to_ascii_uppercase()).next() {
                        Some(text) => inbox.keep_text(text).await?,
                        None => {
                            return Err(Error::invalid(format!(
                                "UPLOAD names \"param:{part}\", and the request has no part of this name"
                            )));
                        }
                    },
                },
                Source::Address(address) => {
                    let Some(fetcher) = &self.fetcher else {
                        return Err(Error::invalid(
                            "this service fetches no tables from addresses; send the table along: UPLOAD=name,param:part",
                        ));
                    };
                    let (mut body, media_type) = fetcher.fetch(&address).await?;
                    let mut file = inbox.receive(media_type).await?;
                    while let Some(piece) = body.next().await? {
                        file.write(&piece).await?;
                    }
                    file.finish().await?
                }
            };
            let table = FileTable { file, reader: Arc::clone(&self.reader), name: name.clone() };
            uploads.push(Upload::new(&name, Arc::new(table))?);
        }
        qserv_core::upload::check_names(&uploads)?;
        Ok(uploads)
    }
}

/// Receives the files of one request, within the bound on their bytes together.
pub(crate) struct Inbox<'a> {
    uploads: &'a Uploads,
    left: u64,
}

impl<'a> Inbox<'a> {
    /// A new, empty file.
    ///
    /// # Errors
    /// `Internal` if it cannot be stored.
    pub(crate) async fn receive<'i>(&'i mut self, media_type: Option<String>) -> Result<Incoming<'i, 'a>> {
        let file = self.uploads.spool.receive(media_type).await?;
        Ok(Incoming { inbox: self, file })
    }

    async fn keep_text(&mut self, text: &str) -> Result<Arc<SpooledFile>> {
        let mut file = self.receive(None).await?;
        file.write(text.as_bytes()).await?;
        file.finish().await
    }
}

/// A file being received.
pub(crate) struct Incoming<'i, 'a> {
    inbox: &'i mut Inbox<'a>,
    file: Receiving,
}

impl Incoming<'_, '_> {
    /// Appends bytes.
    ///
    /// # Errors
    /// `Limit` if the request's files are larger than they may be; as storing.
    pub(crate) async fn write(&mut self, chunk: &[u8]) -> Result<()> {
        self.inbox.left = self.inbox.left.checked_sub(chunk.len() as u64).ok_or_else(|| {
            Error::limit("the uploaded tables are larger than this service takes")
                .with("limit_bytes", self.inbox.uploads.settings.max_bytes)
        })?;
        self.file.write(chunk).await
    }

    /// The whole file.
    ///
    /// # Errors
    /// As storing.
    pub(crate) async fn finish(self) -> Result<Arc<SpooledFile>> {
        let file = self.file.finish().await?;
        self.inbox.uploads.metrics.uploaded(file.bytes());
        Ok(file)
    }
}

/// A file as a table.
#[derive(Debug)]
struct FileTable {
    file: Arc<SpooledFile>,
    reader: Arc<dyn TableReader>,
    name: String,
}

impl UploadedTable for FileTable {
    fn open(&self) -> Result<TableRows> {
        let file = UploadFile { path: self.file.path(), media_type: self.file.media_type(), name: &self.name };
        self.reader.open(file)
    }
}
