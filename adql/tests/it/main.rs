//! The crate's tests over data files (`tests/data`) and over random text.

mod cases;
mod clauses;
mod features;
mod functions;
mod grammar;
mod metadata;
mod random;
mod world;
