//! The sky: positions, angles and regions with exact containment on the sphere.

mod angle;
mod position;
pub(crate) mod vector;

pub use angle::Angle;
pub use position::{Position, separation_deg};
