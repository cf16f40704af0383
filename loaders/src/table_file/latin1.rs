//! Documents in Latin-1, as some old services still write them, as UTF-8.

use std::io::Read;

use qserv_core::{Error, Result};

/// The document as UTF-8. `start` is how it begins; the XML declaration there names the encoding.
///
/// # Errors
/// `Data` for an encoding that is neither UTF-8 nor a part of Latin-1.
pub(super) fn as_utf8(bytes: Box<dyn Read + Send>, start: &[u8], file: &str) -> Result<Box<dyn Read + Send>> {
    let declared = encoding(start).unwrap_or_default().to_ascii_lowercase();
    match declared.as_str() {
        "" | "utf-8" | "utf8" | "us-ascii" | "ascii" => Ok(bytes),
        "iso-8859-1" | "latin1" | "latin-1" | "iso8859-1" => {
            Ok(Box::new(Latin1 { inner: bytes, text: Vec::new(), taken: 0 }))
        }
        other => Err(Error::data("the document is in an encoding that is not read; write it as UTF-8")
            .with("file", file)
            .with("encoding", crate::bad_rows::shown(other.as_bytes()))),
    }
}

/// The encoding that an XML declaration names.
fn encoding(start: &[u8]) -> Option<String> {
    let end = memchr::memchr(b'>', start)?;
    let declaration = String::from_utf8_lossy(start.get(..end)?);
    let declaration = declaration.trim_start_matches('\u{feff}').trim_start().strip_prefix("<?xml")?;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value.get(1..)?.split(quote).next().map(str::to_owned)
}

/// Bytes read at a time.
const BLOCK_BYTES: usize = 64 << 10;

struct Latin1 {
    inner: Box<dyn Read + Send>,
    /// What was read, as UTF-8.
    text: Vec<u8>,
    /// How much of it has been handed on.
    taken: usize,
}

impl Read for Latin1 {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.taken == self.text.len() {
            let mut block = vec![0; BLOCK_BYTES];
            let count = self.inner.read(&mut block)?;
            self.text.clear();
            self.taken = 0;
            let mut encoded = [0; 2];
            for &byte in block.get(..count).unwrap_or_default() {
                self.text.extend_from_slice(char::from(byte).encode_utf8(&mut encoded).as_bytes());
            }
        }
        let mut rest = self.text.get(self.taken..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn the_declaration_decides() {
        let text = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9t\xe9</a>";
        for size in [1, 2, 3, 7, 100] {
            let mut reader = as_utf8(Box::new(Cursor::new(text.to_vec())), text, "t").unwrap();
            let mut out = Vec::new();
            let mut buffer = vec![0; size];
            loop {
                let count = reader.read(&mut buffer).unwrap();
                if count == 0 {
                    break;
                }
                out.extend_from_slice(&buffer[..count]);
            }
            assert!(String::from_utf8(out).unwrap().ends_with("<a>\u{e9}t\u{e9}</a>"), "{size}");
        }
        let other = b"<?xml version=\"1.0\" encoding=\"UTF-16\"?>";
        assert!(as_utf8(Box::new(Cursor::new(other.to_vec())), other, "t").is_err());
        assert!(as_utf8(Box::new(Cursor::new(Vec::new())), b"<VOTABLE>", "t").is_ok());
    }
}
