//! Joins of rows that lie within an angle of each other.
//!
//! The life of `a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.001`:
//!
//! 1. DataFusion plans a nested loop, and datafusion-distributed brings the loop's left side to every task.
//! 2. [`replace_nested_loops`] finds the `condition` in the loop's filter, and puts a
//!    [`SpatialJoinExec`] in its place.
//! 3. [`SpatialJoinCodec`] carries that to the workers.
//! 4. There `build` collects the left side and puts its positions into a grid (`index`), while `probe` lets the right side
//!    stream by. The grid gives the pairs that lie near enough, and the filter as it was written decides each of them, so the
//!    answer is the nested loop's to the last bit.
//!
//! Where the angle is no larger than the overlap of two directors' chunks, `restrict` lets one side read its overlap, and
//! [`JoinWithOverlap`] pairs the two scans chunk by chunk before anything is brought anywhere.

mod build;
mod chunks;
mod codec;
mod condition;
mod exec;
mod index;
mod metrics;
mod probe;
mod replace;

pub use chunks::{CheckOverlap, JoinWithOverlap, is_exposed_overlap};
pub use codec::SpatialJoinCodec;
pub use exec::SpatialJoinExec;
pub use replace::replace_nested_loops;

#[cfg(test)]
mod tests;
