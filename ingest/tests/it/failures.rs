//! Whatever goes wrong, nothing half is visible and nothing is left.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use qserv_core::ErrorKind;
use qserv_core::partition::PixelizationKind;
use qserv_ingest::{Loading, Progress, Settings};

use crate::checks::check;
use crate::cluster::Cluster;
use crate::random_loads::block_on;
use crate::tables::{Row, database, file, text_file};

fn rows(count: i64) -> Vec<Row> {
    let row = |row: i64| Row { row, key: Some(row), other: None, position: Some((row as f64 % 360.0, 0.0)) };
    (0..count).map(row).collect()
}

async fn cluster() -> Cluster {
    let cluster = Cluster::new(2, Settings { replication: 2, parallelism: 1, ..Settings::default() }).await;
    cluster.ingest.create_database(&database(PixelizationKind::Healpix, Some(2), 60.0)).await.unwrap();
    cluster
}

#[test]
fn a_full_disk_leaves_nothing_and_the_next_try_works() {
    block_on(async {
        let cluster = cluster().await;
        for puts in [0, 1, 5, 40] {
            cluster.stores.puts_left.store(puts, Ordering::SeqCst);
            let error =
                cluster.ingest.load("sky", vec![file("Object", &rows(300))], &Progress::none()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limit);
            assert!(cluster.stores.files().is_empty());
            check(&cluster, &BTreeMap::new()).await;
        }
        cluster.stores.puts_left.store(usize::MAX, Ordering::SeqCst);
        cluster.ingest.load("sky", vec![file("Object", &rows(300))], &Progress::none()).await.unwrap();
        check(&cluster, &BTreeMap::from([("Object".to_owned(), rows(300))])).await;
    });
}

#[test]
fn a_killed_process_leaves_nothing_after_the_next_start() {
    block_on(async {
        let cluster = cluster().await;
        cluster.ingest.load("sky", vec![file("Object", &rows(20))], &Progress::none()).await.unwrap();
        let transaction = cluster.ingest.begin("sky").await.unwrap();
        let more: Vec<Row> = rows(200).into_iter().skip(100).collect();
        cluster.ingest.contribute(transaction, file("Object", &more), &Progress::none()).await.unwrap();
        // A child's load writes its director's rows, so that there are files.
        cluster.ingest.contribute(transaction, file("Forced", &more), &Progress::none()).await.unwrap();
        let before = cluster.stores.files().len();
        let cluster = cluster.restarted();
        assert_eq!(cluster.ingest.commit(transaction).await.unwrap_err().kind(), ErrorKind::Conflict);
        // Another process must be silent for a while before it counts as gone.
        assert_eq!(cluster.ingest.recover(false).await.unwrap(), 0);
        assert_eq!(cluster.stores.files().len(), before);
        assert_eq!(cluster.ingest.recover(true).await.unwrap(), 1);
        assert!(cluster.stores.files().len() < before);
        assert_eq!(std::fs::read_dir(cluster.scratch.path()).unwrap().count(), 0);
        check(&cluster, &BTreeMap::from([("Object".to_owned(), rows(20))])).await;
        cluster.ingest.load("sky", vec![file("Object", &more)], &Progress::none()).await.unwrap();
        let all: Vec<Row> = rows(20).into_iter().chain(more).collect();
        check(&cluster, &BTreeMap::from([("Object".to_owned(), all)])).await;
    });
}

#[test]
fn bad_rows_are_skipped_within_the_allowance() {
    block_on(async {
        let cluster = cluster().await;
        let text = "row,key,ra,dec\n1,1,10,10\n2,2,10,91\n3,3,\\N,10\n4,4,nan,10\n5,x,10,10\n6,6,350,-90\n";
        let with_allowance = |allowed| {
            let mut file = text_file("object", text.to_owned());
            file.options.max_bad_rows = allowed;
            file
        };
        let error = cluster.ingest.load("sky", vec![with_allowance(3)], &Progress::none()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        let (parts, report) = cluster.ingest.load("sky", vec![with_allowance(4)], &Progress::none()).await.unwrap();
        assert_eq!((parts[0].rows, parts[0].bad_rows, report.rows()), (2, 4, 2));
        assert!(
            parts[0].bad_row_samples.iter().any(|sample| {
                sample
                    == "a row of a director table needs a position: ra must be a number and dec one from -90 to 90 \
                       (file: object.csv, line: 3, column: ra, dec, value: 10, 91)"
            }),
            "{:?}",
            parts[0].bad_row_samples
        );
    });
}

#[test]
fn a_caller_that_goes_away_gives_its_transaction_up() {
    block_on(async {
        let cluster = cluster().await;
        let transaction = cluster.ingest.begin("sky").await.unwrap();
        // An input that never ends: its reader waits for bytes until the sender is dropped.
        let (sender, receiver) = std::sync::mpsc::channel::<Vec<u8>>();
        struct Waiting(std::sync::mpsc::Receiver<Vec<u8>>);
        impl std::io::Read for Waiting {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let bytes = self.0.recv().map_err(|_| std::io::Error::other("gone"))?;
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
        }
        let mut endless = file("Object", &rows(1));
        endless.input = qserv_loaders::Input::Stream { name: "endless".into(), reader: Box::new(Waiting(receiver)) };
        let progress = Progress::none();
        let load = Box::pin(cluster.ingest.contribute(transaction, endless, &progress));
        sender.send(b"row,key,ra,dec\n1,1,1,1\n".to_vec()).unwrap();
        let ingest = cluster.ingest.clone();
        match futures::future::select(load, Box::pin(tokio::task::yield_now())).await {
            futures::future::Either::Right((_, load)) => drop(load),
            futures::future::Either::Left(_) => panic!("the input has no end"),
        }
        drop(sender);
        // Waits for the step that is ending.
        ingest.abort(transaction).await.unwrap();
        assert_eq!(ingest.commit(transaction).await.unwrap_err().kind(), ErrorKind::Conflict);
        check(&cluster, &BTreeMap::new()).await;
    });
}

#[test]
fn refusals() {
    block_on(async {
        let cluster = cluster().await;
        assert_eq!(cluster.ingest.begin("nowhere").await.unwrap_err().kind(), ErrorKind::NotFound);
        let error = cluster.ingest.load("sky", vec![file("Nothing", &[])], &Progress::none()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("it has Object, Source"), "{error}");
        let transactions = cluster.catalog.transactions("sky").await.unwrap();
        assert!(transactions.iter().all(|one| one.state == qserv_core::catalog::TransactionState::Aborted));
        cluster.stores.workers.lock().unwrap().clear();
        assert_eq!(cluster.ingest.begin("sky").await.unwrap_err().kind(), ErrorKind::Unavailable);
    });
}
