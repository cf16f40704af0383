//! `ivo_healpix_center`: the centre of a HEALPix cell.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::sky::{Position, healpix_center};
use qserv_core::{Error, Result};

use super::healpix_index::{ORDER, check_order, order_of};
use super::wrong_arguments;
use crate::definition::{Audience, Body, Definition, Form, Returns, integer};
use crate::integers::{self, Integers};
use crate::value::points;

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_healpix_center",
    known_as: "ivo_healpix_center",
    audience: Audience::Users,
    summary: "The centre of a HEALPix cell.",
    missing: "NULL if any argument is NULL. A constant order outside 0 to 29 or a constant index of no cell of a constant \
              order is an error; from columns they give NULL. An index with a fraction is an error.",
    example: "SELECT objectId, ivo_healpix_center(10, ivo_healpix_index(10, ra, decl)) AS center FROM Object",
    forms: &[Form::fixed(&[ORDER, integer("hpxIndex", "index of the cell in the NESTED numbering")])],
    returns: Returns::Point,
    unit: Some("deg"),
    ucd: Some("pos"),
    body: Body::Values { check, evaluate },
};

fn check(constants: &[Option<ScalarValue>]) -> Result<()> {
    check_order(constants)?;
    let [Some(order), Some(index)] = constants else { return Ok(()) };
    match (integers::constant(order), integers::constant(index)) {
        (Some(order), Some(index)) if center(order, index).is_none() => {
            Err(Error::invalid(format!("there is no HEALPix cell {index} of order {order}")))
        }
        _ => Ok(()),
    }
}

fn center(order: i64, index: i64) -> Option<Position> {
    healpix_center(order_of(order)?, u64::try_from(index).ok()?)
}

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [orders, indices] = arguments else { return Err(wrong_arguments()) };
    let (orders, indices) = (Integers::new(orders)?, Integers::new(indices)?);
    Ok(points(rows, |row| center(orders.at(row)?, indices.at(row)?)))
}
