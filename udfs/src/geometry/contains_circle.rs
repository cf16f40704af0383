//! `qserv_contains_circle`: ADQL's `CONTAINS(POINT(..), CIRCLE(..))`.

use qserv_core::Result;
use qserv_core::sky::{Cone, Region};

use super::{missing_in_a_test, wrong_shape};
use crate::definition::{
    Audience, Body, CENTER_LAT, CENTER_LON, Definition, Form, LAT, LON, Returns, TestRules, number,
};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_contains_circle",
    known_as: "CIRCLE",
    audience: Audience::Translation,
    summary: "Whether a position lies in a circle on the sphere. Its edge belongs to it; a radius of 180 degrees or more \
              is the whole sky.",
    missing: missing_in_a_test!(),
    example: "SELECT objectId FROM Object WHERE qserv_contains_circle(ra, decl, 10.0, -5.0, 0.5)",
    forms: &[Form::fixed(&[LON, LAT, CENTER_LON, CENTER_LAT, number("radius", "radius in degrees, not negative")])],
    returns: Returns::Boolean,
    unit: None,
    ucd: None,
    body: Body::Test { build, rules: TestRules::Adql },
};

fn build(shape: &[f64]) -> Result<Option<Region>> {
    let &[lon, lat, radius] = shape else { return Err(wrong_shape()) };
    Ok(Some(Region::Cone(Cone::new(lon, lat, radius)?)))
}
