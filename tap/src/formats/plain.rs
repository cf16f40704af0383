//! Schemas of plain types, for formats whose readers know Arrow's types: text and bytes in views become text and bytes, dictionaries
//! become their values. The values stay the same, older readers know them, and a slice does not carry the views' shared buffers along.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use qserv_core::query::{describe, field_metadata};
use qserv_core::{Error, Result};

/// What the fields of an answer tell of themselves; all other metadata are the engine's own.
const TOLD: [&str; 8] = [
    field_metadata::UNIT,
    field_metadata::UCD,
    field_metadata::UTYPE,
    field_metadata::DESCRIPTION,
    field_metadata::XTYPE,
    field_metadata::ARRAYSIZE,
    field_metadata::DATATYPE,
    field_metadata::LINK,
];

/// The schema in which batches of `schema` are written.
pub(super) fn plain_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(|field| Arc::new(plain_field(field))).collect();
    Arc::new(Schema::new(fields))
}

fn plain_field(field: &Field) -> Field {
    let told = |key: &'static str| Some((key.to_owned(), describe(field, key)?.to_owned()));
    field
        .clone()
        .with_data_type(plain_type(field.data_type()))
        .with_metadata(TOLD.into_iter().filter_map(told).collect())
}

fn plain_type(datatype: &DataType) -> DataType {
    match datatype {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::List(element) => DataType::List(plain_element(element)),
        DataType::LargeList(element) => DataType::LargeList(plain_element(element)),
        other => other.clone(),
    }
}

fn plain_element(element: &FieldRef) -> FieldRef {
    Arc::new(element.as_ref().clone().with_data_type(plain_type(element.data_type())))
}

/// A batch in a schema that [`plain_schema`] gave.
///
/// # Errors
/// [`Internal`](qserv_core::ErrorKind::Internal) if the batch is of another schema.
pub(super) fn plain_batch(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
    let unexpected = |error| Error::internal("a batch arrived with other columns than announced").caused_by(error);
    let plain = |(array, field): (&ArrayRef, &FieldRef)| {
        if array.data_type() == field.data_type() { Ok(array.clone()) } else { cast(array, field.data_type()) }
    };
    let columns =
        batch.columns().iter().zip(schema.fields()).map(plain).collect::<Result<_, _>>().map_err(unexpected)?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(unexpected)
}
