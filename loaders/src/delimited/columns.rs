//! One builder a column: text in, Arrow out.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, PrimitiveBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use qserv_core::catalog::{Column, ColumnType};

use super::values::{self, Fault};
use crate::format::BinaryText;

/// Builds one column of a batch.
pub(super) struct ColumnBuilder {
    nullable: bool,
    values: Values,
}

enum Values {
    Boolean(BooleanBuilder),
    Byte(PrimitiveBuilder<Int8Type>),
    Short(PrimitiveBuilder<Int16Type>),
    Int(PrimitiveBuilder<Int32Type>),
    Long(PrimitiveBuilder<Int64Type>),
    Float(PrimitiveBuilder<Float32Type>),
    Double(PrimitiveBuilder<Float64Type>),
    Text(StringBuilder),
    /// Text whose blanks at the end only fill it up.
    FixedText(StringBuilder),
    RawBinary(BinaryBuilder),
    HexadecimalBinary(BinaryBuilder, Vec<u8>),
    Timestamp(TimestampMicrosecondBuilder),
}

impl ColumnBuilder {
    pub(super) fn new(column: &Column, binary: BinaryText, rows: usize) -> Self {
        let values = match column.datatype {
            ColumnType::Boolean => Values::Boolean(BooleanBuilder::with_capacity(rows)),
            ColumnType::Byte => Values::Byte(PrimitiveBuilder::with_capacity(rows)),
            ColumnType::Short => Values::Short(PrimitiveBuilder::with_capacity(rows)),
            ColumnType::Int => Values::Int(PrimitiveBuilder::with_capacity(rows)),
            ColumnType::Long => Values::Long(PrimitiveBuilder::with_capacity(rows)),
            ColumnType::Float => Values::Float(PrimitiveBuilder::with_capacity(rows)),
            ColumnType::Double => Values::Double(PrimitiveBuilder::with_capacity(rows)),
            ColumnType::Char => Values::FixedText(StringBuilder::new()),
            ColumnType::String | ColumnType::Unicode | ColumnType::Text => Values::Text(StringBuilder::new()),
            ColumnType::Binary => match binary {
                BinaryText::Raw => Values::RawBinary(BinaryBuilder::new()),
                BinaryText::Hexadecimal => Values::HexadecimalBinary(BinaryBuilder::new(), Vec::new()),
            },
            ColumnType::Timestamp => Values::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows)),
        };
        Self { nullable: column.nullable, values }
    }

    /// Adds a value; `None` is NULL. After a fault nothing has been added.
    pub(super) fn append(&mut self, value: Option<&[u8]>) -> Result<(), Fault> {
        let Some(text) = value else {
            if !self.nullable {
                return Err("is NULL in a column that allows none");
            }
            self.append_null();
            return Ok(());
        };
        match &mut self.values {
            Values::Boolean(builder) => builder.append_value(values::boolean(trim(text))?),
            Values::Byte(builder) => append_integer(builder, text, "is out of the range of a byte (-128 to 127)")?,
            Values::Short(builder) => {
                append_integer(builder, text, "is out of the range of a short (-32768 to 32767)")?;
            }
            Values::Int(builder) => {
                append_integer(builder, text, "is out of the range of an int (-2147483648 to 2147483647)")?;
            }
            Values::Long(builder) => builder.append_value(values::integer(trim(text))?),
            Values::Float(builder) => {
                builder.append_value(values::float(trim(text), "is out of the range of a float")?);
            }
            Values::Double(builder) => {
                builder.append_value(values::float(trim(text), "is out of the range of a double")?);
            }
            Values::Text(builder) => {
                builder.append_value(std::str::from_utf8(text).map_err(|_| "is not UTF-8 text")?);
            }
            Values::FixedText(builder) => {
                let text = std::str::from_utf8(text).map_err(|_| "is not UTF-8 text")?;
                builder.append_value(text.trim_end_matches(' '));
            }
            Values::RawBinary(builder) => builder.append_value(text),
            Values::HexadecimalBinary(builder, bytes) => {
                values::hexadecimal(text, bytes)?;
                builder.append_value(bytes);
            }
            Values::Timestamp(builder) => builder.append_value(values::timestamp(trim(text))?),
        }
        Ok(())
    }

    /// Adds NULL whatever the declaration says: a place holder in a row that will be left out, or a column that the file lacks.
    pub(super) fn append_null(&mut self) {
        match &mut self.values {
            Values::Boolean(builder) => builder.append_null(),
            Values::Byte(builder) => builder.append_null(),
            Values::Short(builder) => builder.append_null(),
            Values::Int(builder) => builder.append_null(),
            Values::Long(builder) => builder.append_null(),
            Values::Float(builder) => builder.append_null(),
            Values::Double(builder) => builder.append_null(),
            Values::Text(builder) | Values::FixedText(builder) => builder.append_null(),
            Values::RawBinary(builder) | Values::HexadecimalBinary(builder, _) => builder.append_null(),
            Values::Timestamp(builder) => builder.append_null(),
        }
    }

    /// The column; the builder is empty again.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match &mut self.values {
            Values::Boolean(builder) => Arc::new(builder.finish()),
            Values::Byte(builder) => Arc::new(builder.finish()),
            Values::Short(builder) => Arc::new(builder.finish()),
            Values::Int(builder) => Arc::new(builder.finish()),
            Values::Long(builder) => Arc::new(builder.finish()),
            Values::Float(builder) => Arc::new(builder.finish()),
            Values::Double(builder) => Arc::new(builder.finish()),
            Values::Text(builder) | Values::FixedText(builder) => Arc::new(builder.finish()),
            Values::RawBinary(builder) | Values::HexadecimalBinary(builder, _) => Arc::new(builder.finish()),
            Values::Timestamp(builder) => Arc::new(builder.finish()),
        }
    }
}

fn append_integer<T>(builder: &mut PrimitiveBuilder<T>, text: &[u8], range: Fault) -> Result<(), Fault>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i64>,
{
    let value = values::integer(trim(text))?;
    builder.append_value(T::Native::try_from(value).map_err(|_| range)?);
    Ok(())
}

/// Without blanks around: fixed-width writers pad numbers.
fn trim(text: &[u8]) -> &[u8] {
    match text {
        [b' ', ..] | [.., b' '] => text.trim_ascii(),
        _ => text,
    }
}
