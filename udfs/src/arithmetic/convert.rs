//! Conversions that may fail.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::plan_datafusion_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use qserv_core::Error;

use super::words::{named_type, shown, too_large, type_name};
use crate::error::external;

/// The name of [`Convert`].
pub(super) const CONVERT: &str = "qserv_cast";

/// `qserv_cast(x, 'INTEGER')`: the value in another type, or an error that names the value, and a third argument, if there is one,
/// as the function that needs it.
///
/// Numbers with a fraction are cut towards zero; NaN is no whole number and becomes NULL. Blanks around a text do not count.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Convert {
    signature: Signature,
}

impl Default for Convert {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// Whether a conversion may fail for some value, and is one that [`Convert`] knows.
pub(super) fn may_fail(from: &DataType, to: &DataType) -> bool {
    let is_text = is_text(from);
    let narrower = || match (from.primitive_width(), to.primitive_width()) {
        (Some(from), Some(to)) => to < from,
        _ => false,
    };
    type_name(to).is_some()
        && match to {
            _ if is_text => true,
            DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                from.is_floating()
                    || from.is_decimal()
                    || from.is_signed_integer() && narrower()
                    || from.is_unsigned_integer()
            }
            DataType::Float32 => from.is_floating() && narrower() || from.is_decimal(),
            DataType::Decimal128(..) => from.is_numeric(),
            _ => false,
        }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The values in another type.
///
/// # Errors
/// Invalid, naming the first value that cannot be converted.
fn convert(values: &ArrayRef, to: &DataType, function: Option<&str>) -> Result<ArrayRef> {
    let values = if is_text(values.data_type()) { trimmed(values)? } else { Arc::clone(values) };
    // Safe: what cannot be converted becomes NULL, and is found below.
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let converted = cast_with_options(&values, to, &options)?;
    if to == &DataType::Float32 && values.data_type() == &DataType::Float64 {
        let (from, to_values) =
            (values.as_primitive::<Float64Type>(), converted.as_primitive::<arrow::datatypes::Float32Type>());
        let row = (0..from.len())
            .find(|row| from.is_valid(*row) && from.value(*row).is_finite() && !to_values.value(*row).is_finite());
        return row.map_or(Ok(converted), |row| Err(failure(&values, row, to, function)));
    }
    if converted.null_count() == values.null_count() {
        return Ok(converted);
    }
    let is_nan = |row: usize| values.data_type().is_floating() && shown(&values, row) == "NaN";
    let row = (0..values.len()).find(|row| values.is_valid(*row) && converted.is_null(*row) && !is_nan(*row));
    row.map_or(Ok(converted), |row| Err(failure(&values, row, to, function)))
}

fn trimmed(values: &ArrayRef) -> Result<ArrayRef> {
    let texts = cast(values, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    if texts.iter().flatten().all(|text| text.trim().len() == text.len()) {
        return Ok(Arc::new(texts.clone()));
    }
    Ok(Arc::new(texts.iter().map(|text| text.map(str::trim)).collect::<StringArray>()))
}

fn failure(values: &ArrayRef, row: usize, to: &DataType, function: Option<&str>) -> DataFusionError {
    let value = shown(values, row);
    let name = type_name(to).unwrap_or_default();
    let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
    // A whole number in a text can only be too large; one with a point is none.
    let is_whole = value.bytes().skip(usize::from(value.starts_with(['+', '-']))).all(|byte| byte.is_ascii_digit());
    let error = match to {
        DataType::Date32 | DataType::Timestamp(..) => {
            let example = if to == &DataType::Date32 { "2025-01-31" } else { "2025-01-31T12:00:00" };
            Error::invalid(format!("`{value}` is no {name}; write it as in {example}"))
        }
        DataType::Boolean => Error::invalid(format!("`{value}` is no {name}; write true or false")),
        _ if !is_text(values.data_type()) => too_large(value, to),
        _ if is_number && (is_whole || !to.is_integer()) => too_large(value, to),
        _ => Error::invalid(format!("`{value}` is no {name}")),
    };
    external(match function {
        Some(function) => error.with("function", function),
        None => error,
    })
}

/// The function for which a value is converted, where the call names it.
fn needed_by(arguments: &[ColumnarValue]) -> Option<&str> {
    match arguments.get(2) {
        Some(ColumnarValue::Scalar(function)) => function.try_as_str().flatten(),
        _ => None,
    }
}

fn target(text: &ScalarValue) -> Option<DataType> {
    text.try_as_str().flatten().and_then(named_type)
}

impl ScalarUDFImpl for Convert {
    fn name(&self) -> &str {
        CONVERT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Err(plan_datafusion_err!("{CONVERT}'s type depends on its second argument"))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let target = args.scalar_arguments.get(1).copied().flatten().and_then(target);
        let target = target.ok_or_else(|| plan_datafusion_err!("{CONVERT} takes a value and the name of a type"))?;
        let field = args.arg_fields.first();
        // NaN becomes NULL.
        let nullable = field.is_none_or(|field| field.is_nullable() || field.data_type().is_floating());
        Ok(Arc::new(Field::new(CONVERT, target, nullable)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let target = args.return_field.data_type();
        match args.args.first() {
            Some(ColumnarValue::Array(values)) => {
                Ok(ColumnarValue::Array(convert(values, target, needed_by(&args.args))?))
            }
            Some(ColumnarValue::Scalar(value)) => {
                let converted = convert(&value.to_array_of_size(1)?, target, needed_by(&args.args))?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&converted, 0)?))
            }
            None => Err(plan_datafusion_err!("{CONVERT} takes a value and the name of a type")),
        }
    }
}
