//! CSV with a header and nothing else: read twice, once to find out what the columns hold.

use std::io::Read;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use qserv_core::Result;

use super::names::make_different;
use crate::bad_rows::BadRows;
use crate::delimited::{Reader, guess};
use crate::format::{Format, FormatOptions};

type Bytes = Box<dyn Read + Send>;

/// Reads a CSV file's rows.
pub(super) struct Csv {
    reader: Reader<Bytes>,
    schema: SchemaRef,
}

impl Csv {
    /// Looks at the whole file; `open` opens it from its beginning. `file` is the name in errors.
    ///
    /// # Errors
    /// `Data` if it has no header, or cannot be read to its end.
    pub(super) fn open(open: impl Fn() -> Result<Bytes>, delimiter: char, file: &str) -> Result<Self> {
        // An empty field is NULL: CSV has no other way to say it, and every VO tool writes it so.
        let options =
            FormatOptions { null: String::new(), delimiter: Some(delimiter), ..FormatOptions::of(Format::Csv) };
        let mut table = guess(open()?, file, &options)?;
        make_different(table.columns.iter_mut().map(|column| &mut column.name));
        let reader = Reader::in_file_order(open()?, file.to_owned(), &table, &options, BadRows::new(0))?;
        Ok(Self { reader, schema: table.schema() })
    }

    /// The columns.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Iterator for Csv {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.reader.next()?.map(|rows| rows.batch))
    }
}
