//! `scisql_dnToFluxSigma`: the error of a flux in erg/s/cm2/Hz from a raw flux and its error.

use arrow::array::ArrayRef;

use super::{Calibrated, FLUX_MAG_0, FLUX_MAG_0_SIGMA, FLUX_OF_MAG_0, calibrated};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::Numbers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_dnToFluxSigma",
    known_as: "scisql_dnToFluxSigma",
    audience: Audience::Users,
    summary: "The standard deviation of the calibrated flux in erg/s/cm2/Hz of a raw flux in counts (DN), from that of the \
              raw flux and that of the zero point: 10^(-48.6 / 2.5) / flux_mag_0^2 * sqrt((dn flux_mag_0_sigma)^2 + \
              (dn_sigma flux_mag_0)^2).",
    missing: "NULL if any argument is NULL, NaN or infinite, if flux_mag_0 is zero or negative, or if a standard \
              deviation is negative.",
    example: "SELECT objectId, scisql_dnToFluxSigma(rFlux, rFluxErr, 3.0e12, 1.0e10) AS r_flux_err FROM Object",
    forms: &[Form::fixed(&[
        number("dn", "raw flux in counts (DN)"),
        number("dn_sigma", "standard deviation of the raw flux, in counts"),
        FLUX_MAG_0,
        FLUX_MAG_0_SIGMA,
    ])],
    returns: Returns::Double,
    unit: Some("erg/(s.cm**2.Hz)"),
    ucd: Some("stat.error;phot.flux.density"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    calibrated(numbers, rows, |Calibrated { value: dn, sigma: dn_sigma, zero_point, zero_point_sigma }| {
        FLUX_OF_MAG_0 * (dn / zero_point * zero_point_sigma).hypot(dn_sigma) / zero_point
    })
}
