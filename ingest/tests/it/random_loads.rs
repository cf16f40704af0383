//! Arbitrary loads keep every promise.

use std::collections::BTreeMap;

use proptest::prelude::*;
use qserv_core::ErrorKind;
use qserv_core::partition::PixelizationKind;
use qserv_ingest::{Loading, Progress, Settings};

use crate::checks::{check, snapshot};
use crate::cluster::Cluster;
use crate::tables::{Row, TABLES, database, file, text_file};

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Commit,
    Abort,
    BadRow,
}

type Part = (usize, Vec<(Option<i64>, Option<i64>, Option<(f64, f64)>)>);

#[derive(Debug, Clone)]
struct Case {
    pixelization: PixelizationKind,
    chunk_order: Option<u8>,
    overlap_arcsec: f64,
    settings: Settings,
    workers: usize,
    transactions: Vec<(Vec<Part>, End)>,
}

/// Positions close together at places where skies are difficult: both ends of longitude, the poles, corners of base cells.
fn position() -> impl Strategy<Value = (f64, f64)> {
    let center = prop_oneof![
        Just((0.0, 0.0)),
        Just((359.999, 41.81)),
        Just((45.0, 89.999)),
        Just((10.0, -90.0)),
        Just((90.0, 41.8103)),
        Just((123.4, -20.0)),
    ];
    (center, -0.02..0.02f64, -0.02..0.02f64).prop_map(|((lon, lat), dx, dy)| {
        let lon: f64 = lon + dx;
        (lon.rem_euclid(360.0), (lat + dy).clamp(-90.0, 90.0))
    })
}

fn part() -> impl Strategy<Value = Part> {
    // Few keys, so that they repeat, within a table and across tables.
    let key = || prop_oneof![9 => (0..12i64).prop_map(Some), 1 => Just(None)];
    let spread_key = prop_oneof![3 => key(), 1 => (0..1000i64).prop_map(Some)];
    let row = (spread_key, key(), proptest::option::weighted(0.8, position()));
    (0..TABLES.len(), proptest::collection::vec(row, 0..25))
}

fn case() -> impl Strategy<Value = Case> {
    let end = prop_oneof![6 => Just(End::Commit), 1 => Just(End::Abort), 1 => Just(End::BadRow)];
    let transactions = proptest::collection::vec((proptest::collection::vec(part(), 1..7), end), 1..5);
    let pixelization = prop_oneof![Just(PixelizationKind::Healpix), Just(PixelizationKind::H3)];
    let memory = prop_oneof![Just(1usize), Just(4_000), Just(64 << 20)];
    let orders = proptest::option::of(0..7u8);
    (transactions, pixelization, orders, memory, (1usize..40, 1usize..20), 1usize..4, 1usize..4).prop_map(
        |(
            transactions,
            pixelization,
            chunk_order,
            memory_bytes,
            (segment_rows, index_segment_keys),
            workers,
            replication,
        )| Case {
            pixelization,
            chunk_order,
            overlap_arcsec: 36.0,
            settings: Settings {
                memory_bytes,
                segment_rows,
                index_segment_keys,
                replication,
                target_rows_per_chunk: 5,
                least_rows_per_chunk: 1,
                page_rows: 3,
                row_group_rows: 8,
                parallelism: 2,
                garbage_grace_ms: 0,
                ..Settings::default()
            },
            workers,
            transactions,
        },
    )
}

/// Runs the transactions of a case one after the other, and checks after each.
async fn run(case: Case) {
    let cluster = Cluster::new(case.workers, case.settings).await;
    let declared = database(case.pixelization, case.chunk_order, case.overlap_arcsec);
    cluster.ingest.create_database(&declared).await.unwrap();
    let mut expected: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut next_row = 0;
    for (parts, end) in case.transactions {
        let transaction = cluster.ingest.begin("sky").await.unwrap();
        let mut added: Vec<(&str, Vec<Row>)> = Vec::new();
        for (table, rows) in parts {
            let is_director = [0, 4].contains(&table);
            let rows: Vec<Row> = rows
                .into_iter()
                .map(|(key, other, position)| {
                    next_row += 1;
                    let position = if is_director { position.or(Some((200.0, 30.0))) } else { position };
                    Row { row: next_row, key, other, position }
                })
                .collect();
            let report =
                cluster.ingest.contribute(transaction, file(TABLES[table], &rows), &Progress::none()).await.unwrap();
            assert_eq!(report.rows, rows.len() as u64);
            added.push((TABLES[table], rows));
        }
        match end {
            End::Commit => {
                let report = cluster.ingest.commit(transaction).await.unwrap();
                assert_eq!(report.rows(), added.iter().map(|(_, rows)| rows.len() as u64).sum::<u64>());
                for (table, rows) in added {
                    expected.entry(table.to_owned()).or_default().extend(rows);
                }
                // Whoever lost the answer may ask again.
                assert_eq!(cluster.ingest.commit(transaction).await.unwrap().snapshot, report.snapshot);
            }
            End::Abort => cluster.ingest.abort(transaction).await.unwrap(),
            End::BadRow => {
                let bad = text_file("Source", "row,key\n1,2\n2,x\n".to_owned());
                let error = cluster.ingest.contribute(transaction, bad, &Progress::none()).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Data);
                assert_eq!(cluster.ingest.commit(transaction).await.unwrap_err().kind(), ErrorKind::Conflict);
            }
        }
        check(&cluster, &expected).await;
    }
    cluster.ingest.drop_database("sky").await.unwrap();
    assert!(cluster.stores.files().is_empty());
    // Scratch folders go with their transactions.
    assert_eq!(std::fs::read_dir(cluster.scratch.path()).unwrap().count(), 0);
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn arbitrary_loads_keep_every_promise(case in case()) {
        block_on(run(case));
    }
}

fn spread(rows: i64) -> Vec<Row> {
    let row = |row: i64| Row {
        row,
        key: Some(row),
        other: None,
        // A spiral from pole to pole with turns of the golden angle: evenly over the sphere.
        position: Some((
            row as f64 * 137.507_764 % 360.0,
            ((row as f64 + 0.5) / rows as f64 * 2.0 - 1.0).asin().to_degrees(),
        )),
    };
    (0..rows).map(row).collect()
}

/// The usual order of loads keeps locality, and a second look at the settings: chunks of about the wanted size, and small memory.
#[test]
fn a_whole_sky_with_children_stays_local() {
    block_on(async {
        let settings = Settings {
            memory_bytes: 20_000,
            target_rows_per_chunk: 50,
            least_rows_per_chunk: 50,
            segment_rows: 30,
            replication: 2,
            ..Settings::default()
        };
        let cluster = Cluster::new(3, settings).await;
        cluster.ingest.create_database(&database(PixelizationKind::Healpix, None, 60.0)).await.unwrap();
        let objects = spread(2000);
        let sources: Vec<Row> =
            (0..6000).map(|row| Row { row, key: Some(row % 2000), other: None, position: None }).collect();
        let files = vec![file("Source", &sources[..3000]), file("Object", &objects)];
        let (parts, report) = cluster.ingest.load("sky", files, &Progress::none()).await.unwrap();
        assert_eq!(parts.iter().map(|part| part.rows).collect::<Vec<_>>(), [3000, 2000]);
        // The first load sorts the tables itself: no orphans although the children came first.
        assert_eq!(report.tables.iter().map(|table| table.orphans).sum::<u64>(), 0);
        let (parts, _) =
            cluster.ingest.load("sky", vec![file("Forced", &sources[3000..])], &Progress::none()).await.unwrap();
        assert_eq!(parts[0].orphans, 0);
        // A load of several files begins with the directors.
        let later: Vec<Row> = spread(100)
            .into_iter()
            .map(|row| Row { row: row.row + 10_000, key: row.key.map(|key| key + 5000), ..row })
            .collect();
        let files = vec![file("Deep", &later), file("Object", &later)];
        let (parts, _) = cluster.ingest.load("sky", files, &Progress::none()).await.unwrap();
        assert_eq!(
            parts.iter().map(|part| (part.table.as_str(), part.orphans)).collect::<Vec<_>>(),
            [("Deep", 0), ("Object", 0)]
        );
        let snapshot = snapshot(&cluster).await;
        assert_eq!(snapshot.database.chunk_order, Some(1));
        assert!(snapshot.tables.iter().all(|table| table.key_is_chunk_local));
        let expected = BTreeMap::from([
            ("Object".to_owned(), [objects, later.clone()].concat()),
            ("Deep".to_owned(), later),
            ("Source".to_owned(), sources[..3000].to_vec()),
            ("Forced".to_owned(), sources[3000..].to_vec()),
        ]);
        check(&cluster, &expected).await;
    });
}

/// Two transactions bring rows of the same new keys at the same time: neither sees the other, and the second to commit notices.
#[test]
fn concurrent_loads_of_the_same_keys() {
    block_on(async {
        for (first, second) in [("Object", "Forced"), ("Forced", "Object"), ("Forced", "Source"), ("Object", "Object")]
        {
            let cluster = Cluster::new(2, Settings::default()).await;
            cluster.ingest.create_database(&database(PixelizationKind::H3, Some(2), 60.0)).await.unwrap();
            let one = spread(50);
            let two: Vec<Row> = spread(50)
                .into_iter()
                .map(|row| Row { row: row.row + 100, key: row.key.map(|key| 49 - key), ..row })
                .collect();
            let (a, b) = (cluster.ingest.begin("sky").await.unwrap(), cluster.ingest.begin("sky").await.unwrap());
            cluster.ingest.contribute(a, file(first, &one), &Progress::none()).await.unwrap();
            cluster.ingest.contribute(b, file(second, &two), &Progress::none()).await.unwrap();
            cluster.ingest.commit(a).await.unwrap();
            assert!(snapshot(&cluster).await.tables.iter().all(|table| table.key_is_chunk_local));
            cluster.ingest.commit(b).await.unwrap();
            let snapshot = snapshot(&cluster).await;
            assert!(!snapshot.tables[0].key_is_chunk_local, "{first} {second}");
            let mut expected = BTreeMap::from([(first.to_owned(), one)]);
            expected.entry(second.to_owned()).or_default().extend(two);
            check(&cluster, &expected).await;
        }
    });
}
