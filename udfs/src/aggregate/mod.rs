//! Aggregates: of many rows one value.
//!
//! # The life of one call
//! Take `scisql_median(flux)` with GROUP BY. Each worker holds a [`State`] for each group of its rows; what it sends on are
//! [`State::to_arrays`], plain Arrow columns. Whoever has the last word merges the states of equal groups, in any order,
//! and asks for [`State::results`]. A function is a type with the trait [`Aggregate`], which says what its constant
//! arguments mean, and a `Definition` whose body it is.
//!
//! # Memory
//! A state counts the bytes that it holds, and the engine's memory for queries covers them: a query of more than there is
//! ends with a Limit error. One group also has a bound of its own, which the function's documentation names.

mod function;
mod groups;
mod ivo_histogram;
mod ivo_string_agg;
mod qserv_median;
mod qserv_percentile;
mod scisql_median;
mod scisql_percentile;
mod values;

use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::logical_expr::{Accumulator, GroupsAccumulator};
use datafusion::scalar::ScalarValue;
use qserv_core::{Error, Result};

use crate::definition::Definition;
pub(crate) use function::Function;
use groups::{Many, One};

/// In the order of the manual.
pub(crate) const DEFINITIONS: &[&Definition] = &[
    &scisql_median::DEFINITION,
    &scisql_percentile::DEFINITION,
    &ivo_string_agg::DEFINITION,
    &ivo_histogram::DEFINITION,
    &qserv_median::DEFINITION,
    &qserv_percentile::DEFINITION,
];

/// What a call of an aggregate is, apart from its rows.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Each argument: its value if it is a constant (which may be NULL), `None` if it is a column.
    pub(crate) constants: Vec<Option<ScalarValue>>,
    /// Whether equal values count once.
    pub(crate) is_distinct: bool,
}

/// One aggregate function.
pub(crate) trait Aggregate: 'static {
    /// What it keeps of a group.
    type State: groups::State;

    /// What a call's constants mean.
    ///
    /// # Errors
    /// Invalid, in the user's words, for constants that cannot be and for columns where constants must be.
    fn settings(call: &Call) -> Result<<Self::State as groups::State>::Settings>;
}

/// An [`Aggregate`] as data, for a [`Definition`]'s body.
pub(crate) struct Aggregation {
    /// Refuses calls that cannot be.
    check: fn(&Call) -> Result<()>,
    /// The columns in which states travel.
    state_fields: fn() -> Vec<Field>,
    one: fn(&'static Definition, &Call) -> Result<Box<dyn Accumulator>>,
    many: fn(&'static Definition, &Call) -> Result<Box<dyn GroupsAccumulator>>,
}

impl Aggregation {
    const fn of<A: Aggregate>() -> Self {
        Self {
            check: |call| A::settings(call).map(drop),
            state_fields: <A::State as groups::State>::fields,
            one: |definition, call| Ok(Box::new(One::<A::State>::new(definition, A::settings(call)?))),
            many: |definition, call| Ok(Box::new(Many::<A::State>::new(definition, A::settings(call)?))),
        }
    }
}

impl Call {
    /// The constant at this place; `None` is NULL.
    ///
    /// # Errors
    /// Invalid for a column.
    fn constant(&self, index: usize, name: &str) -> Result<Option<&ScalarValue>> {
        match self.constants.get(index) {
            Some(Some(constant)) => Ok(Some(constant).filter(|constant| !constant.is_null())),
            _ => Err(Error::invalid(format!("{name} must be a constant: it is one value for all rows"))),
        }
    }

    /// The constant number at this place.
    ///
    /// # Errors
    /// Invalid for a column, and for a NULL or NaN.
    fn number(&self, index: usize, name: &str) -> Result<f64> {
        let number = self.constant(index, name)?.and_then(|constant| crate::numbers::constant(constant).ok().flatten());
        number.filter(|number| !number.is_nan()).ok_or_else(|| Error::invalid(format!("{name} must be a number")))
    }
}

/// The aggregate functions, ready to be registered with a session.
pub(crate) fn all() -> Vec<Arc<datafusion::logical_expr::AggregateUDF>> {
    let definitions = DEFINITIONS.iter().copied();
    definitions.filter_map(Function::new).map(|function| Arc::new(function.into())).collect()
}
