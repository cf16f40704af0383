//! Snapshots: one committed state, read once and shared until the version moves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sqlx::{AnyConnection, Executor};

use super::bulk::{Cells, damaged};
use super::connection::failed;
use super::databases::{DatabaseRow, read_databases, read_declaration};
use super::segments::{Which, read_segments};
use super::{
    Catalog, Database, DatabaseId, DatabaseSnapshot, Segment, SegmentId, Snapshot, SnapshotId, TableId, TableSnapshot,
};
use crate::error::Result;

const VERSION: &str = "SELECT value FROM counters WHERE name = 'snapshot'";

impl Catalog {
    /// The number of the newest snapshot: one cheap SELECT.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn version(&self) -> Result<SnapshotId> {
        read_version(&self.inner.pool).await
    }

    /// The newest committed state. While nothing changes it is the same `Arc`, for the price of [`Catalog::version`];
    /// after a change, only what changed is read.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer, `Data` if it is damaged.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let mut newest = self.inner.newest.lock().await;
        let version = self.version().await?;
        if let Some(snapshot) = newest.as_ref().filter(|snapshot| snapshot.id == version) {
            return Ok(snapshot.clone());
        }
        let mut sql = self.read().await?;
        let snapshot = Arc::new(load(&mut sql, newest.as_deref()).await?);
        sql.commit().await.map_err(failed("end reading"))?;
        *newest = Some(snapshot.clone());
        Ok(snapshot)
    }
}

async fn read_version<'e>(sql: impl Executor<'e, Database = sqlx::Any>) -> Result<SnapshotId> {
    let row = sqlx::query(VERSION).fetch_one(sql).await.map_err(failed("read its version"))?;
    Ok(SnapshotId(Cells::of(&row).get()?))
}

/// Reads the newest state. What `before` has and no later snapshot changed is shared with it.
async fn load(sql: &mut AnyConnection, before: Option<&Snapshot>) -> Result<Snapshot> {
    let id = read_version(&mut *sql).await?;
    let mut databases = BTreeMap::new();
    for row in read_databases(sql).await? {
        let known = before.and_then(|before| {
            let database = before.databases.get(&row.name).filter(|database| database.database.id == row.id)?;
            (row.replaced_snapshot <= before.id.0).then_some((before.id, database))
        });
        let database = match known {
            Some((since, database)) if row.changed_snapshot <= since.0 => database.clone(),
            Some((since, database)) => Arc::new(load_changes(sql, &row, database, since).await?),
            None => Arc::new(load_whole(sql, &row).await?),
        };
        databases.insert(row.name, database);
    }
    Ok(Snapshot { id, databases })
}

async fn load_whole(sql: &mut AnyConnection, row: &DatabaseRow) -> Result<DatabaseSnapshot> {
    let database = Arc::new(read_declaration(sql, row).await?);
    let not_local = read_not_local(sql, row.id).await?;
    let mut segments = by_table(read_segments(sql, Which::VisibleSince(row.id, -1)).await?);
    let tables = database.tables.iter().map(|table| {
        let segments = sorted(segments.remove(&table.id).unwrap_or_default());
        let key_is_chunk_local = !not_local.contains(&table.id);
        Arc::new(TableSnapshot { table: Arc::new(table.clone()), segments, key_is_chunk_local })
    });
    let tables = tables.collect();
    if segments.is_empty() { Ok(DatabaseSnapshot { database, tables }) } else { Err(damaged("a segment of no table")) }
}

/// The state after `since`, when `before` was the state: declarations do not change but for the chunk order.
async fn load_changes(
    sql: &mut AnyConnection,
    row: &DatabaseRow,
    before: &DatabaseSnapshot,
    since: SnapshotId,
) -> Result<DatabaseSnapshot> {
    let database = if before.database.chunk_order == row.chunk_order {
        before.database.clone()
    } else {
        Arc::new(Database { chunk_order: row.chunk_order, ..Database::clone(&before.database) })
    };
    let not_local = read_not_local(sql, row.id).await?;
    let retired = read_retired(sql, row.id, since).await?;
    let mut added = by_table(read_segments(sql, Which::VisibleSince(row.id, since.0)).await?);
    let tables = before.tables.iter().map(|table| {
        let added = added.remove(&table.table.id).unwrap_or_default();
        let key_is_chunk_local = !not_local.contains(&table.table.id);
        let is_same = added.is_empty() && retired.is_empty() && key_is_chunk_local == table.key_is_chunk_local;
        if is_same {
            return table.clone();
        }
        let kept = table.segments.iter().filter(|segment| !retired.contains(&segment.id)).cloned();
        let segments = sorted(kept.chain(added).collect());
        Arc::new(TableSnapshot { table: table.table.clone(), segments, key_is_chunk_local })
    });
    Ok(DatabaseSnapshot { database, tables: tables.collect() })
}

fn by_table(segments: Vec<(TableId, Segment)>) -> HashMap<TableId, Vec<Arc<Segment>>> {
    let mut tables: HashMap<TableId, Vec<Arc<Segment>>> = HashMap::new();
    for (table, segment) in segments {
        tables.entry(table).or_default().push(Arc::new(segment));
    }
    tables
}

fn sorted(mut segments: Vec<Arc<Segment>>) -> Vec<Arc<Segment>> {
    segments.sort_by_key(|segment| (segment.role, segment.chunk, segment.id));
    segments
}

/// The tables in which a committed transaction put one key into several chunks.
async fn read_not_local(sql: &mut AnyConnection, database: DatabaseId) -> Result<HashSet<TableId>> {
    let query = "SELECT DISTINCT c.table_id FROM cleared_key_localities c JOIN transactions t ON t.id = c.transaction_id \
                 WHERE t.database_id = $1 AND t.state = 'committed'";
    let rows = sqlx::query(query).bind(database.0).fetch_all(sql).await.map_err(failed("read key localities"))?;
    rows.iter().map(|row| Ok(TableId(Cells::of(row).get()?))).collect()
}

async fn read_retired(sql: &mut AnyConnection, database: DatabaseId, since: SnapshotId) -> Result<HashSet<SegmentId>> {
    let query = "SELECT s.id FROM segments s JOIN transactions t ON t.id = s.transaction_id \
                 WHERE t.database_id = $1 AND s.retired_snapshot > $2";
    let query = sqlx::query(query).bind(database.0).bind(since.0);
    let rows = query.fetch_all(sql).await.map_err(failed("read retired segments"))?;
    rows.iter().map(|row| Ok(SegmentId(Cells::of(row).get()?))).collect()
}
