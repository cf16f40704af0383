//! `scisql_fluxToAbMag`: the AB magnitude of a flux in erg/s/cm2/Hz.

use arrow::array::ArrayRef;

use super::{FLUX_ZERO_POINT, ab_magnitudes};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::Numbers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_fluxToAbMag",
    known_as: "scisql_fluxToAbMag",
    audience: Audience::Users,
    summary: "The AB magnitude of a calibrated flux in erg/s/cm2/Hz: -48.6 - 2.5 log10(flux).",
    missing: "NULL if the flux is NULL, zero, negative, NaN or infinite.",
    example: "SELECT objectId, scisql_fluxToAbMag(rFlux * 1e-32) AS r_mag FROM Object",
    forms: &[Form::fixed(&[number("flux", "calibrated flux in erg/s/cm2/Hz")])],
    returns: Returns::Double,
    unit: Some("mag"),
    ucd: Some("phot.mag"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    ab_magnitudes(numbers, rows, FLUX_ZERO_POINT)
}
