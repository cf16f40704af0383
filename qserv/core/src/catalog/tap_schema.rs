//! TAP_SCHEMA 1.1: the catalog described in tables of its own (TAP 1.1, section 4), made from a [`Snapshot`].
//!
//! [`database`] declares the tables, [`tap_schema`] fills them. They describe themselves too. Names are written as a query has to
//! write them: `schema.table`, and delimited where ADQL would not read the bare name (`"size"`).

mod reserved;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Builder, StringBuilder};
use arrow::record_batch::RecordBatch;

use super::{Column, ColumnType, Database, DatabaseId, ForeignKey, Snapshot, Table, TableId, TableKind};
use crate::partition::PixelizationKind;
use crate::{Error, Result};

/// The name of the database that describes the others.
pub const TAP_SCHEMA: &str = "tap_schema";

/// How VOTable, TAP_SCHEMA and VODataService describe the type of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VotableType<'a> {
    /// VOTable `datatype`. VOTable has no signed byte: a [`ColumnType::Byte`] is a `short`.
    pub datatype: &'static str,
    /// VOTable `arraysize`; `None` for scalars.
    pub arraysize: Option<Cow<'a, str>>,
    /// DALI extended type.
    pub xtype: Option<&'a str>,
}

/// The VOTable type of a declared column.
#[must_use]
pub fn votable_type(column: &Column) -> VotableType<'_> {
    let declared = column.arraysize.as_deref().map(Cow::Borrowed);
    let at_most = || column.length.map_or(Cow::Borrowed("*"), |length| Cow::Owned(format!("{length}*")));
    let (datatype, arraysize) = match column.datatype {
        ColumnType::Boolean => ("boolean", None),
        ColumnType::Byte | ColumnType::Short => ("short", None),
        ColumnType::Int => ("int", None),
        ColumnType::Long => ("long", None),
        ColumnType::Float => ("float", None),
        ColumnType::Double => ("double", None),
        ColumnType::Char => {
            let exact = || column.length.map_or(Cow::Borrowed("*"), |length| Cow::Owned(length.to_string()));
            ("char", Some(declared.unwrap_or_else(exact)))
        }
        ColumnType::String => ("char", Some(declared.unwrap_or_else(at_most))),
        ColumnType::Unicode | ColumnType::Text => ("unicodeChar", Some(declared.unwrap_or_else(at_most))),
        ColumnType::Binary => ("unsignedByte", Some(declared.unwrap_or_else(at_most))),
        ColumnType::Timestamp => ("char", Some(Cow::Borrowed("*"))),
    };
    let timestamp = (column.datatype == ColumnType::Timestamp).then_some("timestamp");
    VotableType { datatype, arraysize, xtype: column.xtype.as_deref().or(timestamp) }
}

/// TAP_SCHEMA's `"size"`: the number of elements that an arraysize allows, as in `16` and `16*`; none for `*`.
fn size_of(arraysize: Option<&str>) -> Option<i32> {
    arraysize.and_then(|size| size.trim_end_matches('*').parse().ok())
}

/// A name as a query has to write it: bare if ADQL reads it so, else delimited.
#[must_use]
pub fn query_name(name: &str) -> Cow<'_, str> {
    let mut characters = name.chars();
    let is_regular = characters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_');
    if is_regular && !reserved::is_reserved(name) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("\"{}\"", name.replace('"', "\"\"")))
    }
}

/// A table's name as a query has to write it, with its schema.
#[must_use]
pub fn query_table_name(schema: &str, table: &str) -> String {
    format!("{}.{}", query_name(schema), query_name(table))
}

/// Whether a restriction on this column alone lets a query read less than the whole table: keys and positions do.
#[must_use]
pub fn is_indexed(table: &Table, column: &str) -> bool {
    if table.kind.position().is_some_and(|position| position.iter().any(|name| name == column)) {
        return true;
    }
    match &table.kind {
        TableKind::Director { key, .. } => key == column,
        TableKind::Child { director_key, .. } => director_key == column,
        TableKind::Match { left, right } => left.column == column || right.column == column,
        TableKind::Replicated => false,
    }
}

/// The foreign keys of a database: those that are declared, and those that its layout implies (child and match tables refer to
/// their directors).
#[must_use]
pub fn foreign_keys(database: &Database) -> Vec<ForeignKey> {
    let mut keys = database.foreign_keys.clone();
    for table in &database.tables {
        let mut imply = |column: &str, director: &str| {
            let Some(TableKind::Director { key, .. }) = database.table(director).map(|director| &director.kind) else {
                return;
            };
            let is_declared = keys.iter().any(|declared| {
                declared.from_table == table.name
                    && declared.target_table == director
                    && declared.from_columns.iter().any(|from| from == column)
            });
            if !is_declared {
                keys.push(ForeignKey {
                    from_table: table.name.clone(),
                    from_columns: vec![column.to_owned()],
                    target_table: director.to_owned(),
                    target_columns: vec![key.clone()],
                    description: None,
                });
            }
        };
        match &table.kind {
            TableKind::Child { director, director_key, .. } => imply(director_key, director),
            TableKind::Match { left, right } => {
                imply(&left.column, &left.director);
                imply(&right.column, &right.director);
            }
            TableKind::Director { .. } | TableKind::Replicated => {}
        }
    }
    keys
}

/// The number of each column in the order in which to show them: the declared numbers, then the columns without one in file order.
#[must_use]
pub fn column_indexes(table: &Table) -> Vec<i32> {
    let mut next = table.columns.iter().filter_map(|column| column.column_index).max().unwrap_or(0).max(0);
    let mut number = |column: &Column| {
        column.column_index.unwrap_or_else(|| {
            next = next.saturating_add(1);
            next
        })
    };
    table.columns.iter().map(&mut number).collect()
}

/// The database that holds the TAP_SCHEMA tables, with ids 0.
#[must_use]
pub fn database() -> Database {
    Database {
        id: DatabaseId(0),
        name: TAP_SCHEMA.to_owned(),
        description: Some("What can be queried here: schemas, tables, columns and the keys that join them".to_owned()),
        pixelization: PixelizationKind::Healpix,
        chunk_order: None,
        overlap_arcsec: 0.0,
        tables: vec![schemas_table(), tables_table(), columns_table(), keys_table(), key_columns_table()],
        foreign_keys: vec![
            refers("tables", "schema_name", "schemas", "schema_name"),
            refers("columns", "table_name", "tables", "table_name"),
            refers("keys", "from_table", "tables", "table_name"),
            refers("keys", "target_table", "tables", "table_name"),
            refers("key_columns", "key_id", "keys", "key_id"),
        ],
        examples: Vec::new(),
    }
}

/// The TAP_SCHEMA tables and their rows for one snapshot, in the order of [`database`].
///
/// # Errors
/// [`Internal`](crate::ErrorKind::Internal) if a table's rows do not fit its declaration, which a test rules out.
pub fn tap_schema(snapshot: &Snapshot) -> Result<Vec<(Table, RecordBatch)>> {
    let own = database();
    let mut described: Vec<&Database> = snapshot.databases.values().map(|database| &*database.database).collect();
    if !described.iter().any(|database| database.name.eq_ignore_ascii_case(TAP_SCHEMA)) {
        described.push(&own);
    }
    let mut rows = Rows::default();
    for (index, database) in described.iter().enumerate() {
        rows.add_database(database, index);
    }
    let Rows { mut schemas, mut tables, mut columns, mut keys, mut key_columns } = rows;
    let filled = [&mut schemas, &mut tables, &mut columns, &mut keys, &mut key_columns];
    own.tables.iter().zip(filled).map(|(table, cells)| Ok((table.clone(), cells.finish(table)?))).collect()
}

/// A cell on its way into a column of TAP_SCHEMA.
enum Cell<'a> {
    Text(Option<&'a str>),
    Int(Option<i32>),
}

/// The cells of one table, row after row.
#[derive(Default)]
struct Cells(Vec<Vec<OwnedCell>>);

enum OwnedCell {
    Text(Option<String>),
    Int(Option<i32>),
}

impl Cells {
    fn row<const N: usize>(&mut self, cells: [Cell<'_>; N]) {
        self.0.push(
            cells
                .into_iter()
                .map(|cell| match cell {
                    Cell::Text(text) => OwnedCell::Text(text.filter(|text| !text.is_empty()).map(str::to_owned)),
                    Cell::Int(number) => OwnedCell::Int(number),
                })
                .collect(),
        );
    }

    fn finish(&mut self, table: &Table) -> Result<RecordBatch> {
        let column = |(index, column): (usize, &Column)| -> ArrayRef {
            let cells = self.0.iter().map(|row| row.get(index));
            if column.datatype == ColumnType::Int {
                let mut builder = Int32Builder::with_capacity(self.0.len());
                cells.for_each(|cell| {
                    builder.append_option(match cell {
                        Some(OwnedCell::Int(number)) => *number,
                        _ => None,
                    });
                });
                Arc::new(builder.finish())
            } else {
                let mut builder = StringBuilder::new();
                cells.for_each(|cell| {
                    builder.append_option(match cell {
                        Some(OwnedCell::Text(text)) => text.as_deref(),
                        _ => None,
                    });
                });
                Arc::new(builder.finish())
            }
        };
        let arrays = table.columns.iter().enumerate().map(column).collect();
        RecordBatch::try_new(table.schema(), arrays).map_err(|error| {
            Error::internal("TAP_SCHEMA could not be built").with("table", &table.name).caused_by(error)
        })
    }
}

#[derive(Default)]
struct Rows {
    schemas: Cells,
    tables: Cells,
    columns: Cells,
    keys: Cells,
    key_columns: Cells,
}

impl Rows {
    fn add_database(&mut self, database: &Database, index: usize) {
        let schema = query_name(&database.name);
        self.schemas.row([
            Cell::Text(Some(&schema)),
            Cell::Text(None),
            Cell::Text(database.description.as_deref()),
            Cell::Int(i32::try_from(index).ok()),
        ]);
        for table in &database.tables {
            self.add_table(database, table, &schema);
        }
        let mut used = BTreeSet::new();
        for key in foreign_keys(database) {
            let mut id = format!("{}.{}.{}", database.name, key.from_table, key.from_columns.join("."));
            while !used.insert(id.clone()) {
                id.push('\'');
            }
            self.keys.row([
                Cell::Text(Some(&id)),
                Cell::Text(Some(&query_table_name(&database.name, &key.from_table))),
                Cell::Text(Some(&query_table_name(&database.name, &key.target_table))),
                Cell::Text(key.description.as_deref()),
                Cell::Text(None),
            ]);
            for (from, target) in key.from_columns.iter().zip(&key.target_columns) {
                self.key_columns.row([
                    Cell::Text(Some(&id)),
                    Cell::Text(Some(&query_name(from))),
                    Cell::Text(Some(&query_name(target))),
                ]);
            }
        }
    }

    fn add_table(&mut self, database: &Database, table: &Table, schema: &str) {
        let name = query_table_name(&database.name, &table.name);
        self.tables.row([
            Cell::Text(Some(schema)),
            Cell::Text(Some(&name)),
            Cell::Text(Some("table")),
            Cell::Text(table.utype.as_deref()),
            Cell::Text(table.description.as_deref()),
            Cell::Int(table.table_index),
        ]);
        for (column, column_index) in table.columns.iter().zip(column_indexes(table)) {
            let kind = votable_type(column);
            self.columns.row([
                Cell::Text(Some(&name)),
                Cell::Text(Some(&query_name(&column.name))),
                Cell::Text(Some(kind.datatype)),
                Cell::Text(kind.arraysize.as_deref()),
                Cell::Text(kind.xtype),
                Cell::Int(size_of(kind.arraysize.as_deref())),
                Cell::Text(column.description.as_deref()),
                Cell::Text(column.utype.as_deref()),
                Cell::Text(column.unit.as_deref()),
                Cell::Text(column.ucd.as_deref()),
                Cell::Int(Some(i32::from(is_indexed(table, &column.name)))),
                Cell::Int(Some(i32::from(column.principal))),
                Cell::Int(Some(i32::from(column.std))),
                Cell::Int(Some(column_index)),
            ]);
        }
    }
}

fn schemas_table() -> Table {
    table(
        "schemas",
        "The schemas (databases)",
        &["schema_name"],
        vec![
            text("schema_name", "Name of the schema, as a query writes it"),
            text("utype", "Data model role of the schema"),
            prose("description", "What the schema holds"),
            int("schema_index", "Recommended order of schemas"),
        ],
        1,
    )
}

fn tables_table() -> Table {
    table(
        "tables",
        "The tables of all schemas",
        &["table_name"],
        vec![
            text("schema_name", "The schema that the table belongs to"),
            text("table_name", "Name of the table with its schema, as a query writes it"),
            text("table_type", "table or view"),
            text("utype", "Data model role of the table"),
            prose("description", "What a row of the table is"),
            int("table_index", "Recommended order of the tables of a schema"),
        ],
        2,
    )
}

fn columns_table() -> Table {
    table(
        "columns",
        "The columns of all tables",
        &["table_name", "column_name"],
        vec![
            text("table_name", "The table that the column belongs to"),
            text("column_name", "Name of the column, as a query writes it"),
            text("datatype", "VOTable datatype of the column's values"),
            text("arraysize", "VOTable arraysize of the column's values"),
            text("xtype", "DALI extended type of the column's values"),
            int("size", "Declared length of text; arraysize says it better"),
            prose("description", "What the column holds"),
            text("utype", "Data model role of the column"),
            text("unit", "Unit of the column's values in VOUnit syntax"),
            text("ucd", "What the column measures, as a UCD"),
            int("indexed", "1 if a restriction on this column makes a query cheap, else 0"),
            int("principal", "1 if the column is one of the important ones of its table, else 0"),
            int("std", "1 if a standard defines the column, else 0"),
            int("column_index", "Recommended order of the columns of a table"),
        ],
        3,
    )
}

fn keys_table() -> Table {
    table(
        "keys",
        "The foreign keys: which tables join with which",
        &["key_id"],
        vec![
            text("key_id", "Name of the key"),
            text("from_table", "The table that refers"),
            text("target_table", "The table referred to"),
            prose("description", "What the reference means"),
            text("utype", "Data model role of the key"),
        ],
        4,
    )
}

fn key_columns_table() -> Table {
    table(
        "key_columns",
        "The column pairs of the foreign keys",
        &["key_id", "from_column"],
        vec![
            text("key_id", "The key that the pair belongs to"),
            text("from_column", "Column of the table that refers"),
            text("target_column", "Column of the table referred to"),
        ],
        5,
    )
}

fn table(name: &str, description: &str, primary_key: &[&str], columns: Vec<Column>, index: i32) -> Table {
    let mut columns = columns;
    for (column, number) in columns.iter_mut().zip(1..) {
        column.column_index = Some(number);
        column.nullable = !primary_key.contains(&column.name.as_str());
    }
    Table {
        id: TableId(0),
        name: name.to_owned(),
        kind: TableKind::Replicated,
        description: Some(description.to_owned()),
        utype: None,
        table_index: Some(index),
        primary_key: primary_key.iter().map(|&column| column.to_owned()).collect(),
        columns,
    }
}

fn text(name: &str, description: &str) -> Column {
    column(name, ColumnType::String, description)
}

/// Human text, which may hold any Unicode.
fn prose(name: &str, description: &str) -> Column {
    column(name, ColumnType::Unicode, description)
}

fn int(name: &str, description: &str) -> Column {
    column(name, ColumnType::Int, description)
}

fn column(name: &str, datatype: ColumnType, description: &str) -> Column {
    Column {
        name: name.to_owned(),
        datatype,
        length: None,
        nullable: true,
        unit: None,
        ucd: None,
        utype: None,
        description: Some(description.to_owned()),
        xtype: None,
        arraysize: None,
        principal: true,
        std: true,
        column_index: None,
    }
}

fn refers(from_table: &str, from: &str, target_table: &str, target: &str) -> ForeignKey {
    ForeignKey {
        from_table: from_table.to_owned(),
        from_columns: vec![from.to_owned()],
        target_table: target_table.to_owned(),
        target_columns: vec![target.to_owned()],
        description: None,
    }
}

#[cfg(test)]
mod tests;
