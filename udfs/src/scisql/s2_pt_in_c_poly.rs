//! `scisql_s2PtInCPoly`: whether a position lies in a polygon.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::sky::{Polygon, Region};
use qserv_core::{Error, Result};

use super::missing_in_a_scisql_test;
use super::s2_c_poly_to_bin::{at, vertices_of};
use crate::containment::is_position;
use crate::definition::{Audience, Body, Definition, Form, LAT, LON, Returns, TestRules, Vertices, binary};
use crate::geometry::vertices;
use crate::numbers::of_argument;

/// sciSQL's own bound.
pub(super) const VERTICES: Vertices = Vertices { at_least: 3, at_most: 20 };

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_s2PtInCPoly",
    known_as: "scisql_s2PtInCPoly",
    audience: Audience::Users,
    summary: "1 if a position lies in a polygon on the sphere or on its edge, else 0. It has 3 to 20 vertices in either \
              direction; its edges are great circles. A vertex may be repeated, and the first one given again at the \
              end. sciSQL asks for convex polygons; here concave ones are right too. The polygon may also be one value \
              that scisql_s2CPolyToBin made.",
    missing: missing_in_a_scisql_test!("the vertices make no polygon: no area, or edges that cross"),
    example: "SELECT objectId FROM Object WHERE scisql_s2PtInCPoly(ra, decl, 9.0, -6.0, 11.0, -6.0, 10.0, -4.0) = 1",
    forms: &[
        Form { arguments: &[LON, LAT], vertices: Some(VERTICES) },
        Form::fixed(&[LON, LAT, binary("polygon", "a polygon as scisql_s2CPolyToBin makes it")]),
    ],
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

/// The test of a position against a binary polygon. One that is equal to the row's before is not built again.
///
/// # Errors
/// Internal for arguments of other types.
pub(crate) fn test_binary(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [lon, lat, polygons] = arguments else {
        return Err(Error::internal("a test without a position and a polygon"));
    };
    let (lon, lat) = (of_argument(lon)?, of_argument(lat)?);
    let polygon_at = |row: usize| match polygons {
        ColumnarValue::Scalar(ScalarValue::Binary(polygon)) => polygon.as_deref(),
        ColumnarValue::Scalar(_) => None,
        ColumnarValue::Array(polygons) => at(polygons.as_binary_opt::<i32>()?, row),
    };
    let mut built: Option<(&[u8], Option<Region>)> = None;
    let mut test = |row: usize| -> Option<i32> {
        if lon.is_null(row) || lat.is_null(row) {
            return Some(0);
        }
        let Some(polygon) = polygon_at(row) else { return Some(0) };
        let (lon, lat) = (lon.value(row), lat.value(row));
        if !is_position(lon, lat) {
            return None;
        }
        if built.as_ref().is_none_or(|(before, _)| *before != polygon) {
            let region = vertices_of(polygon).and_then(|vertices| build(&vertices).ok().flatten());
            built = Some((polygon, region));
        }
        let region = built.as_ref().and_then(|(_, region)| region.as_ref())?;
        Some(i32::from(region.contains(lon, lat)))
    };
    Ok(Arc::new((0..rows).map(&mut test).collect::<Int32Array>()))
}

/// The vertices of a constant binary polygon: a test with them is the same, and the engine knows its region.
pub(crate) fn binary_vertices(polygon: &ScalarValue) -> Option<Vec<f64>> {
    match polygon {
        ScalarValue::Binary(Some(polygon)) => vertices_of(polygon),
        _ => None,
    }
}
