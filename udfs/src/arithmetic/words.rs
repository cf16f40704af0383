//! What types and values are called in errors.

use std::fmt::Display;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use qserv_core::Error;

/// Longest value that an error shows, in characters.
const LONGEST_VALUE: usize = 60;

/// The ADQL name of a type; `None` for a type that no query can name.
pub(super) fn type_name(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INTEGER".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "REAL".to_owned(),
        DataType::Float64 => "DOUBLE PRECISION".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        _ => return None,
    })
}

/// The type of a name that [`type_name`] gave.
pub(super) fn named_type(name: &str) -> Option<DataType> {
    Some(match name {
        "BOOLEAN" => DataType::Boolean,
        "SMALLINT" => DataType::Int16,
        "INTEGER" => DataType::Int32,
        "BIGINT" => DataType::Int64,
        "REAL" => DataType::Float32,
        "DOUBLE PRECISION" => DataType::Float64,
        "DATE" => DataType::Date32,
        "TIMESTAMP" => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => {
            let (precision, scale) = name.strip_prefix("DECIMAL(")?.strip_suffix(')')?.split_once(", ")?;
            DataType::Decimal128(precision.parse().ok()?, scale.parse().ok()?)
        }
    })
}

/// The least and the greatest value of a type of whole numbers.
fn range(data_type: &DataType) -> Option<(i64, i64)> {
    Some(match data_type {
        DataType::Int16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        DataType::Int32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        DataType::Int64 => (i64::MIN, i64::MAX),
        _ => return None,
    })
}

/// The error of a value that its type cannot hold.
pub(super) fn too_large(value: impl Display, data_type: &DataType) -> Error {
    let name = type_name(data_type).unwrap_or_else(|| "its type".to_owned());
    let range = range(data_type).map(|(least, greatest)| format!(" ({least} to {greatest})")).unwrap_or_default();
    Error::invalid(format!("{value} does not fit {name}{range}"))
}

/// A value as an error shows it.
pub(super) fn shown(array: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default();
    let text = ArrayFormatter::try_new(array, &options).and_then(|formatter| formatter.value(row).try_to_string());
    let text = text.unwrap_or_else(|_| "a value".to_owned());
    if text.chars().count() <= LONGEST_VALUE {
        return text;
    }
    text.chars().take(LONGEST_VALUE).chain(['…']).collect()
}
