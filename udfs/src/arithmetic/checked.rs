//! Sums, differences and products of whole numbers that never wrap around.

use arrow::array::{Array, ArrayRef, Datum};
use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::plan_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use datafusion::scalar::ScalarValue;

use super::words::{shown, too_large};
use crate::error::external;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
}

impl Operation {
    pub(super) const ALL: [Self; 3] = [Self::Add, Self::Subtract, Self::Multiply];

    /// The operation of an operator that may overflow.
    pub(super) fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            _ => None,
        }
    }

    pub(super) fn function_name(self) -> &'static str {
        match self {
            Self::Add => "qserv_add",
            Self::Subtract => "qserv_subtract",
            Self::Multiply => "qserv_multiply",
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
        }
    }

    fn compute(self, left: &dyn Datum, right: &dyn Datum) -> std::result::Result<ArrayRef, ArrowError> {
        match self {
            Self::Add => add(left, right),
            Self::Subtract => sub(left, right),
            Self::Multiply => mul(left, right),
        }
    }
}

/// `qserv_add`, `qserv_subtract` and `qserv_multiply`: of two whole numbers one of the wider type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Checked {
    operation: Operation,
    signature: Signature,
}

impl Checked {
    pub(super) fn new(operation: Operation) -> Self {
        Self { operation, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// The error of the first pair that has no result.
    fn explain(&self, left: &ArrayRef, right: &ArrayRef) -> Option<qserv_core::Error> {
        let rows = left.len().min(right.len());
        let row = (0..rows).find(|row| {
            let (left, right) = (left.slice(*row, 1), right.slice(*row, 1));
            self.operation.compute(&left, &right).is_err()
        })?;
        let value = format!("{} {} {}", shown(left, row), self.operation.sign(), shown(right, row));
        Some(too_large(value, left.data_type()))
    }
}

/// The ADQL type in which a whole number is computed with.
fn signed(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => DataType::Int16,
        DataType::UInt16 | DataType::Int32 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 | DataType::Int64 => DataType::Int64,
        _ => return None,
    })
}

/// The wider of the types of two whole numbers; NULL takes any.
pub(super) fn common(left: &DataType, right: &DataType) -> Option<DataType> {
    let (left, right) = match (left, right) {
        (DataType::Null, DataType::Null) => return None,
        (DataType::Null, other) | (other, DataType::Null) => (signed(other)?, signed(other)?),
        (left, right) => (signed(left)?, signed(right)?),
    };
    Some(if left.primitive_width() >= right.primitive_width() { left } else { right })
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.operation.function_name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let common = match types {
            [left, right] => common(left, right),
            _ => None,
        };
        let common = common.ok_or_else(|| plan_datafusion_err!("{} takes two whole numbers", self.name()))?;
        Ok(vec![common.clone(), common])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.coerce_types(types)?.swap_remove(0))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return Err(plan_datafusion_err!("{} takes two whole numbers", self.name()));
        };
        let computed = match (left, right) {
            (ColumnarValue::Array(left), ColumnarValue::Array(right)) => self.operation.compute(left, right),
            (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => {
                self.operation.compute(left, &right.to_scalar()?)
            }
            (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => {
                self.operation.compute(&left.to_scalar()?, right)
            }
            (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)) => {
                self.operation.compute(&left.to_scalar()?, &right.to_scalar()?)
            }
        };
        let all_constant = matches!((left, right), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        match computed {
            Ok(array) if all_constant => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)),
            Ok(array) => Ok(ColumnarValue::Array(array)),
            Err(error) => {
                let rows = if all_constant { 1 } else { args.number_rows };
                let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
                Err(self.explain(&left, &right).map_or_else(|| error.into(), external))
            }
        }
    }
}
