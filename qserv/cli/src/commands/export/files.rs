//! The files of an export: one a part, hashed as they are written.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use qserv_core::{Error, Result};
use sha2::{Digest, Sha256};

use super::hats::{Position, Staged, Untaken};
use super::state::PartRecord;
use crate::terminal::output_error;

/// Rows of a row group of Parquet: what a part holds in memory until it is written.
const GROUP_ROWS: usize = 256 << 10;

/// How a file is written.
#[derive(Debug, Clone)]
pub(super) enum Layout {
    Parquet,
    Arrow,
    Csv,
    /// Sorted by where the rows lie on the sky: on their way into a catalog.
    Staged(Position),
}

/// A part on its way to its file.
pub(super) struct PartFile {
    writer: Writer,
    temporary: PathBuf,
    rows: u64,
    fault: Fault,
}

/// Why the file took no more: of their files' errors the writers of formats keep the text alone, if that.
#[derive(Clone, Default)]
struct Fault(Arc<OnceLock<io::ErrorKind>>);

impl Fault {
    fn of<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        outcome.inspect_err(|error| {
            // The first is the cause of the others.
            let _ = self.0.set(error.kind());
        })
    }

    /// What to tell of rows that were not taken.
    fn untaken(&self, untaken: Untaken) -> Error {
        match untaken {
            Untaken::Rows(error) => error,
            Untaken::File(error) => self.told(error),
        }
    }

    /// What to tell of a writer's error.
    fn told(&self, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        match self.0.get() {
            Some(kind) => output_error(io::Error::new(*kind, error)),
            None => Error::unavailable("the rows cannot be written in this format").caused_by(error),
        }
    }
}

enum Writer {
    Parquet(Box<ArrowWriter<Hashed>>),
    Arrow(Box<FileWriter<Hashed>>),
    Csv(Box<arrow_csv::Writer<Hashed>>),
    Staged(Box<Staged<Hashed>>),
}

/// A file that knows its length and its checksum.
struct Hashed {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
    fault: Fault,
}

impl Write for Hashed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.fault.of(self.file.write(buffer))?;
        self.hash.update(buffer.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.fault.of(self.file.flush())
    }
}

impl PartFile {
    pub(super) fn create(temporary: PathBuf, layout: Layout, schema: &SchemaRef) -> Result<Self> {
        let file = File::create(&temporary).map_err(|error| output_error(error).with("file", temporary.display()))?;
        let fault = Fault::default();
        let file = BufWriter::with_capacity(1 << 20, file);
        let hashed = Hashed { file, hash: Sha256::new(), bytes: 0, fault: fault.clone() };
        let writer = match layout {
            Layout::Parquet => {
                let level = ZstdLevel::try_new(1).map_err(|error| fault.told(error))?;
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(level))
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(hashed, SchemaRef::clone(schema), Some(properties));
                Writer::Parquet(Box::new(writer.map_err(|error| fault.told(error))?))
            }
            Layout::Arrow => {
                Writer::Arrow(Box::new(FileWriter::try_new(hashed, schema).map_err(|error| fault.told(error))?))
            }
            Layout::Csv => Writer::Csv(Box::new(arrow_csv::Writer::new(hashed))),
            Layout::Staged(position) => {
                let staged = Staged::new(hashed, schema, position).map_err(|untaken| fault.untaken(untaken))?;
                Writer::Staged(Box::new(staged))
            }
        };
        Ok(Self { writer, temporary, rows: 0, fault })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let fault = &self.fault;
        match &mut self.writer {
            Writer::Parquet(writer) => writer.write(batch).map_err(|error| fault.told(error)),
            Writer::Arrow(writer) => writer.write(batch).map_err(|error| fault.told(error)),
            Writer::Csv(writer) => writer.write(batch).map_err(|error| fault.told(error)),
            Writer::Staged(writer) => writer.write(batch).map_err(|untaken| fault.untaken(untaken)),
        }
    }

    /// Ends the file, looks whether it has its rows, and gives it its name.
    pub(super) fn finish(self, path: &Path) -> Result<PartRecord> {
        let fault = self.fault;
        let mut runs = None;
        let (is_parquet, mut hashed) = match self.writer {
            Writer::Parquet(writer) => (true, writer.into_inner().map_err(|error| fault.told(error))?),
            Writer::Arrow(mut writer) => {
                writer.finish().map_err(|error| fault.told(error))?;
                (false, writer.into_inner().map_err(|error| fault.told(error))?)
            }
            Writer::Csv(writer) => (false, writer.into_inner()),
            Writer::Staged(writer) => {
                let (hashed, known) = writer.finish().map_err(|untaken| fault.untaken(untaken))?;
                runs = Some(known);
                (false, hashed)
            }
        };
        hashed.flush().and_then(|()| hashed.file.get_ref().sync_all()).map_err(output_error)?;
        if is_parquet {
            let file = File::open(&self.temporary).map_err(output_error)?;
            let written = SerializedFileReader::new(file)
                .map_err(|error| fault.told(error))?
                .metadata()
                .file_metadata()
                .num_rows();
            if u64::try_from(written).ok() != Some(self.rows) {
                return Err(Error::data("a file does not have the rows that were written").with("file", path.display()));
            }
        }
        std::fs::rename(&self.temporary, path).map_err(output_error)?;
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let sha256 = hashed.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(PartRecord { file, rows: self.rows, bytes: hashed.bytes, sha256, runs })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};
    use qserv_core::ErrorKind;

    use super::*;

    #[test]
    fn a_full_disk_is_told_as_one() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1 << 18).map(|n| n * 7919 % 1_000_003)));
        let batch = RecordBatch::try_from_iter([("number", numbers)]).unwrap();
        for layout in [Layout::Parquet, Layout::Arrow, Layout::Csv] {
            let write = || {
                let mut file = PartFile::create(PathBuf::from("/dev/full"), layout.clone(), &batch.schema())?;
                file.write(&batch)?;
                file.finish(Path::new("/nowhere"))
            };
            let error = write().err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Limit, "{layout:?}: {error}");
        }
    }
}
