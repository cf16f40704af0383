//! Functions of doubles for which DataFusion's own end a query with an error.

use arrow::array::{AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::plan_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use datafusion::scalar::ScalarValue;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Function {
    /// `qserv_sqrt(x)`: DataFusion's `sqrt` refuses negative numbers.
    Root,
    /// `qserv_power(x, y)`: DataFusion's `power` refuses 0 to a negative power.
    Power,
}

/// A function of doubles that is NULL where it has no finite value.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Real {
    function: Function,
    signature: Signature,
}

impl Real {
    pub(super) fn new(function: Function) -> Self {
        let count = if function == Function::Root { 1 } else { 2 };
        Self { function, signature: Signature::exact(vec![DataType::Float64; count], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Real {
    fn name(&self) -> &str {
        match self.function {
            Function::Root => "qserv_sqrt",
            Function::Power => "qserv_power",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let numbers = |index: usize| arrays.get(index).and_then(|array| array.as_primitive_opt::<Float64Type>());
        let finite = |value: f64| value.is_finite().then_some(value);
        let result: Float64Array = match (self.function, numbers(0), numbers(1)) {
            (Function::Root, Some(numbers), _) => numbers.unary_opt(|number| finite(number.sqrt())),
            (Function::Power, Some(bases), Some(exponents)) => {
                let pairs = bases.iter().zip(exponents);
                pairs.map(|(base, exponent)| base.zip(exponent).and_then(|(base, y)| finite(base.powf(y)))).collect()
            }
            _ => return Err(plan_datafusion_err!("{} takes doubles", self.name())),
        };
        if all_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(std::sync::Arc::new(result)))
    }
}
