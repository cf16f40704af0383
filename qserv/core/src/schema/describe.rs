//! A database rendered back for people: `qserv database describe`.

use serde::{Deserialize, Serialize};

use crate::catalog::{Database, DatabaseSnapshot, SegmentRole, Table, TableKind};

/// A database as people read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Human text.
    pub description: Option<String>,
    /// `healpix` or `h3`.
    pub pixelization: String,
    /// The order of its chunks, once known.
    pub chunk_order: Option<u8>,
    /// The overlap radius in arc seconds.
    pub overlap_arcsec: f64,
    /// Its tables in declared order.
    pub tables: Vec<TableDescription>,
    /// Foreign keys, for example `Source (objectId) → Object (objectId)`.
    pub foreign_keys: Vec<String>,
}

/// A table as people read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableDescription {
    /// Its name.
    pub name: String,
    /// `director`, `child`, `match` or `replicated`.
    pub kind: String,
    /// How its rows find their chunk, for example `key objectId, position ra, dec`; empty for replicated tables.
    pub placement: String,
    /// Human text.
    pub description: Option<String>,
    /// The primary key, possibly empty.
    pub primary_key: Vec<String>,
    /// Its columns in declared order.
    pub columns: Vec<ColumnDescription>,
    /// Number of rows, where a snapshot was asked.
    pub rows: Option<u64>,
    /// Number of chunks that hold rows, where a snapshot was asked.
    pub chunks: Option<u64>,
    /// Bytes of all its segments, one copy each, where a snapshot was asked.
    pub bytes: Option<u64>,
}

/// A column as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDescription {
    /// Its name.
    pub name: String,
    /// Its type with the length, for example `char(7)`.
    pub datatype: String,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// Unit in VOUnit syntax.
    pub unit: Option<String>,
    /// UCD1+.
    pub ucd: Option<String>,
    /// Human text.
    pub description: Option<String>,
}

impl Description {
    /// What is declared.
    #[must_use]
    pub fn of(database: &Database) -> Self {
        let keys = database.foreign_keys.iter().map(|key| {
            let (from, target) = (key.from_columns.join(", "), key.target_columns.join(", "));
            format!("{} ({from}) → {} ({target})", key.from_table, key.target_table)
        });
        Self {
            name: database.name.clone(),
            description: database.description.clone(),
            pixelization: database.pixelization.to_string(),
            chunk_order: database.chunk_order,
            overlap_arcsec: database.overlap_arcsec,
            tables: database.tables.iter().map(TableDescription::of).collect(),
            foreign_keys: keys.collect(),
        }
    }

    /// What is declared and how much is loaded.
    #[must_use]
    pub fn of_snapshot(snapshot: &DatabaseSnapshot) -> Self {
        let mut description = Self::of(&snapshot.database);
        for (table, described) in snapshot.tables.iter().zip(&mut description.tables) {
            let chunks: std::collections::BTreeSet<_> =
                table.segments_of(SegmentRole::Rows).filter_map(|segment| segment.chunk).collect();
            described.rows = Some(table.rows());
            described.chunks = Some(chunks.len() as u64);
            described.bytes = Some(table.segments.iter().map(|segment| segment.bytes).sum());
        }
        description
    }
}

impl TableDescription {
    fn of(table: &Table) -> Self {
        let columns = table.columns.iter().map(|column| ColumnDescription {
            name: column.name.clone(),
            datatype: match column.length {
                Some(length) => format!("{}({length})", column.datatype.name()),
                None => column.datatype.name().to_owned(),
            },
            nullable: column.nullable,
            unit: column.unit.clone(),
            ucd: column.ucd.clone(),
            description: column.description.clone(),
        });
        Self {
            name: table.name.clone(),
            kind: table.kind.name().to_owned(),
            placement: placement(&table.kind),
            description: table.description.clone(),
            primary_key: table.primary_key.clone(),
            columns: columns.collect(),
            rows: None,
            chunks: None,
            bytes: None,
        }
    }
}

fn placement(kind: &TableKind) -> String {
    match kind {
        TableKind::Director { key, position: [longitude, latitude] } => {
            format!("key {key}, position {longitude}, {latitude}")
        }
        TableKind::Child { director, director_key, position, director_position } => {
            let mut text = format!("of {director} by {director_key}");
            for (what, pair) in [("position", position), ("director's position", director_position)] {
                if let Some([longitude, latitude]) = pair {
                    text.push_str(&format!(", {what} {longitude}, {latitude}"));
                }
            }
            text
        }
        TableKind::Match { left, right } => {
            format!("{} by {}, {} by {}", left.director, left.column, right.director, right.column)
        }
        TableKind::Replicated => String::new(),
    }
}
