//! Columns of a Felis table.

use super::entries::{Entries, Reader, described};
use crate::catalog::{Column, ColumnType};
use crate::schema::faults::{Place, write_instead};
use crate::schema::yaml::Node;

const COLUMN_KEYS: &[&str] = &[
    "name",
    "@id",
    "description",
    "datatype",
    "length",
    "precision",
    "nullable",
    "value",
    "autoincrement",
    "mysql:datatype",
    "postgresql:datatype",
    "ivoa:ucd",
    "ivoa:unit",
    "fits:tunit",
    "fits:tdisp",
    "tap:column_index",
    "tap:principal",
    "tap:std",
    "votable:arraysize",
    "votable:datatype",
    "votable:utype",
    "votable:xtype",
];

/// Names of other schema languages, and what Felis calls them.
const FOREIGN_DATATYPES: &[(&str, &str)] = &[
    ("bool", "boolean"),
    ("bit", "boolean"),
    ("tinyint", "byte"),
    ("int8", "byte"),
    ("smallint", "short"),
    ("int16", "short"),
    ("integer", "int"),
    ("int32", "int"),
    ("bigint", "long"),
    ("int64", "long"),
    ("real", "float"),
    ("float32", "float"),
    ("float64", "double"),
    ("double precision", "double"),
    ("varchar", "string"),
    ("str", "string"),
    ("clob", "text"),
    ("blob", "binary"),
    ("bytes", "binary"),
    ("date", "timestamp"),
    ("datetime", "timestamp"),
];

/// A column, where it is declared, and its `@id` if it has one.
type Declared = ((Column, Place), Option<String>);

pub(super) fn read_column(reader: &mut Reader, node: &Node, table: &str) -> Option<Declared> {
    let entries = reader.entries(node, &format!("a column of {table}"), COLUMN_KEYS)?;
    let name = reader.required_name(&entries, node.line)?;
    let what = format!("column \"{name}\" of {table}");
    reader.required_text(&entries, "datatype", node.line, &what)?;
    let blank = Column {
        name,
        datatype: ColumnType::Long,
        length: None,
        nullable: true,
        unit: None,
        ucd: None,
        utype: None,
        description: None,
        xtype: None,
        arraysize: None,
        principal: false,
        std: false,
        column_index: None,
    };
    let column = fill(reader, &entries, blank, &what)?;
    let id = reader.text(&entries, "@id");
    Some(((column, reader.place(node.line)), id))
}

/// A column of another file with the keys of `overrides` put in place of its own.
pub(super) fn apply_overrides(reader: &mut Reader, node: &Node, column: Column, table: &str) -> Option<Column> {
    let what = format!("column \"{}\" of {table}", column.name);
    let known: Vec<&str> = COLUMN_KEYS.iter().copied().filter(|key| !matches!(*key, "name" | "@id")).collect();
    let entries = reader.entries(node, &format!("the overrides of {what}"), &known)?;
    fill(reader, &entries, column, &what)
}

/// Puts what the entries declare in place of what `column` has; `None` beside a fault in the datatype.
fn fill(reader: &mut Reader, entries: &Entries<'_>, mut column: Column, what: &str) -> Option<Column> {
    if let Some(datatype) = reader.text(entries, "datatype") {
        let line = entries.get("datatype").map_or(0, |node| node.line);
        column.datatype = read_datatype(reader, &datatype, line, what)?;
    }
    if let Some(length) = reader.integer(entries, "length", 1..=i64::from(i32::MAX)) {
        column.length = Some(length);
    }
    if let Some(nullable) = reader.boolean(entries, "nullable") {
        column.nullable = nullable;
    }
    if let Some(principal) = reader.boolean(entries, "tap:principal") {
        column.principal = principal;
    }
    if let Some(std) = reader.boolean(entries, "tap:std") {
        column.std = std;
    }
    let index = reader.integer(entries, "tap:column_index", i64::from(i32::MIN)..=i64::from(i32::MAX));
    column.column_index = index.or(column.column_index);
    for (key, into) in [
        ("ivoa:ucd", &mut column.ucd),
        ("votable:utype", &mut column.utype),
        ("votable:xtype", &mut column.xtype),
        ("votable:arraysize", &mut column.arraysize),
        ("description", &mut column.description),
    ] {
        if let Some(text) = reader.text(entries, key) {
            *into = Some(text);
        }
    }
    if let Some(unit) = read_unit(reader, entries, what) {
        column.unit = Some(unit);
    }
    refuse_arrays(reader, entries, &column, what);
    // These have no meaning here, but a wrong type is a fault all the same.
    reader.integer::<i64>(entries, "precision", 0..=i64::from(i32::MAX));
    reader.boolean(entries, "autoincrement");
    for key in ["value", "mysql:datatype", "postgresql:datatype", "votable:datatype", "fits:tdisp"] {
        reader.text(entries, key);
    }
    Some(column)
}

fn read_datatype(reader: &mut Reader, text: &str, line: usize, what: &str) -> Option<ColumnType> {
    if let Some(datatype) = ColumnType::parse(text) {
        return Some(datatype);
    }
    let folded = text.to_ascii_lowercase();
    let bare = folded.split('(').next().unwrap_or_default().trim();
    let remedy = match FOREIGN_DATATYPES.iter().find(|(foreign, _)| *foreign == bare) {
        Some((_, word)) => format!("write \"{word}\""),
        None => write_instead(bare, &ColumnType::ALL.map(ColumnType::name)),
    };
    let shown: String = text.chars().take(60).collect();
    reader.fault(line, format!("{what} has the unknown datatype \"{shown}\"; {remedy}"));
    None
}

fn read_unit(reader: &mut Reader, entries: &Entries<'_>, what: &str) -> Option<String> {
    let ivoa = reader.text(entries, "ivoa:unit");
    let fits = reader.text(entries, "fits:tunit");
    if let (Some(ivoa), Some(fits)) = (&ivoa, &fits)
        && ivoa != fits
    {
        let line = entries.get("fits:tunit").map_or(0, |node| node.line);
        reader.fault(line, format!("{what} has two units, \"{ivoa}\" and \"{fits}\"; keep `ivoa:unit` alone"));
    }
    ivoa.or(fits)
}

/// Cells hold one value; an array size makes sense for text, bytes and the text form of timestamps.
fn refuse_arrays(reader: &mut Reader, entries: &Entries<'_>, column: &Column, what: &str) {
    let Some(node) = entries.get("votable:arraysize").filter(|node| !node.is_null()) else { return };
    let is_array = matches!(
        column.datatype,
        ColumnType::Boolean
            | ColumnType::Byte
            | ColumnType::Short
            | ColumnType::Int
            | ColumnType::Long
            | ColumnType::Float
            | ColumnType::Double
    ) && column.arraysize.as_deref() != Some("1");
    if is_array {
        let message = format!(
            "{what} has the array size {} on numbers; a cell holds one number: remove `votable:arraysize`, or declare a column \
             an element",
            described(node)
        );
        reader.fault(node.line, message);
    }
}
