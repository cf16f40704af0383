//! Shapes: the geometry values of ADQL, and how any two of them lie to each other.

use super::frame::Frame;
use super::vector::{add, from_lon_lat_deg, scale};
use super::{Cone, Ellipse, Moc, Polygon, Position, Region, moc_relations};
use crate::{Error, Result};

/// A position or a region: what ADQL calls a geometry. Boundaries belong to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A position.
    Point(Position),
    /// A region.
    Region(Region),
}

impl Shape {
    /// A position from degrees.
    ///
    /// # Errors
    /// Those of [`Position::new`].
    pub fn point(lon_deg: f64, lat_deg: f64) -> Result<Self> {
        Ok(Self::Point(Position::new(lon_deg, lat_deg)?))
    }

    /// A shape from its numbers in DALI's order (DALI 1.1 §3.3): 2 are a point, 3 a circle, an even number from 6 on a
    /// polygon.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for other counts and for numbers that make no such shape.
    pub fn from_dali(numbers: &[f64]) -> Result<Self> {
        match numbers {
            &[lon, lat] => Self::point(lon, lat),
            &[lon, lat, radius] => Ok(Cone::new(lon, lat, radius)?.into()),
            vertices if vertices.len() >= 6 && vertices.len().is_multiple_of(2) => {
                let vertices: Vec<(f64, f64)> =
                    vertices.as_chunks::<2>().0.iter().map(|&[lon, lat]| (lon, lat)).collect();
                Ok(Polygon::new(&vertices)?.into())
            }
            other => Err(Error::invalid(format!(
                "a point has 2 numbers, a circle 3 and a polygon an even number from 6 on, not {}",
                other.len()
            ))),
        }
    }

    /// Its numbers in DALI's order; `None` for an ellipse, a box of sciSQL and a coverage map, which DALI does not have as
    /// numbers.
    #[must_use]
    pub fn to_dali(&self) -> Option<Vec<f64>> {
        match self {
            Self::Point(point) => Some(vec![point.lon_deg(), point.lat_deg()]),
            Self::Region(Region::Cone(cone)) => {
                Some(vec![cone.center().lon_deg(), cone.center().lat_deg(), cone.radius().degrees()])
            }
            Self::Region(Region::Polygon(polygon)) => {
                Some(polygon.vertices().iter().flat_map(|(lon, lat)| [*lon, *lat]).collect())
            }
            Self::Region(_) => None,
        }
    }

    /// Its area in square degrees; 0 for a point.
    #[must_use]
    pub fn area_square_degrees(&self) -> f64 {
        match self {
            Self::Point(_) => 0.0,
            Self::Region(region) => region.area_square_degrees(),
        }
    }

    /// Its centroid: the direction of the integral of the unit vector over it; `None` if that is zero.
    #[must_use]
    pub fn centroid(&self) -> Option<Position> {
        match self {
            Self::Point(point) => Some(*point),
            Self::Region(region) => region.centroid(),
        }
    }

    /// Whether every position of `inner` is in this shape. A point contains itself; of a point this is
    /// [`Region::contains`], to the last bit.
    ///
    /// Where a coverage map is one of them, cells are divided until the answer is sure or parts of some milli arc
    /// seconds (or a fixed number of cells) decide it: what only touches counts as inside.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for an ellipse or a box of sciSQL and something else than a point.
    pub fn contains(&self, inner: &Self) -> Result<bool> {
        use Region::{Cone, Moc, Polygon};
        Ok(match (self, inner) {
            (Self::Point(outer), Self::Point(inner)) => outer.separation(*inner).degrees() == 0.0,
            (Self::Region(outer), Self::Point(inner)) => outer.contains(inner.lon_deg(), inner.lat_deg()),
            (Self::Point(outer), Self::Region(Cone(inner))) => {
                inner.radius().degrees() == 0.0 && outer.separation(inner.center()).degrees() == 0.0
            }
            // Every other region has an area, but for the empty map.
            (Self::Point(_), Self::Region(inner)) => matches!(inner, Moc(map) if map.ranges().is_empty()),
            (Self::Region(outer), Self::Region(inner)) => match (outer, inner) {
                (Cone(outer), Cone(inner)) => {
                    let separation_deg = outer.center().separation(inner.center()).degrees();
                    let radius_deg = outer.radius().degrees();
                    radius_deg >= 180.0 || separation_deg + inner.radius().degrees() <= radius_deg
                }
                (Cone(outer), Polygon(inner)) => inner.is_in_cone(outer),
                (Polygon(outer), Cone(inner)) => outer.contains_cone(inner),
                (Polygon(outer), Polygon(inner)) => outer.contains_polygon(inner),
                (Moc(outer), Moc(inner)) => outer.contains_map(inner),
                (Moc(outer), inner @ (Cone(_) | Polygon(_))) => moc_relations::map_contains_region(outer, inner),
                (outer @ (Cone(_) | Polygon(_)), Moc(inner)) => moc_relations::region_contains_map(outer, inner),
                _ => return Err(no_relation()),
            },
        })
    }

    /// Whether two shapes have a position in common, touching included.
    ///
    /// # Errors
    /// Those of [`contains`](Self::contains).
    pub fn intersects(&self, other: &Self) -> Result<bool> {
        use Region::{Cone, Moc, Polygon};
        Ok(match (self, other) {
            (Self::Point(_), _) => other.contains(self)?,
            (_, Self::Point(_)) => self.contains(other)?,
            (Self::Region(one), Self::Region(two)) => match (one, two) {
                (Cone(one), Cone(two)) => {
                    one.center().separation(two.center()).degrees() <= one.radius().degrees() + two.radius().degrees()
                }
                (Cone(cone), Polygon(polygon)) | (Polygon(polygon), Cone(cone)) => polygon.intersects_cone(cone),
                (Polygon(one), Polygon(two)) => one.intersects_polygon(two),
                (Moc(one), Moc(two)) => one.intersects_map(two),
                (Moc(map), region @ (Cone(_) | Polygon(_))) | (region @ (Cone(_) | Polygon(_)), Moc(map)) => {
                    moc_relations::map_intersects_region(map, region)
                }
                _ => return Err(no_relation()),
            },
        })
    }

    /// The shape with its positions given in another frame: the same kind of shape, by its centre or its vertices. Exact
    /// for rotations; FK4's aberration terms, which shift every position by up to 0.35 arc seconds, do not bend edges here.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for coverage maps and sciSQL's boxes, which are bound to their frame, and
    /// for what is no longer a shape after rounding.
    pub fn transform(&self, from: Frame, to: Frame) -> Result<Self> {
        if from == to { Ok(self.clone()) } else { self.moved(|position| from.transform(to, position)) }
    }

    /// The shape with its positions given in another frame by a rotation alone, [`Frame::rotate`]: exact for all shapes.
    ///
    /// # Errors
    /// Those of [`transform`](Self::transform).
    pub fn rotate(&self, from: Frame, to: Frame) -> Result<Self> {
        if from == to { Ok(self.clone()) } else { self.moved(|position| from.rotate(to, position)) }
    }

    fn moved(&self, moved: impl Fn(Position) -> Position) -> Result<Self> {
        Ok(match self {
            Self::Point(point) => Self::Point(moved(*point)),
            Self::Region(Region::Cone(cone)) => {
                let center = moved(cone.center());
                Cone::new(center.lon_deg(), center.lat_deg(), cone.radius().degrees())?.into()
            }
            Self::Region(Region::Polygon(polygon)) => {
                let vertices: Vec<(f64, f64)> = polygon
                    .vertices()
                    .iter()
                    .map(|(lon, lat)| {
                        let vertex = moved(Position::from_degrees(*lon, *lat));
                        (vertex.lon_deg(), vertex.lat_deg())
                    })
                    .collect();
                Polygon::new(&vertices)?.into()
            }
            Self::Region(Region::Ellipse(ellipse)) => moved_ellipse(ellipse, moved)?.into(),
            Self::Region(Region::Moc(_)) => {
                return Err(Error::invalid("a MOC is in ICRS and cannot be given in another frame"));
            }
            Self::Region(Region::Box(_)) => {
                return Err(Error::invalid("a box of longitudes and latitudes cannot be given in another frame"));
            }
        })
    }
}

fn no_relation() -> Error {
    Error::invalid("an ellipse can be held only against a point, not against another region")
}

/// The position angle turns with the direction to north: a position a little along the major axis is moved too.
fn moved_ellipse(ellipse: &Ellipse, moved: impl Fn(Position) -> Position) -> Result<Ellipse> {
    const STEP: f64 = 1e-3;
    let center = ellipse.center();
    let [east, north] = ellipse.major_axis();
    let up = center.unit_vector();
    let (lon_deg, lat_deg) = (center.lon_deg(), center.lat_deg());
    let direction = add(
        scale(super::vector::east_at(lon_deg), east * STEP),
        scale(super::vector::north_at(lon_deg, lat_deg), north * STEP),
    );
    let (center, tip) = (moved(center), moved(Position::from_vector(add(up, direction))));
    let (lon_deg, lat_deg) = (center.lon_deg(), center.lat_deg());
    let tip = from_lon_lat_deg(tip.lon_deg(), tip.lat_deg());
    let east = super::vector::dot(tip, super::vector::east_at(lon_deg));
    let north = super::vector::dot(tip, super::vector::north_at(lon_deg, lat_deg));
    let [semi_major_deg, semi_minor_deg] = ellipse.semi_axes_deg();
    Ellipse::new(lon_deg, lat_deg, semi_major_deg, semi_minor_deg, east.atan2(north).to_degrees())
}

macro_rules! shape_from {
    ($($region:ty),*) => {$(
        impl From<$region> for Shape {
            fn from(region: $region) -> Self {
                Self::Region(region.into())
            }
        }
    )*};
}

shape_from!(Cone, Ellipse, Moc, Polygon, Region);

#[cfg(test)]
mod tests;
