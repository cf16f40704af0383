//! Angles in parts of sixty.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use super::wrong_arguments;
use crate::texts::Texts;

/// How such an angle is written.
#[derive(Debug)]
pub(super) struct Notation {
    /// The letter behind the first part, in lower case.
    pub(super) letter: u8,
    pub(super) is_signed: bool,
    /// The most of the first part.
    pub(super) most: u32,
    /// How many of the last part are a degree.
    pub(super) seconds_per_degree: f64,
}

/// The degrees of each row.
pub(super) fn degrees(arguments: &[ColumnarValue], rows: usize, notation: &Notation) -> Result<ArrayRef> {
    let [texts] = arguments else { return Err(wrong_arguments()) };
    let texts = Texts::new(texts)?;
    let degrees = |row| texts.at(row).and_then(|text| notation.degrees(text));
    Ok(Arc::new((0..rows).map(degrees).collect::<Float64Array>()))
}

impl Notation {
    /// The degrees of a text; `None` if it is no such angle.
    fn degrees(&self, text: &str) -> Option<f64> {
        let text = text.trim_ascii();
        let (is_negative, angle) = match text.as_bytes().first()? {
            b'-' if self.is_signed => (true, text.get(1..)?),
            b'+' if self.is_signed => (false, text.get(1..)?),
            _ => (false, text),
        };
        let [first, minutes, seconds] = self.parts(angle)?;
        let first = whole(first).filter(|first| *first <= self.most)?;
        let minutes = whole(minutes).filter(|minutes| *minutes < 60)?;
        let seconds = decimal(seconds).filter(|seconds| *seconds <= 60.0)?;
        let seconds = f64::from(first * 3600 + minutes * 60) + seconds;
        let degrees = (seconds <= f64::from(self.most) * 3600.0).then_some(seconds / self.seconds_per_degree)?;
        Some(if is_negative { -degrees } else { degrees })
    }

    /// The three parts in their text.
    fn parts<'a>(&self, angle: &'a str) -> Option<[&'a str; 3]> {
        let has = |is_such: fn(&u8) -> bool| angle.as_bytes().iter().any(is_such);
        let parts = if has(|byte| *byte == b':') {
            three(angle.split(':'))?
        } else if has(u8::is_ascii_alphabetic) {
            let (first, rest) = split_at_letter(angle, self.letter)?;
            let (minutes, rest) = split_at_letter(rest, b'm')?;
            let (seconds, rest) = split_at_letter(rest, b's')?;
            rest.is_empty().then_some([first, minutes, seconds])?
        } else if has(u8::is_ascii_whitespace) {
            three(angle.split_ascii_whitespace())?
        } else {
            // Six digits and perhaps a fraction.
            let is_packed = angle.bytes().take_while(u8::is_ascii_digit).count() == 6;
            is_packed.then_some([angle.get(..2)?, angle.get(2..4)?, angle.get(4..)?])?
        };
        Some(parts.map(str::trim_ascii))
    }
}

fn three<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<[&'a str; 3]> {
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

/// What is before and behind a letter in any case.
fn split_at_letter(text: &str, letter: u8) -> Option<(&str, &str)> {
    let place = text.bytes().position(|byte| byte.eq_ignore_ascii_case(&letter))?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// One to three digits.
fn whole(text: &str) -> Option<u32> {
    let is_whole = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_whole.then(|| text.parse().ok()).flatten()
}

/// Digits with at most one point among them.
fn decimal(text: &str) -> Option<f64> {
    // `parse` would take signs, exponents and words as well.
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_decimal.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::Notation;

    const HMS: Notation = Notation { letter: b'h', is_signed: false, most: 24, seconds_per_degree: 240.0 };
    const DMS: Notation = Notation { letter: b'd', is_signed: true, most: 360, seconds_per_degree: 3600.0 };

    #[test]
    fn what_is_an_angle_and_what_is_none() {
        for (text, hms, dms) in [
            ("1:00:00", Some(15.0), Some(1.0)),
            ("01 00 00", Some(15.0), Some(1.0)),
            ("010000", Some(15.0), Some(1.0)),
            ("010000.0", Some(15.0), Some(1.0)),
            (" 1 : 0 : 0 ", Some(15.0), Some(1.0)),
            ("00:00:60", Some(0.25), Some(1.0 / 60.0)),
            ("24:00:00", Some(360.0), Some(24.0)),
            ("24:00:01", None, Some(24.0 + 1.0 / 3600.0)),
            ("360:00:00", None, Some(360.0)),
            ("361:00:00", None, None),
            ("1h 0m 0s", Some(15.0), None),
            ("1d 0m 0s", None, Some(1.0)),
            ("-1:00:00", None, Some(-1.0)),
            ("-010000", None, Some(-1.0)),
            ("- 1:00:00", None, Some(-1.0)),
            ("--1:00:00", None, None),
            ("1:60:00", None, None),
            ("1:00:60.1", None, None),
            ("1:00", None, None),
            ("1:00:00:00", None, None),
            ("1:0.5:00", None, None),
            ("1::00", None, None),
            ("1:0:1e1", None, None),
            ("1:0:-1", None, None),
            ("1:0:.", None, None),
            ("10000", None, None),
            ("0100000", None, None),
            ("1h0m0", None, None),
            ("1h0m0s0", None, None),
            ("1m0h0s", None, None),
            ("1°0′0″", None, None),
            ("-", None, None),
            ("", None, None),
            ("inf:nan:0", None, None),
        ] {
            assert_eq!(HMS.degrees(text), hms, "{text}");
            assert_eq!(DMS.degrees(text), dms, "{text}");
        }
    }
}
