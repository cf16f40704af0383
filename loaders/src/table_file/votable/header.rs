//! What a VOTable says before its rows: FIELDs, and how the rows are written.

use qserv_core::{Error, Result};

use super::super::columns::{Datatype, FileColumn, Length};
use super::xml::{Found, Tag, Xml};
use crate::format::limits;

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serialization {
    /// There are none.
    None,
    Tabledata,
    Binary,
    Binary2,
}

/// Reads up to the first row of the first table: behind the start tag of TABLEDATA or STREAM.
///
/// # Errors
/// `Data` if there is no table, or one that is not read.
pub(super) fn read(xml: &mut Xml) -> Result<(Vec<FileColumn>, Serialization)> {
    find_table(xml)?;
    let mut columns = Vec::new();
    loop {
        match next_of_table(xml, &mut columns)? {
            Some(tag) if tag.name == "DATA" => break,
            Some(tag) => xml.skip(&tag.name)?,
            None => return Ok((columns, Serialization::None)),
        }
    }
    let serialization = loop {
        match xml.next()? {
            Found::Open(tag) => match tag.name.as_str() {
                "TABLEDATA" => return Ok((columns, Serialization::Tabledata)),
                "BINARY" => break Serialization::Binary,
                "BINARY2" => break Serialization::Binary2,
                "FITS" | "PARQUET" => {
                    return Err(Error::data(format!(
                        "the rows of this VOTable are a {} stream, which is not read; send that file itself, or write the \
                         VOTable in TABLEDATA or BINARY2",
                        tag.name
                    ))
                    .with("file", xml.file()));
                }
                _ => xml.skip(&tag.name)?,
            },
            Found::Close(name) if name == "DATA" => return Ok((columns, Serialization::None)),
            Found::Close(_) => {}
            Found::End => return Err(xml.cut_short()),
        }
    };
    loop {
        match xml.next()? {
            Found::Open(tag) if tag.name == "STREAM" => {
                check_stream(xml, &tag)?;
                return Ok((columns, serialization));
            }
            Found::Open(tag) => xml.skip(&tag.name)?,
            Found::Close(_) => return Err(Error::data("the rows of this VOTable are missing").with("file", xml.file())),
            Found::End => return Err(xml.cut_short()),
        }
    }
}

/// Reads the FIELDs of the first table.
///
/// # Errors
/// `Data` if there is none.
pub(super) fn read_fields(xml: &mut Xml) -> Result<Vec<FileColumn>> {
    find_table(xml)?;
    let mut columns = Vec::new();
    while let Some(tag) = next_of_table(xml, &mut columns)? {
        if tag.name == "DATA" {
            break;
        }
        xml.skip(&tag.name)?;
    }
    Ok(columns)
}

/// Reads up to the start tag of the first TABLE within a RESOURCE.
fn find_table(xml: &mut Xml) -> Result<()> {
    let mut is_votable = false;
    loop {
        match xml.next()? {
            Found::Open(tag) => match tag.name.as_str() {
                "VOTABLE" => is_votable = true,
                _ if !is_votable => {
                    return Err(Error::data("this XML document is no VOTable")
                        .with("file", xml.file())
                        .with("element", crate::bad_rows::shown(tag.name.as_bytes())));
                }
                "RESOURCE" => {}
                "TABLE" => {
                    if tag.attribute("ref").is_some() {
                        return Err(Error::data("the table of this VOTable refers to another, which is not followed")
                            .with("file", xml.file()));
                    }
                    return Ok(());
                }
                _ => xml.skip(&tag.name)?,
            },
            Found::Close(_) => {}
            Found::End => {
                let what = if is_votable { "this VOTable has no table" } else { "this is no VOTable" };
                return Err(Error::data(what).with("file", xml.file()));
            }
        }
    }
}

/// The next element of a TABLE that is no FIELD; FIELDs before it are added to `columns`. `None` at the end of the table.
fn next_of_table(xml: &mut Xml, columns: &mut Vec<FileColumn>) -> Result<Option<Tag>> {
    loop {
        match xml.next()? {
            Found::Open(tag) if tag.name == "FIELD" => {
                if columns.len() >= limits::HEADER_COLUMNS {
                    return Err(Error::limit("the VOTable has more fields than any table has")
                        .with("file", xml.file())
                        .with("allowed", limits::HEADER_COLUMNS));
                }
                let column = read_field(xml, &tag)?;
                columns.push(column);
            }
            Found::Open(tag) => return Ok(Some(tag)),
            Found::Close(name) if name == "TABLE" => return Ok(None),
            Found::Close(_) => {}
            Found::End => return Err(xml.cut_short()),
        }
    }
}

fn read_field(xml: &mut Xml, tag: &Tag) -> Result<FileColumn> {
    let told = |name: &str| tag.attribute(name).map(str::to_owned);
    let name = told("name").or_else(|| told("ID")).unwrap_or_default();
    let refuse = |message: &str| Error::data(message.to_owned()).with("field", &name).with("file", xml.file());
    let arraysize = tag.attribute("arraysize").map(str::trim);
    // Old documents leave the type of text out.
    let (datatype, elements) = match tag.attribute("datatype").map(str::trim) {
        Some(datatype) => datatype_of(datatype).ok_or_else(|| {
            refuse("a field has a datatype that VOTable does not have").with("datatype", shown(datatype))
        })?,
        None => (Datatype::Char, 1),
    };
    let length = length_of(arraysize, elements).ok_or_else(|| {
        refuse("a field has an arraysize that is none, or too large").with("arraysize", shown(arraysize.unwrap_or("")))
    })?;
    // One character, or an array of them, is text in any case; only its place in a binary row differs.
    let bound = match length {
        Length::Fixed(count) => count.saturating_mul(datatype.width()),
        Length::One | Length::Any => 0,
    };
    if bound > limits::FIELD_BYTES {
        return Err(refuse("the cells of a field are longer than allowed").with("allowed bytes", limits::FIELD_BYTES));
    }
    let mut column = FileColumn {
        length,
        unit: told("unit"),
        ucd: told("ucd"),
        utype: told("utype"),
        xtype: told("xtype"),
        arraysize: arraysize.map(str::to_owned),
        ..FileColumn::new(name, datatype)
    };
    loop {
        match xml.next()? {
            Found::Open(tag) => match tag.name.as_str() {
                "DESCRIPTION" => column.description = Some(one_line(&xml.text_of("DESCRIPTION")?)),
                "VALUES" => {
                    if column.null.is_none() {
                        column.null = tag.attribute("null").map(|null| null.trim().to_owned());
                    }
                    xml.skip("VALUES")?;
                }
                _ => xml.skip(&tag.name)?,
            },
            Found::Close(name) if name == "FIELD" => return Ok(column),
            Found::Close(_) => {}
            Found::End => return Err(xml.cut_short()),
        }
    }
}

/// The type of a VOTable name, and how many elements of it one of the VOTable's is.
fn datatype_of(name: &str) -> Option<(Datatype, usize)> {
    Some(match name {
        "boolean" => (Datatype::Boolean, 1),
        "bit" => (Datatype::Bit, 1),
        "unsignedByte" => (Datatype::UnsignedByte, 1),
        "short" => (Datatype::Short, 1),
        "int" => (Datatype::Int, 1),
        "long" => (Datatype::Long, 1),
        "char" => (Datatype::Char, 1),
        "unicodeChar" => (Datatype::UnicodeChar, 1),
        "float" => (Datatype::Float, 1),
        "double" => (Datatype::Double, 1),
        "floatComplex" => (Datatype::Float, 2),
        "doubleComplex" => (Datatype::Double, 2),
        _ => return None,
    })
}

/// How many elements the cells of an arraysize have, each of `elements` of ours; `None` if it makes no sense.
fn length_of(arraysize: Option<&str>, elements: usize) -> Option<Length> {
    let scalar = if elements == 1 { Length::One } else { Length::Fixed(elements) };
    let Some(arraysize) = arraysize else { return Some(scalar) };
    if arraysize.ends_with('*') {
        // What stands before is a bound, or the shape of a slice.
        let before = arraysize.trim_end_matches('*').trim_end_matches('x');
        let is_shape = before.is_empty() || before.split('x').all(|size| size.trim().parse::<usize>().is_ok());
        return is_shape.then_some(Length::Any);
    }
    let mut count = elements;
    for size in arraysize.split('x') {
        count = count.checked_mul(size.trim().parse().ok()?)?;
    }
    // DALI: an array of one is a scalar.
    Some(if count == 1 { scalar } else { Length::Fixed(count) })
}

fn check_stream(xml: &Xml, tag: &Tag) -> Result<()> {
    if tag.attribute("href").is_some() {
        return Err(Error::data(
            "the rows of this VOTable are in another file, which is not fetched; write them into it",
        )
        .with("file", xml.file()));
    }
    match tag.attribute("encoding") {
        None | Some("base64") => Ok(()),
        Some(encoding) => {
            Err(Error::data("the rows of this VOTable are encoded in a way that is not read; use base64")
                .with("file", xml.file())
                .with("encoding", shown(encoding)))
        }
    }
}

/// A text of several lines as one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shown(text: &str) -> String {
    crate::bad_rows::shown(text.as_bytes())
}
