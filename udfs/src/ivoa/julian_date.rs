//! What `ivo_to_jd` and `ivo_to_mjd` have in common: days since an epoch, with their fraction.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::{Error, Result};

use super::timestamp::Timestamp;
use super::wrong_arguments;
use crate::texts::{self, Texts};

const SECONDS_PER_DAY: i64 = 86_400;

/// What the functions give for missing and impossible values.
macro_rules! missing_in_a_date {
    () => {
        "NULL for a NULL. A constant text that is no timestamp is an error; one from a column gives NULL."
    };
}
pub(super) use missing_in_a_date;

/// Refuses a constant text that is no timestamp.
pub(super) fn check(constants: &[Option<ScalarValue>]) -> Result<()> {
    match constants.first().and_then(Option::as_ref).and_then(texts::constant) {
        Some(text) if Timestamp::parse(text).is_none() => {
            let text: String = text.chars().take(40).collect();
            Err(Error::invalid(format!("\"{text}\" is no timestamp: write it as 2000-01-02T12:00:00")))
        }
        _ => Ok(()),
    }
}

/// The date of each row in days, where `of_1970` is that of 1970-01-01T00:00:00.
pub(super) fn julian_dates(arguments: &[ColumnarValue], rows: usize, of_1970: f64) -> Result<ArrayRef> {
    let [argument] = arguments else { return Err(wrong_arguments()) };
    let data_type = argument.data_type();
    let Some(ticks_per_day) = ticks_per_day(&data_type) else {
        let texts = Texts::new(argument)?;
        let date = |row| {
            let Timestamp { days, nanoseconds } = Timestamp::parse(texts.at(row)?)?;
            Some((of_1970 + days as f64) + nanoseconds as f64 / (SECONDS_PER_DAY * 1_000_000_000) as f64)
        };
        return Ok(Arc::new((0..rows).map(date).collect::<Float64Array>()));
    };
    let wrong_type = |_| Error::internal("a time that is no number of ticks");
    let times = argument.to_array(rows).map_err(wrong_type)?;
    let times = if data_type == DataType::Date32 {
        cast(&times, &DataType::Int32).and_then(|days| cast(&days, &DataType::Int64))
    } else {
        cast(&times, &DataType::Int64)
    };
    let times = times.map_err(|_| Error::internal("a time that is no number of ticks"))?;
    let date = |ticks: i64| {
        let (days, rest) = (ticks.div_euclid(ticks_per_day), ticks.rem_euclid(ticks_per_day));
        // The whole days are exact; only the last addition rounds.
        (of_1970 + days as f64) + rest as f64 / ticks_per_day as f64
    };
    let dates: Float64Array = times.as_primitive::<Int64Type>().unary(date);
    Ok(Arc::new(dates))
}

/// How many units of a type of time are a day; `None` if it is none.
fn ticks_per_day(data_type: &DataType) -> Option<i64> {
    Some(match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => SECONDS_PER_DAY,
        DataType::Timestamp(TimeUnit::Millisecond, _) | DataType::Date64 => SECONDS_PER_DAY * 1_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => SECONDS_PER_DAY * 1_000_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => SECONDS_PER_DAY * 1_000_000_000,
        DataType::Date32 => 1,
        _ => return None,
    })
}
