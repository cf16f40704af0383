//! `scisql_dnToAbMag`: the AB magnitude of a raw flux.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};

use super::FLUX_MAG_0;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::{Numbers, finite_or_null};

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_dnToAbMag",
    known_as: "scisql_dnToAbMag",
    audience: Audience::Users,
    summary: "The AB magnitude of a raw flux in counts (DN): -2.5 log10(dn / flux_mag_0).",
    missing: "NULL if any argument is NULL, NaN or infinite, or if one of them is zero or negative.",
    example: "SELECT objectId, scisql_dnToAbMag(rFlux, 3.0e12) AS r_mag FROM Object",
    forms: &[Form::fixed(&[number("dn", "raw flux in counts (DN)"), FLUX_MAG_0])],
    returns: Returns::Double,
    unit: Some("mag"),
    ucd: Some("phot.mag"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    let [dn, flux_mag_0] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    Arc::new(finite_or_null(numbers, rows, |row| {
        let (dn, flux_mag_0) = (dn.value(row), flux_mag_0.value(row));
        if flux_mag_0 > 0.0 { -2.5 * (dn / flux_mag_0).log10() } else { f64::NAN }
    }))
}
