//! Arrow's IPC stream: the batches as they are, with units, UCDs and the like as metadata of the fields.
//!
//! The format has no place for what becomes known behind the rows, so it does not tell that MAXREC cut a result.

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use qserv_core::{Error, Result};

use super::delimited::broken_off;
use super::plain::{plain_batch, plain_schema};
use super::{Ending, ResultWriter};

/// Cells of a batch in the stream: a batch costs some hundred bytes a column.
const CELLS_AT_ONCE: usize = 256 * 1024;

/// Writes an Arrow stream.
pub(crate) struct ArrowWriter {
    schema: SchemaRef,
    writer: StreamWriter<Vec<u8>>,
}

impl ArrowWriter {
    /// A writer of this schema.
    ///
    /// # Errors
    /// [`Invalid`](qserv_core::ErrorKind::Invalid) if the stream has no form for a column's type.
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self> {
        let schema = plain_schema(schema);
        let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(|error| {
            Error::invalid("a column's type cannot be written as an Arrow stream; cast it").caused_by(error)
        })?;
        Ok(Self { schema, writer })
    }

    fn hand_on(&mut self, out: &mut Vec<u8>) {
        let written = self.writer.get_mut();
        out.append(written);
    }
}

fn cannot_write(error: ArrowError) -> Error {
    Error::internal("the result cannot be written as an Arrow stream").caused_by(error)
}

impl ResultWriter for ArrowWriter {
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.hand_on(out);
    }

    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.writer.write(&plain_batch(&self.schema, batch)?).map_err(cannot_write)?;
        self.hand_on(out);
        Ok(())
    }

    fn end(&mut self, ending: Ending<'_>, out: &mut Vec<u8>) -> Result<()> {
        if let Ending::Failed(error) = ending {
            return Err(broken_off(error));
        }
        self.writer.finish().map_err(cannot_write)?;
        self.hand_on(out);
        Ok(())
    }

    fn cells_at_once(&self) -> usize {
        CELLS_AT_ONCE
    }
}
