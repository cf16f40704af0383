//! VOTable 1.4, written as rows arrive.
//!
//! A result is one RESOURCE of type `results` (DALI 1.1, section 4.4): INFOs with the status, the query and where the result comes from,
//! the systems in which its columns stand ([`systems`]), one TABLE, and behind it the number of rows and a second status if the result was
//! cut or failed. The three serialisations differ in how NULL is said: BINARY2 has a bit a cell, TABLEDATA an empty cell, and BINARY, which
//! is there for old readers, only a number set aside in VALUES (or NaN, or an empty text).

mod binary;
mod systems;
mod tabledata;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use qserv_core::Result;
use qserv_core::query::field_metadata;

use crate::columns::{Block, Datatype, ResultColumn, result_columns};
use crate::formats::{Ending, Header, ResultWriter, SOFTWARE};
use crate::moment::uws_time;
use crate::xml::XmlWriter;
use binary::{BinaryRows, NullStyle};
use systems::Systems;

/// The media type of documents that no client chose a media type for.
pub(crate) const CONTENT_TYPE: &str = "application/x-votable+xml";

/// The version of all documents. What is written is valid in 1.5 too, so that this line is all that a change needs.
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

/// Writes a VOTable document.
pub(crate) struct VotableWriter {
    columns: Vec<ResultColumn>,
    /// Where the whole table leads to.
    link: Option<String>,
    header: Header,
    cells: Cells,
    rows: u64,
}

enum Cells {
    Binary(BinaryRows),
    Tabledata,
}

impl Cells {
    fn null_style(&self) -> NullStyle {
        match self {
            Self::Binary(rows) => rows.null_style(),
            Self::Tabledata => NullStyle::Flags,
        }
    }
}

impl VotableWriter {
    /// A writer of this schema.
    pub(crate) fn new(serialization: Serialization, schema: &Schema, header: Header) -> Self {
        let cells = match serialization {
            Serialization::Binary => Cells::Binary(BinaryRows::new(NullStyle::Values)),
            Serialization::Binary2 => Cells::Binary(BinaryRows::new(NullStyle::Flags)),
            Serialization::Tabledata => Cells::Tabledata,
        };
        let columns = result_columns(schema).into_iter();
        let columns = match serialization {
            Serialization::Binary => columns.map(ResultColumn::with_room_for_null).collect(),
            Serialization::Binary2 | Serialization::Tabledata => columns.collect(),
        };
        Self { columns, link: table_link(schema), header, cells, rows: 0 }
    }
}

impl ResultWriter for VotableWriter {
    fn begin(&mut self, out: &mut Vec<u8>) {
        begin_document(out);
        put_origin(&self.header, out);
        put_table_head(&self.columns, self.link.as_deref(), self.cells.null_style(), out);
        out.extend_from_slice(match &self.cells {
            Cells::Binary(rows) => match rows.null_style() {
                NullStyle::Flags => b"<DATA>\n<BINARY2>\n<STREAM encoding=\"base64\">\n",
                NullStyle::Values => b"<DATA>\n<BINARY>\n<STREAM encoding=\"base64\">\n".as_slice(),
            },
            Cells::Tabledata => b"<DATA>\n<TABLEDATA>\n",
        });
    }

    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let block = Block::of(&self.columns, batch)?;
        match &mut self.cells {
            Cells::Binary(binary) => binary.put(&self.columns, &block, out)?,
            Cells::Tabledata => tabledata::put_rows(&self.columns, &block, out)?,
        }
        self.rows += block.rows as u64;
        Ok(())
    }

    fn end(&mut self, ending: Ending<'_>, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.cells {
            Cells::Binary(binary) => {
                binary.finish(out);
                out.extend_from_slice(match binary.null_style() {
                    NullStyle::Flags => b"\n</STREAM>\n</BINARY2>\n</DATA>\n</TABLE>\n",
                    NullStyle::Values => b"\n</STREAM>\n</BINARY>\n</DATA>\n</TABLE>\n".as_slice(),
                });
            }
            Cells::Tabledata => out.extend_from_slice(b"</TABLEDATA>\n</DATA>\n</TABLE>\n"),
        }
        put_info("rows", &self.rows.to_string(), out);
        put_ending(ending, out);
        end_document(out);
        Ok(())
    }
}

/// A document that describes the columns of a result and has no data.
pub(crate) fn description(schema: &Schema, header: &Header, ending: Ending<'_>) -> String {
    let mut out = Vec::new();
    begin_document(&mut out);
    put_origin(header, &mut out);
    put_table_head(&result_columns(schema), table_link(schema).as_deref(), NullStyle::Flags, &mut out);
    out.extend_from_slice(b"</TABLE>\n");
    put_ending(ending, &mut out);
    end_document(&mut out);
    // Everything that is written comes from text.
    String::from_utf8_lossy(&out).into_owned()
}

fn table_link(schema: &Schema) -> Option<String> {
    schema.metadata().get(field_metadata::LINK).filter(|link| !link.is_empty()).cloned()
}

/// The status and where the result comes from, under the names of the IVOA's note on data origin.
fn put_origin(header: &Header, out: &mut Vec<u8>) {
    put_info("QUERY_STATUS", "OK", out);
    put_info("QUERY", &header.query, out);
    put_info("server_software", SOFTWARE, out);
    put_info("service_protocol", "ivo://ivoa.net/std/TAP", out);
    if let Some(asked) = header.asked_unix_ms {
        put_info("request_date", &uws_time(asked), out);
    }
    if let Some(citation) = &header.citation {
        put_info("citation", citation, out);
    }
    for warning in &header.warnings {
        put_info("warning", warning, out);
    }
}

fn put_info(name: &str, value: &str, out: &mut Vec<u8>) {
    XmlWriter::fragment(out).empty("INFO", &[("name", name), ("value", value)]);
}

/// The systems of the columns, and all of the TABLE that stands before its DATA.
fn put_table_head(columns: &[ResultColumn], link: Option<&str>, style: NullStyle, out: &mut Vec<u8>) {
    let systems = Systems::of(columns);
    systems.put(out);
    out.extend_from_slice(b"<TABLE name=\"result\">\n");
    for (column, system) in columns.iter().zip(systems.of_columns()) {
        put_field(column, style, system, out);
    }
    if let Some(link) = link {
        XmlWriter::fragment(out).empty("LINK", &[("href", link)]);
    }
}

fn put_ending(ending: Ending<'_>, out: &mut Vec<u8>) {
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

fn put_field(column: &ResultColumn, style: NullStyle, system: Option<&str>, out: &mut Vec<u8>) {
    let arraysize = column.arraysize();
    let mut attributes = vec![("name", column.name.as_str()), ("datatype", column.datatype.name())];
    let optional = [
        ("arraysize", arraysize.as_deref()),
        ("xtype", column.xtype.as_deref()),
        ("unit", column.unit.as_deref()),
        ("ucd", column.ucd.as_deref()),
        ("utype", column.utype.as_deref()),
        ("ref", system),
    ];
    attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let null = (style == NullStyle::Values && column.nullable).then(|| null_number(column.datatype)).flatten();
    let mut xml = XmlWriter::fragment(out);
    if column.description.is_none() && null.is_none() && column.link.is_none() {
        xml.empty("FIELD", &attributes);
        return;
    }
    xml.open("FIELD", &attributes).optional("DESCRIPTION", column.description.as_deref());
    if let Some(null) = null {
        xml.empty("VALUES", &[("null", &null)]);
    }
    if let Some(link) = &column.link {
        xml.empty("LINK", &[("href", link)]);
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
