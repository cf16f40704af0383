//! Readers of CSV and JSON answers that share nothing with the writers under test.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decode::{Cell, Field};

/// The header and the rows of CSV (RFC 4180) or TSV; an empty cell without quotes is `None`.
pub(crate) fn lines(text: &str, delimiter: char) -> Vec<Vec<Option<String>>> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut rest = text.chars().peekable();
    while rest.peek().is_some() {
        let mut cell = None;
        if rest.next_if_eq(&'"').is_some() {
            let quoted: &mut String = cell.insert(String::new());
            loop {
                match rest.next().unwrap() {
                    '"' if rest.next_if_eq(&'"').is_some() => quoted.push('"'),
                    '"' => break,
                    character => quoted.push(character),
                }
            }
        } else {
            while let Some(character) = rest.next_if(|&next| next != delimiter && next != '\r' && next != '\n') {
                cell.get_or_insert_default().push(character);
            }
        }
        line.push(cell);
        if rest.next_if_eq(&delimiter).is_none() {
            let end = rest.next().unwrap();
            assert!(end == '\n' || end == '\r' && rest.next() == Some('\n'));
            lines.push(std::mem::take(&mut line));
        }
    }
    lines
}

/// A cell of CSV as its column's type has it.
pub(crate) fn parse(field: &Field, cell: Option<&str>) -> Cell {
    let Some(text) = cell else { return Cell::Null };
    match (field.datatype.as_str(), &field.arraysize) {
        ("char" | "unicodeChar", _) => Cell::Text(text.to_owned()),
        ("unsignedByte", Some(_)) => Cell::Bytes(
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect(),
        ),
        (datatype, None) => parse_one(datatype, text),
        (datatype, Some(_)) => Cell::Array(text.split(' ').map(|text| parse_one(datatype, text)).collect()),
    }
}

fn parse_one(datatype: &str, text: &str) -> Cell {
    match datatype {
        "boolean" => Cell::Boolean(text.parse().unwrap()),
        "float" => Cell::Float(text.parse().unwrap()),
        "double" => Cell::Double(text.parse().unwrap()),
        _ => Cell::Integer(text.parse().unwrap()),
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    metadata: Vec<Described>,
    #[serde(borrow)]
    data: Vec<Vec<&'a RawValue>>,
    query_status: String,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    datatype: String,
    arraysize: Option<String>,
    xtype: Option<String>,
}

/// The columns, the rows and the status of a JSON answer. Numbers are read by their digits, so that none is lost.
pub(crate) fn json(text: &str) -> (Vec<Field>, Vec<Vec<Cell>>, String) {
    let document: Document<'_> = serde_json::from_str(text).unwrap();
    let field = |one: Described| Field {
        name: one.name,
        datatype: one.datatype,
        arraysize: one.arraysize,
        xtype: one.xtype,
        null: None,
    };
    let fields: Vec<Field> = document.metadata.into_iter().map(field).collect();
    let row = |row: Vec<&RawValue>| {
        assert_eq!(row.len(), fields.len());
        row.iter().zip(&fields).map(|(value, field)| json_cell(field, value)).collect()
    };
    let rows = document.data.into_iter().map(row).collect();
    (fields, rows, document.query_status)
}

fn json_cell(field: &Field, value: &RawValue) -> Cell {
    match (field.datatype.as_str(), value.get()) {
        (_, "null") => Cell::Null,
        ("char" | "unicodeChar", text) => Cell::Text(serde_json::from_str(text).unwrap()),
        ("unsignedByte", text) if field.arraysize.is_some() => Cell::Bytes(serde_json::from_str(text).unwrap()),
        (datatype, text) if field.arraysize.is_some() => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap();
            let element = |element: &&RawValue| match element.get() {
                "null" => Cell::Null,
                text => parse_one(datatype, text),
            };
            Cell::Array(elements.iter().map(element).collect())
        }
        (datatype, text) => parse_one(datatype, text),
    }
}
