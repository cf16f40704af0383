//! Functions of whole shapes: what ADQL's AREA, CENTROID, INTERSECTS, REGION, CAST to a geometry and MOC are translated to.

mod area;
mod centroid;
mod contains;
mod contains_shape;
mod intersects;
mod moc;
mod of_text;
mod transform;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, ListArray, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::sky::Shape;
use qserv_core::{Error, Result};

use crate::definition::Definition;

/// In the order of the manual.
pub(crate) const DEFINITIONS: &[&Definition] = &[
    &contains_shape::DEFINITION,
    &contains::DEFINITION,
    &intersects::DEFINITION,
    &area::DEFINITION,
    &centroid::DEFINITION,
    &of_text::POINT,
    &of_text::CIRCLE,
    &of_text::POLYGON,
    &moc::OF_SHAPE,
    &moc::OF_TEXT,
    &transform::SHAPE,
    &transform::LONGITUDE,
    &transform::LATITUDE,
];

/// What the functions give for missing and impossible values; each has the same rules.
macro_rules! missing_in_a_shape {
    () => {
        "NULL if any argument is NULL. A constant that is no shape is an error; one from a column gives NULL."
    };
}
pub(crate) use missing_in_a_shape;

/// A shape of each row.
pub(crate) enum Shapes {
    /// The same in every row; `None` is NULL.
    Constant(Option<Shape>),
    /// DALI's numbers.
    Lists(ListArray),
    /// STC-S or coverage maps.
    Texts(StringArray),
}

impl Shapes {
    /// Takes an argument as it was coerced.
    ///
    /// # Errors
    /// Invalid for a constant that is no shape.
    pub(crate) fn new(argument: &ColumnarValue) -> Result<Self> {
        match argument {
            ColumnarValue::Scalar(scalar) => Ok(Self::Constant(constant(scalar)?)),
            ColumnarValue::Array(array) => match (array.as_list_opt::<i32>(), array.as_string_opt::<i32>()) {
                (Some(lists), _) if lists.values().data_type() == &DataType::Float64 => Ok(Self::Lists(lists.clone())),
                (_, Some(texts)) => Ok(Self::Texts(texts.clone())),
                _ if array.null_count() == array.len() => Ok(Self::Constant(None)),
                _ => Err(Error::internal("a shape of another type")),
            },
        }
    }

    /// The shape of a row; `None` for NULL and for what is no shape.
    fn at(&self, row: usize) -> Option<Shape> {
        match self {
            Self::Constant(shape) => shape.clone(),
            Self::Lists(lists) => {
                if row >= lists.len() || lists.is_null(row) {
                    return None;
                }
                let numbers = lists.value(row);
                let numbers = numbers.as_primitive_opt::<Float64Type>()?;
                if numbers.null_count() > 0 { None } else { Shape::from_dali(numbers.values()).ok() }
            }
            Self::Texts(texts) => {
                if row >= texts.len() || texts.is_null(row) {
                    return None;
                }
                Shape::from_text(texts.value(row)).ok()
            }
        }
    }

    /// Calls `visit` with each row's shape; what is constant is not made again.
    fn each<T>(&self, rows: usize, visit: impl Fn(&Shape) -> Option<T>) -> Vec<Option<T>>
    where
        T: Clone,
    {
        match self {
            Self::Constant(shape) => vec![shape.as_ref().and_then(visit); rows],
            _ => (0..rows).map(|row| self.at(row).as_ref().and_then(&visit)).collect(),
        }
    }
}

/// A constant as a shape; `None` for NULL.
///
/// # Errors
/// Invalid if it is none.
pub(crate) fn constant(scalar: &ScalarValue) -> Result<Option<Shape>> {
    match scalar {
        ScalarValue::Null => Ok(None),
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.as_deref().map(Shape::from_text).transpose()
        }
        ScalarValue::List(list) if list.is_null(0) => Ok(None),
        ScalarValue::List(list) => {
            let numbers = list.value(0);
            match numbers.as_primitive_opt::<Float64Type>() {
                Some(numbers) if numbers.null_count() == 0 => Shape::from_dali(numbers.values()).map(Some),
                _ => Ok(None),
            }
        }
        _ => Err(Error::invalid("this value is no geometry")),
    }
}

/// Refuses constants that are no shapes, and pairs of which the relation is not known.
pub(crate) fn check_shapes(constants: &[Option<ScalarValue>]) -> Result<()> {
    constants.iter().flatten().try_for_each(|scalar| constant(scalar).map(drop))
}

/// A relation of two shapes in each row.
///
/// # Errors
/// Invalid where two constants have no such relation.
fn relation(
    arguments: &[ColumnarValue],
    rows: usize,
    relation: fn(&Shape, &Shape) -> Result<bool>,
) -> Result<ArrayRef> {
    let [one, two] = arguments else { return Err(wrong_arguments()) };
    let (one, two) = (Shapes::new(one)?, Shapes::new(two)?);
    if let (Shapes::Constant(Some(one)), Shapes::Constant(Some(two))) = (&one, &two) {
        return Ok(std::sync::Arc::new(BooleanArray::from(vec![relation(one, two)?; rows])));
    }
    let held: Result<Vec<Option<bool>>> = (0..rows)
        .map(|row| match (one.borrowed(row), two.borrowed(row)) {
            (Some(one), Some(two)) => relation(&one, &two).map(Some),
            _ => Ok(None),
        })
        .collect();
    Ok(std::sync::Arc::new(BooleanArray::from(held?)))
}

impl Shapes {
    /// The shape of a row without a copy of a constant one.
    pub(crate) fn borrowed(&self, row: usize) -> Option<std::borrow::Cow<'_, Shape>> {
        match self {
            Self::Constant(shape) => shape.as_ref().map(std::borrow::Cow::Borrowed),
            _ => self.at(row).map(std::borrow::Cow::Owned),
        }
    }
}

/// Geometry values of all rows.
pub(crate) fn lists(values: Vec<Option<Vec<f64>>>) -> ArrayRef {
    let lengths = values.iter().map(|numbers| numbers.as_ref().map_or(0, Vec::len));
    let offsets = OffsetBuffer::from_lengths(lengths);
    let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
    let numbers: Float64Array = values.into_iter().flatten().flatten().map(Some).collect();
    let field = Field::new_list_field(DataType::Float64, true).into();
    std::sync::Arc::new(ListArray::new(field, offsets, std::sync::Arc::new(numbers), Some(nulls)))
}

/// A text of each row: the value, or `None` for NULL.
fn text_at(argument: &ColumnarValue, row: usize) -> Option<&str> {
    match argument {
        ColumnarValue::Scalar(ScalarValue::Utf8(text)) => text.as_deref(),
        ColumnarValue::Scalar(_) => None,
        ColumnarValue::Array(array) => {
            let texts = array.as_string_opt::<i32>()?;
            (row < texts.len() && texts.is_valid(row)).then(|| texts.value(row))
        }
    }
}

/// The error of a call with another number of arguments. They are checked before anything is evaluated.
fn wrong_arguments() -> Error {
    Error::internal("a shape function with a wrong number of arguments")
}
