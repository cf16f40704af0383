//! `qserv_truncate`: ADQL's `TRUNCATE`.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use super::decimals::{self, Direction, missing_in_rounding};
use super::round::FORMS;
use crate::definition::{Audience, Body, Definition, Returns, check_nothing};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_truncate",
    known_as: "TRUNCATE",
    audience: Audience::Translation,
    summary: "A number with so many of its decimal places, those of its shortest decimal form: 0.29 to two places is 0.29. \
              Whole numbers stay whole.",
    missing: missing_in_rounding!(),
    example: "SELECT objectId, qserv_truncate(ra, 1) AS truncated FROM Object",
    forms: FORMS,
    returns: Returns::Numeric,
    unit: None,
    ucd: None,
    body: Body::Values { check: check_nothing, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    decimals::evaluate(arguments, rows, Direction::ToZero)
}
