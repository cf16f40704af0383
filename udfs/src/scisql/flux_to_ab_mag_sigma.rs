//! `scisql_fluxToAbMagSigma`: the error of an AB magnitude from a flux in erg/s/cm2/Hz and its error.

use super::ab_magnitude_sigmas;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_fluxToAbMagSigma",
    known_as: "scisql_fluxToAbMagSigma",
    audience: Audience::Users,
    summary: "The standard deviation of the AB magnitude of a calibrated flux in erg/s/cm2/Hz: 2.5 / ln(10) * flux_sigma / flux.",
    missing: "NULL if any argument is NULL, NaN or infinite, if the flux is zero or negative, or if its standard \
              deviation is negative.",
    example: "SELECT objectId, scisql_fluxToAbMagSigma(rFlux * 1e-32, rFluxErr * 1e-32) AS r_mag_err FROM Object",
    forms: &[Form::fixed(&[
        number("flux", "calibrated flux in erg/s/cm2/Hz"),
        number("flux_sigma", "standard deviation of the flux, in the same unit"),
    ])],
    returns: Returns::Double,
    unit: Some("mag"),
    ucd: Some("stat.error;phot.mag"),
    body: Body::Numbers { check: check_nothing, evaluate: ab_magnitude_sigmas },
};
