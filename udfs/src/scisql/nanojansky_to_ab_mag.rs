//! `scisql_nanojanskyToAbMag`: the AB magnitude of a flux in nanojansky.

use arrow::array::ArrayRef;

use super::{NANOJANSKY_ZERO_POINT, ab_magnitudes};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::Numbers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_nanojanskyToAbMag",
    known_as: "scisql_nanojanskyToAbMag",
    audience: Audience::Users,
    summary: "The AB magnitude of a calibrated flux in nanojansky: 31.4 - 2.5 log10(flux).",
    missing: "NULL if the flux is NULL, zero, negative, NaN or infinite.",
    example: "SELECT objectId, scisql_nanojanskyToAbMag(rFlux) AS r_mag FROM Object",
    forms: &[Form::fixed(&[number("flux", "calibrated flux in nanojansky")])],
    returns: Returns::Double,
    unit: Some("mag"),
    ucd: Some("phot.mag"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    ab_magnitudes(numbers, rows, NANOJANSKY_ZERO_POINT)
}
