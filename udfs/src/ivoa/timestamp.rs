//! Timestamps as text: DALI 1.1 section 3.3.3, `YYYY-MM-DD['T'hh:mm:ss[.SSS]['Z']]`.

/// A time in no particular time scale, in the Gregorian calendar also before there was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timestamp {
    /// Since 1970-01-01.
    pub(super) days: i64,
    /// Since the beginning of the day.
    pub(super) nanoseconds: i64,
}

impl Timestamp {
    /// Reads a timestamp. A blank instead of the T, no seconds, and a leap second (as the beginning of the next minute) are
    /// taken too; time zones other than Z are not.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_ascii().as_bytes();
        let (date, time) = text.split_at_checked(10).unwrap_or((text, b""));
        let &[a, b, c, d, b'-', e, f, b'-', g, h] = date else { return None };
        let (year, month, day) = (whole(&[a, b, c, d])?, whole(&[e, f])?, whole(&[g, h])?);
        let days = days_since_1970(year, month, day)?;
        let nanoseconds = match time {
            [] => 0,
            [b'T' | b' ', time @ ..] => nanoseconds_of_day(time.strip_suffix(b"Z").unwrap_or(time))?,
            _ => return None,
        };
        Some(Self { days, nanoseconds })
    }
}

fn nanoseconds_of_day(time: &[u8]) -> Option<i64> {
    let (minutes, seconds) = time.split_at_checked(5)?;
    let &[a, b, b':', c, d] = minutes else { return None };
    let (hour, minute) = (whole(&[a, b])?, whole(&[c, d])?);
    let (second, fraction) = match seconds {
        [] => (0, 0),
        [b':', a, b] => (whole(&[*a, *b])?, 0),
        [b':', a, b, b'.', fraction @ ..] => (whole(&[*a, *b])?, nanoseconds(fraction)?),
        _ => return None,
    };
    (hour < 24 && minute < 60 && second <= 60)
        .then_some(((hour * 60 + minute) * 60 + second) * 1_000_000_000 + fraction)
}

/// The digits behind a decimal point; those beyond the ninth do not count.
fn nanoseconds(digits: &[u8]) -> Option<i64> {
    let are_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    are_digits
        .then(|| (0..9).fold(0, |sum, place| sum * 10 + digits.get(place).map_or(0, |digit| i64::from(digit - b'0'))))
}

fn whole(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

/// Days between 1970-01-01 and a date; `None` if there is no such date. Years are counted from March, so that a leap day
/// is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    const DAYS_BEFORE_1970: i64 = 719_468;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) {
        return None;
    }
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // Months from March on have 31, 30, 31, 30, 31 days, and again.
    Some(year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - DAYS_BEFORE_1970)
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn texts_are_times_or_none() {
        for (text, expected) in [
            ("1970-01-01", Some((0, 0))),
            ("1970-01-01T00:00:01Z", Some((0, 1_000_000_000))),
            (" 2000-03-01 12:30 ", Some((11_017, 45_000_000_000_000))),
            ("1969-12-31T23:59:59.25", Some((-1, 86_399_250_000_000))),
            ("2016-12-31T23:59:60", Some((17_166, 86_400_000_000_000))),
            ("2000-02-29T00:00:00.1234567891", Some((11_016, 123_456_789))),
            ("0000-01-01", Some((-719_528, 0))),
            ("1900-02-29", None),
            ("2000-13-01", None),
            ("2000-00-10", None),
            ("2000-01-00", None),
            ("2000-1-1", None),
            ("2000-01-01T24:00:00", None),
            ("2000-01-01T12", None),
            ("2000-01-01T12:00:00+01:00", None),
            ("2000-01-01T12:00:00.", None),
            ("2000-01-01Q", None),
            ("2000-01-é1", None),
            ("", None),
            ("yesterday", None),
        ] {
            let expected = expected.map(|(days, nanoseconds)| Timestamp { days, nanoseconds });
            assert_eq!(Timestamp::parse(text), expected, "{text}");
        }
    }
}
