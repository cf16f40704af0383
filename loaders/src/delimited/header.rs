//! Which field of a record is which column.

use qserv_core::catalog::Table;
use qserv_core::{Error, Result};

use crate::format::FormatOptions;

/// For each field of a record the number of its column in the declaration, or `None` for a field that is left out.
pub(super) type FieldColumns = Vec<Option<usize>>;

/// The declared order.
pub(super) fn declared(table: &Table) -> FieldColumns {
    (0..table.columns.len()).map(Some).collect()
}

/// The columns that these names mean: the letter case as declared first, any letter case second.
///
/// # Errors
/// `Invalid` for a name that the table does not have (unless the options leave such fields out), a name given twice, and
/// a column that is missing although it may not be NULL.
pub(super) fn named(names: &[String], table: &Table, options: &FormatOptions, file: &str) -> Result<FieldColumns> {
    let refuse = |message: String| Err(Error::invalid(message).with("file", file).with("table", &table.name));
    let mut seen = vec![false; table.columns.len()];
    let mut fields = Vec::with_capacity(names.len());
    let mut unknown = Vec::new();
    for name in names {
        let position = position(table, name.trim());
        match position {
            None => unknown.push(crate::bad_rows::shown(name.as_bytes())),
            Some(column) => match seen.get_mut(column) {
                Some(seen) if !*seen => *seen = true,
                _ => return refuse(format!("the file names the column {} twice", name.trim())),
            },
        }
        fields.push(position);
    }
    if !unknown.is_empty() && !options.ignore_unknown_columns {
        unknown.truncate(5);
        return refuse(format!(
            "the file has columns that the table does not have: {}; declare them, leave them out of the file, or load it \
             with unknown columns ignored (a file without header lines is loaded by the declared order if told so)",
            unknown.join(", ")
        ));
    }
    let missing: Vec<&str> = table
        .columns
        .iter()
        .zip(&seen)
        .filter(|(column, seen)| !**seen && !column.nullable)
        .map(|(column, _)| column.name.as_str())
        .take(5)
        .collect();
    if !missing.is_empty() {
        return refuse(format!("the file lacks columns that may not be NULL: {}", missing.join(", ")));
    }
    Ok(fields)
}

fn position(table: &Table, name: &str) -> Option<usize> {
    let exact = table.columns.iter().position(|column| column.name == name);
    exact.or_else(|| table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)))
}
