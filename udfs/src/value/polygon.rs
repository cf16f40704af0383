//! `qserv_polygon`: ADQL's `POLYGON` as a value.

use qserv_core::Result;
use qserv_core::sky::Polygon;

use super::{all_constant, lists, missing_in_a_value};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_latitude};
use crate::geometry::{POLYGON_VERTICES, vertices};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_polygon",
    known_as: "POLYGON",
    audience: Audience::Translation,
    summary: "A polygon as a value: longitude and latitude of each vertex, in degrees.",
    missing: missing_in_a_value!(),
    example: "SELECT qserv_polygon(9.0, -6.0, 11.0, -6.0, 10.0, -4.0) AS field FROM Object",
    forms: &[Form { arguments: &[], vertices: Some(POLYGON_VERTICES) }],
    returns: Returns::Polygon,
    unit: Some("deg"),
    ucd: Some("pos.outline"),
    body: Body::Numbers { check, evaluate: lists },
};

fn check(constants: &[Option<f64>]) -> Result<()> {
    match all_constant(constants) {
        Some(numbers) => Polygon::new(&vertices(&numbers)).map(drop),
        None => constants.iter().skip(1).step_by(2).try_for_each(|latitude| check_latitude(*latitude)),
    }
}
