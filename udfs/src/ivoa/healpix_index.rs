//! `ivo_healpix_index`: the HEALPix cell of a position.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::sky::healpix_29;
use qserv_core::{Error, Result};

use super::wrong_arguments;
use crate::containment::is_position;
use crate::definition::{Argument, Audience, Body, Definition, Form, Returns, check_latitude, integer, number, point};
use crate::function::coordinate;
use crate::integers::{self, Integers};
use crate::numbers::{Numbers, constant_at, of_argument};
use crate::shape::check_shapes;

/// The order of the cells that positions are sorted by. Coarser cells are cut from these, so that a cell always holds
/// what its parts hold.
const FINEST_ORDER: u8 = 29;

/// The order of a HEALPix cell.
pub(super) const ORDER: Argument = integer("hpxOrder", "order of the cells, 0 to 29");

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_healpix_index",
    known_as: "ivo_healpix_index",
    audience: Audience::Users,
    summary: "The index of the HEALPix cell that holds a position, in the NESTED numbering.",
    missing: "NULL if any argument is NULL, NaN or infinite. A constant order outside 0 to 29 or a constant latitude \
              beyond 90 degrees is an error; one from a column gives NULL.",
    example: "SELECT objectId, ivo_healpix_index(10, ra, decl) AS cell FROM Object",
    forms: &[
        Form::fixed(&[
            ORDER,
            number("long", "longitude of the position, in degrees"),
            number("lat", "latitude of the position, in degrees"),
        ]),
        Form::fixed(&[ORDER, point("point", "the position")]),
    ],
    returns: Returns::BigInt,
    unit: None,
    ucd: Some("pos.healpix"),
    body: Body::Values { check, evaluate },
};

fn check(constants: &[Option<ScalarValue>]) -> Result<()> {
    check_order(constants)?;
    match constants {
        [_, point] => check_shapes(std::slice::from_ref(point)),
        _ => check_latitude(constant_at(constants, 2)),
    }
}

/// Refuses a constant order, the first argument, that there is none of.
pub(super) fn check_order(constants: &[Option<ScalarValue>]) -> Result<()> {
    match constants.first().and_then(Option::as_ref).and_then(integers::constant) {
        Some(order) if order_of(order).is_none() => {
            Err(Error::invalid(format!("the order of a HEALPix cell is 0 to {FINEST_ORDER}, not {order}")))
        }
        _ => Ok(()),
    }
}

/// A number as an order.
pub(super) fn order_of(number: i64) -> Option<u8> {
    u8::try_from(number).ok().filter(|order| *order <= FINEST_ORDER)
}

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let (orders, lon, lat) = match arguments {
        [orders, lon, lat] => (orders, of_argument(lon)?, of_argument(lat)?),
        [orders, point] => {
            let of_points = |index| {
                let column = coordinate(point, index, rows).map_err(|_| Error::internal("a point of another type"))?;
                Ok::<_, Error>(Numbers::Column(column))
            };
            (orders, of_points(0)?, of_points(1)?)
        }
        _ => return Err(wrong_arguments()),
    };
    let orders = Integers::new(orders)?;
    let cell = |row| -> Option<i64> {
        let order = order_of(orders.at(row)?)?;
        let (lon, lat) = (lon.known(row)?, lat.known(row)?);
        let cell = is_position(lon, lat).then(|| healpix_29(lon, lat) >> (2 * (FINEST_ORDER - order)))?;
        i64::try_from(cell).ok()
    };
    Ok(Arc::new((0..rows).map(cell).collect::<Int64Array>()))
}
