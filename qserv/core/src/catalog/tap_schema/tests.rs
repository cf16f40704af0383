use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int32Type;

use super::*;
use crate::catalog::{DatabaseSnapshot, MatchSide, SnapshotId, TableSnapshot};

fn snapshot(databases: Vec<Database>) -> Snapshot {
    let databases = databases.into_iter().map(|database| {
        let tables = database.tables.iter().map(|table| {
            Arc::new(TableSnapshot { table: Arc::new(table.clone()), segments: Vec::new(), key_is_chunk_local: true })
        });
        let tables = tables.collect();
        (database.name.clone(), Arc::new(DatabaseSnapshot { database: Arc::new(database), tables }))
    });
    Snapshot { id: SnapshotId(7), databases: databases.collect::<BTreeMap<_, _>>() }
}

fn survey() -> Database {
    let mut object = table(
        "Object",
        "Objects",
        &["objectId"],
        vec![
            column("objectId", ColumnType::Long, "Key"),
            column("ra", ColumnType::Double, "RA"),
            column("dec", ColumnType::Double, "Dec"),
        ],
        1,
    );
    object.kind = TableKind::Director { key: "objectId".to_owned(), position: ["ra".to_owned(), "dec".to_owned()] };
    let mut source = table(
        "Source",
        "Sources",
        &["sourceId"],
        vec![
            column("sourceId", ColumnType::Long, "Key"),
            column("objectId", ColumnType::Long, "Object"),
            column("position", ColumnType::Byte, "A reserved word"),
            column("2MASS id", ColumnType::Char, "An odd name"),
        ],
        2,
    );
    source.kind = TableKind::Child {
        director: "Object".to_owned(),
        director_key: "objectId".to_owned(),
        position: None,
        director_position: None,
    };
    source.columns[0].column_index = Some(40);
    source.columns[1].column_index = None;
    source.columns[2].column_index = None;
    source.columns[3].column_index = Some(2);
    source.columns[3].length = Some(16);
    let mut pairs =
        table("Pairs", "Matches", &[], vec![column("a", ColumnType::Long, ""), column("b", ColumnType::Long, "")], 3);
    let side = |column: &str| MatchSide { director: "Object".to_owned(), column: column.to_owned() };
    pairs.kind = TableKind::Match { left: side("a"), right: side("b") };
    Database { name: "dp1".to_owned(), tables: vec![object, source, pairs], foreign_keys: Vec::new(), ..database() }
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Vec<&'a str> {
    batch.column_by_name(name).unwrap().as_string::<i32>().iter().map(Option::unwrap_or_default).collect()
}

fn ints(batch: &RecordBatch, name: &str) -> Vec<Option<i32>> {
    batch.column_by_name(name).unwrap().as_primitive::<Int32Type>().iter().collect()
}

#[test]
fn reserved_words_are_sorted() {
    assert!(reserved::WORDS.is_sorted());
    assert!(reserved::is_reserved("size") && reserved::is_reserved("Distance") && !reserved::is_reserved("objectId"));
}

#[test]
fn describes_itself() {
    let filled = tap_schema(&snapshot(Vec::new())).unwrap();
    let names: Vec<_> = filled.iter().map(|(table, _)| table.name.as_str()).collect();
    assert_eq!(names, ["schemas", "tables", "columns", "keys", "key_columns"]);
    assert_eq!(texts(&filled[0].1, "schema_name"), ["tap_schema"]);
    assert_eq!(filled[1].1.num_rows(), 5);
    let total: usize = filled.iter().map(|(table, _)| table.columns.len()).sum();
    assert_eq!(filled[2].1.num_rows(), total);
    assert!(texts(&filled[2].1, "column_name").contains(&"\"size\""));
    assert_eq!(filled[4].1.num_rows(), 5);
}

#[test]
fn a_snapshot_that_lists_tap_schema_describes_it_once() {
    let filled = tap_schema(&snapshot(vec![survey(), database()])).unwrap();
    assert_eq!(texts(&filled[0].1, "schema_name"), ["dp1", "tap_schema"]);
}

#[test]
fn writes_names_as_queries_write_them() {
    let filled = tap_schema(&snapshot(vec![survey()])).unwrap();
    let columns = &filled[2].1;
    assert_eq!(texts(columns, "table_name")[..4], ["dp1.Object", "dp1.Object", "dp1.Object", "dp1.Source"]);
    assert_eq!(texts(columns, "column_name")[3..7], ["sourceId", "objectId", "\"position\"", "\"2MASS id\""]);
    assert_eq!(texts(columns, "datatype")[3..7], ["long", "long", "short", "char"]);
    assert_eq!(texts(columns, "arraysize")[3..7], ["", "", "", "16"]);
    assert_eq!(ints(columns, "size")[3..7], [None, None, None, Some(16)]);
    assert_eq!(ints(columns, "indexed")[..5], [Some(1), Some(1), Some(1), Some(0), Some(1)]);
    assert_eq!(ints(columns, "column_index")[3..7], [Some(40), Some(41), Some(42), Some(2)]);
}

#[test]
fn layouts_imply_keys() {
    let mut survey = survey();
    survey.foreign_keys.push(refers("Pairs", "a", "Object", "objectId"));
    let filled = tap_schema(&snapshot(vec![survey])).unwrap();
    let (keys, pairs) = (&filled[3].1, &filled[4].1);
    assert_eq!(texts(keys, "key_id")[..3], ["dp1.Pairs.a", "dp1.Source.objectId", "dp1.Pairs.b"]);
    assert_eq!(texts(keys, "from_table")[..3], ["dp1.Pairs", "dp1.Source", "dp1.Pairs"]);
    assert_eq!(texts(pairs, "target_column")[..3], ["objectId"; 3]);
    assert_eq!(keys.num_rows(), 3 + 5);
}
