//! Random batches, written in each format and read back by a reader that shares nothing with the writer: every value comes back, to the
//! bit, but for what the format has no word for.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, BooleanBuilder, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, LargeStringArray, ListArray, ListBuilder, StringArray, StringViewArray, TimestampMicrosecondArray,
    UInt8Array, UInt64Array,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, TimeUnit};
use arrow::ipc::reader::StreamReader;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use qserv_core::query::field_metadata;

use crate::decode::{self, Cell, decode};
use crate::fake::{Answer, FakeService, Reply, serve};
use crate::{fits, text};

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
    octet: Option<u8>,
    required_octet: u8,
    flags: Option<Vec<bool>>,
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
        (any::<Option<u8>>(), any::<u8>(), proptest::option::of(proptest::collection::vec(any::<bool>(), 0..11))),
    );
    let row = (numbers, others).prop_map(|(numbers, others)| {
        let (boolean, byte, short, int, long, unsigned, float, double) = numbers;
        let (texts, ascii, bytes, micros, point, polygon, required, (octet, required_octet, flags)) = others;
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
            octet,
            required_octet,
            flags,
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
        Field::new("octet", DataType::UInt8, true),
        Field::new("required octet", DataType::UInt8, false),
        Field::new("flags", DataType::new_list(DataType::Boolean, true), true),
    ]
}

fn batch(rows: &[Row]) -> RecordBatch {
    let texts = |index: usize| rows.iter().map(move |row| row.texts[index].as_deref());
    let doubles = |bits: Vec<u64>| bits.into_iter().map(|bits| Some(f64::from_bits(bits))).collect::<Vec<_>>();
    let points = rows.iter().map(|row| row.point.map(|(a, b)| doubles(vec![a, b])));
    let polygons = rows.iter().map(|row| row.polygon.clone().map(doubles));
    let mut flags = ListBuilder::new(BooleanBuilder::new());
    rows.iter().for_each(|row| flags.append_option(row.flags.clone().map(|flags| flags.into_iter().map(Some))));
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
        Arc::new(rows.iter().map(|row| row.octet).collect::<UInt8Array>()),
        Arc::new(rows.iter().map(|row| row.required_octet).collect::<UInt8Array>()),
        Arc::new(flags.finish()),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(fields())), columns).unwrap()
}

/// What a reader must see: the values themselves, as every format that has a word for all of them gives them.
fn cells(row: &Row) -> Vec<Cell> {
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
    vec![
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
        cell(row.point, |(a, b)| doubles(vec![a, b])),
        cell(row.polygon.clone(), doubles),
        Cell::Integer(row.required),
        integer(row.octet.map(i64::from)),
        Cell::Integer(row.required_octet.into()),
        cell(row.flags.clone(), |flags| Cell::Array(flags.into_iter().map(Cell::Boolean).collect())),
    ]
}

/// What a format makes of a value that it has no word for.
fn seen(format: &str, field: &Field, cell: Cell) -> Cell {
    let is_empty = match &cell {
        Cell::Text(text) => text.is_empty(),
        Cell::Bytes(bytes) => bytes.is_empty(),
        Cell::Array(elements) => elements.is_empty(),
        _ => false,
    };
    match (format, cell) {
        // No array of two NaN beside NULL.
        ("votable/td" | "fits", Cell::Null) if field.name() == "point" => Cell::Array(vec![Cell::Double(f64::NAN); 2]),
        ("fits", Cell::Null) if field.data_type() == &DataType::Float32 => Cell::Float(f32::NAN),
        ("fits", Cell::Null) if field.data_type() == &DataType::Float64 => Cell::Double(f64::NAN),
        ("votable/td" | "fits", _) if is_empty => Cell::Null,
        // Text can be empty, other values cannot.
        ("csv" | "tsv", Cell::Bytes(_) | Cell::Array(_)) if is_empty => Cell::Null,
        ("json", Cell::Float(value)) if !value.is_finite() => Cell::Null,
        ("json", Cell::Double(value)) if !value.is_finite() => Cell::Null,
        ("json", Cell::Array(elements)) => {
            Cell::Array(elements.into_iter().map(|element| seen(format, field, element)).collect())
        }
        (_, cell) => cell,
    }
}

/// The rows of an answer in one of the formats that have VOTable's types.
fn read(format: &str, reply: &Reply, described: &[decode::Field]) -> Vec<Vec<Cell>> {
    match format {
        "fits" => fits::read(&reply.bytes).rows,
        "json" => text::json(&reply.text).1,
        "csv" | "tsv" => {
            let lines = text::lines(&reply.text, if format == "csv" { ',' } else { '\t' });
            let names: Vec<_> = described.iter().map(|field| Some(field.name.clone())).collect();
            assert_eq!(lines[0], names);
            let row = |line: &Vec<Option<String>>| {
                described.iter().zip(line).map(|(field, cell)| text::parse(field, cell.as_deref())).collect()
            };
            lines[1..].iter().map(row).collect()
        }
        _ => decode(&reply.text).rows,
    }
}

/// The batches of an answer in one of the formats that have Arrow's types.
fn read_batches(format: &str, reply: &Reply) -> RecordBatch {
    let (schema, batches): (_, Vec<RecordBatch>) = if format == "parquet" {
        let reader = ParquetRecordBatchReaderBuilder::try_new(reply.bytes.clone()).unwrap();
        (reader.schema().clone(), reader.build().unwrap().map(Result::unwrap).collect())
    } else {
        let reader = StreamReader::try_new(reply.bytes.as_ref(), None).unwrap();
        (reader.schema(), reader.map(Result::unwrap).collect())
    };
    concat_batches(&schema, &batches).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_value_comes_back(first in rows(), second in rows()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // A slice, so that offsets and null bits do not begin at zero.
        let batches = vec![batch(&first), batch(&second).slice(1, second.len() - 1)];
        let expected: Vec<&Row> = first.iter().chain(&second[1..]).collect();
        let server = serve(FakeService::new([("q", Answer::Batches(batches.clone()))]));
        let described = decode(&runtime.block_on(server.ask("q", &[])).text).fields;
        for format in ["votable/b2", "votable/td", "csv", "tsv", "fits", "json"] {
            let reply = runtime.block_on(server.ask("q", &[("FORMAT", format)]));
            let rows = read(format, &reply, &described);
            prop_assert_eq!(rows.len(), expected.len());
            for (row, expected) in rows.iter().zip(&expected) {
                for ((field, read), expected) in fields().iter().zip(row).zip(cells(expected)) {
                    let expected = seen(format, field, expected);
                    prop_assert!(read.same(&expected), "{} in {format}: {read:?} is not {expected:?}", field.name());
                }
            }
        }
        let expected = concat_batches(&batches[0].schema(), &batches).unwrap();
        for format in ["parquet", "arrow"] {
            let read = read_batches(format, &runtime.block_on(server.ask("q", &[("FORMAT", format)])));
            for (field, (read, expected)) in fields().iter().zip(read.columns().iter().zip(expected.columns())) {
                let expected = match field.data_type() {
                    DataType::Utf8View => cast(expected, &DataType::Utf8).unwrap(),
                    _ => expected.clone(),
                };
                prop_assert_eq!(read, &expected, "{} in {}", field.name(), format);
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
        "octet unsignedByte",
        "required octet unsignedByte",
        "flags boolean *",
    ];
    assert_eq!(described, expected);
    // BINARY has no way to say that a byte is NULL.
    let old = decode(&runtime.block_on(server.ask("q", &[("FORMAT", "votable/b")])).text);
    let datatype = |name: &str| old.fields.iter().find(|field| field.name == name).unwrap().datatype.as_str();
    assert_eq!((datatype("octet"), datatype("required octet")), ("short", "unsignedByte"));
}
