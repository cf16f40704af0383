//! Workers as they run: servers on loopback, reached by the parts that the czar uses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod http;
mod membership;
mod query;
mod segments;
mod support;
