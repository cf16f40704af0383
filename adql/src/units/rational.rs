//! Exponents: small fractions.

use std::fmt;

/// Largest numerator and denominator. No unit that means anything comes near.
const LARGEST: i64 = 1000;

/// A fraction in lowest terms, its denominator positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Rational {
    numerator: i32,
    denominator: i32,
}

impl Rational {
    pub(crate) const ZERO: Self = Self { numerator: 0, denominator: 1 };
    pub(crate) const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// `None` beyond the bounds, and for a denominator of zero.
    pub(crate) fn new(numerator: i64, denominator: i64) -> Option<Self> {
        let divisor = greatest_common_divisor(numerator.checked_abs()?, denominator.checked_abs()?);
        if denominator == 0 || divisor == 0 {
            return None;
        }
        let sign = denominator.signum();
        let (numerator, denominator) = (sign * numerator / divisor, sign * denominator / divisor);
        if numerator.abs() > LARGEST || denominator > LARGEST {
            return None;
        }
        Some(Self { numerator: i32::try_from(numerator).ok()?, denominator: i32::try_from(denominator).ok()? })
    }

    /// A decimal such as `0.5`: the fraction with few digits that is exactly it, or nearest to thirds and sixths of it.
    pub(crate) fn of_decimal(value: f64) -> Option<Self> {
        // Exponents of real units have small denominators.
        (1..=12_i32).find_map(|denominator| {
            let numerator = value * f64::from(denominator);
            let whole = numerator.round();
            let near = (numerator - whole).abs() < 1e-9 && whole.abs() <= 1000.0;
            #[expect(clippy::cast_possible_truncation, reason = "a whole number within the bounds")]
            near.then(|| Self::new(whole as i64, i64::from(denominator))).flatten()
        })
    }

    pub(crate) const fn of(whole: i32) -> Self {
        Self { numerator: whole, denominator: 1 }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.numerator == 0
    }

    pub(crate) fn is_negative(self) -> bool {
        self.numerator < 0
    }

    pub(crate) fn negated(self) -> Self {
        Self { numerator: -self.numerator, ..self }
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let [a, b, c, d] = [self.numerator, self.denominator, other.numerator, other.denominator].map(i64::from);
        Self::new(a * d + c * b, b * d)
    }

    pub(crate) fn times(self, other: Self) -> Option<Self> {
        let [a, b, c, d] = [self.numerator, self.denominator, other.numerator, other.denominator].map(i64::from);
        Self::new(a * c, b * d)
    }

    /// The whole number, if it is one.
    pub(crate) fn as_whole(self) -> Option<i32> {
        (self.denominator == 1).then_some(self.numerator)
    }

    pub(crate) fn value(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

/// As an exponent in VOUnits: `2`, `-1`, `(1/2)`.
impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "({}/{denominator})", self.numerator),
        }
    }
}

fn greatest_common_divisor(mut one: i64, mut two: i64) -> i64 {
    while two != 0 {
        (one, two) = (two, one % two);
    }
    one
}
