//! The files of an export: one a part, hashed as they are written.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use qserv_core::{Error, Result};
use sha2::{Digest, Sha256};

use super::state::PartRecord;
use crate::arguments::ExportFormat;
use crate::terminal::output_error;

/// Rows of a row group of Parquet: what a part holds in memory until it is written.
const GROUP_ROWS: usize = 256 << 10;

/// A part on its way to its file.
pub(super) struct PartFile {
    writer: Writer,
    temporary: PathBuf,
    rows: u64,
}

enum Writer {
    Parquet(Box<ArrowWriter<Hashed>>),
    Arrow(Box<FileWriter<Hashed>>),
    Csv(Box<arrow_csv::Writer<Hashed>>),
}

/// A file that knows its length and its checksum.
struct Hashed {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.hash.update(buffer.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable("the rows cannot be written in this format").caused_by(error)
}

impl PartFile {
    pub(super) fn create(temporary: PathBuf, format: ExportFormat, schema: &SchemaRef) -> Result<Self> {
        let file = File::create(&temporary).map_err(|error| output_error(error).with("file", temporary.display()))?;
        let hashed = Hashed { file: BufWriter::with_capacity(1 << 20, file), hash: Sha256::new(), bytes: 0 };
        let writer = match format {
            ExportFormat::Parquet => {
                let level = ZstdLevel::try_new(1).map_err(unwritable)?;
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(level))
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(hashed, SchemaRef::clone(schema), Some(properties));
                Writer::Parquet(Box::new(writer.map_err(unwritable)?))
            }
            ExportFormat::Arrow => Writer::Arrow(Box::new(FileWriter::try_new(hashed, schema).map_err(unwritable)?)),
            ExportFormat::Csv => Writer::Csv(Box::new(arrow_csv::Writer::new(hashed))),
        };
        Ok(Self { writer, temporary, rows: 0 })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        match &mut self.writer {
            Writer::Parquet(writer) => writer.write(batch).map_err(unwritable),
            Writer::Arrow(writer) => writer.write(batch).map_err(unwritable),
            Writer::Csv(writer) => writer.write(batch).map_err(unwritable),
        }
    }

    /// Ends the file, looks whether it has its rows, and gives it its name.
    pub(super) fn finish(self, path: &Path) -> Result<PartRecord> {
        let (is_parquet, mut hashed) = match self.writer {
            Writer::Parquet(writer) => (true, writer.into_inner().map_err(unwritable)?),
            Writer::Arrow(mut writer) => {
                writer.finish().map_err(unwritable)?;
                (false, writer.into_inner().map_err(unwritable)?)
            }
            Writer::Csv(writer) => (false, writer.into_inner()),
        };
        hashed.flush().and_then(|()| hashed.file.get_ref().sync_all()).map_err(output_error)?;
        if is_parquet {
            let file = File::open(&self.temporary).map_err(output_error)?;
            let written = SerializedFileReader::new(file).map_err(unwritable)?.metadata().file_metadata().num_rows();
            if u64::try_from(written).ok() != Some(self.rows) {
                return Err(Error::data("a file does not have the rows that were written").with("file", path.display()));
            }
        }
        std::fs::rename(&self.temporary, path).map_err(output_error)?;
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let sha256 = hashed.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(PartRecord { file, rows: self.rows, bytes: hashed.bytes, sha256 })
    }
}
