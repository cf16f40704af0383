//! What ADQL's CONTAINS and DISTANCE are translated to.

mod contains_box;
mod contains_circle;
mod contains_ellipse;
mod contains_polygon;
mod distance;

use qserv_core::sky::MOST_VERTICES;

use crate::definition::{Definition, Vertices};

/// In the order of the manual.
pub(crate) const DEFINITIONS: &[&Definition] = &[
    &contains_circle::DEFINITION,
    &contains_box::DEFINITION,
    &contains_polygon::DEFINITION,
    &contains_ellipse::DEFINITION,
    &distance::DEFINITION,
];

/// What `Polygon` itself takes.
pub(crate) const POLYGON_VERTICES: Vertices = Vertices { at_least: 3, at_most: MOST_VERTICES };

/// What the tests give for missing and impossible values; each has the same rules.
macro_rules! missing_in_a_test {
    () => {
        "NULL if any argument is NULL. A position that cannot be (a NaN, an infinity, a latitude beyond 90 degrees) \
         is not inside; a constant such latitude is an error. A shape that cannot be is an error if it is constant, and \
         gives NULL if it comes from columns."
    };
}
pub(crate) use missing_in_a_test;

/// The vertices in a list of numbers: longitude, latitude, longitude ..
pub(crate) fn vertices(numbers: &[f64]) -> Vec<(f64, f64)> {
    numbers.as_chunks::<2>().0.iter().map(|&[lon, lat]| (lon, lat)).collect()
}

/// The error of a shape with a wrong number of numbers. Argument lists are checked before any shape is built.
pub(crate) fn wrong_shape() -> qserv_core::Error {
    qserv_core::Error::internal("a shape with a wrong number of numbers")
}
