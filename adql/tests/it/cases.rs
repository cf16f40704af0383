//! Cases as data. A file holds cases with a line `;;` between them; a case is a query, a line `=>`, and what is expected.
//! With the variable `UPDATE_CASES` set, the files are rewritten with what came out: read the difference before it stays.

use std::fmt::Write as _;
use std::path::PathBuf;

use qserv_adql::{Fault, Options, Translated, TypeClass, check, translate};

use crate::world::world;

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file)
}

/// Runs all cases of a file and compares.
fn run(file: &str, answer: impl Fn(&str) -> String) {
    let text = std::fs::read_to_string(path(file)).expect("the file of cases");
    let mut rewritten = Vec::new();
    let mut wrong = String::new();
    for case in text.split("\n;;\n") {
        let (query, expected) = case.trim_end().split_once("\n=>").unwrap_or((case.trim_end(), ""));
        let query = query.trim_start_matches('\n');
        let expected = expected.trim();
        let found = answer(query);
        if found.trim() != expected {
            write!(wrong, "{query}\n  expected: {expected}\n  found:    {found}\n\n").expect("text");
        }
        rewritten.push(format!("{query}\n=>\n{}", found.trim()).trim_end().to_owned());
    }
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(path(file), format!("{}\n", rewritten.join("\n;;\n"))).expect("the file of cases");
    } else {
        assert!(wrong.is_empty(), "{file}\n{wrong}");
    }
}

fn shown(faults: &[Fault]) -> String {
    faults
        .iter()
        .map(|fault| format!("{}:{}+{} {}", fault.line, fault.column, fault.length, fault.summary()))
        .collect::<Vec<_>>()
        .join("\n")
}

fn translated(query: &str, options: &Options) -> String {
    let world = world();
    let Translated { statement, columns, warnings, .. } = match translate(query, &world, options) {
        Ok(translated) => translated,
        Err(faults) => return shown(&faults),
    };
    let mut text = statement.to_string();
    if columns.iter().any(|column| column.name != column.emitted) {
        let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
        write!(text, "\nnames: {}", names.join(", ")).expect("text");
    }
    for warning in warnings {
        write!(text, "\nwarning: {warning}").expect("text");
    }
    text
}

#[test]
fn what_the_strict_check_accepts() {
    run("accept.txt", |query| check(query, &Options::strict()).err().map_or(String::new(), |faults| shown(&faults)));
}

#[test]
fn what_the_strict_check_refuses() {
    run("refuse.txt", |query| {
        check(query, &Options::strict()).err().map_or("accepted".to_owned(), |faults| shown(&faults))
    });
}

#[test]
fn what_the_service_takes_with_a_warning() {
    run("liberties.txt", |query| translated(query, &Options::default()));
}

#[test]
fn translations() {
    run("translate.txt", |query| translated(query, &Options::default()));
}

#[test]
fn faults_of_names_and_types() {
    run("faults.txt", |query| translated(query, &Options::default()));
}

#[test]
fn names_of_all_kinds() {
    run("names.txt", |query| translated(query, &Options::default()));
}

#[test]
fn restrictors_of_the_sky() {
    run("areaspec.txt", |query| translated(query, &Options::default()));
}

#[test]
fn a_default_database() {
    let options = Options { default_database: Some("PT11".to_owned()), ..Options::default() };
    assert_eq!(
        translated("SELECT ra_ps FROM object", &options),
        r#"SELECT "pt11"."Object"."ra_PS" FROM "pt11"."Object""#
    );
    assert!(translated("SELECT visit FROM Source", &options).contains(r#""dp1"."Source""#));
    assert!(translated("SELECT visit FROM Sourze", &options).contains("no table `Sourze`; did you mean `dp1.Source`"));
    assert!(translated("SELECT visit FROM dp1.Source", &options).starts_with("SELECT"));
    let nowhere = Options { default_database: Some("nowhere".to_owned()), ..Options::default() };
    assert!(translated("SELECT visit FROM Source", &nowhere).contains("`nowhere` does not exist"));
}

#[test]
fn what_is_told_beside_the_statement() {
    let query = "SELECT TOP 7 o.objectId, s.objectId FROM dp1.Object o JOIN dp1.Source s ON o.objectId = s.objectId";
    let Translated { columns, top, tables, .. } = translate(query, &world(), &Options::default()).unwrap();
    assert_eq!(top, Some(7));
    assert_eq!(tables.iter().map(|name| &*name.table).collect::<Vec<_>>(), ["Object", "Source"]);
    assert_eq!(
        columns.iter().map(|column| (&*column.name, &*column.emitted)).collect::<Vec<_>>(),
        [("objectId", "objectId"), ("objectId", "objectId_2")]
    );
    assert!(columns.iter().all(|column| column.class == TypeClass::Integer));
}

#[test]
fn declared_functions() {
    let function = "my_dist(x DOUBLE, y DOUBLE) -> DOUBLE".parse().unwrap();
    let options = Options { functions: vec![function], ..Options::strict() };
    assert!(check("SELECT MY_DIST(a, b) FROM t", &options).is_ok());
    let faults = check("SELECT my_dist(a), mydist(a, b) FROM t", &options).unwrap_err();
    assert_eq!(faults.len(), 2);
    assert_eq!(faults[0].expected, ["my_dist(x DOUBLE, y DOUBLE) -> DOUBLE"]);
    assert_eq!(faults[1].suggestions, ["my_dist(x DOUBLE, y DOUBLE) -> DOUBLE"]);
}

#[test]
fn geometries_that_double_at_each_level() {
    // A point of which only the value is known is written twice, as its longitude and its latitude.
    for (open, close, levels) in [
        ("POLYGON(CENTROID(", "), POINT(1, 2), POINT(3, 4))", 40),
        ("CIRCLE('FK5', CENTROID(CIRCLE('GALACTIC', CENTROID(", "), 1)), 1)", 20),
    ] {
        let query = format!("SELECT {}shape{} FROM dp1.Object", open.repeat(levels), close.repeat(levels));
        let started = std::time::Instant::now();
        match translate(&query, &world(), &Options::default()) {
            Ok(translated) => assert!(translated.statement.to_string().len() < 1 << 24),
            Err(faults) => assert!(faults[0].message.contains("max_nodes"), "{}", shown(&faults)),
        }
        assert!(started.elapsed().as_secs() < 10);
    }
}
