//! Reads a unit from text by recursive descent. Length and depth are bounded.

use super::factor::Factor;
use super::rational::Rational;
use super::{PartKind, Unit, UnitError, known};

/// Longest text in bytes.
const MAX_BYTES: usize = 200;

/// How deep parentheses may be nested.
const MAX_DEPTH: usize = 10;

/// How magnitudes of a named system are written; the numbers are magnitudes.
const MAGNITUDES: &[&str] = &["mag(AB)", "mag(ST)", "mag(Vega)", "AB mag", "ABmag", "ST mag", "STmag", "Vega mag"];

pub(super) fn parse(text: &str) -> Result<Unit, UnitError> {
    if text.len() > MAX_BYTES {
        return Err(UnitError::new(text, format!("it is longer than {MAX_BYTES} bytes")));
    }
    let trimmed = text.trim();
    let trimmed = if MAGNITUDES.contains(&trimmed) { "mag" } else { trimmed };
    if trimmed.is_empty() || trimmed == "1" {
        return Ok(Unit::dimensionless());
    }
    let mut parser = Parser { text, rest: trimmed, depth: 0 };
    let scale = parser.scale()?;
    let unit = match parser.rest {
        "" => Unit::dimensionless(),
        // `1/s`: the standard has `s**-1`.
        rest if rest.starts_with('/') && rest.len() < trimmed.len() => parser.continued(Unit::dimensionless())?,
        _ => parser.expression()?,
    };
    if let Some(next) = parser.rest.chars().next() {
        return Err(parser.error(format!("`{next}` cannot stand there")));
    }
    let scaled = Unit { scale, parts: Vec::new() };
    let unit = scaled.times(&unit).filter(|unit| unit.factor().is_some() && unit.dimension().is_some());
    unit.ok_or_else(|| parser.out_of_bounds())
}

struct Parser<'t> {
    /// The whole text.
    text: &'t str,
    /// What is not yet read.
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn error(&self, reason: impl Into<String>) -> UnitError {
        UnitError::new(self.text, reason)
    }

    fn out_of_bounds(&self) -> UnitError {
        self.error("its exponents or its scale are beyond all bounds")
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|letter| !belongs(letter)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// The number in front: `10**-3`, `1e-10`, `0.1`. A dot behind it, which the standard does not have, changes nothing.
    fn scale(&mut self) -> Result<Factor, UnitError> {
        if !self.rest.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(Factor::ONE);
        }
        let number = self.number();
        let mut scale = Factor::of_number(number).ok_or_else(|| self.error("its scale is no positive number"))?;
        if self.takes_power_sign() {
            let exponent = self.exponent()?;
            scale = scale.to_the(exponent).ok_or_else(|| self.out_of_bounds())?;
        }
        if self.rest.len() > 1 && !self.take(".") {
            self.take("*");
        }
        Ok(scale)
    }

    /// Digits, perhaps with a fraction and an exponent.
    fn number(&mut self) -> &'t str {
        let start = self.rest;
        self.take_while(|letter| letter.is_ascii_digit());
        let fraction =
            self.rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
        if fraction && self.take(".") {
            self.take_while(|letter| letter.is_ascii_digit());
        }
        let exponent = self.rest.strip_prefix(['e', 'E']).map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
        if let Some(rest) = exponent
            && rest.starts_with(|next: char| next.is_ascii_digit())
        {
            self.rest = rest;
            self.take_while(|letter| letter.is_ascii_digit());
        }
        start.get(..start.len() - self.rest.len()).unwrap_or("")
    }

    /// Products and quotients from left to right. `a/b.c` is refused: some read `a/(b.c)` in it.
    fn expression(&mut self) -> Result<Unit, UnitError> {
        let first = self.term()?;
        self.continued(first)
    }

    fn continued(&mut self, mut unit: Unit) -> Result<Unit, UnitError> {
        let mut divided = false;
        loop {
            let next = if self.rest.starts_with('.') || (self.rest.starts_with('*') && !self.rest.starts_with("**")) {
                if divided {
                    return Err(self.error("a product behind `/` needs parentheses"));
                }
                self.rest = self.rest.get(1..).unwrap_or("");
                let right = self.term()?;
                unit.times(&right)
            } else if self.take("/") {
                divided = true;
                let right = self.term()?;
                unit.over(&right)
            } else {
                return Ok(unit);
            };
            unit = next.ok_or_else(|| self.out_of_bounds())?;
        }
    }

    fn parenthesized(&mut self) -> Result<Unit, UnitError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("its parentheses are nested deeper than {MAX_DEPTH}")));
        }
        let inner = self.expression()?;
        self.depth -= 1;
        if self.take(")") { Ok(inner) } else { Err(self.error("`)` is missing")) }
    }

    fn term(&mut self) -> Result<Unit, UnitError> {
        let unit = self.factor()?;
        let exponent = if self.takes_power_sign() {
            self.exponent()?
        } else if self.rest.starts_with(|next: char| next.is_ascii_digit() || matches!(next, '+' | '-')) {
            // The form of CDS: `m.s-1`.
            self.integer()?
        } else {
            return Ok(unit);
        };
        unit.to_the(exponent).ok_or_else(|| self.out_of_bounds())
    }

    fn factor(&mut self) -> Result<Unit, UnitError> {
        if self.take("(") {
            return self.parenthesized();
        }
        let name = self.take_while(|letter| letter.is_ascii_alphabetic() || matches!(letter, '%' | '_'));
        if self.take("'") {
            return self.quoted(name);
        }
        if name.is_empty() {
            let found = self.rest.chars().next().map_or("its end".to_owned(), |next| format!("`{next}`"));
            return Err(self.error(format!("a unit must stand where {found} is")));
        }
        if self.take("(") {
            let inner = self.parenthesized()?;
            return inner.function(name).ok_or_else(|| self.out_of_bounds());
        }
        let kind = known::meaning(name)
            .map_or(PartKind::Unknown(Factor::ONE), |(factor, dimensions)| PartKind::Known(factor, dimensions));
        Ok(Unit::of_part(name.to_owned(), kind))
    }

    /// A quoted name has no meaning, whatever it is; a prefix may stand before it.
    fn quoted(&mut self, prefix: &str) -> Result<Unit, UnitError> {
        let name = self.take_while(|letter| letter.is_ascii_alphabetic() || letter == '_');
        if name.is_empty() || !self.take("'") {
            return Err(self.error("between quotes there must be letters only"));
        }
        let factor = match prefix {
            "" => Factor::ONE,
            prefix => known::decimal_prefix(prefix).ok_or_else(|| self.error(format!("`{prefix}` is no prefix")))?,
        };
        Ok(Unit::of_part(format!("{prefix}'{name}'"), PartKind::Unknown(factor)))
    }

    fn takes_power_sign(&mut self) -> bool {
        self.take("**") || self.take("^")
    }

    /// `2`, `-1`, `(1/2)`, `(0.5)`, and `0.5`.
    fn exponent(&mut self) -> Result<Rational, UnitError> {
        if !self.take("(") {
            let before = self.rest;
            let whole = self.integer()?;
            let fraction =
                self.rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
            if !fraction {
                return Ok(whole);
            }
            self.rest = before;
            return self.decimal();
        }
        let before = self.rest;
        let mut exponent = self.integer()?;
        if self.take("/") {
            let denominator = self.integer()?;
            let fraction = exponent.as_whole().zip(denominator.as_whole());
            let fraction = fraction.and_then(|(above, below)| Rational::new(above.into(), below.into()));
            exponent = fraction.ok_or_else(|| self.out_of_bounds())?;
        } else if self.rest.starts_with('.') {
            self.rest = before;
            exponent = self.decimal()?;
        }
        if self.take(")") { Ok(exponent) } else { Err(self.error("`)` is missing behind an exponent")) }
    }

    fn sign(&mut self) -> i64 {
        if self.take("-") {
            return -1;
        }
        self.take("+");
        1
    }

    fn integer(&mut self) -> Result<Rational, UnitError> {
        let sign = self.sign();
        let digits = self.take_while(|letter| letter.is_ascii_digit());
        if digits.is_empty() {
            return Err(self.error("a whole number must stand for an exponent"));
        }
        let value = digits.parse::<i64>().ok().and_then(|value| Rational::new(sign * value, 1));
        value.ok_or_else(|| self.out_of_bounds())
    }

    fn decimal(&mut self) -> Result<Rational, UnitError> {
        let negative = self.sign() < 0;
        let value = self.number().parse::<f64>().ok();
        let value = value.and_then(|value| Rational::of_decimal(if negative { -value } else { value }));
        value.ok_or_else(|| self.error("its exponent is no simple fraction"))
    }
}
