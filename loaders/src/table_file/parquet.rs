//! Parquet as it is, and VOParquet, whose file metadata hold a VOTable that describes the columns.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use qserv_core::query::field_metadata;
use qserv_core::{Error, Result};

use super::names::make_different;
use super::votable;
use crate::format::limits;
use crate::parquet::guarded;

/// Under this key VOParquet keeps its VOTable.
const VOTABLE_KEY: &str = "IVOA.VOTable-Parquet.content";

/// What of a field's metadata is ours.
const KNOWN_KEYS: [&str; 7] = [
    field_metadata::UNIT,
    field_metadata::UCD,
    field_metadata::UTYPE,
    field_metadata::XTYPE,
    field_metadata::DESCRIPTION,
    field_metadata::ARRAYSIZE,
    field_metadata::DATATYPE,
];

/// Reads a Parquet file's rows.
pub(super) struct Parquet {
    batches: ParquetRecordBatchReader,
    schema: SchemaRef,
    file: String,
}

impl Parquet {
    /// Reads the footer. `file` is the name in errors.
    ///
    /// # Errors
    /// `Data` if it is damaged, or has a column of a type that no result could have.
    pub(super) fn open(bytes: File, file: &str) -> Result<Self> {
        let damaged = |error: parquet::errors::ParquetError| {
            Error::data("the Parquet file is damaged").with("file", file).caused_by(error)
        };
        let builder = guarded(file, || ParquetRecordBatchReaderBuilder::try_new(bytes))?.map_err(damaged)?;
        let in_file = Arc::clone(builder.schema());
        let described = described(builder.metadata().file_metadata().key_value_metadata(), file);
        let mut names: Vec<String> = in_file.fields().iter().map(|field| field.name().clone()).collect();
        make_different(names.iter_mut());
        let mut fields = Vec::with_capacity(names.len());
        for (field, name) in in_file.fields().iter().zip(names) {
            let datatype = datatype(field.data_type()).ok_or_else(|| {
                Error::data(
                    "a column has a type that no result of a query could have; leave it out, or write plain values",
                )
                .with("file", file)
                .with("column", field.name())
                .with("type", field.data_type())
            })?;
            let mut metadata: HashMap<String, String> = field.metadata().clone();
            metadata.retain(|key, _| KNOWN_KEYS.contains(&key.as_str()));
            if let Some(described) = described.get(field.name()) {
                metadata.extend(described.clone());
            }
            fields.push(Field::new(name, datatype, true).with_metadata(metadata));
        }
        let rows = builder.metadata().file_metadata().num_rows().max(1) as u64;
        let plain: u64 =
            builder.metadata().row_groups().iter().map(|group| group.total_byte_size().max(0) as u64).sum();
        let batch_rows = (limits::BATCH_BYTES as u64 / (plain / rows).max(1)).clamp(1, limits::BATCH_ROWS as u64);
        let batches = guarded(file, || builder.with_batch_size(batch_rows as usize).build())?.map_err(damaged)?;
        Ok(Self { batches, schema: Arc::new(Schema::new(fields)), file: file.to_owned() })
    }

    /// The columns.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(column, field)| {
            convert(column, field.data_type()).map_err(|error| {
                Error::data(format!("a value of {} does not fit the type of its column", field.name()))
                    .with("file", &self.file)
                    .with("column", field.name())
                    .caused_by(error)
            })
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal("rows cannot be put together").caused_by(error))
    }
}

impl Iterator for Parquet {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batches = &mut self.batches;
        match guarded(&self.file, || batches.next()) {
            Ok(None) => None,
            Ok(Some(Ok(batch))) => Some(self.convert(&batch)),
            Ok(Some(Err(error))) => {
                Some(Err(Error::data("the Parquet file is damaged").with("file", &self.file).caused_by(error)))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// The descriptions of columns in a VOParquet's metadata. What cannot be read is not there: the columns are.
fn described(
    metadata: Option<&Vec<parquet::file::metadata::KeyValue>>,
    file: &str,
) -> HashMap<String, HashMap<String, String>> {
    let found = metadata.into_iter().flatten().find(|pair| pair.key == VOTABLE_KEY);
    let Some(document) = found.and_then(|pair| pair.value.as_ref()) else { return HashMap::new() };
    let columns = votable::columns_of(document.as_bytes(), file).unwrap_or_default();
    let columns = columns.iter().map(|column| {
        let field = column.field();
        let mut metadata = field.metadata().clone();
        // The types are Parquet's.
        metadata.retain(|key, _| key != field_metadata::DATATYPE && key != field_metadata::ARRAYSIZE);
        (field.name().clone(), metadata)
    });
    columns.collect()
}

/// The type in which a column is kept; `None` for one that is not taken.
fn datatype(in_file: &DataType) -> Option<DataType> {
    Some(match in_file {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Timestamp(..) | DataType::Date64 => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Date32 | DataType::Boolean => in_file.clone(),
        DataType::Float16 => DataType::Float32,
        DataType::Dictionary(_, values) => datatype(values)?,
        DataType::List(element) | DataType::LargeList(element) => DataType::List(list_element(element)?),
        DataType::FixedSizeList(element, length) => DataType::FixedSizeList(list_element(element)?, *length),
        number if number.is_integer() || number.is_floating() || number.is_decimal() => number.clone(),
        _ => return None,
    })
}

fn list_element(element: &Field) -> Option<Arc<Field>> {
    let datatype = datatype(element.data_type())?;
    let is_plain = !datatype.is_nested();
    is_plain.then(|| Arc::new(Field::new_list_field(datatype, true)))
}

fn convert(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, arrow::error::ArrowError> {
    let strictly = CastOptions { safe: false, ..CastOptions::default() };
    if let (DataType::Timestamp(_, Some(_)), DataType::Timestamp(unit, None)) = (column.data_type(), to) {
        // A moment with a zone is a count since 1970 in UTC already; a plain cast would move it to the zone's wall clock.
        let utc = cast_with_options(column, &DataType::Timestamp(*unit, Some("+00:00".into())), &strictly)?;
        return cast_with_options(&utc, to, &strictly);
    }
    if column.data_type() == to { Ok(Arc::clone(column)) } else { cast_with_options(column, to, &strictly) }
}
