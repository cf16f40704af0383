//! Segments across workers.

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt};
use qserv_core::ErrorKind;
use qserv_core::store::SegmentStore;
use qserv_engine::cluster::Secret;
use qserv_engine::store::SegmentPath;

use crate::support::{CzarSide, id, introduce, member, settings, start};

const PATH: &str = "db/Object/dataset/Norder=6/Dir=0/Npix=7/a.parquet";

fn content(length: u32) -> Bytes {
    (0..length).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<u8>>().into()
}

#[tokio::test]
async fn a_segment_is_written_to_one_worker_and_read_through_another() {
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = (start(&settings(folder.path(), "w1")).await, start(&settings(folder.path(), "w2")).await);
    introduce(&[&left, &right]);
    let content = content(3_000_000);
    left.node().segments().put(&id("w2"), PATH, content.clone()).await.unwrap();
    // It is in the second worker's folder, and there only.
    assert_eq!(right.node().segments().local(&id("w2")).unwrap().length(PATH).unwrap(), Some(3_000_000));
    assert_eq!(left.node().segments().local(&id("w1")).unwrap().length(PATH).unwrap(), None);

    let reader = left.node().segments().reader();
    let location = PATH.into();
    assert_eq!(reader.head(&location).await.unwrap().size, 3_000_000);
    assert!(reader.get(&location).await.unwrap().bytes().await.unwrap() == content);
    assert_eq!(reader.get_range(&location, 1_000_000..1_000_010).await.unwrap(), content.slice(1_000_000..1_000_010));
    let ranges = [2_999_990..3_000_000, 0..5, 7..7, 3..2_500_000];
    let parts = reader.get_ranges(&location, &ranges).await.unwrap();
    for (part, range) in parts.iter().zip(ranges) {
        assert!(*part == content.slice(range.start as usize..range.end as usize), "{range:?}");
    }
    assert!(reader.get_range(&location, 3_000_000..3_000_001).await.is_err());
    assert!(matches!(reader.head(&"db/other.parquet".into()).await, Err(object_store::Error::NotFound { .. })));

    // Sent again because its answer was lost: no error. Other bytes: refused, kind and all.
    left.node().segments().put(&id("w2"), PATH, content.clone()).await.unwrap();
    let error = left.node().segments().put(&id("w2"), PATH, Bytes::from_static(b"other")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);

    left.node().segments().delete(&id("w2"), PATH).await.unwrap();
    left.node().segments().delete(&id("w2"), PATH).await.unwrap();
    assert!(matches!(reader.head(&location).await, Err(object_store::Error::NotFound { .. })));
    assert_eq!(left.node().segments().workers().await.unwrap(), [id("w1"), id("w2")]);
    left.shutdown().await;
    right.shutdown().await;
}

#[tokio::test]
async fn a_reader_goes_on_with_another_copy_and_names_the_worker_that_had_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (start(&settings(folder.path(), "w1")).await, start(&settings(folder.path(), "w2")).await);
    let czar = CzarSide::new(&[member(&first), member(&second)], None);
    for worker in ["w1", "w2"] {
        czar.segments.put(&id(worker), PATH, content(1000)).await.unwrap();
    }
    let path = SegmentPath::parse(PATH).unwrap();
    assert_eq!(czar.segments.length(&path).await.unwrap(), 1000);
    first.abort().await;
    let reader = czar.segments.reader();
    for _ in 0..3 {
        assert_eq!(reader.get_range(&PATH.into(), 10..20).await.unwrap(), content(1000).slice(10..20));
    }
    // One copy is deleted and the worker of the other is gone: not "not found", since it may come back.
    czar.segments.delete(&id("w2"), PATH).await.unwrap();
    let error = czar.segments.length(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("w1") && !error.to_string().contains("w2"), "{error}");
    let error = czar.segments.put(&id("w1"), PATH, content(1000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("w1"), "{error}");

    // It comes back on another port and is read again.
    let first = start(&settings(folder.path(), "w1")).await;
    czar.peers.replace(&[member(&first), member(&second)]);
    assert_eq!(czar.segments.length(&path).await.unwrap(), 1000);
    first.abort().await;
    second.abort().await;
}

#[tokio::test]
async fn whoever_does_not_know_the_secret_is_denied() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), "w1");
    settings.secret = Some("correct-horse-battery".into());
    let server = start(&settings).await;
    let knowing = CzarSide::new(&[member(&server)], Some(Secret::new("correct-horse-battery").unwrap()));
    let wrong = CzarSide::new(&[member(&server)], Some(Secret::new("correct-horse-batterY").unwrap()));
    let stranger = CzarSide::new(&[member(&server)], None);
    for czar in [&wrong, &stranger] {
        let error = czar.segments.put(&id("w1"), PATH, content(10)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(czar.segments.reader().head(&PATH.into()).await.is_err());
    }
    knowing.segments.put(&id("w1"), PATH, content(10)).await.unwrap();
    assert_eq!(knowing.segments.reader().head(&PATH.into()).await.unwrap().size, 10);
    server.shutdown().await;
}
