//! The TAP service as its clients see it, over a query service of our own making.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asynchronous;
mod decode;
mod examples;
mod fake;
mod fits;
mod formats;
mod operation;
mod restarts;
mod round_trip;
mod streaming;
mod synchronous;
mod text;
mod uploads;
mod vosi;
