//! Reads what restricts the sky: tests of the table's position against constant shapes, and small distances.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use qserv_core::sky::{Cone, Region};
use qserv_udfs::TestedRegion;

use super::Predicate;
use super::read::{column_name, number, strip_cast};
use crate::table::Columns;

/// Most factors of a distance that are followed: `DISTANCE(..) * 60 * 60 < 5`.
const MAX_FACTORS: usize = 8;

/// How much wider a cone is, of its radius and in degrees, where the condition computes in another order than the cone.
const ROUNDING: f64 = 1e-9;

/// From here on rounding counts for more, and a cone leaves out next to nothing: it is the whole sky.
const NEARLY_ALL_DEG: f64 = 179.0;

/// A condition that is itself a test: `qserv_contains_circle(lon, lat, ..)`.
pub(super) fn test(condition: &Expr, columns: Columns<'_>) -> Option<Predicate> {
    match as_test(condition) {
        Expr::ScalarFunction(function) => region_test(function, columns),
        _ => None,
    }
}

/// `subject op constant`: a test that is said to be 1, or a distance that is said to be small.
pub(super) fn comparison(subject: &Expr, op: Operator, constant: &Expr, columns: Columns<'_>) -> Option<Predicate> {
    if let Some((arguments, factor)) = distance(subject) {
        let small = matches!(op, Operator::Lt | Operator::LtEq | Operator::Eq | Operator::IsNotDistinctFrom);
        return if small { near(arguments, number(constant)?, factor, columns) } else { None };
    }
    let Expr::ScalarFunction(function) = as_test(subject) else { return None };
    // A test is 0, 1 or NULL: what 0 does not satisfy, and NULL never does, says that it is 1.
    if zero_satisfies(op, truth_or_number(constant)?)? { None } else { region_test(function, columns) }
}

/// Two positions that a condition wants within a constant angle of each other, and that angle in degrees, widened where the
/// condition computes it in another order.
pub(in crate::restrict) fn within(condition: &Expr) -> Option<([&Expr; 4], f64)> {
    if let test @ Expr::ScalarFunction(_) = as_test(condition) {
        return within_circle(test);
    }
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return None };
    within_bound(left, *op, right).or_else(|| within_bound(right, op.swap()?, left))
}

fn within_bound<'e>(subject: &'e Expr, op: Operator, bound: &Expr) -> Option<([&'e Expr; 4], f64)> {
    if let Some((arguments, factor)) = distance(subject) {
        let is_small = matches!(op, Operator::Lt | Operator::LtEq | Operator::Eq);
        let [lon1, lat1, lon2, lat2] = arguments else { return None };
        let limit = number(bound)?;
        let radius_deg = if factor == 1.0 { limit } else { widened(limit / factor) };
        return is_small.then_some(([lon1, lat1, lon2, lat2], radius_deg));
    }
    if zero_satisfies(op, truth_or_number(bound)?)? { None } else { within_circle(as_test(subject)) }
}

fn within_circle(test: &Expr) -> Option<([&Expr; 4], f64)> {
    let Expr::ScalarFunction(function) = test else { return None };
    let is_circle = ["qserv_contains_circle", "scisql_s2ptincircle"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(function.func.name()));
    let [lon1, lat1, lon2, lat2, radius] = function.args.as_slice() else { return None };
    is_circle.then_some(([lon1, lat1, lon2, lat2], number(radius)?))
}

/// `None` for what NULL may satisfy, and for what is no comparison.
fn zero_satisfies(op: Operator, value: f64) -> Option<bool> {
    match op {
        Operator::Eq | Operator::IsNotDistinctFrom => Some(0.0 == value),
        Operator::NotEq => Some(0.0 != value),
        Operator::Lt => Some(0.0 < value),
        Operator::LtEq => Some(0.0 <= value),
        Operator::Gt => Some(0.0 > value),
        Operator::GtEq => Some(0.0 >= value),
        _ => None,
    }
}

fn truth_or_number(constant: &Expr) -> Option<f64> {
    match constant {
        Expr::Literal(ScalarValue::Boolean(Some(truth)), _) => Some(f64::from(u8::from(*truth))),
        other => number(other),
    }
}

/// The expression without the casts between truth and numbers that leave 0 and 1 what they are.
fn as_test(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => as_test(&alias.expr),
        Expr::Cast(cast) if cast.field.data_type().is_numeric() || cast.field.data_type() == &DataType::Boolean => {
            as_test(&cast.expr)
        }
        other => other,
    }
}

/// The arguments of a distance, and the positive number by which it is multiplied.
fn distance(subject: &Expr) -> Option<(&[Expr], f64)> {
    let mut expr = subject;
    let mut factor = 1.0;
    for _ in 0..MAX_FACTORS {
        match strip_cast(expr, &DataType::Float64) {
            Expr::ScalarFunction(function) => {
                let is_distance = ["qserv_distance", "scisql_angsep"]
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(function.func.name()));
                return is_distance.then_some((function.args.as_slice(), factor));
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Multiply, right }) => {
                let (other, by) = match (number(left), number(right)) {
                    (None, Some(by)) => (left, by),
                    (Some(by), None) => (right, by),
                    _ => return None,
                };
                factor *= by;
                expr = other;
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Divide, right }) => {
                factor /= number(right)?;
                expr = left;
            }
            _ => return None,
        }
        // Neither a negative factor nor one that leaves nothing of the distance says anything here.
        if !(factor.is_normal() && factor > 0.0) {
            return None;
        }
    }
    None
}

/// A cone around the four-number distance's constant end, if the other end is the table's position.
fn near(arguments: &[Expr], limit: f64, factor: f64, columns: Columns<'_>) -> Option<Predicate> {
    let [lon1, lat1, lon2, lat2] = arguments else { return None };
    let center = if is_position(lon1, lat1, columns) {
        [number(lon2)?, number(lat2)?]
    } else if is_position(lon2, lat2, columns) {
        [number(lon1)?, number(lat1)?]
    } else {
        return None;
    };
    if limit < 0.0 {
        return Some(Predicate::Nothing);
    }
    let radius_deg = if factor == 1.0 { limit } else { widened(limit / factor) };
    cone(center, radius_deg)
}

/// A test of the table's position against a constant region. `None` if it is not one, or the region is not valid: then
/// running the function gives the error.
fn region_test(function: &ScalarFunction, columns: Columns<'_>) -> Option<Predicate> {
    let [lon, lat, shape @ ..] = function.args.as_slice() else { return None };
    if !is_position(lon, lat, columns) {
        return around_a_constant(function, columns);
    }
    if let ("qserv_contains_shape", [Expr::Literal(shape, _)]) = (function.func.name(), shape) {
        return match qserv_udfs::tested_shape(shape).ok()?? {
            TestedRegion::Nothing => Some(Predicate::Nothing),
            TestedRegion::Region(region) => Some(Predicate::Region(Arc::new(region))),
        };
    }
    let shape = shape.iter().map(number).collect::<Option<Vec<f64>>>()?;
    match qserv_udfs::tested_region(function.func.name(), &shape)?.ok()? {
        TestedRegion::Nothing => Some(Predicate::Nothing),
        TestedRegion::Region(region) => Some(Predicate::Region(Arc::new(region))),
    }
}

/// A constant position in a circle around the table's position: the same circle around the constant.
fn around_a_constant(function: &ScalarFunction, columns: Columns<'_>) -> Option<Predicate> {
    let [lon, lat, center_lon, center_lat, radius] = function.args.as_slice() else { return None };
    if !function.func.name().eq_ignore_ascii_case("qserv_contains_circle")
        || !is_position(center_lon, center_lat, columns)
    {
        return None;
    }
    let radius_deg = number(radius)?;
    // A negative radius is the function's to refuse.
    if radius_deg < 0.0 { None } else { cone([number(lon)?, number(lat)?], widened(radius_deg)) }
}

fn cone([lon_deg, lat_deg]: [f64; 2], radius_deg: f64) -> Option<Predicate> {
    let cone = Cone::new(lon_deg, lat_deg, radius_deg).ok()?;
    Some(Predicate::Region(Arc::new(Region::Cone(cone))))
}

fn widened(radius_deg: f64) -> f64 {
    if radius_deg > NEARLY_ALL_DEG { 180.0 } else { radius_deg + radius_deg.abs() * ROUNDING + ROUNDING }
}

fn is_position(lon: &Expr, lat: &Expr, columns: Columns<'_>) -> bool {
    columns.position.is_some_and(|[lon_name, lat_name]| {
        column_name(lon, &DataType::Float64) == Some(lon_name) && column_name(lat, &DataType::Float64) == Some(lat_name)
    })
}
