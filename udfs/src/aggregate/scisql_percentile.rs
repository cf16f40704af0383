//! `scisql_percentile`: a percentile of a group.

use qserv_core::Result;

use super::values::{Ranks, Values, missing_in_values};
use super::{Aggregate, Aggregation, Call};
use crate::definition::{Audience, Body, Definition, Form, Returns, number};

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_percentile",
    known_as: "scisql_percentile",
    audience: Audience::Users,
    summary: "A percentile of a group's N values. With the values sorted and numbered from 0 it is the one at \
              K = (N - 1) percent / 100, and between two of them the straight line. It is exact.",
    missing: missing_in_values!(
        ". NULL if percent is NULL or not 0 to 100. Rows of one group with different percents are an error"
    ),
    example: "SELECT scisql_percentile(rFlux, 25) AS quartile FROM Object",
    forms: &[Form::fixed(&[number("value", "the values"), number("percent", "which percentile, 0 to 100")])],
    returns: Returns::Double,
    unit: None,
    ucd: None,
    body: Body::Aggregate(Aggregation::of::<Percentile>()),
};

struct Percentile;

impl Aggregate for Percentile {
    type State = Values;

    fn settings(call: &Call) -> Result<Ranks> {
        const HIGHEST: f64 = 100.0;
        let rank = match call.constants.get(1) {
            Some(Some(percent)) => {
                let percent = crate::numbers::constant(percent).ok().flatten();
                // What is no percentile gives NULL.
                Some(percent.filter(|percent| (0.0..=HIGHEST).contains(percent)).unwrap_or(f64::NAN))
            }
            _ => None,
        };
        Ok(Ranks { highest: HIGHEST, rank, is_distinct: call.is_distinct })
    }
}
