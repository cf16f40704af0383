//! The functions of the sky in SQL, for DataFusion: geometry on the sphere, geometry values, sciSQL's functions and those of
//! the IVOA's catalogue.
//!
//! # The life of one call
//! Take `scisql_s2PtInCircle(ra, decl, 10, -5, 0.5) = 1`.
//! 1. A session registers every function of [`all`], and the aggregates of [`aggregates`]. Names are lower case, because
//!    SQL folds unquoted names; the usual
//!    spelling (`scisql_s2PtInCircle`) is an alias.
//! 2. While the query is planned, the arguments become `Float64` (integers, decimals and NULL too); a wrong number or
//!    type of arguments is refused in the user's words ([`external`]).
//! 3. While it is optimised, constant arguments are checked, so that `CIRCLE(10, -95, 1)` is an error even over an empty
//!    table. Calls with nothing but constants are folded away. The engine asks [`tested_region`] which region a call with
//!    a constant shape tests, and drops chunks, row groups and pages that it does not touch.
//! 4. While it runs, a shape of constants is built once a batch and the loop over the rows only tests; a shape of columns
//!    is built again only where a row's differs from that of the row before.
//!
//! # Where things are
//! One function is one file: a constant `DEFINITION` with its names, arguments, documentation and body, listed in
//! `definition.rs`'s terms. `geometry`, `shape`, `value` and `number` hold the functions that ADQL's own geometry and
//! arithmetic are translated to (`qserv_*`), `scisql` those that LSST queries call by name, `ivoa` those that all TAP
//! services have in common (`ivo_*`), `pixel` those of HEALPix and H3, and `aggregate` all that make one value of many
//! rows. [`signatures`] gives those that users call to TAP's capabilities and to the ADQL checker,
//! and [`manual`] writes the page of the manual.
//!
//! `arithmetic` holds functions that are no user's: rules put them in the places of operators and casts, see [`arithmetic::analyzer`].
//!
//! What is absent: sphere geometry itself (it is `qserv_core::sky`), rows of tables, chunks.

mod aggregate;
pub mod arithmetic;
mod containment;
mod definition;
pub mod error;
mod function;
mod geometry;
mod integers;
mod ivoa;
mod manual;
mod number;
mod numbers;
mod pixel;
mod region;
mod scisql;
mod sequence;
mod shape;
mod signature;
mod texts;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use definition::{Body, Definition};
use function::Function;

pub use error::external;
pub use manual::manual;
pub use number::RandomOfRow;
pub use region::{TestedRegion, tested_region, tested_shape};
pub use signature::{Parameter, Signature, signatures};

/// Every function of one row, ready to be registered with a session. Czar and workers must register the same ones.
#[must_use]
pub fn all() -> Vec<Arc<ScalarUDF>> {
    definitions().map(|definition| Arc::new(ScalarUDF::new_from_impl(Function::new(definition)))).collect()
}

/// Every aggregate, ready to be registered beside [`all`].
#[must_use]
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    aggregate::all()
}

/// What [`all`] is made from, in the order of the manual.
fn definitions() -> impl Iterator<Item = &'static Definition> {
    all_definitions().filter(|definition| !matches!(definition.body, Body::Aggregate(_)))
}

/// What [`all`] and [`aggregates`] are made from, in the order of the manual.
fn all_definitions() -> impl Iterator<Item = &'static Definition> {
    manual::SECTIONS.iter().flat_map(|section| section.definitions).copied().flatten().copied()
}
