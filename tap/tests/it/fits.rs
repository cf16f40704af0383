//! A reader of FITS tables that shares nothing with the writer under test.

use std::collections::HashMap;

use crate::decode::Cell;

#[derive(Debug, Default)]
pub(crate) struct FitsTable {
    pub(crate) keywords: HashMap<String, String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

pub(crate) fn read(file: &[u8]) -> FitsTable {
    assert_eq!(file.len() % 2880, 0);
    let (primary, rest) = header(file);
    assert_eq!((primary["SIMPLE"].as_str(), primary["NAXIS"].as_str()), ("T", "0"));
    let (keywords, data) = header(rest);
    let number = |key: &str| keywords[key].parse::<usize>().unwrap();
    let (width, rows) = (number("NAXIS1"), number("NAXIS2"));
    let (table, heap) = data.split_at(width * rows);
    let used = width * rows + number("PCOUNT");
    assert_eq!(data.len(), used.next_multiple_of(2880));
    assert!(data[used..].iter().all(|byte| *byte == 0));
    let read = |mut row: &[u8]| {
        let columns = 1..=number("TFIELDS");
        let cells = columns.map(|column| {
            let null = keywords.get(&format!("TNULL{column}")).map(|null| null.parse().unwrap());
            cell(&keywords[&format!("TFORM{column}")], null, &mut row, heap)
        });
        let cells = cells.collect();
        assert!(row.is_empty());
        cells
    };
    let rows = table.chunks(width.max(1)).map(read).collect();
    FitsTable { keywords, rows }
}

/// The keywords of the header that the bytes begin with, and what stands behind it.
fn header(bytes: &[u8]) -> (HashMap<String, String>, &[u8]) {
    let mut keywords = HashMap::new();
    let mut last = String::new();
    for (number, card) in bytes.chunks(80).enumerate() {
        assert!(card.iter().all(|byte| (b' '..=b'~').contains(byte)));
        let card = str::from_utf8(card).unwrap();
        let (keyword, value) = (card[..8].trim(), &card[8..]);
        match keyword {
            "END" => return (keywords, &bytes[((number + 1) * 80).next_multiple_of(2880)..]),
            "CONTINUE" => {
                let value: &mut String = keywords.get_mut(&last).unwrap();
                assert_eq!(value.pop(), Some('&'));
                value.push_str(&text(value_of(card[10..].trim())));
            }
            "COMMENT" => {}
            _ => {
                assert!(value.starts_with("= "), "{card}");
                last = keyword.to_owned();
                keywords.insert(last.clone(), text(value_of(value[2..].trim())));
            }
        }
    }
    panic!("a header without END");
}

/// The value without the comment behind it.
fn value_of(text: &str) -> &str {
    if text.starts_with('\'') { text } else { text.split('/').next().unwrap().trim() }
}

fn text(value: &str) -> String {
    match value.strip_prefix('\'') {
        Some(quoted) => quoted.strip_suffix('\'').unwrap().replace("''", "'").trim_end().to_owned(),
        None => value.to_owned(),
    }
}

fn cell(tform: &str, null: Option<i64>, row: &mut &[u8], heap: &[u8]) -> Cell {
    let digits = tform.len() - tform.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let count: usize = if digits == 0 { 1 } else { tform[..digits].parse().unwrap() };
    let mut letters = tform[digits..].chars();
    let letter = letters.next().unwrap();
    if letter == 'P' {
        let number = |bytes: &[u8]| usize::try_from(u32::from_be_bytes(bytes.try_into().unwrap())).unwrap();
        let (count, start) = (number(take(row, 4)), number(take(row, 4)));
        return if count == 0 {
            Cell::Null
        } else {
            elements(letters.next().unwrap(), count, null, &mut &heap[start..])
        };
    }
    match elements(letter, count, null, row) {
        Cell::Array(mut elements) if digits == 0 => elements.remove(0),
        Cell::Bytes(bytes) if digits == 0 => Cell::Integer(bytes[0].into()),
        cell => cell,
    }
}

fn elements(letter: char, count: usize, null: Option<i64>, bytes: &mut &[u8]) -> Cell {
    match letter {
        'A' => {
            let text = take(bytes, count).split(|byte| *byte == 0).next().unwrap();
            if text.is_empty() { Cell::Null } else { Cell::Text(String::from_utf8(text.to_vec()).unwrap()) }
        }
        'B' => Cell::Bytes(take(bytes, count).to_vec()),
        _ => Cell::Array((0..count).map(|_| element(letter, null, bytes)).collect()),
    }
}

fn element(letter: char, null: Option<i64>, bytes: &mut &[u8]) -> Cell {
    let integer = |value: i64| if Some(value) == null { Cell::Null } else { Cell::Integer(value) };
    match letter {
        'L' => match take(bytes, 1)[0] {
            b'T' => Cell::Boolean(true),
            b'F' => Cell::Boolean(false),
            _ => Cell::Null,
        },
        'I' => integer(i16::from_be_bytes(take(bytes, 2).try_into().unwrap()).into()),
        'J' => integer(i32::from_be_bytes(take(bytes, 4).try_into().unwrap()).into()),
        'K' => integer(i64::from_be_bytes(take(bytes, 8).try_into().unwrap())),
        'E' => Cell::Float(f32::from_be_bytes(take(bytes, 4).try_into().unwrap())),
        'D' => Cell::Double(f64::from_be_bytes(take(bytes, 8).try_into().unwrap())),
        other => panic!("no format {other}"),
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(count);
    *rest = left;
    taken
}
