//! FITS: one binary table (FITS 4.0, section 7.3) behind an empty primary array.
//!
//! The header stands first and names the number of rows, the width of every text, and the number that stands for NULL. None of them is
//! known before the last row is. So the rows are put aside in a file on disk ([`Scratch`], within a bound) while they are surveyed
//! ([`survey`]); then the file is read once for the rows, and once more for the arrays of variable length, which FITS has behind all rows.
//! Memory is a batch and a chunk, and an error is told before anything was sent. The file is written and read by calls that block, a batch
//! or a buffer at a time: what was just written is in the machine's memory, and encoding takes as long.
//!
//! | VOTable | TFORM | |
//! |---|---|---|
//! | boolean | `L` | NULL is the byte 0 |
//! | short, int, long | `I`, `J`, `K` | if there are NULLs, TNULL names a number that is no value of the column |
//! | float, double | `E`, `D` | NULL is NaN, which FITS cannot tell from any other NaN |
//! | char, unicodeChar, moments | `nA` | *n* bytes of UTF-8, filled up with zeros; NULL and the empty text are one |
//! | a fixed number of elements | `nL` ... `nD` | NULL is NULL or NaN in each element |
//! | any number of elements, bytes | `PL` ... `PD`, `PB` | NULL and the empty array are one; `Q` beyond 2 GiB |
//!
//! FITS knows ASCII text only. What is beyond it is UTF-8, which astropy and others read, and older readers show byte by byte. In the header,
//! where it is forbidden, `?` stands for it. Text is as wide as its longest value, which all readers understand. Only where that would
//! make the file several times larger it is an array of variable length (`PA`), which not all show as text.

mod cards;
mod layout;
mod rows;
mod survey;

use std::io::{BufReader, BufWriter, Seek};

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use qserv_core::{Error, Result};

use self::layout::Layout;
use self::rows::Heap;
use self::survey::Survey;
use super::delimited::broken_off;
use super::plain::{plain_batch, plain_schema};
use super::scratch::{Scratch, ScratchFile};
use super::{Ending, Header, ResultWriter};
use crate::columns::{Block, ResultColumn, result_columns};

/// FITS files are a whole number of these.
const BLOCK_BYTES: u64 = 2880;

/// Columns that a binary table can have: the number behind TTYPE has at most three digits.
const MAX_COLUMNS: usize = 999;

/// Bytes of the file on disk that are written or read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Cells that are put aside at once.
const CELLS_AT_ONCE: usize = 256 * 1024;

/// Bytes of rows that are encoded at once.
const ROWS_BYTES: usize = 256 * 1024;

/// Writes FITS.
pub(crate) struct FitsWriter {
    columns: Vec<ResultColumn>,
    schema: SchemaRef,
    header: Header,
    scratch: Scratch,
    stage: Stage,
}

/// Where the writer is.
enum Stage {
    Gather(Box<Gathered>),
    Rows(Box<Sending>),
    Heap(Box<Sending>),
    Done,
}

/// Rows put aside, and what is known of them.
struct Gathered {
    file: StreamWriter<BufWriter<ScratchFile>>,
    survey: Survey,
}

/// Rows on their way out.
struct Sending {
    layout: Layout,
    file: StreamReader<BufReader<ScratchFile>>,
    /// The batch at work, and its first row that is not encoded yet.
    batch: Option<(RecordBatch, usize)>,
    heap: Heap,
    /// Bytes of the table so far, heap included.
    bytes: u64,
}

impl FitsWriter {
    /// A writer of this schema that puts rows aside in `scratch`.
    ///
    /// # Errors
    /// [`Invalid`](qserv_core::ErrorKind::Invalid) if there are more columns than a FITS table can have.
    pub(crate) fn new(schema: &SchemaRef, header: Header, scratch: &Scratch) -> Result<Self> {
        let columns: Vec<_> = result_columns(schema).into_iter().map(ResultColumn::with_room_for_null).collect();
        if columns.len() > MAX_COLUMNS {
            return Err(Error::invalid(format!("a FITS table has at most {MAX_COLUMNS} columns; ask for fewer"))
                .with("columns", columns.len()));
        }
        let schema = plain_schema(schema);
        let file = BufWriter::with_capacity(BUFFER_BYTES, scratch.file()?);
        let file = StreamWriter::try_new(file, &schema).map_err(|error| {
            Error::invalid("a column's type cannot be put aside, as FITS needs; cast it").caused_by(error)
        })?;
        let gathered = Gathered { file, survey: Survey::new(columns.len()) };
        Ok(Self { columns, schema, header, scratch: scratch.clone(), stage: Stage::Gather(Box::new(gathered)) })
    }

    fn explain(&self, error: ArrowError) -> Error {
        match error {
            ArrowError::IoError(_, error) => self.scratch.explain(error),
            error => Error::internal("the rows cannot be put aside").caused_by(error),
        }
    }

    /// Closes the file of rows and opens it for reading.
    fn reopen(&self, file: StreamWriter<BufWriter<ScratchFile>>) -> Result<StreamReader<BufReader<ScratchFile>>> {
        let buffered = file.into_inner().map_err(|error| self.explain(error))?;
        let file = buffered.into_inner().map_err(|error| self.scratch.explain(error.into_error()))?;
        self.read_again(file)
    }

    fn read_again(&self, mut file: ScratchFile) -> Result<StreamReader<BufReader<ScratchFile>>> {
        file.rewind().map_err(|error| self.scratch.explain(error))?;
        StreamReader::try_new(BufReader::with_capacity(BUFFER_BYTES, file), None).map_err(|error| self.explain(error))
    }

    /// Encodes some rows, or the heap's part of some rows; false if there are no more.
    fn send(&self, sending: &mut Sending, is_heap: bool, out: &mut Vec<u8>) -> Result<bool> {
        let (batch, next) = match sending.batch.take() {
            Some(at_work) => at_work,
            None => match sending.file.next() {
                None => return Ok(false),
                Some(batch) => (batch.map_err(|error| self.explain(error))?, 0),
            },
        };
        let rows = (ROWS_BYTES / sending.layout.row_bytes.max(1)).clamp(1, batch.num_rows().max(1));
        let rows = rows.min(batch.num_rows() - next);
        let block = Block::of(&self.columns, &batch.slice(next, rows))?;
        let before = out.len();
        if is_heap {
            rows::put_heap(&self.columns, &sending.layout, &block, out)?;
        } else {
            rows::put_rows(&self.columns, &sending.layout, &block, &mut sending.heap, out)?;
        }
        sending.bytes += (out.len() - before) as u64;
        sending.batch = (next + rows < batch.num_rows()).then_some((batch, next + rows));
        Ok(true)
    }
}

impl ResultWriter for FitsWriter {
    fn begin(&mut self, _out: &mut Vec<u8>) {}

    fn rows(&mut self, batch: &RecordBatch, _out: &mut Vec<u8>) -> Result<()> {
        let batch = plain_batch(&self.schema, batch)?;
        let Stage::Gather(gathered) = &mut self.stage else { return Ok(()) };
        gathered.survey.look(&self.columns, &Block::of(&self.columns, &batch)?)?;
        let written = gathered.file.write(&batch);
        written.map_err(|error| self.explain(error))
    }

    fn end(&mut self, ending: Ending<'_>, out: &mut Vec<u8>) -> Result<()> {
        let Stage::Gather(gathered) = std::mem::replace(&mut self.stage, Stage::Done) else { return Ok(()) };
        if let Ending::Failed(error) = ending {
            return Err(broken_off(error));
        }
        let Gathered { file, survey } = *gathered;
        let layout = Layout::of(&self.columns, &survey)?;
        layout::put_headers(&self.columns, &layout, &self.header, ending, out);
        let file = self.reopen(file)?;
        let sending = Sending { layout, file, batch: None, heap: Heap::default(), bytes: 0 };
        self.stage = Stage::Rows(Box::new(sending));
        Ok(())
    }

    fn more(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Rows(mut sending) => {
                if self.send(&mut sending, false, out)? {
                    self.stage = Stage::Rows(sending);
                } else if sending.layout.heap_bytes > 0 {
                    let Sending { layout, file, heap, bytes, .. } = *sending;
                    let file = self.read_again(file.get_ref().get_ref().clone())?;
                    self.stage = Stage::Heap(Box::new(Sending { layout, file, batch: None, heap, bytes }));
                } else {
                    pad(sending.bytes, out);
                }
                Ok(true)
            }
            Stage::Heap(mut sending) => {
                if self.send(&mut sending, true, out)? {
                    self.stage = Stage::Heap(sending);
                } else {
                    pad(sending.bytes, out);
                }
                Ok(true)
            }
            Stage::Gather(_) | Stage::Done => Ok(false),
        }
    }

    fn cells_at_once(&self) -> usize {
        CELLS_AT_ONCE
    }
}

/// Fills up the last block of a table of so many bytes.
fn pad(bytes: u64, out: &mut Vec<u8>) {
    let missing = bytes.next_multiple_of(BLOCK_BYTES) - bytes;
    out.extend(std::iter::repeat_n(0, usize::try_from(missing).unwrap_or(0)));
}

#[cfg(test)]
mod tests;
