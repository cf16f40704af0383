//! The whole numbers that a function is called with: constants and columns.

use arrow::array::{Array, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::{Error, Result};

/// One argument over all rows of a batch.
#[derive(Debug, Clone)]
pub(crate) enum Integers {
    /// The same in every row; `None` is NULL.
    Constant(Option<i64>),
    /// One value a row.
    Column(Int64Array),
}

impl Integers {
    /// Takes an argument. Types other than `Int64` are cast, which happens only if a plan was made without type coercion.
    ///
    /// # Errors
    /// Internal for what is no whole number.
    pub(crate) fn new(argument: &ColumnarValue) -> Result<Self> {
        Ok(match argument {
            ColumnarValue::Scalar(scalar) => Self::Constant(constant(scalar)),
            ColumnarValue::Array(array) => Self::Column(match array.as_primitive_opt::<Int64Type>() {
                Some(column) => column.clone(),
                None => {
                    let array =
                        cast(array, &DataType::Int64).map_err(|_| Error::internal("no column of whole numbers"))?;
                    array.as_primitive::<Int64Type>().clone()
                }
            }),
        })
    }

    /// The number of a row; `None` is NULL.
    #[inline]
    pub(crate) fn at(&self, row: usize) -> Option<i64> {
        match self {
            Self::Constant(number) => *number,
            Self::Column(numbers) => (row < numbers.len() && numbers.is_valid(row)).then(|| numbers.value(row)),
        }
    }
}

/// A literal as a whole number; `None` is NULL.
pub(crate) fn constant(scalar: &ScalarValue) -> Option<i64> {
    match scalar.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(number)) => number,
        _ => None,
    }
}
