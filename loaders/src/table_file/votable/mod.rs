//! VOTable 1.1 to 1.5: the first TABLE of the first RESOURCE that has one, in TABLEDATA, BINARY or BINARY2.
//!
//! `header` reads FIELDs up to the data, `tabledata` and `binary` the rows. Nothing of the document is kept but the FIELDs and the
//! batch at work. Data elsewhere (`href`), and data as FITS or Parquet inside, are refused with a word.

mod binary;
mod header;
#[cfg(test)]
mod tests;
mod xml;

use std::io::Read;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use qserv_core::{Error, Result};

use self::binary::Stream;
use self::header::Serialization;
use self::xml::{Found, Xml};
use super::columns::{Builders, FileColumn};
use crate::format::limits;

/// Reads a VOTable's rows.
pub(super) struct Votable {
    xml: Xml,
    builders: Builders,
    body: Body,
    row: u64,
}

enum Body {
    Tabledata,
    Binary(Stream),
    /// There are no rows, or no more.
    Ended,
}

impl Votable {
    /// Reads up to the rows. `file` is the name in errors.
    ///
    /// # Errors
    /// `Data` if it is no VOTable with a table.
    pub(super) fn open(bytes: Box<dyn Read + Send>, file: &str) -> Result<Self> {
        let mut xml = Xml::new(bytes, file.to_owned());
        let (columns, serialization) = header::read(&mut xml)?;
        let builders = Builders::new(columns).map_err(|error| error.with("file", file))?;
        let body = match serialization {
            Serialization::None => Body::Ended,
            Serialization::Tabledata => Body::Tabledata,
            Serialization::Binary => Body::Binary(Stream::new(false)),
            Serialization::Binary2 => Body::Binary(Stream::new(true)),
        };
        Ok(Self { xml, builders, body, row: 0 })
    }

    /// The columns.
    pub(super) fn schema(&self) -> SchemaRef {
        self.builders.schema.clone()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut bytes = 0;
        while self.builders.rows() < limits::BATCH_ROWS && bytes < limits::BATCH_BYTES {
            let row_bytes = match &mut self.body {
                Body::Ended => break,
                Body::Tabledata => read_row(&mut self.xml, &mut self.builders, self.row + 1)?,
                Body::Binary(stream) => stream.read_row(&mut self.xml, &mut self.builders, self.row + 1)?,
            };
            let Some(row_bytes) = row_bytes else {
                self.body = Body::Ended;
                break;
            };
            self.row += 1;
            bytes += row_bytes.max(self.builders.least_row_bytes);
            self.builders.end_row();
        }
        self.builders.finish()
    }
}

impl Iterator for Votable {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch();
        if next.is_err() {
            self.body = Body::Ended;
        }
        next.transpose()
    }
}

/// The columns that a VOTable without rows describes, as other formats carry one in their metadata.
pub(super) fn columns_of(document: &[u8], file: &str) -> Result<Vec<FileColumn>> {
    let mut xml = Xml::new(Box::new(std::io::Cursor::new(document.to_vec())), file.to_owned());
    header::read_fields(&mut xml)
}

/// Reads one row of TABLEDATA; the bytes of its cells, or `None` behind the last row.
fn read_row(xml: &mut Xml, builders: &mut Builders, number: u64) -> Result<Option<usize>> {
    loop {
        match xml.next()? {
            Found::Open(tag) if tag.name == "TR" => break,
            Found::Open(tag) => xml.skip(&tag.name)?,
            Found::Close(name) if name == "TABLEDATA" => return Ok(None),
            Found::Close(_) => {}
            Found::End => return Err(xml.cut_short()),
        }
    }
    let mut cell = 0;
    let mut bytes = 0;
    loop {
        match xml.next()? {
            Found::Open(tag) if tag.name == "TD" => {
                if tag.attribute("encoding").is_some() {
                    return Err(Error::data("a cell is encoded, which is not read; write it as text")
                        .with("file", xml.file())
                        .with("row", number));
                }
            }
            Found::Open(tag) => xml.skip(&tag.name)?,
            Found::Close(name) if name == "TD" => {
                let text = xml.text();
                let pushed = builders.builders.get_mut(cell).map(|builder| builder.push_cell(text));
                match pushed {
                    Some(Ok(())) => {}
                    Some(Err(fault)) => {
                        let error = builders.fault(fault, cell, number, text.trim().as_bytes());
                        return Err(error.with("file", xml.file()));
                    }
                    None => return Err(wrong_count(xml, builders, number)),
                }
                bytes += text.len();
                cell += 1;
            }
            Found::Close(name) if name == "TR" => break,
            Found::Close(_) => {}
            Found::End => return Err(xml.cut_short()),
        }
    }
    if cell != builders.builders.len() {
        return Err(wrong_count(xml, builders, number));
    }
    Ok(Some(bytes))
}

fn wrong_count(xml: &Xml, builders: &Builders, number: u64) -> Error {
    let fields = builders.builders.len();
    Error::data(format!("a row has another number of cells than the {fields} fields of the table"))
        .with("file", xml.file())
        .with("row", number)
}
