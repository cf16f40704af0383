//! Geometry values: lists of doubles with the order and the meaning of DALI 1.1 §3.3, named by the field's `xtype`.

mod r#box;
mod circle;
mod coord1;
mod coord2;
mod point;
mod polygon;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBufferBuilder, Float64Array, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};
use qserv_core::sky::Position;

use crate::definition::Definition;
use crate::numbers::{Numbers, missing};

/// In the order of the manual.
pub(crate) const DEFINITIONS: &[&Definition] = &[
    &point::DEFINITION,
    &circle::DEFINITION,
    &r#box::DEFINITION,
    &polygon::DEFINITION,
    &coord1::DEFINITION,
    &coord2::DEFINITION,
];

/// What a value is for missing and impossible values.
macro_rules! missing_in_a_value {
    () => {
        "NULL if any argument is NULL. Constants that make no such shape are an error; values from columns are kept as \
         they are."
    };
}
pub(crate) use missing_in_a_value;

/// A list of the arguments in each row; NULL where any of them is.
fn lists(numbers: &[Numbers], rows: usize) -> ArrayRef {
    let mut values = Vec::with_capacity(rows * numbers.len());
    for row in 0..rows {
        values.extend(numbers.iter().map(|number| number.value(row)));
    }
    lists_of(numbers.len(), rows, values.into(), missing(numbers, rows))
}

/// Lists of so many values over all rows from their values one after the other.
pub(crate) fn lists_of(length: usize, rows: usize, values: Float64Array, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(ListArray::new(
        Field::new_list_field(DataType::Float64, true).into(),
        OffsetBuffer::from_repeated_length(length, rows),
        Arc::new(values),
        nulls,
    ))
}

/// Points of all rows; NULL where there is none.
pub(crate) fn points(rows: usize, at: impl Fn(usize) -> Option<Position>) -> ArrayRef {
    let mut values = Vec::with_capacity(rows * 2);
    let mut present = BooleanBufferBuilder::new(rows);
    for row in 0..rows {
        let position = at(row);
        present.append(position.is_some());
        values.extend(position.map_or([f64::NAN; 2], |position| [position.lon_deg(), position.lat_deg()]));
    }
    lists_of(2, rows, values.into(), Some(NullBuffer::new(present.finish())))
}

/// The constants, if every argument is one and none is NULL.
fn all_constant(constants: &[Option<f64>]) -> Option<Vec<f64>> {
    constants.iter().copied().collect()
}
