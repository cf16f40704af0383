//! `qserv_area`: ADQL's `AREA`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use super::{Shapes, check_shapes, missing_in_a_shape, wrong_arguments};
use crate::definition::{Audience, Body, Definition, Form, Returns, shape};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_area",
    known_as: "AREA",
    audience: Audience::Translation,
    summary: "The area of a shape in square degrees; 0 for a point.",
    missing: missing_in_a_shape!(),
    example: "SELECT qserv_area(qserv_circle(ra, decl, 0.01)) AS area FROM Object",
    forms: &[Form::fixed(&[shape("shape", "a geometry")])],
    returns: Returns::Double,
    unit: Some("deg**2"),
    ucd: Some("phys.angArea"),
    body: Body::Values { check: check_shapes, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [shape] = arguments else { return Err(wrong_arguments()) };
    let areas = Shapes::new(shape)?.each(rows, |shape| Some(shape.area_square_degrees()));
    Ok(Arc::new(Float64Array::from(areas)))
}
