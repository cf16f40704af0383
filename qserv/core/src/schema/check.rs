//! The rules that every declared database keeps, whatever it was declared with.

use std::collections::HashSet;

use super::faults::nearest;
use super::{MAX_COLUMNS, MAX_NAME_BYTES, MAX_OVERLAP_ARCSEC, MAX_TABLES};
use crate::catalog::{Column, ColumnType, Database, HEALPIX_29, MatchSide, Table, TableKind};
use crate::error::{Error, Result};
use crate::partition::SkyPartition;

/// Names of databases that mean something else: our own, and SQL's.
const RESERVED_DATABASES: &[&str] = &["tap_schema", "tap_upload", "information_schema"];

/// Longest name of a column: PostgreSQL tools cut at 63, Parquet and VOTable have no bound of their own.
const MAX_COLUMN_NAME_BYTES: usize = 255;

/// What [`crate::store::paths`] adds to a table's name for its companion files.
const COMPANION_SUFFIXES: [&str; 3] = ["_margin", "_by_right", "_key_index"];

/// What of a declaration is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// A key of the database.
    Database(&'static str),
    /// A key of a table's layout.
    Table(String, &'static str),
    /// A column.
    Column(String, String),
}

/// What is wrong with it, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) subject: Subject,
    pub(super) message: String,
}

/// Checks a declared database: names, kinds, keys and positions.
///
/// # Errors
/// `Invalid`, a line for each violation.
pub fn check(database: &Database) -> Result<()> {
    let violations = violations(database);
    if violations.is_empty() {
        return super::check_examples(&database.examples);
    }
    let lines: Vec<String> = violations.into_iter().take(20).map(|violation| violation.message).collect();
    Err(Error::invalid(lines.join("\n")))
}

/// Everything that is wrong with a declared database.
pub(super) fn violations(database: &Database) -> Vec<Violation> {
    let mut checker = Checker { database, violations: Vec::new() };
    checker.database();
    for table in &database.tables {
        checker.table(table);
    }
    checker.foreign_keys();
    checker.violations
}

struct Checker<'d> {
    database: &'d Database,
    violations: Vec<Violation>,
}

impl Checker<'_> {
    fn refuse(&mut self, subject: Subject, message: impl Into<String>) {
        self.violations.push(Violation { subject, message: message.into() });
    }

    fn database(&mut self) {
        let database = self.database;
        let name = &database.name;
        if let Some(problem) = path_name_problem(name) {
            self.refuse(Subject::Database("name"), format!("the database name \"{name}\" {problem}"));
        }
        if RESERVED_DATABASES.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            let message = format!("the database name \"{name}\" is reserved; write another");
            self.refuse(Subject::Database("name"), message);
        }
        let overlap = database.overlap_arcsec;
        if !(0.0..=MAX_OVERLAP_ARCSEC).contains(&overlap) {
            let message = format!("overlap_arcsec is {overlap}; write a number from 0 to {MAX_OVERLAP_ARCSEC}");
            self.refuse(Subject::Database("overlap_arcsec"), message);
        } else if let Some(order) = database.chunk_order
            && let Err(error) = SkyPartition::new(database.pixelization, order, overlap)
        {
            let message = format!("chunk_order {order} does not fit: {error}");
            self.refuse(Subject::Database("chunk_order"), message);
        }
        if database.tables.is_empty() {
            self.refuse(Subject::Database("name"), "the database has no tables; declare at least one");
        }
        if database.tables.len() > MAX_TABLES {
            self.refuse(Subject::Database("name"), format!("more than {MAX_TABLES} tables; split the database"));
        }
        let mut names = HashSet::new();
        for table in &database.tables {
            if !names.insert(table.name.to_ascii_lowercase()) {
                let message = format!(
                    "table \"{}\" is declared twice; names must differ in more than letter case, rename one",
                    table.name
                );
                self.refuse(Subject::Table(table.name.clone(), "kind"), message);
            }
        }
        // The companions of a table are kept in folders beside its own.
        for table in &database.tables {
            for suffix in COMPANION_SUFFIXES {
                let companion = format!("{}{suffix}", table.name).to_ascii_lowercase();
                if table.kind.is_partitioned() && names.contains(&companion) {
                    let message = format!(
                        "table \"{}\" keeps its companion files in \"{companion}\", which is another table's name; rename that",
                        table.name
                    );
                    self.refuse(Subject::Table(table.name.clone(), "kind"), message);
                }
            }
        }
    }

    fn table(&mut self, table: &Table) {
        let name = &table.name;
        if let Some(problem) = path_name_problem(name) {
            self.refuse(Subject::Table(name.clone(), "kind"), format!("the table name \"{name}\" {problem}"));
        }
        if table.columns.is_empty() {
            let message = format!("table \"{name}\" has no columns; declare at least one");
            self.refuse(Subject::Table(name.clone(), "kind"), message);
        }
        if table.columns.len() > MAX_COLUMNS {
            let message = format!("table \"{name}\" has more than {MAX_COLUMNS} columns; split it");
            self.refuse(Subject::Table(name.clone(), "kind"), message);
        }
        self.columns(table);
        for key in &table.primary_key {
            if !table.columns.iter().any(|column| column.name == *key) {
                let message = format!("the primary key of table \"{name}\" names no column: \"{key}\"");
                self.refuse(Subject::Table(name.clone(), "kind"), message);
            }
        }
        match &table.kind {
            TableKind::Director { key, position } => {
                self.key(table, "key", key);
                self.position(table, "position", position);
            }
            TableKind::Child { director, director_key, position, director_position } => {
                self.director(table, "director", director);
                self.key(table, "director_key", director_key);
                if let Some(position) = position {
                    self.position(table, "position", position);
                }
                if let Some(position) = director_position {
                    self.position(table, "director_position", position);
                }
            }
            TableKind::Match { left, right } => {
                for (side, MatchSide { director, column }) in [("left", left), ("right", right)] {
                    self.director(table, side, director);
                    self.key(table, side, column);
                }
                if left.column == right.column {
                    let message = format!(
                        "match table \"{name}\" takes both keys from column \"{}\"; name a column for each side",
                        left.column
                    );
                    self.refuse(Subject::Table(name.clone(), "right"), message);
                }
            }
            TableKind::Replicated => {}
        }
    }

    fn columns(&mut self, table: &Table) {
        let mut names = HashSet::new();
        for column in &table.columns {
            let name = &column.name;
            let subject = Subject::Column(table.name.clone(), name.clone());
            if name.is_empty() || name.len() > MAX_COLUMN_NAME_BYTES || name.chars().any(char::is_control) {
                let message = format!(
                    "column name {name:?} of table \"{}\"; write 1 to {MAX_COLUMN_NAME_BYTES} bytes without control characters",
                    table.name
                );
                self.refuse(subject.clone(), message);
            }
            if name.eq_ignore_ascii_case(HEALPIX_29) {
                let message = format!("column \"{name}\" of table \"{}\" is one of ours; leave it out", table.name);
                self.refuse(subject.clone(), message);
            }
            if !names.insert(name.to_ascii_lowercase()) {
                let message = format!(
                    "column \"{name}\" of table \"{}\" is declared twice; names must differ in more than letter case",
                    table.name
                );
                self.refuse(subject, message);
            }
        }
    }

    /// A column that is there and holds integers.
    fn key(&mut self, table: &Table, layout_key: &'static str, name: &str) {
        let Some(column) = self.column(table, layout_key, name) else { return };
        if !matches!(column.datatype, ColumnType::Byte | ColumnType::Short | ColumnType::Int | ColumnType::Long) {
            let message = format!(
                "`{layout_key}` of table \"{}\" names \"{name}\", a column of type {}; name a column of an integer type (byte, \
                 short, int, long)",
                table.name,
                column.datatype.name()
            );
            self.refuse(Subject::Table(table.name.clone(), layout_key), message);
        }
    }

    /// Two different columns that are there and hold floating point numbers.
    fn position(&mut self, table: &Table, layout_key: &'static str, names: &[String; 2]) {
        for name in names {
            let Some(column) = self.column(table, layout_key, name) else { continue };
            if !matches!(column.datatype, ColumnType::Float | ColumnType::Double) {
                let message = format!(
                    "`{layout_key}` of table \"{}\" names \"{name}\", a column of type {}; name longitude and latitude columns \
                     in degrees, of type double or float",
                    table.name,
                    column.datatype.name()
                );
                self.refuse(Subject::Table(table.name.clone(), layout_key), message);
            }
        }
        if names[0] == names[1] {
            let message = format!(
                "`{layout_key}` of table \"{}\" names \"{}\" twice; name the longitude and the latitude column",
                table.name, names[0]
            );
            self.refuse(Subject::Table(table.name.clone(), layout_key), message);
        }
    }

    fn column<'t>(&mut self, table: &'t Table, layout_key: &'static str, name: &str) -> Option<&'t Column> {
        let found = table.columns.iter().find(|column| column.name == name);
        if found.is_none() {
            let remedy = match nearest(name, table.columns.iter().map(|column| column.name.as_str())) {
                Some(word) => format!("write \"{word}\""),
                None => "write the name of one of its columns".to_owned(),
            };
            let message = format!("`{layout_key}`: table \"{}\" has no column \"{name}\"; {remedy}", table.name);
            self.refuse(Subject::Table(table.name.clone(), layout_key), message);
        }
        found
    }

    /// A table that is there and is a director.
    fn director(&mut self, table: &Table, layout_key: &'static str, name: &str) {
        let subject = Subject::Table(table.name.clone(), layout_key);
        let database = self.database;
        let directors = database.tables.iter().filter(|table| matches!(table.kind, TableKind::Director { .. }));
        let directors: Vec<&str> = directors.map(|table| table.name.as_str()).collect();
        let remedy = match nearest(name, directors.iter().copied()) {
            Some(word) => format!("write \"{word}\""),
            None if directors.is_empty() => "declare a table of kind director first".to_owned(),
            None => format!("name a director: {}", directors.join(", ")),
        };
        match database.tables.iter().find(|other| other.name == name) {
            None => {
                let message = format!("`{layout_key}` of table \"{}\": no table \"{name}\"; {remedy}", table.name);
                self.refuse(subject, message);
            }
            Some(other) => match &other.kind {
                TableKind::Director { .. } => {}
                TableKind::Child { director, .. } => {
                    let message = format!(
                        "`{layout_key}` of table \"{}\" names \"{name}\", itself a child; name its director, \"{director}\"",
                        table.name
                    );
                    self.refuse(subject, message);
                }
                kind => {
                    let message = format!(
                        "`{layout_key}` of table \"{}\" names \"{name}\", a {} table; {remedy}",
                        table.name,
                        kind.name()
                    );
                    self.refuse(subject, message);
                }
            },
        }
    }

    fn foreign_keys(&mut self) {
        let database = self.database;
        for key in &database.foreign_keys {
            let known = |table: &str, columns: &[String]| {
                database.tables.iter().find(|other| other.name == table).is_some_and(|table| {
                    columns.iter().all(|name| table.columns.iter().any(|column| column.name == *name))
                })
            };
            let is_whole = !key.from_columns.is_empty()
                && key.from_columns.len() == key.target_columns.len()
                && known(&key.from_table, &key.from_columns)
                && known(&key.target_table, &key.target_columns);
            if !is_whole {
                let message = format!(
                    "the foreign key from \"{}\" to \"{}\" does not name as many existing columns on both sides; correct or \
                     remove it",
                    key.from_table, key.target_table
                );
                self.refuse(Subject::Table(key.from_table.clone(), "kind"), message);
            }
        }
    }
}

/// Why a name cannot be a folder's name and a plain SQL name, and what to write; `None` if it can.
fn path_name_problem(name: &str) -> Option<String> {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_plain = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    if starts_well && is_plain && name.len() <= MAX_NAME_BYTES {
        return None;
    }
    Some(format!(
        "cannot be used; write a letter or underscore, then letters, digits and underscores, at most {MAX_NAME_BYTES}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_folders() {
        for good in ["dp1", "_x", "DiaObject_To_Object_Match"] {
            assert_eq!(path_name_problem(good), None);
        }
        for bad in ["", "1a", "a-b", "../etc", "a/b", "a b", "é", &"a".repeat(129)] {
            assert!(path_name_problem(bad).is_some(), "{bad}");
        }
    }
}
