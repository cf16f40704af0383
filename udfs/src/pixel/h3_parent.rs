//! `h3_parent`: the coarser H3 cell that a cell belongs to.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::{Error, Result};

use super::{cell, check_cell, h3_order, integer_at, number_of, wrong_arguments};
use crate::definition::{Audience, Body, Definition, Form, Returns, integer};
use crate::integers::Integers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "h3_parent",
    known_as: "h3_parent",
    audience: Audience::Users,
    summary: "The H3 cell of a coarser order that a cell belongs to. Cells stick out of their parents: the parent of a \
              position's cell is not always the coarser cell in which the position lies. The chunks of a database that \
              is partitioned by H3 are the parents of the cells of order 12.",
    missing: "NULL if any argument is NULL. A constant that is no H3 cell, or no order of its parents, is an error; one \
              from a column gives NULL.",
    example: "SELECT objectId, h3_parent(h3_cell(12, ra, decl), 1) AS chunk FROM Object",
    forms: &[Form::fixed(&[
        integer("cell", "an H3 cell, as h3_cell gives it"),
        integer("order", "order of the parent, 0 to that of the cell"),
    ])],
    returns: Returns::BigInt,
    unit: None,
    ucd: Some("pos"),
    body: Body::Values { check, evaluate },
};

fn check(constants: &[Option<ScalarValue>]) -> Result<()> {
    check_cell(constants)?;
    let Some(order) = integer_at(constants, 1) else { return Ok(()) };
    h3_order(order)?;
    match integer_at(constants, 0) {
        Some(number) => parent(number, order).map(drop),
        None => Ok(()),
    }
}

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [cells, orders] = arguments else { return Err(wrong_arguments()) };
    let (cells, orders) = (Integers::new(cells)?, Integers::new(orders)?);
    let parent = |row: usize| parent(cells.at(row)?, orders.at(row)?).ok();
    Ok(Arc::new((0..rows).map(parent).collect::<Int64Array>()))
}

fn parent(number: i64, order: i64) -> Result<i64> {
    let parent = cell(number)?.parent(h3_order(order)?);
    parent.map(number_of).ok_or_else(|| Error::invalid(format!("the H3 cell {number} is coarser than order {order}")))
}
