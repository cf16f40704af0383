//! The program `qserv`, as a library that its tests and those of the whole cluster can call.
pub mod answer;
pub mod demo;
pub mod terminal;
