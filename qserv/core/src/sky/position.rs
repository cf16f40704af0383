//! Positions on the sphere and the angle between two of them.

use super::Angle;
use super::vector::{Vector, from_lon_lat_deg};
use crate::{Error, Result};

/// A position on the sky: ICRS longitude (right ascension) and latitude (declination).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    lon_deg: f64,
    lat_deg: f64,
}

impl Position {
    /// A position from degrees. The longitude is wrapped to `[0, 360)`.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for NaN, an infinity or a latitude outside `[-90, 90]`.
    pub fn new(lon_deg: f64, lat_deg: f64) -> Result<Self> {
        if !lon_deg.is_finite() || !lat_deg.is_finite() {
            return Err(Error::invalid(format!("a position must be finite, not ({lon_deg}, {lat_deg})")));
        }
        if lat_deg.abs() > 90.0 {
            return Err(Error::invalid(format!("a latitude must be in -90..90 degrees, not {lat_deg}")));
        }
        Ok(Self { lon_deg: wrap_lon_deg(lon_deg), lat_deg })
    }

    /// The position that a vector of any positive length points to.
    pub(crate) fn from_vector(vector: Vector) -> Self {
        let [x, y, z] = vector;
        let lon_deg = wrap_lon_deg(y.atan2(x).to_degrees());
        Self { lon_deg, lat_deg: z.atan2(x.hypot(y)).to_degrees().clamp(-90.0, 90.0) }
    }

    /// Longitude in degrees, in `[0, 360)`.
    #[must_use]
    pub fn lon_deg(self) -> f64 {
        self.lon_deg
    }

    /// Latitude in degrees, in `[-90, 90]`.
    #[must_use]
    pub fn lat_deg(self) -> f64 {
        self.lat_deg
    }

    /// The unit vector: x to (0, 0), y to (90, 0), z to the north pole.
    #[must_use]
    pub fn unit_vector(self) -> [f64; 3] {
        from_lon_lat_deg(self.lon_deg, self.lat_deg)
    }

    /// The angle between two positions.
    #[must_use]
    pub fn separation(self, other: Self) -> Angle {
        Angle::from_degrees(separation_deg(self.lon_deg, self.lat_deg, other.lon_deg, other.lat_deg))
    }
}

/// The angle between two positions, all in degrees; NaN if any argument is NaN or infinite.
///
/// Vincenty's form: accurate to a few units in the last place at every distance, at 0 and at 180 degrees too. This is
/// *the* distance of the system: [`Cone`](super::Cone) contains a position exactly if this is at most its radius.
#[must_use]
pub fn separation_deg(lon1: f64, lat1: f64, lon2: f64, lat2: f64) -> f64 {
    let (sin1, cos1) = lat1.to_radians().sin_cos();
    let (sin2, cos2) = lat2.to_radians().sin_cos();
    separation_from_parts_deg(lon1, sin1, cos1, lon2, sin2, cos2)
}

/// [`separation_deg`] with the sines and cosines of the latitudes at hand: the same operations, so the same bits.
#[inline]
pub(super) fn separation_from_parts_deg(lon1: f64, sin1: f64, cos1: f64, lon2: f64, sin2: f64, cos2: f64) -> f64 {
    // The difference is taken in degrees: 360 - 0 and the like are exact there, and not in radians.
    let (sin_lon, cos_lon) = (lon2 - lon1).to_radians().sin_cos();
    let east = cos2 * sin_lon;
    let north = cos1 * sin2 - sin1 * cos2 * cos_lon;
    let along = sin1 * sin2 + cos1 * cos2 * cos_lon;
    (east * east + north * north).sqrt().atan2(along).to_degrees()
}

/// A longitude wrapped to `[0, 360)`.
#[inline]
pub(crate) fn wrap_lon_deg(lon_deg: f64) -> f64 {
    if (0.0..360.0).contains(&lon_deg) {
        return lon_deg;
    }
    let wrapped = lon_deg.rem_euclid(360.0);
    // A tiny negative longitude rounds up to a full turn; and -0.0 is no longitude to show.
    if wrapped >= 360.0 { 0.0 } else { wrapped + 0.0 }
}
