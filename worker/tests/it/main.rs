//! Workers as they run: servers on loopback, reached by the parts that the czar uses.

mod http;
mod membership;
mod query;
mod segments;
mod support;
