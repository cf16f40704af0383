//! `qserv_centroid`: ADQL's `CENTROID`.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use super::{Shapes, check_shapes, lists, wrong_arguments};
use crate::definition::{Audience, Body, Definition, Form, Returns, shape};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_centroid",
    known_as: "CENTROID",
    audience: Audience::Translation,
    summary: "The point in which a shape would balance: the mean direction of its area.",
    missing: "NULL if the argument is NULL, and for what has no centroid (the whole sky, an empty map). A constant that is \
              no shape is an error; one from a column gives NULL.",
    example: "SELECT qserv_centroid(qserv_polygon(9.0, -6.0, 11.0, -6.0, 10.0, -4.0)) AS middle FROM Object",
    forms: &[Form::fixed(&[shape("shape", "a geometry")])],
    returns: Returns::Point,
    unit: Some("deg"),
    ucd: Some("pos"),
    body: Body::Values { check: check_shapes, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [shape] = arguments else { return Err(wrong_arguments()) };
    let centroids = Shapes::new(shape)?
        .each(rows, |shape| shape.centroid().map(|centroid| vec![centroid.lon_deg(), centroid.lat_deg()]));
    Ok(lists(centroids))
}
