//! `qserv_contains_shape`: ADQL's `CONTAINS(POINT(..), shape)` for a shape that is a value or a text.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::sky::Shape;
use qserv_core::{Error, Result};

use super::{Shapes, check_shapes, missing_in_a_shape, wrong_arguments};
use crate::definition::{Audience, Body, Definition, Form, LAT, LON, Returns, check_latitude, shape};
use crate::numbers::{self, Numbers};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_contains_shape",
    known_as: "CONTAINS",
    audience: Audience::Translation,
    summary: "Whether a position lies in a shape: a geometry value, a region in words (STC-S), or a coverage map. Its \
              boundary belongs to it.",
    missing: missing_in_a_shape!(),
    example: "SELECT objectId FROM Object WHERE qserv_contains_shape(ra, decl, 'Circle ICRS 10 -5 0.5')",
    forms: &[Form::fixed(&[LON, LAT, shape("shape", "a geometry")])],
    returns: Returns::Boolean,
    unit: None,
    ucd: None,
    body: Body::Values { check, evaluate },
};

fn check(constants: &[Option<ScalarValue>]) -> Result<()> {
    let latitude = constants.get(1).and_then(Option::as_ref);
    check_latitude(latitude.and_then(|scalar| numbers::constant(scalar).ok().flatten()))?;
    check_shapes(constants.get(2..).unwrap_or_default())
}

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [lon, lat, shape] = arguments else { return Err(wrong_arguments()) };
    let number = |argument| Numbers::new(argument).map_err(|_| Error::internal("a position that is no number"));
    let (lon, lat) = (number(lon)?, number(lat)?);
    let missing = numbers::missing(&[lon.clone(), lat.clone()], rows);
    let is_missing = |row| missing.as_ref().is_some_and(|missing| missing.is_null(row));
    let shapes = Shapes::new(shape)?;
    let region = match &shapes {
        Shapes::Constant(Some(Shape::Region(region))) => Some(region.clone()),
        _ => None,
    };
    let inside = (0..rows).map(|row| {
        if is_missing(row) {
            return None;
        }
        let (lon, lat) = (lon.value(row), lat.value(row));
        match (&region, shapes.borrowed(row)) {
            (Some(region), _) => Some(region.contains(lon, lat)),
            (None, Some(shape)) => {
                Some(Shape::point(lon, lat).is_ok_and(|position| shape.contains(&position).unwrap_or(false)))
            }
            (None, None) => None,
        }
    });
    Ok(Arc::new(inside.collect::<BooleanArray>()))
}
