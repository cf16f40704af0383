//! A reader of VOTable documents that shares nothing with the writer under test.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f32),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Cell>),
}

impl Cell {
    /// Equal to the bit, but that all NaN are one.
    pub(crate) fn same(&self, other: &Cell) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (Self::Array(a), Self::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (a, b) => a == b,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) datatype: String,
    pub(crate) arraysize: Option<String>,
    pub(crate) xtype: Option<String>,
    pub(crate) null: Option<i64>,
}

#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) fields: Vec<Field>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Name, value and content of each INFO, in order.
    pub(crate) infos: Vec<(String, String, String)>,
    /// INFOs that stand behind the table.
    pub(crate) infos_behind: usize,
    pub(crate) serialization: String,
}

impl Document {
    /// The values of QUERY_STATUS.
    pub(crate) fn statuses(&self) -> Vec<&str> {
        self.infos.iter().filter(|(name, ..)| name == "QUERY_STATUS").map(|(_, value, _)| value.as_str()).collect()
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).unwrap()?;
    Some(attribute.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned())
}

pub(crate) fn decode(document: &str) -> Document {
    let mut reader = Reader::from_str(document);
    let mut result = Document::default();
    let mut text = String::new();
    let mut row: Vec<Option<String>> = Vec::new();
    let mut depth = 0;
    loop {
        let event = reader.read_event().unwrap();
        match &event {
            Event::Start(element) | Event::Empty(element) => {
                let is_empty = matches!(event, Event::Empty(_));
                depth += i32::from(!is_empty);
                text.clear();
                match element.name().as_ref() {
                    "FIELD" => result.fields.push(Field {
                        name: attribute(element, "name").unwrap(),
                        datatype: attribute(element, "datatype").unwrap(),
                        arraysize: attribute(element, "arraysize"),
                        xtype: attribute(element, "xtype"),
                        null: None,
                    }),
                    "VALUES" => {
                        let null = attribute(element, "null").map(|null| null.parse().unwrap());
                        result.fields.last_mut().unwrap().null = null;
                    }
                    "INFO" => {
                        let info = (attribute(element, "name").unwrap(), attribute(element, "value").unwrap());
                        result.infos.push((info.0, info.1, String::new()));
                        result.infos_behind += usize::from(!result.serialization.is_empty());
                    }
                    "TR" => row.clear(),
                    "TD" if is_empty => row.push(None),
                    name @ ("BINARY" | "BINARY2" | "TABLEDATA") => result.serialization = name.to_owned(),
                    _ => {}
                }
            }
            Event::End(element) => {
                depth -= 1;
                match element.name().as_ref() {
                    "TD" => row.push(Some(text.clone())),
                    "TR" => {
                        assert_eq!(row.len(), result.fields.len());
                        let cells = result.fields.iter().zip(&row).map(|(field, text)| parse(field, text.as_deref()));
                        result.rows.push(cells.collect());
                    }
                    "STREAM" => {
                        let bytes = STANDARD.decode(text.trim()).unwrap();
                        result.rows = unpack(&result.fields, &bytes, result.serialization == "BINARY2");
                    }
                    "INFO" => result.infos.last_mut().unwrap().2 = text.clone(),
                    _ => {}
                }
                text.clear();
            }
            Event::Text(content) => text.push_str(&content.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().unwrap() {
                Some(character) => text.push(character),
                None => text.push_str(quick_xml::escape::resolve_predefined_entity(reference).unwrap()),
            },
            Event::Decl(_) => {}
            Event::Eof => {
                assert_eq!(depth, 0, "the document is cut off");
                return result;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

fn parse(field: &Field, text: Option<&str>) -> Cell {
    let is_text = matches!(field.datatype.as_str(), "char" | "unicodeChar");
    match text {
        None | Some("") => Cell::Null,
        Some(text) if is_text => Cell::Text(text.to_owned()),
        Some(text) if field.arraysize.is_some() => {
            let elements: Vec<_> = text.split(' ').map(|element| parse_one(&field.datatype, element)).collect();
            as_bytes(field, elements)
        }
        Some(text) => parse_one(&field.datatype, text),
    }
}

fn parse_one(datatype: &str, text: &str) -> Cell {
    let number = text.replace("+Inf", "inf").replace("-Inf", "-inf");
    match datatype {
        "boolean" => match text {
            "true" => Cell::Boolean(true),
            "false" => Cell::Boolean(false),
            _ => Cell::Null,
        },
        "float" => Cell::Float(number.parse().unwrap()),
        "double" => Cell::Double(number.parse().unwrap()),
        _ => Cell::Integer(text.parse().unwrap()),
    }
}

fn as_bytes(field: &Field, elements: Vec<Cell>) -> Cell {
    if field.datatype != "unsignedByte" {
        return Cell::Array(elements);
    }
    let byte = |cell| match cell {
        Cell::Integer(value) => u8::try_from(value).unwrap(),
        other => panic!("no byte: {other:?}"),
    };
    Cell::Bytes(elements.into_iter().map(byte).collect())
}

fn unpack(fields: &[Field], bytes: &[u8], has_flags: bool) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let flags = if has_flags { take(&mut rest, fields.len().div_ceil(8)) } else { &[] };
        let cell = |(index, field): (usize, &Field)| {
            let cell = unpack_cell(field, &mut rest);
            let is_null = flags.get(index / 8).is_some_and(|byte| byte >> (7 - index % 8) & 1 == 1);
            let stands_for_null = matches!((&cell, field.null), (Cell::Integer(value), Some(null)) if *value == null);
            if is_null || stands_for_null { Cell::Null } else { cell }
        };
        rows.push(fields.iter().enumerate().map(cell).collect());
    }
    rows
}

fn unpack_cell(field: &Field, rest: &mut &[u8]) -> Cell {
    let count = match field.arraysize.as_deref() {
        None => return unpack_one(&field.datatype, rest),
        Some("*") => usize::try_from(u32::from_be_bytes(take(rest, 4).try_into().unwrap())).unwrap(),
        Some(count) => count.parse().unwrap(),
    };
    match field.datatype.as_str() {
        "char" => Cell::Text(String::from_utf8(take(rest, count).to_vec()).unwrap()),
        "unicodeChar" => {
            let units = take(rest, count * 2).chunks(2).map(|unit| u16::from_be_bytes(unit.try_into().unwrap()));
            Cell::Text(String::from_utf16(&units.collect::<Vec<_>>()).unwrap())
        }
        datatype => as_bytes(field, (0..count).map(|_| unpack_one(datatype, rest)).collect()),
    }
}

fn unpack_one(datatype: &str, rest: &mut &[u8]) -> Cell {
    match datatype {
        "boolean" => match take(rest, 1)[0] {
            b'T' => Cell::Boolean(true),
            b'F' => Cell::Boolean(false),
            _ => Cell::Null,
        },
        "unsignedByte" => Cell::Integer(take(rest, 1)[0].into()),
        "short" => Cell::Integer(i16::from_be_bytes(take(rest, 2).try_into().unwrap()).into()),
        "int" => Cell::Integer(i32::from_be_bytes(take(rest, 4).try_into().unwrap()).into()),
        "long" => Cell::Integer(i64::from_be_bytes(take(rest, 8).try_into().unwrap())),
        "float" => Cell::Float(f32::from_be_bytes(take(rest, 4).try_into().unwrap())),
        "double" => Cell::Double(f64::from_be_bytes(take(rest, 8).try_into().unwrap())),
        other => panic!("no datatype {other}"),
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(count);
    *rest = left;
    taken
}
