//! `h3_neighbours`: the H3 cells around a cell.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use super::{cell, check_cell, lists, number_of, wrong_arguments};
use crate::definition::{Audience, Body, Definition, Form, Returns, integer};
use crate::integers::Integers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "h3_neighbours",
    known_as: "h3_neighbours",
    audience: Audience::Users,
    summary: "The H3 cells that share an edge with a cell, in ascending order: six, or five around one of the twelve \
              pentagons of an order.",
    missing: "NULL for a NULL. A constant that is no H3 cell is an error; one from a column gives NULL.",
    example: "SELECT objectId, h3_neighbours(h3_cell(9, ra, decl)) AS cells FROM Object",
    forms: &[Form::fixed(&[integer("cell", "an H3 cell, as h3_cell gives it")])],
    returns: Returns::BigInts,
    unit: None,
    ucd: Some("pos"),
    body: Body::Values { check: check_cell, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [cells] = arguments else { return Err(wrong_arguments()) };
    let cells = Integers::new(cells)?;
    lists(rows, |row, neighbours| {
        let cell = cell(cells.at(row)?).ok()?;
        let start = neighbours.len();
        for neighbour in cell.grid_ring_fast(1) {
            match neighbour {
                Some(neighbour) => neighbours.push(number_of(neighbour)),
                // Near a pentagon: the way round that always works.
                None => {
                    neighbours.truncate(start);
                    let disk = cell.grid_disk_safe(1).filter(|neighbour| *neighbour != cell);
                    neighbours.extend(disk.map(number_of));
                    break;
                }
            }
        }
        Some(())
    })
}
