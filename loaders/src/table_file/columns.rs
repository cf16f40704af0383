//! The columns of a file that describes itself, and one builder a column: cells as text or as big-endian bytes in, Arrow out.
//!
//! VOTable and FITS have the same kinds of cells, so both build their batches here:
//!
//! | in the file | in Arrow |
//! |---|---|
//! | boolean, bit | Boolean |
//! | unsignedByte, short, int, long, and FITS's unsigned kin | the integer of that width |
//! | float, double | Float32, Float64 |
//! | floatComplex, doubleComplex | two numbers an element |
//! | char, unicodeChar, with or without arraysize | Utf8 |
//! | char with xtype timestamp | Timestamp in microseconds |
//! | array of unsignedByte | Binary |
//! | array of one fixed size | FixedSizeList |
//! | any other array, and every DALI shape | List |
//!
//! Arrays of several dimensions are flat; their `arraysize` is kept in the field's metadata.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeListArray, ListArray, NullBufferBuilder, PrimitiveBuilder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use qserv_core::query::field_metadata;
use qserv_core::{Error, Result};

use crate::delimited::values::{self, Fault};

/// The type of one element of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Boolean,
    Bit,
    Byte,
    UnsignedByte,
    Short,
    UnsignedShort,
    Int,
    UnsignedInt,
    Long,
    UnsignedLong,
    Float,
    Double,
    /// Bytes of ASCII or UTF-8.
    Char,
    /// UTF-16.
    UnicodeChar,
}

impl Datatype {
    /// Bytes of one element in binary cells; bits of an array share bytes.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Boolean | Self::Bit | Self::Byte | Self::UnsignedByte | Self::Char => 1,
            Self::Short | Self::UnsignedShort | Self::UnicodeChar => 2,
            Self::Int | Self::UnsignedInt | Self::Float => 4,
            Self::Long | Self::UnsignedLong | Self::Double => 8,
        }
    }

    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Char | Self::UnicodeChar)
    }

    fn arrow(self) -> DataType {
        match self {
            Self::Boolean | Self::Bit => DataType::Boolean,
            Self::Byte => DataType::Int8,
            Self::UnsignedByte => DataType::UInt8,
            Self::Short => DataType::Int16,
            Self::UnsignedShort => DataType::UInt16,
            Self::Int => DataType::Int32,
            Self::UnsignedInt => DataType::UInt32,
            Self::Long => DataType::Int64,
            Self::UnsignedLong => DataType::UInt64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Char | Self::UnicodeChar => DataType::Utf8,
        }
    }
}

/// How many elements a cell has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// One: a scalar.
    One,
    /// Always this many.
    Fixed(usize),
    /// Any number.
    Any,
}

/// A column as its file describes it.
#[derive(Debug, Clone)]
pub(super) struct FileColumn {
    pub(super) name: String,
    pub(super) datatype: Datatype,
    pub(super) length: Length,
    /// The number that stands for NULL, as written.
    pub(super) null: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) ucd: Option<String>,
    pub(super) utype: Option<String>,
    pub(super) xtype: Option<String>,
    pub(super) description: Option<String>,
    pub(super) arraysize: Option<String>,
}

impl FileColumn {
    /// A scalar column of which nothing else is known.
    pub(super) fn new(name: impl Into<String>, datatype: Datatype) -> Self {
        Self {
            name: name.into(),
            datatype,
            length: Length::One,
            null: None,
            unit: None,
            ucd: None,
            utype: None,
            xtype: None,
            description: None,
            arraysize: None,
        }
    }

    fn is_moment(&self) -> bool {
        self.datatype.is_text()
            && self.xtype.as_deref().is_some_and(|xtype| matches!(xtype, "timestamp" | "adql:TIMESTAMP"))
    }

    /// A shape of DALI: a list of doubles, whatever its length is declared to be, as our functions take it.
    fn is_shape(&self) -> bool {
        matches!(self.datatype, Datatype::Float | Datatype::Double)
            && self.length != Length::One
            && self.xtype.as_deref().is_some_and(|xtype| matches!(xtype, "point" | "circle" | "polygon"))
    }

    fn is_bytes(&self) -> bool {
        self.datatype == Datatype::UnsignedByte && self.length != Length::One
    }

    fn list_length(&self) -> Option<usize> {
        match self.length {
            Length::Fixed(length) if !self.is_shape() => Some(length),
            _ => None,
        }
    }

    /// The Arrow type of its values.
    fn arrow(&self) -> DataType {
        let element = if self.is_shape() { DataType::Float64 } else { self.datatype.arrow() };
        if self.is_moment() {
            return DataType::Timestamp(TimeUnit::Microsecond, None);
        }
        if self.datatype.is_text() {
            return DataType::Utf8;
        }
        if self.is_bytes() {
            return DataType::Binary;
        }
        let list = |element| Arc::new(Field::new_list_field(element, true));
        match (self.length, self.list_length()) {
            (Length::One, _) => element,
            (_, Some(length)) => DataType::FixedSizeList(list(element), i32::try_from(length).unwrap_or(i32::MAX)),
            (_, None) => DataType::List(list(element)),
        }
    }

    /// The Arrow field of its values, with what is known of them.
    pub(super) fn field(&self) -> Field {
        let is_char = self.datatype == Datatype::Char && !self.is_moment();
        let known = [
            (field_metadata::UNIT, self.unit.as_deref()),
            (field_metadata::UCD, self.ucd.as_deref()),
            (field_metadata::UTYPE, self.utype.as_deref()),
            (field_metadata::XTYPE, if self.is_moment() { Some("timestamp") } else { self.xtype.as_deref() }),
            (field_metadata::DESCRIPTION, self.description.as_deref()),
            (field_metadata::ARRAYSIZE, self.arraysize.as_deref()),
            (field_metadata::DATATYPE, is_char.then_some("char")),
        ];
        let known = known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
        let metadata: HashMap<String, String> = known.filter(|(_, value)| !value.is_empty()).collect();
        Field::new(&self.name, self.arrow(), true).with_metadata(metadata)
    }

    /// Bytes that a cell takes however few the file spends on it.
    pub(super) fn least_bytes(&self) -> usize {
        match self.length {
            Length::Fixed(length) if !self.datatype.is_text() => length.saturating_mul(self.datatype.width()),
            _ => self.datatype.width(),
        }
    }
}

/// Builds one column of a batch.
pub(super) struct ColumnBuilder {
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
    pub(super) fn new(column: &FileColumn) -> Result<Self> {
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
    pub(super) fn push_null(&mut self) {
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
    pub(super) fn push_str(&mut self, text: &str) -> Result<(), Fault> {
        match &mut self.values {
            Values::Text(builder) => builder.append_value(text),
            Values::Moment(builder) => builder.append_value(values::timestamp(text.trim().as_bytes())?),
            _ => return Err("is text in a column of numbers"),
        }
        Ok(())
    }

    /// Adds a cell of TABLEDATA: one value, or several with blanks between them; empty is NULL. After a fault the builder is of no
    /// more use.
    pub(super) fn push_cell(&mut self, text: &str) -> Result<(), Fault> {
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
    pub(super) fn push_words<'a>(&mut self, words: impl Iterator<Item = Option<&'a str>>) -> Result<(), Fault> {
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
    pub(super) fn push_binary(&mut self, bytes: &[u8]) -> Result<(), Fault> {
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
    pub(super) fn push_bits(&mut self, bytes: &[u8], count: usize) -> Result<(), Fault> {
        for bit in 0..count {
            let byte = bytes.get(bit / 8).copied().unwrap_or(0);
            self.push_boolean(Some(byte & (0x80 >> (bit % 8)) != 0));
        }
        if self.list.is_some() { self.end_list_of_values() } else { Ok(()) }
    }

    /// Adds numbers, to a column of doubles.
    pub(super) fn push_doubles(&mut self, numbers: impl Iterator<Item = Option<f64>>) -> Result<(), Fault> {
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
    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
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

/// An integer as VOTable and ECSV write it: decimal, or hexadecimal after `0x`.
fn integer(word: &str) -> Result<i128, Fault> {
    const FORM: Fault = "is not an integer";
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with(['+', '-']) => i128::from_str_radix(digits, 16).map_err(|_| FORM)?,
        Some(_) => return Err(FORM),
        None if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse::<i128>().map_err(|_| FORM)?,
        None => return Err(FORM),
    };
    Ok(if negative { -value } else { value })
}

fn boolean(word: &str) -> Result<Option<bool>, Fault> {
    match word {
        "?" | "\0" => Ok(None),
        _ => values::boolean(word.as_bytes()).map(Some),
    }
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

/// Big-endian numbers one after the other.
fn numbers<const WIDTH: usize, T>(bytes: &[u8], number: impl Fn([u8; WIDTH]) -> T) -> impl Iterator<Item = T> {
    bytes.as_chunks::<WIDTH>().0.iter().map(move |bytes| number(*bytes))
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

/// Text of one byte a character up to a NUL: UTF-8 if it is that, else Latin-1, which every text is.
pub(super) fn narrow(bytes: &[u8]) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    let bytes = bytes.get(..end).unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

fn utf16(bytes: &[u8]) -> Result<String, Fault> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("has half a character");
    }
    let units = units.iter().map(|unit| u16::from_be_bytes(*unit)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| "is not Unicode text")
}

/// All columns of a file, built together.
pub(super) struct Builders {
    pub(super) columns: Vec<FileColumn>,
    pub(super) builders: Vec<ColumnBuilder>,
    pub(super) schema: arrow::datatypes::SchemaRef,
    /// Bytes that a row takes however few the file spends on it.
    pub(super) least_row_bytes: usize,
    rows: usize,
}

impl Builders {
    /// Builders for these columns, whose names are made different.
    ///
    /// # Errors
    /// `Limit` if a row could not be held in memory; `Data` if a column makes no sense.
    pub(super) fn new(mut columns: Vec<FileColumn>) -> Result<Self> {
        super::names::make_different(columns.iter_mut().map(|column| &mut column.name));
        let least_row_bytes = columns.iter().fold(0_usize, |sum, column| sum.saturating_add(column.least_bytes()));
        if least_row_bytes > crate::format::limits::RECORD_BYTES {
            return Err(Error::limit("a row of the table is longer than allowed")
                .with("bytes", least_row_bytes)
                .with("allowed bytes", crate::format::limits::RECORD_BYTES));
        }
        let builders = columns.iter().map(ColumnBuilder::new).collect::<Result<_>>()?;
        let fields: Vec<Field> = columns.iter().map(FileColumn::field).collect();
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        Ok(Self { columns, builders, schema, least_row_bytes, rows: 0 })
    }

    /// Counts a row whose cells have all been added.
    pub(super) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Rows since the last batch.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows since the last batch, if there are any.
    ///
    /// # Errors
    /// `Internal` if they do not fit together.
    pub(super) fn finish(&mut self) -> Result<Option<arrow::record_batch::RecordBatch>> {
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(None);
        }
        let columns = self.builders.iter_mut().map(ColumnBuilder::finish).collect::<Result<Vec<_>>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = arrow::record_batch::RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        batch.map(Some).map_err(|error| Error::internal("rows cannot be put together").caused_by(error))
    }

    /// The error of a cell of the row at work, `number` counted from 1.
    pub(super) fn fault(&self, fault: Fault, column: usize, number: u64, value: &[u8]) -> Error {
        let name = self.columns.get(column).map_or("", |column| column.name.as_str());
        Error::data(format!("the value of {name} {fault}"))
            .with("row", number)
            .with("column", name)
            .with("value", crate::bad_rows::shown(value))
    }
}
