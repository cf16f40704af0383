//! Asynchronous queries: UWS 1.1 jobs below `/tap/async`.
//!
//! The life of a job:
//!
//! 1. `POST /tap/async` ([`http`]) reads what is asked ([`request`]) and makes the job a row of the catalog ([`Jobs::create`]). With
//!    `PHASE=RUN`, then or later, it is QUEUED. Tables that came with it go into the store of results.
//! 2. [`Jobs::run`], which each czar runs from its start to its end, claims the job that waits longest, under a lease in the
//!    catalog, and answers its question into a file of the store of results ([`work`]). While it runs the lease is renewed, and with it
//!    what others see of its progress.
//! 3. Clients watch it ([`document`]), or wait for its phase to change (`?WAIT=`, [`Jobs::wait`]): a change by this czar wakes them, one
//!    by another czar is seen at the next look.
//! 4. `results/result` encodes the stored result in any format, whole or in part ([`fetch`]).
//! 5. At its destruction time, or by DELETE, the row goes and then the files. Files whose job has no row are swept.
//!
//! A czar that stops gives its jobs back to the queue; those of one that dies are claimed again when their leases run out, or when
//! it starts again. Queries only read, so to run one twice does no harm. Nothing of a job is in this process alone but the counters of
//! a query that runs here.

mod document;
mod fetch;
mod http;
mod jobs;
mod request;
mod work;

pub(crate) use http::routes;
pub(crate) use jobs::{Jobs, Parts};
