//! `scisql_s2PtInCPoly`: whether a position lies in a polygon.

use qserv_core::Result;
use qserv_core::sky::{Polygon, Region};

use super::missing_in_a_scisql_test;
use crate::definition::{Audience, Body, Definition, Form, LAT, LON, Returns, TestRules, Vertices};
use crate::geometry::vertices;

/// sciSQL's own bound.
const VERTICES: Vertices = Vertices { at_least: 3, at_most: 20 };

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_s2PtInCPoly",
    known_as: "scisql_s2PtInCPoly",
    audience: Audience::Users,
    summary: "1 if a position lies in a polygon on the sphere or on its edge, else 0. It has 3 to 20 vertices in either \
              direction; its edges are great circles. A vertex may be repeated, and the first one given again at the \
              end. sciSQL asks for convex polygons; here concave ones are right too.",
    missing: missing_in_a_scisql_test!("the vertices make no polygon: no area, or edges that cross"),
    example: "SELECT objectId FROM Object WHERE scisql_s2PtInCPoly(ra, decl, 9.0, -6.0, 11.0, -6.0, 10.0, -4.0) = 1",
    forms: &[Form { arguments: &[LON, LAT], vertices: Some(VERTICES) }],
    returns: Returns::Integer,
    unit: None,
    ucd: None,
    body: Body::Test { build, rules: TestRules::SciSql },
};

fn build(shape: &[f64]) -> Result<Option<Region>> {
    let mut vertices = vertices(shape);
    // sciSQL takes a repeated vertex for an edge that excludes nothing; to a polygon of ours it is a mistake.
    vertices.dedup();
    while vertices.len() > 1 && vertices.first() == vertices.last() {
        vertices.pop();
    }
    Ok(Some(Region::Polygon(Polygon::new(&vertices)?)))
}
