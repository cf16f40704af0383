//! What stores promise, tried on real folders. Reads across processes are tried in the worker's tests.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use proptest::prelude::*;
use qserv_core::ErrorKind;
use qserv_core::catalog::WorkerId;
use qserv_core::clock::SystemClock;
use qserv_core::store::SegmentStore;

use super::*;
use crate::cluster::Peers;

const PATH: &str = "db/Object/dataset/Norder=6/Dir=0/Npix=7/a.parquet";

fn open(folder: &Path) -> LocalStore {
    LocalStore::open(folder, 8).unwrap()
}

/// A cluster of the folders of this process, `w0`, `w1` and so on.
fn cluster(stores: &[&LocalStore]) -> ClusterStore {
    let peers = Peers::new(Arc::new(SystemClock), Duration::from_secs(10));
    let settings = StoreSettings { retry_wait_ms: 1, ..StoreSettings::default() };
    let cluster = ClusterStore::new(peers, settings, None).unwrap();
    for (number, store) in stores.iter().enumerate() {
        cluster.add_local(WorkerId(format!("w{number}")), (*store).clone());
    }
    cluster
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                found.push(path.file_name().unwrap().to_string_lossy().into_owned())
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_segment_is_put_read_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(store.get(PATH, None).await.unwrap(), None);
    store.put(PATH, Bytes::from_static(b"0123456789")).await.unwrap();
    assert_eq!(store.get(PATH, None).await.unwrap().unwrap(), "0123456789");
    assert_eq!(store.get(PATH, Some(2..5)).await.unwrap().unwrap(), "234");
    assert_eq!(store.get(PATH, Some(10..10)).await.unwrap().unwrap(), "");
    assert_eq!(store.get(PATH, Some(5..11)).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(store.length(PATH).unwrap(), Some(10));
    assert!(store.free_bytes().unwrap() > 0);

    store.delete(PATH).unwrap();
    store.delete(PATH).unwrap();
    assert_eq!(store.get(PATH, None).await.unwrap(), None);
    // The folders that became empty are gone; the root stays, and takes the segment again.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    store.put(PATH, Bytes::new()).await.unwrap();
    assert_eq!(store.get(PATH, None).await.unwrap().unwrap(), "");
}

#[tokio::test]
async fn a_segment_never_changes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.put(PATH, Bytes::from_static(b"first")).await.unwrap();
    store.put(PATH, Bytes::from_static(b"first")).await.unwrap();
    for other in ["other", "longer than it was", ""] {
        assert_eq!(
            store.put(PATH, Bytes::from_static(other.as_bytes())).await.unwrap_err().kind(),
            ErrorKind::Conflict
        );
    }
    assert_eq!(store.get(PATH, None).await.unwrap().unwrap(), "first");
    assert_eq!(files(folder.path()), ["a.parquet"]);
}

#[tokio::test]
async fn of_puts_at_once_one_wins_and_its_bytes_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut puts = tokio::task::JoinSet::new();
    for number in 0..16_u8 {
        let store = store.clone();
        puts.spawn(async move { (number, store.put(PATH, Bytes::from(vec![number; 10_000])).await.is_ok()) });
    }
    let won: Vec<u8> = puts.join_all().await.into_iter().filter(|(_, won)| *won).map(|(number, _)| number).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(store.get(PATH, None).await.unwrap().unwrap(), vec![won[0]; 10_000]);
    assert_eq!(files(folder.path()), ["a.parquet"]);
}

#[tokio::test]
async fn puts_and_deletes_at_once_do_not_trip_over_folders() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..4 {
        let store = store.clone();
        tasks.spawn(async move {
            for turn in 0..20 {
                let path = format!("db/T/dataset/Npix=1/{number}-{turn}.parquet");
                store.put(&path, Bytes::from_static(b"x")).await.unwrap();
                store.delete(&path).unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(files(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_put_that_never_ended_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    // Given up: gone at once.
    let mut pending = store.begin_put(PATH).unwrap();
    pending.write(b"half of ").unwrap();
    assert_eq!(store.get(PATH, None).await.unwrap(), None);
    drop(pending);
    assert_eq!(files(folder.path()), [""; 0]);

    // Crashed between write and rename: invisible, and gone at the next start.
    let mut pending = store.begin_put(PATH).unwrap();
    pending.write(b"half of ").unwrap();
    std::mem::forget(pending);
    assert_eq!(files(folder.path()).len(), 1);
    let left = files(folder.path()).remove(0);
    assert_eq!(store.get(PATH, None).await.unwrap(), None);
    assert_eq!(store.get(&PATH.replace("a.parquet", &left), None).await.unwrap_err().kind(), ErrorKind::Invalid);
    store.put("db/other.parquet", Bytes::from_static(b"kept")).await.unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(files(folder.path()), ["other.parquet"]);
    store.put(PATH, Bytes::from_static(b"whole")).await.unwrap();
    assert_eq!(store.get(PATH, None).await.unwrap().unwrap(), "whole");
}

#[tokio::test]
async fn attacks_by_path_are_refused_by_every_door() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "s").unwrap();
    let store = open(&folder.path().join("root"));
    let cluster = cluster(&[&store]);
    let worker = WorkerId("w0".into());
    for path in ["../secret", "/etc/passwd", "a/../../secret", "..", "", "a//b", "a/.put-0-b", "a\0b"] {
        let kinds = [
            store.get(path, None).await.unwrap_err().kind(),
            store.put(path, Bytes::new()).await.unwrap_err().kind(),
            store.delete(path).unwrap_err().kind(),
            store.length(path).unwrap_err().kind(),
            cluster.put(&worker, path, Bytes::new()).await.unwrap_err().kind(),
            cluster.delete(&worker, path).await.unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::Invalid; 6], "{path:?}");
    }
    assert_eq!(fs::read(folder.path().join("secret")).unwrap(), b"s");
}

#[test]
fn a_full_disk_is_a_limit_that_names_the_folder() {
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let error = local::disk_error(Path::new("/data/w1"), "a segment cannot be written", full);
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("/data/w1"));
}

#[tokio::test]
async fn the_reader_finds_segments_in_any_folder_and_writes_nothing() {
    let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (left, right) = (open(left.path()), open(right.path()));
    let cluster = cluster(&[&left, &right]);
    let reader = cluster.reader();
    let location = object_store::path::Path::from(PATH);
    assert!(matches!(reader.get(&location).await, Err(object_store::Error::NotFound { path, .. }) if path == PATH));

    cluster.put(&WorkerId("w1".into()), PATH, Bytes::from_static(b"0123456789")).await.unwrap();
    assert_eq!(left.length(PATH).unwrap(), None);
    assert_eq!(reader.get(&location).await.unwrap().bytes().await.unwrap(), "0123456789");
    let head = reader.head(&location).await.unwrap();
    assert_eq!((head.size, head.location), (10, location.clone()));
    for (range, expected) in [
        (GetRange::Bounded(2..4), "23"),
        (GetRange::Bounded(8..99), "89"),
        (GetRange::Offset(7), "789"),
        (GetRange::Suffix(3), "789"),
        (GetRange::Suffix(99), "0123456789"),
    ] {
        let options = GetOptions::new().with_range(Some(range.clone()));
        let result = reader.get_opts(&location, options).await.unwrap();
        assert_eq!((result.range.end - result.range.start) as usize, expected.len(), "{range:?}");
        assert_eq!(result.bytes().await.unwrap(), expected, "{range:?}");
    }
    assert!(reader.get_range(&location, 10..12).await.is_err());
    assert!(reader.get_ranges(&location, &[0..2, 9..11]).await.is_err());
    assert_eq!(reader.get_ranges(&location, &[5..7, 0..1, 3..3]).await.unwrap(), ["56", "0", ""]);

    // A copy that disappears behind the reader's back is read from elsewhere.
    cluster.put(&WorkerId("w0".into()), PATH, Bytes::from_static(b"0123456789")).await.unwrap();
    cluster.remove_local(&WorkerId("w1".into()));
    assert_eq!(reader.get(&location).await.unwrap().bytes().await.unwrap(), "0123456789");

    assert!(matches!(reader.put(&location, "x".into()).await, Err(object_store::Error::NotSupported { .. })));
    assert!(matches!(reader.delete(&location).await, Err(object_store::Error::NotSupported { .. })));
    assert!(matches!(reader.list(None).next().await, Some(Err(object_store::Error::NotSupported { .. }))));
    assert!(matches!(reader.copy(&location, &"b".into()).await, Err(object_store::Error::NotSupported { .. })));
}

#[tokio::test]
async fn a_large_segment_is_streamed_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let content: Vec<u8> = (0..40_000_003_u32).map(|number| (number % 251) as u8).collect();
    store.put(PATH, Bytes::from(content.clone())).await.unwrap();
    let reader = cluster(&[&store]).reader();
    let mut stream = reader.get(&PATH.into()).await.unwrap().into_stream();
    let (mut read, mut pieces) = (Vec::new(), 0);
    while let Some(piece) = stream.next().await {
        read.extend_from_slice(&piece.unwrap());
        pieces += 1;
    }
    assert!(pieces > 1);
    assert!(read == content);
}

#[tokio::test]
async fn an_unknown_worker_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = cluster(&[&open(folder.path())]);
    let error = cluster.put(&WorkerId("w9".into()), PATH, Bytes::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("w9"));
    assert_eq!(cluster.workers().await.unwrap(), [WorkerId("w0".into())]);
}

#[test]
fn ranged_reads_agree_with_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let content: Vec<u8> = (0..5_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(store.put(PATH, Bytes::from(content.clone()))).unwrap();
    let reader = cluster(&[&store]).reader();
    let ranges = prop::collection::vec((0_u64..5_000, 0_u64..2_000), 0..12);
    proptest!(|(ranges in ranges)| {
        let ranges: Vec<_> = ranges.into_iter().map(|(start, length)| start..(start + length).min(5_000)).collect();
        let parts = runtime.block_on(reader.get_ranges(&PATH.into(), &ranges)).unwrap();
        for (part, range) in parts.iter().zip(&ranges) {
            prop_assert_eq!(part.as_ref(), &content[range.start as usize..range.end as usize]);
        }
    });
}
