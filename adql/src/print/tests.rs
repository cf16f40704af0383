//! `parse(print(tree)) == tree`, for trees that the grammar can give.

mod trees;

use proptest::prelude::*;

use super::{lines, one_line};
use crate::ast::Query;
use crate::options::{Level, Options};
use crate::parse;
use crate::report::Report;

/// The syntax tree without its places.
fn parsed(text: &str) -> Result<Query, String> {
    let options = Options { level: Level::Service, max_depth: 300, ..Options::default() };
    let mut report = Report::new(text, &options);
    let query = parse::parse(text, &options, &mut report);
    if let Err(faults) = report.finish() {
        return Err(format!("{}\n{text}", faults[0]));
    }
    let mut query = query.expect("a tree where there is no fault");
    query.forget_places();
    Ok(query)
}

/// At least 3000 random trees; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(3000), ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_printed_tree_parses_to_itself(choices in proptest::collection::vec(any::<u8>(), 0..700)) {
        let mut tree = trees::statement(&choices);
        tree.forget_places();
        for text in [one_line(&tree), lines(&tree)] {
            let again = parsed(&text);
            prop_assert_eq!(again.as_ref(), Ok(&tree), "{}", text);
        }
    }
}

/// What the property above says nothing about as long as the trees do not have it.
#[test]
fn the_random_trees_have_every_part() {
    #[rustfmt::skip]
    let parts = [
        "WITH ", "SELECT DISTINCT ", "TOP ", "*, ", ".*", " AS ", " FROM ", " WHERE ", " GROUP BY ", " HAVING ", " ORDER BY ",
        " LIMIT ", " OFFSET ", " ASC", " DESC", " NULLS FIRST", " NULLS LAST", " UNION ", " UNION ALL ", " EXCEPT ", " EXCEPT ALL ",
        " INTERSECT ", " INTERSECT ALL ", " JOIN ", " LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN ", " CROSS JOIN ", " NATURAL JOIN ",
        " NATURAL LEFT JOIN ", " NATURAL RIGHT JOIN ", " NATURAL FULL JOIN ", " ON ", " USING (", " JOIN (", "FROM (SELECT ", "NULL",
        "TRUE", "FALSE", "1.5E-3", ".5e+2", "''''", "\"\"\"\"", "- -", "+", "~", " - ", " * ", " / ", " DIV ", " % ", " || ", " & ",
        " | ", " ^ ", " << ", " >> ", " = ", " <> ", " < ", " <= ", " > ", " >= ", " IS DISTINCT FROM ", " IS NOT DISTINCT FROM ",
        "NOT ", " AND ", " OR ", " BETWEEN ", " NOT BETWEEN ", " IN (", " NOT IN (", " IN (SELECT ", " LIKE ", " NOT LIKE ",
        " ILIKE ", " NOT ILIKE ", " ESCAPE ", " IS NULL", " IS NOT NULL", " IS TRUE", " IS NOT FALSE", " IS UNKNOWN", "EXISTS (",
        "(SELECT ", "CASE WHEN ", "CASE ", " ELSE ", " AS SMALLINT)", " AS INTEGER)", " AS BIGINT)", " AS REAL)",
        " AS DOUBLE PRECISION)", " AS DECIMAL)", " AS DECIMAL(", "CURRENT_TIMESTAMP", " TABLESAMPLE(", " AS CHAR)", " AS CHAR(", " AS VARCHAR)", " AS VARCHAR(",
        " AS TIMESTAMP)", " AS DATE)", " AS BOOLEAN)", " AS POINT)", " AS CIRCLE)", " AS POLYGON)", "count(*)", "(DISTINCT ",
        " OVER (", "PARTITION BY ", "ROWS ", "RANGE ", "GROUPS ", "UNBOUNDED PRECEDING", "UNBOUNDED FOLLOWING", "CURRENT ROW",
        "EXTRACT(YEAR FROM ", "TRIM(", "SUBSTRING(", "POSITION(", "((",
    ];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = proptest::collection::vec(any::<u8>(), 200..700);
    let mut missing = parts.to_vec();
    for _ in 0..20_000 {
        let choices = proptest::strategy::ValueTree::current(&strategy.new_tree(&mut runner).expect("bytes"));
        let text = one_line(&trees::statement(&choices));
        missing.retain(|part| !text.contains(part));
        if missing.is_empty() {
            return;
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// What the grammar of joins and parentheses turns into other trees than it seems.
#[test]
fn one_form() {
    for (text, printed) in [
        ("select a from t -- x\n;", "SELECT a FROM t"),
        ("SELECT ALL a b FROM t x INNER JOIN u y ON x.a != y.a", "SELECT a AS b FROM t AS x JOIN u AS y ON x.a <> y.a"),
        (
            "SELECT a FROM t LEFT OUTER JOIN u JOIN v ON u.a = v.a ON t.a == u.a",
            "SELECT a FROM t LEFT JOIN (u JOIN v ON u.a = v.a) ON t.a = u.a",
        ),
        ("SELECT a FROM (t JOIN u USING (a)) AS x", "SELECT a FROM (SELECT * FROM t JOIN u USING (a)) AS x"),
        ("SELECT a FROM ((SELECT b FROM u)) x", "SELECT a FROM (SELECT b FROM u) AS x"),
        ("((SELECT a FROM t))", "((SELECT a FROM t))"),
        (
            "SELECT a FROM t WHERE EXISTS (u JOIN v USING (a))",
            "SELECT a FROM t WHERE EXISTS (SELECT * FROM u JOIN v USING (a))",
        ),
        ("SELECT 1 FROM t JOIN u JOIN v", "SELECT 1 FROM t JOIN (u JOIN v)"),
        (
            "SELECT 1 FROM t JOIN u JOIN v ON u.a = v.a JOIN w JOIN x",
            "SELECT 1 FROM (t JOIN (u JOIN v ON u.a = v.a)) JOIN (w JOIN x)",
        ),
        (
            "SELECT 1 FROM t WHERE EXISTS ((t JOIN u USING (a)) x JOIN v USING (a))",
            "SELECT 1 FROM t WHERE EXISTS (SELECT * FROM (SELECT * FROM t JOIN u USING (a)) AS x JOIN v USING (a))",
        ),
        ("SELECT a FROM t WHERE a IN (((SELECT b FROM u)))", "SELECT a FROM t WHERE a IN (SELECT b FROM u)"),
        (
            "SELECT a FROM t WHERE a = (((SELECT b FROM u)) UNION SELECT c FROM v)",
            "SELECT a FROM t WHERE a = ((SELECT b FROM u) UNION SELECT c FROM v)",
        ),
        (
            "SELECT TRIM(LEADING 'x' FROM a), SUBSTRING(a FROM 2), EXTRACT(year FROM b)",
            "SELECT LTRIM(a, 'x'), SUBSTRING(a, 2), EXTRACT(YEAR FROM b)",
        ),
        (
            "SELECT POSITION(a IN b), EXTRACT('Year', b), - + ~ - 1",
            "SELECT POSITION(a IN b), EXTRACT('Year', b), - + ~ -1",
        ),
        (
            "SELECT TOP 5 DISTINCT a FROM t UNION DISTINCT SELECT b FROM u OFFSET 3 ROWS",
            "SELECT DISTINCT TOP 5 a FROM t UNION SELECT b FROM u OFFSET 3",
        ),
        (
            "SELECT f(SELECT 1 FROM t), TIMESTAMP '2020-01-01' FROM t",
            "SELECT f((SELECT 1 FROM t)), CAST('2020-01-01' AS TIMESTAMP) FROM t",
        ),
        (
            "SELECT a::int, LEFT(b, 3), NVL2(a = 1, 2, 3), INSTR(a, b IS NULL), ISNULL(NOT c) FROM t WHERE a !< 1 && b = 2",
            "SELECT CAST(a AS INTEGER), SUBSTRING(b, 1, 3), CASE WHEN (a = 1) IS NOT NULL THEN 2 ELSE 3 END, POSITION((b IS NULL) IN a), (NOT c) IS NULL FROM t WHERE a >= 1 AND b = 2",
        ),
        (
            "SELECT getdate(), CAST(CURRENT_TIMESTAMP AS TIMESTAMP), N'x' AS 'y' FROM `t` LIMIT 5, 10",
            "SELECT CURRENT_TIMESTAMP, CAST(CURRENT_TIMESTAMP AS TIMESTAMP), 'x' AS \"y\" FROM \"t\" LIMIT 10 OFFSET 5",
        ),
        (
            "SELECT a FROM t TABLESAMPLE BERNOULLI (10) x, u AS y TABLESAMPLE (0.5)",
            "SELECT a FROM t AS x TABLESAMPLE(10), u AS y TABLESAMPLE(0.5)",
        ),
        (
            "SELECT TOP (3) a FROM t MINUS SELECT b FROM u FETCH FIRST ROW ONLY",
            "SELECT TOP 3 a FROM t EXCEPT SELECT b FROM u LIMIT 1",
        ),
    ] {
        let tree = parsed(text).unwrap();
        assert_eq!(one_line(&tree), printed);
        assert_eq!(parsed(printed).as_ref(), Ok(&tree), "{printed}");
    }
}

#[test]
fn a_line_for_each_clause() {
    let query = "with x as (select a from t where a>1 and b>2) select x.a, count(*) n from x join (select c from u) y on \
                 x.a = y.c where x.a in (select d from v) and x.a < 5 or not (x.a = 1) group by x.a order by n desc offset 2";
    let expected = "\
WITH x AS (
    SELECT a
    FROM t
    WHERE a > 1
      AND b > 2
)
SELECT x.a, count(*) AS n
FROM x
JOIN (
    SELECT c
    FROM u
) AS y ON x.a = y.c
WHERE x.a IN (
    SELECT d
    FROM v
) AND x.a < 5 OR NOT (x.a = 1)
GROUP BY x.a
ORDER BY n DESC
OFFSET 2";
    assert_eq!(lines(&parsed(query).unwrap()), expected);
    let wide = format!("SELECT {} FROM t", ["a_long_name"; 12].join(", "));
    let printed = lines(&parsed(&wide).unwrap());
    assert_eq!(printed.lines().count(), 14, "{printed}");
    assert!(printed.starts_with("SELECT\n    a_long_name,\n"), "{printed}");
}
