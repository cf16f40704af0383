//! One column of a batch, built of cells as text or as big-endian bytes.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeListArray, ListArray, NullBufferBuilder, PrimitiveBuilder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use qserv_core::{Error, Result};

use super::encoding::{boolean, integer, narrow, numbers, utf16};
use super::{Datatype, FileColumn};
use crate::delimited::values::{self, Fault};

/// Builds one column of a batch.
pub(in crate::table_file) struct ColumnBuilder {
    datatype: Datatype,
    values: Values,
    null: Option<Null>,
    list: Option<Lists>,
    is_bytes: bool,
}

enum Values {
    Boolean(BooleanBuilder),
    Byte(PrimitiveBuilder<Int8Type>),
    UnsignedByte(PrimitiveBuilder<UInt8Type>),
    Short(PrimitiveBuilder<Int16Type>),
    UnsignedShort(PrimitiveBuilder<UInt16Type>),
    Int(PrimitiveBuilder<Int32Type>),
    UnsignedInt(PrimitiveBuilder<UInt32Type>),
    Long(PrimitiveBuilder<Int64Type>),
    UnsignedLong(PrimitiveBuilder<UInt64Type>),
    Float(PrimitiveBuilder<Float32Type>),
    Double(PrimitiveBuilder<Float64Type>),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Moment(TimestampMicrosecondBuilder),
}

/// A number that stands for NULL.
#[derive(Debug, Clone, Copy)]
enum Null {
    Integer(i128),
    Float(f64),
}

/// Where the lists of a column end among its elements.
struct Lists {
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
    /// The length of every list.
    fixed: Option<usize>,
}

impl ColumnBuilder {
    /// A builder for this column.
    ///
    /// # Errors
    /// `Data` if the number that stands for NULL is none.
    pub(in crate::table_file) fn new(column: &FileColumn) -> Result<Self> {
        let values = match column.datatype {
            _ if column.is_moment() => Values::Moment(TimestampMicrosecondBuilder::new()),
            _ if column.is_bytes() => Values::Bytes(BinaryBuilder::new()),
            _ if column.is_shape() => Values::Double(PrimitiveBuilder::new()),
            Datatype::Boolean | Datatype::Bit => Values::Boolean(BooleanBuilder::new()),
            Datatype::Byte => Values::Byte(PrimitiveBuilder::new()),
            Datatype::UnsignedByte => Values::UnsignedByte(PrimitiveBuilder::new()),
            Datatype::Short => Values::Short(PrimitiveBuilder::new()),
            Datatype::UnsignedShort => Values::UnsignedShort(PrimitiveBuilder::new()),
            Datatype::Int => Values::Int(PrimitiveBuilder::new()),
            Datatype::UnsignedInt => Values::UnsignedInt(PrimitiveBuilder::new()),
            Datatype::Long => Values::Long(PrimitiveBuilder::new()),
            Datatype::UnsignedLong => Values::UnsignedLong(PrimitiveBuilder::new()),
            Datatype::Float => Values::Float(PrimitiveBuilder::new()),
            Datatype::Double => Values::Double(PrimitiveBuilder::new()),
            Datatype::Char | Datatype::UnicodeChar => Values::Text(StringBuilder::new()),
        };
        let is_list = matches!(column.arrow(), DataType::List(_) | DataType::FixedSizeList(..));
        let list =
            is_list.then(|| Lists { ends: vec![0], nulls: NullBufferBuilder::new(0), fixed: column.list_length() });
        let null = column.null.as_deref().map(|text| null_number(column, text)).transpose()?.flatten();
        Ok(Self { datatype: column.datatype, values, null, list, is_bytes: column.is_bytes() })
    }

    /// Adds NULL.
    pub(in crate::table_file) fn push_null(&mut self) {
        let Some(list) = &mut self.list else {
            self.push_null_element();
            return;
        };
        list.nulls.append_null();
        for _ in 0..list.fixed.unwrap_or(0) {
            self.push_null_element();
        }
        self.end_list();
    }

    fn push_null_element(&mut self) {
        match &mut self.values {
            Values::Boolean(builder) => builder.append_null(),
            Values::Byte(builder) => builder.append_null(),
            Values::UnsignedByte(builder) => builder.append_null(),
            Values::Short(builder) => builder.append_null(),
            Values::UnsignedShort(builder) => builder.append_null(),
            Values::Int(builder) => builder.append_null(),
            Values::UnsignedInt(builder) => builder.append_null(),
            Values::Long(builder) => builder.append_null(),
            Values::UnsignedLong(builder) => builder.append_null(),
            Values::Float(builder) => builder.append_null(),
            Values::Double(builder) => builder.append_null(),
            Values::Text(builder) => builder.append_null(),
            Values::Bytes(builder) => builder.append_null(),
            Values::Moment(builder) => builder.append_null(),
        }
    }

    /// Adds a text, to a column of text or moments.
    pub(in crate::table_file) fn push_str(&mut self, text: &str) -> Result<(), Fault> {
        match &mut self.values {
            Values::Text(builder) => builder.append_value(text),
            Values::Moment(builder) => builder.append_value(values::timestamp(text.trim().as_bytes())?),
            _ => return Err("is text in a column of numbers"),
        }
        Ok(())
    }

    /// Adds a cell of TABLEDATA: one value, or several with blanks between them; empty is NULL. After a fault the builder is of no
    /// more use.
    pub(in crate::table_file) fn push_cell(&mut self, text: &str) -> Result<(), Fault> {
        if self.datatype.is_text() {
            if text.is_empty() {
                self.push_null();
                return Ok(());
            }
            return self.push_str(text);
        }
        let text = text.trim();
        if text.is_empty() {
            self.push_null();
            return Ok(());
        }
        if self.is_bytes {
            return self.push_words(text.split_whitespace().map(Some));
        }
        if self.list.is_none() {
            return self.push_word(text);
        }
        if self.datatype == Datatype::Bit {
            // Blanks between bits are optional.
            for bit in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
                match bit {
                    b'0' | b'1' => self.push_boolean(Some(bit == b'1')),
                    _ => return Err("is not an array of bits"),
                }
            }
        } else {
            text.split_whitespace().try_for_each(|word| self.push_word(word))?;
        }
        self.end_list_of_values()
    }

    /// Adds an array of elements as text; `None` is NULL inside.
    pub(in crate::table_file) fn push_words<'a>(
        &mut self,
        words: impl Iterator<Item = Option<&'a str>>,
    ) -> Result<(), Fault> {
        if self.is_bytes {
            let words = words.map(|word| word.ok_or("has a NULL among its bytes")).collect::<Result<Vec<_>, _>>()?;
            let mut bytes = Vec::with_capacity(words.len());
            for word in words {
                bytes.push(u8::try_from(integer(word)?).map_err(|_| "is out of the range of a byte (0 to 255)")?);
            }
            self.push_bytes(&bytes);
            return Ok(());
        }
        for word in words {
            match word {
                Some(word) => self.push_word(word)?,
                None => self.push_null_element(),
            }
        }
        if self.list.is_some() { self.end_list_of_values() } else { Ok(()) }
    }

    /// Adds one element as text.
    fn push_word(&mut self, word: &str) -> Result<(), Fault> {
        match &mut self.values {
            Values::Boolean(_) => {
                let value = boolean(word)?;
                self.push_boolean(value);
            }
            Values::Byte(builder) => push_integer(builder, word, self.null)?,
            Values::UnsignedByte(builder) => push_integer(builder, word, self.null)?,
            Values::Short(builder) => push_integer(builder, word, self.null)?,
            Values::UnsignedShort(builder) => push_integer(builder, word, self.null)?,
            Values::Int(builder) => push_integer(builder, word, self.null)?,
            Values::UnsignedInt(builder) => push_integer(builder, word, self.null)?,
            Values::Long(builder) => push_integer(builder, word, self.null)?,
            Values::UnsignedLong(builder) => push_integer(builder, word, self.null)?,
            Values::Float(builder) => {
                let value = values::float(word.as_bytes(), "is out of the range of a float")?;
                extend_floats(builder, [value].into_iter(), self.null);
            }
            Values::Double(builder) => {
                let value = values::float(word.as_bytes(), "is out of the range of a double")?;
                extend_floats(builder, [value].into_iter(), self.null);
            }
            Values::Text(_) | Values::Bytes(_) | Values::Moment(_) => {
                return Err("is not a value of its column's type");
            }
        }
        Ok(())
    }

    /// Adds a cell of bytes: big-endian elements one after the other, as many as there are whole ones.
    pub(in crate::table_file) fn push_binary(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match &mut self.values {
            Values::Boolean(_) => {
                for byte in bytes {
                    let value = match (self.datatype, byte) {
                        // Writers do not agree on which bit of its byte a lone bit is.
                        (Datatype::Bit, byte) => Some(*byte != 0),
                        (_, b'T' | b't' | b'1') => Some(true),
                        (_, b'F' | b'f' | b'0') => Some(false),
                        (_, b'?' | b' ' | 0) => None,
                        _ => return Err("is not a truth value"),
                    };
                    self.push_boolean(value);
                }
            }
            Values::Byte(builder) => extend(builder, numbers(bytes, i8::from_be_bytes), self.null),
            Values::UnsignedByte(builder) => extend(builder, bytes.iter().copied(), self.null),
            Values::Short(builder) => extend(builder, numbers(bytes, i16::from_be_bytes), self.null),
            Values::UnsignedShort(builder) => extend(builder, numbers(bytes, u16::from_be_bytes), self.null),
            Values::Int(builder) => extend(builder, numbers(bytes, i32::from_be_bytes), self.null),
            Values::UnsignedInt(builder) => extend(builder, numbers(bytes, u32::from_be_bytes), self.null),
            Values::Long(builder) => extend(builder, numbers(bytes, i64::from_be_bytes), self.null),
            Values::UnsignedLong(builder) => extend(builder, numbers(bytes, u64::from_be_bytes), self.null),
            Values::Float(builder) => extend_floats(builder, numbers(bytes, f32::from_be_bytes), self.null),
            // A shape of floats is kept as doubles.
            Values::Double(builder) if self.datatype == Datatype::Float => {
                extend_floats(builder, numbers(bytes, f32::from_be_bytes).map(f64::from), self.null);
            }
            Values::Double(builder) => extend_floats(builder, numbers(bytes, f64::from_be_bytes), self.null),
            Values::Bytes(_) => {
                self.push_bytes(bytes);
                return Ok(());
            }
            Values::Text(_) | Values::Moment(_) => {
                let text = if self.datatype == Datatype::UnicodeChar { utf16(bytes)? } else { narrow(bytes) };
                return self.push_str(&text);
            }
        }
        if self.list.is_some() { self.end_list_of_values() } else { Ok(()) }
    }

    /// Adds an array of so many bits, the first the highest of its byte.
    pub(in crate::table_file) fn push_bits(&mut self, bytes: &[u8], count: usize) -> Result<(), Fault> {
        for bit in 0..count {
            let byte = bytes.get(bit / 8).copied().unwrap_or(0);
            self.push_boolean(Some(byte & (0x80 >> (bit % 8)) != 0));
        }
        if self.list.is_some() { self.end_list_of_values() } else { Ok(()) }
    }

    /// Adds numbers, to a column of doubles.
    pub(in crate::table_file) fn push_doubles(
        &mut self,
        numbers: impl Iterator<Item = Option<f64>>,
    ) -> Result<(), Fault> {
        let Values::Double(builder) = &mut self.values else { return Err("is not a number") };
        numbers.for_each(|number| builder.append_option(number));
        if self.list.is_some() { self.end_list_of_values() } else { Ok(()) }
    }

    fn push_boolean(&mut self, value: Option<bool>) {
        if let Values::Boolean(builder) = &mut self.values {
            builder.append_option(value);
        }
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        if let Values::Bytes(builder) = &mut self.values {
            builder.append_value(bytes);
        }
    }

    /// Ends a list that is there.
    fn end_list_of_values(&mut self) -> Result<(), Fault> {
        let elements = self.elements();
        let Some(list) = &mut self.list else { return Ok(()) };
        let start = usize::try_from(list.ends.last().copied().unwrap_or(0)).unwrap_or(0);
        if list.fixed.is_some_and(|fixed| elements - start != fixed) {
            return Err("has another number of elements than its column declares");
        }
        list.nulls.append_non_null();
        self.end_list();
        Ok(())
    }

    fn end_list(&mut self) {
        let elements = i32::try_from(self.elements()).unwrap_or(i32::MAX);
        if let Some(list) = &mut self.list {
            list.ends.push(elements);
        }
    }

    fn elements(&self) -> usize {
        use arrow::array::ArrayBuilder;
        match &self.values {
            Values::Boolean(builder) => builder.len(),
            Values::Byte(builder) => builder.len(),
            Values::UnsignedByte(builder) => builder.len(),
            Values::Short(builder) => builder.len(),
            Values::UnsignedShort(builder) => builder.len(),
            Values::Int(builder) => builder.len(),
            Values::UnsignedInt(builder) => builder.len(),
            Values::Long(builder) => builder.len(),
            Values::UnsignedLong(builder) => builder.len(),
            Values::Float(builder) => builder.len(),
            Values::Double(builder) => builder.len(),
            Values::Text(builder) => builder.len(),
            Values::Bytes(builder) => builder.len(),
            Values::Moment(builder) => builder.len(),
        }
    }

    /// The column; the builder is empty again.
    ///
    /// # Errors
    /// `Internal` if lists and elements do not fit.
    pub(in crate::table_file) fn finish(&mut self) -> Result<ArrayRef> {
        let values: ArrayRef = match &mut self.values {
            Values::Boolean(builder) => Arc::new(builder.finish()),
            Values::Byte(builder) => Arc::new(builder.finish()),
            Values::UnsignedByte(builder) => Arc::new(builder.finish()),
            Values::Short(builder) => Arc::new(builder.finish()),
            Values::UnsignedShort(builder) => Arc::new(builder.finish()),
            Values::Int(builder) => Arc::new(builder.finish()),
            Values::UnsignedInt(builder) => Arc::new(builder.finish()),
            Values::Long(builder) => Arc::new(builder.finish()),
            Values::UnsignedLong(builder) => Arc::new(builder.finish()),
            Values::Float(builder) => Arc::new(builder.finish()),
            Values::Double(builder) => Arc::new(builder.finish()),
            Values::Text(builder) => Arc::new(builder.finish()),
            Values::Bytes(builder) => Arc::new(builder.finish()),
            Values::Moment(builder) => Arc::new(builder.finish()),
        };
        let Some(list) = &mut self.list else { return Ok(values) };
        let ends = std::mem::replace(&mut list.ends, vec![0]);
        let nulls = list.nulls.finish();
        let element = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let built = match list.fixed {
            Some(fixed) => {
                let rows = ends.len() - 1;
                let fixed = i32::try_from(fixed).unwrap_or(i32::MAX);
                FixedSizeListArray::try_new_with_length(element, fixed, values, nulls, rows)
                    .map(|array| Arc::new(array) as ArrayRef)
            }
            None => ListArray::try_new(element, OffsetBuffer::new(ends.into()), values, nulls)
                .map(|array| Arc::new(array) as ArrayRef),
        };
        built.map_err(|error| Error::internal("arrays cannot be put together").caused_by(error))
    }
}

/// The number that `text` says stands for NULL; none for text, whose NULL is its absence.
fn null_number(column: &FileColumn, text: &str) -> Result<Option<Null>> {
    let text = text.trim();
    let refuse = |_| {
        Error::data("the value that stands for NULL in a column is no number")
            .with("column", &column.name)
            .with("value", crate::bad_rows::shown(text.as_bytes()))
    };
    Ok(match column.datatype {
        _ if text.is_empty() => None,
        Datatype::Char | Datatype::UnicodeChar | Datatype::Boolean | Datatype::Bit => None,
        Datatype::Float | Datatype::Double => Some(Null::Float(values::float(text.as_bytes(), "").map_err(refuse)?)),
        _ => Some(Null::Integer(integer(text).map_err(refuse)?)),
    })
}

fn push_integer<T>(builder: &mut PrimitiveBuilder<T>, word: &str, null: Option<Null>) -> Result<(), Fault>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
{
    let value = integer(word)?;
    if matches!(null, Some(Null::Integer(null)) if null == value) {
        builder.append_null();
        return Ok(());
    }
    builder.append_value(T::Native::try_from(value).map_err(|_| "is out of the range of its column's type")?);
    Ok(())
}

fn extend<T>(builder: &mut PrimitiveBuilder<T>, numbers: impl Iterator<Item = T::Native>, null: Option<Null>)
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128>,
{
    let Some(Null::Integer(null)) = null else {
        numbers.for_each(|number| builder.append_value(number));
        return;
    };
    numbers.for_each(|number| builder.append_option((number.into() != null).then_some(number)));
}

fn extend_floats<T>(builder: &mut PrimitiveBuilder<T>, numbers: impl Iterator<Item = T::Native>, null: Option<Null>)
where
    T: ArrowPrimitiveType,
    T::Native: Into<f64>,
{
    let Some(Null::Float(null)) = null else {
        numbers.for_each(|number| builder.append_value(number));
        return;
    };
    let is_null = |number: f64| number == null || (number.is_nan() && null.is_nan());
    numbers.for_each(|number| builder.append_option((!is_null(number.into())).then_some(number)));
}
