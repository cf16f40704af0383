//! `scisql_abMagToDn`: the raw flux of an AB magnitude.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};

use super::{FLUX_MAG_0, flux};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::{Numbers, finite_or_null};

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_abMagToDn",
    known_as: "scisql_abMagToDn",
    audience: Audience::Users,
    summary: "The raw flux in counts (DN) of an AB magnitude: flux_mag_0 10^(-0.4 mag).",
    missing: "NULL if any argument is NULL, NaN or infinite, or if flux_mag_0 is zero or negative.",
    example: "SELECT objectId, scisql_abMagToDn(rMag, 3.0e12) AS r_dn FROM Object",
    forms: &[Form::fixed(&[number("mag", "AB magnitude"), FLUX_MAG_0])],
    returns: Returns::Double,
    unit: Some("adu"),
    ucd: Some("phot.count"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    let [mag, flux_mag_0] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    Arc::new(finite_or_null(numbers, rows, |row| {
        let (mag, flux_mag_0) = (mag.value(row), flux_mag_0.value(row));
        if flux_mag_0 > 0.0 { flux_mag_0 * flux(mag, 0.0) } else { f64::NAN }
    }))
}
