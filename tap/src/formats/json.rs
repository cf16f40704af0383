//! JSON as Gaia's and DaCHS' archives give it: `{"metadata": [{"name": ..., "datatype": ..., ...}, ...], "data": [[...], ...]}`.
//!
//! `metadata` describes each column in VOTable's words, `data` holds an array a row. Behind them `query_status` is `OK`, or `OVERFLOW` if
//! MAXREC cut the result. Integers are written whole, whatever their size: whoever reads them as floating point numbers (JavaScript)
//! loses digits beyond 2^53. JSON has no NaN and no infinity: they are null, like NULL. Bytes are arrays of numbers.

use arrow::record_batch::RecordBatch;
use qserv_core::Result;

use super::delimited::broken_off;
use super::{Ending, ResultWriter};
use crate::cell::{self, Spelling};
use crate::columns::{Block, ResultColumn};

const SPELLING: Spelling = Spelling {
    nan: "null",
    infinity: "null",
    minus_infinity: "null",
    bytes_are_numbers: true,
    array: ["[", ",", "]"],
    null_element: Some("null"),
};

/// Writes JSON.
pub(crate) struct JsonWriter {
    columns: Vec<ResultColumn>,
    /// What stands before the next row: nothing before the first, a comma before the others.
    separator: &'static [u8],
}

impl JsonWriter {
    /// A writer of these columns.
    pub(crate) fn new(columns: Vec<ResultColumn>) -> Self {
        Self { columns, separator: b"\n" }
    }
}

impl ResultWriter for JsonWriter {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"metadata\":[");
        for (index, column) in self.columns.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"\n{" } else { b",\n{" });
            put_column(column, out);
            out.push(b'}');
        }
        out.extend_from_slice(b"\n],\n\"data\":[");
    }

    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let block = Block::of(&self.columns, batch)?;
        for row in 0..block.rows {
            out.extend_from_slice(self.separator);
            self.separator = b",\n";
            let mut before = b'[';
            for (column, values, is_null) in block.cells(&self.columns, row) {
                out.push(before);
                before = b',';
                if is_null {
                    out.extend_from_slice(b"null");
                } else {
                    cell::put(column, values, row, &SPELLING, put_string, out)?;
                }
            }
            out.push(b']');
        }
        Ok(())
    }

    fn end(&mut self, ending: Ending<'_>, out: &mut Vec<u8>) -> Result<()> {
        let status = match ending {
            Ending::Whole => "OK",
            Ending::Overflow => "OVERFLOW",
            Ending::Failed(error) => return Err(broken_off(error)),
        };
        out.extend_from_slice(b"\n],\n\"query_status\":");
        put_string(status, out);
        out.extend_from_slice(b"}\n");
        Ok(())
    }
}

fn put_column(column: &ResultColumn, out: &mut Vec<u8>) {
    let arraysize = column.arraysize();
    let members = [
        ("name", Some(column.name.as_str())),
        ("datatype", Some(column.datatype.name())),
        ("arraysize", arraysize.as_deref()),
        ("xtype", column.xtype.as_deref()),
        ("unit", column.unit.as_deref()),
        ("ucd", column.ucd.as_deref()),
        ("utype", column.utype.as_deref()),
        ("description", column.description.as_deref()),
    ];
    for (index, (name, value)) in members.into_iter().filter_map(|(name, value)| Some((name, value?))).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_string(name, out);
        out.push(b':');
        put_string(value, out);
    }
}

/// Appends a text in quotes (RFC 8259, section 7).
fn put_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let mut out = Vec::new();
        put_string("a\"b\\c\n\u{1}\u{7f}é𝄞", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"b\\\\c\\n\\u0001\u{7f}é𝄞\"");
    }
}
