//! `scisql_median`: the median of a group.

use qserv_core::Result;

use super::values::{Ranks, Values, missing_in_values};
use super::{Aggregate, Aggregation, Call};
use crate::definition::{Audience, Body, Definition, Form, Returns, number};

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_median",
    known_as: "scisql_median",
    audience: Audience::Users,
    summary: "The median of a group's values: the middle one, or the mean of the two in the middle. It is exact.",
    missing: missing_in_values!(""),
    example: "SELECT scisql_median(rFlux) AS middle FROM Object",
    forms: &[Form::fixed(&[number("value", "the values")])],
    returns: Returns::Double,
    unit: None,
    ucd: None,
    body: Body::Aggregate(Aggregation::of::<Median>()),
};

pub(super) struct Median;

impl Aggregate for Median {
    type State = Values;

    fn settings(call: &Call) -> Result<Ranks> {
        Ok(Ranks { highest: 2.0, rank: Some(1.0), is_distinct: call.is_distinct })
    }
}
