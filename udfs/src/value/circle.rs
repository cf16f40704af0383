//! `qserv_circle`: ADQL's `CIRCLE` as a value.

use qserv_core::Result;
use qserv_core::sky::Cone;

use super::{all_constant, lists, missing_in_a_value};
use crate::definition::{Audience, Body, CENTER_LAT, CENTER_LON, Definition, Form, Returns, check_latitude, number};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_circle",
    known_as: "CIRCLE",
    audience: Audience::Translation,
    summary: "A circle as a value: longitude and latitude of its centre and its radius, in degrees.",
    missing: missing_in_a_value!(),
    example: "SELECT objectId, qserv_circle(ra, decl, 0.01) AS surroundings FROM Object",
    forms: &[Form::fixed(&[CENTER_LON, CENTER_LAT, number("radius", "radius in degrees, not negative")])],
    returns: Returns::Circle,
    unit: Some("deg"),
    ucd: Some("pos.outline"),
    body: Body::Numbers { check, evaluate: lists },
};

fn check(constants: &[Option<f64>]) -> Result<()> {
    match all_constant(constants).as_deref() {
        Some(&[lon, lat, radius]) => Cone::new(lon, lat, radius).map(drop),
        _ => check_latitude(constants.get(1).copied().flatten()),
    }
}
