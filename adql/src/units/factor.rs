//! How many SI units a unit is, kept in prime factors so that conversions such as mas to deg are exact.

use super::rational::Rational;

/// The numbers that are kept as powers: 2, 3, 5 and π.
const BASES: [f64; 4] = [2.0, 3.0, 5.0, std::f64::consts::PI];

/// 2^a 3^b 5^c π^d times a rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Factor {
    powers: [Rational; 4],
    rest: f64,
}

impl Factor {
    pub(crate) const ONE: Self = Self { powers: [Rational::ZERO; 4], rest: 1.0 };

    /// 2^a 3^b 5^c π^d times a rest.
    pub(crate) const fn of(rest: f64, powers: [i32; 4]) -> Self {
        let [two, three, five, pi] = powers;
        let powers = [Rational::of(two), Rational::of(three), Rational::of(five), Rational::of(pi)];
        Self { powers, rest }
    }

    pub(crate) const fn ten_to(exponent: i32) -> Self {
        Self::of(1.0, [exponent, 0, exponent, 0])
    }

    /// A number as it was written; `None` if it is not positive and finite.
    pub(crate) fn of_number(text: &str) -> Option<Self> {
        let value: f64 = text.parse().ok()?;
        if !value.is_finite() || value <= 0.0 {
            return None;
        }
        let shortest = format!("{value:e}");
        if let Some(exponent) = shortest.strip_prefix("1e") {
            return exponent.parse().ok().map(Self::ten_to);
        }
        // The whole numbers that a double holds exactly.
        if value.fract() != 0.0 || value > 9_007_199_254_740_992.0 {
            return Some(Self { rest: value, ..Self::ONE });
        }
        let mut rest = value;
        let mut powers = [0; 4];
        for (power, base) in powers.iter_mut().zip(BASES).take(3) {
            while rest % base == 0.0 {
                rest /= base;
                *power += 1;
            }
        }
        Some(Self::of(rest, powers))
    }

    pub(crate) fn times(self, other: Self) -> Option<Self> {
        let mut powers = self.powers;
        for (power, added) in powers.iter_mut().zip(other.powers) {
            *power = power.plus(added)?;
        }
        Self { powers, rest: self.rest * other.rest }.checked()
    }

    pub(crate) fn to_the(self, exponent: Rational) -> Option<Self> {
        let mut powers = self.powers;
        for power in &mut powers {
            *power = power.times(exponent)?;
        }
        let rest = match exponent.as_whole() {
            Some(whole) => self.rest.powi(whole),
            None => self.rest.powf(exponent.value()),
        };
        Self { powers, rest }.checked()
    }

    fn checked(self) -> Option<Self> {
        let value = self.value();
        (value.is_finite() && value > 0.0).then_some(self)
    }

    /// The exponent, if this is a power of ten.
    pub(crate) fn as_power_of_ten(&self) -> Option<i32> {
        let [two, three, five, pi] = self.powers;
        (two == five && three.is_zero() && pi.is_zero() && self.rest == 1.0).then(|| two.as_whole()).flatten()
    }

    /// The number. Whole powers are multiplied apart above and below the line, so that one division is all that rounds.
    pub(crate) fn value(&self) -> f64 {
        let (mut above, mut below, mut rest) = (1.0, 1.0, self.rest);
        for (power, base) in self.powers.iter().zip(BASES) {
            match power.as_whole() {
                Some(whole) if whole >= 0 => above *= base.powi(whole),
                Some(whole) => below *= base.powi(-whole),
                None => rest *= base.powf(power.value()),
            }
        }
        above * rest / below
    }
}
