//! `h3_cell`: the H3 cell in which a position lies.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use h3o::{LatLng, Resolution};
use qserv_core::Result;

use super::{h3_order, integer_at, number_of, wrong_arguments};
use crate::containment::is_position;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_latitude, integer, number};
use crate::integers::Integers;
use crate::numbers::{constant_at, of_argument};

pub(crate) const DEFINITION: Definition = Definition {
    name: "h3_cell",
    known_as: "h3_cell",
    audience: Audience::Users,
    summary: "The H3 cell of an order (resolution) in which a position lies: H3's own 64-bit index.",
    missing: "NULL if any argument is NULL, NaN or infinite. A constant order outside 0 to 15 and a constant latitude \
              beyond 90 degrees are errors; from columns they give NULL.",
    example: "SELECT objectId, h3_cell(9, ra, decl) AS cell FROM Object",
    forms: &[Form::fixed(&[
        integer("order", "order of the cells, 0 to 15: each has about a seventh of the area of those before"),
        number("lon", "longitude in degrees"),
        number("lat", "latitude in degrees"),
    ])],
    returns: Returns::BigInt,
    unit: None,
    ucd: Some("pos"),
    body: Body::Values { check, evaluate },
};

fn check(constants: &[Option<ScalarValue>]) -> Result<()> {
    if let Some(order) = integer_at(constants, 0) {
        h3_order(order)?;
    }
    check_latitude(constant_at(constants, 2))
}

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [order, lon, lat] = arguments else { return Err(wrong_arguments()) };
    let (order, lon, lat) = (Integers::new(order)?, of_argument(lon)?, of_argument(lat)?);
    let cell = |row: usize| {
        let order = h3_order(order.at(row)?).ok()?;
        cell(order, lon.known(row)?, lat.known(row)?)
    };
    Ok(Arc::new((0..rows).map(cell).collect::<Int64Array>()))
}

fn cell(order: Resolution, lon_deg: f64, lat_deg: f64) -> Option<i64> {
    if !is_position(lon_deg, lat_deg) {
        return None;
    }
    LatLng::new(lat_deg, lon_deg).ok().map(|position| number_of(position.to_cell(order)))
}
