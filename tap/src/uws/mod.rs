//! Asynchronous queries: UWS 1.1 jobs below `/tap/async`.
//!
//! A job is created with its parameters (`POST /tap/async`), started (`PHASE=RUN`), watched (`?WAIT=`) and its result fetched
//! (`results/result`), all by [`http`]. [`Jobs`] holds the jobs and the tasks that run them; [`run`] answers one job's question into a
//! file of the [`spool`]; [`document`] describes jobs in XML. Jobs live in memory and end with the process; their results are files, so that
//! a result of any size costs no memory.

mod document;
mod http;
mod job;
mod jobs;
mod run;
mod spool;

pub(crate) use http::routes;
pub(crate) use jobs::Jobs;
