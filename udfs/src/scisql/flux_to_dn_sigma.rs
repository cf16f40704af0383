//! `scisql_fluxToDnSigma`: the error of a raw flux from a flux in erg/s/cm2/Hz and its error.

use arrow::array::ArrayRef;

use super::{Calibrated, FLUX_MAG_0, FLUX_MAG_0_SIGMA, FLUX_OF_MAG_0, calibrated};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::Numbers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_fluxToDnSigma",
    known_as: "scisql_fluxToDnSigma",
    audience: Audience::Users,
    summary: "The standard deviation of the raw flux in counts (DN) of a calibrated flux in erg/s/cm2/Hz, from that of the \
              flux and that of the zero point: sqrt((flux flux_mag_0_sigma)^2 + (flux_sigma flux_mag_0)^2) / \
              10^(-48.6 / 2.5).",
    missing: "NULL if any argument is NULL, NaN or infinite, if flux_mag_0 is zero or negative, or if a standard \
              deviation is negative.",
    example: "SELECT objectId, scisql_fluxToDnSigma(rFlux * 1e-32, rFluxErr * 1e-32, 3.0e12, 1.0e10) AS r_dn_err FROM Object",
    forms: &[Form::fixed(&[
        number("flux", "calibrated flux in erg/s/cm2/Hz"),
        number("flux_sigma", "standard deviation of the flux, in the same unit"),
        FLUX_MAG_0,
        FLUX_MAG_0_SIGMA,
    ])],
    returns: Returns::Double,
    unit: Some("adu"),
    ucd: Some("stat.error;phot.count"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    calibrated(numbers, rows, |Calibrated { value: flux, sigma: flux_sigma, zero_point, zero_point_sigma }| {
        (flux * zero_point_sigma).hypot(flux_sigma * zero_point) / FLUX_OF_MAG_0
    })
}
