//! `scisql_dnToAbMagSigma`: the error of an AB magnitude from a raw flux and its error.

use arrow::array::ArrayRef;

use super::{Calibrated, FLUX_MAG_0, FLUX_MAG_0_SIGMA, MAGNITUDES_PER_RELATIVE_FLUX, calibrated};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::Numbers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_dnToAbMagSigma",
    known_as: "scisql_dnToAbMagSigma",
    audience: Audience::Users,
    summary: "The standard deviation of the AB magnitude of a raw flux in counts (DN), from that of the flux and that of \
              the zero point: 2.5 / ln(10) * sqrt((dn_sigma / dn)^2 + (flux_mag_0_sigma / flux_mag_0)^2).",
    missing: "NULL if any argument is NULL, NaN or infinite, if dn or flux_mag_0 is zero or negative, or if a standard \
              deviation is negative.",
    example: "SELECT objectId, scisql_dnToAbMagSigma(rFlux, rFluxErr, 3.0e12, 1.0e10) AS r_mag_err FROM Object",
    forms: &[Form::fixed(&[
        number("dn", "raw flux in counts (DN)"),
        number("dn_sigma", "standard deviation of the raw flux, in counts"),
        FLUX_MAG_0,
        FLUX_MAG_0_SIGMA,
    ])],
    returns: Returns::Double,
    unit: Some("mag"),
    ucd: Some("stat.error;phot.mag"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    calibrated(numbers, rows, |Calibrated { value: dn, sigma: dn_sigma, zero_point, zero_point_sigma }| {
        // Without a flux there is no magnitude.
        if dn > 0.0 {
            MAGNITUDES_PER_RELATIVE_FLUX * (dn_sigma / dn).hypot(zero_point_sigma / zero_point)
        } else {
            f64::NAN
        }
    })
}
