//! `qserv_box`: ADQL's `BOX` as a value.

use arrow::array::{ArrayRef, BooleanBufferBuilder};
use arrow::buffer::NullBuffer;
use qserv_core::Result;
use qserv_core::sky::box_corners;

use super::{all_constant, lists_of};
use crate::definition::{Audience, Body, CENTER_LAT, CENTER_LON, Definition, Form, Returns, check_latitude, number};
use crate::geometry::wrong_shape;
use crate::numbers::{Numbers, missing};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_box",
    known_as: "BOX",
    audience: Audience::Translation,
    summary: "A box as ADQL 2.1 defines it, as a value. DALI has no boxes, so it is the polygon of its four corners, \
              counter-clockwise on the sky from the south-west one, longitudes in 0..360.",
    missing: "NULL if any argument is NULL. Constants that make no box are an error; columns that make none give NULL.",
    example: "SELECT objectId, qserv_box(ra, decl, 0.02, 0.01) AS surroundings FROM Object",
    forms: &[Form::fixed(&[
        CENTER_LON,
        CENTER_LAT,
        number("width", "length of the arms to the east and to the west together, in degrees: above 0 and below 180"),
        number(
            "height",
            "length of the arms to the north and to the south together, in degrees: above 0 and below 180",
        ),
    ])],
    returns: Returns::Polygon,
    unit: Some("deg"),
    ucd: Some("pos.outline"),
    body: Body::Numbers { check, evaluate },
};

fn check(constants: &[Option<f64>]) -> Result<()> {
    match all_constant(constants).as_deref() {
        Some(&[lon, lat, width, height]) => box_corners(lon, lat, width, height).map(drop),
        _ => check_latitude(constants.get(1).copied().flatten()),
    }
}

/// The corners in each row; NULL where an argument is NULL or there is no such box.
fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    let mut values = Vec::with_capacity(rows * 8);
    let mut possible = BooleanBufferBuilder::new(rows);
    for row in 0..rows {
        let corners = match numbers {
            [lon, lat, width, height] => {
                box_corners(lon.value(row), lat.value(row), width.value(row), height.value(row))
            }
            _ => Err(wrong_shape()),
        };
        possible.append(corners.is_ok());
        values.extend(corners.unwrap_or([(f64::NAN, f64::NAN); 4]).into_iter().flat_map(|(lon, lat)| [lon, lat]));
    }
    let nulls = NullBuffer::union(missing(numbers, rows).as_ref(), Some(&NullBuffer::new(possible.finish())));
    lists_of(8, rows, values.into(), nulls)
}
