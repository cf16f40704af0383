//! `scisql_fluxToDn`: the raw flux of a flux in erg/s/cm2/Hz.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};

use super::{FLUX_MAG_0, FLUX_OF_MAG_0};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::{Numbers, finite_or_null};

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_fluxToDn",
    known_as: "scisql_fluxToDn",
    audience: Audience::Users,
    summary: "The raw flux in counts (DN) of a calibrated flux in erg/s/cm2/Hz: flux flux_mag_0 / 10^(-48.6 / 2.5).",
    missing: "NULL if any argument is NULL, NaN or infinite, or if flux_mag_0 is zero or negative.",
    example: "SELECT objectId, scisql_fluxToDn(rFlux * 1e-32, 3.0e12) AS r_dn FROM Object",
    forms: &[Form::fixed(&[number("flux", "calibrated flux in erg/s/cm2/Hz"), FLUX_MAG_0])],
    returns: Returns::Double,
    unit: Some("adu"),
    ucd: Some("phot.count"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    let [flux, flux_mag_0] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    Arc::new(finite_or_null(numbers, rows, |row| {
        let (flux, flux_mag_0) = (flux.value(row), flux_mag_0.value(row));
        if flux_mag_0 > 0.0 { flux * flux_mag_0 / FLUX_OF_MAG_0 } else { f64::NAN }
    }))
}
