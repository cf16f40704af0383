//! Values from text: exact forms, checked ranges.

/// Why a text is not a value of its column.
pub(crate) type Fault = &'static str;

/// A 64-bit integer: optional sign and digits, nothing else.
pub(crate) fn integer(text: &[u8]) -> Result<i64, Fault> {
    const FORM: Fault = "is not an integer";
    const RANGE: Fault = "is out of the range of a 64-bit integer";
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return Err(if text.is_empty() { "is empty; an integer is expected" } else { FORM });
    }
    // Eighteen digits cannot overflow; longer texts take the checked way.
    let mut value: i64 = 0;
    if digits.len() <= 18 {
        for &byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return Err(FORM);
            }
            value = value * 10 + i64::from(digit);
        }
        return Ok(if negative { -value } else { value });
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(FORM);
    }
    // Summed downwards, because the smallest number has no positive counterpart.
    for &byte in digits {
        let digit = i64::from(byte - b'0');
        value = value.checked_mul(10).and_then(|value| value.checked_sub(digit)).ok_or(RANGE)?;
    }
    if negative { Ok(value) } else { value.checked_neg().ok_or(RANGE) }
}

/// A number of a floating type, correctly rounded. `inf`, `infinity` and `nan` in any letter case, with a sign or without, are
/// those values; a finite number too large for the type is refused.
pub(crate) fn float<F: std::str::FromStr + Into<f64> + Copy>(text: &[u8], range: Fault) -> Result<F, Fault> {
    const FORM: Fault = "is not a number";
    if text.is_empty() {
        return Err("is empty; a number is expected");
    }
    let value: F = std::str::from_utf8(text).map_err(|_| FORM)?.parse().map_err(|_| FORM)?;
    let is_infinite = Into::<f64>::into(value).is_infinite();
    if is_infinite && text.iter().any(u8::is_ascii_digit) {
        return Err(range);
    }
    Ok(value)
}

/// A truth value: `0`, `1`, `false`, `true`, `f`, `t` in any letter case, or a single byte 0 or 1, as MySQL dumps `BIT(1)`.
pub(crate) fn boolean(text: &[u8]) -> Result<bool, Fault> {
    match text {
        b"0" | b"\0" => Ok(false),
        b"1" | b"\x01" => Ok(true),
        _ if text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"t") => Ok(true),
        _ if text.eq_ignore_ascii_case(b"false") || text.eq_ignore_ascii_case(b"f") => Ok(false),
        _ => Err("is not a truth value; write 0, 1, true or false"),
    }
}

/// Bytes from pairs of hexadecimal digits, with or without `0x` or `\x` before them.
pub(crate) fn hexadecimal(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), Fault> {
    const FORM: Fault = "is not pairs of hexadecimal digits";
    let digits = match text {
        [b'0' | b'\\', b'x' | b'X', rest @ ..] => rest,
        _ => text,
    };
    bytes.clear();
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(FORM);
    let mut pairs = digits.chunks_exact(2);
    for pair in &mut pairs {
        if let [high, low] = *pair {
            bytes.push((digit(high)? * 16 + digit(low)?) as u8);
        }
    }
    if pairs.remainder().is_empty() { Ok(()) } else { Err(FORM) }
}

/// Microseconds since 1970-01-01T00:00:00 UTC of an ISO 8601 moment: `YYYY-MM-DD`, then optionally `T` or a space and `hh:mm`,
/// `hh:mm:ss` or with a fraction of up to 9 digits (what is below a microsecond is dropped), then optionally `Z` or an offset
/// `+hh:mm`. A moment without an offset is UTC. The leap second `:60` is the first second of the next minute.
pub(crate) fn timestamp(text: &[u8]) -> Result<i64, Fault> {
    const FORM: Fault = "is not a moment; write it as 2026-07-25T01:02:03.456";
    parse_timestamp(text).ok_or(FORM)
}

fn parse_timestamp(text: &[u8]) -> Option<i64> {
    let mut cursor = Cursor { rest: text };
    let year = cursor.number(4)?;
    cursor.byte(b'-')?;
    let month = cursor.number(2)?;
    cursor.byte(b'-')?;
    let day = cursor.number(2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    let mut seconds = days_since_1970(year, month, day) * 86_400;
    let mut microseconds = 0;
    if !cursor.rest.is_empty() {
        if !matches!(cursor.take()?, b'T' | b't' | b' ') {
            return None;
        }
        let hour = cursor.number(2)?;
        cursor.byte(b':')?;
        let minute = cursor.number(2)?;
        let mut second = 0;
        if cursor.rest.first() == Some(&b':') {
            cursor.take()?;
            second = cursor.number(2)?;
            if cursor.rest.first() == Some(&b'.') {
                cursor.take()?;
                microseconds = cursor.fraction()?;
            }
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        seconds += hour * 3600 + minute * 60 + second - cursor.offset_seconds()?;
    }
    Some(seconds * 1_000_000 + microseconds)
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn take(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn byte(&mut self, expected: u8) -> Option<()> {
        (self.take()? == expected).then_some(())
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        (0..digits).try_fold(0, |number, _| {
            let byte = self.take()?;
            byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
        })
    }

    /// One to nine digits as microseconds.
    fn fraction(&mut self) -> Option<i64> {
        let mut nanoseconds = 0;
        let mut digits = 0;
        while let Some(byte) = self.rest.first().filter(|byte| byte.is_ascii_digit()) {
            nanoseconds = nanoseconds * 10 + i64::from(byte - b'0');
            digits += 1;
            self.take()?;
            if digits > 9 {
                return None;
            }
        }
        (digits > 0).then(|| nanoseconds * 10_i64.pow(9 - digits) / 1000)
    }

    /// The offset from UTC at the end; 0 if there is none.
    fn offset_seconds(&mut self) -> Option<i64> {
        let Some(byte) = self.take() else { return Some(0) };
        let sign = match byte {
            b'Z' | b'z' => return self.rest.is_empty().then_some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = self.number(2)?;
        if self.rest.first() == Some(&b':') {
            self.take()?;
        }
        let minutes = if self.rest.is_empty() { 0 } else { self.number(2)? };
        (self.rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, for the years 0 to 9999. Years are counted from March, so that the
/// leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_FROM_MARCH_OF_YEAR_0_TO_1970: i64 = 719_468;
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (months_since_march * 153 + 2) / 5 + day - 1 - DAYS_FROM_MARCH_OF_YEAR_0_TO_1970
}

#[cfg(test)]
mod tests {
    use arrow::compute::kernels::cast_utils::Parser;
    use arrow::datatypes::TimestampMicrosecondType;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers() {
        assert_eq!(integer(b"-0"), Ok(0));
        assert_eq!(integer(b"+12"), Ok(12));
        assert_eq!(integer(b"-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(integer(b"9223372036854775807"), Ok(i64::MAX));
        assert_eq!(integer(b"000000000000000000000000000007"), Ok(7));
        for wrong in [
            &b""[..],
            b"-",
            b"1.5",
            b"1e3",
            b"0x1",
            b" 1",
            b"1 ",
            b"9223372036854775808",
            b"--1",
            b"12345678901234567890x",
        ] {
            assert!(integer(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn floats() {
        let f = |text: &str| float::<f64>(text.as_bytes(), "range");
        assert_eq!(f("1.5e-3"), Ok(0.0015));
        assert_eq!(f(".5"), Ok(0.5));
        assert_eq!(f("5."), Ok(5.0));
        assert_eq!(f("-Infinity"), Ok(f64::NEG_INFINITY));
        assert_eq!(f("INF"), Ok(f64::INFINITY));
        assert!(f("-NaN").unwrap().is_nan());
        assert_eq!(f("1e400"), Err("range"));
        assert_eq!(float::<f32>(b"1e39", "range"), Err("range"));
        for wrong in ["", "1e", "e1", "1,5", "0x10", "1.5.2", "nul", " 1"] {
            assert!(f(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments() {
        assert_eq!(timestamp(b"1970-01-01"), Ok(0));
        assert_eq!(timestamp(b"1998-06-20T08:59:41.236801920Z"), Ok(898_333_181_236_801));
        assert_eq!(timestamp(b"2016-12-31 23:59:60"), timestamp(b"2017-01-01 00:00:00"));
        assert_eq!(timestamp(b"2024-02-29T01:00:00+01:00"), timestamp(b"2024-02-29T00:00:00Z"));
        assert_eq!(timestamp(b"1969-12-31T23:59:59.5"), Ok(-500_000));
        for wrong in [
            "0000-00-00 00:00:00",
            "2023-02-29",
            "2023-13-01",
            "2023-1-1",
            "2023-01-01T24:00:00",
            "1672531200",
            "2023-01-01T00:00:00.",
            "2023-01-01T00:00:00.1234567890",
            "2023-01-01T00:00:00 UTC",
            "2023-01-01T00",
        ] {
            assert!(timestamp(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_from_hexadecimal() {
        let mut bytes = Vec::new();
        assert_eq!(hexadecimal(b"0x00fFa1", &mut bytes), Ok(()));
        assert_eq!(bytes, [0, 0xff, 0xa1]);
        assert_eq!(hexadecimal(b"", &mut bytes), Ok(()));
        assert!(bytes.is_empty());
        assert!(hexadecimal(b"abc", &mut bytes).is_err());
        assert!(hexadecimal(b"zz", &mut bytes).is_err());
    }

    proptest! {
        #[test]
        fn numbers_survive_their_text(int in any::<i64>(), double in any::<f64>(), single in any::<f32>()) {
            prop_assert_eq!(integer(int.to_string().as_bytes()), Ok(int));
            let read = float::<f64>(double.to_string().as_bytes(), "range").unwrap();
            prop_assert!(read.to_bits() == double.to_bits() || (read.is_nan() && double.is_nan()));
            let read = float::<f32>(single.to_string().as_bytes(), "range").unwrap();
            prop_assert!(read.to_bits() == single.to_bits() || (read.is_nan() && single.is_nan()));
        }

        #[test]
        fn moments_agree_with_arrow(
            year in 1700i64..2200, month in 1i64..=12, day in 1i64..=31, second in 0i64..86_400, micro in 0i64..1_000_000,
        ) {
            let text = format!(
                "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{micro:06}", second / 3600, second / 60 % 60, second % 60
            );
            prop_assert_eq!(timestamp(text.as_bytes()).ok(), TimestampMicrosecondType::parse(&text), "{}", text);
        }
    }
}
