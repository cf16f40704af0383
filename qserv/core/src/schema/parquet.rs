//! A table declared by a Parquet file's own schema.

use arrow::datatypes::{DataType, Field, Schema};

use super::faults::{Faults, Place};
use super::felis::{FelisSchema, FelisTable};
use crate::catalog::{Column, ColumnType, HEALPIX_29, Table, TableId, TableKind};
use crate::error::Result;
use crate::query::{describe, field_metadata};

/// Columns that HATS writers add; the partition has its own.
const HATS_COLUMNS: &[&str] = &["Norder", "Dir", "Npix"];

/// A schema of one table, `table_name`, with the columns of an Arrow schema in their order. Unit, UCD, utype, description,
/// xtype and array size are taken from the fields' metadata under [`field_metadata`]'s keys. Types without a Felis name
/// take the nearest wider one that loses nothing. `_healpix_29` and the HATS partition columns are left out.
///
/// # Errors
/// `Invalid`, naming each column whose type has no Felis type.
pub fn from_parquet_schema(table_name: &str, schema: &Schema) -> Result<FelisSchema> {
    let place = Place { file: format!("the Parquet schema of {table_name}").into(), line: 0 };
    let mut faults = Faults::default();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        if field.name() == HEALPIX_29 || HATS_COLUMNS.contains(&field.name().as_str()) {
            continue;
        }
        match column_type(field.data_type()) {
            Ok((datatype, length)) => columns.push(column(field, datatype, length)),
            Err(remedy) => {
                let message =
                    format!("column \"{}\" has the type {}; {remedy}", field.name(), type_name(field.data_type()));
                faults.add(&place, message);
            }
        }
    }
    faults.into_result()?;
    let table = Table {
        id: TableId(0),
        name: table_name.to_owned(),
        kind: TableKind::Replicated,
        description: schema.metadata().get(field_metadata::DESCRIPTION).filter(|text| !text.is_empty()).cloned(),
        utype: schema.metadata().get(field_metadata::UTYPE).filter(|text| !text.is_empty()).cloned(),
        table_index: None,
        primary_key: Vec::new(),
        columns,
    };
    let column_places = vec![place.clone(); table.columns.len()];
    Ok(FelisSchema {
        name: table_name.to_owned(),
        description: None,
        version: None,
        tables: vec![FelisTable { table, place: place.clone(), column_places }],
        foreign_keys: Vec::new(),
        place,
    })
}

fn column(field: &Field, datatype: ColumnType, length: Option<u32>) -> Column {
    let text = |key: &str| describe(field, key).map(str::to_owned);
    Column {
        name: field.name().clone(),
        datatype,
        length,
        nullable: field.is_nullable(),
        unit: text(field_metadata::UNIT),
        ucd: text(field_metadata::UCD),
        utype: text(field_metadata::UTYPE),
        description: text(field_metadata::DESCRIPTION),
        xtype: text(field_metadata::XTYPE),
        arraysize: text(field_metadata::ARRAYSIZE),
        principal: false,
        std: false,
        column_index: None,
    }
}

/// The narrowest declared type that holds every value, and a length; or what to do instead.
fn column_type(data_type: &DataType) -> Result<(ColumnType, Option<u32>), &'static str> {
    use arrow::datatypes::TimeUnit;
    let datatype = match data_type {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 => ColumnType::Byte,
        DataType::Int16 | DataType::UInt8 => ColumnType::Short,
        DataType::Int32 | DataType::UInt16 => ColumnType::Int,
        DataType::Int64 | DataType::UInt32 => ColumnType::Long,
        DataType::Float16 | DataType::Float32 => ColumnType::Float,
        DataType::Float64 => ColumnType::Double,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ColumnType::Binary,
        DataType::FixedSizeBinary(width) => {
            return Ok((ColumnType::Binary, u32::try_from(*width).ok().filter(|width| *width > 0)));
        }
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond, _)
        | DataType::Date32
        | DataType::Date64 => ColumnType::Timestamp,
        // Every integer of 18 digits fits into 64 bits.
        DataType::Decimal128(..=18, 0) | DataType::Decimal64(..=18, 0) | DataType::Decimal32(_, 0) => ColumnType::Long,
        DataType::Dictionary(_, values) => return column_type(values),
        DataType::UInt64 => return Err("its values may exceed 64 signed bits: write the file with int64"),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            return Err("timestamps are kept in microseconds: write the file with timestamp[us]");
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::Decimal64(..) | DataType::Decimal32(..) => {
            return Err("fixed-point numbers would be rounded: write the file with double or int64");
        }
        DataType::Null => return Err("it holds no values: give it a type or leave it out of the file"),
        _ => return Err("a cell holds one plain value: write the file with one column a value, or leave it out"),
    };
    Ok((datatype, None))
}

/// The type's name as Parquet tools show it.
fn type_name(data_type: &DataType) -> String {
    use arrow::datatypes::TimeUnit;
    match data_type {
        DataType::UInt64 => "uint64".to_owned(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => "timestamp[ns]".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("decimal({precision}, {scale})"),
        DataType::Null => "null".to_owned(),
        DataType::Dictionary(_, values) => format!("dictionary of {}", type_name(values)),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..) => "list".to_owned(),
        DataType::Struct(_) => "struct".to_owned(),
        DataType::Map(..) => "map".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time of day".to_owned(),
        DataType::Duration(_) | DataType::Interval(_) => "duration".to_owned(),
        _ => "one that Felis does not have".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::datatypes::TimeUnit;

    use super::*;
    use crate::schema::{Layout, declare};

    #[test]
    fn maps_types_without_loss_and_takes_metadata_over() {
        let described = Field::new("ra", DataType::Float64, false).with_metadata(HashMap::from([
            ("unit".to_owned(), "deg".to_owned()),
            ("ucd".to_owned(), "pos.eq.ra".to_owned()),
        ]));
        let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        let schema = Schema::new(vec![
            Field::new(HEALPIX_29, DataType::Int64, true),
            described,
            Field::new("flags", DataType::UInt32, true),
            Field::new("band", dictionary, true),
            Field::new("at", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), true),
            Field::new("Npix", DataType::UInt64, true),
        ]);
        let felis = from_parquet_schema("Object", &schema).unwrap();
        let table = &felis.tables[0].table;
        let types: Vec<_> = table.columns.iter().map(|column| (column.name.as_str(), column.datatype)).collect();
        assert_eq!(
            types,
            [
                ("ra", ColumnType::Double),
                ("flags", ColumnType::Long),
                ("band", ColumnType::String),
                ("at", ColumnType::Timestamp)
            ]
        );
        assert_eq!(table.columns[0].unit.as_deref(), Some("deg"));
        assert_eq!(table.columns[0].ucd.as_deref(), Some("pos.eq.ra"));
        assert!(!table.columns[0].nullable);
        assert_eq!(declare(&felis, &Layout::replicated()).unwrap().tables.len(), 1);
    }

    #[test]
    fn refuses_each_column_that_does_not_fit() {
        let list = DataType::List(Field::new("item", DataType::Float32, true).into());
        let schema = Schema::new(vec![
            Field::new("id", DataType::UInt64, true),
            Field::new("spectrum", list, true),
            Field::new("at", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
        ]);
        let error = from_parquet_schema("Object", &schema).unwrap_err().to_string();
        for said in ["column \"id\" has the type uint64; ", "column \"spectrum\" has the type list; ", "timestamp[us]"]
        {
            assert!(error.contains(said), "{error}");
        }
    }
}
