//! The layout of many queries from a stream: what `qserv adql format` does.

use std::io::{self, BufRead, Write};

use crate::check::{End, SEPARATOR, query_text, read_query};
use crate::fault::Fault;
use crate::options::Options;

/// Reads queries that are separated by lines `;;`, and writes each as [`format`](crate::format()) does, with lines `;;` between
/// them. A query that does not parse is written as it came, unless it is too long or no text; `refused` gets its number, from 1,
/// and its faults.
///
/// # Errors
/// Those of the streams.
pub fn format_stream(
    mut input: impl BufRead,
    options: &Options,
    mut out: impl Write,
    mut refused: impl FnMut(u64, &[Fault]),
) -> io::Result<()> {
    let mut query = Vec::new();
    let mut number = 0_u64;
    loop {
        let end = read_query(&mut input, options.max_text_bytes, &mut query)?;
        let blank = query.iter().all(u8::is_ascii_whitespace);
        // The end of the stream ends a query too, unless a separator stood just before it.
        if !(end == End::Stream && blank && number > 0) {
            number += 1;
            if number > 1 {
                writeln!(out, "{SEPARATOR}")?;
            }
            match query_text(&query, options).and_then(|text| crate::format(&text, options)) {
                Ok(text) => writeln!(out, "{text}")?,
                Err(faults) => {
                    refused(number, &faults);
                    if query.len() <= options.max_text_bytes
                        && let Ok(text) = std::str::from_utf8(&query)
                    {
                        writeln!(out, "{}", text.trim_end())?;
                    }
                }
            }
            out.flush()?;
        }
        if end == End::Stream {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(input: &[u8], options: &Options) -> (String, Vec<u64>) {
        let (mut out, mut refused) = (Vec::new(), Vec::new());
        format_stream(input, options, &mut out, |number, faults| {
            assert!(!faults.is_empty());
            refused.push(number);
        })
        .unwrap();
        (String::from_utf8(out).unwrap(), refused)
    }

    #[test]
    fn queries_with_separators_between_them() {
        let options = Options::default();
        let (text, refused) = formatted(b"select a,b from t\n;;\nselect from\n;;\nselect c from u\n", &options);
        assert_eq!(text, "SELECT a, b\nFROM t\n;;\nselect from\n;;\nSELECT c\nFROM u\n");
        assert_eq!(refused, [2]);
        assert_eq!(formatted(text.as_bytes(), &options), (text, vec![2]));
        assert_eq!(formatted(b"select a from t\n;;\n", &options).0, "SELECT a\nFROM t\n");
    }

    #[test]
    fn what_is_too_long_or_no_text_is_left_out() {
        let options = Options { max_text_bytes: 30, ..Options::default() };
        let long = format!("select {}a from t\n;;\nselect a from t", " ".repeat(1000));
        assert_eq!(formatted(long.as_bytes(), &options), (";;\nSELECT a\nFROM t\n".to_owned(), vec![1]));
        assert_eq!(formatted(b"select \xff from t", &options), (String::new(), vec![1]));
    }
}
