//! `qserv_contains_polygon`: ADQL's `CONTAINS(POINT(..), POLYGON(..))`.

use qserv_core::Result;
use qserv_core::sky::{Polygon, Region};

use super::{POLYGON_VERTICES, missing_in_a_test, vertices};
use crate::definition::{Audience, Body, Definition, Form, LAT, LON, Returns, TestRules};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_contains_polygon",
    known_as: "POLYGON",
    audience: Audience::Translation,
    summary: "Whether a position lies in a polygon on the sphere, whose edges are great circles. It may be convex or \
              concave, with its vertices in either direction: the smaller side is the inside. Its edge belongs to it.",
    missing: missing_in_a_test!(),
    example: "SELECT objectId FROM Object WHERE qserv_contains_polygon(ra, decl, 9.0, -6.0, 11.0, -6.0, 10.0, -4.0)",
    forms: &[Form { arguments: &[LON, LAT], vertices: Some(POLYGON_VERTICES) }],
    returns: Returns::Boolean,
    unit: None,
    ucd: None,
    body: Body::Test { build, rules: TestRules::Adql },
};

fn build(shape: &[f64]) -> Result<Option<Region>> {
    Ok(Some(Region::Polygon(Polygon::new(&vertices(shape))?)))
}
