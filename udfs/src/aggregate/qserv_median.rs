//! `qserv_median`: the extension `MEDIAN` of ADQL.

use super::Aggregation;
use super::scisql_median::Median;
use super::values::missing_in_values;
use crate::definition::{Audience, Body, Definition, Form, Returns, number};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_median",
    known_as: "MEDIAN",
    audience: Audience::Translation,
    summary: "The median of a group's values, as a DOUBLE whatever they are: the middle one, or the mean of the two in \
              the middle. It is exact.",
    missing: missing_in_values!(""),
    example: "SELECT qserv_median(rFlux) AS middle FROM Object",
    forms: &[Form::fixed(&[number("x", "the values")])],
    returns: Returns::Double,
    unit: None,
    ucd: None,
    body: Body::Aggregate(Aggregation::of::<Median>()),
};
