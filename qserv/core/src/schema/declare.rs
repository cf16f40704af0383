//! A schema and a layout make a database.

use super::check::{Subject, Violation, violations};
use super::faults::{Faults, Place, nearest};
use super::felis::{FelisSchema, FelisTable};
use super::layout::{Layout, LayoutTable};
use crate::catalog::{Database, DatabaseId, MatchSide, TableKind};
use crate::error::Result;

/// Declares the database that a schema's tables make, spread as the layout says. Tables that the layout leaves out are
/// replicated. Its name is the layout's, else the schema's. Names of tables and columns in the layout may differ from the
/// schema's in letter case; the database has the schema's spelling.
///
/// # Errors
/// `Invalid` with a line `file:line: what is wrong; what to write` for each fault.
pub fn declare(schema: &FelisSchema, layout: &Layout) -> Result<Database> {
    let mut faults = Faults::default();
    let mut tables: Vec<_> = schema.tables.iter().map(|table| table.table.clone()).collect();
    let mut placed: Vec<Option<&LayoutTable>> = vec![None; tables.len()];
    for laid_out in &layout.tables {
        let Some(at) = position_of(&schema.tables, &laid_out.name) else {
            let known = schema.tables.iter().map(|table| table.table.name.as_str());
            let remedy = match nearest(&laid_out.name, known.clone()) {
                Some(word) => format!("write [tables.{word}]"),
                None => "remove it, or declare the table in the schema".to_owned(),
            };
            let message = format!("the schema {} has no table \"{}\"; {remedy}", schema.place.file, laid_out.name);
            faults.add(&layout.place(laid_out.line), message);
            continue;
        };
        if let Some(first) = placed[at] {
            let message = format!("table \"{}\" stands in line {} already; remove one", laid_out.name, first.line);
            faults.add(&layout.place(laid_out.line), message);
            continue;
        }
        tables[at].kind = spelled(&laid_out.kind, &schema.tables, &schema.tables[at]);
        placed[at] = Some(laid_out);
    }
    let database = Database {
        id: DatabaseId(0),
        name: layout.name.clone().unwrap_or_else(|| schema.name.clone()),
        description: layout.description.clone().or_else(|| schema.description.clone()),
        pixelization: layout.pixelization,
        chunk_order: layout.chunk_order,
        overlap_arcsec: layout.overlap_arcsec,
        tables,
        foreign_keys: schema.foreign_keys.clone(),
        examples: Vec::new(),
    };
    for Violation { subject, message } in violations(&database) {
        faults.add(&place_of(&subject, schema, layout, &placed), message);
    }
    faults.into_result()?;
    Ok(database)
}

/// The table of a name: exact letter case first.
fn position_of(tables: &[FelisTable], name: &str) -> Option<usize> {
    tables
        .iter()
        .position(|table| table.table.name == name)
        .or_else(|| tables.iter().position(|table| table.table.name.eq_ignore_ascii_case(name)))
}

/// The kind with the schema's spelling of names; a name that is not there stays as it is, for the checks to find.
fn spelled(kind: &TableKind, tables: &[FelisTable], of: &FelisTable) -> TableKind {
    let table =
        |name: &String| position_of(tables, name).map_or_else(|| name.clone(), |at| tables[at].table.name.clone());
    let column = |name: &String| of.table.column(name).map_or_else(|| name.clone(), |column| column.name.clone());
    let pair = |[longitude, latitude]: &[String; 2]| [column(longitude), column(latitude)];
    let side = |side: &MatchSide| MatchSide { director: table(&side.director), column: column(&side.column) };
    match kind {
        TableKind::Director { key, position } => TableKind::Director { key: column(key), position: pair(position) },
        TableKind::Child { director, director_key, position, director_position } => TableKind::Child {
            director: table(director),
            director_key: column(director_key),
            position: position.as_ref().map(pair),
            director_position: director_position.as_ref().map(pair),
        },
        TableKind::Match { left, right } => TableKind::Match { left: side(left), right: side(right) },
        TableKind::Replicated => TableKind::Replicated,
    }
}

/// Where the subject of a violation is written: in the layout if it says anything of it, else in the schema.
fn place_of(subject: &Subject, schema: &FelisSchema, layout: &Layout, placed: &[Option<&LayoutTable>]) -> Place {
    match subject {
        Subject::Database(key) => {
            layout.lines.get(key).map_or_else(|| schema.place.clone(), |line| layout.place(*line))
        }
        Subject::Table(name, key) => {
            let Some(at) = position_of(&schema.tables, name) else { return schema.place.clone() };
            match placed.get(at).copied().flatten() {
                Some(laid_out) => layout.place(laid_out.lines.get(*key).copied().unwrap_or(laid_out.line)),
                None => schema.tables[at].place.clone(),
            }
        }
        Subject::Column(table, name) => position_of(&schema.tables, table)
            .and_then(|at| {
                let table = &schema.tables[at];
                // The last of that name: a repetition is at fault where it repeats.
                let column = table.table.columns.iter().rposition(|column| column.name == *name)?;
                table.column_places.get(column).cloned()
            })
            .unwrap_or_else(|| schema.place.clone()),
    }
}

#[cfg(test)]
mod tests;
