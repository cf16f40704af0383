//! BINARY and BINARY2: rows of big-endian cells in one base64 stream.
//!
//! Rows are laid out column by column: first the length of every row, so that each row's place is known, then one column's cells
//! after the other, each at its row's cursor. A tight loop over one type beats a choice of type for every cell.

use std::ops::Range;

use arrow::array::{Array, ArrowPrimitiveType, ListArray, PrimitiveArray};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qserv_core::{Error, Result};

use crate::columns::{Block, Datatype, Length, ResultColumn, Values, elements_of};

/// Bytes of the element count before a cell of variable length.
const COUNT_WIDTH: usize = 4;

/// How NULL is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NullStyle {
    /// A bit a cell before each row (BINARY2).
    Flags,
    /// A number set aside (BINARY).
    Values,
}

/// Encodes rows; its buffers are used again for each block.
pub(super) struct BinaryRows {
    null_style: NullStyle,
    /// Bytes that are not yet base64: the rows at work, and before them the bytes that did not fill a group of three.
    raw: Vec<u8>,
    /// Where each row begins in `raw`.
    starts: Vec<usize>,
    /// Where each row's next cell goes in `raw`.
    cursors: Vec<usize>,
}

impl BinaryRows {
    pub(super) fn new(null_style: NullStyle) -> Self {
        Self { null_style, raw: Vec::new(), starts: Vec::new(), cursors: Vec::new() }
    }

    pub(super) fn null_style(&self) -> NullStyle {
        self.null_style
    }

    /// Appends rows to the stream.
    pub(super) fn put(&mut self, columns: &[ResultColumn], block: &Block, out: &mut Vec<u8>) -> Result<()> {
        let rows = 0..block.rows;
        let before = self.raw.len();
        self.lay_out(columns, block, rows.clone())?;
        if self.null_style == NullStyle::Flags {
            self.put_null_flags(block, &rows);
        }
        for (column, values) in columns.iter().zip(&block.columns) {
            // A row that cannot be written must not stand half written in the stream.
            put_column(column, values, rows.clone(), &mut self.cursors, &mut self.raw)
                .inspect_err(|_| self.raw.truncate(before))?;
        }
        let whole = self.raw.len() / 3 * 3;
        put_base64(&self.raw[..whole], out);
        self.raw.drain(..whole);
        Ok(())
    }

    /// Appends what is left of the stream.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        put_base64(&self.raw, out);
        self.raw.clear();
    }

    /// Finds each row's place and makes room for all; fails before it has touched `raw`.
    fn lay_out(&mut self, columns: &[ResultColumn], block: &Block, rows: Range<usize>) -> Result<()> {
        let flags = match self.null_style {
            NullStyle::Flags => columns.len().div_ceil(8),
            NullStyle::Values => 0,
        };
        let fixed: usize = columns.iter().map(fixed_width).sum();
        self.cursors.clear();
        self.cursors.resize(rows.len(), flags + fixed);
        for (column, values) in columns.iter().zip(&block.columns) {
            add_variable_widths(column, values, rows.clone(), &mut self.cursors)?;
        }
        self.starts.clear();
        let mut next = self.raw.len();
        for cursor in &mut self.cursors {
            self.starts.push(next);
            let length = *cursor;
            *cursor = next + flags;
            next += length;
        }
        self.raw.resize(next, 0);
        Ok(())
    }

    /// Sets the bit of each NULL: the highest bit of the first byte is the first column's.
    fn put_null_flags(&mut self, block: &Block, rows: &Range<usize>) {
        for (index, values) in block.columns.iter().enumerate() {
            let Some(nulls) = values.nulls() else { continue };
            for (start, row) in self.starts.iter().zip(rows.clone()) {
                if nulls.is_null(row)
                    && let Some(byte) = self.raw.get_mut(start + index / 8)
                {
                    *byte |= 0x80 >> (index % 8);
                }
            }
        }
    }
}

fn put_base64(raw: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + raw.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(raw, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

/// Bytes that every cell of the column takes, before what [`add_variable_widths`] adds.
fn fixed_width(column: &ResultColumn) -> usize {
    match column.length {
        Length::One => column.datatype.width(),
        Length::Fixed(length) => length * column.datatype.width(),
        Length::Any => COUNT_WIDTH,
    }
}

/// Adds each cell's own bytes to its row's length.
fn add_variable_widths(
    column: &ResultColumn,
    values: &Values,
    rows: Range<usize>,
    lengths: &mut [usize],
) -> Result<()> {
    if column.length != Length::Any {
        return Ok(());
    }
    for (length, row) in lengths.iter_mut().zip(rows) {
        if !values.is_null(row) {
            *length += element_count(column, values, row)? * column.datatype.width();
        }
    }
    Ok(())
}

/// Elements of a cell that is not NULL.
fn element_count(column: &ResultColumn, values: &Values, row: usize) -> Result<usize> {
    match values {
        Values::List(array, _) => Ok(elements_of(column, array, row)?.len()),
        Values::Bytes(array) => Ok(array.value(row).len()),
        _ => {
            let text = values.text(row).unwrap_or_default();
            match column.datatype {
                _ if text.is_ascii() => Ok(text.len()),
                Datatype::UnicodeChar => Ok(text.encode_utf16().count()),
                _ => Err(Error::data(format!(
                    "column \"{}\" is declared to hold ASCII text (char), but a value does not; ask for it as \
                     votable/td or csv, or declare the column as unicode",
                    column.name
                ))),
            }
        }
    }
}

/// Writes one column's cells at the rows' cursors and moves these on.
fn put_column(
    column: &ResultColumn,
    values: &Values,
    rows: Range<usize>,
    cursors: &mut [usize],
    raw: &mut [u8],
) -> Result<()> {
    match values {
        // No number stands for NULL in a byte: where none can be flagged, the column is wider.
        Values::Byte(array) => put_numbers(array, rows, 0, u8::to_be_bytes, cursors, raw),
        Values::Short(array) => put_numbers(array, rows, i16::MIN, i16::to_be_bytes, cursors, raw),
        Values::Int(array) => put_numbers(array, rows, i32::MIN, i32::to_be_bytes, cursors, raw),
        Values::Long(array) => put_numbers(array, rows, i64::MIN, i64::to_be_bytes, cursors, raw),
        Values::Float(array) => put_numbers(array, rows, f32::NAN, f32::to_be_bytes, cursors, raw),
        Values::Double(array) => put_numbers(array, rows, f64::NAN, f64::to_be_bytes, cursors, raw),
        Values::Boolean(array) => {
            for (cursor, row) in cursors.iter_mut().zip(rows) {
                put(&[boolean(array.is_null(row), array.value(row))], cursor, raw);
            }
        }
        Values::Bytes(array) => {
            for (cursor, row) in cursors.iter_mut().zip(rows) {
                let bytes = if array.is_null(row) { &[] } else { array.value(row) };
                put_count(bytes.len(), cursor, raw);
                put(bytes, cursor, raw);
            }
        }
        Values::Text(_) | Values::LargeText(_) | Values::TextView(_) => {
            for (cursor, row) in cursors.iter_mut().zip(rows) {
                let text = if values.is_null(row) { "" } else { values.text(row).unwrap_or_default() };
                put_text(column.datatype, text, cursor, raw);
            }
        }
        Values::List(array, elements) => {
            for (cursor, row) in cursors.iter_mut().zip(rows) {
                put_list(column, array, elements, row, cursor, raw)?;
            }
        }
    }
    Ok(())
}

fn put_numbers<T: ArrowPrimitiveType, const N: usize>(
    array: &PrimitiveArray<T>,
    rows: Range<usize>,
    null: T::Native,
    bytes: fn(T::Native) -> [u8; N],
    cursors: &mut [usize],
    raw: &mut [u8],
) {
    let values = &array.values()[rows.clone()];
    match array.nulls() {
        None => {
            for (cursor, value) in cursors.iter_mut().zip(values) {
                put(&bytes(*value), cursor, raw);
            }
        }
        Some(nulls) => {
            for ((cursor, value), row) in cursors.iter_mut().zip(values).zip(rows) {
                put(&bytes(if nulls.is_null(row) { null } else { *value }), cursor, raw);
            }
        }
    }
}

fn put_text(datatype: Datatype, text: &str, cursor: &mut usize, raw: &mut [u8]) {
    if datatype == Datatype::Char {
        put_count(text.len(), cursor, raw);
        put(text.as_bytes(), cursor, raw);
        return;
    }
    let count_at = *cursor;
    *cursor += COUNT_WIDTH;
    let mut count = 0;
    for unit in text.encode_utf16() {
        put(&unit.to_be_bytes(), cursor, raw);
        count += 1;
    }
    put_count(count, &mut { count_at }, raw);
}

/// An array; NULL in a column of fixed length is filled with what stands for NULL in its elements.
fn put_list(
    column: &ResultColumn,
    array: &ListArray,
    elements: &Values,
    row: usize,
    cursor: &mut usize,
    raw: &mut [u8],
) -> Result<()> {
    if array.is_null(row) {
        match column.length {
            Length::Fixed(length) => (0..length).for_each(|_| put_null_element(elements, cursor, raw)),
            Length::One | Length::Any => put_count(0, cursor, raw),
        }
        return Ok(());
    }
    let range = elements_of(column, array, row)?;
    if column.length == Length::Any {
        put_count(range.len(), cursor, raw);
    }
    for element in range {
        if elements.is_null(element) {
            put_null_element(elements, cursor, raw);
            continue;
        }
        match elements {
            Values::Boolean(array) => put(&[boolean(false, array.value(element))], cursor, raw),
            Values::Short(array) => put(&array.value(element).to_be_bytes(), cursor, raw),
            Values::Int(array) => put(&array.value(element).to_be_bytes(), cursor, raw),
            Values::Long(array) => put(&array.value(element).to_be_bytes(), cursor, raw),
            Values::Float(array) => put(&array.value(element).to_be_bytes(), cursor, raw),
            Values::Double(array) => put(&array.value(element).to_be_bytes(), cursor, raw),
            _ => {}
        }
    }
    Ok(())
}

fn put_null_element(elements: &Values, cursor: &mut usize, raw: &mut [u8]) {
    match elements {
        Values::Boolean(_) => put(&[boolean(true, false)], cursor, raw),
        Values::Short(_) => put(&i16::MIN.to_be_bytes(), cursor, raw),
        Values::Int(_) => put(&i32::MIN.to_be_bytes(), cursor, raw),
        Values::Long(_) => put(&i64::MIN.to_be_bytes(), cursor, raw),
        Values::Float(_) => put(&f32::NAN.to_be_bytes(), cursor, raw),
        Values::Double(_) => put(&f64::NAN.to_be_bytes(), cursor, raw),
        _ => {}
    }
}

fn boolean(is_null: bool, value: bool) -> u8 {
    match (is_null, value) {
        (true, _) => b'?',
        (false, true) => b'T',
        (false, false) => b'F',
    }
}

fn put_count(count: usize, cursor: &mut usize, raw: &mut [u8]) {
    // Arrow offsets are 32 bits wide, and a LargeUtf8 value of 4 GiB does not pass through a batch.
    put(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes(), cursor, raw);
}

#[inline]
fn put(bytes: &[u8], cursor: &mut usize, raw: &mut [u8]) {
    let end = *cursor + bytes.len();
    if let Some(cell) = raw.get_mut(*cursor..end) {
        cell.copy_from_slice(bytes);
    }
    *cursor = end;
}
