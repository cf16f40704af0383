//! The tests of the whole cluster, in one binary: linking the engine takes longer than most of them run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod cut_uploads;
mod export;
mod faults;
mod flight;
mod jobs;
mod matches;
mod neighbours;
mod plans;
mod random;
mod refusals;
mod samples;
mod scripts;
mod sky;
mod surveys;
mod tls;
mod uploads;
