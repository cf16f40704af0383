//! `ivo_to_mjd`: the Modified Julian Date of a timestamp.

use super::julian_date::{check, julian_dates, missing_in_a_date};
use crate::definition::{Audience, Body, Definition, Form, Returns, time};

/// The Modified Julian Date of 1970-01-01T00:00:00.
const MJD_OF_1970: f64 = 40_587.0;

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_to_mjd",
    known_as: "ivo_to_mjd",
    audience: Audience::Users,
    summary: "The Modified Julian Date of a timestamp, in the timestamp's own time scale: nothing is corrected for time \
              zones, leap seconds and the like.",
    missing: missing_in_a_date!(),
    example: "SELECT ivo_to_mjd('2000-01-02T12:00:00') AS mjd FROM Object",
    forms: &[Form::fixed(&[time("d", "a timestamp, or a text that is one: 2000-01-02T12:00:00")])],
    returns: Returns::Double,
    unit: Some("d"),
    ucd: Some("time.epoch"),
    body: Body::Values { check, evaluate: |arguments, rows| julian_dates(arguments, rows, MJD_OF_1970) },
};
