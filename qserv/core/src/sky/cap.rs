//! Caps: the simple bounds by which rows, cells and regions are told apart without looking closer.

use super::position::separation_deg;
use super::vector::{add, angle_of_chord_squared, from_lon_lat_deg, norm_squared, sub, unit};
use super::{Angle, Position};

/// What bounds are widened by, in degrees (0.36 micro arc seconds): far above the rounding errors of the computations
/// between two bounds (about 1e-13), far below any catalog's precision. It makes "cannot meet" safe to believe.
pub(crate) const MARGIN_DEG: f64 = 1e-10;

/// Above this squared chord (about 150 degrees) the angle is too ill-conditioned to be a good bound: all the sky is.
const WIDEST_CHORD_SQUARED: f64 = 3.73;

/// Everything within an angle of a centre. A bound: what a user asks for is a [`Cone`](super::Cone).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cap {
    /// The centre.
    pub center: Position,
    /// The radius; half a turn or more is the whole sky.
    pub radius: Angle,
}

impl Cap {
    /// The whole sky.
    #[must_use]
    pub fn whole_sky() -> Self {
        Self { center: Position::from_radians(0.0, 0.0), radius: Angle::HALF_TURN }
    }

    /// A cap around all the positions (longitude, latitude in degrees), a little wider than needed. Positions that are
    /// not finite, or whose latitude is outside `[-90, 90]`, do not count; `None` if no position counts.
    pub fn around(positions: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Self> {
        let vectors = positions.map(|(lon, lat)| from_lon_lat_deg(lon, lat)).filter(|v| norm_squared(*v).is_finite());
        let mut low = [f64::INFINITY; 3];
        let mut high = [f64::NEG_INFINITY; 3];
        for vector in vectors.clone() {
            for axis in 0..3 {
                low[axis] = low[axis].min(vector[axis]);
                high[axis] = high[axis].max(vector[axis]);
            }
        }
        if low[0] > high[0] {
            return None;
        }
        // The middle of the surrounding box, not the mean: dense clusters must not pull the centre to them.
        let middle = add(low, high);
        if norm_squared(middle) < 1e-6 {
            return Some(Self::whole_sky());
        }
        let center = Position::from_vector(unit(middle));
        let center_vector = center.unit_vector();
        let farthest = vectors.map(|vector| norm_squared(sub(vector, center_vector))).fold(0.0, f64::max);
        if farthest > WIDEST_CHORD_SQUARED {
            return Some(Self::whole_sky());
        }
        let radius_deg = angle_of_chord_squared(farthest).to_degrees() + MARGIN_DEG;
        Some(Self { center, radius: Angle::from_degrees(radius_deg) })
    }

    /// Whether a position (degrees) is in the cap; false for what is not a position.
    #[must_use]
    pub fn contains(&self, lon_deg: f64, lat_deg: f64) -> bool {
        separation_deg(self.center.lon_deg(), self.center.lat_deg(), lon_deg, lat_deg) <= self.radius.degrees()
    }

    /// Whether the caps may have a point in common: false only if they surely have none.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        let reach_deg = self.radius.degrees() + other.radius.degrees() + MARGIN_DEG;
        // A NaN would be a broken bound, and a broken bound must not hide rows.
        reach_deg.is_nan() || self.center.separation(other.center).degrees() <= reach_deg
    }
}
