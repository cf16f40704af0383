//! sciSQL's functions under their own names, with sciSQL's argument orders, units and results. Queries written for Qserv
//! run unchanged.

mod ab_mag_to_dn;
mod ab_mag_to_dn_sigma;
mod ab_mag_to_flux;
mod ab_mag_to_flux_sigma;
mod ab_mag_to_nanojansky;
mod ab_mag_to_nanojansky_sigma;
mod ang_sep;
mod dn_to_ab_mag;
mod dn_to_ab_mag_sigma;
mod dn_to_flux;
mod dn_to_flux_sigma;
mod flux_to_ab_mag;
mod flux_to_ab_mag_sigma;
mod flux_to_dn;
mod flux_to_dn_sigma;
mod get_version;
mod nanojansky_to_ab_mag;
mod nanojansky_to_ab_mag_sigma;
mod s2_c_poly_to_bin;
mod s2_htm_id;
mod s2_htm_level;
mod s2_pt_in_box;
mod s2_pt_in_c_poly;
mod s2_pt_in_circle;
mod s2_pt_in_ellipse;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};

use crate::definition::{Argument, Definition, number};
use crate::numbers::{Numbers, finite_or_null};

pub(crate) use s2_pt_in_c_poly::{binary_vertices, test_binary};

/// The functions of the sky, in the order of the manual.
pub(crate) const SKY: &[&Definition] = &[
    &ang_sep::DEFINITION,
    &s2_pt_in_circle::DEFINITION,
    &s2_pt_in_box::DEFINITION,
    &s2_pt_in_c_poly::DEFINITION,
    &s2_c_poly_to_bin::DEFINITION,
    &s2_pt_in_ellipse::DEFINITION,
    &s2_htm_id::DEFINITION,
    &s2_htm_level::DEFINITION,
    &get_version::DEFINITION,
];

/// The functions of photometry, in the order of the manual.
pub(crate) const PHOTOMETRY: &[&Definition] = &[
    &nanojansky_to_ab_mag::DEFINITION,
    &nanojansky_to_ab_mag_sigma::DEFINITION,
    &ab_mag_to_nanojansky::DEFINITION,
    &ab_mag_to_nanojansky_sigma::DEFINITION,
    &flux_to_ab_mag::DEFINITION,
    &flux_to_ab_mag_sigma::DEFINITION,
    &ab_mag_to_flux::DEFINITION,
    &ab_mag_to_flux_sigma::DEFINITION,
    &dn_to_ab_mag::DEFINITION,
    &dn_to_ab_mag_sigma::DEFINITION,
    &ab_mag_to_dn::DEFINITION,
    &ab_mag_to_dn_sigma::DEFINITION,
    &dn_to_flux::DEFINITION,
    &dn_to_flux_sigma::DEFINITION,
    &flux_to_dn::DEFINITION,
    &flux_to_dn_sigma::DEFINITION,
];

/// What sciSQL's tests give for missing and impossible values; each has the same rules.
macro_rules! missing_in_a_scisql_test {
    ($impossible:literal) => {
        concat!(
            "0 if any argument is NULL. NULL if any is NaN or infinite, if a latitude is beyond 90 degrees, or if ",
            $impossible,
            "."
        )
    };
}
pub(crate) use missing_in_a_scisql_test;

/// The AB magnitude of a flux of one erg/s/cm2/Hz.
const FLUX_ZERO_POINT: f64 = -48.6;
/// The AB magnitude of a flux of one nanojansky.
const NANOJANSKY_ZERO_POINT: f64 = 31.4;
/// The flux of an object of AB magnitude 0 in erg/s/cm2/Hz: 10^(-48.6 / 2.5).
const FLUX_OF_MAG_0: f64 = 3.630_780_547_701_013e-20;
/// What a small relative change of a flux changes in its magnitude: 2.5 / ln 10.
const MAGNITUDES_PER_RELATIVE_FLUX: f64 = 2.5 * std::f64::consts::LOG10_E;

/// The calibration of an image.
const FLUX_MAG_0: Argument = number("flux_mag_0", "raw flux of an object of magnitude 0, in counts");
/// Its error.
const FLUX_MAG_0_SIGMA: Argument = number("flux_mag_0_sigma", "standard deviation of flux_mag_0, in counts");

/// AB magnitudes of fluxes: `zero_point - 2.5 log10(flux)`.
fn ab_magnitudes(numbers: &[Numbers], rows: usize, zero_point: f64) -> ArrayRef {
    let [flux] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    // The logarithm of anything but a positive, finite flux is not finite, and thus NULL.
    Arc::new(finite_or_null(numbers, rows, |row| zero_point - 2.5 * flux.value(row).log10()))
}

/// Errors of AB magnitudes from fluxes and their errors: to first order `2.5 / ln 10 * sigma / flux`, in any unit of flux.
fn ab_magnitude_sigmas(numbers: &[Numbers], rows: usize) -> ArrayRef {
    let [flux, sigma] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    Arc::new(finite_or_null(numbers, rows, |row| {
        let (flux, sigma) = (flux.value(row), sigma.value(row));
        let is_measured = flux > 0.0 && flux.is_finite() && sigma >= 0.0;
        if is_measured { MAGNITUDES_PER_RELATIVE_FLUX * sigma / flux } else { f64::NAN }
    }))
}

/// The flux of an AB magnitude, in the unit in which a flux of 1 has the magnitude `zero_point`. NaN for an infinite
/// magnitude.
#[inline]
fn flux(magnitude: f64, zero_point: f64) -> f64 {
    if magnitude.is_finite() { 10_f64.powf(-0.4 * (magnitude - zero_point)) } else { f64::NAN }
}

/// Fluxes of AB magnitudes.
fn fluxes(numbers: &[Numbers], rows: usize, zero_point: f64) -> ArrayRef {
    let [magnitude] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    Arc::new(finite_or_null(numbers, rows, |row| flux(magnitude.value(row), zero_point)))
}

/// Errors of fluxes from AB magnitudes and their errors, to first order.
fn flux_sigmas(numbers: &[Numbers], rows: usize, zero_point: f64) -> ArrayRef {
    let [magnitude, sigma] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    Arc::new(finite_or_null(numbers, rows, |row| {
        let (flux, sigma) = (flux(magnitude.value(row), zero_point), sigma.value(row));
        if sigma >= 0.0 { sigma * flux / MAGNITUDES_PER_RELATIVE_FLUX } else { f64::NAN }
    }))
}

/// One row of a function of a value, its error, and an image's zero point and its error.
#[derive(Debug, Clone, Copy)]
struct Calibrated {
    value: f64,
    sigma: f64,
    zero_point: f64,
    zero_point_sigma: f64,
}

/// Rows of such a function: NULL where any argument is not finite, the zero point is not positive, or an error is negative.
fn calibrated(numbers: &[Numbers], rows: usize, function: impl Fn(Calibrated) -> f64) -> ArrayRef {
    let [value, sigma, zero_point, zero_point_sigma] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    Arc::new(finite_or_null(numbers, rows, |row| {
        let row = Calibrated {
            value: value.value(row),
            sigma: sigma.value(row),
            zero_point: zero_point.value(row),
            zero_point_sigma: zero_point_sigma.value(row),
        };
        let is_finite = row.value.is_finite() && row.zero_point.is_finite();
        let is_measured = is_finite && row.zero_point > 0.0 && row.sigma >= 0.0 && row.zero_point_sigma >= 0.0;
        if is_measured { function(row) } else { f64::NAN }
    }))
}
