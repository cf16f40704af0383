//! `scisql_abMagToNanojansky`: the flux in nanojansky of an AB magnitude.

use arrow::array::ArrayRef;

use super::{NANOJANSKY_ZERO_POINT, fluxes};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::Numbers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_abMagToNanojansky",
    known_as: "scisql_abMagToNanojansky",
    audience: Audience::Users,
    summary: "The calibrated flux in nanojansky of an AB magnitude: 10^(-0.4 (mag - 31.4)).",
    missing: "NULL if the magnitude is NULL, NaN or infinite, or if the flux is too large for a number.",
    example: "SELECT objectId, scisql_abMagToNanojansky(rMag) AS r_flux FROM Object",
    forms: &[Form::fixed(&[number("mag", "AB magnitude")])],
    returns: Returns::Double,
    unit: Some("nJy"),
    ucd: Some("phot.flux.density"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    fluxes(numbers, rows, NANOJANSKY_ZERO_POINT)
}
