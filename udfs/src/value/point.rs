//! `qserv_point`: ADQL's `POINT` as a value.

use qserv_core::Result;

use super::{lists, missing_in_a_value};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_latitude, number};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_point",
    known_as: "POINT",
    audience: Audience::Translation,
    summary: "A position as a value: its longitude and its latitude in degrees.",
    missing: missing_in_a_value!(),
    example: "SELECT objectId, qserv_point(ra, decl) AS place FROM Object",
    forms: &[Form::fixed(&[number("lon", "longitude in degrees"), number("lat", "latitude in degrees")])],
    returns: Returns::Point,
    unit: Some("deg"),
    ucd: Some("pos"),
    body: Body::Numbers { check, evaluate: lists },
};

fn check(constants: &[Option<f64>]) -> Result<()> {
    check_latitude(constants.get(1).copied().flatten())
}
