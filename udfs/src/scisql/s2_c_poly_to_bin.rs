//! `scisql_s2CPolyToBin`: a polygon as one binary value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, BinaryBuilder};

use super::s2_pt_in_c_poly::VERTICES;
use crate::containment::is_position;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing};
use crate::numbers::{Numbers, missing};

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_s2CPolyToBin",
    known_as: "scisql_s2CPolyToBin",
    audience: Audience::Users,
    summary: "A polygon of 3 to 20 vertices as one binary value, which scisql_s2PtInCPoly takes in place of the \
              vertices. Its form is this service's own: a value that another system's sciSQL wrote is not taken.",
    missing: "NULL if any argument is NULL, NaN or infinite, or if a latitude is beyond 90 degrees.",
    example: "SELECT scisql_s2CPolyToBin(9.0, -6.0, 11.0, -6.0, 10.0, -4.0) AS poly FROM Object",
    forms: &[Form { arguments: &[], vertices: Some(VERTICES) }],
    returns: Returns::Binary,
    unit: None,
    ucd: Some("pos.outline"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

/// What such a value starts with: no polygon of sciSQL's own, which starts with a sum of unit vectors, does.
const MARK: &[u8; 8] = b"qs:cpoly";

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    let missing = missing(numbers, rows);
    let mut polygons = BinaryBuilder::with_capacity(rows, rows.saturating_mul(MARK.len() + 8 * numbers.len()));
    let mut polygon = Vec::with_capacity(MARK.len() + 8 * numbers.len());
    for row in 0..rows {
        let is_polygon =
            numbers.as_chunks::<2>().0.iter().all(|[lon, lat]| is_position(lon.value(row), lat.value(row)));
        if !is_polygon || missing.as_ref().is_some_and(|missing| missing.is_null(row)) {
            polygons.append_null();
            continue;
        }
        polygon.clear();
        polygon.extend_from_slice(MARK);
        for number in numbers {
            polygon.extend_from_slice(&number.value(row).to_le_bytes());
        }
        polygons.append_value(&polygon);
    }
    Arc::new(polygons.finish())
}

/// The vertices in such a value, longitude, latitude, longitude ..; `None` if it is no polygon.
pub(super) fn vertices_of(polygon: &[u8]) -> Option<Vec<f64>> {
    let (numbers, rest) = polygon.strip_prefix(MARK)?.as_chunks::<8>();
    let is_polygon = rest.is_empty()
        && numbers.len() % 2 == 0
        && (VERTICES.at_least..=VERTICES.at_most).contains(&(numbers.len() / 2));
    is_polygon.then(|| numbers.iter().map(|number| f64::from_le_bytes(*number)).collect())
}

/// The value of a row; `None` is NULL.
pub(super) fn at(polygons: &BinaryArray, row: usize) -> Option<&[u8]> {
    (row < polygons.len() && polygons.is_valid(row)).then(|| polygons.value(row))
}
