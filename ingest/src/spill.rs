//! Rows in temporary files.
//!
//! The files have no name: when the process ends, however it ends, the disk space is free again.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use qserv_core::{Error, Result};

/// Bytes that a file's reader and writer each read or write at once.
const BUFFER_BYTES: usize = 64 << 10;

/// A temporary file being written.
pub(crate) struct SpillWriter {
    writer: StreamWriter<BufWriter<File>>,
}

impl SpillWriter {
    pub(crate) fn create(folder: &Path, schema: &SchemaRef) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|error| io_failed(folder, error))?;
        let buffered = BufWriter::with_capacity(BUFFER_BYTES, file);
        let writer = StreamWriter::try_new(buffered, schema).map_err(spill_failed)?;
        Ok(Self { writer })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(spill_failed)
    }

    pub(crate) fn finish(mut self) -> Result<SpillFile> {
        self.writer.finish().map_err(spill_failed)?;
        let buffered = self.writer.into_inner().map_err(spill_failed)?;
        let file = buffered.into_inner().map_err(|error| spill_failed(ArrowError::from(error.into_error())))?;
        Ok(SpillFile { file })
    }
}

/// A temporary file with rows.
#[derive(Debug)]
pub(crate) struct SpillFile {
    file: File,
}

impl SpillFile {
    /// Its rows in the order written. The file is gone when the reader is.
    pub(crate) fn read(mut self) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        self.file.seek(SeekFrom::Start(0)).map_err(|error| spill_failed(ArrowError::from(error)))?;
        let buffered = BufReader::with_capacity(BUFFER_BYTES, self.file);
        let reader = StreamReader::try_new(buffered, None).map_err(spill_failed)?;
        Ok(reader.map(|batch| batch.map_err(spill_failed)))
    }
}

fn spill_failed(error: ArrowError) -> Error {
    match &error {
        ArrowError::IoError(_, cause) if is_full(cause) => full().caused_by(error),
        _ => Error::unavailable("rows cannot be kept in the scratch folder").caused_by(error),
    }
}

pub(crate) fn io_failed(folder: &Path, error: std::io::Error) -> Error {
    if is_full(&error) {
        return full().caused_by(error);
    }
    Error::unavailable("the scratch folder cannot be used").with("folder", folder.display()).caused_by(error)
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

fn full() -> Error {
    Error::limit("the disk of the scratch folder is full; free space, or set another folder")
}

/// Rows set aside in the order they came: in memory, and in a temporary file once they are more than a number of bytes.
#[derive(Debug)]
pub(crate) struct Spool {
    schema: SchemaRef,
    folder: PathBuf,
    max_bytes: usize,
    batches: Vec<RecordBatch>,
    bytes: usize,
    files: Vec<SpillFile>,
    rows: u64,
}

impl Spool {
    pub(crate) fn new(schema: SchemaRef, folder: &Path, max_bytes: usize) -> Self {
        Self { schema, folder: folder.to_owned(), max_bytes, batches: Vec::new(), bytes: 0, files: Vec::new(), rows: 0 }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        if self.bytes > self.max_bytes { self.spill() } else { Ok(()) }
    }

    /// Writes what is in memory to disk.
    pub(crate) fn spill(&mut self) -> Result<()> {
        if self.batches.is_empty() {
            return Ok(());
        }
        let mut writer = SpillWriter::create(&self.folder, &self.schema)?;
        for batch in self.batches.drain(..) {
            writer.write(&batch)?;
        }
        self.bytes = 0;
        self.files.push(writer.finish()?);
        Ok(())
    }

    /// The rows in the order they came.
    pub(crate) fn read(self) -> impl Iterator<Item = Result<RecordBatch>> + Send {
        let files = self.files.into_iter().flat_map(|file| match file.read() {
            Ok(batches) => Box::new(batches) as Box<dyn Iterator<Item = Result<RecordBatch>> + Send>,
            Err(error) => Box::new(std::iter::once(Err(error))),
        });
        files.chain(self.batches.into_iter().map(Ok))
    }
}
