//! TFORM and its kin: from a header to columns, each with its place in a row.

use qserv_core::{Error, Result};

use super::super::columns::{Datatype, FileColumn, Length};
use super::header::Header;
use crate::format::limits;

/// Where a column's cells are, and how to read them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    /// The type of the elements as stored.
    pub(super) stored: Stored,
    /// Elements in each cell; for an array in the heap, of its descriptor.
    pub(super) count: usize,
    /// What becomes of the numbers.
    pub(super) scaling: Scaling,
    /// Whether the cell is a descriptor of an array in the heap, of 4-byte or of 8-byte numbers.
    pub(super) heap: Option<usize>,
    /// The number that stands for NULL, of those as stored.
    pub(super) null: Option<i64>,
    /// Bytes of the cell in its row.
    pub(super) bytes: usize,
}

/// An element type of a binary table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Logical,
    Bit,
    Byte,
    Short,
    Int,
    Long,
    Text,
    Float,
    Double,
}

/// What becomes of stored numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scaling {
    /// They are the values.
    None,
    /// The highest bit is the other way round: integers of the other signedness.
    Flip,
    /// `zero + scale * stored`.
    Linear { scale: f64, zero: f64 },
}

impl Stored {
    fn of(letter: u8) -> Option<(Self, usize)> {
        Some(match letter {
            b'L' => (Self::Logical, 1),
            b'X' => (Self::Bit, 1),
            b'B' => (Self::Byte, 1),
            b'I' => (Self::Short, 1),
            b'J' => (Self::Int, 1),
            b'K' => (Self::Long, 1),
            b'A' => (Self::Text, 1),
            b'E' => (Self::Float, 1),
            b'D' => (Self::Double, 1),
            // Complex numbers are pairs.
            b'C' => (Self::Float, 2),
            b'M' => (Self::Double, 2),
            _ => return None,
        })
    }

    /// Bytes of one element; bits share bytes.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Logical | Self::Bit | Self::Byte | Self::Text => 1,
            Self::Short => 2,
            Self::Int | Self::Float => 4,
            Self::Long | Self::Double => 8,
        }
    }

    /// Bytes of so many elements.
    pub(super) fn bytes(self, count: usize) -> usize {
        if self == Self::Bit { count.div_ceil(8) } else { count.saturating_mul(self.width()) }
    }

    fn is_integer(self) -> bool {
        matches!(self, Self::Byte | Self::Short | Self::Int | Self::Long)
    }
}

/// The columns of a binary table.
///
/// # Errors
/// `Data` if a column's form is none of FITS's, or the columns do not make up a row.
pub(super) fn read(header: &Header, file: &str) -> Result<Vec<(FileColumn, Cell)>> {
    let fields = header.number("TFIELDS").and_then(|fields| usize::try_from(fields).ok()).unwrap_or(0);
    if fields > limits::HEADER_COLUMNS {
        return Err(Error::limit("the FITS table has more columns than any table has").with("file", file));
    }
    let mut columns = Vec::with_capacity(fields);
    let mut row_bytes = 0_usize;
    for number in 1..=fields {
        let (column, cell) = read_column(header, number, file)?;
        row_bytes = row_bytes.saturating_add(cell.bytes);
        columns.push((column, cell));
    }
    if header.number("NAXIS1").and_then(|bytes| usize::try_from(bytes).ok()) != Some(row_bytes) {
        return Err(Error::data("the columns of the FITS table do not make up its rows")
            .with("file", file)
            .with("bytes", row_bytes)
            .with("NAXIS1", header.get("NAXIS1").unwrap_or_default()));
    }
    Ok(columns)
}

fn read_column(header: &Header, number: usize, file: &str) -> Result<(FileColumn, Cell)> {
    let told = |keyword: &str| header.get(&format!("{keyword}{number}")).map(str::to_owned);
    let name = told("TTYPE").unwrap_or_default();
    let form = told("TFORM").unwrap_or_default();
    let refuse = |message: &str| {
        Error::data(message.to_owned())
            .with("file", file)
            .with("column", &name)
            .with("TFORM", crate::bad_rows::shown(form.as_bytes()))
    };
    let no_form = || refuse("a column of the FITS table has a form that FITS does not have");
    let digits = form.bytes().take_while(u8::is_ascii_digit).count();
    let (repeat, letters) = form.split_at_checked(digits).ok_or_else(no_form)?;
    let repeat: usize = if repeat.is_empty() { 1 } else { repeat.parse().map_err(|_| no_form())? };
    let (&letter, rest) = letters.as_bytes().split_first().ok_or_else(no_form)?;
    let (letter, heap) = match letter {
        b'P' | b'Q' => (*rest.first().ok_or_else(no_form)?, Some(if letter == b'P' { 4 } else { 8 })),
        letter => (letter, None),
    };
    let (stored, elements) = Stored::of(letter).ok_or_else(no_form)?;
    let count = repeat.checked_mul(elements).ok_or_else(no_form)?;
    let bytes = match heap {
        Some(width) => {
            if repeat > 1 {
                return Err(no_form());
            }
            2 * width * repeat
        }
        None => stored.bytes(count),
    };
    if bytes > limits::FIELD_BYTES {
        return Err(refuse("the cells of a column are longer than allowed").with("allowed bytes", limits::FIELD_BYTES));
    }

    let null = header.number(&format!("TNULL{number}")).filter(|_| stored.is_integer());
    let scale = header.real(&format!("TSCAL{number}")).unwrap_or(1.0);
    let zero = header.real(&format!("TZERO{number}")).unwrap_or(0.0);
    let (datatype, scaling) = datatype_of(stored, scale, zero);
    let length = match (heap, stored) {
        (None, Stored::Text) => Length::Fixed(count),
        (None, _) if count == 1 => Length::One,
        (None, _) => Length::Fixed(count),
        (Some(_), _) => Length::Any,
    };
    // TDIM counts from the axis that varies fastest, as arraysize does.
    let dimensions = told("TDIM").map(|dimensions| dimensions.trim_matches(['(', ')']).replace(',', "x"));
    let is_flipped = scaling == Scaling::Flip;
    #[allow(clippy::cast_possible_truncation, reason = "an offset that flips is a power of two below 2^64")]
    let null_value = null.map(|null| i128::from(null) + if is_flipped { zero as i128 } else { 0 });
    let column = FileColumn {
        length,
        null: null_value.map(|null| null.to_string()).filter(|_| datatype != Datatype::Double),
        unit: told("TUNIT"),
        ucd: told("TUCD"),
        utype: told("TUTYP"),
        xtype: told("TXTYP"),
        description: told("TCOMM"),
        arraysize: dimensions.filter(|_| length != Length::One),
        ..FileColumn::new(name, datatype)
    };
    Ok((column, Cell { stored, count, scaling, heap, null, bytes }))
}

/// The type of a column's values, and how they come from the stored ones. An offset of half the range is FITS's way to write
/// integers of the other signedness.
fn datatype_of(stored: Stored, scale: f64, zero: f64) -> (Datatype, Scaling) {
    let is_plain = scale == 1.0 && zero == 0.0;
    let flips = scale == 1.0
        && match stored {
            Stored::Byte => zero == -128.0,
            Stored::Short => zero == 32_768.0,
            Stored::Int => zero == 2_147_483_648.0,
            Stored::Long => zero == 9_223_372_036_854_775_808.0,
            _ => false,
        };
    match stored {
        Stored::Logical => (Datatype::Boolean, Scaling::None),
        Stored::Bit => (Datatype::Bit, Scaling::None),
        Stored::Text => (Datatype::Char, Scaling::None),
        Stored::Byte if flips => (Datatype::Byte, Scaling::Flip),
        Stored::Short if flips => (Datatype::UnsignedShort, Scaling::Flip),
        Stored::Int if flips => (Datatype::UnsignedInt, Scaling::Flip),
        Stored::Long if flips => (Datatype::UnsignedLong, Scaling::Flip),
        _ if !is_plain => (Datatype::Double, Scaling::Linear { scale, zero }),
        Stored::Byte => (Datatype::UnsignedByte, Scaling::None),
        Stored::Short => (Datatype::Short, Scaling::None),
        Stored::Int => (Datatype::Int, Scaling::None),
        Stored::Long => (Datatype::Long, Scaling::None),
        Stored::Float => (Datatype::Float, Scaling::None),
        Stored::Double => (Datatype::Double, Scaling::None),
    }
}
