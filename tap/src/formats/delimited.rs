//! Results as lines of delimited text: CSV (RFC 4180) and TSV, with a header line.
//!
//! A cell is quoted if it holds the delimiter, a quote or a line break, and quotes in it are doubled, in TSV too, which common readers
//! understand. NULL is an empty cell, an empty text is `""`. Infinities are `Infinity` and `-Infinity`, bytes are hexadecimal, arrays have
//! blanks between their elements. Neither format can say that a result was cut by MAXREC or that it failed half way: the first is not
//! marked, the second ends the body before its end, so that no client takes it for whole.

use arrow::record_batch::RecordBatch;
use qserv_core::{Error, Result};

use super::{Ending, ResultWriter};
use crate::cell::{self, Spelling};
use crate::columns::{Block, ResultColumn};

const SPELLING: Spelling = Spelling {
    nan: "NaN",
    infinity: "Infinity",
    minus_infinity: "-Infinity",
    bytes_are_numbers: false,
    array: ["", " ", ""],
    null_element: None,
};

/// Writes delimited text.
pub(crate) struct DelimitedWriter {
    columns: Vec<ResultColumn>,
    delimiter: u8,
    line_end: &'static [u8],
}

impl DelimitedWriter {
    /// CSV: commas, and lines that end as RFC 4180 has them.
    pub(crate) fn csv(columns: Vec<ResultColumn>) -> Self {
        Self { columns, delimiter: b',', line_end: b"\r\n" }
    }

    /// TSV: tabulators.
    pub(crate) fn tsv(columns: Vec<ResultColumn>) -> Self {
        Self { columns, delimiter: b'\t', line_end: b"\n" }
    }

    fn put_text(&self, text: &str, out: &mut Vec<u8>) {
        let needs_quotes = |byte: u8| byte == self.delimiter || matches!(byte, b'"' | b'\r' | b'\n');
        if !text.is_empty() && !text.bytes().any(needs_quotes) {
            out.extend_from_slice(text.as_bytes());
            return;
        }
        out.push(b'"');
        for (index, part) in text.split('"').enumerate() {
            if index > 0 {
                out.extend_from_slice(b"\"\"");
            }
            out.extend_from_slice(part.as_bytes());
        }
        out.push(b'"');
    }
}

impl ResultWriter for DelimitedWriter {
    fn begin(&mut self, out: &mut Vec<u8>) {
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(self.delimiter);
            }
            self.put_text(&column.name, out);
        }
        out.extend_from_slice(self.line_end);
    }

    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let block = Block::of(&self.columns, batch)?;
        for row in 0..block.rows {
            for (index, (column, values, is_null)) in block.cells(&self.columns, row).enumerate() {
                if index > 0 {
                    out.push(self.delimiter);
                }
                if !is_null {
                    cell::put(column, values, row, &SPELLING, |text, out| self.put_text(text, out), out)?;
                }
            }
            out.extend_from_slice(self.line_end);
        }
        Ok(())
    }

    fn end(&mut self, ending: Ending<'_>, _out: &mut Vec<u8>) -> Result<()> {
        match ending {
            Ending::Whole | Ending::Overflow => Ok(()),
            Ending::Failed(error) => Err(broken_off(error)),
        }
    }
}

/// The error of a result that failed after its first rows, in a format that has no way to say so.
pub(super) fn broken_off(error: &Error) -> Error {
    Error::new(error.kind(), "the query failed after its first rows").with("cause", error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BinaryArray, Float32Array, Float64Array, Int64Array, StringArray};
    use arrow::record_batch::RecordBatch;

    use super::*;
    use crate::columns::result_columns;

    fn written(make: fn(Vec<ResultColumn>) -> DelimitedWriter, batch: &RecordBatch) -> String {
        let columns = result_columns(&batch.schema());
        let mut writer = make(columns);
        let mut out = Vec::new();
        writer.begin(&mut out);
        writer.rows(batch, &mut out).unwrap();
        writer.end(Ending::Whole, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn batch() -> RecordBatch {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a,\"b\"\n"), None, Some(""), Some("plain\t")]));
        let double: ArrayRef = Arc::new(Float64Array::from(vec![0.1, f64::NAN, f64::NEG_INFINITY, 1e300]));
        let float: ArrayRef = Arc::new(Float32Array::from(vec![Some(0.1), None, Some(-0.0), Some(f32::INFINITY)]));
        let long: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, 0, -1, i64::MAX]));
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![b"\x00\xff".as_slice(), b"", b"\x1f", b"a"]));
        RecordBatch::try_from_iter([("te\"xt", text), ("d", double), ("f", float), ("l", long), ("b", bytes)]).unwrap()
    }

    #[test]
    fn writes_rfc_4180() {
        let expected = "\"te\"\"xt\",d,f,l,b\r\n\"a,\"\"b\"\"\n\",0.1,0.1,-9223372036854775808,00ff\r\n,NaN,,0,\r\n\"\",-Infinity,-0.0,-1,1f\r\nplain\t,1e300,Infinity,9223372036854775807,61\r\n";
        assert_eq!(written(DelimitedWriter::csv, &batch()).replace("1e+300", "1e300"), expected);
    }

    #[test]
    fn writes_tabs() {
        let text = written(DelimitedWriter::tsv, &batch());
        assert_eq!(
            text.lines().last().unwrap().replace("1e+300", "1e300"),
            "\"plain\t\"\t1e300\tInfinity\t9223372036854775807\t61"
        );
    }

    #[test]
    fn a_failed_result_has_no_good_end() {
        let mut writer = DelimitedWriter::csv(Vec::new());
        assert!(writer.end(Ending::Failed(&Error::internal("x")), &mut Vec::new()).is_err());
    }
}
