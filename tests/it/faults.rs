//! Workers that die: every answer is whole or an error, and the worker is used again when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use qserv_core::partition::PixelizationKind;
use qserv_tests::engines::{Engine, Processes};

use crate::samples;

const QUERIES: [&str; 3] = [
    "SELECT COUNT(*), SUM(MOD(objectId, 1000003)), SUM(tract) FROM demo.Object WHERE coord_dec > -91",
    "SELECT COUNT(*), SUM(MOD(s.sourceId, 1000003)) FROM demo.Object o JOIN demo.Source s ON o.objectId = s.objectId",
    "SELECT band, COUNT(*), SUM(MOD(sourceId, 1000003)) FROM demo.Source GROUP BY band ORDER BY band",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_costs_no_row() {
    let mut cluster = samples::processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let engine = Processes::new(&cluster);
    let mut right = Vec::new();
    for query in QUERIES {
        right.push(engine.ask(query).await.unwrap());
    }
    let right = Arc::new(right);
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));

    let mut askers = tokio::task::JoinSet::new();
    for asker in 0..3 {
        let (engine, right, stop, answered) = (engine.clone(), right.clone(), stop.clone(), answered.clone());
        askers.spawn(async move {
            let mut refused = Vec::new();
            let mut turn = asker;
            while !stop.load(Ordering::SeqCst) {
                let number = turn % QUERIES.len();
                turn += 1;
                match engine.ask(QUERIES[number]).await {
                    Ok(rows) => assert_eq!(rows, right[number], "{}", QUERIES[number]),
                    Err(message) => refused.push(message),
                }
                answered.fetch_add(1, Ordering::SeqCst);
            }
            refused
        });
    }
    // The loop must be at work before, between and after each event, not for a time.
    let more = async |wanted: usize| {
        let goal = answered.load(Ordering::SeqCst) + wanted;
        while answered.load(Ordering::SeqCst) < goal {
            tokio::task::yield_now().await;
        }
    };
    more(10).await;
    cluster.kill_worker(1).unwrap();
    more(20).await;
    cluster.wait_for_live(2).await.unwrap();
    more(10).await;
    cluster.start_worker(1).unwrap();
    cluster.wait_for_live(3).await.unwrap();
    more(10).await;
    stop.store(true, Ordering::SeqCst);
    let refused: Vec<String> = askers.join_all().await.into_iter().flatten().collect();
    for message in &refused {
        // CSV has no words for an error after the first rows: its body breaks off, and no client takes it for whole.
        let is_broken_off = message.contains("decoding response body");
        assert!(
            is_broken_off || message.contains("worker") || message.contains("reached"),
            "not a clear error: {message}"
        );
    }

    // It is used again: with one of the others gone, some chunks live on it and on no other.
    cluster.kill_worker(0).unwrap();
    cluster.wait_for_live(2).await.unwrap();
    for (query, right) in QUERIES.iter().zip(right.iter()) {
        assert_eq!(&engine.ask(query).await.unwrap(), right, "{query}");
    }

    // With two of three gone and two copies of each chunk, some chunk has no live copy: an error that says which.
    cluster.kill_worker(1).unwrap();
    cluster.wait_for_live(1).await.unwrap();
    let message = engine.ask(QUERIES[0]).await.unwrap_err();
    assert!(message.contains("demo") && message.contains("w0") || message.contains("w1"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_czar_loses_nothing_that_was_committed() {
    let mut cluster = samples::processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let engine = Processes::new(&cluster);
    let right = engine.ask(QUERIES[1]).await.unwrap();
    cluster.kill_and_restart_czar().await.unwrap();
    assert_eq!(engine.ask(QUERIES[1]).await.unwrap(), right);
}
