//! One value as text, for the formats that are text. Floating point numbers are written with the fewest digits that read back to
//! the same bits.

use std::ops::Range;

use qserv_core::Result;

use crate::columns::{ResultColumn, Values, elements_of};

/// How a format spells what has no digits, and what has several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spelling {
    /// What is no number.
    pub(crate) nan: &'static str,
    /// Positive infinity.
    pub(crate) infinity: &'static str,
    /// Negative infinity.
    pub(crate) minus_infinity: &'static str,
    /// Whether bytes are numbers like the elements of an array (VOTable) or hexadecimal digits.
    pub(crate) bytes_are_numbers: bool,
    /// What stands before, between and behind the elements of an array.
    pub(crate) array: [&'static str; 3],
    /// NULL inside an array; without a word for it, it is what stands for NULL in a scalar of the type.
    pub(crate) null_element: Option<&'static str>,
}

/// Appends a value that is not NULL; text by `put_text`. The characters of all others are digits, letters, signs, points and what the
/// spelling has for arrays only, so that no format must quote them.
///
/// # Errors
/// [`Data`](qserv_core::ErrorKind::Data) if an array has another length than its column announces.
#[inline]
pub(crate) fn put(
    column: &ResultColumn,
    values: &Values,
    row: usize,
    spelling: &Spelling,
    put_text: impl Fn(&str, &mut Vec<u8>),
    out: &mut Vec<u8>,
) -> Result<()> {
    match values {
        Values::Boolean(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
        Values::Byte(array) => put_integer(array.value(row), out),
        Values::Short(array) => put_integer(array.value(row), out),
        Values::Int(array) => put_integer(array.value(row), out),
        Values::Long(array) => put_integer(array.value(row), out),
        Values::Float(array) => put_float(array.value(row), spelling, out),
        Values::Double(array) => put_double(array.value(row), spelling, out),
        Values::Bytes(array) => put_bytes(array.value(row), spelling, out),
        Values::Text(array) => put_text(array.value(row), out),
        Values::LargeText(array) => put_text(array.value(row), out),
        Values::TextView(array) => put_text(array.value(row), out),
        Values::List(array, elements) => put_array(elements, elements_of(column, array, row)?, spelling, out),
    }
    Ok(())
}

fn put_array(elements: &Values, range: Range<usize>, spelling: &Spelling, out: &mut Vec<u8>) {
    let [before, between, behind] = spelling.array;
    out.extend_from_slice(before.as_bytes());
    for element in range.clone() {
        if element > range.start {
            out.extend_from_slice(between.as_bytes());
        }
        match elements {
            _ if elements.is_null(element) => match spelling.null_element {
                Some(null) => out.extend_from_slice(null.as_bytes()),
                None => put_null_element(elements, out),
            },
            Values::Boolean(array) => out.extend_from_slice(if array.value(element) { b"true" } else { b"false" }),
            Values::Short(array) => put_integer(array.value(element), out),
            Values::Int(array) => put_integer(array.value(element), out),
            Values::Long(array) => put_integer(array.value(element), out),
            Values::Float(array) => put_float(array.value(element), spelling, out),
            Values::Double(array) => put_double(array.value(element), spelling, out),
            // No other type is an element of an array.
            _ => {}
        }
    }
    out.extend_from_slice(behind.as_bytes());
}

/// Appends an integer.
#[inline]
pub(crate) fn put_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[inline]
fn put_float(value: f32, spelling: &Spelling, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        put_not_finite(f64::from(value), spelling, out);
    }
}

#[inline]
fn put_double(value: f64, spelling: &Spelling, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        put_not_finite(value, spelling, out);
    }
}

#[cold]
fn put_not_finite(value: f64, spelling: &Spelling, out: &mut Vec<u8>) {
    let text = if value.is_nan() {
        spelling.nan
    } else if value > 0.0 {
        spelling.infinity
    } else {
        spelling.minus_infinity
    };
    out.extend_from_slice(text.as_bytes());
}

fn put_bytes(bytes: &[u8], spelling: &Spelling, out: &mut Vec<u8>) {
    if !spelling.bytes_are_numbers {
        out.extend(bytes.iter().flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 15)]));
        return;
    }
    let [before, between, behind] = spelling.array;
    out.extend_from_slice(before.as_bytes());
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(between.as_bytes());
        }
        put_integer(*byte, out);
    }
    out.extend_from_slice(behind.as_bytes());
}

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
