//! The sky: positions, angles and regions with exact containment on the sphere.
//!
//! A query's restriction becomes a [`Region`]. [`Region::contains`] decides rows: it is exact, at the poles, across
//! longitude 0 and at antipodes as everywhere, and false for whatever is not a position (NaN, infinities, latitudes beyond
//! the poles). Everything that spares reading rows is a bound around it that may say "perhaps" but never wrongly "no":
//! [`Region::bounding_cap`], [`Region::may_intersect`] against the [`Cap`] of a segment, [`Region::healpix_29_ranges`]
//! against rows sorted by [`healpix_29`], and the cells and chunks of [`partition`](crate::partition).
//!
//! A [`Shape`] is a geometry value of ADQL: a position or a region, made from numbers, from STC-S text or from a MOC, with its
//! area, its centroid and its relations to other shapes. A [`Frame`] is what positions may be given in.
//!
//! Longitudes and latitudes are ICRS degrees throughout; a longitude may be any finite number and means the same as its
//! value modulo a full turn.

mod angle;
mod cap;
mod cone;
mod cover;
mod ellipse;
mod frame;
pub(crate) mod healpix;
mod lon_lat_box;
mod measure;
mod moc;
mod moc_relations;
mod polygon;
mod position;
mod region;
mod shape;
mod stc_s;
#[cfg(test)]
pub(crate) mod tests;
mod vector;
mod window;

pub use angle::Angle;
pub use cap::Cap;
pub use cone::Cone;
pub use ellipse::{Ellipse, LARGEST_SEMI_MAJOR_AXIS_DEG};
pub use frame::Frame;
pub use healpix::{healpix_29, healpix_center};
pub use lon_lat_box::LonLatBox;
pub use moc::Moc;
pub use polygon::from_box::box_corners;
pub use polygon::{MOST_VERTICES, Polygon};
pub(crate) use position::wrap_lon_deg;
pub use position::{Position, separation_deg};
pub use region::Region;
pub(crate) use region::Relation;
pub use shape::Shape;
pub use stc_s::{LONGEST_TEXT, dali_numbers};
