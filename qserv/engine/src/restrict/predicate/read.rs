//! Reads conditions: AND, OR, NOT, and comparisons of keys and coordinates with constants.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::{Predicate, all, any, sky};
use crate::table::Columns;

/// Deepest nesting of AND, OR and NOT that is followed; what lies deeper restricts nothing.
const MAX_DEPTH: usize = 64;

/// Longest list of coordinates that is followed; keys are looked up by the thousand.
const MAX_LISTED: usize = 32;

/// What holds where the condition is true.
pub(super) fn read(filter: &Expr, columns: Columns<'_>, depth: usize) -> Predicate {
    if depth > MAX_DEPTH {
        return Predicate::Anything;
    }
    match filter {
        Expr::Alias(alias) => read(&alias.expr, columns, depth + 1),
        Expr::IsTrue(inner) => read(inner, columns, depth + 1),
        Expr::Not(inner) | Expr::IsFalse(inner) => read_false(inner, columns, depth + 1),
        Expr::Literal(ScalarValue::Boolean(Some(false)) | ScalarValue::Boolean(None), _) => Predicate::Nothing,
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            all(vec![read(left, columns, depth + 1), read(right, columns, depth + 1)])
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            any(vec![read(left, columns, depth + 1), read(right, columns, depth + 1)])
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => compare(left, *op, right, columns),
        Expr::Between(Between { expr, negated: false, low, high }) => between(expr, low, high, columns),
        Expr::InList(InList { expr, list, negated: false }) => in_list(expr, list, columns),
        _ => sky::test(filter, columns).unwrap_or(Predicate::Anything),
    }
}

/// What holds where the condition is false; where it is NULL it is neither.
fn read_false(condition: &Expr, columns: Columns<'_>, depth: usize) -> Predicate {
    if depth > MAX_DEPTH {
        return Predicate::Anything;
    }
    match condition {
        Expr::Alias(alias) => read_false(&alias.expr, columns, depth + 1),
        Expr::Not(inner) | Expr::IsNotTrue(inner) => read(inner, columns, depth + 1),
        Expr::IsNotFalse(inner) => read_false(inner, columns, depth + 1),
        Expr::Literal(ScalarValue::Boolean(Some(true)) | ScalarValue::Boolean(None), _) => Predicate::Nothing,
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            any(vec![read_false(left, columns, depth + 1), read_false(right, columns, depth + 1)])
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            all(vec![read_false(left, columns, depth + 1), read_false(right, columns, depth + 1)])
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            op.negate().map_or(Predicate::Anything, |op| compare(left, op, right, columns))
        }
        Expr::Between(Between { expr, negated: true, low, high }) => between(expr, low, high, columns),
        Expr::InList(InList { expr, list, negated: true }) => in_list(expr, list, columns),
        _ => Predicate::Anything,
    }
}

fn between(expr: &Expr, low: &Expr, high: &Expr, columns: Columns<'_>) -> Predicate {
    let low = compare_parts(expr, Operator::GtEq, low, columns);
    let high = compare_parts(expr, Operator::LtEq, high, columns);
    all(vec![low, high])
}

fn in_list(expr: &Expr, list: &[Expr], columns: Columns<'_>) -> Predicate {
    if !is_key(expr, columns) {
        if list.len() > MAX_LISTED {
            return Predicate::Anything;
        }
        return any(list.iter().map(|item| compare_parts(expr, Operator::Eq, item, columns)).collect());
    }
    match list.iter().map(integer).collect::<Option<Vec<i64>>>() {
        Some(keys) if keys.is_empty() => Predicate::Nothing,
        Some(keys) => Predicate::Keys(keys),
        None => Predicate::Anything,
    }
}

fn compare(left: &Expr, op: Operator, right: &Expr, columns: Columns<'_>) -> Predicate {
    let direct = compare_parts(left, op, right, columns);
    if !direct.is_anything() {
        return direct;
    }
    op.swap().map_or(Predicate::Anything, |swapped| compare_parts(right, swapped, left, columns))
}

/// `subject op constant`.
fn compare_parts(subject: &Expr, op: Operator, constant: &Expr, columns: Columns<'_>) -> Predicate {
    if let Some(predicate) = sky::comparison(subject, op, constant, columns) {
        return predicate;
    }
    if is_key(subject, columns) {
        return match (op, integer(constant)) {
            (Operator::Eq, Some(key)) => Predicate::Keys(vec![key]),
            (Operator::Gt | Operator::GtEq, Some(key)) => Predicate::KeyBetween([key, i64::MAX]),
            (Operator::Lt | Operator::LtEq, Some(key)) => Predicate::KeyBetween([i64::MIN, key]),
            _ => Predicate::Anything,
        };
    }
    let interval = |value: f64| match op {
        Operator::Eq => Some([value, value]),
        Operator::Gt | Operator::GtEq => Some([value, f64::INFINITY]),
        Operator::Lt | Operator::LtEq => Some([f64::NEG_INFINITY, value]),
        _ => None,
    };
    let (Some([lon, lat]), Some(name), Some(interval)) =
        (columns.position, column_name(subject, &DataType::Float64), number(constant).and_then(interval))
    else {
        return Predicate::Anything;
    };
    if name == lon {
        Predicate::Longitude(interval)
    } else if name == lat {
        Predicate::Latitude(interval)
    } else {
        Predicate::Anything
    }
}

fn is_key(subject: &Expr, columns: Columns<'_>) -> bool {
    columns.key.is_some() && column_name(subject, &DataType::Int64) == columns.key
}

/// The column that the expression is, perhaps widened: positions are floating point and keys are integers, so a cast to
/// the widest type of their own kind keeps every value and its order; no other cast does.
pub(super) fn column_name<'a>(expr: &'a Expr, widest: &DataType) -> Option<&'a str> {
    match strip_cast(expr, widest) {
        Expr::Column(column) => Some(&column.name),
        _ => None,
    }
}

pub(super) fn strip_cast<'a>(expr: &'a Expr, widest: &DataType) -> &'a Expr {
    match expr {
        Expr::Cast(cast) if cast.field.data_type() == widest => strip_cast(&cast.expr, widest),
        Expr::Alias(alias) => strip_cast(&alias.expr, widest),
        other => other,
    }
}

pub(super) fn number(expr: &Expr) -> Option<f64> {
    match strip_cast(expr, &DataType::Float64) {
        Expr::Literal(ScalarValue::Boolean(_), _) => None,
        Expr::Literal(value, _) => match value.cast_to(&DataType::Float64).ok()? {
            ScalarValue::Float64(Some(number)) if number.is_finite() => Some(number),
            _ => None,
        },
        Expr::Negative(inner) => number(inner).map(|value| -value),
        _ => None,
    }
}

fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(value, _) => match value {
            ScalarValue::Int8(Some(value)) => Some(i64::from(*value)),
            ScalarValue::Int16(Some(value)) => Some(i64::from(*value)),
            ScalarValue::Int32(Some(value)) => Some(i64::from(*value)),
            ScalarValue::Int64(Some(value)) => Some(*value),
            ScalarValue::UInt8(Some(value)) => Some(i64::from(*value)),
            ScalarValue::UInt16(Some(value)) => Some(i64::from(*value)),
            ScalarValue::UInt32(Some(value)) => Some(i64::from(*value)),
            ScalarValue::UInt64(Some(value)) => i64::try_from(*value).ok(),
            _ => None,
        },
        _ => None,
    }
}
