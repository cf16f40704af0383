//! The area and the centroid of a polygon.

use std::f64::consts::PI;

use super::{ON_EDGE, Polygon};
use crate::sky::Position;
use crate::sky::vector::{Vector, add, cross, dot, norm_squared, scale, sub, unit};
use crate::{Error, Result};

/// Up to this size (radians; 20 arc seconds) a polygon's triangles are flat for the centroid: that is wrong by the cube of
/// the size, while the sum over the edges loses as much to rounding there and more below.
const FLAT: f64 = 1e-4;

impl Polygon {
    /// The area in square degrees. Its relative error is that of the vertices' unit vectors: about `1e-16` divided by the
    /// polygon's size in radians.
    #[must_use]
    pub fn area_square_degrees(&self) -> f64 {
        self.area * (180.0 / PI) * (180.0 / PI)
    }

    /// The centroid of the area: the direction of the integral of the unit vector over it. `None` if that integral is
    /// zero, which takes a polygon that goes around the sky.
    ///
    /// The integral is half the sum over the edges of the edge's length times the pole on its inner side.
    #[must_use]
    pub fn centroid(&self) -> Option<Position> {
        let apex = self.edges.first()?.start;
        let size = self.edges.iter().map(|edge| norm_squared(sub(edge.start, apex))).fold(0.0, f64::max).sqrt();
        let sum = if size < FLAT { self.flat_centroid(apex) } else { self.integral() };
        (norm_squared(sum) > 1e-20).then(|| Position::from_vector(unit(sum)))
    }

    fn flat_centroid(&self, apex: Vector) -> Vector {
        let (mut moment, mut area) = ([0.0; 3], 0.0);
        for (start, end) in self.sides() {
            let (one, two) = (sub(start, apex), sub(end, apex));
            let weight = dot(apex, cross(one, two));
            moment = add(moment, scale(add(one, two), weight / 3.0));
            area += weight;
        }
        add(apex, scale(moment, 1.0 / area))
    }

    fn integral(&self) -> Vector {
        let to_left = self.edges.iter().zip(self.sides()).fold([0.0; 3], |sum, (edge, (start, end))| {
            let length = 2.0 * norm_squared(sub(end, start)).sqrt().atan2(norm_squared(add(end, start)).sqrt());
            add(sum, scale(edge.normal, 0.5 * length))
        });
        // The whole sphere's integral is zero, so the two sides' are opposite.
        scale(to_left, if self.left_is_inside { 1.0 } else { -1.0 })
    }

    /// The start and the end of each edge.
    pub(super) fn sides(&self) -> impl Iterator<Item = (Vector, Vector)> + '_ {
        let starts = self.edges.iter().map(|edge| edge.start);
        starts.clone().zip(starts.cycle().skip(1))
    }
}

/// Whether the left side of the boundary is the smaller one, and the smaller one's area in steradians.
pub(super) fn smaller_side(corners: &[Vector], reference: Vector) -> Result<(bool, f64)> {
    let first = corners.first().copied().unwrap_or(reference);
    let is_small = corners.iter().all(|corner| dot(first, *corner) > 0.5);
    // The area on the left is a fan of triangles. Of a small polygon they are small too, and their sum is accurate
    // however small it is; of a large one they are drawn to a position clear of all edges, and their sum is the area but
    // for whole spheres.
    let apex = if is_small { first } else { reference };
    let mut area = 0.0;
    let mut perimeter = 0.0;
    for (start, end) in corners.iter().zip(corners.iter().cycle().skip(1)) {
        let volume = dot(apex, cross(sub(*start, apex), sub(*end, apex)));
        let denominator = 1.0 + dot(apex, *start) + dot(*start, *end) + dot(*end, apex);
        area += 2.0 * volume.atan2(denominator);
        perimeter += norm_squared(sub(*end, *start)).sqrt();
    }
    if !is_small {
        area = area.rem_euclid(4.0 * PI);
    }
    if area.abs().min((4.0 * PI - area).abs()) <= perimeter * ON_EDGE {
        return Err(Error::invalid("the vertices of a polygon are all on one great circle: it has no area"));
    }
    if (area - 2.0 * PI).abs() < 1e-9 {
        return Err(Error::invalid(
            "a polygon cuts the sky in two equal halves: there is no smaller side to be the inside",
        ));
    }
    let left_is_smaller = area > 0.0 && area < 2.0 * PI;
    // A small polygon whose left side is the rest of the sky has a negative sum.
    let smaller = if area > 2.0 * PI { 4.0 * PI - area } else { area.abs() };
    Ok((left_is_smaller, smaller))
}

#[cfg(test)]
mod tests;
