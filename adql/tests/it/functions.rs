//! Functions that a service declares: their arguments are checked, and aggregates among them count as aggregates.

use qserv_adql::{FunctionSignature, NameList, Options, TypeClass, check, translate};

fn names() -> NameList {
    use TypeClass::{Boolean, Float, Integer, Point, Text, Timestamp};
    let mut names = NameList::default();
    let columns =
        [("id", Integer), ("x", Float), ("band", Text), ("at", Timestamp), ("place", Point), ("flag", Boolean)];
    names.add_table("d", "t", columns);
    names
}

fn options() -> Options {
    let signature = |form: &str| form.parse::<FunctionSignature>().expect("a signature");
    let functions = vec![
        signature("ivo_string_agg(word VARCHAR, mark VARCHAR) -> VARCHAR").aggregate(),
        signature("scisql_median(x DOUBLE) -> DOUBLE").aggregate(),
        signature("cell(place INTEGER, lon DOUBLE, ...) -> BIGINT"),
        signature("word(a VARCHAR, b BOOLEAN, c TIMESTAMP, d POINT) -> VARCHAR"),
    ];
    Options { functions, ..Options::default() }
}

fn sql(query: &str) -> String {
    let translated = translate(query, &names(), &options()).unwrap_or_else(|faults| panic!("{query}: {}", faults[0]));
    translated.statement.to_string()
}

fn faults(query: &str) -> Vec<String> {
    let faults = translate(query, &names(), &options()).expect_err(query);
    faults.iter().map(|fault| fault.summary()).collect()
}

#[test]
fn a_declared_aggregate_is_one_everywhere() {
    assert_eq!(
        sql("SELECT band, scisql_median(x) AS m FROM d.t GROUP BY band HAVING scisql_median(x) > 1 ORDER BY m"),
        "SELECT \"d\".\"t\".\"band\", scisql_median(\"d\".\"t\".\"x\") AS \"m\" FROM \"d\".\"t\" GROUP BY \"d\".\"t\".\"band\" \
         HAVING scisql_median(\"d\".\"t\".\"x\") > 1 ORDER BY \"m\""
    );
    assert!(sql("SELECT ivo_string_agg(DISTINCT band, ',') AS s FROM d.t").contains("ivo_string_agg(DISTINCT "));
    assert!(sql("SELECT STRING_AGG(band, ',') AS s FROM d.t").contains("ivo_string_agg(\"d\".\"t\".\"band\", ','"));
    assert!(sql("SELECT scisql_median(x) OVER (PARTITION BY band) AS s FROM d.t").contains(") OVER (PARTITION BY "));
    for (query, says) in [
        ("SELECT id FROM d.t WHERE scisql_median(x) > 1", "an aggregate cannot stand in WHERE"),
        ("SELECT scisql_median(x) AS m FROM d.t WHERE m > 1", "`m` is an aggregate, which cannot stand in WHERE"),
        ("SELECT MAX(scisql_median(x)) FROM d.t", "an aggregate cannot stand inside an aggregate"),
        ("SELECT band, scisql_median(x) FROM d.t", "`band` must stand in GROUP BY"),
        ("SELECT id FROM d.t ORDER BY scisql_median(x)", "`id` must stand in GROUP BY"),
        ("SELECT cell(DISTINCT 1, 2) FROM d.t", "only aggregates take DISTINCT"),
        ("SELECT cell(1, 2) OVER (ORDER BY id) FROM d.t", "CELL takes no OVER"),
        ("SELECT scisql_median(*) FROM d.t", "only COUNT takes `*`"),
    ] {
        let faults = faults(query);
        assert!(faults.iter().any(|fault| fault.contains(says)), "{query}: {faults:?}");
    }
    assert!(check("SELECT id FROM t WHERE scisql_median(x) > 1", &options()).is_err());
}

#[test]
fn arguments_are_of_the_declared_kind() {
    for query in [
        "SELECT cell(1, x, 2, id), cell(flag, NULL, x + 1) FROM d.t",
        "SELECT word(band, flag, at, place), word('a', 'true', '2025-01-01', '1 2'), word(NULL, NULL, NULL, NULL) FROM d.t",
    ] {
        sql(query);
    }
    for (call, says) in [
        ("cell(x, 1)", "`place` of cell is a whole number, and this is a number that may have a fraction"),
        ("cell(band, 1)", "`place` of cell is a whole number, and this is a text"),
        ("cell(1, at)", "`lon` of cell is a number, and this is a timestamp"),
        ("cell(1, 2, 3, 'x')", "`lon` of cell is a number, and this is a text"),
        ("word(1, flag, at, place)", "`a` of word is a text, and this is a number"),
        ("word('a', 1, at, place)", "`b` of word is a boolean, and this is a number"),
        ("word('a', flag, 1, place)", "`c` of word is a timestamp, and this is a number"),
        ("word('a', flag, at, CIRCLE(1, 2, 3))", "`d` of word is a point, and this is a circle"),
        ("scisql_median(band)", "`x` of scisql_median is a number, and this is a text"),
    ] {
        assert_eq!(faults(&format!("SELECT {call} FROM d.t")), [says], "{call}");
    }
}

#[test]
fn the_written_form_does_not_tell_aggregates() {
    let signature: FunctionSignature = "m(x DOUBLE) -> DOUBLE".parse().unwrap();
    assert!(!signature.aggregate && signature.clone().aggregate().aggregate);
    assert_eq!(signature.clone().aggregate().to_string(), signature.to_string());
}
