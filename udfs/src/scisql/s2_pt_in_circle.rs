//! `scisql_s2PtInCircle`: whether a position lies in a circle.

use qserv_core::sky::{Cone, Region};
use qserv_core::{Error, Result};

use super::missing_in_a_scisql_test;
use crate::definition::{
    Audience, Body, CENTER_LAT, CENTER_LON, Definition, Form, LAT, LON, Returns, TestRules, number,
};
use crate::geometry::wrong_shape;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_s2PtInCircle",
    known_as: "scisql_s2PtInCircle",
    audience: Audience::Users,
    summary: "1 if a position lies in a circle on the sphere or on its edge, else 0.",
    missing: missing_in_a_scisql_test!("the radius is negative or above 180 degrees"),
    example: "SELECT objectId FROM Object WHERE scisql_s2PtInCircle(ra, decl, 10.0, -5.0, 0.5) = 1",
    forms: &[Form::fixed(&[LON, LAT, CENTER_LON, CENTER_LAT, number("radius", "radius in degrees, 0 to 180")])],
    returns: Returns::Integer,
    unit: None,
    ucd: None,
    body: Body::Test { build, rules: TestRules::SciSql },
};

fn build(shape: &[f64]) -> Result<Option<Region>> {
    let &[lon, lat, radius] = shape else { return Err(wrong_shape()) };
    if !(0.0..=180.0).contains(&radius) {
        return Err(Error::invalid(format!("a radius must be 0 to 180 degrees, not {radius}")));
    }
    Ok(Some(Region::Cone(Cone::new(lon, lat, radius)?)))
}
