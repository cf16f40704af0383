//! `h3_center`: the centre of an H3 cell.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use h3o::LatLng;
use qserv_core::Result;
use qserv_core::sky::Position;

use super::{cell, check_cell, wrong_arguments};
use crate::definition::{Audience, Body, Definition, Form, Returns, integer};
use crate::integers::Integers;
use crate::value::points;

pub(crate) const DEFINITION: Definition = Definition {
    name: "h3_center",
    known_as: "h3_center",
    audience: Audience::Users,
    summary: "The centre of an H3 cell.",
    missing: "NULL for a NULL. A constant that is no H3 cell is an error; one from a column gives NULL.",
    example: "SELECT objectId, h3_center(h3_cell(9, ra, decl)) AS center FROM Object",
    forms: &[Form::fixed(&[integer("cell", "an H3 cell, as h3_cell gives it")])],
    returns: Returns::Point,
    unit: Some("deg"),
    ucd: Some("pos"),
    body: Body::Values { check: check_cell, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [cells] = arguments else { return Err(wrong_arguments()) };
    let cells = Integers::new(cells)?;
    Ok(points(rows, |row| {
        let center = LatLng::from(cell(cells.at(row)?).ok()?);
        Position::new(center.lng(), center.lat()).ok()
    }))
}
