//! Functions of pixels on the sky: H3's cells and HEALPix's neighbours.
//!
//! H3's cells here are those of the H3 library itself. Where a database is partitioned by H3, a chunk is the *parent* of a
//! fine cell instead (see `qserv_core::partition::H3`): `h3_parent(h3_cell(12, lon, lat), order)`.

mod h3_cell;
mod h3_center;
mod h3_neighbours;
mod h3_parent;
mod healpix_neighbours;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};
use datafusion::scalar::ScalarValue;
use h3o::{CellIndex, Resolution};
use qserv_core::{Error, Result};

use crate::definition::Definition;
use crate::integers::constant;

/// In the order of the manual.
pub(crate) const DEFINITIONS: &[&Definition] = &[
    &healpix_neighbours::DEFINITION,
    &h3_cell::DEFINITION,
    &h3_center::DEFINITION,
    &h3_parent::DEFINITION,
    &h3_neighbours::DEFINITION,
];

/// What a cell is that is not one.
fn cell(number: i64) -> Result<CellIndex> {
    let cell = u64::try_from(number).ok().and_then(|number| CellIndex::try_from(number).ok());
    cell.ok_or_else(|| Error::invalid(format!("there is no H3 cell {number}")))
}

/// H3's own number of a cell: always below 2^63.
fn number_of(cell: CellIndex) -> i64 {
    i64::try_from(u64::from(cell)).unwrap_or(i64::MAX)
}

fn h3_order(order: i64) -> Result<Resolution> {
    let order = u8::try_from(order).ok().and_then(|order| Resolution::try_from(order).ok());
    order.ok_or_else(|| Error::invalid("the order of an H3 cell is 0 to 15"))
}

/// Refuses a constant that is no H3 cell, for functions whose first argument is one.
fn check_cell(constants: &[Option<ScalarValue>]) -> Result<()> {
    match integer_at(constants, 0) {
        Some(number) => cell(number).map(drop),
        None => Ok(()),
    }
}

/// A constant argument that is a whole number; `None` for a column or NULL.
fn integer_at(constants: &[Option<ScalarValue>], index: usize) -> Option<i64> {
    constants.get(index)?.as_ref().and_then(constant)
}

/// Lists of whole numbers in ascending order over all rows. `append` adds those of a row, or says that it has none.
fn lists(rows: usize, mut append: impl FnMut(usize, &mut Vec<i64>) -> Option<()>) -> Result<ArrayRef> {
    let mut numbers = Vec::new();
    let mut ends = Vec::with_capacity(rows + 1);
    ends.push(0);
    let mut present = Vec::with_capacity(rows);
    for row in 0..rows {
        let start = numbers.len();
        let is_list = append(row, &mut numbers).is_some();
        if !is_list {
            numbers.truncate(start);
        }
        if let Some(list) = numbers.get_mut(start..) {
            list.sort_unstable();
        }
        present.push(is_list);
        ends.push(i32::try_from(numbers.len()).map_err(|_| Error::limit("too many neighbours in one batch of rows"))?);
    }
    Ok(Arc::new(ListArray::new(
        Field::new_list_field(DataType::Int64, true).into(),
        OffsetBuffer::new(ends.into()),
        Arc::new(Int64Array::from(numbers)),
        Some(NullBuffer::from(present)),
    )))
}

/// The error of a call with another number of arguments. They are checked before anything is evaluated.
fn wrong_arguments() -> Error {
    Error::internal("a pixel function with a wrong number of arguments")
}
