//! Cuts text into records and fields.
//!
//! Our own, because readers at hand do not tell a quoted field from an unquoted one, and here `\N` is NULL while `"\N"` is two
//! characters. A field is a range of the buffer; nothing is copied before a value is wanted.

use std::borrow::Cow;
use std::io::Read;

use memchr::{memchr, memchr_iter, memchr2, memchr3};
use qserv_core::{Error, Result};

use crate::read_error;

#[cfg(test)]
mod tests;

/// First size of the buffer, which is filled as a whole. It doubles for a record that does not fit, up to the longest record
/// allowed, so that the work for a long record stays in proportion to its length.
pub(crate) const BUFFER_BYTES: usize = 256 << 10;

/// How fields are quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// RFC 4180: fields that begin with `"` end at the next single `"`, and `""` inside is one. A quote elsewhere is
    /// a character like any other.
    Quotes,
    /// MySQL: a backslash takes its meaning from the next byte: `\t`, `\n`, `\0` and so on, or just escapes it.
    Backslash,
}

/// How one field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    /// Within quotes.
    Quoted,
    /// Within quotes, with doubled quotes inside.
    QuotedTwice,
    /// With backslashes.
    Escaped,
}

/// One field: where it stands in the buffer and how it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    start: usize,
    end: usize,
    form: Form,
}

/// One record; its fields are in [`Tokenizer::fields`] until the next one is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// The line at which it begins, from 1.
    pub(crate) line: u64,
    /// How many fields it has, also those beyond the most that are kept.
    pub(crate) field_count: usize,
    /// Bytes of the file that it takes.
    pub(crate) bytes: usize,
    /// Whether something other than a delimiter follows a closing quote.
    pub(crate) text_after_quote: bool,
}

/// What [`Tokenizer::scan`] found.
enum Scan {
    /// A record that takes so many bytes, its line end included, and holds so many line ends inside.
    Record { bytes: usize, inner_lines: u64, field_count: usize, text_after_quote: bool },
    /// The record goes on behind what has been read.
    Incomplete,
    /// The input ends inside quotes.
    Unclosed,
}

/// Reads records from a stream of bytes.
pub(crate) struct Tokenizer<R> {
    reader: R,
    file: String,
    delimiter: u8,
    quoting: Quoting,
    /// Whether a carriage return before a line end belongs to the line end.
    strip_carriage_return: bool,
    max_record_bytes: usize,
    max_fields: usize,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    line: u64,
    fields: Vec<Field>,
}

impl<R: Read> Tokenizer<R> {
    /// `max_fields` fields of a record are kept, the rest is counted.
    pub(crate) fn new(
        reader: R,
        file: String,
        (delimiter, quoting): (u8, Quoting),
        buffer_bytes: usize,
        max_record_bytes: usize,
        max_fields: usize,
    ) -> Self {
        Self {
            reader,
            file,
            delimiter,
            quoting,
            strip_carriage_return: true,
            max_record_bytes,
            max_fields,
            buffer: vec![0; buffer_bytes.max(1)],
            start: 0,
            end: 0,
            at_end: false,
            line: 1,
            fields: Vec::new(),
        }
    }

    /// From now on keeps so many fields of a record, and takes a carriage return before a line end as a part of the line
    /// end or of the last field.
    pub(crate) fn expect(&mut self, max_fields: usize, strip_carriage_return: bool) {
        self.max_fields = max_fields;
        self.strip_carriage_return = strip_carriage_return;
    }

    /// Skips a byte order mark at the beginning.
    pub(crate) fn skip_byte_order_mark(&mut self) -> Result<()> {
        while self.end - self.start < 3 && !self.at_end {
            self.fill()?;
        }
        if self.pending().starts_with(&[0xef, 0xbb, 0xbf]) {
            self.start += 3;
        }
        Ok(())
    }

    /// The next record; `None` at the end.
    pub(crate) fn next_record(&mut self) -> Result<Option<Record>> {
        loop {
            if self.start == self.end {
                if self.at_end {
                    return Ok(None);
                }
                self.fill()?;
                continue;
            }
            match self.scan() {
                Scan::Record { bytes, inner_lines, field_count, text_after_quote } => {
                    let line = self.line;
                    self.line += 1 + inner_lines;
                    // The fields' ranges count from here.
                    for field in &mut self.fields {
                        field.start += self.start;
                        field.end += self.start;
                    }
                    self.start += bytes;
                    return Ok(Some(Record { line, field_count, bytes, text_after_quote }));
                }
                Scan::Incomplete => {
                    if self.end - self.start > self.max_record_bytes {
                        return Err(Error::limit("a record is longer than allowed; is a quote never closed?")
                            .with("file", &self.file)
                            .with("line", self.line)
                            .with("allowed bytes", self.max_record_bytes));
                    }
                    self.fill()?;
                }
                Scan::Unclosed => {
                    return Err(Error::data("a quoted value is never closed")
                        .with("file", &self.file)
                        .with("line", self.line));
                }
            }
        }
    }

    /// The fields of the record read last.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// A field's bytes as they stand in the file, quotes aside.
    pub(crate) fn raw(&self, field: Field) -> &[u8] {
        self.buffer.get(field.start..field.end).unwrap_or_default()
    }

    /// Whether a field is written within quotes.
    pub(crate) fn is_quoted(field: Field) -> bool {
        matches!(field.form, Form::Quoted | Form::QuotedTwice)
    }

    /// A field's value: the bytes meant, doubled quotes and escapes resolved.
    pub(crate) fn value(&self, field: Field) -> Cow<'_, [u8]> {
        let raw = self.raw(field);
        match field.form {
            Form::Plain | Form::Quoted => Cow::Borrowed(raw),
            Form::QuotedTwice => Cow::Owned(undouble(raw)),
            Form::Escaped => Cow::Owned(unescape(raw)),
        }
    }

    fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads behind what is there until the buffer is full or the input ends.
    fn fill(&mut self) -> Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        while !self.at_end && self.end < self.buffer.len() {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.reader.read(free) {
                Ok(0) => self.at_end = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_error(error, &self.file)),
            }
        }
        Ok(())
    }

    /// Finds the record at the start of what is pending.
    fn scan(&mut self) -> Scan {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        let mut scanner = Scanner {
            text: self.pending(),
            at_end: self.at_end,
            delimiter: self.delimiter,
            strip_carriage_return: self.strip_carriage_return,
            max_fields: self.max_fields,
            fields: &mut fields,
            field_count: 0,
        };
        let scan = match self.quoting {
            Quoting::Quotes => scanner.quotes(),
            Quoting::Backslash => scanner.backslashes(),
        };
        self.fields = fields;
        scan
    }
}

/// One pass over one record.
struct Scanner<'a> {
    text: &'a [u8],
    at_end: bool,
    delimiter: u8,
    strip_carriage_return: bool,
    max_fields: usize,
    fields: &'a mut Vec<Field>,
    field_count: usize,
}

impl Scanner<'_> {
    fn push(&mut self, start: usize, end: usize, form: Form) {
        if self.field_count < self.max_fields {
            self.fields.push(Field { start, end, form });
        }
        self.field_count += 1;
    }

    fn record(&self, bytes: usize, inner_lines: u64, text_after_quote: bool) -> Scan {
        Scan::Record { bytes, inner_lines, field_count: self.field_count, text_after_quote }
    }

    fn rest(&self, from: usize) -> &[u8] {
        self.text.get(from..).unwrap_or_default()
    }

    /// The end of an unquoted last field whose line end stands at `line_end`.
    fn without_carriage_return(&self, start: usize, line_end: usize) -> usize {
        let ends_in_return = line_end > start && self.text.get(line_end - 1) == Some(&b'\r');
        if self.strip_carriage_return && ends_in_return { line_end - 1 } else { line_end }
    }

    fn quotes(&mut self) -> Scan {
        let mut at = 0;
        let mut inner_lines = 0;
        loop {
            if self.text.get(at) != Some(&b'"') {
                match memchr2(self.delimiter, b'\n', self.rest(at)) {
                    None if self.at_end => {
                        let end = self.without_carriage_return(at, self.text.len());
                        self.push(at, end, Form::Plain);
                        return self.record(self.text.len(), inner_lines, false);
                    }
                    None => return Scan::Incomplete,
                    Some(length) if self.text.get(at + length) == Some(&b'\n') => {
                        let end = self.without_carriage_return(at, at + length);
                        self.push(at, end, Form::Plain);
                        return self.record(at + length + 1, inner_lines, false);
                    }
                    Some(length) => {
                        self.push(at, at + length, Form::Plain);
                        at += length + 1;
                        continue;
                    }
                }
            }
            let start = at + 1;
            let mut form = Form::Quoted;
            let mut search = start;
            let close = loop {
                match memchr(b'"', self.rest(search)) {
                    None if self.at_end => return Scan::Unclosed,
                    None => return Scan::Incomplete,
                    Some(length) => {
                        let quote = search + length;
                        match self.text.get(quote + 1) {
                            Some(b'"') => {
                                form = Form::QuotedTwice;
                                search = quote + 2;
                            }
                            // Whether the quote closes is told by the byte behind it.
                            None if !self.at_end => return Scan::Incomplete,
                            _ => break quote,
                        }
                    }
                }
            };
            inner_lines += memchr_iter(b'\n', self.text.get(start..close).unwrap_or_default()).count() as u64;
            self.push(start, close, form);
            let after = close + 1;
            match (self.text.get(after).copied(), self.text.get(after + 1).copied()) {
                (None, _) => return self.record(after, inner_lines, false),
                (Some(byte), _) if byte == self.delimiter => at = after + 1,
                (Some(b'\n'), _) => return self.record(after + 1, inner_lines, false),
                (Some(b'\r'), Some(b'\n')) => return self.record(after + 2, inner_lines, false),
                (Some(b'\r'), None) if self.at_end => return self.record(after + 1, inner_lines, false),
                (Some(b'\r'), None) => return Scan::Incomplete,
                // Text behind a closing quote: the record cannot be understood; the next one begins at the next line.
                (Some(_), _) => match memchr(b'\n', self.rest(after)) {
                    Some(length) => return self.record(after + length + 1, inner_lines, true),
                    None if self.at_end => return self.record(self.text.len(), inner_lines, true),
                    None => return Scan::Incomplete,
                },
            }
        }
    }

    fn backslashes(&mut self) -> Scan {
        let mut at = 0;
        let mut inner_lines = 0;
        loop {
            let mut form = Form::Plain;
            let mut search = at;
            let (end, byte) = loop {
                match memchr3(self.delimiter, b'\n', b'\\', self.rest(search)) {
                    None if self.at_end => break (self.text.len(), None),
                    None => return Scan::Incomplete,
                    Some(length) => {
                        let found = search + length;
                        match self.text.get(found) {
                            Some(b'\\') => {
                                form = Form::Escaped;
                                match self.text.get(found + 1) {
                                    None if !self.at_end => return Scan::Incomplete,
                                    None => break (self.text.len(), None),
                                    Some(b'\n') => inner_lines += 1,
                                    Some(_) => {}
                                }
                                search = found + 2;
                            }
                            byte => break (found, byte.copied()),
                        }
                    }
                }
            };
            match byte {
                Some(b'\n') | None => {
                    let trimmed = self.without_carriage_return(at, end);
                    self.push(at, trimmed, form);
                    let bytes = if byte.is_some() { end + 1 } else { end };
                    return self.record(bytes, inner_lines, false);
                }
                Some(_) => {
                    self.push(at, end, form);
                    at = end + 1;
                }
            }
        }
    }
}

/// Makes `""` one quote.
fn undouble(raw: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(quote) = memchr(b'"', rest) {
        value.extend_from_slice(rest.get(..=quote).unwrap_or_default());
        rest = rest.get(quote + 2..).unwrap_or_default();
    }
    value.extend_from_slice(rest);
    value
}

/// Resolves MySQL's escapes.
fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(backslash) = memchr(b'\\', rest) {
        value.extend_from_slice(rest.get(..backslash).unwrap_or_default());
        match rest.get(backslash + 1) {
            Some(b'0') => value.push(0),
            Some(b'b') => value.push(8),
            Some(b'n') => value.push(b'\n'),
            Some(b'r') => value.push(b'\r'),
            Some(b't') => value.push(b'\t'),
            Some(b'Z') => value.push(26),
            Some(&other) => value.push(other),
            None => value.push(b'\\'),
        }
        rest = rest.get(backslash + 2..).unwrap_or_default();
    }
    value.extend_from_slice(rest);
    value
}
