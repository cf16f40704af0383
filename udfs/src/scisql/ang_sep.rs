//! `scisql_angSep`: the angle between two positions.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use qserv_core::sky::separation_deg;

use crate::containment::is_position;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, number};
use crate::numbers::{Numbers, finite_or_null};

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_angSep",
    known_as: "scisql_angSep",
    audience: Audience::Users,
    summary: "The angle between two positions in degrees. Each position is a longitude and a latitude, or a vector of \
              any length.",
    missing: "NULL if any argument is NULL, NaN or infinite, or if a latitude is beyond 90 degrees. The angle to a \
              vector of no length is 0.",
    example: "SELECT objectId, scisql_angSep(ra, decl, 10.0, -5.0) AS separation FROM Object",
    forms: &[
        Form::fixed(&[
            number("lon1", "longitude of the first position, in degrees"),
            number("lat1", "latitude of the first position, in degrees"),
            number("lon2", "longitude of the second position, in degrees"),
            number("lat2", "latitude of the second position, in degrees"),
        ]),
        Form::fixed(&[
            number("x1", "x of the first vector"),
            number("y1", "y of the first vector"),
            number("z1", "z of the first vector"),
            number("x2", "x of the second vector"),
            number("y2", "y of the second vector"),
            number("z2", "z of the second vector"),
        ]),
    ],
    returns: Returns::Double,
    unit: Some("deg"),
    ucd: Some("pos.angDistance"),
    body: Body::Numbers { check: check_nothing, evaluate },
};

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    Arc::new(match numbers {
        [lon1, lat1, lon2, lat2] => finite_or_null(numbers, rows, |row| {
            let (lon1, lat1) = (lon1.value(row), lat1.value(row));
            let (lon2, lat2) = (lon2.value(row), lat2.value(row));
            let are_positions = is_position(lon1, lat1) && is_position(lon2, lat2);
            if are_positions { separation_deg(lon1, lat1, lon2, lat2) } else { f64::NAN }
        }),
        [x1, y1, z1, x2, y2, z2] => finite_or_null(numbers, rows, |row| {
            let first = [x1.value(row), y1.value(row), z1.value(row)];
            let second = [x2.value(row), y2.value(row), z2.value(row)];
            vector_separation_deg(first, second)
        }),
        _ => Float64Array::new_null(rows),
    })
}

/// The angle between two vectors in degrees; NaN if a component is NaN or infinite.
pub(crate) fn vector_separation_deg(first: [f64; 3], second: [f64; 3]) -> f64 {
    let ([x1, y1, z1], [x2, y2, z2]) = (scaled(first), scaled(second));
    let cross = [y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2];
    let sine = cross.iter().map(|component| component * component).sum::<f64>().sqrt();
    let cosine = x1 * x2 + y1 * y2 + z1 * z2;
    sine.atan2(cosine).to_degrees()
}

/// The vector with its largest component 1, so that products of very long or very short ones neither overflow nor vanish.
fn scaled(vector: [f64; 3]) -> [f64; 3] {
    let largest = vector.iter().fold(0.0_f64, |largest, component| largest.max(component.abs()));
    // Infinity over infinity is NaN, which is what becomes of vectors that point nowhere.
    if largest == 0.0 { vector } else { vector.map(|component| component / largest) }
}
