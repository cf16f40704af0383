//! The columns of a result as every writer sees them: a VOTable type from an Arrow type, and values in one of a few forms.
//!
//! A query can answer any Arrow type. [`ResultColumn::of`] chooses a VOTable type that holds it exactly, and [`ResultColumn::values`]
//! brings each batch into it:
//!
//! | Arrow | VOTable |
//! |---|---|
//! | Boolean | boolean |
//! | UInt8 | unsignedByte; short where the form has no other way to say NULL, and as an element of an array |
//! | Int8, Int16 | short (VOTable has no signed byte) |
//! | UInt16, Int32 | int |
//! | UInt32, UInt64, Int64 | long; a UInt64 beyond its range is an error |
//! | Float16, Float32 | float |
//! | Float64, Decimal | double |
//! | Utf8, LargeUtf8, Utf8View | unicodeChar `*`; char `*` where declared to be ASCII |
//! | Binary and its kin | unsignedByte `*` |
//! | Timestamp, Date | char `*`, xtype timestamp |
//! | List of Boolean or numbers | that type with an arraysize |
//! | everything else | unicodeChar `*`, as Arrow shows it |
//!
//! Text is always of variable length: a declared bound that one value breaks would cut that value in some readers, and others reserve
//! the bound for every row.

use std::ops::Range;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array,
    Int64Array, LargeStringArray, ListArray, StringArray, StringBuilder, StringViewArray, UInt8Array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use qserv_core::query::{describe, field_metadata};
use qserv_core::{Error, Result};

use crate::moment;

/// A VOTable primitive type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Datatype {
    Boolean,
    Short,
    Int,
    Long,
    Float,
    Double,
    Char,
    UnicodeChar,
    UnsignedByte,
}

impl Datatype {
    /// The name in VOTable.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Short => "short",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Char => "char",
            Self::UnicodeChar => "unicodeChar",
            Self::UnsignedByte => "unsignedByte",
        }
    }

    /// Bytes of one element in VOTable's binary serialisations.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Boolean | Self::Char | Self::UnsignedByte => 1,
            Self::Short | Self::UnicodeChar => 2,
            Self::Int | Self::Float => 4,
            Self::Long | Self::Double => 8,
        }
    }
}

/// How many elements a cell has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// One: a scalar.
    One,
    /// Always this many.
    Fixed(usize),
    /// Any number.
    Any,
}

/// A column of a result.
#[derive(Debug, Clone)]
pub(crate) struct ResultColumn {
    pub(crate) name: String,
    pub(crate) datatype: Datatype,
    pub(crate) length: Length,
    pub(crate) nullable: bool,
    pub(crate) xtype: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) ucd: Option<String>,
    pub(crate) utype: Option<String>,
    pub(crate) description: Option<String>,
    /// Where a value leads to.
    pub(crate) link: Option<String>,
}

/// The columns of a schema.
pub(crate) fn result_columns(schema: &Schema) -> Vec<ResultColumn> {
    schema.fields().iter().map(|field| ResultColumn::of(field)).collect()
}

impl ResultColumn {
    /// The column in which a field's values are written.
    pub(crate) fn of(field: &Field) -> Self {
        let described = |key| describe(field, key).map(str::to_owned);
        let (datatype, length) = votable_type(field);
        let xtype =
            described(field_metadata::XTYPE).or_else(|| is_moment(field.data_type()).then(|| "timestamp".to_owned()));
        Self {
            name: field.name().clone(),
            datatype,
            length,
            nullable: field.is_nullable(),
            xtype,
            unit: described(field_metadata::UNIT),
            ucd: described(field_metadata::UCD),
            utype: described(field_metadata::UTYPE),
            description: described(field_metadata::DESCRIPTION),
            link: described(field_metadata::LINK),
        }
    }

    /// The column for a form that says NULL in a whole number by a number set aside: in a byte every number may be a value.
    pub(crate) fn with_room_for_null(mut self) -> Self {
        if self.datatype == Datatype::UnsignedByte && self.length == Length::One && self.nullable {
            self.datatype = Datatype::Short;
        }
        self
    }

    /// VOTable's `arraysize`, for a column whose cells are arrays or text.
    pub(crate) fn arraysize(&self) -> Option<String> {
        match self.length {
            Length::One => None,
            Length::Fixed(length) => Some(length.to_string()),
            Length::Any => Some("*".to_owned()),
        }
    }

    /// An array of this column in the form that writers take.
    ///
    /// # Errors
    /// [`Data`](qserv_core::ErrorKind::Data) if a value does not fit the column's VOTable type.
    pub(crate) fn values(&self, array: &ArrayRef) -> Result<Values> {
        match self.length {
            Length::One => self.scalars(array),
            Length::Any if matches!(self.datatype, Datatype::Char | Datatype::UnicodeChar | Datatype::UnsignedByte) => {
                self.scalars(array)
            }
            Length::Fixed(_) | Length::Any => {
                let list = self.list(array)?;
                // A slice of an array still has the elements of the whole: only its own are brought into form.
                let range = used_elements(&list);
                let elements = self.scalars(&list.values().slice(range.start, range.len()))?;
                Ok(Values::List(list, Box::new(elements)))
            }
        }
    }

    fn list(&self, array: &ArrayRef) -> Result<ListArray> {
        let list = match array.data_type() {
            DataType::List(_) => array.as_list_opt::<i32>().cloned(),
            DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
                self.cast(array, &DataType::List(element.clone()))?.as_list_opt::<i32>().cloned()
            }
            _ => None,
        };
        list.ok_or_else(|| self.unexpected(array.data_type()))
    }

    fn scalars(&self, array: &ArrayRef) -> Result<Values> {
        if let DataType::Dictionary(_, value_type) = array.data_type() {
            return self.scalars(&self.cast(array, value_type)?);
        }
        let cast = |datatype: &DataType| self.cast(array, datatype);
        let values = match self.datatype {
            Datatype::Boolean => array.as_boolean_opt().cloned().map(Values::Boolean),
            Datatype::Short => cast(&DataType::Int16)?.as_primitive_opt().cloned().map(Values::Short),
            Datatype::Int => cast(&DataType::Int32)?.as_primitive_opt().cloned().map(Values::Int),
            Datatype::Long => cast(&DataType::Int64)?.as_primitive_opt().cloned().map(Values::Long),
            Datatype::Float => cast(&DataType::Float32)?.as_primitive_opt().cloned().map(Values::Float),
            Datatype::Double => cast(&DataType::Float64)?.as_primitive_opt().cloned().map(Values::Double),
            Datatype::UnsignedByte => match array.data_type() {
                DataType::UInt8 => array.as_primitive_opt().cloned().map(Values::Byte),
                _ => cast(&DataType::Binary)?.as_binary_opt::<i32>().cloned().map(Values::Bytes),
            },
            Datatype::Char | Datatype::UnicodeChar => match array.data_type() {
                DataType::Utf8 => array.as_string_opt::<i32>().cloned().map(Values::Text),
                DataType::LargeUtf8 => array.as_string_opt::<i64>().cloned().map(Values::LargeText),
                DataType::Utf8View => array.as_string_view_opt().cloned().map(Values::TextView),
                datatype if is_moment(datatype) => Some(Values::Text(self.moments(array)?)),
                _ => Some(Values::Text(self.shown(array)?)),
            },
        };
        values.ok_or_else(|| self.unexpected(array.data_type()))
    }

    /// Casts, or hands the array through where it has the type already. A value that does not fit is an error, not NULL.
    fn cast(&self, array: &ArrayRef, datatype: &DataType) -> Result<ArrayRef> {
        if array.data_type() == datatype {
            return Ok(array.clone());
        }
        let strictly = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(array, datatype, &strictly).map_err(|error| {
            Error::data(format!("a value of column \"{}\" does not fit the type {}", self.name, self.datatype.name()))
                .caused_by(error)
        })
    }

    /// Moments as DALI writes them. A zone is only how a moment is shown: the numbers are UTC.
    fn moments(&self, array: &ArrayRef) -> Result<StringArray> {
        let zone = match array.data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        let array = self.cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))?;
        let moments =
            array.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| self.unexpected(array.data_type()))?;
        let mut builder = StringBuilder::with_capacity(moments.len(), moments.len() * 26);
        let mut text = Vec::with_capacity(32);
        for moment in moments {
            let Some(micros) = moment else {
                builder.append_null();
                continue;
            };
            text.clear();
            moment::put_timestamp(micros, &mut text);
            builder.append_value(String::from_utf8_lossy(&text));
        }
        Ok(builder.finish())
    }

    /// Values of a type that VOTable has no word for, as Arrow shows them.
    fn shown(&self, array: &ArrayRef) -> Result<StringArray> {
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(array, &options).map_err(|error| {
            Error::invalid(format!("column \"{}\" has a type that cannot be written; cast it", self.name))
                .with("type", array.data_type())
                .caused_by(error)
        })?;
        let mut builder = StringBuilder::new();
        for row in 0..array.len() {
            if array.is_null(row) {
                builder.append_null();
            } else {
                let text = formatter.value(row).try_to_string().map_err(|error| {
                    Error::data(format!("a value of column \"{}\" cannot be shown", self.name)).caused_by(error)
                })?;
                builder.append_value(text);
            }
        }
        Ok(builder.finish())
    }

    fn unexpected(&self, datatype: &DataType) -> Error {
        Error::internal(format!("column \"{}\" arrived in another type than announced", self.name))
            .with("type", datatype)
    }
}

/// Which of the elements that a list array carries belong to its rows.
fn used_elements(list: &ListArray) -> Range<usize> {
    let offsets = list.value_offsets();
    let bound = |offset: Option<&i32>| offset.and_then(|&offset| usize::try_from(offset).ok()).unwrap_or(0);
    bound(offsets.first())..bound(offsets.last())
}

/// The VOTable type of a field, and how many elements of it a cell has.
fn votable_type(field: &Field) -> (Datatype, Length) {
    match field.data_type() {
        DataType::List(element) | DataType::LargeList(element) => match element_type(element.data_type()) {
            Some(datatype) => (datatype, shape_length(field).map_or(Length::Any, Length::Fixed)),
            None => (Datatype::UnicodeChar, Length::Any),
        },
        DataType::FixedSizeList(element, length) => match element_type(element.data_type()) {
            Some(datatype) => (datatype, usize::try_from(*length).map_or(Length::Any, Length::Fixed)),
            None => (Datatype::UnicodeChar, Length::Any),
        },
        datatype => scalar_type(datatype, field),
    }
}

fn scalar_type(datatype: &DataType, field: &Field) -> (Datatype, Length) {
    if datatype == &DataType::UInt8 {
        return (Datatype::UnsignedByte, Length::One);
    }
    if let Some(datatype) = element_type(datatype) {
        return (datatype, Length::One);
    }
    match datatype {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            (Datatype::UnsignedByte, Length::Any)
        }
        DataType::Dictionary(_, value_type) => scalar_type(value_type, field),
        datatype if is_moment(datatype) => (Datatype::Char, Length::Any),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            if describe(field, field_metadata::DATATYPE) == Some("char") =>
        {
            (Datatype::Char, Length::Any)
        }
        _ => (Datatype::UnicodeChar, Length::Any),
    }
}

/// The type of a boolean or a number; no other type can be an element of an array.
fn element_type(datatype: &DataType) -> Option<Datatype> {
    Some(match datatype {
        DataType::Boolean => Datatype::Boolean,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => Datatype::Short,
        DataType::UInt16 | DataType::Int32 => Datatype::Int,
        DataType::UInt32 | DataType::UInt64 | DataType::Int64 => Datatype::Long,
        DataType::Float16 | DataType::Float32 => Datatype::Float,
        DataType::Float64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Datatype::Double,
        _ => return None,
    })
}

/// The number of coordinates that DALI gives a shape; polygons have any.
fn shape_length(field: &Field) -> Option<usize> {
    match describe(field, field_metadata::XTYPE)? {
        "point" => Some(2),
        "circle" => Some(3),
        _ => None,
    }
}

fn is_moment(datatype: &DataType) -> bool {
    matches!(datatype, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

/// The values of one column in one batch.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    Boolean(BooleanArray),
    Byte(UInt8Array),
    Short(Int16Array),
    Int(Int32Array),
    Long(Int64Array),
    Float(Float32Array),
    Double(Float64Array),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Bytes(BinaryArray),
    /// Arrays; the second holds the elements of all of them, one behind the other ([`elements_of`]).
    List(ListArray, Box<Values>),
}

impl Values {
    /// Which rows are NULL; `None` if no row is.
    pub(crate) fn nulls(&self) -> Option<&NullBuffer> {
        let nulls = match self {
            Self::Boolean(array) => array.nulls(),
            Self::Byte(array) => array.nulls(),
            Self::Short(array) => array.nulls(),
            Self::Int(array) => array.nulls(),
            Self::Long(array) => array.nulls(),
            Self::Float(array) => array.nulls(),
            Self::Double(array) => array.nulls(),
            Self::Text(array) => array.nulls(),
            Self::LargeText(array) => array.nulls(),
            Self::TextView(array) => array.nulls(),
            Self::Bytes(array) => array.nulls(),
            Self::List(array, _) => array.nulls(),
        };
        nulls.filter(|nulls| nulls.null_count() > 0)
    }

    /// Whether a row is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The text of a row of a text column.
    pub(crate) fn text(&self, row: usize) -> Option<&str> {
        match self {
            Self::Text(array) => Some(array.value(row)),
            Self::LargeText(array) => Some(array.value(row)),
            Self::TextView(array) => Some(array.value(row)),
            _ => None,
        }
    }
}

/// Where the elements of a row's array stand among the elements of a list column.
///
/// # Errors
/// [`Data`](qserv_core::ErrorKind::Data) if there are not as many as the column announces.
pub(crate) fn elements_of(column: &ResultColumn, array: &ListArray, row: usize) -> Result<Range<usize>> {
    let offsets = array.value_offsets();
    let bound = |index: usize| offsets.get(index).and_then(|&offset| usize::try_from(offset).ok()).unwrap_or(0);
    let first = bound(0);
    let range = bound(row).saturating_sub(first)..bound(row + 1).saturating_sub(first);
    match column.length {
        Length::Fixed(length) if range.len() != length => Err(Error::data(format!(
            "column \"{}\" holds an array of {} elements where each must have {length}",
            column.name,
            range.len()
        ))),
        _ => Ok(range),
    }
}

/// The values of one batch, column by column.
pub(crate) struct Block {
    pub(crate) columns: Vec<Values>,
    /// Which rows of each column are NULL; `None` where no row is.
    pub(crate) nulls: Vec<Option<NullBuffer>>,
    pub(crate) rows: usize,
}

impl Block {
    /// Brings a batch into the forms that `columns` announce.
    ///
    /// # Errors
    /// As [`ResultColumn::values`].
    pub(crate) fn of(columns: &[ResultColumn], batch: &RecordBatch) -> Result<Self> {
        if batch.num_columns() != columns.len() {
            return Err(Error::internal("a batch has another number of columns than announced"));
        }
        let values = columns.iter().zip(batch.columns()).map(|(column, array)| column.values(array));
        let values = values.collect::<Result<Vec<_>>>()?;
        let nulls = values.iter().map(|values| values.nulls().cloned()).collect();
        Ok(Self { columns: values, nulls, rows: batch.num_rows() })
    }

    /// The cells of a row: each with its column, and whether it is NULL.
    #[inline]
    pub(crate) fn cells<'a>(
        &'a self,
        columns: &'a [ResultColumn],
        row: usize,
    ) -> impl Iterator<Item = (&'a ResultColumn, &'a Values, bool)> {
        let values = columns.iter().zip(&self.columns).zip(&self.nulls);
        values.map(move |((column, values), nulls)| {
            (column, values, nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)))
        })
    }
}
