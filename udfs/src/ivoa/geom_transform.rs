//! `ivo_geom_transform`: a geometry in another reference frame.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBufferBuilder, Float64Array, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::sky::{Frame, Position};
use qserv_core::{Error, Result};

use super::wrong_arguments;
use crate::definition::{Audience, Body, Definition, Form, Returns, shape, text};
use crate::shape::{self, Shapes, lists};
use crate::texts::{self, Texts};

/// Frames by their names in the IVOA's vocabulary refframe. Names in other letter cases are none: so says the note.
const FRAMES: &[(&str, Frame)] = &[
    ("ICRS", Frame::Icrs),
    ("FK5", Frame::Fk5),
    ("FK4", Frame::Fk4),
    ("GALACTIC", Frame::Galactic),
    ("ECLIPTIC", Frame::Ecliptic),
];

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_geom_transform",
    known_as: "ivo_geom_transform",
    audience: Audience::Users,
    summary: "A geometry in another reference frame, by a rotation of its centre or its corners. The frames are ICRS, FK5 \
              (J2000), FK4 (B1950, without the terms of elliptic aberration), GALACTIC and ECLIPTIC (J2000), in capitals. \
              FK5 is turned against ICRS by 0.02 arc seconds, which an example of the catalogue leaves out.",
    missing: "NULL if any argument is NULL. A constant that is no geometry or no frame is an error; from columns they \
              give NULL.",
    example: "SELECT ivo_geom_transform('ICRS', 'GALACTIC', qserv_point(ra, decl)) AS place FROM Object",
    forms: &[Form::fixed(&[
        text("from_sys", "the frame that the geometry is given in"),
        text("to_sys", "the frame that it is wanted in"),
        shape("geo", "a point, a circle or a polygon"),
    ])],
    returns: Returns::Shape,
    unit: Some("deg"),
    ucd: None,
    body: Body::Values { check, evaluate },
};

fn check(constants: &[Option<ScalarValue>]) -> Result<()> {
    let frame_at = |index: usize| {
        let name = constants.get(index).and_then(Option::as_ref).and_then(texts::constant);
        name.map(|name| frame_of(name).ok_or_else(|| unknown(name))).transpose()
    };
    let frames = (frame_at(0)?, frame_at(1)?);
    let Some(geometry) = constants.get(2).and_then(Option::as_ref) else { return Ok(()) };
    let geometry = shape::constant(geometry)?;
    let ((Some(from), Some(to)), Some(geometry)) = (frames, geometry) else { return Ok(()) };
    match geometry.rotate(from, to)?.to_dali() {
        Some(_) => Ok(()),
        None => Err(Error::invalid("only points, circles and polygons can be transformed")),
    }
}

fn frame_of(name: &str) -> Option<Frame> {
    FRAMES.iter().find(|(known, _)| *known == name).map(|(_, frame)| *frame)
}

fn unknown(name: &str) -> Error {
    let name: String = name.chars().take(40).collect();
    let known: Vec<&str> = FRAMES.iter().map(|(known, _)| *known).collect();
    let known = known.join(", ");
    Error::invalid(format!("unknown reference frame \"{name}\": the frames are {known}, in capitals"))
}

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [from, to, geometry] = arguments else { return Err(wrong_arguments()) };
    let (from, to) = (Texts::new(from)?, Texts::new(to)?);
    let frames_at = |row| Some((frame_of(from.at(row)?)?, frame_of(to.at(row)?)?));
    let shapes = Shapes::new(geometry)?;
    if let Shapes::Lists(column) = &shapes {
        return Ok(Arc::new(rotated(column, rows, frames_at)));
    }
    let moved = |row| {
        let (from, to) = frames_at(row)?;
        shapes.borrowed(row)?.rotate(from, to).ok()?.to_dali()
    };
    Ok(lists((0..rows).map(moved).collect()))
}

/// Geometry values as they are stored, without making shapes of them: their positions are moved in place.
fn rotated(column: &ListArray, rows: usize, frames_at: impl Fn(usize) -> Option<(Frame, Frame)>) -> ListArray {
    let values = column.values().as_primitive::<Float64Type>();
    let mut moved = Vec::with_capacity(values.len());
    let mut lengths = Vec::with_capacity(rows);
    let mut present = BooleanBufferBuilder::new(rows);
    for row in 0..rows {
        let start = moved.len();
        let is_moved = numbers_of(column, values, row)
            .zip(frames_at(row))
            .is_some_and(|(numbers, (from, to))| rotate_into(&mut moved, numbers, from, to).is_some());
        if !is_moved {
            moved.truncate(start);
        }
        lengths.push(moved.len() - start);
        present.append(is_moved);
    }
    ListArray::new(
        Field::new_list_field(DataType::Float64, true).into(),
        OffsetBuffer::from_lengths(lengths),
        Arc::new(Float64Array::from(moved)),
        Some(NullBuffer::new(present.finish())),
    )
}

/// The numbers of a row's geometry; `None` for NULL.
fn numbers_of<'a>(column: &ListArray, values: &'a Float64Array, row: usize) -> Option<&'a [f64]> {
    let bound = |index: usize| usize::try_from(*column.value_offsets().get(index)?).ok();
    let range = bound(row)?..bound(row + 1)?;
    let is_whole = values.null_count() == 0 || range.clone().all(|index| values.is_valid(index));
    (column.is_valid(row) && is_whole).then(|| values.values().get(range)).flatten()
}

/// Adds a geometry's numbers with its positions moved; `None`, with some of them added, for what is no geometry.
fn rotate_into(moved: &mut Vec<f64>, numbers: &[f64], from: Frame, to: Frame) -> Option<()> {
    let (positions, radius) = match numbers {
        [_, _] => (numbers, None),
        [position @ .., radius] if position.len() == 2 => (position, (*radius >= 0.0).then_some(*radius)),
        _ if numbers.len() >= 6 && numbers.len().is_multiple_of(2) => (numbers, None),
        _ => return None,
    };
    for &[lon, lat] in positions.as_chunks::<2>().0 {
        let position = from.rotate(to, Position::new(lon, lat).ok()?);
        moved.extend([position.lon_deg(), position.lat_deg()]);
    }
    moved.extend(radius);
    // A circle whose radius is none.
    (numbers.len() != 3 || radius.is_some()).then_some(())
}
