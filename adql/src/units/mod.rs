//! Units of measure as VOUnits 1.1 writes them, and what can be computed with them.
//!
//! [`Unit`] is read from text (`FromStr`) and written as text (`Display`). It is a product of powers of named units with a
//! scale in front; units of equal dimension convert by a factor. Angles are a dimension of their own (a steradian is a square
//! radian), and so are magnitudes and everything that is counted: pixels do not become photons.
//!
//! Beside the standard's own syntax the reader takes what catalogs have and what can mean one thing only: `*` for a product,
//! `^` for a power, several quotients from left to right, powers of parentheses, the CDS form `m.s-1`, and magnitudes of a
//! named system (`mag(AB)`). A name without meaning is read as a unit of its own, as the standard asks.

mod factor;
mod known;
mod parse;
mod rational;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use factor::Factor;
pub(crate) use rational::Rational;

use crate::nearest;

/// A text that is no unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError {
    text: String,
    reason: String,
}

impl UnitError {
    fn new(text: &str, reason: impl Into<String>) -> Self {
        Self { text: text.chars().take(40).collect(), reason: reason.into() }
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no unit: {}", self.text, self.reason)
    }
}

impl std::error::Error for UnitError {}

/// A unit of measure.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The number in front.
    scale: Factor,
    /// Sorted by name, each name once, no exponent zero.
    parts: Vec<Part>,
}

/// A named unit, or a function of a unit, with its exponent.
#[derive(Debug, Clone)]
struct Part {
    /// As it is written, prefix included.
    text: String,
    kind: PartKind,
    exponent: Rational,
}

#[derive(Debug, Clone, Copy)]
enum PartKind {
    Known(Factor, known::Dimensions),
    /// A name without meaning, with what its prefix says where quotes set it apart: `m'furlong'`.
    Unknown(Factor),
    /// `log(Hz)` and the like: no factor leads from one to another.
    Function {
        known: bool,
    },
}

/// What is measured: base dimensions with their exponents.
type Dimension<'u> = BTreeMap<&'u str, Rational>;

impl Unit {
    /// The unit of pure numbers.
    #[must_use]
    pub fn dimensionless() -> Self {
        Self { scale: Factor::ONE, parts: Vec::new() }
    }

    fn of_part(text: String, kind: PartKind) -> Self {
        Self { scale: Factor::ONE, parts: vec![Part { text, kind, exponent: Rational::ONE }] }
    }

    /// Whether it measures pure numbers: `1`, `%`, `m/km`.
    #[must_use]
    pub fn is_dimensionless(&self) -> bool {
        self.dimension().is_some_and(|dimension| dimension.is_empty())
    }

    /// The product; `None` if an exponent or the scale grows beyond all bounds.
    #[must_use]
    pub fn times(&self, other: &Self) -> Option<Self> {
        let mut parts = self.parts.clone();
        for part in &other.parts {
            match parts.binary_search_by(|own| own.text.cmp(&part.text)) {
                Ok(index) => {
                    let own = parts.get_mut(index)?;
                    own.exponent = own.exponent.plus(part.exponent)?;
                }
                Err(index) => parts.insert(index, part.clone()),
            }
        }
        parts.retain(|part| !part.exponent.is_zero());
        Some(Self { scale: self.scale.times(other.scale)?, parts })
    }

    /// The quotient; `None` as for [`times`](Self::times).
    #[must_use]
    pub fn over(&self, other: &Self) -> Option<Self> {
        self.times(&other.to_the(Rational::of(-1))?)
    }

    /// The unit to a power that is a whole number or a simple fraction of one; `None` for others.
    #[must_use]
    pub fn power(&self, exponent: f64) -> Option<Self> {
        self.to_the(Rational::of_decimal(exponent)?)
    }

    pub(crate) fn to_the(&self, exponent: Rational) -> Option<Self> {
        let mut parts = self.parts.clone();
        for part in &mut parts {
            part.exponent = part.exponent.times(exponent)?;
        }
        parts.retain(|part| !part.exponent.is_zero());
        Some(Self { scale: self.scale.to_the(exponent)?, parts })
    }

    /// By what a number of this unit is multiplied to become one of another; `None` if they do not measure the same.
    #[must_use]
    pub fn factor_to(&self, other: &Self) -> Option<f64> {
        if self.dimension()? != other.dimension()? {
            return None;
        }
        let inverse = other.factor()?.to_the(Rational::of(-1))?;
        Some(self.factor()?.times(inverse)?.value())
    }

    /// How many of the base units (m, kg, s, A, K, mol, cd, rad, mag, bit, count and so on) it is.
    #[must_use]
    pub fn base_factor(&self) -> Option<f64> {
        self.factor().map(|factor| factor.value())
    }

    /// The base units with their exponents as text: `kg s**-2`. Empty for pure numbers.
    #[must_use]
    pub fn base_units(&self) -> String {
        let dimension = self.dimension().unwrap_or_default();
        let shown: Vec<String> = dimension
            .iter()
            .map(
                |(base, exponent)| {
                    if *exponent == Rational::ONE { (*base).to_owned() } else { format!("{base}**{exponent}") }
                },
            )
            .collect();
        shown.join(" ")
    }

    /// The first name in it that has no meaning, and the names that are near to it.
    #[must_use]
    pub fn unknown_name(&self) -> Option<(&str, Vec<String>)> {
        let unknown = self
            .parts
            .iter()
            .find(|part| matches!(part.kind, PartKind::Unknown(_) | PartKind::Function { known: false }))?;
        Some((&unknown.text, nearest::names(&unknown.text, known::names())))
    }

    /// Whether a function of a unit is in it: numbers of such a unit cannot be scaled.
    pub(crate) fn has_function(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.kind, PartKind::Function { .. }))
    }

    /// The unit of a function of numbers of this unit, such as `log(nJy)`; the square root is a power.
    pub(crate) fn function(&self, name: &str) -> Option<Self> {
        if name == "sqrt" {
            return self.to_the(Rational::new(1, 2)?);
        }
        let understood = matches!(name, "log" | "ln" | "exp");
        let kind = PartKind::Function { known: understood && self.unknown_name().is_none() };
        Some(Self::of_part(format!("{name}({self})"), kind))
    }

    fn factor(&self) -> Option<Factor> {
        self.parts.iter().try_fold(self.scale, |factor, part| match part.kind {
            PartKind::Known(own, _) | PartKind::Unknown(own) => factor.times(own.to_the(part.exponent)?),
            PartKind::Function { .. } => Some(factor),
        })
    }

    /// `None` if an exponent grows beyond all bounds.
    fn dimension(&self) -> Option<Dimension<'_>> {
        let mut dimension = Dimension::new();
        for part in &self.parts {
            let mut add = |base, exponent: Rational| {
                let sum = dimension.get(base).copied().unwrap_or(Rational::ZERO).plus(exponent)?;
                dimension.insert(base, sum);
                Some(())
            };
            match &part.kind {
                PartKind::Known(_, dimensions) => {
                    for (base, exponent) in *dimensions {
                        add(base, Rational::of(*exponent).times(part.exponent)?)?;
                    }
                }
                // The name alone, in its quotes: its prefix is in the factor.
                PartKind::Unknown(_) => add(
                    part.text.find('\'').and_then(|quote| part.text.get(quote..)).unwrap_or(&part.text),
                    part.exponent,
                )?,
                PartKind::Function { .. } => add(&part.text, part.exponent)?,
            }
        }
        dimension.retain(|_, exponent| !exponent.is_zero());
        Some(dimension)
    }
}

/// Units are equal that are written with the same names, exponents and scale, in whatever order.
impl PartialEq for Unit {
    fn eq(&self, other: &Self) -> bool {
        self.scale.value() == other.scale.value()
            && self.parts.len() == other.parts.len()
            && self
                .parts
                .iter()
                .zip(&other.parts)
                .all(|(one, two)| one.text == two.text && one.exponent == two.exponent)
    }
}

impl FromStr for Unit {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse::parse(text)
    }
}

/// In VOUnits syntax: products, then at most one quotient.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = self.scale.value();
        let scale = match self.scale.as_power_of_ten() {
            Some(0) => String::new(),
            Some(exponent) => format!("10**{exponent}"),
            None => format!("{scale:e}").replace("e0", ""),
        };
        f.write_str(&scale)?;
        let (below, above): (Vec<&Part>, Vec<&Part>) = self.parts.iter().partition(|part| part.exponent.is_negative());
        let shown = |part: &Part, exponent: Rational| {
            if exponent == Rational::ONE { part.text.clone() } else { format!("{}**{exponent}", part.text) }
        };
        let product = |parts: &[&Part], inverted: bool| {
            let parts =
                parts.iter().map(|part| shown(part, if inverted { part.exponent.negated() } else { part.exponent }));
            parts.collect::<Vec<_>>().join(".")
        };
        match (above.as_slice(), below.as_slice()) {
            ([], []) if scale.is_empty() => f.write_str("1"),
            ([], below) => f.write_str(&product(below, false)),
            (above, []) => f.write_str(&product(above, false)),
            (above, [one]) => write!(f, "{}/{}", product(above, false), shown(one, one.exponent.negated())),
            (above, below) => write!(f, "{}/({})", product(above, false), product(below, true)),
        }
    }
}

#[cfg(test)]
mod tests;
