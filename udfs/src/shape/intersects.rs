//! `qserv_intersects`: ADQL's `INTERSECTS` of any two shapes.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use super::{check_shapes, missing_in_a_shape, relation};
use crate::definition::{Audience, Body, Definition, Form, Returns, shape};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_intersects",
    known_as: "INTERSECTS",
    audience: Audience::Translation,
    summary: "Whether two shapes have a position in common. Boundaries belong to the shapes.",
    missing: missing_in_a_shape!(),
    example: "SELECT objectId FROM Object WHERE qserv_intersects(qserv_circle(ra, decl, 0.01), qserv_circle(10.0, -5.0, 1.0))",
    forms: &[Form::fixed(&[shape("one", "a geometry"), shape("two", "a geometry")])],
    returns: Returns::Boolean,
    unit: None,
    ucd: None,
    body: Body::Values { check: check_shapes, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    relation(arguments, rows, |one, two| one.intersects(two))
}
