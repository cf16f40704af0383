//! `qserv_round`: ADQL's `ROUND`.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::Result;

use super::decimals::{self, Direction, missing_in_rounding};
use crate::definition::{Audience, Body, Definition, Form, Returns, integer, numeric};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_round",
    known_as: "ROUND",
    audience: Audience::Translation,
    summary: "A number rounded to so many decimal places. Half-way cases go away from zero, and a number is half-way if \
              its shortest decimal form is: 1.005 becomes 1.01. Whole numbers stay whole.",
    missing: missing_in_rounding!(),
    example: "SELECT objectId, qserv_round(ra, 1) AS rounded FROM Object",
    forms: FORMS,
    returns: Returns::Numeric,
    unit: None,
    ucd: None,
    body: Body::Values { check, evaluate },
};

/// The arguments of both functions.
pub(super) const FORMS: &[Form] = &[
    Form::fixed(&[numeric("x", "the number")]),
    Form::fixed(&[
        numeric("x", "the number"),
        integer("n", "how many decimal places are kept; with -1 tens, and so on"),
    ]),
];

fn check(constants: &[Option<ScalarValue>]) -> Result<()> {
    decimals::check(constants, Direction::Nearest)
}

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    decimals::evaluate(arguments, rows, Direction::Nearest)
}
