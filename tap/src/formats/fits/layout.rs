//! The form of each column, chosen once all rows are known, and the headers that tell it.

use qserv_core::{Error, Result};

use super::cards::Cards;
use super::survey::{Known, Survey, stand_ins};
use super::{Ending, Header};
use crate::columns::{Datatype, Length, ResultColumn};
use crate::formats::SOFTWARE;
use crate::moment;

/// Text is made an array of variable length only where a fixed width would take more than this many bytes ...
const WIDE_TEXT_BYTES: u64 = 16 * 1024 * 1024;

/// ... and this many times as much.
const WIDE_TEXT_TIMES: u64 = 4;

/// The largest heap that descriptors of 32 bits reach.
const SHORT_HEAP_BYTES: u64 = i32::MAX as u64;

/// How a column's cells stand in the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// So many elements; one for a scalar.
    Elements(usize),
    /// A text of so many bytes.
    Text(usize),
    /// A descriptor of elements in the heap.
    Heap,
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnLayout {
    pub(super) form: Form,
    /// Where its cell begins in a row.
    pub(super) offset: usize,
    /// The number that stands for NULL, if one is needed.
    pub(super) null: Option<i64>,
    longest: usize,
}

/// The whole table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) columns: Vec<ColumnLayout>,
    pub(super) row_bytes: usize,
    pub(super) rows: u64,
    pub(super) heap_bytes: u64,
    /// Whether descriptors are of 64 bits.
    pub(super) is_long_heap: bool,
}

impl Layout {
    /// The layout of surveyed rows.
    ///
    /// # Errors
    /// [`Data`](qserv_core::ErrorKind::Data) if no number is left to stand for NULL.
    pub(super) fn of(columns: &[ResultColumn], survey: &Survey) -> Result<Self> {
        let forms: Vec<_> =
            columns.iter().zip(&survey.columns).map(|(column, known)| form(column, known, survey.rows)).collect();
        let in_heap = |((column, known), form): ((&ResultColumn, &Known), &Form)| match form {
            Form::Heap => known.all * element_bytes(column) as u64,
            _ => 0,
        };
        let heap_bytes = columns.iter().zip(&survey.columns).zip(&forms).map(in_heap).sum();
        let is_long_heap = heap_bytes > SHORT_HEAP_BYTES;
        let mut row_bytes = 0;
        let mut laid_out = Vec::with_capacity(columns.len());
        for ((column, known), form) in columns.iter().zip(&survey.columns).zip(forms) {
            let null = null(column, known)?;
            laid_out.push(ColumnLayout { form, offset: row_bytes, null, longest: known.longest });
            row_bytes += match form {
                Form::Elements(count) => count * element_bytes(column),
                Form::Text(width) => width,
                Form::Heap if is_long_heap => 16,
                Form::Heap => 8,
            };
        }
        Ok(Self { columns: laid_out, row_bytes, rows: survey.rows, heap_bytes, is_long_heap })
    }

    /// TFORM.
    fn tform(&self, column: &ResultColumn, layout: &ColumnLayout) -> String {
        let letter = letter(column.datatype);
        match layout.form {
            Form::Elements(1) => letter.to_string(),
            Form::Elements(count) => format!("{count}{letter}"),
            Form::Text(width) => format!("{width}A"),
            Form::Heap => {
                let descriptor = if self.is_long_heap { 'Q' } else { 'P' };
                format!("1{descriptor}{letter}({})", layout.longest)
            }
        }
    }
}

fn form(column: &ResultColumn, known: &Known, rows: u64) -> Form {
    match column.length {
        Length::One => Form::Elements(1),
        Length::Fixed(count) => Form::Elements(count),
        Length::Any if matches!(column.datatype, Datatype::Char | Datatype::UnicodeChar) => {
            let fixed = rows.saturating_mul(known.longest as u64);
            let is_wasteful = fixed > WIDE_TEXT_BYTES && fixed / WIDE_TEXT_TIMES > known.all + 8 * rows;
            // Some readers stumble over a width of nothing.
            if is_wasteful { Form::Heap } else { Form::Text(known.longest.max(1)) }
        }
        Length::Any => Form::Heap,
    }
}

/// The number for NULL: the first that is no value.
fn null(column: &ResultColumn, known: &Known) -> Result<Option<i64>> {
    let bits = match column.datatype {
        Datatype::Short => 16,
        Datatype::Int => 32,
        Datatype::Long => 64,
        _ => return Ok(None),
    };
    if !known.has_null {
        return Ok(None);
    }
    let free = stand_ins(bits).enumerate().find(|(place, _)| known.taken >> place & 1 == 0).map(|(_, number)| number);
    free.map(Some).ok_or_else(|| {
        Error::data(format!(
            "column \"{}\" holds NULLs and every number that could stand for them in FITS; ask for another format",
            column.name
        ))
    })
}

/// Bytes of one element, in the row or in the heap.
pub(super) fn element_bytes(column: &ResultColumn) -> usize {
    // Text is counted in bytes.
    if column.datatype == Datatype::UnicodeChar { 1 } else { column.datatype.width() }
}

fn letter(datatype: Datatype) -> char {
    match datatype {
        Datatype::Boolean => 'L',
        Datatype::Short => 'I',
        Datatype::Int => 'J',
        Datatype::Long => 'K',
        Datatype::Float => 'E',
        Datatype::Double => 'D',
        Datatype::Char | Datatype::UnicodeChar => 'A',
        Datatype::UnsignedByte => 'B',
    }
}

/// Appends the empty primary array and the header of the table.
pub(super) fn put_headers(
    columns: &[ResultColumn],
    layout: &Layout,
    header: &Header,
    ending: Ending<'_>,
    out: &mut Vec<u8>,
) {
    let mut cards = Cards::new(out);
    cards
        .logical("SIMPLE", true, "conforms to FITS")
        .integer("BITPIX", 8, "")
        .integer("NAXIS", 0, "no image: the table is the first extension")
        .logical("EXTEND", true, "extensions follow");
    cards.end();

    let mut cards = Cards::new(out);
    cards
        .text("XTENSION", "BINTABLE")
        .integer("BITPIX", 8, "bytes")
        .integer("NAXIS", 2, "a table")
        .integer("NAXIS1", layout.row_bytes, "bytes of a row")
        .integer("NAXIS2", layout.rows, "rows")
        .integer("PCOUNT", layout.heap_bytes, "bytes of arrays of variable length")
        .integer("GCOUNT", 1, "")
        .integer("TFIELDS", columns.len(), "columns")
        .text("EXTNAME", "result");
    for (index, (column, form)) in columns.iter().zip(&layout.columns).enumerate() {
        let key = |name: &str| format!("{name}{}", index + 1);
        cards.text(&key("TTYPE"), &column.name).text(&key("TFORM"), &layout.tform(column, form));
        if let Some(null) = form.null {
            cards.integer(&key("TNULL"), null, "stands for NULL");
        }
        cards
            .optional(&key("TUNIT"), column.unit.as_deref())
            .optional(&key("TCOMM"), column.description.as_deref())
            .optional(&key("TUCD"), column.ucd.as_deref())
            .optional(&key("TUTYP"), column.utype.as_deref())
            .optional(&key("TXTYP"), column.xtype.as_deref());
    }
    put_origin(&mut cards, header, ending);
    cards.end();
}

/// What the header tells of the result beside its columns.
fn put_origin(cards: &mut Cards<'_>, header: &Header, ending: Ending<'_>) {
    let asked = header.asked_unix_ms.map(moment::fits_time);
    cards
        .text("LONGSTRN", "OGIP 1.0")
        .text("CREATOR", SOFTWARE)
        .optional("DATE", asked.as_deref())
        .text("QSTATUS", if matches!(ending, Ending::Overflow) { "OVERFLOW" } else { "OK" })
        .optional("QUERY", Some(&header.query))
        .optional("CITATION", header.citation.as_deref());
    for warning in &header.warnings {
        cards.comment(warning);
    }
}
