//! Boxes between two meridians and two parallels.

use super::cap::MARGIN_DEG;
use super::position::{check_lon_lat, lon_difference_deg, separation_deg, wrap_lon_deg};
use super::region::Relation;
use super::vector::from_lon_lat_deg;
use super::window::Window;
use super::{Angle, Cap, Position};
use crate::{Error, Result};

/// A box in longitude and latitude, its boundary included: sides are lines of constant longitude and of constant
/// latitude. A pole that the latitudes reach is inside whatever longitude it is written with: it is one position.
#[derive(Debug, Clone, PartialEq)]
pub struct LonLatBox {
    /// West side, in `[0, 360)`.
    lon_min_deg: f64,
    /// East side, in `[0, 360)`; west of `lon_min_deg` if the box holds longitude 0.
    lon_max_deg: f64,
    /// All longitudes.
    is_full_turn: bool,
    lat_min_deg: f64,
    lat_max_deg: f64,
}

impl LonLatBox {
    /// A box from its sides in degrees: eastward from `lon_min` to `lon_max`, so `(350, .., 10, ..)` and
    /// `(-10, .., 10, ..)` and `(350, .., 370, ..)` are the same 20 degrees. 360 degrees or more are all longitudes.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if a corner is not a position or `lat_min` is above `lat_max`.
    pub fn new(lon_min_deg: f64, lat_min_deg: f64, lon_max_deg: f64, lat_max_deg: f64) -> Result<Self> {
        check_lon_lat(lon_min_deg, lat_min_deg)?;
        check_lon_lat(lon_max_deg, lat_max_deg)?;
        if lat_min_deg > lat_max_deg {
            return Err(Error::invalid(format!(
                "the lower latitude of a box, {lat_min_deg}, is above the upper one, {lat_max_deg}"
            )));
        }
        let is_full_turn = lon_max_deg - lon_min_deg >= 360.0;
        let (lon_min_deg, lon_max_deg) = (wrap_lon_deg(lon_min_deg), wrap_lon_deg(lon_max_deg));
        Ok(Self { lon_min_deg, lon_max_deg, is_full_turn, lat_min_deg, lat_max_deg })
    }

    /// Whether a position (degrees) is in the box; false for what is not a position.
    #[inline]
    #[must_use]
    pub fn contains(&self, lon_deg: f64, lat_deg: f64) -> bool {
        let in_latitude = self.lat_min_deg <= lat_deg && lat_deg <= self.lat_max_deg;
        in_latitude && lon_deg.is_finite() && (self.spans(lon_deg) || lat_deg.abs() == 90.0)
    }

    #[inline]
    fn spans(&self, lon_deg: f64) -> bool {
        if self.is_full_turn {
            return true;
        }
        let lon_deg = wrap_lon_deg(lon_deg);
        if self.lon_min_deg <= self.lon_max_deg {
            self.lon_min_deg <= lon_deg && lon_deg <= self.lon_max_deg
        } else {
            self.lon_min_deg <= lon_deg || lon_deg <= self.lon_max_deg
        }
    }

    /// The west side, in `[0, 360)`.
    pub(super) fn lon_min_deg(&self) -> f64 {
        self.lon_min_deg
    }

    /// The south and the north side.
    pub(super) fn lat_range_deg(&self) -> (f64, f64) {
        (self.lat_min_deg, self.lat_max_deg)
    }

    pub(super) fn width_deg(&self) -> f64 {
        if self.is_full_turn { 360.0 } else { wrap_lon_deg(self.lon_max_deg - self.lon_min_deg) }
    }

    pub(super) fn bounding_cap(&self) -> Cap {
        let around_pole = |lat_deg: f64, radius_deg: f64| Cap {
            center: Position::from_degrees(0.0, lat_deg),
            radius: Angle::from_degrees((radius_deg + MARGIN_DEG).min(180.0)),
        };
        let north = around_pole(90.0, 90.0 - self.lat_min_deg);
        let south = around_pole(-90.0, 90.0 + self.lat_max_deg);
        let mut best = if north.radius <= south.radius { north } else { south };
        // Up to half a turn wide, no position is farther from the middle than a corner is: a parallel leads away from
        // the middle meridian all the way, and a meridian within a quarter turn has its farthest point at an end.
        if self.width_deg() <= 180.0 {
            let lon = self.lon_min_deg + 0.5 * self.width_deg();
            let lat = 0.5 * (self.lat_min_deg + self.lat_max_deg);
            let corners = [(self.lon_min_deg, self.lat_min_deg), (self.lon_min_deg, self.lat_max_deg)];
            let farthest = corners.map(|(x, y)| separation_deg(lon, lat, x, y)).into_iter().fold(0.0, f64::max);
            if farthest < best.radius.degrees() {
                best = Cap {
                    center: Position::from_degrees(lon, lat),
                    radius: Angle::from_degrees(farthest + MARGIN_DEG),
                };
            }
        }
        best
    }

    pub(super) fn relation(&self, cap: &Cap) -> Relation {
        let (lon_deg, lat_deg) = (cap.center.lon_deg(), cap.center.lat_deg());
        if self.distance_deg(lon_deg, lat_deg) > cap.radius.degrees() + MARGIN_DEG {
            return Relation::Disjoint;
        }
        let window = Window::around(cap);
        let (lat_min_deg, lat_max_deg) = window.lat_range_deg();
        let in_latitude = self.lat_min_deg <= lat_min_deg && lat_max_deg <= self.lat_max_deg;
        let west_deg = wrap_lon_deg(lon_deg - self.lon_min_deg) - window.half_width_deg();
        let east_deg = wrap_lon_deg(lon_deg - self.lon_min_deg) + window.half_width_deg();
        let in_longitude = self.is_full_turn || (west_deg >= 0.0 && east_deg <= self.width_deg());
        if in_latitude && in_longitude { Relation::Inside } else { Relation::Partial }
    }

    /// The distance from a position to the box; 0 inside.
    fn distance_deg(&self, lon_deg: f64, lat_deg: f64) -> f64 {
        let nearest_lat_deg = lat_deg.clamp(self.lat_min_deg, self.lat_max_deg);
        if self.spans(lon_deg) {
            return (lat_deg - nearest_lat_deg).abs();
        }
        // From another longitude the way leads through the west or the east side.
        let [west, east] =
            [self.lon_min_deg, self.lon_max_deg].map(|side_deg| self.distance_to_side_deg(side_deg, lon_deg, lat_deg));
        west.min(east)
    }

    fn distance_to_side_deg(&self, side_deg: f64, lon_deg: f64, lat_deg: f64) -> f64 {
        let [x, _, z] = from_lon_lat_deg(lon_difference_deg(lon_deg, side_deg), lat_deg);
        // The side's great circle is nearest at this latitude, counted over the pole.
        let foot_deg = z.atan2(x).to_degrees();
        let ends = [self.lat_min_deg, self.lat_max_deg].map(|end| separation_deg(lon_deg, lat_deg, side_deg, end));
        let mut nearest = ends[0].min(ends[1]);
        if self.lat_min_deg < foot_deg && foot_deg < self.lat_max_deg {
            nearest = nearest.min(separation_deg(lon_deg, lat_deg, side_deg, foot_deg));
        }
        nearest
    }
}
