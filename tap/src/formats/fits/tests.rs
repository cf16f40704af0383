use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Int16Array, Int64Array, ListArray, StringArray};
use arrow::datatypes::{Field, Float64Type, Schema};
use qserv_core::ErrorKind;

use super::*;

fn file(batches: &[RecordBatch], ending: Ending<'_>) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let scratch = Scratch::new(folder.path().to_owned(), 1 << 30);
    let header = Header { query: "SELECT 'α'".to_owned(), ..Header::default() };
    let mut writer = FitsWriter::new(&batches[0].schema(), header, &scratch)?;
    let mut out = Vec::new();
    writer.begin(&mut out);
    for batch in batches {
        writer.rows(batch, &mut out)?;
        assert!(out.is_empty(), "nothing can be written before the last row is known");
    }
    writer.end(ending, &mut out)?;
    while writer.more(&mut out)? {}
    Ok(out)
}

/// The value of a card of the table's header.
fn card(file: &[u8], keyword: &str) -> String {
    let key = format!("{keyword:<8}= ");
    let cards = file[2880..].chunks(80).take_while(|card| card.trim_ascii_end() != b"END");
    let card = cards.map(|card| str::from_utf8(card).unwrap()).find_map(|card| card.strip_prefix(&key));
    let value = card.unwrap_or_else(|| panic!("no {keyword}"));
    value.split(" / ").next().unwrap().trim().trim_matches('\'').trim_end().to_owned()
}

/// What stands behind the headers.
fn table(file: &[u8]) -> &[u8] {
    let end = file[2880..].chunks(80).position(|card| card.trim_ascii_end() == b"END").unwrap();
    &file[2880 + ((end + 1) * 80).next_multiple_of(2880)..]
}

fn columns(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

#[test]
fn rows_stand_before_the_heap() {
    let points = || {
        ListArray::from_iter_primitive::<Float64Type, _, _>([Some(vec![Some(1.0)]), None, Some(vec![Some(2.0), None])])
    };
    let batch = columns(vec![
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("t", Arc::new(StringArray::from(vec![Some("é"), Some(""), None]))),
        ("p", Arc::new(points())),
        ("r", Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\x01\x02"), None, Some(b"")]))),
    ]);
    let file = file(&[batch.slice(0, 1), batch.slice(1, 2)], Ending::Overflow).unwrap();
    assert_eq!(file.len() % 2880, 0);
    for (keyword, value) in [
        ("NAXIS1", "19"),
        ("NAXIS2", "3"),
        ("PCOUNT", "26"),
        ("TFORM1", "L"),
        ("TFORM2", "2A"),
        ("TFORM3", "1PD(2)"),
        ("TFORM4", "1PB(2)"),
        ("QSTATUS", "OVERFLOW"),
        ("QUERY", "SELECT ''?"),
    ] {
        assert_eq!(card(&file, keyword), value, "{keyword}");
    }
    let mut expected = Vec::new();
    for (boolean, text, point, bytes) in
        [(b'T', "é", [1, 0], [2, 8]), (0, "\0\0", [0, 10], [0, 26]), (b'F', "\0\0", [2, 10], [0, 26])]
    {
        expected.push(boolean);
        expected.extend_from_slice(text.as_bytes());
        point.into_iter().chain(bytes).for_each(|number: u32| expected.extend_from_slice(&number.to_be_bytes()));
    }
    expected.extend_from_slice(&1.0_f64.to_be_bytes());
    expected.extend_from_slice(&[1, 2]);
    expected.extend_from_slice(&2.0_f64.to_be_bytes());
    expected.extend_from_slice(&f64::NAN.to_be_bytes());
    assert_eq!(&table(&file)[..expected.len()], expected);
    assert!(table(&file)[expected.len()..].iter().all(|byte| *byte == 0));
}

#[test]
fn the_number_for_null_is_none_of_the_values() {
    let batch = columns(vec![
        ("short", Arc::new(Int16Array::from(vec![Some(i16::MIN), Some(i16::MAX), None]))),
        ("long", Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(0), Some(1)]))),
    ]);
    let file = file(&[batch], Ending::Whole).unwrap();
    assert_eq!(card(&file, "TNULL1"), "-32767");
    assert!(!String::from_utf8_lossy(&file[..5760]).contains("TNULL2"));
    assert_eq!(&table(&file)[20..22], (-32767_i16).to_be_bytes());
    assert_eq!(&table(&file)[2..10], i64::MIN.to_be_bytes());

    let every: Vec<_> = survey::stand_ins(16).map(|number| i16::try_from(number).ok()).chain([None]).collect();
    let error = self::file(&[columns(vec![("s", Arc::new(Int16Array::from(every)))])], Ending::Whole).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
}

#[test]
fn one_long_text_does_not_make_every_row_as_long() {
    let long = "x".repeat(1 << 20);
    let texts: Vec<&str> = std::iter::repeat_n("short", 1000).chain([long.as_str()]).collect();
    let file = file(&[columns(vec![("t", Arc::new(StringArray::from(texts)))])], Ending::Whole).unwrap();
    assert_eq!(card(&file, "TFORM1"), format!("1PA({})", 1 << 20));
    assert!(file.len() < 2 << 20);
}

#[test]
fn refuses_what_the_format_has_no_room_for() {
    let fields: Vec<Field> =
        (0..1000).map(|number| Field::new(format!("c{number}"), arrow::datatypes::DataType::Int32, true)).collect();
    let scratch = Scratch::new(std::env::temp_dir(), 0);
    let error = FitsWriter::new(&Arc::new(Schema::new(fields)), Header::default(), &scratch).err().unwrap();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("999"), "{error}");

    let metadata = HashMap::from([("unit".to_owned(), "nJy".to_owned())]);
    let schema =
        Arc::new(Schema::new(vec![Field::new("id", arrow::datatypes::DataType::Int64, false).with_metadata(metadata)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![1; 100_000]))]).unwrap();
    let full = FitsWriter::new(&batch.schema(), Header::default(), &Scratch::new(std::env::temp_dir(), 1000));
    let error = full.and_then(|mut writer| writer.rows(&batch, &mut Vec::new())).unwrap_err();
    assert!(error.kind() == ErrorKind::Limit && error.to_string().contains("another format"), "{error}");
    assert_eq!(card(&file(&[batch], Ending::Whole).unwrap(), "TUNIT1"), "nJy");
}
