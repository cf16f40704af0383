//! `ivo_interval_overlaps`: whether two intervals have a number in common.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use super::wrong_arguments;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, numeric};
use crate::integers::Integers;
use crate::numbers::of_argument;

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_interval_overlaps",
    known_as: "ivo_interval_overlaps",
    audience: Audience::Users,
    summary: "1 if two intervals have a number in common, their bounds included, else 0. An interval whose lower bound is \
              above its upper bound is empty. Whole numbers are compared as they are.",
    missing: "NULL if any argument is NULL or NaN.",
    example: "SELECT objectId, ivo_interval_overlaps(ra, ra + 1, 10, 20) AS overlaps FROM Object",
    forms: &[Form::fixed(&[
        numeric("a1", "lower bound of the first interval"),
        numeric("b1", "upper bound of the first interval"),
        numeric("a2", "lower bound of the second interval"),
        numeric("b2", "upper bound of the second interval"),
    ])],
    returns: Returns::Integer,
    unit: None,
    ucd: None,
    body: Body::Values { check: check_nothing, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [a1, b1, a2, b2] = arguments else { return Err(wrong_arguments()) };
    let bounds = [a1, b1, a2, b2];
    if bounds.iter().all(|bound| bound.data_type() == DataType::Int64) {
        let [a1, b1, a2, b2] = [Integers::new(a1)?, Integers::new(b1)?, Integers::new(a2)?, Integers::new(b2)?];
        let found = |row| Some(overlap(a1.at(row)?, b1.at(row)?, a2.at(row)?, b2.at(row)?));
        return Ok(Arc::new((0..rows).map(found).collect::<Int32Array>()));
    }
    let [a1, b1, a2, b2] = [of_argument(a1)?, of_argument(b1)?, of_argument(a2)?, of_argument(b2)?];
    let found = |row| Some(overlap(a1.known(row)?, b1.known(row)?, a2.known(row)?, b2.known(row)?));
    Ok(Arc::new((0..rows).map(found).collect::<Int32Array>()))
}

fn overlap<T: PartialOrd>(a1: T, b1: T, a2: T, b2: T) -> i32 {
    i32::from(a1 <= b1 && a2 <= b2 && a1 <= b2 && a2 <= b1)
}
