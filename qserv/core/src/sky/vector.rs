//! Vectors of three: the little linear algebra that geometry on the sphere needs.

/// Cartesian coordinates.
pub(crate) type Vector = [f64; 3];

/// The unit vector of a longitude and a latitude in degrees.
#[inline]
pub(crate) fn from_lon_lat_deg(lon_deg: f64, lat_deg: f64) -> Vector {
    let (sin_lon, cos_lon) = lon_deg.to_radians().sin_cos();
    let (sin_lat, cos_lat) = lat_deg.to_radians().sin_cos();
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
}

/// The scalar product.
#[inline]
pub(crate) fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The vector product.
#[inline]
pub(crate) fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The sum.
#[inline]
pub(crate) fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// The difference.
#[inline]
pub(crate) fn sub(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// A multiple.
#[inline]
pub(crate) fn scale(a: Vector, factor: f64) -> Vector {
    [a[0] * factor, a[1] * factor, a[2] * factor]
}

/// The length.
#[inline]
pub(crate) fn norm(a: Vector) -> f64 {
    dot(a, a).sqrt()
}

/// The unit vector in this direction; `None` for a vector too short to have one.
#[inline]
pub(crate) fn unit(a: Vector) -> Option<Vector> {
    let length = norm(a);
    (length > f64::MIN_POSITIVE).then(|| scale(a, 1.0 / length))
}

/// The angle between two vectors in radians, accurate at 0 and at half a turn.
#[inline]
pub(crate) fn angle_radians(a: Vector, b: Vector) -> f64 {
    norm(cross(a, b)).atan2(dot(a, b))
}
