//! Cells as text between tags. NULL is an empty cell, which VOTable allows for every type since 1.3; only an array of a fixed number
//! of floating point numbers is that many NaN, because validators ask for all its elements.

use qserv_core::Result;

use crate::cell::{self, Spelling};
use crate::columns::{Block, Datatype, Length, ResultColumn};
use crate::xml::{Place, put_escaped};

const SPELLING: Spelling = Spelling {
    nan: "NaN",
    infinity: "+Inf",
    minus_infinity: "-Inf",
    bytes_are_numbers: true,
    array: ["", " ", ""],
    null_element: None,
};

pub(super) fn put_rows(columns: &[ResultColumn], block: &Block, out: &mut Vec<u8>) -> Result<()> {
    for row in 0..block.rows {
        out.extend_from_slice(b"<TR>");
        for (column, values, is_null) in block.cells(columns, row) {
            if is_null {
                put_null(column, out);
                continue;
            }
            out.extend_from_slice(b"<TD>");
            cell::put(column, values, row, &SPELLING, |text, out| put_escaped(text, Place::Content, out), out)?;
            out.extend_from_slice(b"</TD>");
        }
        out.extend_from_slice(b"</TR>\n");
    }
    Ok(())
}

fn put_null(column: &ResultColumn, out: &mut Vec<u8>) {
    match (column.length, column.datatype) {
        (Length::Fixed(length), Datatype::Float | Datatype::Double) => {
            out.extend_from_slice(b"<TD>");
            out.extend_from_slice(vec!["NaN"; length].join(" ").as_bytes());
            out.extend_from_slice(b"</TD>");
        }
        _ => out.extend_from_slice(b"<TD/>"),
    }
}
