//! FITS headers: blocks of 36 cards of 80 characters.

use std::io::Read;

use qserv_core::{Error, Result};

use crate::read_error;

/// Bytes of a block: headers and data are padded to whole ones.
pub(super) const BLOCK: u64 = 2880;

const CARD: usize = 80;

/// Most cards of a header: a table of 999 columns, the most that FITS allows, has some 20 cards a column.
const MAX_CARDS: usize = 100_000;

/// A header's cards that have a value, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    cards: Vec<(String, String)>,
}

impl Header {
    /// Reads a header; `None` at the end of the file.
    ///
    /// # Errors
    /// `Data` if it is cut short or no header.
    pub(super) fn read(reader: &mut impl Read, file: &str) -> Result<Option<Self>> {
        let mut header = Self::default();
        let mut block = vec![0; BLOCK as usize];
        let mut is_first = true;
        loop {
            let read = fill(reader, &mut block).map_err(|error| read_error(error, file))?;
            // Behind the last extension there may be a few bytes of anything.
            if is_first && (read < block.len() || !is_header(&block)) {
                return Ok(None);
            }
            if read < block.len() {
                return Err(Error::data("a header of the FITS file is cut short").with("file", file));
            }
            is_first = false;
            for card in block.chunks_exact(CARD) {
                let keyword = text(card.get(..8).unwrap_or_default());
                if keyword == "END" {
                    return Ok(Some(header));
                }
                if header.cards.len() >= MAX_CARDS {
                    return Err(Error::limit("a header of the FITS file is longer than allowed").with("file", file));
                }
                header.take(&keyword, card);
            }
        }
    }

    fn take(&mut self, keyword: &str, card: &[u8]) {
        if keyword == "CONTINUE"
            && let Some((_, before)) = self.cards.last_mut()
            && before.ends_with('&')
        {
            before.pop();
            before.push_str(&value(card.get(8..).unwrap_or_default()));
            return;
        }
        if card.get(8..10) == Some(b"= ") {
            self.cards.push((keyword.to_owned(), value(card.get(10..).unwrap_or_default())));
        }
    }

    /// The value of a keyword, trimmed; `None` if it is not there or blank.
    pub(super) fn get(&self, keyword: &str) -> Option<&str> {
        let found = self.cards.iter().find(|(key, _)| key == keyword);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// A whole number.
    pub(super) fn number(&self, keyword: &str) -> Option<i64> {
        self.get(keyword)?.parse().ok()
    }

    /// A number of any kind; FITS writes exponents with a D too.
    pub(super) fn real(&self, keyword: &str) -> Option<f64> {
        self.get(keyword)?.replace(['D', 'd'], "E").parse().ok()
    }

    /// Bytes of the data behind this header, padding included; `None` if the header makes no sense.
    pub(super) fn data_bytes(&self) -> Option<u64> {
        let size = |keyword: &str| self.number(keyword).map(u64::try_from);
        let axes = self.number("NAXIS")?;
        if axes == 0 {
            return Some(0);
        }
        let mut elements: u64 = 1;
        for axis in 1..=axes.min(999) {
            elements = elements.checked_mul(size(&format!("NAXIS{axis}"))?.ok()?)?;
        }
        let group = match size("PCOUNT") {
            Some(count) => count.ok()?,
            None => 0,
        };
        let groups = match size("GCOUNT") {
            Some(count) => count.ok()?,
            None => 1,
        };
        let bits = self.number("BITPIX")?.unsigned_abs();
        let bytes = elements.checked_add(group)?.checked_mul(groups)?.checked_mul(bits / 8)?;
        bytes.div_ceil(BLOCK).checked_mul(BLOCK)
    }
}

fn is_header(block: &[u8]) -> bool {
    block.starts_with(b"SIMPLE  =") || block.starts_with(b"XTENSION=")
}

fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The value field of a card: a text between quotes, in which two quotes are one, or what stands before the comment.
fn value(field: &[u8]) -> String {
    let field = text(field);
    let trimmed = field.trim_start();
    let Some(quoted) = trimmed.strip_prefix('\'') else {
        return trimmed.split('/').next().unwrap_or_default().trim().to_owned();
    };
    let mut value = String::new();
    let mut characters = quoted.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\'' {
            if characters.peek() != Some(&'\'') {
                break;
            }
            characters.next();
        }
        value.push(character);
    }
    // Blanks behind a text mean nothing.
    value.truncate(value.trim_end().len());
    value
}

fn text(bytes: &[u8]) -> String {
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(text: &str) -> Vec<u8> {
        let mut card = text.as_bytes().to_vec();
        card.resize(CARD, b' ');
        card
    }

    #[test]
    fn reads_values_of_each_kind() {
        let mut bytes = Vec::new();
        for text in [
            "XTENSION= 'BINTABLE'           / binary table",
            "NAXIS   =                    2",
            "NAXIS1  =                   10 / bytes of a row",
            "NAXIS2  =                 1000",
            "BITPIX  =                    8",
            "TNULL1  =                  -99",
            "TSCAL1  =               1.5D-3",
            "TTYPE1  = 'it''s / here  '     / name",
            "TCOMM1  = 'a long &'",
            "CONTINUE  'story'",
            "COMMENT = 5",
        ] {
            bytes.extend(card(text));
        }
        bytes.extend(card("END"));
        bytes.resize(2880, b' ');
        let header = Header::read(&mut bytes.as_slice(), "t").unwrap().unwrap();
        assert_eq!(header.get("XTENSION"), Some("BINTABLE"));
        assert_eq!(header.get("TTYPE1"), Some("it's / here"));
        assert_eq!(header.get("TCOMM1"), Some("a long story"));
        assert_eq!((header.number("TNULL1"), header.real("TSCAL1")), (Some(-99), Some(0.0015)));
        assert_eq!(header.data_bytes(), Some(4 * 2880));
        assert_eq!(header.get("TUNIT1"), None);
        assert!(Header::read(&mut &bytes[..100], "t").unwrap().is_none());
    }
}
