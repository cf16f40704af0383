//! Rows of big-endian cells of fixed width, and behind all rows the heap of arrays of variable length.
//!
//! Cells are written column by column: a tight loop over one type beats a choice of type for every cell.

use arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray};
use qserv_core::Result;

use super::layout::{ColumnLayout, Form, Layout, element_bytes};
use super::survey::length;
use crate::columns::{Block, ResultColumn, Values, elements_of};

/// How much of the heap the rows so far refer to.
#[derive(Debug, Default)]
pub(super) struct Heap {
    used_bytes: u64,
}

/// Appends rows.
pub(super) fn put_rows(
    columns: &[ResultColumn],
    layout: &Layout,
    block: &Block,
    heap: &mut Heap,
    out: &mut Vec<u8>,
) -> Result<()> {
    let start = out.len();
    out.resize(start + block.rows * layout.row_bytes, 0);
    let raw = &mut out[start..];
    for ((column, place), values) in columns.iter().zip(&layout.columns).zip(&block.columns) {
        let mut cells = Cells { raw, offset: place.offset, row_bytes: layout.row_bytes };
        match (place.form, values) {
            (Form::Heap, _) => put_descriptors(column, layout, values, block.rows, heap, &mut cells)?,
            (Form::Text(_), _) => {
                for row in (0..block.rows).filter(|&row| !values.is_null(row)) {
                    cells.put(row, values.text(row).unwrap_or_default().as_bytes());
                }
            }
            (Form::Elements(_), Values::List(array, elements)) => {
                let width = element_bytes(column);
                for row in 0..block.rows {
                    let range = if array.is_null(row) { None } else { Some(elements_of(column, array, row)?) };
                    let Form::Elements(count) = place.form else { continue };
                    for index in 0..count {
                        let element = range.as_ref().map(|range| range.start + index);
                        put_element(elements, element, place, |bytes| cells.put_at(row, index * width, bytes));
                    }
                }
            }
            (Form::Elements(_), _) => put_scalars(values, place, block.rows, &mut cells),
        }
    }
    Ok(())
}

/// Appends the arrays to which the descriptors of these rows refer, in the same order.
pub(super) fn put_heap(columns: &[ResultColumn], layout: &Layout, block: &Block, out: &mut Vec<u8>) -> Result<()> {
    for ((column, place), values) in columns.iter().zip(&layout.columns).zip(&block.columns) {
        if place.form != Form::Heap {
            continue;
        }
        for row in (0..block.rows).filter(|&row| !values.is_null(row)) {
            match values {
                Values::Bytes(array) => out.extend_from_slice(array.value(row)),
                Values::List(array, elements) => {
                    for element in elements_of(column, array, row)? {
                        put_element(elements, Some(element), place, |bytes| out.extend_from_slice(bytes));
                    }
                }
                _ => out.extend_from_slice(values.text(row).unwrap_or_default().as_bytes()),
            }
        }
    }
    Ok(())
}

/// One column's cells in the rows at work.
struct Cells<'a> {
    raw: &'a mut [u8],
    offset: usize,
    row_bytes: usize,
}

impl Cells<'_> {
    #[inline]
    fn put(&mut self, row: usize, bytes: &[u8]) {
        self.put_at(row, 0, bytes);
    }

    #[inline]
    fn put_at(&mut self, row: usize, offset: usize, bytes: &[u8]) {
        let start = row * self.row_bytes + self.offset + offset;
        if let Some(cell) = self.raw.get_mut(start..start + bytes.len()) {
            cell.copy_from_slice(bytes);
        }
    }
}

fn put_descriptors(
    column: &ResultColumn,
    layout: &Layout,
    values: &Values,
    rows: usize,
    heap: &mut Heap,
    cells: &mut Cells<'_>,
) -> Result<()> {
    for row in 0..rows {
        let count = if values.is_null(row) { 0 } else { length(column, values, row)? as u64 };
        if layout.is_long_heap {
            cells.put(row, &count.to_be_bytes());
            cells.put_at(row, 8, &heap.used_bytes.to_be_bytes());
        } else {
            // The heap is known to be within 32 bits.
            let short = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
            cells.put(row, &short(count));
            cells.put_at(row, 4, &short(heap.used_bytes));
        }
        heap.used_bytes += count * element_bytes(column) as u64;
    }
    Ok(())
}

fn put_scalars(values: &Values, place: &ColumnLayout, rows: usize, cells: &mut Cells<'_>) {
    match values {
        Values::Byte(array) => put_numbers(array, 0, u8::to_be_bytes, cells),
        Values::Short(array) => put_numbers(array, short(place), i16::to_be_bytes, cells),
        Values::Int(array) => put_numbers(array, int(place), i32::to_be_bytes, cells),
        Values::Long(array) => put_numbers(array, long(place), i64::to_be_bytes, cells),
        Values::Float(array) => put_numbers(array, f32::NAN, f32::to_be_bytes, cells),
        Values::Double(array) => put_numbers(array, f64::NAN, f64::to_be_bytes, cells),
        _ => (0..rows).for_each(|row| put_element(values, Some(row), place, |bytes| cells.put(row, bytes))),
    }
}

fn put_numbers<T: ArrowPrimitiveType, const N: usize>(
    array: &PrimitiveArray<T>,
    null: T::Native,
    bytes: fn(T::Native) -> [u8; N],
    cells: &mut Cells<'_>,
) {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    for (row, value) in array.values().iter().enumerate() {
        let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
        cells.put(row, &bytes(if is_null { null } else { *value }));
    }
}

/// One value or element; `None` is NULL.
#[inline]
fn put_element(values: &Values, element: Option<usize>, place: &ColumnLayout, mut put: impl FnMut(&[u8])) {
    let element = element.filter(|&element| !values.is_null(element));
    match values {
        Values::Boolean(array) => put(match element {
            Some(element) if array.value(element) => b"T",
            Some(_) => b"F",
            None => &[0],
        }),
        Values::Short(array) => put(&element.map_or(short(place), |element| array.value(element)).to_be_bytes()),
        Values::Int(array) => put(&element.map_or(int(place), |element| array.value(element)).to_be_bytes()),
        Values::Long(array) => put(&element.map_or(long(place), |element| array.value(element)).to_be_bytes()),
        Values::Float(array) => put(&element.map_or(f32::NAN, |element| array.value(element)).to_be_bytes()),
        Values::Double(array) => put(&element.map_or(f64::NAN, |element| array.value(element)).to_be_bytes()),
        _ => {}
    }
}

/// The number for NULL in each width; where there is no NULL it is never written.
fn short(place: &ColumnLayout) -> i16 {
    place.null.and_then(|null| i16::try_from(null).ok()).unwrap_or(i16::MIN)
}

fn int(place: &ColumnLayout) -> i32 {
    place.null.and_then(|null| i32::try_from(null).ok()).unwrap_or(i32::MIN)
}

fn long(place: &ColumnLayout) -> i64 {
    place.null.unwrap_or(i64::MIN)
}
