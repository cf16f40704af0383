//! `qserv_distance`: ADQL's `DISTANCE`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use qserv_core::Result;
use qserv_core::sky::separation_deg;

use crate::definition::{Audience, Body, Definition, Form, Returns, check_latitude, number};
use crate::numbers::{Numbers, missing};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_distance",
    known_as: "DISTANCE",
    audience: Audience::Translation,
    summary: "The angle between two positions in degrees, accurate at every distance.",
    missing: "NULL if any argument is NULL; NaN if any is NaN or infinite or a latitude is beyond 90 degrees. A constant \
              such latitude is an error.",
    example: "SELECT objectId, qserv_distance(ra, decl, 10.0, -5.0) AS separation FROM Object",
    forms: &[Form::fixed(&[
        number("lon1", "longitude of the first position, in degrees"),
        number("lat1", "latitude of the first position, in degrees"),
        number("lon2", "longitude of the second position, in degrees"),
        number("lat2", "latitude of the second position, in degrees"),
    ])],
    returns: Returns::Double,
    unit: Some("deg"),
    ucd: Some("pos.angDistance"),
    body: Body::Numbers { check, evaluate },
};

fn check(constants: &[Option<f64>]) -> Result<()> {
    constants.iter().skip(1).step_by(2).try_for_each(|latitude| check_latitude(*latitude))
}

fn evaluate(numbers: &[Numbers], rows: usize) -> ArrayRef {
    let [lon1, lat1, lon2, lat2] = numbers else { return Arc::new(Float64Array::new_null(rows)) };
    let separation = |row| separation_deg(lon1.value(row), lat1.value(row), lon2.value(row), lat2.value(row));
    let values: Vec<f64> = (0..rows).map(separation).collect();
    Arc::new(Float64Array::new(values.into(), missing(numbers, rows)))
}
