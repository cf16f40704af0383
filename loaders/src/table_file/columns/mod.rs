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

mod builder;
mod builders;
mod encoding;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use qserv_core::query::field_metadata;

pub(super) use builder::ColumnBuilder;
pub(super) use builders::Builders;
pub(super) use encoding::narrow;

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
