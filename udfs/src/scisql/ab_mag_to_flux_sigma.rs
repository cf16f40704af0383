//! `scisql_abMagToFluxSigma`: the error of a flux in erg/s/cm2/Hz from an AB magnitude and its error.

use arrow::array::ArrayRef;

use super::{FLUX_ZERO_POINT, flux_sigmas};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::Numbers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_abMagToFluxSigma",
    known_as: "scisql_abMagToFluxSigma",
    audience: Audience::Users,
    summary: "The standard deviation of the calibrated flux of an AB magnitude, in erg/s/cm2/Hz: \
              ln(10) / 2.5 * mag_sigma * flux.",
    missing: "NULL if any argument is NULL, NaN or infinite, or if the standard deviation is negative.",
    example: "SELECT objectId, scisql_abMagToFluxSigma(rMag, 0.01) AS r_flux_err FROM Object",
    forms: &[Form::fixed(&[number("mag", "AB magnitude"), number("mag_sigma", "standard deviation of the magnitude")])],
    returns: Returns::Double,
    unit: Some("erg/(s.cm**2.Hz)"),
    ucd: Some("stat.error;phot.flux.density"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    flux_sigmas(numbers, rows, FLUX_ZERO_POINT)
}
