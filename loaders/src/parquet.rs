//! Parquet files.
//!
//! Columns are matched by name; a column of another type is taken if every one of its values can be written in the declared
//! type without loss (a row with one that cannot is bad), and refused if the types have nothing in common. Row groups are
//! read one after the other and page by page.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatchOptions, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use qserv_core::catalog::{Column, Table};
use qserv_core::{Error, Result};

use crate::bad_rows::BadRows;
use crate::format::{FormatOptions, limits};
use crate::{BytesRead, Counting, Input, Rows, decompress, open_file, read_error};

/// Columns that other programs add to the files they write, and that are left out without a word: HATS and its import
/// pipeline, pandas, Dask.
fn is_bookkeeping(name: &str) -> bool {
    matches!(name, "_healpix_29" | "_hipscat_index" | "Norder" | "Dir" | "Npix")
        || name.starts_with("__index_level_")
        || name == "__null_dask_index__"
}

/// The input as a file that can be read from its end: itself, or a copy of the stream in a temporary file below `scratch`.
///
/// # Errors
/// `Limit` if the temporary file does not fit the disk, else as reading.
pub(crate) fn seekable(input: Input, scratch: &Path, bytes_read: &BytesRead) -> Result<File> {
    let name = input.name();
    let spool = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Error::limit("the disk of the scratch folder is full").with("file", &name).caused_by(error)
        }
        _ => Error::unavailable("the upload cannot be kept in the scratch folder").with("file", &name).caused_by(error),
    };
    match input {
        Input::File(path) => open_file(&path),
        Input::Stream { reader, .. } => {
            let mut plain = decompress::reader(Counting { inner: reader, bytes_read: bytes_read.clone() }, &name)?;
            let mut file = tempfile::tempfile_in(scratch).map_err(spool)?;
            let mut block = vec![0; 256 << 10];
            loop {
                let count = match plain.read(&mut block) {
                    Ok(0) => break,
                    Ok(count) => count,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(read_error(error, &name)),
                };
                std::io::Write::write_all(&mut file, block.get(..count).unwrap_or_default()).map_err(spool)?;
            }
            file.seek(SeekFrom::Start(0)).map_err(spool)?;
            Ok(file)
        }
    }
}

/// Reads a Parquet file as rows of one table.
pub struct Reader {
    batches: ParquetRecordBatchReader,
    file: String,
    table_columns: Vec<Column>,
    schema: SchemaRef,
    /// For each declared column its place in the batches read, if the file has it.
    places: Vec<Option<usize>>,
    next_row: u64,
    bad_rows: BadRows,
    progress: Progress,
}

/// Bytes are counted in proportion to rows: pages are not read in the order of the file.
struct Progress {
    bytes_read: BytesRead,
    file_bytes: u64,
    file_rows: u64,
    /// An upload has been counted when it was received.
    counted: bool,
}

impl Reader {
    /// Reads the footer. `name` is the file's name in errors.
    ///
    /// # Errors
    /// `Data` if it is no Parquet file or a damaged one; `Invalid` if its columns do not fit the table.
    pub fn new(
        file: File,
        name: String,
        table: &Table,
        options: &FormatOptions,
        bad_rows: BadRows,
        bytes_read: BytesRead,
    ) -> Result<Self> {
        let damaged = |error: parquet::errors::ParquetError| {
            Error::data("this is not a Parquet file, or a damaged one").with("file", &name).caused_by(error)
        };
        let file_bytes = file.metadata().map_or(0, |metadata| metadata.len());
        let builder = guarded(&name, || ParquetRecordBatchReaderBuilder::try_new(file))?.map_err(damaged)?;
        let file_schema = Arc::clone(builder.schema());
        let found = file_columns(&file_schema, table, options, &name)?;
        // Leaf and root columns differ in files with nested columns; the roots are what a schema's fields are.
        let wanted: BTreeSet<usize> = found.iter().flatten().copied().collect();
        let places =
            found.iter().map(|root| root.and_then(|root| wanted.iter().position(|&wanted| wanted == root))).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let metadata = builder.metadata();
        let rows: u64 = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
        let plain_bytes: u64 = metadata.row_groups().iter().map(|group| group.total_byte_size().max(0) as u64).sum();
        let batch_rows = (limits::BATCH_BYTES as u64 / (plain_bytes / rows.max(1)).max(1)) as usize;
        let batches = guarded(&name, || {
            builder.with_projection(mask).with_batch_size(batch_rows.clamp(1, options.batch_rows)).build()
        })?
        .map_err(damaged)?;
        let counted = bytes_read.get() > 0;
        Ok(Self {
            batches,
            file: name,
            table_columns: table.columns.clone(),
            schema: table.schema(),
            places,
            next_row: 1,
            bad_rows,
            progress: Progress { bytes_read, file_bytes, file_rows: rows, counted },
        })
    }

    fn next_rows(&mut self) -> Result<Option<Rows>> {
        let batches = &mut self.batches;
        let batch = match guarded(&self.file, || batches.next())? {
            None => return Ok(None),
            Some(Ok(batch)) => batch,
            Some(Err(error)) => {
                return Err(Error::data("the Parquet file is damaged").with("file", &self.file).caused_by(error));
            }
        };
        let rows = batch.num_rows();
        let first_row = self.next_row;
        self.next_row += rows as u64;
        if !self.progress.counted {
            let done = u128::from(self.next_row - 1) * u128::from(self.progress.file_bytes)
                / u128::from(self.progress.file_rows.max(1));
            let done = u64::try_from(done).unwrap_or(self.progress.file_bytes);
            self.progress.bytes_read.add(done.saturating_sub(self.progress.bytes_read.get()));
        }
        let mut columns = Vec::with_capacity(self.table_columns.len());
        let mut keep: Option<BooleanBuffer> = None;
        for (column, place) in self.table_columns.iter().zip(&self.places) {
            let Some(source) = place.and_then(|place| batch.columns().get(place)) else {
                columns.push(new_null_array(&column.datatype.arrow(), rows));
                continue;
            };
            let (values, fits) = convert(source, column).map_err(|error| error.with("file", &self.file))?;
            if fits.count_set_bits() < rows {
                self.reject(column, source, &fits, keep.as_ref(), first_row)?;
                keep = Some(keep.map_or(fits.clone(), |keep| &keep & &fits));
            }
            columns.push(values);
        }
        let mut lines: Vec<u64> = (first_row..self.next_row).collect();
        let unfit = |error: arrow::error::ArrowError| Error::internal("rows cannot be put together").caused_by(error);
        if let Some(keep) = keep {
            let mut kept = keep.iter();
            lines.retain(|_| kept.next().unwrap_or(false));
            let mask = BooleanArray::new(keep, None);
            for column in &mut columns {
                *column = arrow::compute::filter(column, &mask).map_err(unfit)?;
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(lines.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(unfit)?;
        Ok(Some(Rows { batch, lines }))
    }

    /// Notes the rows that this column makes bad, except those that an earlier one made.
    fn reject(
        &self,
        column: &Column,
        source: &ArrayRef,
        fits: &BooleanBuffer,
        keep: Option<&BooleanBuffer>,
        first_row: u64,
    ) -> Result<()> {
        for row in (0..fits.len()).filter(|&row| !fits.value(row) && keep.is_none_or(|keep| keep.value(row))) {
            let (value, fault) = if source.is_null(row) {
                ("NULL".to_owned(), "is NULL in a column that allows none".to_owned())
            } else {
                let value = arrow::util::display::array_value_to_string(source, row).unwrap_or_default();
                (value, format!("does not fit its declared type {:?}", column.datatype).to_lowercase())
            };
            self.bad_rows.reject(
                Error::data(format!("the value of {} {fault}", column.name))
                    .with("file", &self.file)
                    .with("row", first_row + row as u64)
                    .with("column", &column.name)
                    .with("value", crate::bad_rows::shown(value.as_bytes())),
            )?;
        }
        Ok(())
    }
}

impl Iterator for Reader {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_rows().transpose()
    }
}

/// Runs the Parquet decoder over bytes that nobody vouches for: should a damaged file make it panic, that is the file's
/// error and must not end the process.
pub(crate) fn guarded<T>(file: &str, decode: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode)).map_err(|_| Error::data("the Parquet file is damaged").with("file", file))
}

/// For each declared column its root column in the file.
fn file_columns(
    file_schema: &SchemaRef,
    table: &Table,
    options: &FormatOptions,
    file: &str,
) -> Result<Vec<Option<usize>>> {
    let refuse = |message: String| Err(Error::invalid(message).with("file", file).with("table", &table.name));
    let mut unknown: Vec<&str> = Vec::new();
    let mut found = vec![None; table.columns.len()];
    for (root, field) in file_schema.fields().iter().enumerate() {
        let exact = table.columns.iter().position(|column| &column.name == field.name());
        let column =
            exact.or_else(|| table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(field.name())));
        match column.and_then(|column| found.get_mut(column)) {
            None if is_bookkeeping(field.name()) => {}
            None => unknown.push(field.name()),
            Some(place @ None) => *place = Some(root),
            Some(Some(_)) => return refuse(format!("the file has the column {} twice", field.name())),
        }
    }
    if !unknown.is_empty() && !options.ignore_unknown_columns {
        unknown.truncate(5);
        return refuse(format!(
            "the file has columns that the table does not have: {}; declare them, or load it with unknown columns ignored",
            unknown.join(", ")
        ));
    }
    let mut missing = Vec::new();
    for (column, root) in table.columns.iter().zip(&found) {
        match root.and_then(|root| file_schema.fields().get(root)) {
            None if column.nullable => {}
            None => missing.push(column.name.as_str()),
            Some(field) if has_common_values(field.data_type(), &column.datatype.arrow()) => {}
            Some(field) => {
                return refuse(format!(
                    "the column {} has the type {} in the file, which is not the declared {}",
                    column.name,
                    field.data_type(),
                    format!("{:?}", column.datatype).to_lowercase()
                ));
            }
        }
    }
    if !missing.is_empty() {
        missing.truncate(5);
        return refuse(format!("the file lacks columns that may not be NULL: {}", missing.join(", ")));
    }
    Ok(found)
}

/// Whether values of one type can be values of the other without losing anything.
fn has_common_values(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Dictionary, FixedSizeBinary, LargeBinary, LargeUtf8, Null, Timestamp,
        Utf8, Utf8View,
    };
    match (from, to) {
        (Null, _) => true,
        (Dictionary(_, from), _) => has_common_values(from, to),
        (Utf8 | LargeUtf8 | Utf8View, Utf8) => true,
        (Binary | LargeBinary | BinaryView | FixedSizeBinary(_), Binary) => true,
        (Timestamp(_, _) | Date32, Timestamp(_, _)) => true,
        (Boolean, Boolean) => true,
        (Boolean, _) => to.is_integer(),
        (_, Boolean) => from.is_integer(),
        _ => is_number(from) && is_number(to),
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

/// The values in the declared type, and which rows have one that fits.
fn convert(source: &ArrayRef, column: &Column) -> Result<(ArrayRef, BooleanBuffer)> {
    let to = column.datatype.arrow();
    let from = source.data_type();
    let failed = |error: arrow::error::ArrowError| {
        Error::data(format!("the column {} cannot be read as its declared type", column.name)).caused_by(error)
    };
    // Safe: what cannot be converted becomes NULL, and is found below.
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let values = if from == &to {
        Arc::clone(source)
    } else if matches!(from, DataType::Timestamp(_, Some(_))) {
        // A moment with a zone is a count since 1970 in UTC already; a plain cast would move it to the zone's wall clock.
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
        cast_with_options(&cast_with_options(source, &utc, &options).map_err(failed)?, &to, &options).map_err(failed)?
    } else {
        cast_with_options(source, &to, &options).map_err(failed)?
    };
    let all = || BooleanBuffer::new_set(source.len());
    let present = |array: &ArrayRef| array.logical_nulls().map_or_else(all, |nulls| nulls.into_inner());
    let (was, is) = (present(source), present(&values));
    // A value that became NULL did not fit.
    let mut fits = &!&was | &is;
    if is_number(from) || is_number(&to) {
        let back = cast_with_options(&values, from, &options).map_err(failed)?;
        let same = arrow::compute::kernels::cmp::not_distinct(&back, source).map_err(failed)?;
        fits = &fits & same.values();
        // The comparison is one of bits. By value, -0.0 is the integer 0 and a NaN is a NaN whatever its bits.
        if from.is_floating() {
            let value = if to.is_floating() { f64::is_nan } else { |value: f64| value == 0.0 };
            let doubles = arrow::compute::cast(source, &DataType::Float64).map_err(failed)?;
            let doubles = arrow::array::AsArray::as_primitive::<arrow::datatypes::Float64Type>(&doubles);
            let equal: BooleanBuffer = doubles.iter().map(|double| double.is_some_and(value)).collect();
            fits = &fits | &(&equal & &is);
        }
    }
    if !column.nullable {
        fits = &fits & &is;
    }
    Ok((values, fits))
}

#[cfg(test)]
mod tests;
