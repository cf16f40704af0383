//! The texts that a function is called with: constants and columns.

use arrow::array::{Array, AsArray, StringArray};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::{Error, Result};

/// One argument over all rows of a batch, as it was coerced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Texts<'a> {
    /// The same in every row; `None` is NULL.
    Constant(Option<&'a str>),
    /// One value a row.
    Column(&'a StringArray),
}

impl<'a> Texts<'a> {
    /// Takes an argument.
    ///
    /// # Errors
    /// Internal for other types: a plan was made without type coercion.
    pub(crate) fn new(argument: &'a ColumnarValue) -> Result<Self> {
        match argument {
            ColumnarValue::Scalar(scalar) => Ok(Self::Constant(constant(scalar))),
            ColumnarValue::Array(array) => match array.as_string_opt::<i32>() {
                Some(texts) => Ok(Self::Column(texts)),
                None if array.null_count() == array.len() => Ok(Self::Constant(None)),
                None => Err(Error::internal("a text of another type")),
            },
        }
    }

    /// The text of a row; `None` is NULL.
    #[inline]
    pub(crate) fn at(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Constant(text) => *text,
            Self::Column(texts) => (row < texts.len() && texts.is_valid(row)).then(|| texts.value(row)),
        }
    }
}

/// A literal as a text; `None` is NULL.
pub(crate) fn constant(scalar: &ScalarValue) -> Option<&str> {
    match scalar {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.as_deref(),
        _ => None,
    }
}
