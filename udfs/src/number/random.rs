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
              time. With a seed the numbers are those of the seed's sequence, and each call in each query begins it anew: \
              the first row that the call sees gets the first number. Where rows come in one stream the same query thus \
              gives the same numbers; rows that threads of one process take in turns share one sequence, so that no \
              number comes twice but which row gets which is open; and each worker's part of a distributed query begins \
              the sequence anew.",
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
