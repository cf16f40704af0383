//! `qserv_box`: ADQL's `BOX` as a value.

use arrow::array::ArrayRef;
use qserv_core::Result;
use qserv_core::sky::LonLatBox;

use super::{all_constant, lists_of, missing_in_a_value};
use crate::definition::{Audience, Body, CENTER_LAT, CENTER_LON, Definition, Form, Returns, check_latitude, number};
use crate::numbers::Numbers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_box",
    known_as: "BOX",
    audience: Audience::Translation,
    summary: "A box as a value. DALI has no boxes, so it is the polygon of its four corners, counter-clockwise on the \
              sky from the south-west one: longitudes in 0..360, latitudes cut off at the poles.",
    missing: missing_in_a_value!(),
    example: "SELECT objectId, qserv_box(ra, decl, 0.02, 0.01) AS surroundings FROM Object",
    forms: &[Form::fixed(&[
        CENTER_LON,
        CENTER_LAT,
        number("width", "extent in longitude, in degrees of longitude"),
        number("height", "extent in latitude, in degrees"),
    ])],
    returns: Returns::Polygon,
    body: Body::Numbers { check, evaluate },
};

fn check(constants: &[Option<f64>]) -> Result<()> {
    match all_constant(constants).as_deref() {
        Some(&[lon, lat, width, height]) => LonLatBox::from_center(lon, lat, width, height).map(drop),
        _ => check_latitude(constants.get(1).copied().flatten()),
    }
}

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    let mut values = Vec::with_capacity(rows * 8);
    if let [lon, lat, width, height] = numbers {
        for row in 0..rows {
            values.extend(corners(lon.value(row), lat.value(row), width.value(row), height.value(row)));
        }
    }
    lists_of(values, numbers, rows)
}

fn corners(lon: f64, lat: f64, width: f64, height: f64) -> [f64; 8] {
    let west = (lon - width / 2.0).rem_euclid(360.0);
    let east = (lon + width / 2.0).rem_euclid(360.0);
    // `clamp` keeps a NaN, which `max` and `min` would turn into a pole.
    let south = (lat - height / 2.0).clamp(-90.0, 90.0);
    let north = (lat + height / 2.0).clamp(-90.0, 90.0);
    [west, south, west, north, east, north, east, south]
}
