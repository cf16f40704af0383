//! CSV and tab-separated text.
//!
//! What is what:
//! - the unquoted null pattern (`\N`, or what the options say) is NULL; quoted it is text;
//! - an empty unquoted field is the empty string in a text or binary column, and a bad value in any other (unless the
//!   null pattern is empty);
//! - integers take digits only, so `1.5` and `1e3` are bad values; numbers out of their type's range are bad values;
//! - text must be UTF-8; its declared length is not enforced;
//! - a record with more or fewer fields than columns is bad; empty lines are skipped where a record has several fields;
//! - in TSV a carriage return before a line end is part of the line end, except behind a last column of bytes.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use qserv_core::catalog::{ColumnType, Table};
use qserv_core::{Error, Result};

use crate::Rows;
use crate::bad_rows::{BadRows, shown};
use crate::format::{BinaryText, Format, FormatOptions, limits};

mod columns;
mod guess;
mod header;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod tokenizer;
pub(crate) mod values;

use columns::ColumnBuilder;
pub(crate) use guess::guess;
use tokenizer::{Quoting, Record, Tokenizer};

/// Reads a delimited text as rows of one table.
pub struct Reader<R> {
    tokenizer: Tokenizer<R>,
    file: String,
    names: Vec<String>,
    schema: SchemaRef,
    /// For each field its column.
    fields: Vec<Option<usize>>,
    /// Columns that no field fills.
    absent: Vec<usize>,
    builders: Vec<ColumnBuilder>,
    null: Vec<u8>,
    batch_rows: usize,
    max_field_bytes: usize,
    bad_rows: BadRows,
    lines: Vec<u64>,
    keep: Vec<bool>,
}

impl<R: Read> Reader<R> {
    /// Reads a header, whose names are passed over: the fields are the table's columns in its order. For tables that were
    /// declared from the file itself.
    ///
    /// # Errors
    /// As reading.
    pub(crate) fn in_file_order(
        reader: R,
        file: String,
        table: &Table,
        options: &FormatOptions,
        bad_rows: BadRows,
    ) -> Result<Self> {
        let quoted = (options.delimiter_byte()?, Quoting::Quotes);
        let buffer = tokenizer::BUFFER_BYTES;
        let mut tokenizer =
            Tokenizer::new(reader, file.clone(), quoted, buffer, options.max_record_bytes, limits::HEADER_COLUMNS);
        tokenizer.skip_byte_order_mark()?;
        read_header(&mut tokenizer, &file)?;
        tokenizer.expect(table.columns.len(), true);
        Ok(Self::with_fields(tokenizer, file, table, header::declared(table), options, bad_rows))
    }

    /// Reads the header if there is one. `file` is the name in errors.
    ///
    /// # Errors
    /// `Invalid` if the columns that the file names do not fit the table.
    pub fn new(reader: R, file: String, table: &Table, options: &FormatOptions, bad_rows: BadRows) -> Result<Self> {
        let quoting = if options.format == Format::Tsv { Quoting::Backslash } else { Quoting::Quotes };
        let mut tokenizer = Tokenizer::new(
            reader,
            file.clone(),
            (options.delimiter_byte()?, quoting),
            tokenizer::BUFFER_BYTES,
            options.max_record_bytes,
            limits::HEADER_COLUMNS,
        );
        tokenizer.skip_byte_order_mark()?;
        let fields = if options.has_header() {
            match read_header(&mut tokenizer, &file)? {
                Some(names) => header::named(&names, table, options, &file)?,
                // An empty file has no header and no rows.
                None => header::declared(table),
            }
        } else if let Some(names) = &options.columns {
            header::named(names, table, options, &file)?
        } else {
            header::declared(table)
        };
        let last = fields.last().copied().flatten().and_then(|column| table.columns.get(column));
        let ends_in_bytes = options.binary_text() == BinaryText::Raw
            && last.is_some_and(|column| column.datatype == ColumnType::Binary);
        tokenizer.expect(fields.len(), !(quoting == Quoting::Backslash && ends_in_bytes));
        Ok(Self::with_fields(tokenizer, file, table, fields, options, bad_rows))
    }

    fn with_fields(
        tokenizer: Tokenizer<R>,
        file: String,
        table: &Table,
        fields: Vec<Option<usize>>,
        options: &FormatOptions,
        bad_rows: BadRows,
    ) -> Self {
        let absent = (0..table.columns.len()).filter(|column| !fields.contains(&Some(*column))).collect();
        let builders = table
            .columns
            .iter()
            .map(|column| ColumnBuilder::new(column, options.binary_text(), options.batch_rows))
            .collect();
        Self {
            tokenizer,
            file,
            names: table.columns.iter().map(|column| column.name.clone()).collect(),
            schema: table.schema(),
            fields,
            absent,
            builders,
            null: options.null.clone().into_bytes(),
            batch_rows: options.batch_rows,
            max_field_bytes: options.max_field_bytes,
            bad_rows,
            lines: Vec::new(),
            keep: Vec::new(),
        }
    }

    /// Reads records until a batch is full; `None` at the end of the file.
    fn next_rows(&mut self) -> Result<Option<Rows>> {
        let mut bytes = 0;
        let mut rejected = false;
        while self.lines.len() < self.batch_rows && bytes < limits::BATCH_BYTES {
            let Some(record) = self.tokenizer.next_record()? else { break };
            bytes += record.bytes;
            if self.is_empty_line(record) {
                continue;
            }
            let is_good = match self.append(record) {
                Ok(()) => true,
                Err(error) => {
                    self.bad_rows.reject(error)?;
                    rejected = true;
                    false
                }
            };
            self.lines.push(record.line);
            self.keep.push(is_good);
        }
        if self.lines.is_empty() {
            return Ok(None);
        }
        self.finish(rejected).map(Some)
    }

    fn is_empty_line(&self, record: Record) -> bool {
        let first = self.tokenizer.fields().first();
        record.field_count == 1
            && self.fields.len() > 1
            && first.is_some_and(|&field| self.tokenizer.raw(field).is_empty() && !Tokenizer::<R>::is_quoted(field))
    }

    /// Adds one record to the builders: to all of them, whether it is good or not, so that they stay equally long.
    fn append(&mut self, record: Record) -> Result<()> {
        let place = |error: Error| error.with("file", &self.file).with("line", record.line);
        if record.text_after_quote || record.field_count != self.fields.len() {
            self.builders.iter_mut().for_each(ColumnBuilder::append_null);
            return Err(place(if record.text_after_quote {
                Error::data("text follows a closing quote; a quote inside a quoted value is written twice")
            } else {
                let (found, expected) = (record.field_count, self.fields.len());
                Error::data(format!("the record has {found} fields instead of {expected}"))
            }));
        }
        let mut first_fault = None;
        for (&field, &column) in self.tokenizer.fields().iter().zip(&self.fields) {
            let Some(column) = column else { continue };
            let Some(builder) = self.builders.get_mut(column) else { continue };
            let raw = self.tokenizer.raw(field);
            let result = if first_fault.is_some() {
                builder.append_null();
                continue;
            } else if !Tokenizer::<R>::is_quoted(field) && raw == self.null {
                builder.append(None)
            } else if raw.len() > self.max_field_bytes {
                Err("is longer than allowed")
            } else {
                builder.append(Some(&self.tokenizer.value(field)))
            };
            if let Err(fault) = result {
                builder.append_null();
                let name = self.names.get(column).map_or("", String::as_str);
                first_fault = Some(
                    place(Error::data(format!("the value of {name} {fault}")))
                        .with("column", name)
                        .with("value", shown(raw)),
                );
            }
        }
        for &column in &self.absent {
            if let Some(builder) = self.builders.get_mut(column) {
                builder.append_null();
            }
        }
        first_fault.map_or(Ok(()), Err)
    }

    fn finish(&mut self, rejected: bool) -> Result<Rows> {
        let damaged = |error: arrow::error::ArrowError| Error::internal("rows cannot be put together").caused_by(error);
        let mut columns: Vec<_> = self.builders.iter_mut().map(ColumnBuilder::finish).collect();
        let mut lines = std::mem::take(&mut self.lines);
        let keep = std::mem::take(&mut self.keep);
        if rejected {
            let mask = BooleanArray::from(keep);
            for column in &mut columns {
                *column = arrow::compute::filter(column, &mask).map_err(damaged)?;
            }
            let mut kept = mask.values().iter();
            lines.retain(|_| kept.next().unwrap_or(false));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(lines.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(damaged)?;
        Ok(Rows { batch, lines })
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_rows().transpose()
    }
}

/// The names of the first record that is not an empty line; `None` if there is none.
fn read_header<R: Read>(tokenizer: &mut Tokenizer<R>, file: &str) -> Result<Option<Vec<String>>> {
    while let Some(record) = tokenizer.next_record()? {
        if record.field_count > limits::HEADER_COLUMNS {
            return Err(Error::limit("the header names more columns than any table has")
                .with("file", file)
                .with("allowed", limits::HEADER_COLUMNS));
        }
        let names: Vec<String> = tokenizer
            .fields()
            .iter()
            .map(|&field| String::from_utf8_lossy(&tokenizer.value(field)).into_owned())
            .collect();
        if names.len() > 1 || names.first().is_some_and(|name| !name.trim().is_empty()) {
            return Ok(Some(names));
        }
    }
    Ok(None)
}
