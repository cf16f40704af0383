//! Readers of catalog files.
//!
//! The story of one file: [`open`] finds out whether it is compressed ([`decompress`]), and gives it to the reader of
//! its [`Format`]: [`delimited`] for CSV and the tab-separated form that MySQL dumps, [`parquet`] for Parquet. Each of
//! them yields [`Rows`]: Arrow batches that have exactly the table's declared columns, every value checked against its
//! declared type, with the number of the line that each row came from. A row that does not fit goes to [`BadRows`], which
//! skips and counts it or ends the load.
//!
//! Memory is bounded whatever the file holds: a batch ends after [`FormatOptions::batch_rows`] rows or
//! [`limits::BATCH_BYTES`] of input, and a single record may not be longer than [`FormatOptions::max_record_bytes`].
//!
//! Files that no table was declared for, which users of TAP send along with a query, are read by [`table_file`]: VOTable, FITS, ECSV,
//! Parquet and CSV, with the columns that they describe themselves.
//!
//! Absent: anything that knows about chunks, stores or transactions.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::record_batch::RecordBatch;
use qserv_core::catalog::Table;
use qserv_core::{Error, Result};

pub mod bad_rows;
pub mod decompress;
pub mod delimited;
pub mod format;
pub mod parquet;
pub mod table_file;

pub use bad_rows::BadRows;
pub use format::{BinaryText, Format, FormatOptions, limits};
pub use table_file::TableFiles;

/// Some rows of a file.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The rows, in the table's declared schema.
    pub batch: RecordBatch,
    /// For each row the line of the file at which it begins (text formats) or its number from 1 (Parquet).
    pub lines: Vec<u64>,
}

/// Where a file's bytes come from.
pub enum Input {
    /// A file of this machine.
    File(std::path::PathBuf),
    /// A stream, for example an upload, with the name by which errors call it.
    Stream {
        /// The name in errors.
        name: String,
        /// The bytes.
        reader: Box<dyn Read + Send>,
    },
}

impl Input {
    /// The name by which errors call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stream { name, .. } => name.clone(),
        }
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Input").field(&self.name()).finish()
    }
}

/// How much of an input has been read, in bytes as stored (before decompression); cheap to clone and to ask.
#[derive(Debug, Clone, Default)]
pub struct BytesRead(Arc<AtomicU64>);

impl BytesRead {
    /// The bytes read so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A file being read: an iterator of [`Rows`]. The first error ends it.
pub struct RowReader {
    rows: Box<dyn Iterator<Item = Result<Rows>> + Send>,
    bytes_read: BytesRead,
    ended: bool,
}

impl RowReader {
    /// How much of the input has been read.
    #[must_use]
    pub fn bytes_read(&self) -> BytesRead {
        self.bytes_read.clone()
    }
}

impl std::fmt::Debug for RowReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowReader").field("bytes_read", &self.bytes_read.get()).finish_non_exhaustive()
    }
}

impl Iterator for RowReader {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.rows.next();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Opens an input as rows of `table`.
///
/// `bad_rows` decides what happens to rows that do not fit; `scratch` is a folder for the temporary file that a Parquet
/// stream needs (Parquet is read from its end), deleted when the reader is dropped.
///
/// # Errors
/// `NotFound` if there is no such file; `Invalid` if the options, the header or the Parquet schema do not fit the table;
/// `Data` if the file is damaged.
pub fn open(
    input: Input,
    table: &Table,
    options: &FormatOptions,
    bad_rows: &BadRows,
    scratch: &Path,
) -> Result<RowReader> {
    options.check()?;
    let name = input.name();
    let bytes_read = BytesRead::default();
    let rows: Box<dyn Iterator<Item = Result<Rows>> + Send> = match options.format {
        Format::Csv | Format::Tsv => {
            let raw: Box<dyn Read + Send> = match input {
                Input::File(path) => Box::new(open_file(&path)?),
                Input::Stream { reader, .. } => reader,
            };
            let plain = decompress::reader(Counting { inner: raw, bytes_read: bytes_read.clone() }, &name)?;
            Box::new(delimited::Reader::new(plain, name, table, options, bad_rows.clone())?)
        }
        Format::Parquet => {
            let file = parquet::seekable(input, scratch, &bytes_read)?;
            Box::new(parquet::Reader::new(file, name, table, options, bad_rows.clone(), bytes_read.clone())?)
        }
    };
    Ok(RowReader { rows, bytes_read, ended: false })
}

fn open_file(path: &Path) -> Result<std::fs::File> {
    std::fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::not_found("there is no such file").with("file", path.display()),
        std::io::ErrorKind::PermissionDenied => {
            Error::new(qserv_core::ErrorKind::Denied, "the file may not be read").with("file", path.display())
        }
        _ => Error::data("the file cannot be opened").with("file", path.display()).caused_by(error),
    })
}

/// Counts the bytes that pass.
struct Counting<R> {
    inner: R,
    bytes_read: BytesRead,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes_read.add(count as u64);
        Ok(count)
    }
}

/// The error of a read that failed: damaged compression and cut files are the file's fault, the rest is the source's.
/// An error of ours that travelled as an I/O error (from an upload) is passed on as it is.
fn read_error(error: std::io::Error, file: &str) -> Error {
    if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        if let Some(Ok(ours)) = error.into_inner().map(|inner| inner.downcast::<Error>()) {
            return *ours;
        }
        return Error::internal("an error lost its cause").with("file", file);
    }
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof
        | std::io::ErrorKind::InvalidData
        | std::io::ErrorKind::InvalidInput
        | std::io::ErrorKind::Other => Error::data("the file is damaged or cut short").with("file", file),
        _ => Error::unavailable("the input cannot be read to its end").with("file", file),
    }
    .caused_by(error)
}
