//! A database with every kind of table, and rows for it.

use qserv_core::catalog::{Column, ColumnType, Database, DatabaseId, MatchSide, Table, TableId, TableKind};
use qserv_core::partition::PixelizationKind;
use qserv_ingest::LoadFile;
use qserv_loaders::{Format, FormatOptions, Input};

pub(crate) fn column(name: &str, datatype: ColumnType) -> Column {
    Column {
        name: name.into(),
        datatype,
        length: None,
        nullable: name != "row",
        unit: None,
        ucd: None,
        utype: None,
        description: None,
        xtype: None,
        arraysize: None,
        principal: false,
        std: false,
        column_index: None,
    }
}

fn table(name: &str, kind: TableKind, columns: Vec<Column>) -> Table {
    Table {
        id: TableId(0),
        name: name.into(),
        kind,
        description: None,
        utype: None,
        table_index: None,
        primary_key: vec![],
        columns,
    }
}

fn position() -> [String; 2] {
    ["ra".into(), "dec".into()]
}

/// Every table has the same columns: `row` is a number that no two rows share, `key` the (left) key, `other` the right key, `ra` and
/// `dec` the position.
pub(crate) fn database(pixelization: PixelizationKind, chunk_order: Option<u8>, overlap_arcsec: f64) -> Database {
    let columns = || {
        vec![
            column("row", ColumnType::Long),
            column("key", ColumnType::Int),
            column("other", ColumnType::Long),
            column("ra", ColumnType::Double),
            column("dec", ColumnType::Double),
        ]
    };
    let child = |position, director_position| TableKind::Child {
        director: "Object".into(),
        director_key: "key".into(),
        position,
        director_position,
    };
    let side = |director: &str, column: &str| MatchSide { director: director.into(), column: column.into() };
    let director = || TableKind::Director { key: "key".into(), position: position() };
    Database {
        id: DatabaseId(0),
        name: "sky".into(),
        description: None,
        pixelization,
        chunk_order,
        overlap_arcsec,
        tables: vec![
            table("Object", director(), columns()),
            table("Source", child(Some(position()), None), columns()),
            table("Forced", child(None, None), columns()),
            table("Deep", child(None, Some(position())), columns()),
            table("Truth", director(), columns()),
            table(
                "ObjectTruth",
                TableKind::Match { left: side("Object", "key"), right: side("Truth", "other") },
                columns(),
            ),
            table("Pair", TableKind::Match { left: side("Object", "key"), right: side("Object", "other") }, columns()),
            table("Filter", TableKind::Replicated, columns()),
        ],
        foreign_keys: vec![],
        examples: vec![],
    }
}

pub(crate) const TABLES: [&str; 8] = ["Object", "Source", "Forced", "Deep", "Truth", "ObjectTruth", "Pair", "Filter"];

/// One row; the position is one that a director takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) row: i64,
    pub(crate) key: Option<i64>,
    pub(crate) other: Option<i64>,
    pub(crate) position: Option<(f64, f64)>,
}

/// Rows as a CSV file for a table.
pub(crate) fn file(table: &str, rows: &[Row]) -> LoadFile {
    let mut text = "row,key,other,ra,dec\n".to_owned();
    let shown = |value: Option<String>| value.unwrap_or_else(|| "\\N".to_owned());
    for row in rows {
        text += &format!(
            "{},{},{},{},{}\n",
            row.row,
            shown(row.key.map(|key| key.to_string())),
            shown(row.other.map(|key| key.to_string())),
            shown(row.position.map(|position| format!("{:?}", position.0))),
            shown(row.position.map(|position| format!("{:?}", position.1))),
        );
    }
    text_file(table, text)
}

pub(crate) fn text_file(table: &str, text: String) -> LoadFile {
    let input = Input::Stream { name: format!("{table}.csv"), reader: Box::new(std::io::Cursor::new(text)) };
    LoadFile {
        table: table.to_owned(),
        input,
        options: FormatOptions { batch_rows: 7, ..FormatOptions::of(Format::Csv) },
    }
}
