//! Parse and translation of what people and programs send: a query of 30 lines over a catalog of twelve wide tables, and one whose
//! IN list fills a megabyte.

#![allow(missing_docs, reason = "criterion's macros make a public function")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use qserv_adql::{NameList, Options, TypeClass, check, normalize, translate};

/// Columns of each table: a data release's object table has some hundreds.
const COLUMNS: usize = 150;

/// Joins, WITH, geometry, aggregates, a window, CASE: 30 lines.
const QUERY: &str = "\
WITH bright AS (
    SELECT objectId, coord_ra, coord_dec, col_17 AS flux
    FROM dp1.Object
    WHERE col_17 > 1000 AND detect_isPrimary = 1
      AND CONTAINS(POINT('ICRS', coord_ra, coord_dec),
                   CIRCLE('ICRS', 53.13, -28.1, 0.5)) = 1
),
visits AS (
    SELECT visit, COUNT(*) AS sources, AVG(col_20) AS seeing
    FROM dp1.Source
    GROUP BY visit
    HAVING COUNT(*) > 100
)
SELECT TOP 1000 b.objectId, b.coord_ra, b.coord_dec,
       COUNT(*) AS n,
       AVG(scisql_nanojanskyToAbMag(s.col_18)) AS mag,
       STDDEV(s.col_18) / AVG(s.col_18) AS variability,
       MIN(DISTANCE(b.coord_ra, b.coord_dec, s.coord_ra, s.coord_dec)) * 3600 AS nearest_arcsec,
       CASE WHEN MAX(s.col_18) > 5 * MIN(s.col_18) THEN 'variable'
            WHEN COUNT(*) < 3 THEN 'unknown'
            ELSE 'constant' END AS kind,
       RANK() OVER (ORDER BY COUNT(*) DESC) AS place
FROM bright AS b
JOIN dp1.Source AS s ON s.objectId = b.objectId
JOIN visits AS v ON v.visit = s.visit
LEFT OUTER JOIN dp1.Visit AS i ON i.visit = s.visit AND i.col_31 BETWEEN 0 AND 2.5
WHERE v.seeing < 1.2 AND s.col_40 IN (1, 2, 3, 5, 8) AND i.col_60 LIKE 'good%'
  AND EXISTS (SELECT * FROM dp1.ForcedSource AS f WHERE f.objectId = b.objectId AND f.col_5 IS NOT NULL)
GROUP BY b.objectId, b.coord_ra, b.coord_dec
ORDER BY variability DESC OFFSET 10";

const TABLES: [&str; 12] = [
    "Object",
    "Source",
    "ForcedSource",
    "DiaObject",
    "DiaSource",
    "ForcedSourceOnDiaObject",
    "Visit",
    "CcdVisit",
    "CoaddPatches",
    "SSObject",
    "SSSource",
    "MPCORB",
];

fn catalog() -> NameList {
    let mut names = NameList::default();
    for table in TABLES {
        let named = [
            ("objectId", TypeClass::Integer),
            ("visit", TypeClass::Integer),
            ("coord_ra", TypeClass::Float),
            ("coord_dec", TypeClass::Float),
            ("detect_isPrimary", TypeClass::Boolean),
        ];
        let others = (named.len()..COLUMNS).map(|number| {
            let class = if number == 60 { TypeClass::Text } else { TypeClass::Float };
            (format!("col_{number}"), class)
        });
        names.add_table("dp1", table, named.map(|(name, class)| (name.to_owned(), class)).into_iter().chain(others));
    }
    names
}

fn bench(criterion: &mut Criterion) {
    let names = catalog();
    let options = Options::default();
    assert_eq!(QUERY.lines().count(), 30);
    let translated = |query: &str| translate(black_box(query), &names, &options);
    if let Err(faults) = translated(QUERY) {
        panic!("{}", faults[0]);
    }
    criterion.bench_function("translate 30 lines", |bencher| bencher.iter(|| translated(QUERY)));
    criterion.bench_function("check 30 lines", |bencher| bencher.iter(|| check(black_box(QUERY), &options)));
    criterion.bench_function("print 30 lines", |bencher| bencher.iter(|| normalize(black_box(QUERY), &options)));

    let keys: Vec<String> = (0_u64..49_000).map(|key| (1_579_000_000_000_000_000 + key * 7919).to_string()).collect();
    let list = format!("SELECT objectId FROM dp1.Object WHERE objectId IN ({})", keys.join(", "));
    assert!(list.len() > 1_000_000 && translated(&list).is_ok(), "{} bytes", list.len());
    let mut group = criterion.benchmark_group("a megabyte");
    group.sample_size(20);
    group.bench_function("translate an IN list", |bencher| bencher.iter(|| translated(&list)));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
