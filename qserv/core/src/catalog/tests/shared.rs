//! Several handles and processes on one catalog.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn a_sqlite_file_keeps_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let url = Catalog::sqlite_url(&folder.path().join("catalog"));
    let catalog = Catalog::open(&url).await.unwrap();
    let sky = catalog.create_database(&database("sky")).await.unwrap();
    let [committed, open] = [catalog.begin("sky").await.unwrap(), catalog.begin("sky").await.unwrap()];
    catalog.add_segments(committed.id, &[segment(&sky.tables[0], "a", 1, 10)]).await.unwrap();
    catalog.add_segments(open.id, &[segment(&sky.tables[0], "b", 2, 20)]).await.unwrap();
    catalog.commit(committed.id).await.unwrap();
    let before = catalog.snapshot().await.unwrap();
    drop(catalog);

    let again = Catalog::open(&url).await.unwrap();
    assert_eq!(all_of(&again.snapshot().await.unwrap()), all_of(&before));
    assert_eq!(again.abandoned(i64::MAX).await.unwrap(), std::slice::from_ref(&open));
    let to_delete = again.abort(open.id).await.unwrap();
    assert_eq!(to_delete.iter().map(|segment| segment.path.as_str()).collect::<Vec<_>>(), ["b"]);
}

/// Many tasks over two handles, each with its own connections as two processes have, load one database at once.
async fn load_at_once(url: &str) {
    let handles = [Catalog::open(url).await.unwrap(), Catalog::open(url).await.unwrap()];
    let sky = handles[0].create_database(&database("sky")).await.unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..8_u64 {
        let (catalog, object) = (handles[task as usize % 2].clone(), sky.tables[0].clone());
        tasks.spawn(async move {
            for round in 0..5_u64 {
                let begun = catalog.begin("sky").await?;
                catalog.set_chunk_order(begun.id, 3).await?;
                let pair = [0, 1].map(|part| segment(&object, &format!("{task}-{round}-{part}"), task, 1));
                catalog.add_segments(begun.id, &pair[..1]).await?;
                catalog.add_contribution(begun.id, object.id, "x", 1, 0, 0).await?;
                catalog.add_segments(begun.id, &pair[1..]).await?;
                if round % 2 == 0 {
                    catalog.commit(begun.id).await?;
                } else {
                    catalog.abort(begun.id).await?;
                }
            }
            Ok::<_, crate::Error>(0)
        });
    }
    for reader in handles.clone() {
        tasks.spawn(async move {
            let (mut last, mut seen) = (SnapshotId(0), 0);
            while seen < 48 {
                let snapshot = reader.snapshot().await?;
                let found = paths(&snapshot, "sky");
                // A transaction is there with both its segments or with none.
                assert!(found.iter().all(|path| found.contains(&format!(
                    "{}{}",
                    &path[..4],
                    1 - path[4..].parse::<u8>().unwrap()
                ))));
                assert!(snapshot.id >= last && found.len() >= seen);
                (last, seen) = (snapshot.id, found.len());
                tokio::task::yield_now().await;
            }
            Ok(seen)
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap_or_else(|error| panic!("{}", error.to_log()));
    }
    for catalog in &handles {
        assert_eq!(all_of(&catalog.snapshot().await.unwrap()), all_of(&read_whole(catalog).await));
        assert_eq!(catalog.garbage(1_000).await.unwrap().len(), 8 * 2 * 2 * 2);
        catalog.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_share_a_sqlite_file_without_locking_each_other_out() {
    let folder = tempfile::tempdir().unwrap();
    load_at_once(&Catalog::sqlite_url(&folder.path().join("catalog"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_share_a_postgres_schema() {
    let Some(schema) = PostgresSchema::create().await else { return };
    load_at_once(&schema.url).await;
    schema.remove().await;
}

/// Several processes may start at once on a file that is not there yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_open_a_new_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url: Arc<str> = Catalog::sqlite_url(&folder.path().join("catalog")).into();
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        tasks.spawn(async move { Catalog::open(&url).await.map(|_| ()) });
    }
    while let Some(opened) = tasks.join_next().await {
        opened.unwrap().unwrap_or_else(|error| panic!("{}", error.to_log()));
    }
}
