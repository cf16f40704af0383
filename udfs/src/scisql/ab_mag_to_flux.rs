//! `scisql_abMagToFlux`: the flux in erg/s/cm2/Hz of an AB magnitude.

use arrow::array::ArrayRef;

use super::{FLUX_ZERO_POINT, fluxes};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::Numbers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_abMagToFlux",
    known_as: "scisql_abMagToFlux",
    audience: Audience::Users,
    summary: "The calibrated flux in erg/s/cm2/Hz of an AB magnitude: 10^(-0.4 (mag + 48.6)).",
    missing: "NULL if the magnitude is NULL, NaN or infinite, or if the flux is too large for a number.",
    example: "SELECT objectId, scisql_abMagToFlux(rMag) AS r_flux FROM Object",
    forms: &[Form::fixed(&[number("mag", "AB magnitude")])],
    returns: Returns::Double,
    unit: Some("erg/(s.cm**2.Hz)"),
    ucd: Some("phot.flux.density"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    fluxes(numbers, rows, FLUX_ZERO_POINT)
}
