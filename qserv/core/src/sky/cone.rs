//! Cones: everything within an angle of a position.

use super::cap::MARGIN_DEG;
use super::position::{check_lon_lat, cos_lat, haversine, separation_deg, separation_with_cosines_deg};
use super::region::Relation;
use super::window::Window;
use super::{Angle, Cap, Position};
use crate::{Error, Result};

/// How far, relatively, a haversine must be from the limit to be decided by it alone. Its rounding error, and that of the
/// exact test, stay a hundred times below this.
const UNDECIDED: f64 = 1e-13;

/// The same for haversines so small that they lose bits (angles below 1e-145 radians).
const UNDECIDED_ABSOLUTE: f64 = 1e-290;

/// A cone (ADQL `CIRCLE`): all positions at most a radius from a centre, the boundary included.
///
/// `contains(lon, lat)` is `separation_deg(lon, lat, centre) <= radius` to the last bit; only positions very near the
/// boundary pay for that, the others are decided by their window or their haversine.
#[derive(Debug, Clone, PartialEq)]
pub struct Cone {
    lon_deg: f64,
    lat_deg: f64,
    cos_lat: f64,
    radius_deg: f64,
    window: Window,
    surely_inside: f64,
    surely_outside: f64,
}

impl Cone {
    /// A cone from its centre and radius in degrees. A radius of 0 is one position, one of 180 or more the whole sky.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the centre is not a position or the radius is negative or NaN.
    pub fn new(lon_deg: f64, lat_deg: f64, radius_deg: f64) -> Result<Self> {
        check_lon_lat(lon_deg, lat_deg)?;
        if radius_deg.is_nan() || radius_deg < 0.0 {
            return Err(Error::invalid(format!("the radius of a circle must not be negative, and is {radius_deg}")));
        }
        let cap = Cap { center: Position::new(lon_deg, lat_deg)?, radius: Angle::from_degrees(radius_deg.min(180.0)) };
        let (surely_inside, surely_outside) = if radius_deg >= 180.0 {
            (f64::INFINITY, f64::INFINITY)
        } else {
            let half_chord = (radius_deg.to_radians() * 0.5).sin();
            let limit = half_chord * half_chord;
            let undecided = limit * UNDECIDED + UNDECIDED_ABSOLUTE;
            (limit - undecided, limit + undecided)
        };
        let window = Window::around(&cap);
        let cos_lat = cos_lat(lat_deg);
        Ok(Self { lon_deg, lat_deg, cos_lat, radius_deg, window, surely_inside, surely_outside })
    }

    /// Whether a position (degrees) is in the cone; false for what is not a position.
    #[inline]
    #[must_use]
    pub fn contains(&self, lon_deg: f64, lat_deg: f64) -> bool {
        if self.window.misses(lon_deg, lat_deg) {
            return false;
        }
        let cos_lat = cos_lat(lat_deg);
        let near = haversine(self.lon_deg, self.lat_deg, self.cos_lat, lon_deg, lat_deg, cos_lat);
        if near < self.surely_inside {
            return true;
        }
        if near > self.surely_outside {
            return false;
        }
        separation_with_cosines_deg(self.lon_deg, self.lat_deg, self.cos_lat, lon_deg, lat_deg, cos_lat)
            <= self.radius_deg
    }

    /// The centre.
    #[must_use]
    pub fn center(&self) -> Position {
        self.bounding_cap().center
    }

    /// The radius as given.
    #[must_use]
    pub fn radius(&self) -> Angle {
        Angle::from_degrees(self.radius_deg)
    }

    pub(super) fn bounding_cap(&self) -> Cap {
        Cap {
            center: Position::from_degrees(self.lon_deg, self.lat_deg),
            radius: Angle::from_degrees((self.radius_deg + MARGIN_DEG).min(180.0)),
        }
    }

    pub(crate) fn relation(&self, cap: &Cap) -> Relation {
        if self.radius_deg >= 180.0 {
            return Relation::Inside;
        }
        let separation = separation_deg(self.lon_deg, self.lat_deg, cap.center.lon_deg(), cap.center.lat_deg());
        if separation > self.radius_deg + cap.radius.degrees() + MARGIN_DEG {
            Relation::Disjoint
        } else if separation + cap.radius.degrees() + MARGIN_DEG <= self.radius_deg {
            Relation::Inside
        } else {
            Relation::Partial
        }
    }
}
