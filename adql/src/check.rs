//! The check of many queries from a stream: what `qserv adql check` does.

use std::borrow::Cow;
use std::io::{self, BufRead, Write};

use serde::Serialize;

use crate::fault::Fault;
use crate::options::Options;

/// The line between two queries.
pub(crate) const SEPARATOR: &str = ";;";

/// What one query's line of the answer holds.
#[derive(Serialize)]
struct Verdict {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FirstFault>,
}

#[derive(Serialize)]
struct FirstFault {
    message: String,
    line: u64,
    column: u64,
}

/// Reads queries that are separated by lines `;;`, and writes for each, as soon as it is complete, one line of JSON:
/// `{"valid":true}`, or `{"valid":false,"error":{"message":..,"line":..,"column":..}}` with the fault that stands first
/// in the text. Lines count from the query's own first line. Nothing behind the last separator is no query.
///
/// A query that is longer than [`Options::max_text_bytes`] is refused without being held in memory.
///
/// # Errors
/// Those of the streams. Text that is not UTF-8 is no error of the stream: the query is not valid.
pub fn check_stream(mut input: impl BufRead, options: &Options, mut out: impl Write) -> io::Result<()> {
    let mut query = Vec::new();
    let mut number = 0_u64;
    loop {
        let end = read_query(&mut input, options.max_text_bytes, &mut query)?;
        let blank = query.iter().all(u8::is_ascii_whitespace);
        // The end of the stream ends a query too, unless a separator stood just before it.
        if !(end == End::Stream && blank && number > 0) {
            serde_json::to_writer(&mut out, &verdict(&query, options))?;
            out.write_all(b"\n")?;
            out.flush()?;
        }
        if end == End::Stream {
            return Ok(());
        }
        number += 1;
    }
}

fn verdict(query: &[u8], options: &Options) -> Verdict {
    let first_fault = query_text(query, options)
        .and_then(|text| crate::check(&text, options))
        .err()
        .and_then(|faults| faults.into_iter().next())
        .map(|fault| FirstFault { message: fault.summary(), line: fault.line, column: fault.column });
    Verdict { valid: first_fault.is_none(), error: first_fault }
}

/// The text of a query that [`read_query`] read.
pub(crate) fn query_text<'q>(query: &'q [u8], options: &Options) -> Result<Cow<'q, str>, Vec<Fault>> {
    // A text that is too long was cut, perhaps within a character.
    if query.len() > options.max_text_bytes {
        return Ok(String::from_utf8_lossy(query));
    }
    std::str::from_utf8(query).map(Cow::Borrowed).map_err(|_| vec![Fault::of_text("the query is not UTF-8 text")])
}

/// What ended a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Separator,
    Stream,
}

/// Reads up to a separator or the end into `query`. Of a query that is too long it keeps just enough to be refused.
pub(crate) fn read_query(input: &mut impl BufRead, max_bytes: usize, query: &mut Vec<u8>) -> io::Result<End> {
    query.clear();
    let mut line = Vec::new();
    loop {
        line.clear();
        if read_line(input, max_bytes, &mut line)? == 0 {
            return Ok(End::Stream);
        }
        if line.trim_ascii() == SEPARATOR.as_bytes() {
            return Ok(End::Separator);
        }
        let room = (max_bytes + 1).saturating_sub(query.len());
        query.extend(line.iter().take(room));
    }
}

/// Reads one line with its end; of a line that is longer than `max_bytes` the rest is read and dropped.
fn read_line(input: &mut impl BufRead, max_bytes: usize, line: &mut Vec<u8>) -> io::Result<usize> {
    let mut read = 0;
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(read);
        }
        let (used, done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(position) => (position + 1, true),
            None => (buffer.len(), false),
        };
        let room = (max_bytes + 1).saturating_sub(line.len());
        line.extend(buffer.iter().take(used.min(room)));
        input.consume(used);
        read += used;
        if done {
            return Ok(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(input: &str, options: &Options) -> Vec<String> {
        let mut out = Vec::new();
        check_stream(input.as_bytes(), options, &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn one_line_a_query() {
        let input = "SELECT ra\nFROM t\n;;\nSELECT FROM t\n;;\nSELECT 1 +\n\nFROM t\n";
        let answers = answers(input, &Options::strict());
        assert_eq!(answers.len(), 3);
        assert_eq!(answers[0], r#"{"valid":true}"#);
        assert!(answers[1].starts_with(r#"{"valid":false,"error":{"message":""#), "{}", answers[1]);
        assert!(answers[1].ends_with(r#","line":1,"column":8}}"#), "{}", answers[1]);
        assert!(answers[2].ends_with(r#","line":3,"column":1}}"#), "{}", answers[2]);
    }

    #[test]
    fn the_ends_of_a_stream() {
        let options = Options::strict();
        assert_eq!(answers("SELECT ra FROM t", &options).len(), 1);
        assert_eq!(answers("SELECT ra FROM t\n;;\n", &options).len(), 1);
        assert_eq!(answers("SELECT ra FROM t\r\n;;\r\nSELECT ra FROM t\r\n", &options).len(), 2);
        assert_eq!(answers(";;\n;;\nSELECT ra FROM t\n", &options).len(), 3, "an empty query is a refused query");
        assert_eq!(answers("", &options).len(), 1);
    }

    #[test]
    fn what_is_too_long_or_no_text_is_refused() {
        let options = Options { max_text_bytes: 30, ..Options::strict() };
        let long = format!("SELECT ra FROM t\n;;\nSELECT {}ra FROM t\n;;\nSELECT ra FROM t", " ".repeat(100_000));
        let answers = answers(&long, &options);
        assert_eq!(answers.len(), 3);
        assert!(answers[1].contains("max_text_bytes"), "{}", answers[1]);
        assert_eq!(answers[2], r#"{"valid":true}"#);
        let mut out = Vec::new();
        check_stream(&b"SELECT \xff FROM t"[..], &options, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("UTF-8"));
    }
}
