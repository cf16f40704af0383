//! Segments and their replicas, as rows.

use std::collections::{HashMap, HashSet};

use sqlx::AnyConnection;

use super::bulk::{Cells, InsertError, damaged, insert_all};
use super::connection::{failed, is_taken};
use super::{
    CapBounds, Catalog, DatabaseId, NewSegment, Segment, SegmentBounds, SegmentId, SegmentRole, TableId, TransactionId,
    WorkerId,
};
use crate::error::{Error, Result};
use crate::partition::ChunkId;

/// Which segments to read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    /// Every segment of a database: visible, open and retired.
    All(DatabaseId),
    /// The visible segments of a database that a snapshot after this one brought.
    VisibleSince(DatabaseId, i64),
    /// What a transaction added.
    OfTransaction(TransactionId),
}

macro_rules! segment_query {
    ($condition:literal) => {
        (
            concat!(
                "SELECT s.id, s.table_id, s.chunk, s.role, s.path, s.row_count, s.byte_count, s.cap_lon_deg, s.cap_lat_deg, ",
                "s.cap_radius_deg, s.min_lon_deg, s.max_lon_deg, s.min_lat_deg, s.max_lat_deg, s.min_key, s.max_key, ",
                "s.null_keys FROM segments s JOIN transactions t ON t.id = s.transaction_id WHERE ",
                $condition
            ),
            concat!(
                "SELECT r.segment_id, r.worker_id FROM segment_replicas r JOIN segments s ON s.id = r.segment_id ",
                "JOIN transactions t ON t.id = s.transaction_id WHERE ",
                $condition,
                " ORDER BY r.segment_id, r.worker_id"
            ),
        )
    };
}

/// Reads segments with their tables, in no order.
pub(super) async fn read_segments(sql: &mut AnyConnection, which: Which) -> Result<Vec<(TableId, Segment)>> {
    let ((segments, replicas), id, since) = match which {
        Which::All(id) => (segment_query!("t.database_id = $1 AND s.id > $2"), id.0, -1),
        Which::VisibleSince(id, since) => {
            (segment_query!("t.database_id = $1 AND t.snapshot > $2 AND s.retired_snapshot IS NULL"), id.0, since)
        }
        Which::OfTransaction(id) => (segment_query!("s.transaction_id = $1 AND s.id > $2"), id.0, -1),
    };
    let query = sqlx::query(segments).bind(id).bind(since);
    let rows = query.fetch_all(&mut *sql).await.map_err(failed("read segments"))?;
    let mut read = Vec::with_capacity(rows.len());
    let mut places = HashMap::with_capacity(rows.len());
    for row in rows {
        let (table, segment) = read_segment(Cells::of(&row))?;
        places.insert(segment.id, read.len());
        read.push((table, segment));
    }
    let query = sqlx::query(replicas).bind(id).bind(since);
    for row in query.fetch_all(sql).await.map_err(failed("read replicas"))? {
        let mut cells = Cells::of(&row);
        let place = places.get(&SegmentId(cells.get()?)).ok_or_else(|| damaged("a replica of no segment"))?;
        read[*place].1.replicas.push(WorkerId(cells.get()?));
    }
    Ok(read)
}

fn read_segment(mut cells: Cells<'_>) -> Result<(TableId, Segment)> {
    let id = SegmentId(cells.get()?);
    let table = TableId(cells.get()?);
    let chunk: Option<u64> = cells.narrow()?;
    let role = SegmentRole::parse(&cells.get::<String>()?).ok_or_else(|| damaged("an unknown segment role"))?;
    let path = cells.get()?;
    let (rows, bytes) = (cells.count()?, cells.count()?);
    let center: Option<[f64; 2]> = cells.pair()?;
    let radius_deg: Option<f64> = cells.get()?;
    let cap = center.zip(radius_deg).map(|([lon_deg, lat_deg], radius_deg)| CapBounds { lon_deg, lat_deg, radius_deg });
    let bounds = SegmentBounds {
        cap,
        lon_deg: cells.pair()?,
        lat_deg: cells.pair()?,
        key: cells.pair()?,
        null_keys: cells.count()?,
    };
    Ok((table, Segment { id, chunk: chunk.map(ChunkId), role, path, rows, bytes, bounds, replicas: Vec::new() }))
}

/// Stores segments of a transaction under numbers from `first` on.
pub(super) async fn insert_segments(
    sql: &mut AnyConnection,
    transaction: TransactionId,
    first: i64,
    segments: &[NewSegment],
) -> Result<()> {
    let numbered: Vec<(i64, &NewSegment)> = (first..).zip(segments).collect();
    let head = "INSERT INTO segments (id, table_id, transaction_id, chunk, role, path, row_count, byte_count, cap_lon_deg, \
                cap_lat_deg, cap_radius_deg, min_lon_deg, max_lon_deg, min_lat_deg, max_lat_deg, min_key, max_key, \
                null_keys) VALUES";
    let inserted = insert_all(sql, head, 18, &numbered, |values, (id, segment)| {
        let bounds = finite(&segment.bounds);
        values.put(*id);
        values.put(segment.table.0);
        values.put(transaction.0);
        match segment.chunk {
            Some(ChunkId(chunk)) => values.put_count(chunk),
            None => values.put(None::<i64>),
        }
        values.put(segment.role.as_str());
        values.put(segment.path.clone());
        values.put_count(segment.rows);
        values.put_count(segment.bytes);
        values.put_double(bounds.cap.map(|cap| cap.lon_deg));
        values.put_double(bounds.cap.map(|cap| cap.lat_deg));
        values.put_double(bounds.cap.map(|cap| cap.radius_deg));
        for range in [bounds.lon_deg, bounds.lat_deg] {
            values.put_double(range.map(|range| range[0]));
            values.put_double(range.map(|range| range[1]));
        }
        values.put(bounds.key.map(|range| range[0]));
        values.put(bounds.key.map(|range| range[1]));
        values.put_count(bounds.null_keys);
    });
    match inserted.await {
        Err(InsertError::Sql(error)) if is_taken(&error) => {
            return Err(Error::conflict("a segment of this path is in the catalog already").caused_by(error));
        }
        other => other?,
    }
    let replicas: Vec<(i64, &WorkerId)> = numbered
        .iter()
        .flat_map(|(id, segment)| {
            segment.replicas.iter().collect::<HashSet<_>>().into_iter().map(move |worker| (*id, worker))
        })
        .collect();
    let head = "INSERT INTO segment_replicas (segment_id, worker_id) VALUES";
    insert_all(sql, head, 2, &replicas, |values, (id, worker)| {
        values.put(*id);
        values.put(worker.0.clone());
    })
    .await?;
    Ok(())
}

/// The bounds without those that are no numbers: a bound that is not known prunes nothing, so leaving one out is safe.
fn finite(bounds: &SegmentBounds) -> SegmentBounds {
    let range = |range: Option<[f64; 2]>| range.filter(|[low, high]| low.is_finite() && high.is_finite());
    let is_finite = |cap: &CapBounds| [cap.lon_deg, cap.lat_deg, cap.radius_deg].iter().all(|value| value.is_finite());
    SegmentBounds {
        cap: bounds.cap.filter(is_finite),
        lon_deg: range(bounds.lon_deg),
        lat_deg: range(bounds.lat_deg),
        ..*bounds
    }
}

impl Catalog {
    /// Says that workers hold further copies of visible segments, complete and synced.
    ///
    /// # Errors
    /// `NotFound` if a segment is not there (its database may have been dropped meanwhile).
    pub async fn add_replicas(&self, replicas: &[(SegmentId, WorkerId)]) -> Result<()> {
        let insert = "INSERT INTO segment_replicas (segment_id, worker_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        self.change_replicas(replicas, insert).await
    }

    /// Says that workers hold copies no more. The files are not garbage of the catalog's: whoever calls deletes them, or
    /// found them lost.
    ///
    /// # Errors
    /// `NotFound` if a segment is not there.
    pub async fn remove_replicas(&self, replicas: &[(SegmentId, WorkerId)]) -> Result<()> {
        self.change_replicas(replicas, "DELETE FROM segment_replicas WHERE segment_id = $1 AND worker_id = $2").await
    }

    async fn change_replicas(&self, replicas: &[(SegmentId, WorkerId)], statement: &'static str) -> Result<()> {
        let mut write = self.write().await?;
        let snapshot = write.take_numbers("snapshot", 1).await?;
        let mut touched = HashSet::new();
        for (segment, worker) in replicas {
            let find = "SELECT t.database_id FROM segments s JOIN tables t ON t.id = s.table_id WHERE s.id = $1";
            let row = sqlx::query(find)
                .bind(segment.0)
                .fetch_optional(write.sql())
                .await
                .map_err(failed("find a segment"))?;
            let row = row.ok_or_else(|| Error::not_found(format!("there is no segment {segment}")))?;
            let database: i64 = Cells::of(&row).get()?;
            if touched.insert(database) {
                let mark = "UPDATE databases SET changed_snapshot = $2, replaced_snapshot = $2 WHERE id = $1";
                let query = sqlx::query(mark).bind(database).bind(snapshot);
                query.execute(write.sql()).await.map_err(failed("change replicas"))?;
            }
            let query = sqlx::query(statement).bind(segment.0).bind(worker.0.as_str());
            query.execute(write.sql()).await.map_err(failed("change replicas"))?;
        }
        write.commit().await
    }
}
