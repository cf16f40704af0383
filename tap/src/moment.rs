//! Moments as text, in the forms that DALI and UWS ask for, and back.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Appends a moment as `YYYY-MM-DDThh:mm:ss[.ffffff]` (DALI 1.1, section 3.3.3): no zone letter, UTC is meant; no fraction where
/// it is zero. Years beyond 9999 or before 0000 have a sign and as many digits as they need.
pub(crate) fn put_timestamp(micros: i64, out: &mut Vec<u8>) {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    let (year, month, day) = civil_date(seconds.div_euclid(SECONDS_PER_DAY));
    let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    if (0..=9999).contains(&year) {
        put_digits(year, 4, out);
    } else {
        out.push(if year < 0 { b'-' } else { b'+' });
        out.extend_from_slice(itoa::Buffer::new().format(year.unsigned_abs()).as_bytes());
    }
    for (separator, value) in [
        (b'-', month),
        (b'-', day),
        (b'T', second_of_day / 3600),
        (b':', second_of_day / 60 % 60),
        (b':', second_of_day % 60),
    ] {
        out.push(separator);
        put_digits(value, 2, out);
    }
    if fraction != 0 {
        out.push(b'.');
        if fraction % 1000 == 0 { put_digits(fraction / 1000, 3, out) } else { put_digits(fraction, 6, out) }
    }
}

fn put_digits(value: i64, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        let digit = value / 10_i64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// Year, month and day of a day number counted from 1970-01-01, in the proleptic Gregorian calendar. Years are counted from March, so
/// that a leap day is the last day of its year, and in eras of 400 years (146,097 days), after which the calendar repeats.
fn civil_date(day_number: i64) -> (i64, i64, i64) {
    let from_march_0000 = day_number + 719_468;
    let era = from_march_0000.div_euclid(146_097);
    let day_of_era = from_march_0000.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + 400 * era + i64::from(month <= 2);
    (year, month, day)
}

/// A moment as UWS writes it, `2030-01-02T03:04:05.678Z`.
pub(crate) fn uws_time(unix_ms: i64) -> String {
    DateTime::from_timestamp_millis(unix_ms)
        .map(|moment| moment.to_rfc3339_opts(SecondsFormat::Millis, true))
        .unwrap_or_default()
}

/// A moment as FITS headers have it, `2030-01-02T03:04:05`; UTC is meant.
pub(crate) fn fits_time(unix_ms: i64) -> String {
    DateTime::from_timestamp_millis(unix_ms)
        .map(|moment| moment.format("%Y-%m-%dT%H:%M:%S").to_string())
        .unwrap_or_default()
}

/// Reads an ISO 8601 moment: a date, or a date and a time with or without fraction and zone; without a zone it is UTC.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.timestamp_millis());
    }
    if let Ok(moment) = text.parse::<NaiveDateTime>() {
        return Some(moment.and_utc().timestamp_millis());
    }
    let date = text.parse::<NaiveDate>().ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn timestamp(micros: i64) -> String {
        let mut out = Vec::new();
        put_timestamp(micros, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_timestamps() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00");
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.999999");
        assert_eq!(timestamp(951_782_400_123_000), "2000-02-29T00:00:00.123");
        assert!(timestamp(i64::MAX).starts_with("+294247-01-10T04:00:54.775807"));
        assert!(timestamp(i64::MIN).starts_with('-'));
    }

    #[test]
    fn reads_the_times_that_clients_send() {
        for text in
            ["2030-01-02T03:04:05Z", "2030-01-02T03:04:05", "2030-01-02T03:04:05.000Z", "2030-01-02T04:04:05+01:00"]
        {
            assert_eq!(parse_time(text), Some(1_893_553_445_000), "{text}");
        }
        assert_eq!(parse_time("2030-01-02").map(uws_time).as_deref(), Some("2030-01-02T00:00:00.000Z"));
        assert_eq!(parse_time("tomorrow"), None);
    }

    proptest! {
        #[test]
        fn agrees_with_chrono(micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
            let expected = DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
            let text = timestamp(micros);
            prop_assert_eq!(text.parse::<NaiveDateTime>().unwrap(), expected);
        }
    }
}
