//! Tables that clients bring along: each session has its own, kept in files of this machine until it is closed or not heard of any more.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use futures::{Stream, StreamExt};
use qserv_core::upload::{TableRows, Upload, UploadedTable};
use qserv_core::{Error, ErrorKind, Result};
use tonic::metadata::MetadataMap;
use uuid::Uuid;

/// The header, and the cookie, by which a client names its session.
pub(crate) const SESSION: &str = "qserv-session";

/// Shortest name of a session: others must not guess it.
const LEAST_NAME: usize = 16;

/// Most sessions with tables, and most tables of one.
const MAX_SESSIONS: usize = 4096;
const MAX_TABLES: usize = 64;

/// All sessions of a czar.
pub(crate) struct Sessions {
    folder: PathBuf,
    max_bytes: u64,
    patience: Duration,
    /// How long a client that sends a table may send nothing.
    client_timeout: Duration,
    used: Arc<AtomicU64>,
    entries: Mutex<HashMap<String, Session>>,
}

struct Session {
    tables: HashMap<String, Arc<Table>>,
    heard: Instant,
}

/// What to do about a table of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Refuse,
    Replace,
}

/// The session that a request names, if any.
///
/// # Errors
/// `Invalid` for a name that could be guessed.
pub(crate) fn named(headers: &MetadataMap) -> Result<Option<String>> {
    let cookies = headers.get_all("cookie").into_iter().filter_map(|cookie| cookie.to_str().ok());
    let mut cookies = cookies.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    let header = headers.get(SESSION).and_then(|name| name.to_str().ok());
    let name = header.or_else(|| cookies.find_map(|(key, name)| (key == SESSION).then_some(name)));
    match name {
        Some(name) if name.len() < LEAST_NAME => {
            Err(Error::invalid(format!("the name of a session ({SESSION}) has {LEAST_NAME} characters or more")))
        }
        name => Ok(name.map(str::to_owned)),
    }
}

impl Sessions {
    /// Keeps its files in this folder, which is nobody else's; what an earlier process left there is deleted.
    pub(crate) fn new(folder: PathBuf, max_bytes: u64, patience: Duration, client_timeout: Duration) -> Self {
        let _ = std::fs::remove_dir_all(&folder);
        Self { folder, max_bytes, patience, client_timeout, used: Arc::default(), entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, session| session.heard.elapsed() < self.patience);
        entries
    }

    /// The tables of a session.
    ///
    /// # Errors
    /// Those of [`Upload::new`].
    pub(crate) fn uploads(&self, session: Option<&str>) -> Result<Vec<Upload>> {
        let mut entries = self.entries();
        let Some(session) = session.and_then(|name| entries.get_mut(name)) else { return Ok(Vec::new()) };
        session.heard = Instant::now();
        let tables = session.tables.iter();
        tables.map(|(name, table)| Upload::new(name, Arc::clone(table) as Arc<dyn UploadedTable>)).collect()
    }

    /// Forgets a session with its tables.
    pub(crate) fn close(&self, session: &str) {
        self.entries().remove(session);
    }

    /// Takes a table; the number of its rows, and their bytes in memory.
    ///
    /// # Errors
    /// `Conflict` if there is one of that name, `Limit` beyond the bounds, `Invalid` for columns that cannot be queried; the stream's.
    pub(crate) async fn take(
        &self,
        session: &str,
        name: &str,
        existing: Existing,
        rows: impl Stream<Item = Result<RecordBatch>>,
    ) -> Result<(u64, u64)> {
        let name = name.to_ascii_lowercase();
        self.check(session, &name, existing)?;
        let (table, count) = self.spool(rows).await?;
        // The name's own rules.
        Upload::new(&name, Arc::clone(&table) as Arc<dyn UploadedTable>)?;
        self.check(session, &name, existing)?;
        let mut entries = self.entries();
        let entry = entries.entry(session.to_owned());
        let session = entry.or_insert_with(|| Session { tables: HashMap::new(), heard: Instant::now() });
        session.heard = Instant::now();
        let bytes = table.bytes;
        session.tables.insert(name, table);
        Ok((count, bytes))
    }

    /// Takes a table for one query; it goes with what is returned.
    ///
    /// # Errors
    /// As [`Sessions::take`].
    pub(crate) async fn take_once(
        &self,
        name: &str,
        rows: impl Stream<Item = Result<RecordBatch>>,
    ) -> Result<(Upload, u64)> {
        let (table, _) = self.spool(rows).await?;
        let bytes = table.bytes;
        Ok((Upload::new(&name.to_ascii_lowercase(), table)?, bytes))
    }

    fn check(&self, session: &str, name: &str, existing: Existing) -> Result<()> {
        let entries = self.entries();
        let Some(session) = entries.get(session) else {
            let is_full = entries.len() >= MAX_SESSIONS;
            return if is_full { Err(Error::limit("too many sessions have tables; try again later")) } else { Ok(()) };
        };
        if session.tables.contains_key(name) {
            let conflict =
                || Error::new(ErrorKind::Conflict, "the session has a table of this name").with("table", name);
            return if existing == Existing::Replace { Ok(()) } else { Err(conflict()) };
        }
        if session.tables.len() >= MAX_TABLES {
            return Err(Error::limit("the session has too many tables").with("most", MAX_TABLES));
        }
        Ok(())
    }

    /// What a client sends, unless it sends nothing for too long.
    ///
    /// # Errors
    /// `Cancelled` if it does.
    pub(crate) async fn in_time<T>(&self, sent: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout(self.client_timeout, sent).await.map_err(|_| {
            Error::new(ErrorKind::Cancelled, "the client sent nothing for too long")
                .with("setting", "flight.client_timeout_s")
        })
    }

    /// Writes rows to a file as they come.
    async fn spool(&self, rows: impl Stream<Item = Result<RecordBatch>>) -> Result<(Arc<Table>, u64)> {
        let mut rows = std::pin::pin!(rows);
        let mut count = 0_u64;
        let mut table = Table {
            path: self.folder.join(Uuid::new_v4().simple().to_string()),
            bytes: 0,
            used: Arc::clone(&self.used),
        };
        let mut writer: Option<Writer> = None;
        while let Some(batch) = self.in_time(rows.next()).await? {
            let batch = plain(&batch?)?;
            count += batch.num_rows() as u64;
            let bytes = batch.get_array_memory_size() as u64;
            table.bytes += bytes;
            if self.used.fetch_add(bytes, Ordering::Relaxed) + bytes > self.max_bytes {
                return Err(Error::limit("the uploaded tables of all sessions are too large together")
                    .with("most", self.max_bytes)
                    .with("setting", "flight.max_upload_bytes"));
            }
            let (path, folder) = (table.path.clone(), self.folder.clone());
            let written = tokio::task::spawn_blocking(move || {
                let mut writer = match writer {
                    Some(writer) => writer,
                    None => {
                        std::fs::create_dir_all(folder).map_err(unkept)?;
                        let file = BufWriter::new(File::create(path).map_err(unkept)?);
                        FileWriter::try_new(file, &batch.schema()).map_err(unkept)?
                    }
                };
                writer.write(&batch).map_err(unkept)?;
                Ok::<_, Error>(writer)
            });
            writer = Some(written.await.map_err(unkept)??);
        }
        let Some(mut writer) = writer else { return Err(Error::invalid("the uploaded table has no rows")) };
        tokio::task::spawn_blocking(move || writer.finish()).await.map_err(unkept)?.map_err(unkept)?;
        Ok((Arc::new(table), count))
    }
}

type Writer = FileWriter<BufWriter<File>>;

fn unkept(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable("the uploaded table cannot be kept").caused_by(error)
}

/// A table in a file, which goes with it.
#[derive(Debug)]
struct Table {
    path: PathBuf,
    bytes: u64,
    used: Arc<AtomicU64>,
}

impl Drop for Table {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
        // There may be none yet.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl UploadedTable for Table {
    fn open(&self) -> Result<TableRows> {
        let lost =
            |error: std::io::Error| Error::unavailable("the uploaded table is gone; send it again").caused_by(error);
        let file = BufReader::new(File::open(&self.path).map_err(lost)?);
        let unreadable = |error| Error::data("the uploaded table cannot be read").caused_by(error);
        let reader = FileReader::try_new(file, None).map_err(unreadable)?;
        Ok(TableRows { schema: reader.schema(), batches: Box::new(reader.map(move |batch| batch.map_err(unreadable))) })
    }
}

/// Rows in the types that columns have here.
fn plain(batch: &RecordBatch) -> Result<RecordBatch> {
    let mut fields: Vec<Field> = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if fields.iter().any(|other| other.name().eq_ignore_ascii_case(field.name())) {
            return Err(
                Error::invalid("two columns of the uploaded table have the same name").with("column", field.name())
            );
        }
        let datatype = kept_as(field.data_type()).ok_or_else(|| {
            Error::invalid("a column of the uploaded table has a type that cannot be queried")
                .with("column", field.name())
                .with("type", field.data_type())
        })?;
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let cast = cast_with_options(column, &datatype, &options).map_err(|error| {
            Error::invalid("a value of the uploaded table is beyond the range of its column")
                .with("column", field.name())
                .caused_by(error)
        })?;
        columns.push(cast);
        fields.push(Field::new(field.name(), datatype, true).with_metadata(field.metadata().clone()));
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    RecordBatch::try_new(schema, columns)
        .map_err(|error| Error::invalid("the uploaded rows cannot be read").caused_by(error))
}

fn kept_as(datatype: &DataType) -> Option<DataType> {
    Some(match datatype {
        DataType::Boolean => DataType::Boolean,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => DataType::Int16,
        DataType::UInt16 | DataType::Int32 => DataType::Int32,
        DataType::UInt32 | DataType::Int64 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 | DataType::Float32 => DataType::Float32,
        DataType::Float64 => DataType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        DataType::Dictionary(_, values) => return kept_as(values),
        _ => return None,
    })
}
