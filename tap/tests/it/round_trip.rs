//! Random batches, written and read back by a reader of our own: every value comes back, to the bit.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    LargeStringArray, ListArray, StringArray, StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;
use qserv_core::query::field_metadata;

use crate::decode::{Cell, decode};
use crate::fake::{Answer, FakeService, serve};

/// One row: a value of each type, or NULL.
#[derive(Debug, Clone)]
struct Row {
    boolean: Option<bool>,
    byte: Option<i8>,
    short: Option<i16>,
    int: Option<i32>,
    long: Option<i64>,
    unsigned: Option<u32>,
    float: Option<u32>,
    double: Option<u64>,
    texts: [Option<String>; 3],
    ascii: Option<String>,
    bytes: Option<Vec<u8>>,
    micros: Option<i64>,
    point: Option<(u64, u64)>,
    polygon: Option<Vec<u64>>,
    required: i64,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = || proptest::option::of("(\\PC|[\\t\\n\\r<&>\"]){0,12}");
    let numbers = (
        any::<Option<bool>>(),
        any::<Option<i8>>(),
        any::<Option<i16>>(),
        any::<Option<i32>>(),
        any::<Option<i64>>(),
        any::<Option<u32>>(),
        any::<Option<u32>>(),
        any::<Option<u64>>(),
    );
    let others = (
        [text(), text(), text()],
        proptest::option::of("[ -~]{0,12}"),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)),
        // The years 0 to 9999.
        proptest::option::of(-62_167_219_200_000_000_i64..253_402_300_800_000_000),
        any::<Option<(u64, u64)>>(),
        proptest::option::of(proptest::collection::vec(any::<u64>(), 0..7)),
        any::<i64>(),
    );
    let row = (numbers, others).prop_map(|(numbers, others)| {
        let (boolean, byte, short, int, long, unsigned, float, double) = numbers;
        let (texts, ascii, bytes, micros, point, polygon, required) = others;
        Row {
            boolean,
            byte,
            short,
            int,
            long,
            unsigned,
            float,
            double,
            texts,
            ascii,
            bytes,
            micros,
            point,
            polygon,
            required,
        }
    });
    proptest::collection::vec(row, 1..40)
}

fn fields() -> Vec<Field> {
    let with =
        |field: Field, key: &str, value: &str| field.with_metadata(HashMap::from([(key.to_owned(), value.to_owned())]));
    let doubles = || DataType::new_list(DataType::Float64, true);
    vec![
        Field::new("boolean", DataType::Boolean, true),
        Field::new("byte", DataType::Int8, true),
        Field::new("short", DataType::Int16, true),
        Field::new("int", DataType::Int32, true),
        Field::new("long", DataType::Int64, true),
        Field::new("unsigned", DataType::UInt64, true),
        Field::new("float", DataType::Float32, true),
        Field::new("double", DataType::Float64, true),
        Field::new("text <1>", DataType::Utf8, true),
        Field::new("text 2", DataType::LargeUtf8, true),
        Field::new("text 3", DataType::Utf8View, true),
        with(Field::new("ascii", DataType::Utf8, true), field_metadata::DATATYPE, "char"),
        Field::new("bytes", DataType::Binary, true),
        Field::new("moment", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        with(Field::new("point", doubles(), true), field_metadata::XTYPE, "point"),
        with(Field::new("polygon", doubles(), true), field_metadata::XTYPE, "polygon"),
        Field::new("required", DataType::Int64, false),
    ]
}

fn batch(rows: &[Row]) -> RecordBatch {
    let texts = |index: usize| rows.iter().map(move |row| row.texts[index].as_deref());
    let doubles = |bits: Vec<u64>| bits.into_iter().map(|bits| Some(f64::from_bits(bits))).collect::<Vec<_>>();
    let points = rows.iter().map(|row| row.point.map(|(a, b)| doubles(vec![a, b])));
    let polygons = rows.iter().map(|row| row.polygon.clone().map(doubles));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.boolean).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| row.byte).collect::<Int8Array>()),
        Arc::new(rows.iter().map(|row| row.short).collect::<Int16Array>()),
        Arc::new(rows.iter().map(|row| row.int).collect::<Int32Array>()),
        Arc::new(rows.iter().map(|row| row.long).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.unsigned.map(u64::from)).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| row.float.map(f32::from_bits)).collect::<Float32Array>()),
        Arc::new(rows.iter().map(|row| row.double.map(f64::from_bits)).collect::<Float64Array>()),
        Arc::new(texts(0).collect::<StringArray>()),
        Arc::new(texts(1).collect::<LargeStringArray>()),
        Arc::new(texts(2).collect::<StringViewArray>()),
        Arc::new(rows.iter().map(|row| row.ascii.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.bytes.as_deref()).collect::<BinaryArray>()),
        Arc::new(rows.iter().map(|row| row.micros).collect::<TimestampMicrosecondArray>()),
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(points)),
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(polygons)),
        Arc::new(rows.iter().map(|row| row.required).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(fields())), columns).unwrap()
}

/// What a reader must see. TABLEDATA has no way to tell an empty value from none, nor an array of NaN.
fn cells(row: &Row, is_tabledata: bool) -> Vec<Cell> {
    fn cell<T>(value: Option<T>, make: impl Fn(T) -> Cell) -> Cell {
        value.map_or(Cell::Null, make)
    }
    let integer = |value: Option<i64>| cell(value, Cell::Integer);
    let doubles =
        |bits: Vec<u64>| Cell::Array(bits.into_iter().map(|bits| Cell::Double(f64::from_bits(bits))).collect());
    let text = |value: &Option<String>| cell(value.clone(), Cell::Text);
    let moment = |micros: i64| {
        let format = match micros.rem_euclid(1_000_000) {
            0 => "%Y-%m-%dT%H:%M:%S",
            fraction if fraction % 1000 == 0 => "%Y-%m-%dT%H:%M:%S%.3f",
            _ => "%Y-%m-%dT%H:%M:%S%.6f",
        };
        Cell::Text(chrono::DateTime::from_timestamp_micros(micros).unwrap().format(format).to_string())
    };
    let cells = vec![
        cell(row.boolean, Cell::Boolean),
        integer(row.byte.map(i64::from)),
        integer(row.short.map(i64::from)),
        integer(row.int.map(i64::from)),
        integer(row.long),
        integer(row.unsigned.map(i64::from)),
        cell(row.float, |bits| Cell::Float(f32::from_bits(bits))),
        cell(row.double, |bits| Cell::Double(f64::from_bits(bits))),
        text(&row.texts[0]),
        text(&row.texts[1]),
        text(&row.texts[2]),
        text(&row.ascii),
        cell(row.bytes.clone(), Cell::Bytes),
        cell(row.micros, moment),
        match row.point {
            None if is_tabledata => Cell::Array(vec![Cell::Double(f64::NAN); 2]),
            point => cell(point, |(a, b)| doubles(vec![a, b])),
        },
        cell(row.polygon.clone(), doubles),
        Cell::Integer(row.required),
    ];
    let is_empty = |cell: &Cell| match cell {
        Cell::Text(text) => text.is_empty(),
        Cell::Bytes(bytes) => bytes.is_empty(),
        Cell::Array(elements) => elements.is_empty(),
        _ => false,
    };
    cells.into_iter().map(|cell| if is_tabledata && is_empty(&cell) { Cell::Null } else { cell }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_value_comes_back(first in rows(), second in rows()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // A slice, so that offsets and null bits do not begin at zero.
        let batches = vec![batch(&first), batch(&second).slice(1, second.len() - 1)];
        let expected: Vec<&Row> = first.iter().chain(&second[1..]).collect();
        let server = serve(FakeService::new([("q", Answer::Batches(batches))]));
        for format in ["votable/b2", "votable/td"] {
            let reply = runtime.block_on(server.ask("q", &[("FORMAT", format)]));
            let document = decode(&reply.text);
            prop_assert_eq!(document.statuses(), ["OK"]);
            prop_assert_eq!(document.rows.len(), expected.len());
            for (row, expected) in document.rows.iter().zip(&expected) {
                let expected = cells(expected, format == "votable/td");
                for ((field, read), expected) in document.fields.iter().zip(row).zip(&expected) {
                    prop_assert!(read.same(expected), "{} in {format}: {read:?} is not {expected:?}", field.name);
                }
            }
        }
    }
}

#[test]
fn types_are_what_votable_calls_them() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let empty = RecordBatch::new_empty(Arc::new(Schema::new(fields())));
    let server = serve(FakeService::new([("q", Answer::Batches(vec![empty]))]));
    let document = decode(&runtime.block_on(server.ask("q", &[])).text);
    let described: Vec<_> = document
        .fields
        .iter()
        .map(|field| {
            let arraysize = field.arraysize.as_deref().unwrap_or("");
            format!("{} {} {} {}", field.name, field.datatype, arraysize, field.xtype.as_deref().unwrap_or(""))
        })
        .map(|line| line.trim_end().to_owned())
        .collect();
    let expected = [
        "boolean boolean",
        "byte short",
        "short short",
        "int int",
        "long long",
        "unsigned long",
        "float float",
        "double double",
        "text <1> unicodeChar *",
        "text 2 unicodeChar *",
        "text 3 unicodeChar *",
        "ascii char *",
        "bytes unsignedByte *",
        "moment char * timestamp",
        "point double 2 point",
        "polygon double * polygon",
        "required long",
    ];
    assert_eq!(described, expected);
}
