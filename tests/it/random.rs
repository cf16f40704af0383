//! Random numbers of a seed follow from the row, not from where and when it is read.

use std::collections::BTreeSet;

use qserv_core::partition::PixelizationKind;
use qserv_tests::engines::{Engine, Processes};

use crate::samples;

/// Queries whose rows each have a number of their own, as the last column; but for one that has none.
const QUERIES: [&str; 9] = [
    "SELECT objectId, RAND(42) FROM demo.Object",
    "SELECT sourceId, RAND(42) FROM demo.Source",
    "SELECT objectId, RAND(42) FROM demo.Object WHERE RAND(7) < 0.3",
    "SELECT o.objectId, s.sourceId, RAND(42) FROM demo.Object AS o JOIN demo.Source AS s ON s.objectId = o.objectId",
    "SELECT a.ra, a.dec, RAND(42) FROM (SELECT coord_ra AS ra, coord_dec AS dec FROM demo.Object) AS a",
    "SELECT objectId, band, COUNT(*), RAND(42) FROM demo.Source GROUP BY objectId, band",
    "SELECT visit, RAND(42) FROM demo.Visit",
    "SELECT a.ra, a.dec FROM (SELECT coord_ra AS ra, coord_dec AS dec FROM demo.Object) AS a WHERE RAND(42) < 0.5 ORDER BY RAND(3)",
    "SELECT TOP 100 objectId, RAND(42) FROM demo.Object ORDER BY RAND(42), objectId",
];

#[tokio::test(flavor = "multi_thread")]
async fn seeded_numbers_are_those_of_the_rows_whoever_reads_them() {
    let alone = samples::embedded(1, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let three = samples::embedded(3, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let processes = samples::processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let processes = Processes::new(&processes);
    for query in QUERIES {
        let rows = sorted(&alone.engine, query).await;
        assert!(rows.len() >= 100, "{query}");
        let numbers: BTreeSet<&String> = rows.iter().filter_map(|row| row.last()).collect();
        assert!(numbers.len() == rows.len() || query.ends_with("RAND(3)"), "a number comes twice: {query}");
        // Not `assert_eq`: nobody reads thousands of numbers.
        assert!(sorted(&alone.engine, query).await == rows, "other numbers: {query}");
        assert!(sorted(&three.engine, query).await == rows, "other numbers on three workers: {query}");
        assert!(sorted(&processes, query).await == rows, "other numbers on three processes: {query}");
    }
    // Without a seed they are others.
    let query = "SELECT objectId, RAND() FROM demo.Object";
    assert!(sorted(&three.engine, query).await != sorted(&three.engine, query).await);
}

async fn sorted(engine: &impl Engine, query: &str) -> Vec<Vec<String>> {
    let mut rows = engine.ask(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    rows.sort();
    rows
}
