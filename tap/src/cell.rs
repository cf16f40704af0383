//! One value as text, for the formats that are text. Floating point numbers are written with the fewest digits that read back to
//! the same bits.

use qserv_core::{Error, Result};

use crate::columns::{Length, ResultColumn, Values};

/// How a format spells what has no digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spelling {
    /// Positive infinity.
    pub(crate) infinity: &'static str,
    /// Negative infinity.
    pub(crate) minus_infinity: &'static str,
    /// Whether bytes are numbers with blanks between them (VOTable) or hexadecimal digits.
    pub(crate) bytes_are_numbers: bool,
}

/// Appends a value that is neither NULL nor text. Its characters are digits, letters, signs, points and blanks only, so that no format
/// must quote it.
///
/// # Errors
/// [`Data`](qserv_core::ErrorKind::Data) if an array has another length than its column announces.
pub(crate) fn put(
    column: &ResultColumn,
    values: &Values,
    row: usize,
    spelling: Spelling,
    out: &mut Vec<u8>,
) -> Result<()> {
    match values {
        Values::Boolean(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
        Values::Short(array) => put_integer(array.value(row), out),
        Values::Int(array) => put_integer(array.value(row), out),
        Values::Long(array) => put_integer(array.value(row), out),
        Values::Float(array) => put_float(array.value(row), spelling, out),
        Values::Double(array) => put_double(array.value(row), spelling, out),
        Values::Bytes(array) if spelling.bytes_are_numbers => {
            for (index, byte) in array.value(row).iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                put_integer(*byte, out);
            }
        }
        Values::Bytes(array) => {
            for byte in array.value(row) {
                out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
            }
        }
        Values::List(array, elements) => {
            let range = element_range(column, array, row)?;
            for (index, element) in range.enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                if elements.is_null(element) {
                    put_null_element(elements, out);
                } else {
                    put(column, elements, element, spelling, out)?;
                }
            }
        }
        Values::Text(_) | Values::LargeText(_) | Values::TextView(_) => {
            out.extend_from_slice(values.text(row).unwrap_or_default().as_bytes());
        }
    }
    Ok(())
}

/// The elements of a row's array.
///
/// # Errors
/// [`Data`](qserv_core::ErrorKind::Data) if there are not as many as the column announces.
pub(crate) fn element_range(
    column: &ResultColumn,
    array: &arrow::array::ListArray,
    row: usize,
) -> Result<std::ops::Range<usize>> {
    let offsets = array.value_offsets();
    let bound = |index: usize| offsets.get(index).and_then(|&offset| usize::try_from(offset).ok()).unwrap_or(0);
    let range = bound(row)..bound(row + 1);
    match column.length {
        Length::Fixed(length) if range.len() != length => Err(Error::data(format!(
            "column \"{}\" holds an array of {} elements where each must have {length}",
            column.name,
            range.len()
        ))),
        _ => Ok(range),
    }
}

/// Appends an integer.
pub(crate) fn put_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn put_float(value: f32, spelling: Spelling, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        put_not_finite(f64::from(value), spelling, out);
    }
}

fn put_double(value: f64, spelling: Spelling, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        put_not_finite(value, spelling, out);
    }
}

fn put_not_finite(value: f64, spelling: Spelling, out: &mut Vec<u8>) {
    let text = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        spelling.infinity
    } else {
        spelling.minus_infinity
    };
    out.extend_from_slice(text.as_bytes());
}

/// A NULL inside an array: no format has a word for it, so it is what stands for NULL in a scalar of the type.
fn put_null_element(elements: &Values, out: &mut Vec<u8>) {
    match elements {
        Values::Boolean(_) => out.push(b'?'),
        Values::Short(_) => put_integer(i16::MIN, out),
        Values::Int(_) => put_integer(i32::MIN, out),
        Values::Long(_) => put_integer(i64::MIN, out),
        _ => out.extend_from_slice(b"NaN"),
    }
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + (value - 10) }
}
