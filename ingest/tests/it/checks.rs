//! What must be true of a cluster, whatever was loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use qserv_core::catalog::{DatabaseSnapshot, Segment, SegmentRole, TableKind, TableSnapshot};
use qserv_core::index::{KeyIndex, KeyIndexCache};
use qserv_core::partition::{ChunkId, healpix_29};
use qserv_core::store::SegmentStore;

use crate::cluster::Cluster;
use crate::tables::Row;

/// A stored row, with the value of the sort column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) row: Row,
    pub(crate) cell: Option<i64>,
}

/// The rows of a segment.
pub(crate) fn rows_of(cluster: &Cluster, segment: &Segment) -> Vec<Stored> {
    let bytes = cluster.stores.bytes(&segment.path);
    assert_eq!(bytes.len() as u64, segment.bytes);
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let long = |name: &str, row: usize| {
            let column = batch.column_by_name(name)?;
            let value = match column.as_primitive_opt::<Int64Type>() {
                Some(longs) => longs.value(row),
                None => i64::from(column.as_primitive::<Int32Type>().value(row)),
            };
            column.is_valid(row).then_some(value)
        };
        let double = |name: &str, row: usize| {
            let column = batch.column_by_name(name)?.as_primitive::<Float64Type>();
            column.is_valid(row).then(|| column.value(row))
        };
        for row in 0..batch.num_rows() {
            rows.push(Stored {
                row: Row {
                    row: long("row", row).unwrap(),
                    key: long("key", row),
                    other: long("other", row),
                    position: double("ra", row).zip(double("dec", row)),
                },
                cell: long("_healpix_29", row),
            });
        }
    }
    rows
}

/// The rows of one role of a table, with their chunks.
fn rows_by_chunk(cluster: &Cluster, table: &TableSnapshot, role: SegmentRole) -> Vec<(Option<ChunkId>, Stored)> {
    let of_segment = |segment: &Arc<Segment>| {
        rows_of(cluster, segment).into_iter().map(|row| (segment.chunk, row)).collect::<Vec<_>>()
    };
    table.segments_of(role).flat_map(of_segment).collect()
}

pub(crate) async fn snapshot(cluster: &Cluster) -> Arc<DatabaseSnapshot> {
    Arc::clone(cluster.catalog.snapshot().await.unwrap().databases.get("sky").unwrap())
}

/// Checks everything; `expected` are the committed rows of each table.
pub(crate) async fn check(cluster: &Cluster, expected: &BTreeMap<String, Vec<Row>>) {
    let snapshot = snapshot(cluster).await;
    check_files(cluster, &snapshot);
    for table in &snapshot.tables {
        check_rows(cluster, table, expected.get(&table.table.name).map_or(&[], Vec::as_slice));
        for segment in table.segments.iter().filter(|segment| segment.role != SegmentRole::KeyIndex) {
            check_segment(cluster, table, segment);
        }
        if matches!(table.table.kind, TableKind::Director { .. }) {
            check_director(cluster, &snapshot, table).await;
        }
    }
    check_locality(cluster, &snapshot);
}

/// The stores hold what the catalog names, with the promised copies, and nothing else.
fn check_files(cluster: &Cluster, snapshot: &DatabaseSnapshot) {
    let workers = cluster.stores.workers.lock().unwrap().len();
    let mut named = BTreeMap::new();
    for table in &snapshot.tables {
        for segment in &table.segments {
            let mut replicas = segment.replicas.clone();
            replicas.sort();
            let copies =
                if table.table.kind.is_partitioned() { cluster.settings.replication.min(workers) } else { workers };
            assert_eq!(replicas.len(), copies, "{}", segment.path);
            assert!(named.insert(segment.path.clone(), replicas).is_none());
        }
    }
    assert_eq!(cluster.stores.files(), named);
    // A chunk's segments are together.
    let mut holders: BTreeMap<ChunkId, BTreeSet<_>> = BTreeMap::new();
    for segment in snapshot.tables.iter().flat_map(|table| &table.segments) {
        if let Some(chunk) = segment.chunk {
            holders.entry(chunk).or_default().insert(named[&segment.path].clone());
        }
    }
    assert!(holders.values().all(|holders| holders.len() == 1));
}

/// No row is lost, none doubled, in any copy of the table.
fn check_rows(cluster: &Cluster, table: &TableSnapshot, expected: &[Row]) {
    let mut copies = vec![SegmentRole::Rows];
    if matches!(table.table.kind, TableKind::Match { .. }) {
        copies.push(SegmentRole::RowsByRight);
    }
    let mut expected = expected.to_vec();
    expected.sort_by_key(|row| row.row);
    for role in copies {
        let mut found: Vec<Row> =
            rows_by_chunk(cluster, table, role).into_iter().map(|(_, stored)| stored.row).collect();
        found.sort_by_key(|row| row.row);
        assert_eq!(found, expected, "{} {role:?}", table.table.name);
    }
    assert_eq!(table.rows(), expected.len() as u64);
}

/// Size, sort order and bounds are exact.
fn check_segment(cluster: &Cluster, table: &TableSnapshot, segment: &Segment) {
    let rows = rows_of(cluster, segment);
    assert_eq!(rows.len() as u64, segment.rows);
    assert!(!rows.is_empty() && rows.len() <= cluster.settings.segment_rows);
    let bounds = &segment.bounds;
    if !table.table.kind.is_partitioned() {
        assert_eq!(segment.chunk, None);
        return;
    }
    assert!(rows.is_sorted_by_key(|stored| stored.cell), "{}", segment.path);
    let by_right = segment.role == SegmentRole::RowsByRight;
    let keys = || rows.iter().map(|stored| if by_right { stored.row.other } else { stored.row.key });
    assert_eq!(bounds.null_keys, keys().filter(Option::is_none).count() as u64);
    assert!(bounds.null_keys == 0 || bounds.null_keys == segment.rows, "rows with and without a key: {}", segment.path);
    assert_eq!(bounds.key, keys().flatten().min().zip(keys().flatten().max()).map(|(min, max)| [min, max]));
    let positions: Vec<(f64, f64)> = match table.table.kind.position() {
        Some(_) => rows.iter().filter_map(|stored| stored.row.position).collect(),
        None => vec![],
    };
    let range = |values: Vec<f64>| {
        let smallest = values.iter().copied().reduce(f64::min);
        smallest.zip(values.iter().copied().reduce(f64::max)).map(|(min, max)| [min, max])
    };
    assert_eq!(bounds.lon_deg, range(positions.iter().map(|position| position.0).collect()));
    assert_eq!(bounds.lat_deg, range(positions.iter().map(|position| position.1).collect()));
    assert_eq!(bounds.cap.is_some(), !positions.is_empty());
    for (stored, position) in rows.iter().filter_map(|stored| Some((stored, stored.row.position?))) {
        if table.table.kind.position().is_some() {
            assert_eq!(stored.cell, Some(healpix_29(position.0, position.1).cast_signed()));
        }
    }
}

/// Chunk, overlap and index of a director's rows.
async fn check_director(cluster: &Cluster, snapshot: &DatabaseSnapshot, table: &TableSnapshot) {
    let Some(partition) = snapshot.database.partition() else { return };
    let rows = rows_by_chunk(cluster, table, SegmentRole::Rows);
    let mut overlap = Vec::new();
    let mut neighbours = Vec::new();
    for (chunk, stored) in &rows {
        let (lon, lat) = stored.row.position.unwrap();
        assert_eq!(*chunk, Some(partition.chunk(lon, lat)));
        partition.overlap_chunks(lon, lat, &mut neighbours);
        overlap.extend(neighbours.iter().map(|neighbour| (*neighbour, stored.row.row)));
    }
    overlap.sort();
    let mut found: Vec<(ChunkId, i64)> = rows_by_chunk(cluster, table, SegmentRole::Overlap)
        .into_iter()
        .map(|(chunk, stored)| (chunk.unwrap(), stored.row.row))
        .collect();
    found.sort();
    assert_eq!(found, overlap, "overlap of {}", table.table.name);

    // Every key of the family is found where its rows are.
    let segments: Vec<_> = table.segments_of(SegmentRole::KeyIndex).cloned().collect();
    let index = KeyIndex::new(cluster.stores.reader(), segments, Arc::new(KeyIndexCache::new(1 << 20)));
    for (name, chunk, key) in family_keys(cluster, snapshot, &table.table.name) {
        let Some(key) = key else { continue };
        let homes = index.homes(&[key]).await.unwrap();
        let homes = homes.get(&key).unwrap_or_else(|| panic!("key {key} of {name} is not in the index"));
        assert!(homes.iter().any(|home| home.chunk == chunk), "key {key} of {name} in {chunk}, index: {homes:?}");
    }
}

/// A key of a row.
type KeyOf = fn(&Row) -> Option<i64>;

/// Every key of a director, in the director, its children and its matches, with the chunk it is in.
fn family_keys(cluster: &Cluster, snapshot: &DatabaseSnapshot, director: &str) -> Vec<(String, ChunkId, Option<i64>)> {
    let mut keys = Vec::new();
    for table in &snapshot.tables {
        let sides: Vec<(SegmentRole, KeyOf)> = match &table.table.kind {
            TableKind::Director { .. } if table.table.name == director => vec![(SegmentRole::Rows, |row| row.key)],
            TableKind::Child { director: own, .. } if own == director => vec![(SegmentRole::Rows, |row| row.key)],
            TableKind::Match { left, right } => [
                (left.director == director).then_some((SegmentRole::Rows, (|row: &Row| row.key) as KeyOf)),
                (right.director == director).then_some((SegmentRole::RowsByRight, |row: &Row| row.other)),
            ]
            .into_iter()
            .flatten()
            .collect(),
            _ => vec![],
        };
        for (role, key) in sides {
            let rows = rows_by_chunk(cluster, table, role);
            keys.extend(
                rows.into_iter().map(|(chunk, stored)| (table.table.name.clone(), chunk.unwrap(), key(&stored.row))),
            );
        }
    }
    keys
}

/// Where a table says that its keys are local, every key of it, NULL included, is in one chunk across the tables of the family
/// that say so.
fn check_locality(cluster: &Cluster, snapshot: &DatabaseSnapshot) {
    for director in snapshot.tables.iter().filter(|table| matches!(table.table.kind, TableKind::Director { .. })) {
        let mut chunks: BTreeMap<Option<i64>, BTreeSet<(ChunkId, String)>> = BTreeMap::new();
        for (name, chunk, key) in family_keys(cluster, snapshot, &director.table.name) {
            let table = snapshot.tables.iter().find(|table| table.table.name == name).unwrap();
            if table.key_is_chunk_local && key.is_some() {
                chunks.entry(key).or_default().insert((chunk, name));
            }
        }
        for (key, places) in chunks {
            let distinct: BTreeSet<ChunkId> = places.iter().map(|(chunk, _)| *chunk).collect();
            assert_eq!(distinct.len(), 1, "key {key:?} of {} is in {places:?}", director.table.name);
        }
    }
}
