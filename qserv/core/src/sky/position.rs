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
        check_lon_lat(lon_deg, lat_deg)?;
        Ok(Self { lon_deg: wrap_lon_deg(lon_deg), lat_deg })
    }

    /// A position from degrees that were checked before.
    pub(super) fn from_degrees(lon_deg: f64, lat_deg: f64) -> Self {
        Self { lon_deg: wrap_lon_deg(lon_deg), lat_deg }
    }

    /// A position from angles that are known to be good, for example the centre of a cell.
    pub(crate) fn from_radians(lon: f64, lat: f64) -> Self {
        Self { lon_deg: wrap_lon_deg(lon.to_degrees()), lat_deg: lat.to_degrees().clamp(-90.0, 90.0) }
    }

    /// The position that a vector points to.
    pub(super) fn from_vector([x, y, z]: Vector) -> Self {
        Self::from_radians(y.atan2(x), z.atan2(x.hypot(y)))
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

/// Refuses what is not a position.
pub(super) fn check_lon_lat(lon_deg: f64, lat_deg: f64) -> Result<()> {
    if !lon_deg.is_finite() || !lat_deg.is_finite() {
        return Err(Error::invalid(format!("a position must be finite, not ({lon_deg}, {lat_deg})")));
    }
    if lat_deg.abs() > 90.0 {
        return Err(Error::invalid(format!("a latitude must be between -90 and 90 degrees, not {lat_deg}")));
    }
    Ok(())
}

/// The angle between two positions, all in degrees, in `[0, 180]`. NaN if an argument is NaN or infinite or a latitude is
/// outside `[-90, 90]`.
///
/// This is *the* distance of the system: [`Cone`](super::Cone) contains a position exactly if this is at most its
/// radius. It is symmetric to the last bit, 0 for two spellings of one position (longitudes a full turn apart, any two
/// longitudes at a pole), and accurate to a few units in the last place at every distance: the arc tangent of the two
/// half-chords (to the other position and to its antipode), neither of which cancels.
#[must_use]
pub fn separation_deg(lon1: f64, lat1: f64, lon2: f64, lat2: f64) -> f64 {
    separation_with_cosines_deg(lon1, lat1, cos_lat(lat1), lon2, lat2, cos_lat(lat2))
}

/// [`separation_deg`] where the cosines of the latitudes are at hand: the same operations, so the same bits.
#[inline]
pub(super) fn separation_with_cosines_deg(lon1: f64, lat1: f64, cos1: f64, lon2: f64, lat2: f64, cos2: f64) -> f64 {
    let half_lon = lon_difference_deg(lon1, lon2).to_radians() * 0.5;
    let near_square = half_chord_squared(half_lon.sin(), lat1 - lat2, cos1, cos2);
    let far_square = half_chord_squared(half_lon.cos(), lat1 + lat2, cos1, cos2);
    (2.0 * near_square.sqrt().atan2(far_square.sqrt())).to_degrees()
}

/// The squared sine of half the angle between two positions: grows with the angle and costs no arc tangent.
#[inline]
pub(super) fn haversine(lon1: f64, lat1: f64, cos1: f64, lon2: f64, lat2: f64, cos2: f64) -> f64 {
    let half_lon = lon_difference_deg(lon1, lon2).to_radians() * 0.5;
    half_chord_squared(half_lon.sin(), lat1 - lat2, cos1, cos2)
}

#[inline]
fn half_chord_squared(lon_part: f64, lat_part_deg: f64, cos1: f64, cos2: f64) -> f64 {
    let lat_part = (lat_part_deg.to_radians() * 0.5).sin();
    lat_part * lat_part + cos1 * cos2 * (lon_part * lon_part)
}

/// The cosine of a latitude in degrees, accurate near the poles and exactly 0 at them; NaN for what is no latitude.
#[inline]
pub(super) fn cos_lat(lat_deg: f64) -> f64 {
    let colatitude_deg = 90.0 - lat_deg.abs();
    if colatitude_deg >= 0.0 { colatitude_deg.to_radians().sin() } else { f64::NAN }
}

/// The angle between two meridians in degrees, in `[0, 180]`; exact for longitudes less than two turns apart. NaN for an
/// infinity.
#[inline]
pub(super) fn lon_difference_deg(lon1: f64, lon2: f64) -> f64 {
    // In degrees, because there a full turn is exact.
    let mut difference = (lon1 - lon2).abs();
    if difference > 180.0 {
        if difference >= 360.0 {
            difference %= 360.0;
        }
        if difference > 180.0 {
            difference = 360.0 - difference;
        }
    }
    difference
}

/// A longitude wrapped to `[0, 360)`; NaN for NaN and the infinities.
#[inline]
pub(crate) fn wrap_lon_deg(lon_deg: f64) -> f64 {
    // -0.0 is in the range too; adding 0.0 takes its sign away.
    if (0.0..360.0).contains(&lon_deg) {
        return lon_deg + 0.0;
    }
    let wrapped = lon_deg.rem_euclid(360.0);
    // A tiny negative longitude rounds up to a full turn.
    if wrapped >= 360.0 { 0.0 } else { wrapped }
}
