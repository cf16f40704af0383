//! What the least and greatest value of a piece say about a condition, without looking at its rows.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::cmp;
use arrow::compute::{max, min};
use arrow::datatypes::{
    ArrowNumericType, DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal};

/// Longest list of values that is tried one by one.
const LONGEST_LIST: usize = 64;

/// The values of a piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Extent {
    rows: usize,
    nulls: usize,
    /// Least and greatest value that is not NULL; unknown for types without such an order, and where there is none.
    span: Option<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Span {
    Integer(i64, i64),
    /// In the total order that Arrow compares by: NaN is greater than all others.
    Float(f64, f64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Integer(i64),
    Float(f64),
}

/// For which rows of a piece a condition is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// For none.
    No,
    /// Each has to be looked at.
    Unknown,
    /// For all.
    Yes,
}

/// A condition as far as it can be judged by least and greatest values.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bounds {
    Compare {
        column: usize,
        operator: Operator,
        value: Comparand,
    },
    IsNull {
        column: usize,
    },
    IsNotNull {
        column: usize,
    },
    All(Vec<Bounds>),
    Any(Vec<Bounds>),
    Always(bool),
    /// Cannot be judged so.
    Unknown,
}

/// What a column is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparand {
    value: Value,
    /// The same, in the column's type.
    literal: ScalarValue,
}

impl Extent {
    /// The extent of an array.
    pub(super) fn of(array: &ArrayRef) -> Self {
        let span = match array.data_type() {
            DataType::Int8 => integers::<Int8Type>(array),
            DataType::Int16 => integers::<Int16Type>(array),
            DataType::Int32 => integers::<Int32Type>(array),
            DataType::Int64 => integers::<Int64Type>(array),
            DataType::UInt8 => integers::<UInt8Type>(array),
            DataType::UInt16 => integers::<UInt16Type>(array),
            DataType::UInt32 => integers::<UInt32Type>(array),
            DataType::UInt64 => integers::<UInt64Type>(array),
            DataType::Date32 => integers::<Date32Type>(array),
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => integers::<TimestampSecondType>(array),
                TimeUnit::Millisecond => integers::<TimestampMillisecondType>(array),
                TimeUnit::Microsecond => integers::<TimestampMicrosecondType>(array),
                TimeUnit::Nanosecond => integers::<TimestampNanosecondType>(array),
            },
            DataType::Float32 => floats::<Float32Type>(array),
            DataType::Float64 => floats::<Float64Type>(array),
            _ => None,
        };
        Self { rows: array.len(), nulls: array.logical_null_count(), span }
    }
}

impl Extent {
    /// The extent of rows of both; unknown where one is.
    pub(super) fn with(self, other: Self) -> Self {
        let span = match (self.span, other.span) {
            _ if self.nulls == self.rows => other.span,
            _ if other.nulls == other.rows => self.span,
            (Some(Span::Integer(least, most)), Some(Span::Integer(low, high))) => {
                Some(Span::Integer(least.min(low), most.max(high)))
            }
            (Some(Span::Float(least, most)), Some(Span::Float(low, high))) => {
                let least = if low.total_cmp(&least).is_lt() { low } else { least };
                let most = if high.total_cmp(&most).is_gt() { high } else { most };
                Some(Span::Float(least, most))
            }
            _ => None,
        };
        Self { rows: self.rows + other.rows, nulls: self.nulls + other.nulls, span }
    }
}

fn ends<T: ArrowNumericType>(array: &ArrayRef) -> Option<(T::Native, T::Native)> {
    let array = array.as_primitive_opt::<T>()?;
    Some((min(array)?, max(array)?))
}

fn integers<T: ArrowNumericType>(array: &ArrayRef) -> Option<Span>
where
    i64: TryFrom<T::Native>,
{
    let (least, most) = ends::<T>(array)?;
    Some(Span::Integer(i64::try_from(least).ok()?, i64::try_from(most).ok()?))
}

fn floats<T: ArrowNumericType>(array: &ArrayRef) -> Option<Span>
where
    f64: From<T::Native>,
{
    let (least, most) = ends::<T>(array)?;
    Some(Span::Float(f64::from(least), f64::from(most)))
}

impl Bounds {
    /// What of a condition can be judged. Columns are told by their place in the condition's schema.
    pub(super) fn of(condition: &dyn PhysicalExpr, types: &dyn Fn(usize) -> Option<DataType>) -> Self {
        if let Some(literal) = condition.downcast_ref::<Literal>() {
            return match literal.value() {
                ScalarValue::Boolean(value) => Self::Always(value.unwrap_or(false)),
                _ => Self::Unknown,
            };
        }
        if let Some(binary) = condition.downcast_ref::<BinaryExpr>() {
            return match binary.op() {
                Operator::And => {
                    Self::All(vec![Self::of(binary.left().as_ref(), types), Self::of(binary.right().as_ref(), types)])
                }
                Operator::Or => {
                    Self::Any(vec![Self::of(binary.left().as_ref(), types), Self::of(binary.right().as_ref(), types)])
                }
                operator => compare(binary.left().as_ref(), *operator, binary.right().as_ref(), types),
            };
        }
        if let Some(list) = condition.downcast_ref::<InListExpr>() {
            if list.negated() || list.len() > LONGEST_LIST {
                return Self::Unknown;
            }
            let equals = |value: &std::sync::Arc<dyn PhysicalExpr>| {
                compare(list.expr().as_ref(), Operator::Eq, value.as_ref(), types)
            };
            return Self::Any(list.list().iter().map(equals).collect());
        }
        if let Some(is_null) = condition.downcast_ref::<IsNullExpr>() {
            let column = is_null.arg().downcast_ref::<Column>();
            return column.map_or(Self::Unknown, |column| Self::IsNull { column: column.index() });
        }
        if let Some(is_not_null) = condition.downcast_ref::<IsNotNullExpr>() {
            let column = is_not_null.arg().downcast_ref::<Column>();
            return column.map_or(Self::Unknown, |column| Self::IsNotNull { column: column.index() });
        }
        Self::Unknown
    }

    /// The verdict on a piece, whose columns' extents `extent` tells.
    pub(super) fn judge(&self, extent: &dyn Fn(usize) -> Option<Extent>) -> Verdict {
        match self {
            Self::Unknown => Verdict::Unknown,
            Self::Always(true) => Verdict::Yes,
            Self::Always(false) => Verdict::No,
            Self::IsNull { column } => extent(*column).map_or(Verdict::Unknown, |extent| extent.is_null()),
            Self::IsNotNull { column } => extent(*column).map_or(Verdict::Unknown, |extent| extent.is_null().negated()),
            Self::Compare { column, operator, value } => {
                extent(*column).map_or(Verdict::Unknown, |extent| extent.compared(*operator, value.value))
            }
            Self::All(conditions) => {
                let mut verdict = Verdict::Yes;
                for condition in conditions {
                    match condition.judge(extent) {
                        Verdict::No => return Verdict::No,
                        Verdict::Unknown => verdict = Verdict::Unknown,
                        Verdict::Yes => {}
                    }
                }
                verdict
            }
            Self::Any(conditions) => {
                let mut verdict = Verdict::No;
                for condition in conditions {
                    match condition.judge(extent) {
                        Verdict::Yes => return Verdict::Yes,
                        Verdict::Unknown => verdict = Verdict::Unknown,
                        Verdict::No => {}
                    }
                }
                verdict
            }
        }
    }
}

fn compare(
    left: &dyn PhysicalExpr,
    operator: Operator,
    right: &dyn PhysicalExpr,
    types: &dyn Fn(usize) -> Option<DataType>,
) -> Bounds {
    let (column, operator, literal) = match (left.downcast_ref::<Column>(), right.downcast_ref::<Literal>()) {
        (Some(column), Some(literal)) => (column, Some(operator), literal),
        _ => match (left.downcast_ref::<Literal>(), right.downcast_ref::<Column>()) {
            (Some(literal), Some(column)) => (column, operator.swap(), literal),
            _ => return Bounds::Unknown,
        },
    };
    let Some(operator) = operator.filter(|operator| COMPARISONS.contains(operator)) else { return Bounds::Unknown };
    if types(column.index()).is_none_or(|datatype| datatype != literal.value().data_type()) {
        return Bounds::Unknown;
    }
    if literal.value().is_null() {
        // Nothing compares with NULL.
        return Bounds::Always(false);
    }
    let Some(literal) = in_total_order(literal.value().clone(), operator) else { return Bounds::Unknown };
    match Value::of(&literal) {
        Some(value) => Bounds::Compare { column: column.index(), operator, value: Comparand { value, literal } },
        None => Bounds::Unknown,
    }
}

/// A number as it has to be compared with in the total order of floating-point numbers, where -0 is less than 0: SQL's two zeros are
/// equal. `None` where one comparison does not do.
fn in_total_order(literal: ScalarValue, operator: Operator) -> Option<ScalarValue> {
    let zero = |zero: f64| match operator {
        Operator::Gt | Operator::LtEq => Some(zero.abs()),
        Operator::Lt | Operator::GtEq => Some(-zero.abs()),
        _ => None,
    };
    match literal {
        ScalarValue::Float64(Some(value)) if value == 0.0 => Some(ScalarValue::Float64(Some(zero(value)?))),
        ScalarValue::Float32(Some(value)) if value == 0.0 => {
            Some(ScalarValue::Float32(Some(zero(f64::from(value))? as f32)))
        }
        literal => Some(literal),
    }
}

impl Comparand {
    /// The rows of an array for which the comparison is true, by Arrow's kernels: without the copies that DataFusion makes to put one
    /// zero in the place of the other.
    pub(super) fn compare(&self, array: &ArrayRef, operator: Operator) -> Result<BooleanArray> {
        let value = self.literal.to_scalar()?;
        let compare = match operator {
            Operator::Eq => cmp::eq,
            Operator::Lt => cmp::lt,
            Operator::LtEq => cmp::lt_eq,
            Operator::Gt => cmp::gt,
            Operator::GtEq => cmp::gt_eq,
            _ => return internal_err!("{operator} is no comparison"),
        };
        Ok(compare(array, &value)?)
    }
}

const COMPARISONS: [Operator; 5] = [Operator::Eq, Operator::Lt, Operator::LtEq, Operator::Gt, Operator::GtEq];

impl Value {
    fn of(value: &ScalarValue) -> Option<Self> {
        Some(match value {
            ScalarValue::Int8(Some(value)) => Self::Integer(i64::from(*value)),
            ScalarValue::Int16(Some(value)) => Self::Integer(i64::from(*value)),
            ScalarValue::Int32(Some(value)) | ScalarValue::Date32(Some(value)) => Self::Integer(i64::from(*value)),
            ScalarValue::Int64(Some(value))
            | ScalarValue::TimestampSecond(Some(value), _)
            | ScalarValue::TimestampMillisecond(Some(value), _)
            | ScalarValue::TimestampMicrosecond(Some(value), _)
            | ScalarValue::TimestampNanosecond(Some(value), _) => Self::Integer(*value),
            ScalarValue::UInt8(Some(value)) => Self::Integer(i64::from(*value)),
            ScalarValue::UInt16(Some(value)) => Self::Integer(i64::from(*value)),
            ScalarValue::UInt32(Some(value)) => Self::Integer(i64::from(*value)),
            ScalarValue::UInt64(Some(value)) => Self::Integer(i64::try_from(*value).ok()?),
            ScalarValue::Float32(Some(value)) if !value.is_nan() => Self::Float(f64::from(*value)),
            ScalarValue::Float64(Some(value)) if !value.is_nan() => Self::Float(*value),
            _ => return None,
        })
    }
}

impl Verdict {
    fn negated(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }
}

impl Extent {
    fn is_null(self) -> Verdict {
        match self.nulls {
            0 => Verdict::No,
            nulls if nulls == self.rows => Verdict::Yes,
            _ => Verdict::Unknown,
        }
    }

    fn compared(self, operator: Operator, value: Value) -> Verdict {
        if self.nulls == self.rows {
            return Verdict::No;
        }
        let (least, most) = match (self.span, value) {
            (Some(Span::Integer(least, most)), Value::Integer(value)) => (least.cmp(&value), most.cmp(&value)),
            (Some(Span::Float(least, most)), Value::Float(value)) => (least.total_cmp(&value), most.total_cmp(&value)),
            _ => return Verdict::Unknown,
        };
        let (all, any) = match operator {
            Operator::Eq => (least.is_eq() && most.is_eq(), least.is_le() && most.is_ge()),
            Operator::Lt => (most.is_lt(), least.is_lt()),
            Operator::LtEq => (most.is_le(), least.is_le()),
            Operator::Gt => (least.is_gt(), most.is_gt()),
            Operator::GtEq => (least.is_ge(), most.is_ge()),
            _ => return Verdict::Unknown,
        };
        match (any, all && self.nulls == 0) {
            (false, _) => Verdict::No,
            (true, true) => Verdict::Yes,
            (true, false) => Verdict::Unknown,
        }
    }
}
