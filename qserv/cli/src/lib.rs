//! The program `qserv`, as a library that its tests and those of the whole cluster can call.
//!
//! - [`arguments`]: the command line; [`settings`]: defaults, file, environment, options.
//! - [`commands`]: what each command does; [`wiring`]: the one place that puts the parts of a server together.
//! - [`answer`]: answers as tables, CSV and JSON; [`terminal`]: errors and exit codes.
//! - [`demo`]: the sample sky.
//! - `listener` and `health`: HTTP's connections, and what is told to those who watch over the process.

pub mod answer;
pub mod arguments;
pub mod commands;
pub mod demo;
mod health;
mod listener;
pub mod settings;
pub mod terminal;
pub mod wiring;
