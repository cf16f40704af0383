use std::collections::BTreeSet;

use arrow::array::{Array, Int64Array, RecordBatch};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

use super::*;
use crate::catalog::{SegmentBounds, SegmentId, SegmentRole};

type Row = (i64, u64, Option<u64>);

async fn index(segments: &[Vec<Row>], row_group_rows: usize, cache_bytes: usize) -> KeyIndex {
    let store = Arc::new(InMemory::new());
    let mut listed = Vec::new();
    for (number, rows) in segments.iter().enumerate() {
        let mut rows = rows.clone();
        rows.sort_unstable();
        let columns: Vec<Arc<dyn Array>> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1.cast_signed()))),
            Arc::new(rows.iter().map(|row| row.2.map(u64::cast_signed)).collect::<Int64Array>()),
        ];
        let batch = RecordBatch::try_new(index_schema(), columns).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group_rows)).build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, index_schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let path = format!("d/t_key_index/dataset/{number}.parquet");
        listed.push(Arc::new(Segment {
            id: SegmentId(number as i64),
            chunk: None,
            role: SegmentRole::KeyIndex,
            path: path.clone(),
            rows: rows.len() as u64,
            bytes: bytes.len() as u64,
            bounds: SegmentBounds {
                key: rows.first().zip(rows.last()).map(|(first, last)| [first.0, last.0]),
                ..SegmentBounds::default()
            },
            replicas: vec![],
        }));
        store.put(&Path::from(path), bytes.into()).await.unwrap();
    }
    KeyIndex::new(store, listed, Arc::new(KeyIndexCache::new(cache_bytes)))
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let cell = proptest::option::of(0..1u64 << 60);
    proptest::collection::vec((-40..40i64, any::<u64>(), cell), 0..60)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn finds_every_home_of_every_key(
        segments in proptest::collection::vec(rows(), 0..4),
        keys in proptest::collection::vec(-45..45i64, 0..30),
        row_group_rows in 1usize..20,
        cache_bytes in prop_oneof![Just(0usize), Just(3_000), Just(1 << 20)],
    ) {
        block_on(async {
            let index = index(&segments, row_group_rows, cache_bytes).await;
            // Asked twice: the second answer comes from the cache.
            for _ in 0..2 {
                let homes = index.homes(&keys).await.unwrap();
                let asked: BTreeSet<i64> = keys.iter().copied().collect();
                for key in asked {
                    let mut expected: Vec<KeyHome> = segments.iter().flatten().filter(|row| row.0 == key)
                        .map(|row| KeyHome { chunk: ChunkId(row.1), healpix_29: row.2 }).collect();
                    expected.sort();
                    let mut found = homes.get(&key).cloned().unwrap_or_default();
                    found.sort();
                    prop_assert_eq!(found, expected);
                }
                prop_assert!(homes.keys().all(|key| keys.contains(key)));
                prop_assert!(index.cache.bytes() <= cache_bytes);
            }
            let entries: Vec<_> = index.entries().try_collect().await.unwrap();
            let mut entries: Vec<Row> =
                entries.concat().into_iter().map(|(key, home)| (key, home.chunk.0, home.healpix_29)).collect();
            entries.sort();
            let mut expected = segments.concat();
            expected.sort();
            prop_assert_eq!(entries, expected);
            Ok(())
        })?;
    }
}

#[test]
fn a_cached_index_needs_no_file_and_a_missing_one_is_unavailable() {
    block_on(async {
        let mut index = index(&[vec![(1, 10, Some(5)), (2, 20, None)]], 1, 1 << 20).await;
        let home = KeyHome { chunk: ChunkId(10), healpix_29: Some(5) };
        assert_eq!(index.homes(&[1]).await.unwrap()[&1], [home]);
        index.reader = Arc::new(InMemory::new());
        assert_eq!(index.homes(&[1, 99]).await.unwrap()[&1], [home]);
        let error = index.homes(&[2]).await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Unavailable, "{}", error.to_log());
    });
}
