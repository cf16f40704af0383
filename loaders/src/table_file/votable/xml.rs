//! XML, event by event, within bounds: an event has a largest size, nesting a largest depth.

use std::io::{BufRead, BufReader, Read};

use qserv_core::{Error, Result};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::format::limits;
use crate::read_error;

/// Deepest nesting of elements. A VOTable needs ten.
const MAX_DEPTH: usize = 64;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// What [`Xml::next`] found. Names are those without a prefix.
#[derive(Debug)]
pub(super) enum Found {
    /// A start tag, or the first half of an empty element.
    Open(Tag),
    /// An end tag, or the second half of an empty element.
    Close(String),
    /// The end of the document.
    End,
}

/// A start tag.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// The value of an attribute, if it is there and not blank.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.trim().is_empty())
    }
}

/// Reads a document.
pub(super) struct Xml {
    reader: Reader<Bounded>,
    buffer: Vec<u8>,
    /// Text since the last tag.
    text: String,
    /// The second half of an empty element.
    pending_close: Option<String>,
    depth: usize,
    file: String,
}

/// Bytes of which only so many may be taken before more are granted.
struct Bounded {
    inner: BufReader<Box<dyn Read + Send>>,
    left: usize,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Bounded {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.left == 0 {
            let error = Error::limit("a piece of the XML document is longer than allowed")
                .with("allowed bytes", limits::FIELD_BYTES);
            return Err(std::io::Error::other(error));
        }
        let bytes = self.inner.fill_buf()?;
        Ok(bytes.get(..self.left).unwrap_or(bytes))
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.inner.consume(count);
    }
}

impl Xml {
    /// `file` is the name in errors.
    pub(super) fn new(bytes: Box<dyn Read + Send>, file: String) -> Self {
        let inner = BufReader::with_capacity(BUFFER_BYTES, bytes);
        let mut reader = Reader::from_reader(Bounded { inner, left: limits::FIELD_BYTES });
        // A lone `&` is a fault that many a hand-made file has.
        reader.config_mut().allow_dangling_amp = true;
        Self { reader, buffer: Vec::new(), text: String::new(), pending_close: None, depth: 0, file }
    }

    /// The next tag; the text before it is in [`Xml::text`].
    ///
    /// # Errors
    /// `Data` if it is not well formed, `Limit` beyond the bounds.
    pub(super) fn next(&mut self) -> Result<Found> {
        if let Some(name) = self.pending_close.take() {
            self.text.clear();
            return Ok(Found::Close(name));
        }
        self.text.clear();
        loop {
            self.buffer.clear();
            self.reader.get_mut().left = limits::FIELD_BYTES;
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => {
                    let place = self.reader.error_position();
                    return Err(not_xml(error, &self.file).with("byte", place));
                }
            };
            match event {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(Error::limit("the XML document is nested too deep").with("file", &self.file));
                    }
                    return Ok(Found::Open(read_tag(&tag, &self.file)?));
                }
                Event::Empty(tag) => {
                    let tag = read_tag(&tag, &self.file)?;
                    self.pending_close = Some(tag.name.clone());
                    return Ok(Found::Open(tag));
                }
                Event::End(tag) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Found::Close(tag.local_name().into_inner().to_owned()));
                }
                Event::Text(text) => self.text.push_str(&text.xml10_content()),
                Event::CData(text) => self.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let character = character(&reference, &self.file)?;
                    self.text.push(character);
                }
                Event::Eof => return Ok(Found::End),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
            if self.text.len() > limits::FIELD_BYTES {
                return Err(Error::limit("a text of the XML document is longer than allowed")
                    .with("file", &self.file)
                    .with("allowed bytes", limits::FIELD_BYTES));
            }
        }
    }

    /// The text between the last two tags.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Some bytes of character data right behind the tag that came last, as they stand in the document; none where the next tag
    /// begins. They are to be consumed by [`Xml::consume`].
    ///
    /// # Errors
    /// As reading.
    pub(super) fn raw_text(&mut self) -> Result<&[u8]> {
        if self.pending_close.is_some() {
            return Ok(&[]);
        }
        let reader = self.reader.get_mut();
        reader.left = limits::FIELD_BYTES;
        let bytes = reader.fill_buf().map_err(|error| read_error(error, &self.file))?;
        let end = memchr::memchr(b'<', bytes).unwrap_or(bytes.len());
        Ok(bytes.get(..end).unwrap_or_default())
    }

    /// Takes bytes that [`Xml::raw_text`] gave.
    pub(super) fn consume(&mut self, count: usize) {
        self.reader.stream().consume(count);
    }

    /// The name in errors.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// The text of an element whose start tag came last, without that of elements inside, and reads up to its end tag.
    pub(super) fn text_of(&mut self, name: &str) -> Result<String> {
        let mut text = String::new();
        loop {
            let found = self.next()?;
            text.push_str(&self.text);
            match found {
                Found::Close(closed) if closed == name => return Ok(text),
                Found::Open(tag) => self.skip(&tag.name)?,
                Found::Close(_) => {}
                Found::End => return Err(self.cut_short()),
            }
        }
    }

    /// Reads up to the end tag of the element whose start tag came last.
    pub(super) fn skip(&mut self, name: &str) -> Result<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()? {
                Found::Open(_) => depth += 1,
                Found::Close(_) => depth -= 1,
                Found::End => return Err(self.cut_short().with("element", name)),
            }
        }
        Ok(())
    }

    /// The error of a document that ends too early.
    pub(super) fn cut_short(&self) -> Error {
        Error::data("the document ends before its last element does").with("file", &self.file)
    }
}

fn read_tag(tag: &BytesStart<'_>, file: &str) -> Result<Tag> {
    let damaged = |error: quick_xml::Error| not_xml(error, file);
    let mut attributes = Vec::new();
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| damaged(error.into()))?;
        let name = attribute.key.local_name().into_inner().to_owned();
        // A reference that means nothing stays as it is written.
        let value = match attribute.normalized_value(XmlVersion::Explicit1_0) {
            Ok(value) => value.into_owned(),
            Err(_) => attribute.value.to_string(),
        };
        attributes.push((name, value));
    }
    Ok(Tag { name: tag.local_name().into_inner().to_owned(), attributes })
}

/// The character of a reference such as `&amp;` or `&#228;`.
fn character(reference: &BytesRef<'_>, file: &str) -> Result<char> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Ok(character);
    }
    let name: &str = reference;
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(Error::data("the document refers to an entity that XML does not have")
            .with("file", file)
            .with("entity", crate::bad_rows::shown(name.as_bytes()))),
    }
}

fn not_xml(error: quick_xml::Error, file: &str) -> Error {
    match error {
        quick_xml::Error::Io(error) => {
            // The reader shares its I/O errors; ours has to be looked for inside.
            let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
            match ours {
                Some(ours) => Error::new(ours.kind(), ours.message()).with("file", file),
                None => Error::data("the file is damaged or cut short").with("file", file).caused_by(error),
            }
        }
        error => Error::data("this is not well-formed XML").with("file", file).caused_by(error),
    }
}
