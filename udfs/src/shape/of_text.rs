//! `qserv_point_of`, `qserv_circle_of`, `qserv_polygon_of`: geometry values from text.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::sky::{Region, Shape, dali_numbers};
use qserv_core::{Error, Result};

use super::{lists, text_at, wrong_arguments};
use crate::definition::{Audience, Body, Definition, Form, Returns, text};

const MISSING: &str = "NULL if the text is NULL. A text that says no such shape is an error.";
const FORMS: &[Form] =
    &[Form::fixed(&[text("text", "numbers in degrees in the order of DALI, or a region in words (STC-S)")])];

pub(crate) const POINT: Definition = Definition {
    name: "qserv_point_of",
    known_as: "POINT",
    audience: Audience::Translation,
    summary: "The point that a text says, in ICRS.",
    missing: MISSING,
    example: "SELECT qserv_point_of('Position GALACTIC 120 -5') AS place FROM Object",
    forms: FORMS,
    returns: Returns::Point,
    unit: Some("deg"),
    ucd: Some("pos"),
    body: Body::Values {
        check: |constants| check(constants, Returns::Point),
        evaluate: |arguments, rows| evaluate(arguments, rows, Returns::Point),
    },
};

pub(crate) const CIRCLE: Definition = Definition {
    name: "qserv_circle_of",
    known_as: "CIRCLE",
    summary: "The circle that a text says, in ICRS.",
    example: "SELECT qserv_circle_of('Circle ICRS 10 -5 0.5') AS field FROM Object",
    returns: Returns::Circle,
    ucd: Some("pos.outline"),
    body: Body::Values {
        check: |constants| check(constants, Returns::Circle),
        evaluate: |arguments, rows| evaluate(arguments, rows, Returns::Circle),
    },
    ..POINT
};

pub(crate) const POLYGON: Definition = Definition {
    name: "qserv_polygon_of",
    known_as: "POLYGON",
    summary: "The polygon that a text says, in ICRS; a box is the polygon of its corners.",
    example: "SELECT qserv_polygon_of('9 -6 11 -6 10 -4') AS field FROM Object",
    returns: Returns::Polygon,
    ucd: Some("pos.outline"),
    body: Body::Values {
        check: |constants| check(constants, Returns::Polygon),
        evaluate: |arguments, rows| evaluate(arguments, rows, Returns::Polygon),
    },
    ..POINT
};

fn check(constants: &[Option<ScalarValue>], wanted: Returns) -> Result<()> {
    constants.iter().flatten().try_for_each(|constant| match constant {
        ScalarValue::Utf8(Some(text)) => numbers_of(text, wanted).map(drop),
        _ => Ok(()),
    })
}

fn evaluate(arguments: &[ColumnarValue], rows: usize, wanted: Returns) -> Result<ArrayRef> {
    let [argument] = arguments else { return Err(wrong_arguments()) };
    let values = (0..rows).map(|row| text_at(argument, row).map(|text| numbers_of(text, wanted)).transpose());
    Ok(lists(values.collect::<Result<_>>()?))
}

/// The numbers of the shape that a text says.
fn numbers_of(text: &str, wanted: Returns) -> Result<Vec<f64>> {
    let is_numbers = text.trim_start().starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    let shape = if is_numbers { Shape::from_dali(&dali_numbers(text)?)? } else { Shape::from_text(text)? };
    let fits = matches!(
        (&shape, wanted),
        (Shape::Point(_), Returns::Point)
            | (Shape::Region(Region::Cone(_)), Returns::Circle)
            | (Shape::Region(Region::Polygon(_)), Returns::Polygon)
    );
    let numbers = if fits { shape.to_dali() } else { None };
    let kind = wanted.type_name();
    numbers.ok_or_else(|| Error::invalid(format!("the text says no {kind}")).with("text", text))
}
