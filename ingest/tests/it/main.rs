//! Loads into a cluster of in-memory stores, and looks at every file that comes out.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod checks;
mod cluster;
mod failures;
mod http;
mod random_loads;
mod tables;
