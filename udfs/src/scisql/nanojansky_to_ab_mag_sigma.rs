//! `scisql_nanojanskyToAbMagSigma`: the error of an AB magnitude from a flux in nanojansky and its error.

use super::ab_magnitude_sigmas;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_nanojanskyToAbMagSigma",
    known_as: "scisql_nanojanskyToAbMagSigma",
    audience: Audience::Users,
    summary: "The standard deviation of the AB magnitude of a calibrated flux in nanojansky: 2.5 / ln(10) * flux_sigma / flux.",
    missing: "NULL if any argument is NULL, NaN or infinite, if the flux is zero or negative, or if its standard \
              deviation is negative.",
    example: "SELECT objectId, scisql_nanojanskyToAbMagSigma(rFlux, rFluxErr) AS r_mag_err FROM Object",
    forms: &[Form::fixed(&[
        number("flux", "calibrated flux in nanojansky"),
        number("flux_sigma", "standard deviation of the flux, in the same unit"),
    ])],
    returns: Returns::Double,
    unit: Some("mag"),
    ucd: Some("stat.error;phot.mag"),
    body: Body::Numbers { check: check_nothing, evaluate: ab_magnitude_sigmas },
};
