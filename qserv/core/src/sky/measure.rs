//! Areas and centroids of regions. A polygon's are its own.

use std::f64::consts::PI;

use super::healpix::{self, FINEST_ORDER, cell_count};
use super::vector::{Vector, add, norm_squared, scale, unit};
use super::{Cone, Ellipse, LonLatBox, Moc, Position, Region};

/// Square degrees in a steradian.
const SQUARE_DEGREES: f64 = (180.0 / PI) * (180.0 / PI);

/// A cell's integral is taken to be its centre times its area, after dividing it to at least this order (14 arc minutes).
const ORDER_OF_CENTROIDS: u8 = 8;

impl Region {
    /// The area in square degrees.
    #[must_use]
    pub fn area_square_degrees(&self) -> f64 {
        match self {
            Self::Cone(cone) => SQUARE_DEGREES * cone_area(cone),
            Self::Box(lon_lat_box) => SQUARE_DEGREES * box_area(lon_lat_box),
            Self::Polygon(polygon) => polygon.area_square_degrees(),
            Self::Ellipse(ellipse) => SQUARE_DEGREES * ellipse_area(ellipse),
            Self::Moc(map) => {
                let cells: u64 = map.ranges().iter().map(|range| range.end - range.start).sum();
                SQUARE_DEGREES * 4.0 * PI * (cells as f64 / cell_count(FINEST_ORDER) as f64)
            }
        }
    }

    /// The centroid: the direction of the integral of the unit vector over the region. `None` if there is no such
    /// direction: for maps that are empty or the whole sky, for a box all around the equator. A coverage map's is good to
    /// an arc second, the others' to rounding.
    #[must_use]
    pub fn centroid(&self) -> Option<Position> {
        match self {
            Self::Cone(cone) => Some(cone.center()),
            Self::Box(lon_lat_box) => box_centroid(lon_lat_box),
            Self::Polygon(polygon) => polygon.centroid(),
            Self::Ellipse(ellipse) => Some(ellipse.center()),
            Self::Moc(map) => map_centroid(map),
        }
    }
}

fn cone_area(cone: &Cone) -> f64 {
    let half_chord = (0.5 * cone.radius().radians().min(PI)).sin();
    4.0 * PI * half_chord * half_chord
}

fn box_area(lon_lat_box: &LonLatBox) -> f64 {
    let (south, north) = lon_lat_box.lat_range_deg();
    let (middle, half_height) = ((0.5 * (south + north)).to_radians(), (0.5 * (north - south)).to_radians());
    lon_lat_box.width_deg().to_radians() * 2.0 * middle.cos() * half_height.sin()
}

fn box_centroid(lon_lat_box: &LonLatBox) -> Option<Position> {
    let (south, north) = lon_lat_box.lat_range_deg();
    let (south, north) = (south.to_radians(), north.to_radians());
    let half_width = (0.5 * lon_lat_box.width_deg()).to_radians();
    let up = half_width * (north.sin() * north.sin() - south.sin() * south.sin());
    let out = half_width.sin() * ((north - south) + 0.5 * ((2.0 * north).sin() - (2.0 * south).sin()));
    let out = if lon_lat_box.width_deg() >= 360.0 { 0.0 } else { out };
    if up == 0.0 && out == 0.0 {
        return None;
    }
    let lon_deg = lon_lat_box.lon_min_deg() + 0.5 * lon_lat_box.width_deg();
    Some(Position::from_degrees(lon_deg, up.atan2(out).to_degrees()))
}

/// An element of the plane that touches the sky stands for `1 / sqrt(1 - distance²)` of it. Along a radius that integrates
/// to the fraction below; around the centre the trapezoidal rule is exact to rounding for such a smooth function.
fn ellipse_area(ellipse: &Ellipse) -> f64 {
    const STEPS: u32 = 64;
    let [major, minor] = ellipse.semi_axes_deg().map(f64::to_radians);
    let fraction = |step: u32| {
        let (sin, cos) = (2.0 * PI * f64::from(step) / f64::from(STEPS)).sin_cos();
        let squared = (major * cos).powi(2) + (minor * sin).powi(2);
        1.0 / (1.0 + (1.0 - squared).sqrt())
    };
    major * minor * 2.0 * PI * (0..STEPS).map(fraction).sum::<f64>() / f64::from(STEPS)
}

fn map_centroid(map: &Moc) -> Option<Position> {
    let mut sum: Vector = [0.0; 3];
    for (order, cell) in map.cells() {
        let levels = ORDER_OF_CENTROIDS.saturating_sub(order);
        let area = 1.0 / cell_count(order + levels) as f64;
        for part in cell << (2 * levels)..(cell + 1) << (2 * levels) {
            sum = add(sum, scale(healpix::center(order + levels, part).unit_vector(), area));
        }
    }
    let area = map.ranges().iter().map(|range| range.end - range.start).sum::<u64>() as f64;
    let area = area / cell_count(FINEST_ORDER) as f64;
    (norm_squared(sum).sqrt() > 1e-9 * area).then(|| Position::from_vector(unit(sum)))
}
