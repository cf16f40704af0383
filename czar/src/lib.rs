//! The czar: plans queries, routes them to the workers that hold the chunks, and merges what comes back.
//!
//! The life of a query here, from [`Czar`]'s `query`:
//!
//! 1. `Czar::admit` waits for a place among the running queries.
//! 2. `Planner::prepare` takes the newest snapshot: names for ADQL, a DataFusion catalog, TAP_SCHEMA. Tables that the request brings
//!    along are put on workers and laid beside it (`uploads`).
//! 3. `translate::translate` has `qserv-adql` turn the text into SQL with every name resolved. A look-up of one table (`lookup`) goes from
//!    here to step 6 on a shorter road.
//! 4. `Planner::evaluate_subqueries` runs value sub-queries ahead.
//! 5. `Planner::physical` optimizes, restricts to chunks (`qserv_engine::restrict`), places them on workers, and has
//!    datafusion-distributed cut the plan into stages.
//! 6. `Czar::try_start` runs it and waits for the first rows, or all rows of a small result (`hold`); a worker lost before that
//!    costs another plan.
//!    From then on `progress::Follower` tells how far it is.
//! 7. `Rows` hands the rows out, cut at the user's bound and at the deadline.
//!
//! Answers in bulk ([`BulkCzar`]) leave this road at step 5: a plan that needs no merge is cut in parts, which workers hand out
//! themselves.
//!
//! Absent: HTTP and TAP (protocols see the czar as a `QueryService`), loading, any state that is not in the catalog or
//! the store.

mod bulk;
mod functions;
mod lookup;
mod parameters;
mod planner;
mod progress;
mod schema;
mod service;
mod settings;
mod sql;
mod subqueries;
mod translate;
mod uploads;

pub use bulk::BulkCzar;
pub use functions::functions;
pub use service::{Czar, Parts};
pub use settings::QuerySettings;
pub use translate::{Names, Output, translate};
