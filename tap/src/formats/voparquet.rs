//! Parquet with VOTable metadata (VOParquet 1.0): a Parquet file whose footer holds a VOTable document without data, which describes the
//! columns in the same order.
//!
//! A row group is written when what is gathered for it reaches a bound, so memory does not grow with the result; what does grow are the
//! entries of the footer, some hundred bytes a column and row group.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use qserv_core::{Error, Result};

use super::delimited::broken_off;
use super::plain::{plain_batch, plain_schema};
use super::{Ending, Header, ResultWriter, SOFTWARE};
use crate::votable;

const VERSION_KEY: &str = "IVOA.VOTable-Parquet.version";
const CONTENT_KEY: &str = "IVOA.VOTable-Parquet.content";
const VERSION: &str = "1.0";

/// Encoded bytes of a row group: large enough that readers need few of them, small enough that a hundred answers at once fit memory.
const ROW_GROUP_BYTES: usize = 16 * 1024 * 1024;

/// Rows of a row group: narrow rows compress so well that a bound on bytes alone would gather them for long before anything is sent.
const ROW_GROUP_ROWS: usize = 1024 * 1024;

/// Cells that are encoded at once.
const CELLS_AT_ONCE: usize = 256 * 1024;

/// Writes Parquet.
pub(crate) struct ParquetWriter {
    schema: SchemaRef,
    /// The schema as it was answered, which the VOTable describes.
    answered: SchemaRef,
    header: Header,
    writer: ArrowWriter<Vec<u8>>,
}

impl ParquetWriter {
    /// A writer of this schema.
    ///
    /// # Errors
    /// [`Invalid`](qserv_core::ErrorKind::Invalid) if Parquet has no form for a column's type.
    pub(crate) fn new(answered: &SchemaRef, header: Header) -> Result<Self> {
        let schema = plain_schema(answered);
        let properties = WriterProperties::builder()
            .set_created_by(SOFTWARE.to_owned())
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(|error| {
            Error::invalid("a column's type cannot be written as Parquet; cast it").caused_by(error)
        })?;
        Ok(Self { schema, answered: answered.clone(), header, writer })
    }

    /// Hands on what is written. The writer counts bytes itself, so that it does not notice.
    fn hand_on(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.writer.sync().map_err(|error| cannot_write(error.into()))?;
        out.append(self.writer.inner_mut());
        Ok(())
    }
}

fn cannot_write(error: ParquetError) -> Error {
    Error::internal("the result cannot be written as Parquet").caused_by(error)
}

impl ResultWriter for ParquetWriter {
    fn begin(&mut self, _out: &mut Vec<u8>) {}

    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.writer.write(&plain_batch(&self.schema, batch)?).map_err(cannot_write)?;
        self.hand_on(out)
    }

    fn end(&mut self, ending: Ending<'_>, out: &mut Vec<u8>) -> Result<()> {
        if let Ending::Failed(error) = ending {
            return Err(broken_off(error));
        }
        let content = votable::description(&self.answered, &self.header, ending);
        self.writer.append_key_value_metadata(KeyValue::new(VERSION_KEY.to_owned(), VERSION.to_owned()));
        self.writer.append_key_value_metadata(KeyValue::new(CONTENT_KEY.to_owned(), content));
        self.writer.finish().map_err(cannot_write)?;
        self.hand_on(out)
    }

    fn cells_at_once(&self) -> usize {
        CELLS_AT_ONCE
    }
}
