//! Ellipses as sciSQL defines them.

use super::cap::MARGIN_DEG;
use super::position::{check_lon_lat, cos_lat, lon_difference_deg, separation_deg};
use super::region::Relation;
use super::window::Window;
use super::{Angle, Cap, Position};
use crate::{Error, Result};

/// The largest semi-major axis in degrees. Beyond it the orthographic definition is no ellipse to speak of; sciSQL has the
/// same limit.
pub const LARGEST_SEMI_MAJOR_AXIS_DEG: f64 = 10.0;

/// A small ellipse, its boundary included, as in sciSQL's `s2PtInEllipse`: the position is projected orthographically to
/// the plane that touches the sky at the centre, and there lies in the ellipse whose semi-axes are the given angles in
/// radians. Only the near half of the sky counts (sciSQL also finds the ellipse's mirror image at the antipode).
#[derive(Debug, Clone, PartialEq)]
pub struct Ellipse {
    lon_deg: f64,
    lat_deg: f64,
    sin_lat: f64,
    sin_angle: f64,
    cos_angle: f64,
    /// Semi-axes in radians.
    semi_major: f64,
    semi_minor: f64,
    window: Window,
}

impl Ellipse {
    /// An ellipse from its centre, its semi-axes and the position angle of its major axis, east of north, all in degrees.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the centre is not a position, the angle is not finite, or the axes are
    /// not `0 <= semi_minor <= semi_major <= 10` degrees.
    pub fn new(
        lon_deg: f64,
        lat_deg: f64,
        semi_major_deg: f64,
        semi_minor_deg: f64,
        position_angle_deg: f64,
    ) -> Result<Self> {
        check_lon_lat(lon_deg, lat_deg)?;
        let ordered = 0.0 <= semi_minor_deg && semi_minor_deg <= semi_major_deg;
        if !ordered || semi_major_deg > LARGEST_SEMI_MAJOR_AXIS_DEG {
            return Err(Error::invalid(format!(
                "the axes of an ellipse must be 0 <= semi-minor <= semi-major <= {LARGEST_SEMI_MAJOR_AXIS_DEG} degrees, \
                 and are {semi_minor_deg} and {semi_major_deg}"
            )));
        }
        if !position_angle_deg.is_finite() {
            return Err(Error::invalid(format!("a position angle must be finite, not {position_angle_deg}")));
        }
        let (sin_angle, cos_angle) = (position_angle_deg % 360.0).to_radians().sin_cos();
        let cap = bounding_cap(lon_deg, lat_deg, semi_major_deg);
        Ok(Self {
            lon_deg,
            lat_deg,
            sin_lat: lat_deg.to_radians().sin(),
            sin_angle,
            cos_angle,
            semi_major: semi_major_deg.to_radians(),
            semi_minor: semi_minor_deg.to_radians(),
            window: Window::around(&cap),
        })
    }

    /// Whether a position (degrees) is in the ellipse; false for what is not a position.
    #[inline]
    #[must_use]
    pub fn contains(&self, lon_deg: f64, lat_deg: f64) -> bool {
        // The window is less than a quarter turn around the centre, so it also keeps the far half of the sky out.
        if self.window.misses(lon_deg, lat_deg) {
            return false;
        }
        let (major, minor) = self.project(lon_deg, lat_deg);
        if self.semi_minor > 0.0 {
            let (major, minor) = (major / self.semi_major, minor / self.semi_minor);
            return major * major + minor * minor <= 1.0;
        }
        minor == 0.0 && major.abs() <= self.semi_major
    }

    /// The centre.
    #[must_use]
    pub fn center(&self) -> Position {
        Position::from_degrees(self.lon_deg, self.lat_deg)
    }

    /// The semi-major and the semi-minor axis in degrees.
    #[must_use]
    pub fn semi_axes_deg(&self) -> [f64; 2] {
        [self.semi_major.to_degrees(), self.semi_minor.to_degrees()]
    }

    /// The direction of the major axis: how far it goes east and north.
    pub(super) fn major_axis(&self) -> [f64; 2] {
        [self.sin_angle, self.cos_angle]
    }

    /// Coordinates along the major and the minor axis, of the orthographic projection. Exactly (0, 0) at the centre.
    #[inline]
    fn project(&self, lon_deg: f64, lat_deg: f64) -> (f64, f64) {
        let mut lon_offset_deg = lon_difference_deg(lon_deg, self.lon_deg);
        if (lon_deg - self.lon_deg).rem_euclid(360.0) > 180.0 {
            lon_offset_deg = -lon_offset_deg;
        }
        let sin_lon = lon_offset_deg.to_radians().sin();
        let half_sin = (lon_offset_deg.to_radians() * 0.5).sin();
        let cos_lat = cos_lat(lat_deg);
        let east = cos_lat * sin_lon;
        // cos(lat0) sin(lat) - sin(lat0) cos(lat) cos(lon), written so that nothing cancels near the centre.
        let north = (lat_deg - self.lat_deg).to_radians().sin() + 2.0 * self.sin_lat * cos_lat * half_sin * half_sin;
        (self.sin_angle * east + self.cos_angle * north, self.cos_angle * east - self.sin_angle * north)
    }

    pub(super) fn bounding_cap(&self) -> Cap {
        bounding_cap(self.lon_deg, self.lat_deg, self.semi_major.to_degrees())
    }

    pub(super) fn relation(&self, cap: &Cap) -> Relation {
        let (lon_deg, lat_deg) = (cap.center.lon_deg(), cap.center.lat_deg());
        let bound = self.bounding_cap();
        let separation_deg = separation_deg(self.lon_deg, self.lat_deg, lon_deg, lat_deg);
        if separation_deg > bound.radius.degrees() + cap.radius.degrees() + MARGIN_DEG {
            return Relation::Disjoint;
        }
        if separation_deg + cap.radius.degrees() + MARGIN_DEG <= self.semi_minor.to_degrees() {
            return Relation::Inside;
        }
        if separation_deg > 90.0 {
            return Relation::Partial;
        }
        // The projection shortens, so the cap's image is within its radius of its centre's image. Beside the rectangle
        // around the ellipse, or outside the ellipse by more than that (the scaled distance changes by at most
        // 1 / semi-minor for each radian), there is nothing of it inside.
        let reach = (cap.radius.degrees() + MARGIN_DEG).to_radians();
        let (major, minor) = self.project(lon_deg, lat_deg);
        let beside = major.abs() > self.semi_major + reach || minor.abs() > self.semi_minor + reach;
        let scaled = (major / self.semi_major).hypot(minor / self.semi_minor);
        if beside || (scaled - 1.0) * self.semi_minor > reach { Relation::Disjoint } else { Relation::Partial }
    }
}

fn bounding_cap(lon_deg: f64, lat_deg: f64, semi_major_deg: f64) -> Cap {
    // The projected distance is the sine of the angle.
    let radius_deg = semi_major_deg.to_radians().asin().to_degrees() + MARGIN_DEG;
    Cap { center: Position::from_degrees(lon_deg, lat_deg), radius: Angle::from_degrees(radius_deg) }
}
