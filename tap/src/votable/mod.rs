//! VOTable 1.4, written as rows arrive.
//!
//! A result is one RESOURCE of type `results` (DALI 1.1, section 4.4): INFOs with the status, the query and what the user should
//! know, one TABLE, and behind it a second status if the result was cut or failed. The three serialisations differ in how NULL is
//! said: BINARY2 has a bit a cell, TABLEDATA an empty cell, and BINARY, which is there for old readers, only a number set aside in
//! VALUES (or NaN, or an empty text).

mod binary;
mod tabledata;

use std::ops::Range;

use qserv_core::Result;

use crate::columns::{Block, Datatype, Length, ResultColumn};
use crate::formats::{Ending, ResultWriter};
use crate::xml::XmlWriter;
use binary::{BinaryRows, NullStyle};

/// The media type of documents that no client chose a media type for.
pub(crate) const CONTENT_TYPE: &str = "application/x-votable+xml";

const VERSION: &str = "1.4";
/// Versions 1.3 and later share this namespace.
const NAMESPACE: &str = "http://www.ivoa.net/xml/VOTable/v1.3";

/// How the cells of a table are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serialization {
    Binary,
    Binary2,
    Tabledata,
}

/// What a document says of its result besides the table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Header {
    /// The query as the user wrote it.
    pub(crate) query: String,
    /// One sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Writes a VOTable document.
pub(crate) struct VotableWriter {
    columns: Vec<ResultColumn>,
    header: Header,
    rows: Rows,
}

enum Rows {
    Binary(BinaryRows),
    Tabledata,
}

impl VotableWriter {
    /// A writer of these columns.
    pub(crate) fn new(serialization: Serialization, columns: Vec<ResultColumn>, header: Header) -> Self {
        let rows = match serialization {
            Serialization::Binary => Rows::Binary(BinaryRows::new(NullStyle::Values)),
            Serialization::Binary2 => Rows::Binary(BinaryRows::new(NullStyle::Flags)),
            Serialization::Tabledata => Rows::Tabledata,
        };
        Self { columns, header, rows }
    }

    fn null_style(&self) -> NullStyle {
        match &self.rows {
            Rows::Binary(rows) => rows.null_style(),
            Rows::Tabledata => NullStyle::Flags,
        }
    }
}

impl ResultWriter for VotableWriter {
    fn begin(&mut self, out: &mut Vec<u8>) {
        begin_document(out);
        let mut xml = XmlWriter::fragment(out);
        xml.empty("INFO", &[("name", "QUERY_STATUS"), ("value", "OK")]);
        xml.empty("INFO", &[("name", "QUERY"), ("value", &self.header.query)]);
        for warning in &self.header.warnings {
            xml.empty("INFO", &[("name", "warning"), ("value", warning)]);
        }
        out.extend_from_slice(b"<TABLE name=\"result\">\n");
        let style = self.null_style();
        for column in &self.columns {
            put_field(column, style, out);
        }
        out.extend_from_slice(match &self.rows {
            Rows::Binary(rows) => match rows.null_style() {
                NullStyle::Flags => b"<DATA>\n<BINARY2>\n<STREAM encoding=\"base64\">\n",
                NullStyle::Values => b"<DATA>\n<BINARY>\n<STREAM encoding=\"base64\">\n".as_slice(),
            },
            Rows::Tabledata => b"<DATA>\n<TABLEDATA>\n",
        });
    }

    fn rows(&mut self, block: &Block, rows: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.rows {
            Rows::Binary(binary) => binary.put(&self.columns, block, rows, out),
            Rows::Tabledata => tabledata::put_rows(&self.columns, block, rows, out),
        }
    }

    fn end(&mut self, ending: Ending<'_>, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.rows {
            Rows::Binary(binary) => {
                binary.finish(out);
                out.extend_from_slice(match binary.null_style() {
                    NullStyle::Flags => b"\n</STREAM>\n</BINARY2>\n</DATA>\n</TABLE>\n",
                    NullStyle::Values => b"\n</STREAM>\n</BINARY>\n</DATA>\n</TABLE>\n".as_slice(),
                });
            }
            Rows::Tabledata => out.extend_from_slice(b"</TABLEDATA>\n</DATA>\n</TABLE>\n"),
        }
        match ending {
            Ending::Whole => {}
            Ending::Overflow => {
                let attributes = [("name", "QUERY_STATUS"), ("value", "OVERFLOW")];
                let text = "MAXREC cut the result: the query has more rows than these";
                XmlWriter::fragment(out).leaf("INFO", &attributes, text);
            }
            Ending::Failed(error) => {
                let text = format!("The query failed after these rows; they are not its whole result. {error}");
                put_error_status(&text, out);
            }
        }
        end_document(out);
        Ok(())
    }
}

/// The DALI error document of a message.
pub(crate) fn error_document(message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    begin_document(&mut out);
    put_error_status(message, &mut out);
    end_document(&mut out);
    out
}

fn begin_document(out: &mut Vec<u8>) {
    let mut xml = XmlWriter::document(out);
    let location = format!("{NAMESPACE} {NAMESPACE}");
    xml.open(
        "VOTABLE",
        &[
            ("version", VERSION),
            ("xmlns", NAMESPACE),
            ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
            ("xsi:schemaLocation", &location),
        ],
    );
    xml.open("RESOURCE", &[("type", "results")]);
}

fn end_document(out: &mut Vec<u8>) {
    out.extend_from_slice(b"</RESOURCE>\n</VOTABLE>\n");
}

fn put_error_status(message: &str, out: &mut Vec<u8>) {
    XmlWriter::fragment(out).leaf("INFO", &[("name", "QUERY_STATUS"), ("value", "ERROR")], message);
}

fn put_field(column: &ResultColumn, style: NullStyle, out: &mut Vec<u8>) {
    let arraysize = match column.length {
        Length::One => None,
        Length::Fixed(length) => Some(length.to_string()),
        Length::Any => Some("*".to_owned()),
    };
    let mut attributes = vec![("name", column.name.as_str()), ("datatype", column.datatype.name())];
    let optional = [
        ("arraysize", &arraysize),
        ("xtype", &column.xtype),
        ("unit", &column.unit),
        ("ucd", &column.ucd),
        ("utype", &column.utype),
    ];
    attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    let null = (style == NullStyle::Values && column.nullable).then(|| null_number(column.datatype)).flatten();
    let mut xml = XmlWriter::fragment(out);
    if column.description.is_none() && null.is_none() {
        xml.empty("FIELD", &attributes);
        return;
    }
    xml.open("FIELD", &attributes).optional("DESCRIPTION", column.description.as_deref());
    if let Some(null) = null {
        xml.empty("VALUES", &[("null", &null)]);
    }
    xml.finish();
}

/// The number that stands for NULL where there is no other way: the smallest of its type.
fn null_number(datatype: Datatype) -> Option<String> {
    match datatype {
        Datatype::Short => Some(i16::MIN.to_string()),
        Datatype::Int => Some(i32::MIN.to_string()),
        Datatype::Long => Some(i64::MIN.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
