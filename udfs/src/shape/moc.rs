//! `qserv_moc`, `qserv_moc_of`: coverage maps.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::sky::{Moc, Region, Shape};
use qserv_core::{Error, Result};

use super::{Shapes, check_shapes, missing_in_a_shape, text_at, wrong_arguments};
use crate::definition::{Audience, Body, Definition, Form, Returns, integer, shape, text};

pub(crate) const OF_SHAPE: Definition = Definition {
    name: "qserv_moc",
    known_as: "MOC",
    audience: Audience::Translation,
    summary: "The coverage map of a shape at an order, as text (MOC 2.0, ASCII).",
    missing: missing_in_a_shape!(),
    example: "SELECT qserv_moc(6, qserv_circle(10.0, -5.0, 1.0)) AS map FROM Object",
    forms: &[Form::fixed(&[integer("order", "order of the map's cells, 0 to 29"), shape("shape", "a geometry")])],
    returns: Returns::Text,
    unit: None,
    ucd: None,
    body: Body::Values { check: check_order_and_shape, evaluate: of_shape },
};

pub(crate) const OF_TEXT: Definition = Definition {
    name: "qserv_moc_of",
    known_as: "MOC",
    audience: Audience::Translation,
    summary: "A coverage map of its text, in the fewest cells.",
    missing: "NULL if the text is NULL. A text that is no coverage map is an error.",
    example: "SELECT objectId FROM Object WHERE qserv_contains_shape(ra, decl, qserv_moc_of('0/4'))",
    forms: &[Form::fixed(&[text("text", "a map in the ASCII form of MOC 2.0")])],
    returns: Returns::Text,
    unit: None,
    ucd: None,
    body: Body::Values { check: check_text, evaluate: of_text },
};

fn check_order_and_shape(constants: &[Option<ScalarValue>]) -> Result<()> {
    if let Some(Some(ScalarValue::Int64(Some(order)))) = constants.first() {
        order_of(*order)?;
    }
    check_shapes(constants.get(1..).unwrap_or_default())
}

fn order_of(order: i64) -> Result<u8> {
    u8::try_from(order)
        .ok()
        .filter(|order| *order <= 29)
        .ok_or_else(|| Error::invalid(format!("the order of a MOC is 0 to 29, not {order}")))
}

fn of_shape(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [orders, shapes] = arguments else { return Err(wrong_arguments()) };
    let shapes = Shapes::new(shapes)?;
    let order_at = |row: usize| match orders {
        ColumnarValue::Scalar(ScalarValue::Int64(order)) => *order,
        ColumnarValue::Scalar(_) => None,
        ColumnarValue::Array(array) => {
            let orders = array.as_primitive_opt::<Int64Type>()?;
            (row < orders.len() && orders.is_valid(row)).then(|| orders.value(row))
        }
    };
    let maps = (0..rows).map(|row| match (order_at(row), shapes.borrowed(row)) {
        (Some(order), Some(shape)) => {
            let order = order_of(order)?;
            let map = match shape.as_ref() {
                Shape::Point(position) => Moc::of_position(order, *position)?,
                Shape::Region(region) => Moc::of_region(order, region)?,
            };
            Ok(Some(map.to_string()))
        }
        _ => Ok(None),
    });
    Ok(Arc::new(maps.collect::<Result<StringArray>>()?))
}

fn check_text(constants: &[Option<ScalarValue>]) -> Result<()> {
    constants.iter().flatten().try_for_each(|constant| match constant {
        ScalarValue::Utf8(Some(text)) => map_of(text).map(drop),
        _ => Ok(()),
    })
}

fn of_text(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [argument] = arguments else { return Err(wrong_arguments()) };
    let maps = (0..rows).map(|row| text_at(argument, row).map(map_of).transpose());
    Ok(Arc::new(maps.collect::<Result<StringArray>>()?))
}

fn map_of(text: &str) -> Result<String> {
    match Shape::from_text(text) {
        Ok(Shape::Region(Region::Moc(map))) => Ok(map.to_string()),
        Ok(_) => Err(Error::invalid("this text is a region, and no coverage map").with("text", text)),
        Err(error) => Err(error),
    }
}
