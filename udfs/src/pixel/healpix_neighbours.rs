//! `healpix_neighbours`: the HEALPix cells around a cell.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::partition::{Cell, Healpix, Pixelization};
use qserv_core::{Error, Result};

use super::{integer_at, lists, wrong_arguments};
use crate::definition::{Audience, Body, Definition, Form, Returns, integer};
use crate::integers::Integers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "healpix_neighbours",
    known_as: "healpix_neighbours",
    audience: Audience::Users,
    summary: "The HEALPix cells (nested) that share an edge or a corner with a cell of the same order, in ascending \
              order: eight, and fewer where base cells meet at a corner of three.",
    missing: "NULL if any argument is NULL. Constants that are no cell (an order outside 0 to 29, or an index outside 0 to \
              12 4^order - 1) are an error; from columns they give NULL.",
    example: "SELECT objectId, healpix_neighbours(10, 1234567) AS cells FROM Object",
    forms: &[Form::fixed(&[
        integer("order", "order of the cells, 0 to 29"),
        integer("index", "number of the cell in the nested scheme"),
    ])],
    returns: Returns::BigInts,
    unit: None,
    ucd: Some("pos.healpix"),
    body: Body::Values { check, evaluate },
};

fn check(constants: &[Option<ScalarValue>]) -> Result<()> {
    match (integer_at(constants, 0), integer_at(constants, 1)) {
        (Some(order), Some(index)) => cell(order, index).map(drop),
        (Some(order), None) => cell(order, 0).map(drop),
        _ => Ok(()),
    }
}

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [orders, indexes] = arguments else { return Err(wrong_arguments()) };
    let (orders, indexes) = (Integers::new(orders)?, Integers::new(indexes)?);
    lists(rows, |row, neighbours| {
        let (order, cell) = cell(orders.at(row)?, indexes.at(row)?).ok()?;
        let around = Healpix.neighbours(order, cell).into_iter();
        neighbours.extend(around.filter_map(|neighbour| i64::try_from(neighbour.0).ok()));
        Some(())
    })
}

fn cell(order: i64, index: i64) -> Result<(u8, Cell)> {
    let finest = Healpix.max_order();
    let order = u8::try_from(order).ok().filter(|order| *order <= finest);
    let order = order.ok_or_else(|| Error::invalid(format!("the order of a HEALPix cell is 0 to {finest}")))?;
    let index = u64::try_from(index).ok().filter(|index| *index < Healpix.cell_count(order));
    match index {
        Some(index) => Ok((order, Cell(index))),
        None => {
            let last = Healpix.cell_count(order) - 1;
            Err(Error::invalid(format!("the HEALPix cells of order {order} are 0 to {last}")))
        }
    }
}
