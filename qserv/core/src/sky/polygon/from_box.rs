//! ADQL's `BOX` as the polygon that it is.

use super::Polygon;
use crate::sky::Position;
use crate::sky::position::check_lon_lat;
use crate::sky::vector::{add, east_at, from_lon_lat_deg, north_at, scale, unit};
use crate::{Error, Result};

impl Polygon {
    /// A box as ADQL 2.1 §4.2.3 defines it, from its centre and its full width and height in degrees: a cross lies on the
    /// centre, its arms along the parallel and the meridian there for half the sizes; the sides are great circles
    /// through the ends of the arms and at right angles to them.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the centre is not a position, or a size is not above 0 and below 180
    /// degrees: from there on the sides at the two ends of an arm no longer enclose the centre.
    pub fn from_box(lon_deg: f64, lat_deg: f64, width_deg: f64, height_deg: f64) -> Result<Self> {
        Self::new(&box_corners(lon_deg, lat_deg, width_deg, height_deg)?)
    }
}

/// The corners of such a box, longitude and latitude in degrees: counter-clockwise as seen on the sky, where east is on the
/// left, from the south-west one.
///
/// # Errors
/// Those of [`Polygon::from_box`].
pub fn box_corners(lon_deg: f64, lat_deg: f64, width_deg: f64, height_deg: f64) -> Result<[(f64, f64); 4]> {
    check_lon_lat(lon_deg, lat_deg)?;
    for (name, size) in [("width", width_deg), ("height", height_deg)] {
        if !(size > 0.0 && size < 180.0) {
            return Err(Error::invalid(format!(
                "the {name} of a box must be above 0 and below 180 degrees, and is {size}"
            )));
        }
    }
    let (up, east, north) = (from_lon_lat_deg(lon_deg, lat_deg), east_at(lon_deg), north_at(lon_deg, lat_deg));
    let (half_width, half_height) = ((0.5 * width_deg).to_radians().tan(), (0.5 * height_deg).to_radians().tan());
    // On the plane that touches the sky at the centre, great circles are straight lines and the box is a rectangle.
    let corner = |x: f64, y: f64| {
        let position =
            Position::from_vector(unit(add(up, add(scale(east, x * half_width), scale(north, y * half_height)))));
        (position.lon_deg(), position.lat_deg())
    };
    Ok([corner(-1.0, -1.0), corner(-1.0, 1.0), corner(1.0, 1.0), corner(1.0, -1.0)])
}
