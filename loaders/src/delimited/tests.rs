//! Files in, rows out: forms of values, headers, bad rows, and agreement with another reader.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::util::display::array_value_to_string;
use proptest::prelude::*;
use qserv_core::ErrorKind;
use qserv_core::catalog::{Column, TableId, TableKind};

use super::*;

pub(crate) fn table(columns: &[(&str, ColumnType, bool)]) -> Table {
    Table {
        id: TableId(1),
        name: "T".into(),
        kind: TableKind::Replicated,
        description: None,
        utype: None,
        table_index: None,
        primary_key: vec![],
        columns: columns.iter().map(|(name, datatype, nullable)| column(name, *datatype, *nullable)).collect(),
    }
}

pub(crate) fn column(name: &str, datatype: ColumnType, nullable: bool) -> Column {
    Column {
        name: name.into(),
        datatype,
        length: None,
        nullable,
        unit: None,
        ucd: None,
        utype: None,
        description: None,
        xtype: None,
        arraysize: None,
        principal: false,
        std: false,
        column_index: None,
    }
}

fn read_with(text: &[u8], table: &Table, options: &FormatOptions, bad: &BadRows) -> Result<Vec<Rows>> {
    Reader::new(text, "t.csv".into(), table, options, bad.clone())?.collect()
}

/// The rows as text, NULL as `~`, with their lines.
fn read(text: &str, table: &Table, options: &FormatOptions) -> Result<Vec<String>> {
    let rows = read_with(text.as_bytes(), table, options, &BadRows::new(options.max_bad_rows))?;
    let mut shown = Vec::new();
    for Rows { batch, lines } in rows {
        assert_eq!(batch.schema(), table.schema());
        for (row, line) in lines.iter().enumerate() {
            let cells: Vec<String> = batch
                .columns()
                .iter()
                .map(
                    |column| {
                        if column.is_null(row) { "~".into() } else { array_value_to_string(column, row).unwrap() }
                    },
                )
                .collect();
            shown.push(format!("{line}:{}", cells.join("|")));
        }
    }
    Ok(shown)
}

fn no_header(format: Format) -> FormatOptions {
    FormatOptions { header: Some(false), ..FormatOptions::of(format) }
}

fn mixed() -> Table {
    table(&[
        ("id", ColumnType::Long, false),
        ("Name", ColumnType::String, true),
        ("flux", ColumnType::Float, true),
        ("flag", ColumnType::Boolean, true),
        ("bytes", ColumnType::Binary, true),
        ("seen", ColumnType::Timestamp, true),
        ("n", ColumnType::Short, true),
    ])
}

#[test]
fn every_type_null_and_quoting() {
    let text = "1,abc,1.5,true,00ff,2026-07-25 01:02:03.5,-3\r\n\
                2,\\N,\\N,\\N,\\N,\\N,\\N\n\
                \n\
                \"3\",\"\\N\",\"nan\",\"0\",0x,2026-07-25, 7 \n\
                4,,inf,T,\"\",2026-07-25T00:00:00Z,\\N";
    assert_eq!(
        read(text, &mixed(), &no_header(Format::Csv)).unwrap(),
        [
            "1:1|abc|1.5|true|00ff|2026-07-25T01:02:03.500|-3",
            "2:2|~|~|~|~|~|~",
            "4:3|\\N|NaN|false||2026-07-25T00:00:00|7",
            "5:4||inf|true||2026-07-25T00:00:00|~",
        ]
    );
}

#[test]
fn blanks_at_the_end_of_a_char_only_fill_it_up() {
    let table = table(&[("c", ColumnType::Char, true), ("s", ColumnType::String, true)]);
    let rows = read(" a ,b \n\"x  \",\"  \"\n", &table, &no_header(Format::Csv)).unwrap();
    assert_eq!(rows, ["1: a|b ", "2:x|  "]);
}

#[test]
fn an_empty_null_pattern_makes_unquoted_empty_fields_null() {
    let table = table(&[("a", ColumnType::Long, true), ("b", ColumnType::Text, true)]);
    let options = FormatOptions { null: String::new(), ..no_header(Format::Csv) };
    assert_eq!(read(",\n1,\"\"\n2,\\N\n", &table, &options).unwrap(), ["1:~|~", "2:1|", "3:2|\\N"]);
    let error = read(",x\n", &table, &no_header(Format::Csv)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the value of a is empty; an integer is expected (file: t.csv, line: 1, column: a, value: )"
    );
}

#[test]
fn mysql_dumps() {
    let table =
        table(&[("id", ColumnType::Int, false), ("s", ColumnType::Text, true), ("b", ColumnType::Binary, true)]);
    let text = b"1\tx\\\ty\\n\"z\"\t\xff\\\n\\\\\\0\\\t\r\n2\t\\N\t\\N\n3\t\\\\N\t\n";
    let rows = read_with(text, &table, &FormatOptions::of(Format::Tsv), &BadRows::new(0)).unwrap();
    assert_eq!(rows[0].lines, [1, 3, 4]);
    let texts = rows[0].batch.column(1).as_string::<i32>();
    assert_eq!(texts.iter().collect::<Vec<_>>(), [Some("x\ty\n\"z\""), None, Some("\\N")]);
    let bytes = rows[0].batch.column(2).as_binary::<i32>();
    assert_eq!(bytes.iter().collect::<Vec<_>>(), [Some(&b"\xff\n\\\0\t\r"[..]), None, Some(b"")]);
    let hexadecimal = FormatOptions { binary: Some(BinaryText::Hexadecimal), ..FormatOptions::of(Format::Tsv) };
    assert_eq!(read("1\ta\t0aFF\r\n", &table, &hexadecimal).unwrap(), ["1:1|a|0aff"]);
}

#[test]
fn headers_name_columns_in_any_order_and_letter_case() {
    let options = FormatOptions::of(Format::Csv);
    assert_eq!(
        read("\u{feff}NAME,id,n\nx,1,2\n", &mixed(), &options).unwrap(),
        ["2:1|x|~|~|~|~|2"],
        "a byte order mark is no part of the first name"
    );
    for (text, message) in [
        ("id,colour\n", "the file has columns that the table does not have: colour"),
        ("id,ID\n", "the file names the column ID twice"),
        ("name\n", "the file lacks columns that may not be NULL: id"),
    ] {
        let error = read(text, &mixed(), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().starts_with(message), "{error}");
    }
    let ignoring = FormatOptions { ignore_unknown_columns: true, ..options.clone() };
    assert_eq!(read("colour,id\nred,1\n", &mixed(), &ignoring).unwrap(), ["2:1|~|~|~|~|~|~"]);
    let listed = FormatOptions { columns: Some(vec!["n".into(), "id".into()]), ..options.clone() };
    assert_eq!(read("5,1\n", &mixed(), &listed).unwrap(), ["1:1|~|~|~|~|~|5"]);
    assert!(read("", &mixed(), &options).unwrap().is_empty());
    assert!(read("id,n\n", &mixed(), &options).unwrap().is_empty());
}

#[test]
fn bad_rows_are_named_skipped_and_counted() {
    let table = table(&[("id", ColumnType::Byte, false), ("x", ColumnType::Double, true)]);
    let text = "1,1\n200,2\n3,abc\n4\n5,5,5\n\\N,6\n\"7\"x,7\n8,8\n";
    let options = FormatOptions { max_bad_rows: 6, ..no_header(Format::Csv) };
    assert_eq!(read(text, &table, &options).unwrap(), ["1:1|1.0", "8:8|8.0"]);
    let bad = BadRows::new(6);
    read_with(text.as_bytes(), &table, &options, &bad).unwrap();
    assert_eq!(bad.count(), 6);
    assert_eq!(
        bad.samples(),
        [
            "the value of id is out of the range of a byte (-128 to 127) (file: t.csv, line: 2, column: id, value: 200)",
            "the value of x is not a number (file: t.csv, line: 3, column: x, value: abc)",
            "the record has 1 fields instead of 2 (file: t.csv, line: 4)",
            "the record has 3 fields instead of 2 (file: t.csv, line: 5)",
            "the value of id is NULL in a column that allows none (file: t.csv, line: 6, column: id, value: \\N)",
            "text follows a closing quote; a quote inside a quoted value is written twice (file: t.csv, line: 7)",
        ]
    );
    let error = read(text, &table, &FormatOptions { max_bad_rows: 5, ..options }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("line: 7"), "{error}");
}

#[test]
fn batches_and_values_are_bounded() {
    let table = table(&[("x", ColumnType::Text, true)]);
    let options = FormatOptions { batch_rows: 3, max_field_bytes: 5, max_bad_rows: 1, ..no_header(Format::Csv) };
    let bad = BadRows::new(1);
    let rows = read_with(b"1\n2\n3\n\n5\n666666\n7\n", &table, &options, &bad).unwrap();
    assert_eq!(rows.iter().map(|rows| rows.batch.num_rows()).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(bad.count(), 1);
    let long = format!("{}\n", "x".repeat(600_000));
    let error = read_with(
        long.as_bytes(),
        &table,
        &FormatOptions { max_record_bytes: 100_000, ..no_header(Format::Csv) },
        &BadRows::new(9),
    )
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}

#[test]
fn options_are_checked() {
    let check = |options: FormatOptions| options.check().is_ok();
    assert!(check(FormatOptions { delimiter: Some('|'), ..FormatOptions::default() }));
    for delimiter in ['"', '\n', 'ä', '\r'] {
        assert!(!check(FormatOptions { delimiter: Some(delimiter), ..FormatOptions::default() }));
    }
    assert!(!check(FormatOptions { null: "a,b".into(), ..FormatOptions::default() }));
    assert!(!check(FormatOptions { columns: Some(vec![]), header: Some(true), ..FormatOptions::default() }));
    assert_eq!(Format::of_file_name("a/Object.CSV.gz"), Some(Format::Csv));
    assert_eq!(Format::of_file_name("Object"), None);
}

/// What both readers understand alike: integers, doubles and unquoted or quoted text, no NULL.
fn common_rows() -> impl Strategy<Value = Vec<(i64, f64, String)>> {
    let text = proptest::collection::vec(
        prop_oneof![Just('a'), Just('ä'), Just(','), Just('"'), Just('\n'), Just(' '), Just('\\')],
        1..8,
    );
    proptest::collection::vec((any::<i64>(), -1e300..1e300f64, text.prop_map(String::from_iter)), 0..40)
}

proptest! {
    #[test]
    fn agrees_with_another_reader(rows in common_rows(), batch_rows in 1usize..20) {
        let text: String = rows
            .iter()
            .map(|(int, double, text)| format!("{int},{double:e},\"{}\"\n", text.replace('"', "\"\"")))
            .collect();
        let table = table(&[
            ("i", ColumnType::Long, true), ("d", ColumnType::Double, true), ("t", ColumnType::Text, true),
        ]);
        let options = FormatOptions { batch_rows, ..no_header(Format::Csv) };
        let ours = read_with(text.as_bytes(), &table, &options, &BadRows::new(0)).unwrap();
        let ours: Vec<_> = ours.into_iter().map(|rows| rows.batch).collect();
        let ours = arrow::compute::concat_batches(&table.schema(), &ours).unwrap();
        prop_assert_eq!(ours.num_rows(), rows.len());
        let theirs: Vec<_> = arrow_csv::ReaderBuilder::new(table.schema())
            .build(text.as_bytes()).unwrap().collect::<Result<_, _>>().unwrap();
        let theirs = arrow::compute::concat_batches(&table.schema(), &theirs).unwrap();
        prop_assert_eq!(&ours, &theirs);
        // The other reader's own errors must not hide ours.
        prop_assert_eq!(ours.column(0).as_primitive::<Int64Type>().values().to_vec(), rows.iter().map(|row| row.0).collect::<Vec<_>>());
        prop_assert_eq!(ours.column(1).as_primitive::<Float64Type>().values().to_vec(), rows.iter().map(|row| row.1).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_end_in_rows_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..400), is_tsv in any::<bool>()) {
        let options = no_header(if is_tsv { Format::Tsv } else { Format::Csv });
        let bad = BadRows::new(u64::MAX);
        let _ = read_with(&text, &mixed(), &options, &bad);
    }
}

/// The LSST data challenge dumps, where they are at hand: every row of every table is read.
#[test]
fn reads_the_performance_test_catalogs() {
    let data = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    for (folder, format) in [("pt11", Format::Csv), ("pt12", Format::Tsv)] {
        let Ok(entries) = std::fs::read_dir(data.join(folder).join("columns")) else { continue };
        for entry in entries {
            let columns: serde_json::Value =
                serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
            let name = columns["table"].as_str().unwrap();
            // The two last columns of partitioned tables were made by the partitioner and are not in the files.
            let columns: Vec<Column> = columns["schema"]
                .as_array()
                .unwrap()
                .iter()
                .map(mysql_column)
                .filter(|column| !["chunkId", "subChunkId"].contains(&column.name.as_str()))
                .collect();
            let table = Table { columns, ..table(&[]) };
            let file = data.join(folder).join(format!("{name}.{format}.gz"));
            let mut plain = Vec::new();
            flate2::read::MultiGzDecoder::new(std::fs::File::open(&file).unwrap()).read_to_end(&mut plain).unwrap();
            let mut records = 0;
            let mut escaped = false;
            for &byte in &plain {
                records += usize::from(byte == b'\n' && !escaped);
                escaped = byte == b'\\' && !escaped;
            }
            let reader = crate::open(
                crate::Input::File(file),
                &table,
                &no_header(format),
                &BadRows::new(0),
                std::path::Path::new("."),
            );
            let rows: usize = reader.unwrap().map(|rows| rows.unwrap().batch.num_rows()).sum();
            assert_eq!(rows, records, "{name}");
        }
    }
}

fn mysql_column(column: &serde_json::Value) -> Column {
    let declared = column["type"].as_str().unwrap();
    let datatype = match declared.split(['(', ' ']).next().unwrap() {
        "bigint" => ColumnType::Long,
        "int" | "mediumint" => ColumnType::Int,
        "smallint" => ColumnType::Short,
        "tinyint" => ColumnType::Byte,
        "float" => ColumnType::Float,
        "double" => ColumnType::Double,
        "timestamp" | "datetime" => ColumnType::Timestamp,
        "bit" => ColumnType::Boolean,
        "char" | "varchar" | "text" | "mediumtext" => ColumnType::Text,
        _ => ColumnType::Binary,
    };
    self::column(column["name"].as_str().unwrap(), datatype, !declared.contains("NOT NULL"))
}
