//! Felis YAML: the schema language of the LSST data model (<https://felis.lsst.io>), as Rubin publishes it.
//!
//! What has a meaning here is kept: names, types, lengths, NULLs, units (`ivoa:unit` or `fits:tunit`), UCDs, utypes,
//! xtypes, array sizes, descriptions, the `tap:` keys, primary and foreign keys. What has none is checked and left
//! (`mysql:datatype`, indexes, `Unique` and `Check` constraints, column groups). Any other key is refused.

mod columns;
mod entries;
mod references;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use self::columns::read_column;
use self::entries::{Entries, Reader};
use self::references::{ForeignKeyText, References};
use super::faults::{Faults, Place};
use super::yaml::{self, Node, Value};
use super::{MAX_COLUMNS, MAX_TABLES};
use crate::catalog::{Column, ForeignKey, Table, TableId, TableKind};
use crate::error::Result;

/// Longest chain of files that take columns from each other. It also ends a chain that leads back to itself.
const MAX_RESOURCE_DEPTH: usize = 4;

/// Most files that one schema may name: each is read and kept whole.
const MAX_RESOURCES: usize = 32;

const SCHEMA_KEYS: &[&str] = &["name", "@id", "description", "version", "tables", "resources", "votable:utype"];
const VERSION_KEYS: &[&str] = &["current", "compatible", "read_compatible"];
const RESOURCE_KEYS: &[&str] = &["uri"];
const TABLE_KEYS: &[&str] = &[
    "name",
    "@id",
    "description",
    "columns",
    "columnRefs",
    "primaryKey",
    "constraints",
    "indexes",
    "columnGroups",
    "tap:table_index",
    "mysql:engine",
    "mysql:charset",
    "votable:utype",
];
const COLUMN_REFERENCE_KEYS: &[&str] = &["ref_name", "overrides"];

/// A declared schema, before a layout spreads its tables over the sky.
#[derive(Debug, Clone)]
pub struct FelisSchema {
    /// Its name.
    pub name: String,
    /// Human text.
    pub description: Option<String>,
    /// The version, as the file writes it.
    pub version: Option<String>,
    /// The tables in file order; all of kind replicated.
    pub tables: Vec<FelisTable>,
    /// The declared foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Where the schema itself is declared.
    pub(super) place: Place,
}

/// A declared table and where it is declared.
#[derive(Debug, Clone)]
pub struct FelisTable {
    /// The declaration; id 0, kind replicated.
    pub table: Table,
    /// Where the table is declared.
    pub(super) place: Place,
    /// Where each of its columns is declared.
    pub(super) column_places: Vec<Place>,
}

/// Reads a Felis schema. `file_name` is what faults call the file; `resolve` gives the text of a file that `resources`
/// names, by the name as it is written there (it decides which files may be read).
///
/// # Errors
/// `Invalid` with a line `file:line: what is wrong; what to write` for each fault; `Limit` for a text or a schema beyond the
/// bounds of [`crate::schema`].
pub fn read_felis(text: &str, file_name: &str, resolve: &dyn Fn(&str) -> Result<String>) -> Result<FelisSchema> {
    read_at_depth(text, file_name, resolve, 0)
}

fn read_at_depth(
    text: &str,
    file_name: &str,
    resolve: &dyn Fn(&str) -> Result<String>,
    depth: usize,
) -> Result<FelisSchema> {
    let file: Arc<str> = file_name.into();
    let node = yaml::parse(text, &file)?;
    let mut reader = Reader { file, faults: Faults::default() };
    let schema = read_schema(&mut reader, &node, resolve, depth)?;
    reader.faults.into_result()?;
    // `None` only beside a fault.
    schema.ok_or_else(|| crate::Error::internal("a schema without faults was not read"))
}

/// The schemas that a schema takes columns from, by the name it gives them.
type Resources = HashMap<String, FelisSchema>;

fn read_schema(
    reader: &mut Reader,
    node: &Node,
    resolve: &dyn Fn(&str) -> Result<String>,
    depth: usize,
) -> Result<Option<FelisSchema>> {
    let Some(entries) = reader.entries(node, "the schema", SCHEMA_KEYS) else { return Ok(None) };
    let name = reader.required_name(&entries, node.line);
    let description = reader.text(&entries, "description");
    let version = read_version(reader, &entries);
    let resources = read_resources(reader, &entries, resolve, depth)?;

    let mut tables = Vec::new();
    let mut references = References::default();
    match entries.get("tables") {
        Some(list) => {
            for (index, table) in reader.list(list, "tables").iter().enumerate() {
                if index >= MAX_TABLES {
                    reader.fault(table.line, format!("more than {MAX_TABLES} tables: split the schema"));
                    break;
                }
                if let Some(table) = read_table(reader, table, &resources, &mut references) {
                    tables.push(table);
                }
            }
        }
        None => reader.fault(node.line, "the schema has no tables: write `tables:` and a list of them"),
    }
    refuse_repeated_tables(reader, &tables);
    let foreign_keys = references.resolve(reader, &tables);
    let place = reader.place(node.line);
    Ok(name.map(|name| FelisSchema { name, description, version, tables, foreign_keys, place }))
}

/// `version: "1.2"`, or a mapping whose `current` it is.
fn read_version(reader: &mut Reader, entries: &Entries<'_>) -> Option<String> {
    match entries.get("version") {
        Some(node) if matches!(node.value, Value::Map(_)) => {
            let version = reader.entries(node, "version", VERSION_KEYS)?;
            reader.text(&version, "current")
        }
        _ => reader.text(entries, "version"),
    }
}

fn read_resources(
    reader: &mut Reader,
    entries: &Entries<'_>,
    resolve: &dyn Fn(&str) -> Result<String>,
    depth: usize,
) -> Result<Resources> {
    let mut resources = Resources::new();
    let Some(node) = entries.get("resources") else { return Ok(resources) };
    let Some(named) = reader.any_entries(node, "resources") else { return Ok(resources) };
    for (key, value) in named {
        if resources.len() >= MAX_RESOURCES {
            reader.fault(key.line, format!("more than {MAX_RESOURCES} resources: take columns from fewer files"));
            break;
        }
        let what = format!("resource \"{}\"", key.name);
        let Some(resource) = reader.entries(value, &what, RESOURCE_KEYS) else { continue };
        let Some(uri) = reader.required_text(&resource, "uri", key.line, &what) else { continue };
        if depth + 1 >= MAX_RESOURCE_DEPTH {
            let message = format!(
                "{what}: files take columns from files {MAX_RESOURCE_DEPTH} deep or from each other in a circle; \
                 name the file that declares the columns"
            );
            reader.fault(key.line, message);
            continue;
        }
        match resolve(&uri) {
            Ok(text) => {
                let schema = read_at_depth(&text, &uri, resolve, depth + 1)?;
                resources.insert(key.name.clone(), schema);
            }
            Err(error) => {
                reader.fault(value.line, format!("{what}: the file \"{uri}\" cannot be read: {error}"));
            }
        }
    }
    Ok(resources)
}

fn read_table(
    reader: &mut Reader,
    node: &Node,
    resources: &Resources,
    references: &mut References,
) -> Option<FelisTable> {
    let entries = reader.entries(node, "a table", TABLE_KEYS)?;
    let name = reader.required_name(&entries, node.line)?;
    let what = format!("table \"{name}\"");
    let mut columns = Vec::new();
    let mut column_places = Vec::new();
    if let Some(list) = entries.get("columns") {
        for column in reader.list(list, "columns") {
            if let Some((column, id)) = read_column(reader, column, &what) {
                if let Some(id) = id {
                    references.know_column(id, &name, &column.0.name);
                }
                columns.push(column.0);
                column_places.push(column.1);
            }
        }
    }
    if let Some(list) = entries.get("columnRefs") {
        for (column, place) in read_column_references(reader, list, resources, &what) {
            columns.push(column);
            column_places.push(place);
        }
    }
    if columns.is_empty() && reader.faults.is_empty() {
        reader.fault(node.line, format!("{what} has no columns: write `columns:` and a list of them"));
    }
    if columns.len() > MAX_COLUMNS {
        reader.fault(node.line, format!("{what} has more than {MAX_COLUMNS} columns: split the table"));
    }
    refuse_repeated_columns(reader, &what, &columns, &column_places);

    let primary_key = match entries.get("primaryKey") {
        None => Vec::new(),
        Some(node) if node.is_null() => Vec::new(),
        Some(node) => reader.texts(node, "primaryKey"),
    };
    let primary_key = references::columns_of(reader, &primary_key, &name, &columns, references, "primaryKey");
    for mut foreign_key in read_constraints(reader, &entries, &what) {
        foreign_key.from_table.clone_from(&name);
        references.foreign_keys.push(foreign_key);
    }
    read_unused(reader, &entries, &name, &columns, references);
    let table = Table {
        id: TableId(0),
        kind: TableKind::Replicated,
        description: reader.text(&entries, "description"),
        utype: reader.text(&entries, "votable:utype"),
        table_index: reader.integer(&entries, "tap:table_index", i64::from(i32::MIN)..=i64::from(i32::MAX)),
        primary_key,
        columns,
        name,
    };
    Some(FelisTable { table, place: reader.place(node.line), column_places })
}

/// `columnRefs: {resource: {Table: {column: {ref_name:, overrides:}}}}`: columns declared in another file.
fn read_column_references(reader: &mut Reader, node: &Node, resources: &Resources, what: &str) -> Vec<(Column, Place)> {
    let mut columns = Vec::new();
    for (resource_key, tables) in reader.any_entries(node, "columnRefs").unwrap_or_default() {
        let Some(resource) = resources.get(&resource_key.name) else {
            // A resource that could not be read has its fault already.
            if reader.faults.is_empty() {
                let known: Vec<&str> = resources.keys().map(String::as_str).collect();
                let message = format!("{what}: no resource \"{}\"", resource_key.name);
                reader.unknown(resource_key.line, message, &resource_key.name, &known, "declare it under `resources:`");
            }
            continue;
        };
        for (table_key, names) in reader.any_entries(tables, "columnRefs").unwrap_or_default() {
            let Some(source) = resource.tables.iter().find(|table| table.table.name == table_key.name) else {
                let known: Vec<&str> = resource.tables.iter().map(|table| table.table.name.as_str()).collect();
                let message = format!("{what}: no table \"{}\" in resource \"{}\"", table_key.name, resource_key.name);
                reader.unknown(table_key.line, message, &table_key.name, &known, "declare it there");
                continue;
            };
            for (column_key, details) in reader.any_entries(names, "columnRefs").unwrap_or_default() {
                let column = read_column_reference(reader, source, &column_key.name, column_key.line, details, what);
                columns.extend(column.map(|column| (column, reader.place(column_key.line))));
            }
        }
    }
    columns
}

fn read_column_reference(
    reader: &mut Reader,
    source: &FelisTable,
    name: &str,
    line: usize,
    details: &Node,
    what: &str,
) -> Option<Column> {
    let mut source_name = name.to_owned();
    let mut overrides = None;
    if !details.is_null() {
        let entries = reader.entries(details, "a column reference", COLUMN_REFERENCE_KEYS)?;
        source_name = reader.text(&entries, "ref_name").unwrap_or(source_name);
        overrides = entries.get("overrides");
    }
    let Some(found) = source.table.columns.iter().find(|column| column.name == source_name) else {
        let known: Vec<&str> = source.table.columns.iter().map(|column| column.name.as_str()).collect();
        let message = format!("{what}: no column \"{source_name}\" in table \"{}\" of the resource", source.table.name);
        reader.unknown(line, message, &source_name, &known, "declare it there");
        return None;
    };
    let column = Column { name: name.to_owned(), ..found.clone() };
    match overrides {
        Some(node) => columns::apply_overrides(reader, node, column, what),
        None => Some(column),
    }
}

/// The `ForeignKey` constraints; the others are checked and left.
fn read_constraints(reader: &mut Reader, entries: &Entries<'_>, what: &str) -> Vec<ForeignKeyText> {
    let Some(list) = entries.get("constraints") else { return Vec::new() };
    let nodes = reader.list(list, "constraints");
    nodes.iter().filter_map(|node| references::read_constraint(reader, node, what)).collect()
}

/// Indexes and column groups have no meaning here; their spelling and the columns they name are checked all the same.
fn read_unused(reader: &mut Reader, entries: &Entries<'_>, table: &str, columns: &[Column], references: &References) {
    for (key, known, what) in [
        ("indexes", references::INDEX_KEYS, "an index"),
        ("columnGroups", references::COLUMN_GROUP_KEYS, "a column group"),
    ] {
        let Some(list) = entries.get(key) else { continue };
        for node in reader.list(list, key) {
            let Some(entries) = reader.entries(node, what, known) else { continue };
            if let Some(named) = entries.get("columns") {
                let texts = reader.texts(named, "columns");
                references::columns_of(reader, &texts, table, columns, references, what);
            }
        }
    }
    reader.text(entries, "mysql:engine");
    reader.text(entries, "mysql:charset");
}

fn refuse_repeated_tables(reader: &mut Reader, tables: &[FelisTable]) {
    let mut seen: HashMap<String, &FelisTable> = HashMap::new();
    for table in tables {
        if let Some(first) = seen.insert(table.table.name.to_ascii_lowercase(), table) {
            let message = format!(
                "table \"{}\" is declared in line {} already as \"{}\": names must differ in more than letter case; rename one",
                table.table.name, first.place.line, first.table.name
            );
            reader.faults.add(&table.place, message);
        }
    }
}

fn refuse_repeated_columns(reader: &mut Reader, what: &str, columns: &[Column], places: &[Place]) {
    let mut seen: HashMap<String, (&Column, &Place)> = HashMap::new();
    for (column, place) in columns.iter().zip(places) {
        if let Some((first, at)) = seen.insert(column.name.to_ascii_lowercase(), (column, place)) {
            let message = format!(
                "column \"{}\" of {what} is declared in line {} already as \"{}\": names must differ in more than letter \
                 case; rename or remove one",
                column.name, at.line, first.name
            );
            reader.faults.add(place, message);
        }
    }
}
