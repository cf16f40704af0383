//! FITS: the first binary table (BINTABLE) of a file.
//!
//! Rows are read one after the other; arrays of variable length lie behind all rows, in the heap, and are read from there one by one.
//! So a file has to be one that can be read at any place.

mod columns;
mod header;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::os::unix::fs::FileExt;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use qserv_core::{Error, Result};

use self::columns::{Cell, Scaling, Stored};
use self::header::Header;
use super::columns::{Builders, narrow};
use crate::format::limits;
use crate::read_error;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// Reads a binary table's rows.
pub(super) struct Fits {
    rows: BufReader<File>,
    /// The same file, read at places.
    heap: File,
    /// Where the heap begins in the file, and its bytes.
    heap_start: u64,
    heap_bytes: u64,
    file: String,
    cells: Vec<Cell>,
    builders: Builders,
    row_bytes: usize,
    row: u64,
    row_count: u64,
    buffer: Vec<u8>,
    array: Vec<u8>,
}

impl Fits {
    /// Reads up to the rows. `file` is the name in errors.
    ///
    /// # Errors
    /// `Data` if there is no binary table, or one that is not read.
    pub(super) fn open(file_at_start: File, file: &str) -> Result<Self> {
        let heap = file_at_start.try_clone().map_err(|error| read_error(error, file))?;
        let mut rows = BufReader::with_capacity(BUFFER_BYTES, file_at_start);
        let header = find_table(&mut rows, file)?;
        let start = rows.stream_position().map_err(|error| read_error(error, file))?;
        if header.get("ZTABLE") == Some("T") || header.get("ZIMAGE") == Some("T") {
            return Err(Error::data("the FITS table is compressed inside, which is not read; unpack it with funpack")
                .with("file", file));
        }
        let (columns, cells): (Vec<_>, Vec<_>) = columns::read(&header, file)?.into_iter().unzip();
        let row_bytes: usize = cells.iter().map(|cell: &Cell| cell.bytes).sum();
        let row_count = header.number("NAXIS2").and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        let table_bytes = (row_bytes as u64).checked_mul(row_count);
        let table_bytes =
            table_bytes.ok_or_else(|| Error::data("the FITS table has no possible size").with("file", file))?;
        let number = |keyword| header.number(keyword).and_then(|number: i64| u64::try_from(number).ok());
        let gap = number("THEAP").unwrap_or(table_bytes);
        let after = number("PCOUNT").unwrap_or(0);
        let builders = Builders::new(columns).map_err(|error| error.with("file", file))?;
        if row_bytes == 0 && row_count > 0 {
            return Err(Error::data("the rows of the FITS table hold nothing").with("file", file));
        }
        Ok(Self {
            rows,
            heap,
            heap_start: start.saturating_add(gap),
            heap_bytes: table_bytes.saturating_add(after).saturating_sub(gap),
            file: file.to_owned(),
            cells,
            builders,
            row_bytes,
            row: 0,
            row_count,
            buffer: Vec::new(),
            array: Vec::new(),
        })
    }

    /// The columns.
    pub(super) fn schema(&self) -> SchemaRef {
        self.builders.schema.clone()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut bytes = 0;
        while self.row < self.row_count && self.builders.rows() < limits::BATCH_ROWS && bytes < limits::BATCH_BYTES {
            self.row += 1;
            bytes += self.read_row()?;
            self.builders.end_row();
        }
        self.builders.finish()
    }

    fn read_row(&mut self) -> Result<usize> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(self.row_bytes, 0);
        if let Err(error) = self.rows.read_exact(&mut buffer) {
            return Err(match error.kind() {
                std::io::ErrorKind::UnexpectedEof => Error::data("the FITS table ends before its last row")
                    .with("file", &self.file)
                    .with("row", self.row),
                _ => read_error(error, &self.file),
            });
        }
        let mut start = 0;
        let mut bytes = self.row_bytes;
        for index in 0..self.cells.len() {
            let Some(cell) = self.cells.get(index).copied() else { break };
            let stored = buffer.get(start..start + cell.bytes).unwrap_or_default();
            start += cell.bytes;
            match cell.heap {
                None => self.push(index, cell, stored, cell.count)?,
                Some(width) => {
                    let count = self.read_array(cell, width, stored)?;
                    let mut array = std::mem::take(&mut self.array);
                    bytes += array.len();
                    self.push(index, cell, &array, count)?;
                    array.clear();
                    self.array = array;
                }
            }
        }
        self.buffer = buffer;
        Ok(bytes)
    }

    /// Reads an array of the heap; its elements.
    fn read_array(&mut self, cell: Cell, width: usize, descriptor: &[u8]) -> Result<usize> {
        self.array.clear();
        let damaged = |file: &str, row: u64| {
            Error::data("an array of the FITS table lies outside of its heap").with("file", file).with("row", row)
        };
        let (length, offset) = match (width, descriptor.as_chunks::<4>().0, descriptor.as_chunks::<8>().0) {
            (4, [length, offset], _) => {
                (u64::from(u32::from_be_bytes(*length)), u64::from(u32::from_be_bytes(*offset)))
            }
            (8, _, [length, offset]) => (u64::from_be_bytes(*length), u64::from_be_bytes(*offset)),
            // A descriptor that is repeated no times.
            _ => return Ok(0),
        };
        // Complex numbers are two elements each.
        let pair = if cell.count > 1 { 2 } else { 1 };
        let count = usize::try_from(length).ok().and_then(|length| length.checked_mul(pair));
        let count = count.ok_or_else(|| damaged(&self.file, self.row))?;
        let bytes = cell.stored.bytes(count);
        if bytes > limits::FIELD_BYTES {
            return Err(Error::limit("an array of the FITS table is longer than allowed")
                .with("file", &self.file)
                .with("row", self.row)
                .with("allowed bytes", limits::FIELD_BYTES));
        }
        if offset.checked_add(bytes as u64).is_none_or(|end| end > self.heap_bytes) {
            return Err(damaged(&self.file, self.row));
        }
        self.array.resize(bytes, 0);
        let place = self.heap_start.saturating_add(offset);
        // This leaves the place at which rows are read as it is.
        self.heap.read_exact_at(&mut self.array, place).map_err(|error| read_error(error, &self.file))?;
        Ok(count)
    }

    /// Adds the elements of one cell.
    fn push(&mut self, index: usize, cell: Cell, stored: &[u8], count: usize) -> Result<()> {
        let Some(builder) = self.builders.builders.get_mut(index) else { return Ok(()) };
        let pushed = match (cell.stored, cell.scaling) {
            (Stored::Text, _) => {
                // Blanks behind a text mean nothing; a text that is not there begins with its end, or is blank.
                let text = narrow(stored);
                match text.trim_end_matches(' ') {
                    "" => {
                        builder.push_null();
                        Ok(())
                    }
                    text => builder.push_str(text),
                }
            }
            (Stored::Bit, _) => builder.push_bits(stored, count),
            (_, Scaling::Linear { scale, zero }) => {
                let value = |number: Option<f64>| number.map(|number| zero + scale * number);
                builder.push_doubles(numbers(cell, stored).map(value))
            }
            (_, Scaling::Flip) => {
                let mut flipped = stored.to_vec();
                flipped.chunks_exact_mut(cell.stored.width()).for_each(|number| {
                    if let Some(first) = number.first_mut() {
                        *first ^= 0x80;
                    }
                });
                builder.push_binary(&flipped)
            }
            (_, Scaling::None) => builder.push_binary(stored),
        };
        pushed.map_err(|fault| self.builders.fault(fault, index, self.row, stored).with("file", &self.file))
    }
}

impl Iterator for Fits {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch();
        if next.is_err() {
            self.row = self.row_count;
        }
        next.transpose()
    }
}

/// Stored numbers as doubles, without those that stand for NULL.
fn numbers(cell: Cell, stored: &[u8]) -> impl Iterator<Item = Option<f64>> {
    let width = cell.stored.width();
    stored.chunks_exact(width).map(move |bytes| {
        #[allow(clippy::cast_precision_loss, reason = "FITS defines scaled integers as floating-point numbers")]
        let integer = |number: i64| (Some(number) != cell.null).then_some(number as f64);
        match (cell.stored, bytes) {
            (Stored::Float, bytes) => bytes.first_chunk().map(|bytes| f64::from(f32::from_be_bytes(*bytes))),
            (Stored::Double, bytes) => bytes.first_chunk().map(|bytes| f64::from_be_bytes(*bytes)),
            (Stored::Byte, bytes) => bytes.first().and_then(|byte| integer(i64::from(*byte))),
            (Stored::Short, bytes) => {
                bytes.first_chunk().and_then(|bytes| integer(i64::from(i16::from_be_bytes(*bytes))))
            }
            (Stored::Int, bytes) => {
                bytes.first_chunk().and_then(|bytes| integer(i64::from(i32::from_be_bytes(*bytes))))
            }
            (Stored::Long, bytes) => bytes.first_chunk().and_then(|bytes| integer(i64::from_be_bytes(*bytes))),
            _ => None,
        }
    })
}

/// Reads headers up to that of the first binary table.
fn find_table(rows: &mut BufReader<File>, file: &str) -> Result<Header> {
    let mut is_first = true;
    while let Some(header) = Header::read(rows, file)? {
        if header.get("XTENSION") == Some("BINTABLE") {
            return Ok(header);
        }
        is_first = false;
        let bytes = header.data_bytes().and_then(|bytes| i64::try_from(bytes).ok());
        let bytes =
            bytes.ok_or_else(|| Error::data("a part of the FITS file has no possible size").with("file", file))?;
        rows.seek_relative(bytes).map_err(|error| read_error(error, file))?;
    }
    let what = if is_first { "this is no FITS file" } else { "this FITS file has no binary table" };
    Err(Error::data(what).with("file", file))
}
