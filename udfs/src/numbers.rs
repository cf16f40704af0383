//! The numbers that a function is called with: constants and columns.

use arrow::array::{Array, AsArray, Float64Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::Error;

/// One argument over all rows of a batch.
#[derive(Debug, Clone)]
pub(crate) enum Numbers {
    /// The same in every row; `None` is NULL.
    Constant(Option<f64>),
    /// One value a row.
    Column(Float64Array),
}

impl Numbers {
    /// Takes an argument as DataFusion hands it over. Types other than `Float64` are cast, which happens only if a plan
    /// was made without type coercion.
    pub(crate) fn new(argument: &ColumnarValue) -> Result<Self> {
        Ok(match argument {
            ColumnarValue::Scalar(scalar) => Self::Constant(constant(scalar)?),
            ColumnarValue::Array(array) => Self::Column(match array.as_primitive_opt::<Float64Type>() {
                Some(column) => column.clone(),
                None => cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone(),
            }),
        })
    }

    /// The value of a row; meaningless where it is NULL.
    #[inline]
    pub(crate) fn value(&self, row: usize) -> f64 {
        match self {
            Self::Constant(value) => value.unwrap_or(f64::NAN),
            Self::Column(column) => column.values().get(row).copied().unwrap_or(f64::NAN),
        }
    }

    /// The value of a row; `None` where it is NULL or NaN.
    #[inline]
    pub(crate) fn known(&self, row: usize) -> Option<f64> {
        let value = match self {
            Self::Constant(value) => *value,
            Self::Column(column) => (row < column.len() && column.is_valid(row)).then(|| column.value(row)),
        };
        value.filter(|value| !value.is_nan())
    }

    /// Whether a row has none.
    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Constant(value) => value.is_none(),
            Self::Column(column) => row >= column.len() || column.is_null(row),
        }
    }

    /// The constant, if it is one and not NULL.
    pub(crate) fn constant(&self) -> Option<f64> {
        match self {
            Self::Constant(value) => *value,
            Self::Column(_) => None,
        }
    }

    /// Whether it is the same in every row.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    /// How many rows it has; `None` if it is the same in every row.
    pub(crate) fn rows(&self) -> Option<usize> {
        match self {
            Self::Constant(_) => None,
            Self::Column(column) => Some(column.len()),
        }
    }
}

/// An argument of a function of values as numbers.
///
/// # Errors
/// Internal for what is no number.
pub(crate) fn of_argument(argument: &ColumnarValue) -> qserv_core::Result<Numbers> {
    Numbers::new(argument).map_err(|_| Error::internal("an argument that is no number"))
}

/// A literal among the constants of a call as a number; `None` for a column or NULL.
pub(crate) fn constant_at(constants: &[Option<ScalarValue>], index: usize) -> Option<f64> {
    constants.get(index)?.as_ref().and_then(|scalar| constant(scalar).ok().flatten())
}

/// A literal as a number; `None` is NULL.
pub(crate) fn constant(scalar: &ScalarValue) -> Result<Option<f64>> {
    match scalar {
        ScalarValue::Float64(value) => Ok(*value),
        other => match other.cast_to(&DataType::Float64)? {
            ScalarValue::Float64(value) => Ok(value),
            _ => Ok(None),
        },
    }
}

/// The rows in which any of the numbers is NULL; `None` if there are none.
pub(crate) fn missing(numbers: &[Numbers], rows: usize) -> Option<NullBuffer> {
    let mut missing = None;
    for number in numbers {
        match number {
            Numbers::Constant(None) => return Some(NullBuffer::new_null(rows)),
            Numbers::Constant(Some(_)) => {}
            Numbers::Column(column) => missing = NullBuffer::union(missing.as_ref(), column.nulls()),
        }
    }
    missing
}

/// A column of doubles: NULL in rows where an argument is NULL, and where `value` is not finite.
pub(crate) fn finite_or_null(numbers: &[Numbers], rows: usize, value: impl Fn(usize) -> f64) -> Float64Array {
    let values: Vec<f64> = (0..rows).map(value).collect();
    let missing = missing(numbers, rows);
    let nulls = if values.iter().all(|value| value.is_finite()) {
        missing
    } else {
        let finite: BooleanBuffer = values.iter().map(|value| value.is_finite()).collect();
        NullBuffer::union(missing.as_ref(), Some(&NullBuffer::new(finite)))
    };
    Float64Array::new(values.into(), nulls)
}
