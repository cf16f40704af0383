//! Geometry values: lists of doubles with the order and the meaning of DALI 1.1 §3.3, named by the field's `xtype`.

mod r#box;
mod circle;
mod coord1;
mod coord2;
mod point;
mod polygon;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};

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
    lists_of(values, numbers, rows)
}

/// Lists of equal length over all rows from their values one after the other; NULL where any argument is.
fn lists_of(values: Vec<f64>, numbers: &[Numbers], rows: usize) -> ArrayRef {
    let length = values.len().checked_div(rows).unwrap_or(0);
    Arc::new(ListArray::new(
        Field::new_list_field(DataType::Float64, true).into(),
        OffsetBuffer::from_repeated_length(length, rows),
        Arc::new(Float64Array::from(values)),
        missing(numbers, rows),
    ))
}

/// The constants, if every argument is one and none is NULL.
fn all_constant(constants: &[Option<f64>]) -> Option<Vec<f64>> {
    constants.iter().copied().collect()
}
