//! What has no value is NULL: a quotient by zero, the root of a negative number.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::nullif;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, FieldRef, Float32Type, Float64Type};
use datafusion::common::plan_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

/// The name of [`NonZero`].
pub(super) const NON_ZERO: &str = "qserv_nonzero";

/// `qserv_nonzero(x)`: the number, or NULL for zero. A divisor that is zero so makes the quotient NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct NonZero {
    signature: Signature,
}

/// `qserv_finite(x)`: the number, or NULL for NaN and the infinities.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Finite {
    signature: Signature,
}

impl Default for NonZero {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl Default for Finite {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for NonZero {
    fn name(&self) -> &str {
        NON_ZERO
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        only(types, NON_ZERO).cloned()
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = only(args.arg_fields, NON_ZERO)?;
        Ok(Arc::new(Field::new(NON_ZERO, field.data_type().clone(), true)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        each(&args, NON_ZERO, |array| {
            let is_zero = match array.data_type() {
                DataType::Null => return Ok(Arc::clone(array)),
                // By value: Arrow's comparison tells -0.0 from 0.0.
                DataType::Float32 => zeros::<Float32Type>(array, |number| number == 0.0),
                DataType::Float64 => zeros::<Float64Type>(array, |number| number == 0.0),
                data_type => eq(array, &ScalarValue::new_zero(data_type)?.to_scalar()?)?,
            };
            Ok(nullif(array, &is_zero)?)
        })
    }
}

fn zeros<T: ArrowPrimitiveType>(array: &ArrayRef, is_zero: impl Fn(T::Native) -> bool) -> BooleanArray {
    BooleanArray::from_unary(array.as_primitive::<T>(), is_zero)
}

impl ScalarUDFImpl for Finite {
    fn name(&self) -> &str {
        "qserv_finite"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let single = matches!(only(types, self.name())?, DataType::Float32);
        Ok(vec![if single { DataType::Float32 } else { DataType::Float64 }])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.coerce_types(types)?.swap_remove(0))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        each(&args, self.name(), |array| {
            Ok(match array.data_type() {
                DataType::Float32 => finite::<Float32Type>(array, f32::is_finite),
                _ => finite::<Float64Type>(array, f64::is_finite),
            })
        })
    }
}

fn finite<T: ArrowPrimitiveType>(array: &ArrayRef, is_finite: impl Fn(T::Native) -> bool + Copy) -> ArrayRef {
    let numbers: &PrimitiveArray<T> = array.as_primitive::<T>();
    // The usual batch needs no new one. What stands below a NULL does no harm.
    if numbers.values().iter().all(|number| is_finite(*number)) {
        return Arc::clone(array);
    }
    Arc::new(numbers.unary_opt::<_, T>(|number| is_finite(number).then_some(number)))
}

fn only<'a, T>(arguments: &'a [T], name: &str) -> Result<&'a T> {
    match arguments {
        [only] => Ok(only),
        _ => Err(plan_datafusion_err!("{name} takes one number")),
    }
}

/// Applies `change` to the one argument, a constant or a column.
fn each(
    args: &ScalarFunctionArgs,
    name: &str,
    change: impl Fn(&ArrayRef) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    match only(&args.args, name)? {
        ColumnarValue::Array(array) => Ok(ColumnarValue::Array(change(array)?)),
        ColumnarValue::Scalar(scalar) => {
            let array = change(&scalar.to_array_of_size(1)?)?;
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
        }
    }
}
