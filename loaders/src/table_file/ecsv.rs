//! ECSV (astropy's enhanced CSV): a YAML header behind `#`, then a line of names, then records.

use std::io::{BufRead, BufReader, Read};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use qserv_core::{Error, Result};

use super::columns::{Builders, Datatype, FileColumn, Length};
use super::yaml::{self, Node};
use crate::delimited::tokenizer::{self, Quoting, Tokenizer};
use crate::format::limits;
use crate::read_error;

/// Longest header. One of a thousand columns with long descriptions has a megabyte.
const MAX_HEADER_BYTES: usize = 16 << 20;

/// Reads an ECSV file's rows.
pub(super) struct Ecsv {
    tokenizer: Tokenizer<BufReader<Box<dyn Read + Send>>>,
    builders: Builders,
    file: String,
    header_lines: u64,
    row: u64,
    ended: bool,
}

impl Ecsv {
    /// Reads the header. `file` is the name in errors.
    ///
    /// # Errors
    /// `Data` if it is no ECSV file.
    pub(super) fn open(bytes: Box<dyn Read + Send>, file: &str) -> Result<Self> {
        let mut bytes = BufReader::new(bytes);
        let (header, header_lines) = read_header(&mut bytes, file)?;
        let header = yaml::parse(&header, file)?;
        let listed = header.get("datatype").map(Node::members).unwrap_or_default();
        if listed.len() > limits::HEADER_COLUMNS {
            return Err(Error::limit("the ECSV file has more columns than any table has").with("file", file));
        }
        let columns = listed.iter().map(|node| column(node, file)).collect::<Result<Vec<_>>>()?;
        let delimiter = match header.get("delimiter") {
            Some(Node::Text(text)) if text == "," => b',',
            _ => b' ',
        };
        let mut tokenizer = Tokenizer::new(
            bytes,
            file.to_owned(),
            (delimiter, Quoting::Quotes),
            tokenizer::BUFFER_BYTES,
            limits::RECORD_BYTES,
            columns.len().max(1),
        );
        let names = match tokenizer.next_record()? {
            Some(_) => {
                let names = tokenizer.fields().iter().map(|&field| tokenizer.value(field).into_owned());
                names.collect::<Vec<_>>()
            }
            None => Vec::new(),
        };
        if !names.iter().map(Vec::as_slice).eq(columns.iter().map(|column| column.name.as_bytes())) {
            return Err(Error::data("the line of names is not that of the header's columns")
                .with("file", file)
                .with("line", header_lines + 1));
        }
        let builders = Builders::new(columns).map_err(|error| error.with("file", file))?;
        Ok(Self { tokenizer, builders, file: file.to_owned(), header_lines, row: 0, ended: false })
    }

    /// The columns.
    pub(super) fn schema(&self) -> SchemaRef {
        self.builders.schema.clone()
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut bytes = 0;
        while !self.ended && self.builders.rows() < limits::BATCH_ROWS && bytes < limits::BATCH_BYTES {
            let Some(record) = self.tokenizer.next_record()? else {
                self.ended = true;
                break;
            };
            let fields = self.tokenizer.fields();
            let is_blank =
                record.field_count == 1 && fields.first().is_some_and(|&field| self.tokenizer.raw(field).is_empty());
            if is_blank && self.builders.columns.len() > 1 {
                continue;
            }
            self.row += 1;
            bytes += record.bytes.max(self.builders.least_row_bytes);
            if record.field_count != self.builders.columns.len() || record.text_after_quote {
                return Err(Error::data("a record has another number of fields than there are columns")
                    .with("file", &self.file)
                    .with("line", self.header_lines + record.line));
            }
            for index in 0..fields.len() {
                let Some(&field) = self.tokenizer.fields().get(index) else { break };
                let value = self.tokenizer.value(field);
                let pushed = match std::str::from_utf8(&value) {
                    Ok(text) => push(&mut self.builders, index, text),
                    Err(_) => Err("is not UTF-8 text"),
                };
                if let Err(fault) = pushed {
                    let error = self.builders.fault(fault, index, self.row, &value);
                    return Err(error.with("file", &self.file).with("line", self.header_lines + record.line));
                }
            }
            self.builders.end_row();
        }
        self.builders.finish()
    }
}

impl Iterator for Ecsv {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch();
        self.ended |= next.is_err();
        next.transpose()
    }
}

fn push(builders: &mut Builders, index: usize, text: &str) -> Result<(), &'static str> {
    let (Some(builder), Some(column)) = (builders.builders.get_mut(index), builders.columns.get(index)) else {
        return Ok(());
    };
    // Arrays are JSON: brackets, commas, null.
    if column.length != Length::One && !column.datatype.is_text() && !text.trim().is_empty() {
        let words = text.split([' ', ',', '[', ']', '\n', '\t']).filter(|word| !word.is_empty());
        return builder.push_words(words.map(|word| (word != "null").then_some(word)));
    }
    builder.push_cell(text)
}

/// The YAML of the lines that begin with `#`, and their number.
fn read_header(bytes: &mut BufReader<Box<dyn Read + Send>>, file: &str) -> Result<(String, u64)> {
    let mut header = String::new();
    let mut lines = 0;
    loop {
        let next = bytes.fill_buf().map_err(|error| read_error(error, file))?;
        if next.first() != Some(&b'#') {
            return Ok((header, lines));
        }
        let mut line = Vec::new();
        let most = MAX_HEADER_BYTES.saturating_sub(header.len()) as u64;
        bytes.by_ref().take(most).read_until(b'\n', &mut line).map_err(|error| read_error(error, file))?;
        if line.last() != Some(&b'\n') && line.len() as u64 == most {
            return Err(Error::limit("the header of the ECSV file is longer than allowed").with("file", file));
        }
        lines += 1;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\n', '\r']).trim_start_matches('#');
        // One blank belongs to the mark of a comment, further ones to YAML's indentation.
        let line = line.strip_prefix(' ').unwrap_or(line);
        if !(lines == 1 && line.starts_with("%ECSV")) {
            header.push_str(line);
            header.push('\n');
        }
    }
}

fn column(node: &Node, file: &str) -> Result<FileColumn> {
    let name = node.text("name").unwrap_or_default();
    let refuse = |message: &str| Error::data(message.to_owned()).with("file", file).with("column", name);
    let declared = node.text("datatype").unwrap_or("string");
    let subtype = node.text("subtype");
    let (datatype, length) = match subtype.and_then(|subtype| subtype.split_once('[')) {
        Some((element, shape)) => match datatype(element) {
            Some(datatype) if !datatype.is_text() => (datatype, length(shape.trim_end_matches(']'))),
            // Texts and objects stay JSON.
            _ => (Datatype::UnicodeChar, Length::One),
        },
        None => match datatype(declared) {
            Some(datatype) => (datatype, Length::One),
            None => {
                let shown = crate::bad_rows::shown(declared.as_bytes());
                return Err(refuse("a column has a datatype that is not read; write numbers, texts or truth values")
                    .with("datatype", shown));
            }
        },
    };
    let bound = match length {
        Length::Fixed(count) => count.saturating_mul(datatype.width()),
        Length::One | Length::Any => 0,
    };
    if bound > limits::FIELD_BYTES {
        return Err(refuse("the arrays of a column are longer than allowed").with("allowed bytes", limits::FIELD_BYTES));
    }
    let meta = |key: &str| {
        let own = node.text(key).or_else(|| node.get("meta")?.text(key));
        own.map(str::to_owned)
    };
    Ok(FileColumn {
        length,
        unit: node.text("unit").map(str::to_owned),
        ucd: meta("ucd"),
        utype: meta("utype"),
        xtype: meta("xtype"),
        description: node.text("description").map(str::to_owned),
        ..FileColumn::new(name, datatype)
    })
}

fn datatype(name: &str) -> Option<Datatype> {
    Some(match name {
        "bool" => Datatype::Boolean,
        "int8" => Datatype::Byte,
        "uint8" => Datatype::UnsignedByte,
        "int16" => Datatype::Short,
        "uint16" => Datatype::UnsignedShort,
        "int32" => Datatype::Int,
        "uint32" => Datatype::UnsignedInt,
        "int64" => Datatype::Long,
        "uint64" => Datatype::UnsignedLong,
        "float16" | "float32" => Datatype::Float,
        "float64" | "float128" => Datatype::Double,
        "string" => Datatype::UnicodeChar,
        _ => return None,
    })
}

/// The elements of a shape such as `3` or `2,null`, in which `null` is any number.
fn length(shape: &str) -> Length {
    let sizes = shape.split(',').map(|size| size.trim().parse::<usize>().ok());
    match sizes.reduce(|product, size| product?.checked_mul(size?)).flatten() {
        Some(count) => Length::Fixed(count),
        None => Length::Any,
    }
}
