//! The sample sky as files: CSV as the loader reads it, or Parquet.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;
use qserv_core::{Error, Result};

use super::{SampleSky, SampleTable};

/// A file of one table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFile {
    /// The table.
    pub table: &'static str,
    /// Where its rows are.
    pub path: PathBuf,
    /// How many.
    pub rows: u64,
}

impl SampleSky {
    /// Writes each table as `<table>.csv` into a folder that exists: a header line, comma, `\N` for NULL, booleans as 0
    /// and 1, floating point numbers with the digits that give the same bits back.
    ///
    /// # Errors
    /// `Unavailable` if a file cannot be written.
    pub fn write_csv(&self, folder: &Path) -> Result<Vec<SampleFile>> {
        self.tables().into_iter().map(|table| write_csv_table(table, folder)).collect()
    }

    /// Writes each table as `<table>.parquet` into a folder that exists, types as declared.
    ///
    /// # Errors
    /// `Unavailable` if a file cannot be written.
    pub fn write_parquet(&self, folder: &Path) -> Result<Vec<SampleFile>> {
        self.tables().into_iter().map(|table| write_parquet_table(table, folder)).collect()
    }
}

fn write_csv_table(table: SampleTable, folder: &Path) -> Result<SampleFile> {
    let path = folder.join(format!("{}.csv", table.name));
    let cannot = |error: &dyn std::fmt::Display| cannot_write(&path, error);
    let mut file = BufWriter::new(File::create(&path).map_err(|error| cannot(&error))?);
    let mut rows = 0;
    for (number, batch) in table.batches.enumerate() {
        let batch = batch?;
        if number == 0 {
            let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            writeln!(file, "{}", names.join(",")).map_err(|error| cannot(&error))?;
        }
        write_csv_rows(&mut file, &batch).map_err(|error| cannot(&error))?;
        rows += batch.num_rows() as u64;
    }
    file.flush().map_err(|error| cannot(&error))?;
    Ok(SampleFile { table: table.name, path, rows })
}

/// No value of the sample sky holds a comma, a quote or a line end.
fn write_csv_rows(file: &mut impl Write, batch: &RecordBatch) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let options = FormatOptions::new().with_null("\\N");
    let columns = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        for (index, (column, formatter)) in batch.columns().iter().zip(&columns).enumerate() {
            if index > 0 {
                file.write_all(b",")?;
            }
            if column.data_type() == &DataType::Boolean && column.is_valid(row) {
                write!(file, "{}", u8::from(column.as_boolean().value(row)))?;
            } else {
                write!(file, "{}", formatter.value(row))?;
            }
        }
        file.write_all(b"\n")?;
    }
    Ok(())
}

fn write_parquet_table(table: SampleTable, folder: &Path) -> Result<SampleFile> {
    let path = folder.join(format!("{}.parquet", table.name));
    let cannot = |error: &dyn std::fmt::Display| cannot_write(&path, error);
    let mut file = Some(File::create(&path).map_err(|error| cannot(&error))?);
    let mut writer: Option<ArrowWriter<File>> = None;
    let mut rows = 0;
    for batch in table.batches {
        let batch = batch?;
        if let Some(file) = file.take() {
            writer = Some(ArrowWriter::try_new(file, batch.schema(), None).map_err(|error| cannot(&error))?);
        }
        if let Some(writer) = &mut writer {
            writer.write(&batch).map_err(|error| cannot(&error))?;
        }
        rows += batch.num_rows() as u64;
    }
    if let Some(writer) = writer {
        writer.close().map_err(|error| cannot(&error))?;
    }
    Ok(SampleFile { table: table.name, path, rows })
}

fn cannot_write(path: &Path, cause: &dyn std::fmt::Display) -> Error {
    Error::unavailable("cannot write a file of the sample sky")
        .with("file", path.display())
        .caused_by(cause.to_string())
}
