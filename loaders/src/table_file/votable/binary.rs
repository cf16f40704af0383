//! BINARY and BINARY2: rows of big-endian cells in one base64 stream, decoded a few kilobytes at a time.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use qserv_core::{Error, Result};

use super::super::columns::{Builders, Datatype, FileColumn, Length};
use super::xml::Xml;
use crate::format::limits;

/// Characters decoded at a time; a multiple of four.
const PIECE: usize = 64 << 10;

/// Base64 with or without padding: some writers leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The rows of a STREAM.
pub(super) struct Stream {
    /// Whether each row begins with a bit for each column that says whether it is NULL (BINARY2).
    has_flags: bool,
    /// Characters that are not decoded yet: fewer than four between two fills.
    characters: Vec<u8>,
    decoded: Vec<u8>,
    /// How much of `decoded` has been taken.
    taken: usize,
    ended: bool,
    cell: Vec<u8>,
    flags: Vec<u8>,
}

impl Stream {
    pub(super) fn new(has_flags: bool) -> Self {
        Self {
            has_flags,
            characters: Vec::new(),
            decoded: Vec::new(),
            taken: 0,
            ended: false,
            cell: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// Reads one row; its bytes, or `None` behind the last row.
    pub(super) fn read_row(&mut self, xml: &mut Xml, builders: &mut Builders, number: u64) -> Result<Option<usize>> {
        if self.available() == 0 && !self.fill(xml)? {
            return Ok(None);
        }
        let cut = |error: Error| error.with("row", number);
        let mut bytes = 0;
        if self.has_flags {
            let count = builders.columns.len().div_ceil(8);
            self.take(xml, count).map_err(cut)?;
            std::mem::swap(&mut self.cell, &mut self.flags);
            bytes += count;
        }
        for index in 0..builders.columns.len() {
            let Some(column) = builders.columns.get(index) else { break };
            let is_variable = column.length == Length::Any;
            let (count, width) = self.measure(xml, column).map_err(|error| cut(error).with("column", &column.name))?;
            self.take(xml, width).map_err(cut)?;
            bytes += width;
            let is_bits = column.datatype == Datatype::Bit && column.length != Length::One;
            let is_text = column.datatype.is_text();
            let is_flagged =
                self.has_flags && self.flags.get(index / 8).is_some_and(|byte| byte & (0x80 >> (index % 8)) != 0);
            // Without flags an empty array is the one way to say NULL, and so is a text that begins with its end.
            let is_empty = !self.has_flags
                && ((is_variable && count == 0) || (is_text && starts_with_end(&self.cell, column.datatype)));
            let Some(builder) = builders.builders.get_mut(index) else { break };
            let pushed = if is_flagged || is_empty {
                builder.push_null();
                Ok(())
            } else if is_bits {
                builder.push_bits(&self.cell, count)
            } else {
                builder.push_binary(&self.cell)
            };
            if let Err(fault) = pushed {
                return Err(builders.fault(fault, index, number, &self.cell).with("file", xml.file()));
            }
        }
        // A table without columns has no end but that of its stream.
        if bytes == 0 {
            return Err(Error::data("the rows of this VOTable have no columns").with("file", xml.file()));
        }
        Ok(Some(bytes))
    }

    /// The elements and the bytes of a column's next cell.
    fn measure(&mut self, xml: &mut Xml, column: &FileColumn) -> Result<(usize, usize)> {
        let width = column.datatype.width();
        match column.length {
            Length::One => Ok((1, width)),
            Length::Fixed(count) if column.datatype == Datatype::Bit => Ok((count, count.div_ceil(8))),
            Length::Fixed(count) => Ok((count, count * width)),
            Length::Any => {
                self.take(xml, 4)?;
                let count = self.cell.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes)) as usize;
                let bytes = match column.datatype {
                    Datatype::Bit => count.div_ceil(8),
                    _ => count.saturating_mul(width),
                };
                if bytes > limits::FIELD_BYTES {
                    return Err(Error::limit("a cell of the table is longer than allowed, or the stream is damaged")
                        .with("file", xml.file())
                        .with("bytes", bytes)
                        .with("allowed bytes", limits::FIELD_BYTES));
                }
                Ok((count, bytes))
            }
        }
    }

    fn available(&self) -> usize {
        self.decoded.len() - self.taken
    }

    /// Takes bytes into `cell`.
    fn take(&mut self, xml: &mut Xml, count: usize) -> Result<()> {
        self.cell.clear();
        while self.cell.len() < count {
            if self.available() == 0 && !self.fill(xml)? {
                return Err(Error::data("the stream of this VOTable ends within a row").with("file", xml.file()));
            }
            let wanted = count - self.cell.len();
            let end = self.decoded.len().min(self.taken + wanted);
            self.cell.extend_from_slice(self.decoded.get(self.taken..end).unwrap_or_default());
            self.taken = end;
        }
        Ok(())
    }

    /// Decodes more of the stream when all that was decoded is taken; false at its end.
    fn fill(&mut self, xml: &mut Xml) -> Result<bool> {
        self.decoded.clear();
        self.taken = 0;
        while self.decoded.is_empty() {
            if self.ended {
                return Ok(false);
            }
            while self.characters.len() < PIECE {
                let raw = xml.raw_text()?;
                if raw.is_empty() {
                    self.ended = true;
                    break;
                }
                let count = raw.len().min(PIECE);
                let raw = raw.get(..count).unwrap_or_default();
                self.characters.extend(raw.iter().filter(|byte| !byte.is_ascii_whitespace()));
                xml.consume(count);
            }
            let whole = if self.ended { self.characters.len() } else { self.characters.len() / 4 * 4 };
            let piece = self.characters.get(..whole).unwrap_or_default();
            BASE64.decode_vec(piece, &mut self.decoded).map_err(|error| {
                Error::data("the stream of this VOTable is not base64").with("file", xml.file()).caused_by(error)
            })?;
            self.characters.drain(..whole);
        }
        Ok(true)
    }
}

fn starts_with_end(text: &[u8], datatype: Datatype) -> bool {
    text.get(..datatype.width()).is_none_or(|first| first.iter().all(|byte| *byte == 0))
}
