//! The cheapest reject: a range of longitudes and latitudes around a cap, tested without trigonometry.

use super::Cap;
use super::cap::MARGIN_DEG;
use super::position::lon_difference_deg;

/// Above this ratio the asin that gives a cap's longitudes is ill-conditioned; such a cap almost holds a pole.
const STEEPEST_RATIO: f64 = 0.999;

/// Longitudes within a half width of a meridian, and a range of latitudes, that hold a whole cap with room to spare.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    lon_deg: f64,
    half_width_deg: f64,
    lat_min_deg: f64,
    lat_max_deg: f64,
}

impl Window {
    /// The window of a cap; one that holds a pole has all longitudes.
    pub(super) fn around(cap: &Cap) -> Self {
        let radius_deg = cap.radius.degrees() + MARGIN_DEG;
        let (lon_deg, lat_deg) = (cap.center.lon_deg(), cap.center.lat_deg());
        let (lat_min_deg, lat_max_deg) = (lat_deg - radius_deg, lat_deg + radius_deg);
        let half_width_deg = if lat_min_deg > -90.0 && lat_max_deg < 90.0 {
            let ratio = radius_deg.to_radians().sin() / lat_deg.to_radians().cos();
            if ratio < STEEPEST_RATIO { ratio.asin().to_degrees() + MARGIN_DEG } else { 180.0 }
        } else {
            180.0
        };
        Self { lon_deg, half_width_deg, lat_min_deg: lat_min_deg.max(-90.0), lat_max_deg: lat_max_deg.min(90.0) }
    }

    /// Whether a position (degrees) is surely not in the cap; true for what is not a position.
    #[inline]
    pub(super) fn misses(&self, lon_deg: f64, lat_deg: f64) -> bool {
        let holds = self.lat_min_deg <= lat_deg
            && lat_deg <= self.lat_max_deg
            && lon_difference_deg(lon_deg, self.lon_deg) <= self.half_width_deg;
        !holds
    }

    /// The window's latitudes, degrees.
    pub(super) fn lat_range_deg(&self) -> (f64, f64) {
        (self.lat_min_deg, self.lat_max_deg)
    }

    /// Half the window's width in longitude, degrees; 180 is all longitudes.
    pub(super) fn half_width_deg(&self) -> f64 {
        self.half_width_deg
    }
}
