//! The program `qserv`.
fn main() {}
