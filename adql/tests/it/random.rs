//! No text makes the crate panic, overflow the stack, or take long.

use proptest::prelude::*;
use qserv_adql::{Options, check, translate};

use crate::world::world;

/// Pieces that queries are made of.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "SELECT", "DISTINCT", "ALL", "TOP", "5", "0.5", "1e3", ".", ",", "(", ")", "*", "FROM", "WHERE", "GROUP", "BY",
    "HAVING", "ORDER", "OFFSET", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "WITH", "AS", "JOIN", "LEFT", "FULL",
    "NATURAL", "CROSS", "ON", "USING", "AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "BETWEEN", "EXISTS", "CASE",
    "WHEN", "THEN", "ELSE", "END", "CAST", "INTEGER", "VARCHAR", "=", "<>", "<", ">=", "+", "-", "*", "/", "%", "||",
    "'a'", "'True'", "\"Object\"", "dp1", "Object", "Source", "o", "s", "objectId", "coord_ra", "flag",
    "detect_isPrimary", "COUNT", "SUM", "POINT", "CIRCLE", "BOX", "POLYGON", "CONTAINS", "DISTANCE", "INTERSECTS",
    "CENTROID", "COORD1", "'ICRS'", "1", "OVER", "PARTITION", "ROWS", "SUBSTRING", "TRIM", "EXTRACT", "YEAR", ";",
    "--x\n", "dp1.Object", "dp1.Source", "dp1.Visit", "size", "~", "^", "<<", "DIV",
];

/// Queries that hold together, with holes for random expressions.
fn query() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("objectId".to_owned()),
        Just("o.coord_ra".to_owned()),
        Just("s.flag".to_owned()),
        Just("detect_isPrimary".to_owned()),
        Just("1".to_owned()),
        Just("'x'".to_owned()),
        Just("NULL".to_owned()),
        Just("COUNT(*)".to_owned()),
    ];
    let expression = leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} + {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} = {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("CASE WHEN {a} THEN {b} END")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("CONTAINS(POINT({a}, {b}), CIRCLE({b}, {a}, 1))")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} IN (1, {b}, 'True')")),
            inner.clone().prop_map(|a| format!("SUM({a})")),
            inner.clone().prop_map(|a| format!("(SELECT MAX({a}) FROM dp1.Visit v WHERE v.visit = s.visit)")),
            inner.prop_map(|a| format!("NOT {a}")),
        ]
    });
    (expression.clone(), expression.clone(), expression, any::<bool>()).prop_map(|(item, filter, order, grouped)| {
        let group = if grouped { "GROUP BY objectId" } else { "" };
        format!(
            "SELECT {item} AS a, o.* FROM dp1.Object o JOIN dp1.Source s USING (objectId) WHERE {filter} {group} ORDER BY {order}, a"
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text(text in "\\PC{0,80}") {
        let _ = check(&text, &Options::strict());
        let _ = translate(&text, &world(), &Options::default());
    }

    #[test]
    fn any_soup_of_pieces(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        let text = pieces.join(" ");
        let strict = check(&text, &Options::strict());
        let service = check(&text, &Options::default());
        let translated = translate(&text, &world(), &Options::default());
        // The service takes all that the strict check takes; what is translated has been checked.
        prop_assert!(strict.is_err() || service.is_ok(), "{text}");
        prop_assert!(translated.is_err() || service.is_ok(), "{text}");
        for faults in [strict.err(), service.err(), translated.err()].into_iter().flatten() {
            prop_assert!(!faults.is_empty(), "{text}");
            for fault in faults {
                prop_assert!(fault.line >= 1 && fault.column >= 1 && fault.length >= 1, "{text}: {fault:?}");
                prop_assert!(!fault.to_string().is_empty());
            }
        }
    }

    #[test]
    fn any_query_that_holds_together(text in query()) {
        let world = world();
        if let Ok(translated) = translate(&text, &world, &Options::default()) {
            let printed = translated.statement.to_string();
            // What is written can be read again, and means the same tree once it is written again.
            let dialect = sqlparser::dialect::GenericDialect {};
            let again = sqlparser::parser::Parser::new(&dialect).with_recursion_limit(500).try_with_sql(&printed).unwrap().parse_statement();
            prop_assert_eq!(again.unwrap().to_string(), printed);
            prop_assert_eq!(translated.columns.iter().map(|column| &column.emitted).collect::<std::collections::HashSet<_>>().len(), translated.columns.len());
        }
    }
}

/// Every way to nest, far beyond the limit: a clear fault, no stack overflow (tests run on 2 MiB stacks).
#[test]
fn hostile_depth() {
    let ways = [
        ("(", "1", ")"),
        ("(SELECT ", "1", ")"),
        ("-", "1", ""),
        ("- ", "1", ""),
        ("NOT ", "1", ""),
        ("~", "1", ""),
        ("ABS(", "1", ")"),
        ("CAST(", "1", " AS INTEGER)"),
        ("CASE WHEN 1=1 THEN ", "1", " END"),
        ("1 IN (", "1", ")"),
        ("EXISTS (SELECT 1 FROM dp1.Visit WHERE ", "1=1", ")"),
        ("CENTROID(", "POINT(1,1)", ")"),
        ("1 + (", "1", ")"),
        ("SUM(1) OVER (PARTITION BY ", "1", ")"),
        ("1 BETWEEN 1 AND ", "1", ""),
        ("1 + ", "1", ""),
        ("1 AND ", "1=1", ""),
        ("1 || ", "'a'", ""),
        ("1 = ", "1", ""),
        ("a.", "b", ""),
    ];
    for (open, inside, close) in ways {
        for depth in [20, 45, 90, 99, 101, 1000, 20_000] {
            let nested = format!("{}{inside}{}", open.repeat(depth), close.repeat(depth));
            for text in [
                format!("SELECT {nested} AS x FROM dp1.Visit"),
                format!("SELECT 1 AS x FROM dp1.Visit WHERE {nested}"),
                format!("SELECT {}{inside} AS x FROM dp1.Visit", open.repeat(depth)),
            ] {
                let _ = check(&text, &Options::strict());
                if let Ok(translated) = translate(&text, &world(), &Options::default()) {
                    let _ = translated.statement.to_string();
                    drop(translated);
                }
            }
        }
    }
}

#[test]
fn hostile_depth_in_from() {
    for (open, inside, close) in [
        ("(", "dp1.Visit", ")"),
        ("(SELECT * FROM ", "dp1.Visit", ") x"),
        ("((SELECT * FROM ", "dp1.Visit", ") x JOIN dp1.Source y ON x.visit = y.visit) ".trim_end()),
        ("dp1.Visit JOIN ", "dp1.Visit", " ON 1=1"),
        ("(SELECT 1 FROM dp1.Visit) UNION ", "(SELECT 1 FROM dp1.Visit)", ""),
    ] {
        for depth in [10, 30, 49, 99, 1000, 20_000] {
            let nested = format!("{}{inside}{}", open.repeat(depth), close.repeat(depth));
            for text in
                [format!("SELECT * FROM {nested}"), nested.clone(), format!("SELECT * FROM {}", open.repeat(depth))]
            {
                let _ = check(&text, &Options::strict());
                if let Ok(translated) = translate(&text, &world(), &Options::default()) {
                    let _ = translated.statement.to_string();
                }
            }
        }
    }
}

/// Wide queries take time and memory in proportion to their length; were any of these quadratic, the test would not end.
#[test]
fn hostile_width() {
    const WIDTH: usize = 200_000;
    let many = |piece: &str, between: &str| vec![piece; WIDTH / (piece.len() + between.len())].join(between);
    for text in [
        format!("SELECT {} FROM dp1.Object", many("1", ",")),
        format!("SELECT {} FROM dp1.Object", many("tract", ",")),
        format!("SELECT {} FROM dp1.Object", many("unknown", ",")),
        format!("SELECT {} FROM dp1.Object", many("f(1)", ",")),
        format!("SELECT 1 FROM dp1.Object WHERE {}", many("tract=1", " OR ")),
        format!("SELECT 1 FROM dp1.Object WHERE tract IN ({})", many("17", ",")),
        format!("SELECT tract FROM dp1.Object ORDER BY {}", many("tract", ",")),
        format!("SELECT tract FROM dp1.Object GROUP BY {}", many("1.5", ",")),
        format!("SELECT {} FROM dp1.Object GROUP BY tract", many("objectId", ",")),
        format!("SELECT 1 FROM {}", many("dp1.Object", ",")),
        format!("SELECT 1 FROM {}", many("dp1.Object", " NATURAL JOIN ")),
        format!("SELECT * FROM dp1.Object JOIN dp1.Source USING ({})", many("objectId", ",")),
        format!(
            "SELECT {} AS a, {} FROM dp1.Object ORDER BY 1",
            many("tract+", "").split_at(1200).0.to_owned() + "1",
            many("a", ",")
        ),
        format!("SELECT {}1 AS a FROM dp1.Object HAVING {}", "tract+".repeat(200), many("a>1", " AND ")),
        format!("SELECT 1 FROM dp1.Object WHERE {}", "\"".repeat(WIDTH - 1)),
        "(".repeat(WIDTH),
        "'".repeat(WIDTH),
    ] {
        let _ = check(&text, &Options::strict());
        let _ = translate(&text, &world(), &Options::default());
    }
}
