//! All columns of a file, built together.

use std::sync::Arc;

use arrow::array::RecordBatchOptions;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use qserv_core::{Error, Result};

use super::super::names::make_different;
use super::{ColumnBuilder, FileColumn};
use crate::bad_rows::shown;
use crate::delimited::values::Fault;
use crate::format::limits::RECORD_BYTES;

/// All columns of a file, built together.
pub(in crate::table_file) struct Builders {
    pub(in crate::table_file) columns: Vec<FileColumn>,
    pub(in crate::table_file) builders: Vec<ColumnBuilder>,
    pub(in crate::table_file) schema: SchemaRef,
    /// Bytes that a row takes however few the file spends on it.
    pub(in crate::table_file) least_row_bytes: usize,
    rows: usize,
}

impl Builders {
    /// Builders for these columns, whose names are made different.
    ///
    /// # Errors
    /// `Limit` if a row could not be held in memory; `Data` if a column makes no sense.
    pub(in crate::table_file) fn new(mut columns: Vec<FileColumn>) -> Result<Self> {
        make_different(columns.iter_mut().map(|column| &mut column.name));
        let least_row_bytes = columns.iter().fold(0_usize, |sum, column| sum.saturating_add(column.least_bytes()));
        if least_row_bytes > RECORD_BYTES {
            return Err(Error::limit("a row of the table is longer than allowed")
                .with("bytes", least_row_bytes)
                .with("allowed bytes", RECORD_BYTES));
        }
        let builders = columns.iter().map(ColumnBuilder::new).collect::<Result<_>>()?;
        let fields: Vec<Field> = columns.iter().map(FileColumn::field).collect();
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { columns, builders, schema, least_row_bytes, rows: 0 })
    }

    /// Counts a row whose cells have all been added.
    pub(in crate::table_file) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Rows since the last batch.
    pub(in crate::table_file) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows since the last batch, if there are any.
    ///
    /// # Errors
    /// `Internal` if they do not fit together.
    pub(in crate::table_file) fn finish(&mut self) -> Result<Option<RecordBatch>> {
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(None);
        }
        let columns = self.builders.iter_mut().map(ColumnBuilder::finish).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        batch.map(Some).map_err(|error| Error::internal("rows cannot be put together").caused_by(error))
    }

    /// The error of a cell of the row at work, `number` counted from 1.
    pub(in crate::table_file) fn fault(&self, fault: Fault, column: usize, number: u64, value: &[u8]) -> Error {
        let name = self.columns.get(column).map_or("", |column| column.name.as_str());
        Error::data(format!("the value of {name} {fault}"))
            .with("row", number)
            .with("column", name)
            .with("value", shown(value))
    }
}
