//! Regions: what a query restricts the sky to.

use std::ops::Range;

use super::{Cap, Cone, Ellipse, LonLatBox, Moc, Polygon, cover};

/// How a region lies to a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// No point of the cap is in the region: sure.
    Disjoint,
    /// Every point of the cap is in the region: sure.
    Inside,
    /// Neither is sure.
    Partial,
}

/// A region of the sky. Boundaries belong to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Region {
    /// Everything within an angle of a position.
    Cone(Cone),
    /// Between two meridians and two parallels.
    Box(LonLatBox),
    /// Great-circle edges.
    Polygon(Polygon),
    /// A small ellipse.
    Ellipse(Ellipse),
    /// HEALPix cells of any orders.
    Moc(Moc),
}

impl Region {
    /// Whether a position (degrees) is in the region; false for NaN and whatever else is not a position.
    #[inline]
    #[must_use]
    pub fn contains(&self, lon_deg: f64, lat_deg: f64) -> bool {
        match self {
            Self::Cone(cone) => cone.contains(lon_deg, lat_deg),
            Self::Box(lon_lat_box) => lon_lat_box.contains(lon_deg, lat_deg),
            Self::Polygon(polygon) => polygon.contains(lon_deg, lat_deg),
            Self::Ellipse(ellipse) => ellipse.contains(lon_deg, lat_deg),
            Self::Moc(moc) => moc.contains(lon_deg, lat_deg),
        }
    }

    /// A cap that holds the whole region; not always the smallest.
    #[must_use]
    pub fn bounding_cap(&self) -> Cap {
        match self {
            Self::Cone(cone) => cone.bounding_cap(),
            Self::Box(lon_lat_box) => lon_lat_box.bounding_cap(),
            Self::Polygon(polygon) => polygon.bounding_cap(),
            Self::Ellipse(ellipse) => ellipse.bounding_cap(),
            Self::Moc(moc) => moc.bounding_cap(),
        }
    }

    /// Whether the region and a cap may have a point in common: false only if they surely have none.
    #[must_use]
    pub fn may_intersect(&self, cap: &Cap) -> bool {
        self.relation(cap) != Relation::Disjoint
    }

    /// The nested order-29 HEALPix cells of the region: at most `max_ranges` ranges (at least one if the region is not
    /// empty), sorted, disjoint, with a gap between each two. Every position inside has its cell in one of them; they
    /// hold others too, the fewer the more ranges are allowed.
    #[must_use]
    pub fn healpix_29_ranges(&self, max_ranges: usize) -> Vec<Range<u64>> {
        match self {
            Self::Moc(moc) => cover::limit(moc.ranges().to_vec(), max_ranges),
            _ => cover::ranges(|cap| self.relation(cap), max_ranges),
        }
    }

    pub(crate) fn relation(&self, cap: &Cap) -> Relation {
        match self {
            Self::Cone(cone) => cone.relation(cap),
            Self::Box(lon_lat_box) => lon_lat_box.relation(cap),
            Self::Polygon(polygon) => polygon.relation(cap),
            Self::Ellipse(ellipse) => ellipse.relation(cap),
            Self::Moc(moc) => moc.relation(cap),
        }
    }
}

macro_rules! region_from {
    ($($variant:ident($shape:ty)),*) => {$(
        impl From<$shape> for Region {
            fn from(shape: $shape) -> Self {
                Self::$variant(shape)
            }
        }
    )*};
}

region_from!(Cone(Cone), Box(LonLatBox), Polygon(Polygon), Ellipse(Ellipse), Moc(Moc));
