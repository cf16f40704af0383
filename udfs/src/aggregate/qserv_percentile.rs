//! `qserv_percentile`: the extension `PERCENTILE` of ADQL.

use qserv_core::{Error, Result};

use super::values::{Ranks, Values, missing_in_values};
use super::{Aggregate, Aggregation, Call};
use crate::definition::{Audience, Body, Definition, Form, Returns, number};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_percentile",
    known_as: "PERCENTILE",
    audience: Audience::Translation,
    summary: "The value below which a fraction p of a group's N values lies. With the values sorted and numbered from 0 \
              it is the one at (N - 1) p, and between two of them the straight line. It is exact.",
    missing: missing_in_values!(". A p that is no constant from 0 to 1 is an error"),
    example: "SELECT qserv_percentile(rFlux, 0.25) AS quartile FROM Object",
    forms: &[Form::fixed(&[number("x", "the values"), number("p", "the fraction, a constant from 0 to 1")])],
    returns: Returns::Double,
    unit: None,
    ucd: None,
    body: Body::Aggregate(Aggregation::of::<Percentile>()),
};

struct Percentile;

impl Aggregate for Percentile {
    type State = Values;

    fn settings(call: &Call) -> Result<Ranks> {
        let p = call.number(1, "the fraction p")?;
        if !(0.0..=1.0).contains(&p) {
            let message = format!("the fraction p must be 0 to 1, not {p}: 0.5 asks for the median");
            return Err(Error::invalid(message));
        }
        Ok(Ranks { highest: 1.0, rank: Some(p), is_distinct: call.is_distinct })
    }
}
