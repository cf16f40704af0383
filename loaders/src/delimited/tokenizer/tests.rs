use proptest::prelude::*;

use super::*;

type Cells = Vec<Vec<(Vec<u8>, bool)>>;

/// A small first buffer makes records meet its end everywhere.
fn tokens(text: &[u8], quoting: Quoting, buffer: usize) -> Result<(Cells, Vec<u64>)> {
    let delimiter = if quoting == Quoting::Quotes { b',' } else { b'\t' };
    let mut tokenizer = Tokenizer::new(text, "t".into(), (delimiter, quoting), buffer, 1 << 20, 100);
    let mut cells = Vec::new();
    let mut lines = Vec::new();
    while let Some(record) = tokenizer.next_record()? {
        lines.push(record.line);
        cells.push(
            tokenizer
                .fields()
                .iter()
                .map(|&field| (tokenizer.value(field).into_owned(), Tokenizer::<&[u8]>::is_quoted(field)))
                .collect(),
        );
    }
    Ok((cells, lines))
}

fn plain(text: &str) -> (Vec<u8>, bool) {
    (text.as_bytes().to_vec(), false)
}

fn quoted(text: &str) -> (Vec<u8>, bool) {
    (text.as_bytes().to_vec(), true)
}

#[test]
fn quotes_delimiters_and_line_ends() {
    let text = b"a,\"b,\"\"c\"\"\nd\",\r\n\"\",\\N,\"\\N\"\n,\nx\"y,z\r";
    for buffer in [1, 2, 3, 1000] {
        let (cells, lines) = tokens(text, Quoting::Quotes, buffer).unwrap();
        assert_eq!(
            cells,
            [
                vec![plain("a"), quoted("b,\"c\"\nd"), plain("")],
                vec![quoted(""), plain("\\N"), quoted("\\N")],
                vec![plain(""), plain("")],
                vec![plain("x\"y"), plain("z")],
            ]
        );
        assert_eq!(lines, [1, 3, 4, 5]);
    }
}

#[test]
fn backslashes_hide_delimiters_and_line_ends() {
    let text = b"a\\\tb\t\\N\t\\\\N\nc\\\nd\te\\0\\t\\Zf\\\"\n\\";
    for buffer in [1, 2, 1000] {
        let (cells, lines) = tokens(text, Quoting::Backslash, buffer).unwrap();
        assert_eq!(
            cells,
            [
                vec![plain("a\tb"), plain("N"), plain("\\N")],
                vec![plain("c\nd"), plain("e\0\t\x1af\"")],
                vec![plain("\\")],
            ]
        );
        assert_eq!(lines, [1, 2, 4]);
    }
}

#[test]
fn open_quotes_and_endless_records_are_errors() {
    assert_eq!(tokens(b"a,\"b\nc", Quoting::Quotes, 3).unwrap_err().kind(), qserv_core::ErrorKind::Data);
    let endless = [b"a\n\"".to_vec(), vec![b'x'; 3 << 20]].concat();
    assert_eq!(tokens(&endless, Quoting::Quotes, 1 << 20).unwrap_err().kind(), qserv_core::ErrorKind::Limit);
}

fn write_quotes(rows: &Cells) -> Vec<u8> {
    let mut text = Vec::new();
    for row in rows {
        for (index, (value, quote)) in row.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            let must = value.iter().any(|byte| b",\"\n\r".contains(byte));
            if *quote || must {
                text.push(b'"');
                for &byte in value {
                    text.push(byte);
                    if byte == b'"' {
                        text.push(b'"');
                    }
                }
                text.push(b'"');
            } else {
                text.extend_from_slice(value);
            }
        }
        text.push(b'\n');
    }
    text
}

fn write_backslashes(rows: &Cells) -> Vec<u8> {
    let mut text = Vec::new();
    for row in rows {
        for (index, (value, _)) in row.iter().enumerate() {
            if index > 0 {
                text.push(b'\t');
            }
            for &byte in value {
                match byte {
                    0 => text.extend_from_slice(b"\\0"),
                    b'\t' | b'\n' | b'\\' => text.extend_from_slice(&[b'\\', byte]),
                    b'\r' => text.extend_from_slice(b"\\r"),
                    _ => text.push(byte),
                }
            }
        }
        text.push(b'\n');
    }
    text
}

fn cells() -> impl Strategy<Value = Cells> {
    let byte = prop_oneof![4 => Just(b'a'), 1 => Just(b'"'), 1 => Just(b','), 1 => Just(b'\n'), 1 => Just(b'\r'),
        1 => Just(b'\\'), 1 => Just(b'\t'), 1 => any::<u8>()];
    let value = proptest::collection::vec(byte, 0..12);
    let row = proptest::collection::vec((value, any::<bool>()), 2..6);
    proptest::collection::vec(row, 0..8)
}

proptest! {
    #[test]
    fn what_is_written_is_read(rows in cells(), buffer in 1usize..40) {
        let values = |cells: &Cells| -> Vec<Vec<Vec<u8>>> {
            cells.iter().map(|row| row.iter().map(|(value, _)| value.clone()).collect()).collect()
        };
        for (quoting, text) in
            [(Quoting::Quotes, write_quotes(&rows)), (Quoting::Backslash, write_backslashes(&rows))]
        {
            let (read, _) = tokens(&text, quoting, buffer).unwrap();
            prop_assert_eq!(values(&read), values(&rows));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..300), buffer in 1usize..40) {
        for quoting in [Quoting::Quotes, Quoting::Backslash] {
            let whole = tokens(&text, quoting, 1000).ok();
            prop_assert_eq!(tokens(&text, quoting, buffer).ok(), whole);
        }
    }
}
