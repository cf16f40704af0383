//! Vectors of three: the little linear algebra that geometry on the sphere needs.

use super::position::{cos_lat, wrap_lon_deg};

/// Cartesian coordinates: x to (0, 0), y to (90, 0), z to the north pole.
pub(super) type Vector = [f64; 3];

/// The unit vector of a longitude and a latitude in degrees.
#[inline]
pub(super) fn from_lon_lat_deg(lon_deg: f64, lat_deg: f64) -> Vector {
    let (sin_lon, cos_lon) = wrap_lon_deg(lon_deg).to_radians().sin_cos();
    let cos_lat = cos_lat(lat_deg);
    [cos_lat * cos_lon, cos_lat * sin_lon, lat_deg.to_radians().sin()]
}

/// The scalar product.
#[inline]
pub(super) fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The vector product.
#[inline]
pub(super) fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The sum.
#[inline]
pub(super) fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// The difference.
#[inline]
pub(super) fn sub(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// The opposite.
#[inline]
pub(super) fn negate(a: Vector) -> Vector {
    [-a[0], -a[1], -a[2]]
}

/// The square of the length.
#[inline]
pub(super) fn norm_squared(a: Vector) -> f64 {
    dot(a, a)
}

/// The unit vector in this direction; NaN components for a vector without one.
#[inline]
pub(super) fn unit(a: Vector) -> Vector {
    let length = norm_squared(a).sqrt();
    [a[0] / length, a[1] / length, a[2] / length]
}

/// The angle in radians of a chord of the unit sphere whose squared length is given.
#[inline]
pub(super) fn angle_of_chord_squared(chord_squared: f64) -> f64 {
    2.0 * (0.5 * chord_squared.max(0.0).sqrt()).min(1.0).asin()
}

/// The vector so many times as long.
#[inline]
pub(super) fn scale(a: Vector, factor: f64) -> Vector {
    [a[0] * factor, a[1] * factor, a[2] * factor]
}

/// The unit vector to the east at a longitude in degrees.
pub(super) fn east_at(lon_deg: f64) -> Vector {
    let (sin_lon, cos_lon) = wrap_lon_deg(lon_deg).to_radians().sin_cos();
    [-sin_lon, cos_lon, 0.0]
}

/// The unit vector to the north at a position in degrees; at a pole along the meridian that the longitude names.
pub(super) fn north_at(lon_deg: f64, lat_deg: f64) -> Vector {
    let (sin_lon, cos_lon) = wrap_lon_deg(lon_deg).to_radians().sin_cos();
    let sin_lat = lat_deg.to_radians().sin();
    [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat(lat_deg)]
}
