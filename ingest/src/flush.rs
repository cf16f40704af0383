//! The second phase of a load: from placed rows to segments.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, Int64Array, RecordBatch};
use arrow::compute::{filter_record_batch, is_not_null, not};
use arrow::error::ArrowError;
use futures::{StreamExt, TryStreamExt};
use qserv_core::catalog::{DatabaseSnapshot, SegmentRole, Table, TableId, TableKind};
use qserv_core::index::{KeyHome, KeyIndex, index_schema};
use qserv_core::partition::ChunkId;
use qserv_core::{Error, Result};

use crate::columns::{column, integer, integers};
use crate::load::{Load, key_column, placed_sorter, table_load};
use crate::overlap;
use crate::placement::director;
use crate::placement::family::{Entry, index_rows};
use crate::segment_writer::SegmentPlan;
use crate::sorter::{Sorted, Sorter};

/// Memory of the overlap rows and of the keys that are collected while a director is written, as a part of the load's budget.
const BESIDE_ROWS: usize = 8;

impl Load {
    /// Writes all rows of the transaction: directors first, because the others ask where their keys live.
    pub(crate) fn write_everything(&mut self) -> Result<()> {
        self.settle_chunk_order()?;
        let tables: Vec<Arc<Table>> = self.tables.values().map(|load| Arc::clone(&load.table)).collect();
        let of_kind = |wanted: fn(&TableKind) -> bool| tables.iter().filter(move |table| wanted(&table.kind));
        for table in of_kind(|kind| matches!(kind, TableKind::Director { .. })) {
            self.flush_director(table.id)?;
        }
        let others = of_kind(|kind| matches!(kind, TableKind::Child { .. }));
        for table in others.chain(of_kind(|kind| matches!(kind, TableKind::Match { .. }))) {
            self.place_spooled(table)?;
            self.place_block(table.id)?;
            self.flush_rows(table)?;
        }
        for table in of_kind(|kind| !kind.is_partitioned()) {
            self.flush_whole(table)?;
        }
        let families: Vec<TableId> = self.families.keys().copied().collect();
        for director in families {
            self.flush_orphans(director)?;
        }
        self.sink.finish()
    }

    /// Fixes the chunk order, if rows wait for it.
    fn settle_chunk_order(&mut self) -> Result<()> {
        if self.partition.is_some() {
            return Ok(());
        }
        let Some(order) = self.sky_seen.order(self.base.database.pixelization, &self.context.settings) else {
            return Ok(());
        };
        let chosen = self.context.catalog.set_chunk_order(self.transaction.id, order);
        let order = self.context.runtime.block_on(chosen)?;
        tracing::info!(database = self.base.database.name, order, "the chunk order is chosen");
        self.set_chunk_order(order)
    }

    /// Places the rows that waited for the chunk order.
    fn place_spooled(&mut self, table: &Arc<Table>) -> Result<()> {
        let Some(partition) = self.partition.clone() else { return Ok(()) };
        let Some(spool) = table_load(&mut self.tables, table.id)?.spool.take() else { return Ok(()) };
        tracing::debug!(table = table.name, rows = spool.rows(), "placing rows that waited for the chunk order");
        for batch in spool.read() {
            self.beat()?;
            let batch = batch?;
            match &table.kind {
                TableKind::Director { position, .. } => {
                    let load = table_load(&mut self.tables, table.id)?;
                    load.rows.push(director::place(&batch, position, &partition, &load.placed)?)?;
                }
                _ => self.take_block(table.id, batch)?,
            }
        }
        Ok(())
    }

    /// Writes the placed rows of a director, the overlap of their neighbours, and their keys' index.
    pub(crate) fn flush_director(&mut self, director: TableId) -> Result<()> {
        let Some(load) = self.tables.get(&director) else { return Ok(()) };
        let table = Arc::clone(&load.table);
        self.place_spooled(&table)?;
        let Some(partition) = self.partition.clone() else { return Ok(()) };
        let TableKind::Director { key, position } = &table.kind else { return Ok(()) };
        self.open_family(director)?;
        let budget = self.context.settings.memory_bytes;
        let folder = self.scratch.path().to_owned();
        let load = table_load(&mut self.tables, director)?;
        let placed = Arc::clone(&load.placed);
        let emptied = placed_sorter(&table, &placed, &folder, budget);
        let rows = std::mem::replace(&mut load.rows, emptied);
        if rows.rows() == 0 {
            return Ok(());
        }
        let mut overlap = placed_sorter(&table, &placed, &folder, budget / BESIDE_ROWS);
        let mut keys = Sorter::new(index_schema(), &[0, 1, 2], &folder, budget / BESIDE_ROWS);
        self.write_chunks(rows.finish()?, &table, SegmentRole::Rows, |piece| {
            if let Some(rows) = overlap::rows_for_neighbours(piece, position, &partition)? {
                overlap.push(rows)?;
            }
            keys.push(index_rows(&key_homes(piece, key)?)?)
        })?;
        self.write_chunks(overlap.finish()?, &table, SegmentRole::Overlap, |_| Ok(()))?;
        self.write_keys(keys.finish()?, &table)
    }

    /// Writes the placed rows of a child or match table.
    fn flush_rows(&mut self, table: &Arc<Table>) -> Result<()> {
        let budget = self.context.settings.memory_bytes;
        let folder = self.scratch.path().to_owned();
        let load = table_load(&mut self.tables, table.id)?;
        let placed = Arc::clone(&load.placed);
        let emptied = |folder: &Path| placed_sorter(table, &placed, folder, budget);
        let rows = std::mem::replace(&mut load.rows, emptied(&folder));
        let by_right = load.by_right.as_mut().map(|sorter| std::mem::replace(sorter, emptied(&folder)));
        self.write_chunks(rows.finish()?, table, SegmentRole::Rows, |_| Ok(()))?;
        if let Some(rows) = by_right {
            self.write_chunks(rows.finish()?, table, SegmentRole::RowsByRight, |_| Ok(()))?;
        }
        Ok(())
    }

    /// Cuts rows that are sorted by chunk and cell into segments. `each` sees every batch on the way. Rows without a key get
    /// segments of their own: they are spread over the sky, and a plan that groups by key can then read all of them in one place.
    fn write_chunks(
        &mut self,
        sorted: Sorted,
        table: &Table,
        role: SegmentRole,
        mut each: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let key = segment_key(table, role);
        let mut with_key = Segment::default();
        let mut without_key = Segment::default();
        for piece in sorted {
            self.beat()?;
            let piece = piece?;
            each(&piece)?;
            let (keyed, keyless) = split_by_key(piece, key)?;
            self.add_rows(keyed, &mut with_key, table, role)?;
            self.add_rows(keyless, &mut without_key, table, role)?;
        }
        self.write_segment(&mut with_key, table, role)?;
        self.write_segment(&mut without_key, table, role)
    }

    /// Adds placed rows to a segment, which is written whenever it is full or its chunk ends.
    fn add_rows(&mut self, piece: RecordBatch, segment: &mut Segment, table: &Table, role: SegmentRole) -> Result<()> {
        let (max_rows, max_bytes) = (self.context.settings.segment_rows, self.context.settings.segment_bytes);
        let row_bytes = piece.get_array_memory_size() / piece.num_rows().max(1);
        let chunks = chunks_of(&piece)?;
        let stored = without_chunk(&piece)?;
        let mut start = 0;
        while let Some(&chunk) = chunks.values().get(start) {
            let chunk = ChunkId(chunk.cast_unsigned());
            if segment.chunk != Some(chunk) || segment.row_count >= max_rows || segment.bytes >= max_bytes {
                self.write_segment(segment, table, role)?;
                segment.chunk = Some(chunk);
            }
            let rest = chunks.values().iter().skip(start);
            let same = rest.take_while(|&&other| other == chunk.0.cast_signed()).count();
            let take = same.min(max_rows - segment.row_count).max(1);
            segment.rows.push(stored.slice(start, take));
            segment.row_count += take;
            segment.bytes += take * row_bytes;
            start += take;
        }
        Ok(())
    }

    fn write_segment(&mut self, segment: &mut Segment, table: &Table, role: SegmentRole) -> Result<()> {
        let rows = std::mem::take(&mut segment.rows);
        (segment.row_count, segment.bytes) = (0, 0);
        let Some(chunk) = segment.chunk.filter(|_| !rows.is_empty()) else { return Ok(()) };
        let key = segment_key(table, role);
        let plan = SegmentPlan {
            table: table.id,
            table_name: table.name.clone(),
            role,
            chunk: Some(chunk),
            replicas: self.replicas.of_chunk(chunk),
            position: table.kind.position().cloned(),
            key: key.map(str::to_owned),
            sorted_by: Some(table.columns.len()),
        };
        self.sink.write(plan, table.segment_schema(), rows)
    }

    /// Keeps rows of a replicated table until they fill a segment.
    pub(crate) fn take_whole(&mut self, table: &Arc<Table>, batch: RecordBatch) -> Result<()> {
        let (max_rows, max_bytes) = (self.context.settings.segment_rows, self.context.settings.segment_bytes);
        let mut start = 0;
        while start < batch.num_rows() {
            let load = table_load(&mut self.tables, table.id)?;
            let row_count: usize = load.whole.iter().map(RecordBatch::num_rows).sum();
            let bytes: usize = load.whole.iter().map(RecordBatch::get_array_memory_size).sum();
            if row_count >= max_rows || bytes >= max_bytes {
                self.flush_whole(table)?;
                continue;
            }
            let take = (batch.num_rows() - start).min(max_rows - row_count);
            load.whole.push(batch.slice(start, take));
            start += take;
        }
        Ok(())
    }

    fn flush_whole(&mut self, table: &Arc<Table>) -> Result<()> {
        let rows = std::mem::take(&mut table_load(&mut self.tables, table.id)?.whole);
        if rows.is_empty() {
            return Ok(());
        }
        let plan = SegmentPlan {
            table: table.id,
            table_name: table.name.clone(),
            role: SegmentRole::Rows,
            chunk: None,
            replicas: self.replicas.all(),
            position: None,
            key: None,
            sorted_by: None,
        };
        self.sink.write(plan, table.segment_schema(), rows)
    }

    /// Writes the index of a director's keys, and finds out whether one of them lives elsewhere too.
    fn write_keys(&mut self, sorted: Sorted, table: &Table) -> Result<()> {
        let mut pending: Vec<Entry> = Vec::new();
        let mut last: Option<(i64, ChunkId)> = None;
        for piece in sorted {
            self.beat()?;
            for (key, home) in homes_in(&piece?)? {
                if last == Some((key, home.chunk)) {
                    continue;
                }
                if last.is_some_and(|(other, _)| other == key) {
                    self.locality.clear_family(&self.base, table.id);
                }
                // A key's homes never part, so that what is compared with other loads is whole.
                if pending.len() >= self.context.settings.index_segment_keys
                    && last.is_some_and(|(other, _)| other != key)
                {
                    self.write_index(&mut pending, table)?;
                }
                last = Some((key, home.chunk));
                pending.push((key, home));
            }
        }
        self.write_index(&mut pending, table)
    }

    fn write_index(&mut self, pending: &mut Vec<Entry>, table: &Table) -> Result<()> {
        let rows = std::mem::take(pending);
        if rows.is_empty() {
            return Ok(());
        }
        let committed = self.committed_index(table.id).len();
        let family = self.families.get(&table.id).ok_or_else(|| Error::internal("a director's index is missing"))?;
        if self.locality.holds(&self.base, table.id) && !family.is_empty(committed) {
            let mut keys: Vec<i64> = rows.iter().map(|(key, _)| *key).collect();
            keys.dedup();
            let elsewhere = family.all_homes(&keys)?.into_iter().any(|(place, home)| {
                let key = keys.get(place).copied().unwrap_or_default();
                let first = rows.partition_point(|(other, _)| *other < key);
                rows.iter().skip(first).take_while(|(other, _)| *other == key).any(|(_, new)| new.chunk != home.chunk)
            });
            if elsewhere {
                self.locality.clear_family(&self.base, table.id);
            }
        }
        self.publish_index(&index_rows(&rows)?, table, false)
    }

    fn publish_index(&mut self, rows: &RecordBatch, table: &Table, is_of_orphans: bool) -> Result<()> {
        let plan = SegmentPlan {
            table: table.id,
            table_name: table.name.clone(),
            role: SegmentRole::KeyIndex,
            chunk: None,
            replicas: Vec::new(),
            position: None,
            key: Some("key".to_owned()),
            sorted_by: Some(0),
        };
        let replicas = &self.replicas;
        let written =
            self.sink.write_index(plan, |path| replicas.of_file(path), &index_schema(), std::slice::from_ref(rows))?;
        match self.families.get_mut(&table.id) {
            Some(family) => family.keep(written, is_of_orphans),
            None => Ok(()),
        }
    }

    /// After a block of a child or match table: writes orphans' homes if there are many.
    pub(crate) fn end_block(&mut self, director: TableId) -> Result<()> {
        let Some(family) = self.families.get_mut(&director) else { return Ok(()) };
        family.end_block();
        if family.orphans_in_memory() < self.context.settings.index_segment_keys {
            return Ok(());
        }
        self.flush_orphans(director)
    }

    fn flush_orphans(&mut self, director: TableId) -> Result<()> {
        let Some(family) = self.families.get_mut(&director).filter(|family| family.orphans_in_memory() > 0) else {
            return Ok(());
        };
        let rows = family.take_orphans()?;
        let table = self.base.database.tables.iter().find(|table| table.id == director).cloned();
        let table = table.ok_or_else(|| Error::internal("a director is missing"))?;
        self.publish_index(&rows, &table, true)
    }

    /// Compares the keys that this load brought with those of loads that were committed while it ran: the same new key may have got
    /// another home there.
    pub(crate) fn check_concurrent_keys(&mut self, now: &DatabaseSnapshot) -> Result<()> {
        for (director, family) in &self.families {
            let before = self.committed_index(*director);
            let table = now.tables.iter().find(|table| table.table.id == *director);
            let since: Vec<_> = table
                .into_iter()
                .flat_map(|table| table.segments_of(SegmentRole::KeyIndex))
                .filter(|segment| !before.iter().any(|known| known.id == segment.id))
                .cloned()
                .collect();
            if since.is_empty() || !self.locality.holds(&self.base, *director) {
                continue;
            }
            let others = KeyIndex::new(self.context.store.reader(), since, Arc::clone(&self.context.key_cache));
            let own = family.own_index();
            let differs = self.context.runtime.block_on(async {
                let entries = own.entries();
                let mut differing = std::pin::pin!(entries.try_filter_map(|entries| differing(&others, entries)));
                differing.next().await.transpose()
            })?;
            if differs.is_some() {
                self.locality.clear_family(&self.base, *director);
            }
        }
        Ok(())
    }
}

/// `Some` if one of these keys has a home of another chunk in the index.
async fn differing(others: &KeyIndex, entries: Vec<Entry>) -> Result<Option<()>> {
    let mut keys: Vec<i64> = entries.iter().map(|(key, _)| *key).collect();
    keys.dedup();
    let found = others.lookup(&keys).await?;
    let differs = found.into_iter().any(|(place, home)| {
        let key = keys.get(place).copied().unwrap_or_default();
        let first = entries.partition_point(|(other, _)| *other < key);
        entries.iter().skip(first).take_while(|(other, _)| *other == key).any(|(_, own)| own.chunk != home.chunk)
    });
    Ok(differs.then_some(()))
}

/// The column whose keys the segments of this role are placed by.
fn segment_key(table: &Table, role: SegmentRole) -> Option<&str> {
    match &table.kind {
        TableKind::Match { right, .. } if role == SegmentRole::RowsByRight => Some(&right.column),
        _ => key_column(table),
    }
}

/// The rows that have a key, and those that have none, each in their order.
fn split_by_key(piece: RecordBatch, key: Option<&str>) -> Result<(RecordBatch, RecordBatch)> {
    let nulls = piece.slice(0, 0);
    let Some(key) = key else { return Ok((piece, nulls)) };
    let keys = column(&piece, key)?;
    if keys.null_count() == 0 {
        return Ok((piece, nulls));
    }
    let failed = |error: ArrowError| Error::internal("rows cannot be taken apart").caused_by(error);
    let has_key = is_not_null(keys).map_err(failed)?;
    let has_none = not(&has_key).map_err(failed)?;
    let keyed = filter_record_batch(&piece, &has_key).map_err(failed)?;
    Ok((keyed, filter_record_batch(&piece, &has_none).map_err(failed)?))
}

/// A segment being collected.
#[derive(Default)]
struct Segment {
    chunk: Option<ChunkId>,
    rows: Vec<RecordBatch>,
    row_count: usize,
    bytes: usize,
}

fn chunks_of(placed: &RecordBatch) -> Result<Int64Array> {
    placed.columns().last().map_or_else(|| Err(Error::internal("placed rows have no columns")), integers)
}

fn without_chunk(placed: &RecordBatch) -> Result<RecordBatch> {
    let columns: Vec<usize> = (0..placed.num_columns().saturating_sub(1)).collect();
    placed.project(&columns).map_err(|error| Error::internal("rows cannot be taken apart").caused_by(error))
}

/// The homes of a director's keys.
fn key_homes(placed: &RecordBatch, key: &str) -> Result<Vec<Entry>> {
    let keys = integers(column(placed, key)?)?;
    let cells = integers(column(placed, qserv_core::catalog::HEALPIX_29)?)?;
    let chunks = chunks_of(placed)?;
    let mut homes = Vec::with_capacity(keys.len() - keys.null_count());
    for (row, &chunk) in chunks.values().iter().enumerate() {
        let chunk = ChunkId(chunk.cast_unsigned());
        if let Some(key) = integer(&keys, row) {
            homes.push((key, home(chunk, integer(&cells, row))));
        }
    }
    Ok(homes)
}

fn home(chunk: ChunkId, cell: Option<i64>) -> KeyHome {
    KeyHome { chunk, healpix_29: cell.map(i64::cast_unsigned) }
}

/// The entries of index rows.
fn homes_in(rows: &RecordBatch) -> Result<Vec<Entry>> {
    let keys = integers(column(rows, "key")?)?;
    let chunks = integers(column(rows, "chunk")?)?;
    let cells = integers(column(rows, qserv_core::catalog::HEALPIX_29)?)?;
    let entry = |row: usize| {
        let chunk = ChunkId(chunks.value(row).cast_unsigned());
        (keys.value(row), home(chunk, integer(&cells, row)))
    };
    Ok((0..rows.num_rows()).map(entry).collect())
}
