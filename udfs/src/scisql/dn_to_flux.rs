//! `scisql_dnToFlux`: the flux in erg/s/cm2/Hz of a raw flux.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};

use super::{FLUX_MAG_0, FLUX_OF_MAG_0};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::{Numbers, finite_or_null};

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_dnToFlux",
    known_as: "scisql_dnToFlux",
    audience: Audience::Users,
    summary: "The calibrated flux in erg/s/cm2/Hz of a raw flux in counts (DN): 10^(-48.6 / 2.5) dn / flux_mag_0.",
    missing: "NULL if any argument is NULL, NaN or infinite, or if flux_mag_0 is zero or negative.",
    example: "SELECT objectId, scisql_dnToFlux(rFlux, 3.0e12) AS r_flux FROM Object",
    forms: &[Form::fixed(&[number("dn", "raw flux in counts (DN)"), FLUX_MAG_0])],
    returns: Returns::Double,
    unit: Some("erg/(s.cm**2.Hz)"),
    ucd: Some("phot.flux.density"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    let [dn, flux_mag_0] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    Arc::new(finite_or_null(numbers, rows, |row| {
        let (dn, flux_mag_0) = (dn.value(row), flux_mag_0.value(row));
        if flux_mag_0 > 0.0 && flux_mag_0.is_finite() { FLUX_OF_MAG_0 * dn / flux_mag_0 } else { f64::NAN }
    }))
}
