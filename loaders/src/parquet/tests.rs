use std::io::Write;

use arrow::array::{
    AsArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, StringArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{Float32Type, Int32Type, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;
use qserv_core::ErrorKind;
use qserv_core::catalog::ColumnType;

use super::*;
use crate::Format;
use crate::delimited::tests::table;

fn write(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)).collect::<Vec<_>>(),
    )
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn read(bytes: Vec<u8>, table: &Table, bad: &BadRows) -> Result<Vec<Rows>> {
    let input = Input::Stream { name: "t.parquet".into(), reader: Box::new(std::io::Cursor::new(bytes)) };
    let scratch = tempfile::tempdir().unwrap();
    crate::open(input, table, &FormatOptions::of(Format::Parquet), bad, scratch.path())?.collect()
}

#[test]
fn blanks_at_the_end_of_a_char_only_fill_it_up() {
    let table = table(&[("c", ColumnType::Char, true), ("s", ColumnType::String, true)]);
    let texts = || Arc::new(LargeStringArray::from(vec![Some(" a "), None, Some("   ")]));
    let rows = read(write(vec![("c", texts()), ("s", texts())]), &table, &BadRows::new(3)).unwrap();
    let shown = |column: usize| -> Vec<Option<String>> {
        rows[0].batch.column(column).as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(shown(0), [text(" a"), None, text("")]);
    assert_eq!(shown(1), [text(" a "), None, text("   ")]);
}

#[test]
fn other_types_are_taken_where_nothing_is_lost() {
    let table = table(&[
        ("i", ColumnType::Int, true),
        ("f", ColumnType::Float, true),
        ("t", ColumnType::Text, true),
        ("when", ColumnType::Timestamp, true),
        ("flag", ColumnType::Boolean, true),
        ("absent", ColumnType::Double, true),
    ]);
    let bytes = write(vec![
        ("flag", Arc::new(Int32Array::from(vec![Some(1), Some(0), None, Some(1), Some(2)]))),
        ("T", Arc::new(LargeStringArray::from(vec![Some("a"), None, Some("c"), Some("d"), Some("e")]))),
        ("i", Arc::new(Int64Array::from(vec![Some(1), Some(1 << 40), None, Some(4), Some(5)]))),
        ("f", Arc::new(Float64Array::from(vec![Some(0.5), Some(0.5), Some(f64::NAN), Some(0.1), Some(-0.0)]))),
        ("when", Arc::new(TimestampNanosecondArray::from(vec![1_500; 5]).with_timezone("+02:00"))),
        ("_healpix_29", Arc::new(Int64Array::from(vec![7; 5]))),
    ]);
    let bad = BadRows::new(3);
    let rows = read(bytes, &table, &bad).unwrap();
    let batch = &rows[0].batch;
    assert_eq!(batch.schema(), table.schema());
    assert_eq!(rows[0].lines, [1, 3]);
    assert_eq!(batch.column(0).as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(1), None]);
    assert!(batch.column(1).as_primitive::<Float32Type>().value(1).is_nan());
    assert_eq!(batch.column(3).as_primitive::<TimestampMicrosecondType>().values(), &[1, 1]);
    assert_eq!(batch.column(5).null_count(), 2);
    assert_eq!(
        bad.samples(),
        [
            "the value of i does not fit its declared type int (file: t.parquet, row: 2, column: i, value: 1099511627776)",
            "the value of f does not fit its declared type float (file: t.parquet, row: 4, column: f, value: 0.1)",
            "the value of flag does not fit its declared type boolean (file: t.parquet, row: 5, column: flag, value: 2)",
        ]
    );
}

#[test]
fn schemas_that_do_not_fit_are_refused() {
    let table = table(&[("i", ColumnType::Int, false), ("t", ColumnType::Text, true)]);
    let ints = || -> ArrayRef { Arc::new(Int32Array::from(vec![Some(1), None])) };
    for (columns, message) in [
        (
            vec![("t", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef)],
            "the file lacks columns that may not be NULL: i",
        ),
        (vec![("i", ints()), ("x", ints())], "the file has columns that the table does not have: x"),
        (vec![("i", ints()), ("I", ints())], "the file has the column I twice"),
        (
            vec![("i", ints()), ("t", ints())],
            "the column t has the type Int32 in the file, which is not the declared text",
        ),
    ] {
        let error = read(write(columns), &table, &BadRows::new(0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().starts_with(message), "{error}");
    }
    let error = read(write(vec![("i", ints())]), &table, &BadRows::new(0)).unwrap_err();
    assert!(error.message().contains("is NULL in a column that allows none"), "{error}");
}

#[test]
fn damaged_files_are_errors() {
    let table = table(&[("x", ColumnType::Float, true), ("b", ColumnType::Boolean, true)]);
    let bytes = write(vec![
        ("x", Arc::new(Float32Array::from_iter_values((0..1000).map(|x| x as f32)))),
        ("b", Arc::new(BooleanArray::from_iter((0..1000).map(|x| Some(x % 3 == 0))))),
    ]);
    assert_eq!(read(b"id,x\n1,2\n".to_vec(), &table, &BadRows::new(0)).unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(read(bytes[..bytes.len() / 2].to_vec(), &table, &BadRows::new(0)).unwrap_err().kind(), ErrorKind::Data);
    // Any single byte may be wrong: the answer is rows or an error, never a panic that ends the process.
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        let _ = read(damaged, &table, &BadRows::new(u64::MAX));
    }
}

#[test]
fn compressed_uploads_are_read() {
    let table = table(&[("x", ColumnType::Long, true)]);
    let bytes = write(vec![("x", Arc::new(Int64Array::from_iter_values(0..20_000)))]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    let rows = read(encoder.finish().unwrap(), &table, &BadRows::new(0)).unwrap();
    assert_eq!(rows.iter().map(|rows| rows.batch.num_rows()).sum::<usize>(), 20_000);
    assert_eq!(rows.last().unwrap().lines.last(), Some(&20_000));
}
