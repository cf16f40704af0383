//! `qserv_random`: ADQL's `RAND`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, integer};
use crate::integers::Integers;
use crate::sequence::{Sequence, key_of, uniform};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_random",
    known_as: "RAND",
    audience: Audience::Translation,
    summary: "A random number, at least 0 and below 1, another one in each row. Without a seed the numbers are others each \
              time. With a seed the numbers follow from the seed and the row: the same row gets the same number in \
              each query, however the work is shared among threads and workers, and a call with another seed gives \
              another one. A row is told from others by its table's primary key or director's key, those of all \
              tables of a join, and the keys of GROUP BY; where there are none, by its first 16 columns, so that \
              rows that are the same there may get the same number.",
    missing: "NULL if the seed is NULL.",
    example: "SELECT objectId, qserv_random(42) AS lot FROM Object",
    forms: &[Form::fixed(&[]), Form::fixed(&[integer("seed", "the sequence's seed")])],
    returns: Returns::Double,
    unit: None,
    ucd: None,
    body: Body::Random { check: check_nothing, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize, sequence: &Sequence) -> Result<ArrayRef> {
    let Some(seeds) = arguments.first() else {
        let key = rand::random();
        let numbers: Vec<f64> = (0_u64..).take(rows).map(|place| uniform(key, place)).collect();
        return Ok(Arc::new(Float64Array::from(numbers)));
    };
    let first = sequence.take(rows);
    if let Integers::Constant(Some(seed)) = Integers::new(seeds)? {
        let key = key_of(seed);
        let numbers: Vec<f64> = (first..).take(rows).map(|place| uniform(key, place)).collect();
        return Ok(Arc::new(Float64Array::from(numbers)));
    }
    let seeds = Integers::new(seeds)?;
    let places = (first..).take(rows).zip(0..);
    let numbers = places.map(|(place, row)| seeds.at(row).map(|seed| uniform(key_of(seed), place)));
    Ok(Arc::new(numbers.collect::<Float64Array>()))
}
