//! `scisql_abMagToDnSigma`: the error of a raw flux from an AB magnitude and its error.

use arrow::array::ArrayRef;

use super::{Calibrated, FLUX_MAG_0, FLUX_MAG_0_SIGMA, MAGNITUDES_PER_RELATIVE_FLUX, calibrated};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::Numbers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_abMagToDnSigma",
    known_as: "scisql_abMagToDnSigma",
    audience: Audience::Users,
    summary: "The standard deviation of the raw flux in counts (DN) of an AB magnitude, from that of the magnitude and that \
              of the zero point: 10^(-0.4 mag) * sqrt(flux_mag_0_sigma^2 + (ln(10) / 2.5 * mag_sigma flux_mag_0)^2).",
    missing: "NULL if any argument is NULL, NaN or infinite, if flux_mag_0 is zero or negative, or if a standard \
              deviation is negative.",
    example: "SELECT objectId, scisql_abMagToDnSigma(rMag, 0.01, 3.0e12, 1.0e10) AS r_dn_err FROM Object",
    forms: &[Form::fixed(&[
        number("mag", "AB magnitude"),
        number("mag_sigma", "standard deviation of the magnitude"),
        FLUX_MAG_0,
        FLUX_MAG_0_SIGMA,
    ])],
    returns: Returns::Double,
    unit: Some("adu"),
    ucd: Some("stat.error;phot.count"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    calibrated(numbers, rows, |Calibrated { value: mag, sigma: mag_sigma, zero_point, zero_point_sigma }| {
        10_f64.powf(-0.4 * mag) * zero_point_sigma.hypot(mag_sigma / MAGNITUDES_PER_RELATIVE_FLUX * zero_point)
    })
}
