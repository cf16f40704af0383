//! `scisql_s2HtmId`: the triangle of the Hierarchical Triangular Mesh in which a position lies.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use datafusion::logical_expr::ColumnarValue;
use qserv_core::{Error, Result};

use crate::containment::is_position;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, integer, number};
use crate::integers::Integers;
use crate::numbers::of_argument;

/// sciSQL's own bound.
pub(super) const FINEST_LEVEL: i64 = 24;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_s2HtmId",
    known_as: "scisql_s2HtmId",
    audience: Audience::Users,
    summary: "The number of the triangle of the Hierarchical Triangular Mesh in which a position lies. The eight \
              triangles of level 0 are 8 to 11 in the south (S0 to S3) and 12 to 15 in the north (N0 to N3); the four \
              parts of triangle t are 4 t to 4 t + 3.",
    missing: "NULL if any argument is NULL, NaN or infinite, if the latitude is beyond 90 degrees, or if the level is not \
              0 to 24.",
    example: "SELECT objectId, scisql_s2HtmId(ra, decl, 20) AS htm20 FROM Object",
    forms: &[Form::fixed(&[
        number("lon", "longitude in degrees"),
        number("lat", "latitude in degrees"),
        integer("level", "how many times the triangles are divided, 0 to 24"),
    ])],
    returns: Returns::BigInt,
    unit: None,
    ucd: Some("pos"),
    body: Body::Values { check: check_nothing, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [lon, lat, level] = arguments else { return Err(Error::internal("a mesh without a position and a level")) };
    let (lon, lat, level) = (of_argument(lon)?, of_argument(lat)?, Integers::new(level)?);
    let id = |row: usize| {
        let level = level.at(row).filter(|level| (0..=FINEST_LEVEL).contains(level))?;
        let (lon, lat) = (lon.known(row)?, lat.known(row)?);
        is_position(lon, lat).then(|| htm_id(lon, lat, level))
    };
    Ok(Arc::new((0..rows).map(id).collect::<Int64Array>()))
}

type Vector = [f64; 3];

const X: Vector = [1.0, 0.0, 0.0];
const Y: Vector = [0.0, 1.0, 0.0];
const Z: Vector = [0.0, 0.0, 1.0];
const MINUS_X: Vector = [-1.0, 0.0, 0.0];
const MINUS_Y: Vector = [0.0, -1.0, 0.0];
const MINUS_Z: Vector = [0.0, 0.0, -1.0];

/// The corners of the triangles of level 0, seen from outside counter-clockwise: S0 to S3, then N0 to N3.
const ROOTS: [[Vector; 3]; 8] = [
    [X, MINUS_Z, Y],
    [Y, MINUS_Z, MINUS_X],
    [MINUS_X, MINUS_Z, MINUS_Y],
    [MINUS_Y, MINUS_Z, X],
    [X, Z, MINUS_Y],
    [MINUS_Y, Z, MINUS_X],
    [MINUS_X, Z, Y],
    [Y, Z, X],
];

/// The triangle of a position at a level. A position on an edge goes where sciSQL's order of the same comparisons, on
/// numbers rounded in the same way, sends it.
fn htm_id(lon_deg: f64, lat_deg: f64, level: i64) -> i64 {
    let (lon, lat) = (lon_deg.to_radians(), lat_deg.to_radians());
    let position = [lon.cos() * lat.cos(), lon.sin() * lat.cos(), lat.sin()];
    let root = root(position);
    let mut corners = ROOTS[root];
    let mut id = 8 + root as i64;
    for _ in 0..level {
        let child;
        (child, corners) = child_of(corners, position);
        id = 4 * id + child;
    }
    id
}

/// The place in [`ROOTS`] of the triangle of level 0.
fn root([x, y, z]: Vector) -> usize {
    let is_north = z >= 0.0;
    if y > 0.0 {
        match (is_north, x > 0.0) {
            (false, true) => 0,
            (false, false) => 1,
            (true, true) => 7,
            (true, false) => 6,
        }
    } else if y == 0.0 {
        match (is_north, x >= 0.0) {
            (false, true) => 0,
            (false, false) => 2,
            (true, true) => 7,
            (true, false) => 5,
        }
    } else {
        match (is_north, x < 0.0) {
            (false, true) => 2,
            (false, false) => 3,
            (true, true) => 5,
            (true, false) => 4,
        }
    }
}

/// Which part of a triangle a position is in, and that part's corners.
fn child_of([v0, v1, v2]: [Vector; 3], position: Vector) -> (i64, [Vector; 3]) {
    let middle_1 = middle(v2, v0);
    let middle_2 = middle(v0, v1);
    if is_left_of(middle_2, middle_1, position) {
        return (0, [v0, middle_2, middle_1]);
    }
    let middle_0 = middle(v1, v2);
    if is_left_of(middle_0, middle_2, position) {
        (1, [v1, middle_0, middle_2])
    } else if is_left_of(middle_1, middle_0, position) {
        (2, [v2, middle_1, middle_0])
    } else {
        (3, [middle_0, middle_1, middle_2])
    }
}

fn middle(one: Vector, two: Vector) -> Vector {
    let [x, y, z] = [one[0] + two[0], one[1] + two[1], one[2] + two[2]];
    let length = (x * x + y * y + z * z).sqrt();
    [x / length, y / length, z / length]
}

/// Whether a position is on the left of the great circle from one position to another, or on it.
fn is_left_of(from: Vector, to: Vector, position: Vector) -> bool {
    // Twice the cross product, without its cancellation for neighbours.
    let sum = [to[0] + from[0], to[1] + from[1], to[2] + from[2]];
    let difference = [to[0] - from[0], to[1] - from[1], to[2] - from[2]];
    let normal = [
        sum[1] * difference[2] - sum[2] * difference[1],
        sum[2] * difference[0] - sum[0] * difference[2],
        sum[0] * difference[1] - sum[1] * difference[0],
    ];
    normal[0] * position[0] + normal[1] * position[1] + normal[2] * position[2] >= 0.0
}
