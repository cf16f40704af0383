//! The tests of the whole cluster, in one binary: linking the engine takes longer than most of them run.

mod faults;
mod plans;
mod samples;
mod scripts;
mod surveys;
