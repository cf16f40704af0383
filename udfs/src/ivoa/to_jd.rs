//! `ivo_to_jd`: the Julian Date of a timestamp.

use super::julian_date::{check, julian_dates, missing_in_a_date};
use crate::definition::{Audience, Body, Definition, Form, Returns, time};

/// The Julian Date of 1970-01-01T00:00:00.
const JD_OF_1970: f64 = 2_440_587.5;

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_to_jd",
    known_as: "ivo_to_jd",
    audience: Audience::Users,
    summary: "The Julian Date of a timestamp, in the timestamp's own time scale: nothing is corrected for time zones, \
              leap seconds and the like.",
    missing: missing_in_a_date!(),
    example: "SELECT ivo_to_jd('2000-01-02T12:00:00') AS jd FROM Object",
    forms: &[Form::fixed(&[time("d", "a timestamp, or a text that is one: 2000-01-02T12:00:00")])],
    returns: Returns::Double,
    unit: Some("d"),
    ucd: Some("time.epoch"),
    body: Body::Values { check, evaluate: |arguments, rows| julian_dates(arguments, rows, JD_OF_1970) },
};
