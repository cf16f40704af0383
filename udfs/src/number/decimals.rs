//! Numbers with fewer decimal places.
//!
//! DataFusion 55 multiplies by a power of ten, rounds, and divides. That turns 1.005 to two places into 1.0 and cuts 0.29 to
//! 0.28, gives NaN for many places, and an error of its own for whole numbers that overflow and for more than 2^31 places;
//! its `trunc` makes doubles of whole numbers.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::{Error, Result};

use crate::integers::{self, Integers};
use crate::numbers::of_argument;

/// Where a number goes that is between two with fewer places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the nearest; from half-way, away from zero.
    Nearest,
    ToZero,
}

/// What the functions give for missing and impossible values.
macro_rules! missing_in_rounding {
    () => {
        "NULL if any argument is NULL or NaN; infinities stay. A result beyond the largest number of its type is an error \
         if the arguments are constants, and gives NULL if they come from columns."
    };
}
pub(super) use missing_in_rounding;

/// Refuses constants whose result is none.
pub(super) fn check(constants: &[Option<ScalarValue>], direction: Direction) -> Result<()> {
    let places = match constants {
        [Some(_)] => 0,
        [Some(_), Some(places)] => integers::constant(places).map_or(0, clamped),
        _ => return Ok(()),
    };
    let is_possible = match constants.first().and_then(Option::as_ref) {
        Some(ScalarValue::Float64(Some(number))) => number.is_nan() || of_double(*number, places, direction).is_some(),
        Some(ScalarValue::Int64(Some(number))) => of_whole(*number, places, direction).is_some(),
        _ => true,
    };
    if is_possible { Ok(()) } else { Err(Error::invalid("the result is beyond the largest number of its type")) }
}

/// The number of each row with so many decimal places.
pub(super) fn evaluate(arguments: &[ColumnarValue], rows: usize, direction: Direction) -> Result<ArrayRef> {
    let (numbers, places) = match arguments {
        [numbers] => (numbers, Integers::Constant(Some(0))),
        [numbers, places] => (numbers, Integers::new(places)?),
        _ => return Err(Error::internal("a rounding with a wrong number of arguments")),
    };
    let places = |row| places.at(row).map(clamped);
    if numbers.data_type().is_integer() {
        let numbers = Integers::new(numbers)?;
        let rounded = |row| of_whole(numbers.at(row)?, places(row)?, direction);
        return Ok(Arc::new((0..rows).map(rounded).collect::<Int64Array>()));
    }
    let numbers = of_argument(numbers)?;
    let rounded = |row| of_double(numbers.known(row)?, places(row)?, direction);
    Ok(Arc::new((0..rows).map(rounded).collect::<Float64Array>()))
}

/// No double has digits beyond these places.
fn clamped(places: i64) -> i32 {
    const MOST: i32 = 400;
    i32::try_from(places).unwrap_or(if places < 0 { -MOST } else { MOST }).clamp(-MOST, MOST)
}

fn of_whole(number: i64, places: i32, direction: Direction) -> Option<i64> {
    if places >= 0 {
        return Some(number);
    }
    // No BIGINT has half of 10^20.
    let Some(unit) = 10_i128.checked_pow(places.unsigned_abs()).filter(|_| places >= -19) else { return Some(0) };
    let number = i128::from(number);
    let rest = number % unit;
    let cut = number - rest;
    let is_up = direction == Direction::Nearest && rest.abs() * 2 >= unit;
    i64::try_from(if is_up { cut + unit * rest.signum() } else { cut }).ok()
}

/// Powers of ten that doubles hold exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Doubles from here on have no digits behind the point, and below it a half can be added exactly.
const WHOLE_FROM: f64 = 4_503_599_627_370_496.0;
/// Decimal numbers of 15 digits are told apart by doubles: those of so many units, and the halves between them.
const MOST_UNITS: f64 = 1e14;

/// `None` if the result is beyond the largest double.
fn of_double(number: f64, places: i32, direction: Direction) -> Option<f64> {
    if !number.is_finite() || number == 0.0 {
        return Some(number);
    }
    let size = number.abs();
    let power = usize::try_from(places.unsigned_abs()).ok().and_then(|index| POWERS.get(index)).copied();
    let rounded = match power {
        Some(power) if places >= 0 && size * power < MOST_UNITS => behind_the_point(size, power, direction),
        Some(_) if places >= 0 && size >= WHOLE_FROM => size,
        Some(power) if places < 0 && size < WHOLE_FROM => before_the_point(size, power, direction),
        _ => by_digits(size, places, direction)?,
    };
    rounded.is_finite().then_some(rounded.copysign(number))
}

/// A quotient of two whole numbers that are doubles is the double nearest to it, so `(n + 0.5) / power` is what the
/// decimal number half-way between two others is read as: the number is compared with that, and not its product with a half.
fn behind_the_point(size: f64, power: f64, direction: Direction) -> f64 {
    let below = (size * power).floor();
    let units = match direction {
        Direction::Nearest if size >= (below + 0.5) / power => below + 1.0,
        // The product may have been rounded up to a whole number or down from one.
        Direction::ToZero if below / power > size => below - 1.0,
        Direction::ToZero if (below + 1.0) / power <= size => below + 1.0,
        _ => below,
    };
    units / power
}

fn before_the_point(size: f64, power: f64, direction: Direction) -> f64 {
    let below = (size / power).floor();
    let units = match direction {
        Direction::Nearest if size >= (below + 0.5) * power => below + 1.0,
        Direction::ToZero if below * power > size => below - 1.0,
        _ => below,
    };
    units * power
}

/// By the digits of the shortest decimal form: for numbers so large or small, or so many places, that arithmetic is inexact.
fn by_digits(size: f64, places: i32, direction: Direction) -> Option<f64> {
    let text = format!("{size:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    // The number is 0.d1d2d3.. times ten to this.
    let exponent: i32 = exponent.parse::<i32>().ok()? + 1;
    let Ok(kept) = usize::try_from(exponent + places) else { return Some(0.0) };
    let is_up = direction == Direction::Nearest && digits.get(kept).is_some_and(|digit| *digit >= b'5');
    if kept >= digits.len() {
        return Some(size);
    }
    digits.truncate(kept);
    let unit = if is_up { format!("1e{}", -places) } else { "0".to_owned() };
    if digits.is_empty() {
        return unit.parse().ok();
    }
    let mut carry = is_up;
    for digit in digits.iter_mut().rev() {
        if !carry {
            break;
        }
        carry = *digit == b'9';
        *digit = if carry { b'0' } else { *digit + 1 };
    }
    let digits = String::from_utf8(digits).ok()?;
    format!("{}.{digits}e{exponent}", u8::from(carry)).parse().ok()
}
