//! What is loaded, where it is, and what is visible.

mod model;

pub use model::*;
