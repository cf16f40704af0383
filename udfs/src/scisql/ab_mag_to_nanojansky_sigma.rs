//! `scisql_abMagToNanojanskySigma`: the error of a flux in nanojansky from an AB magnitude and its error.

use arrow::array::ArrayRef;

use super::{NANOJANSKY_ZERO_POINT, flux_sigmas};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::Numbers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_abMagToNanojanskySigma",
    known_as: "scisql_abMagToNanojanskySigma",
    audience: Audience::Users,
    summary: "The standard deviation of the calibrated flux of an AB magnitude, in nanojansky: \
              ln(10) / 2.5 * mag_sigma * flux.",
    missing: "NULL if any argument is NULL, NaN or infinite, or if the standard deviation is negative.",
    example: "SELECT objectId, scisql_abMagToNanojanskySigma(rMag, 0.01) AS r_flux_err FROM Object",
    forms: &[Form::fixed(&[number("mag", "AB magnitude"), number("mag_sigma", "standard deviation of the magnitude")])],
    returns: Returns::Double,
    unit: Some("nJy"),
    ucd: Some("stat.error;phot.flux.density"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    flux_sigmas(numbers, rows, NANOJANSKY_ZERO_POINT)
}
