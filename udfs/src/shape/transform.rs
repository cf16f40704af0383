//! `qserv_transform`, `qserv_transform_lon`, `qserv_transform_lat`: geometries in another coordinate system.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::Result;
use qserv_core::sky::{Frame, Position};

use super::{Shapes, check_shapes, lists, missing_in_a_shape, text_at, wrong_arguments};
use crate::definition::{Argument, Audience, Body, Definition, Form, LAT, LON, Returns, shape, text};
use crate::numbers::of_argument;

const FROM: Argument = text("from", "the system it is given in: ICRS, FK5, FK4, GALACTIC or ECLIPTIC");
const TO: Argument = text("to", "the system it is wanted in");

pub(crate) const SHAPE: Definition = Definition {
    name: "qserv_transform",
    known_as: "the coordinate system of a geometry",
    audience: Audience::Translation,
    summary: "A geometry in another coordinate system, by its centre or its corners.",
    missing: missing_in_a_shape!(),
    example: "SELECT qserv_transform(qserv_point(ra, decl), 'ICRS', 'GALACTIC') AS place FROM Object",
    forms: &[Form::fixed(&[shape("shape", "a geometry"), FROM, TO])],
    returns: Returns::Shape,
    unit: Some("deg"),
    ucd: None,
    body: Body::Values { check: check_shape, evaluate: evaluate_shape },
};

pub(crate) const LONGITUDE: Definition = Definition {
    name: "qserv_transform_lon",
    known_as: "the coordinate system of a geometry",
    audience: Audience::Translation,
    summary: "The longitude of a position in another coordinate system, in degrees.",
    missing: "NULL if any argument is NULL or the position cannot be.",
    example: "SELECT qserv_transform_lon(ra, decl, 'ICRS', 'GALACTIC') AS l FROM Object",
    forms: &[Form::fixed(&[LON, LAT, FROM, TO])],
    returns: Returns::Double,
    unit: Some("deg"),
    ucd: None,
    body: Body::Values {
        check: check_frames,
        evaluate: |arguments, rows| coordinate(arguments, rows, Position::lon_deg),
    },
};

pub(crate) const LATITUDE: Definition = Definition {
    name: "qserv_transform_lat",
    summary: "The latitude of a position in another coordinate system, in degrees.",
    example: "SELECT qserv_transform_lat(ra, decl, 'ICRS', 'GALACTIC') AS b FROM Object",
    body: Body::Values {
        check: check_frames,
        evaluate: |arguments, rows| coordinate(arguments, rows, Position::lat_deg),
    },
    ..LONGITUDE
};

fn check_shape(constants: &[Option<ScalarValue>]) -> Result<()> {
    check_shapes(constants.get(..1).unwrap_or_default())?;
    check_frames(constants)
}

fn check_frames(constants: &[Option<ScalarValue>]) -> Result<()> {
    constants.iter().rev().take(2).flatten().try_for_each(|constant| match constant {
        ScalarValue::Utf8(Some(name)) => Frame::parse(name).map(drop),
        _ => Ok(()),
    })
}

/// The systems of a row; `None` if one is NULL.
fn frames(from: &ColumnarValue, to: &ColumnarValue, row: usize) -> Result<Option<(Frame, Frame)>> {
    match (text_at(from, row), text_at(to, row)) {
        (Some(from), Some(to)) => Ok(Some((Frame::parse(from)?, Frame::parse(to)?))),
        _ => Ok(None),
    }
}

fn evaluate_shape(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [shape, from, to] = arguments else { return Err(wrong_arguments()) };
    let shapes = Shapes::new(shape)?;
    let moved = (0..rows).map(|row| match (frames(from, to, row)?, shapes.borrowed(row)) {
        (Some((from, to)), Some(shape)) => Ok(shape.transform(from, to)?.to_dali()),
        _ => Ok(None),
    });
    Ok(lists(moved.collect::<Result<_>>()?))
}

fn coordinate(arguments: &[ColumnarValue], rows: usize, pick: fn(Position) -> f64) -> Result<ArrayRef> {
    let [lon, lat, from, to] = arguments else { return Err(wrong_arguments()) };
    let (lon, lat) = (of_argument(lon)?, of_argument(lat)?);
    let missing = crate::numbers::missing(&[lon.clone(), lat.clone()], rows);
    let values = (0..rows).map(|row| {
        if missing.as_ref().is_some_and(|missing| missing.is_null(row)) {
            return Ok(None);
        }
        let Some((from, to)) = frames(from, to, row)? else { return Ok(None) };
        Ok(Position::new(lon.value(row), lat.value(row)).ok().map(|position| pick(from.transform(to, position))))
    });
    Ok(Arc::new(values.collect::<Result<Float64Array>>()?))
}
