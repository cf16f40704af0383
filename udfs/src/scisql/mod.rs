//! sciSQL's functions under their own names, with sciSQL's argument orders, units and results. Queries written for Qserv
//! run unchanged.

mod ang_sep;
mod flux_to_ab_mag;
mod flux_to_ab_mag_sigma;
mod nanojansky_to_ab_mag;
mod nanojansky_to_ab_mag_sigma;
mod s2_pt_in_box;
mod s2_pt_in_c_poly;
mod s2_pt_in_circle;
mod s2_pt_in_ellipse;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};

use crate::definition::Definition;
use crate::numbers::{Numbers, finite_or_null};

/// In the order of the manual.
pub(crate) const DEFINITIONS: &[&Definition] = &[
    &ang_sep::DEFINITION,
    &s2_pt_in_circle::DEFINITION,
    &s2_pt_in_box::DEFINITION,
    &s2_pt_in_c_poly::DEFINITION,
    &s2_pt_in_ellipse::DEFINITION,
    &nanojansky_to_ab_mag::DEFINITION,
    &nanojansky_to_ab_mag_sigma::DEFINITION,
    &flux_to_ab_mag::DEFINITION,
    &flux_to_ab_mag_sigma::DEFINITION,
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

/// AB magnitudes of fluxes: `zero_point - 2.5 log10(flux)`.
fn ab_magnitudes(numbers: &[Numbers], rows: usize, zero_point: f64) -> ArrayRef {
    let [flux] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    // The logarithm of anything but a positive, finite flux is not finite, and thus NULL.
    Arc::new(finite_or_null(numbers, rows, |row| zero_point - 2.5 * flux.value(row).log10()))
}

/// Errors of AB magnitudes from fluxes and their errors: to first order `2.5 / ln 10 * sigma / flux`, in any unit of flux.
fn ab_magnitude_sigmas(numbers: &[Numbers], rows: usize) -> ArrayRef {
    const MAGNITUDES_PER_RELATIVE_FLUX: f64 = 2.5 * std::f64::consts::LOG10_E;
    let [flux, sigma] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    Arc::new(finite_or_null(numbers, rows, |row| {
        let (flux, sigma) = (flux.value(row), sigma.value(row));
        let is_measured = flux > 0.0 && flux.is_finite() && sigma >= 0.0;
        if is_measured { MAGNITUDES_PER_RELATIVE_FLUX * sigma / flux } else { f64::NAN }
    }))
}
