//! One transaction while it is being filled.
//!
//! Everything here runs on a thread that may block; what is asynchronous (catalog, stores) is waited for on the runtime.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use qserv_core::catalog::{
    DatabaseSnapshot, HEALPIX_29, Segment, SegmentRole, Snapshot, SnapshotId, Table, TableId, TableKind, Transaction,
    WorkerId,
};
use qserv_core::partition::SkyPartition;
use qserv_core::{Error, ErrorKind, Result};
use qserv_loaders::{BadRows, FormatOptions, Input, Rows};
use tempfile::TempDir;

use crate::chunk_order::SkySeen;
use crate::context::Context;
use crate::locality::Locality;
use crate::placement::child::{self, ChildColumns};
use crate::placement::matches::{self, Sides};
use crate::placement::{CHUNK, Family, director, placed_schema};
use crate::progress::{Progress, Step};
use crate::replicas::Replicas;
use crate::report::{ContributionReport, TableReport};
use crate::segment_writer::SegmentSink;
use crate::sorter::Sorter;
use crate::spill::{Spool, io_failed};

/// Prefix of the scratch folders of transactions.
pub(crate) const SCRATCH_PREFIX: &str = "qserv-load-";

/// Rows of children and matches whose keys are looked up together, at most: the more, the fewer times the index is read.
const BLOCK_ROWS: usize = 256 << 10;

/// A transaction says that it lives at least this often.
const TOUCH_EVERY_MS: i64 = 30_000;

/// An open transaction.
pub(crate) struct Load {
    pub(crate) context: Context,
    pub(crate) transaction: Transaction,
    /// What was committed when it began.
    pub(crate) base: Arc<DatabaseSnapshot>,
    pub(crate) partition: Option<SkyPartition>,
    pub(crate) scratch: TempDir,
    pub(crate) replicas: Replicas,
    pub(crate) sink: SegmentSink,
    pub(crate) tables: BTreeMap<TableId, TableLoad>,
    pub(crate) families: BTreeMap<TableId, Family>,
    pub(crate) locality: Locality,
    pub(crate) sky_seen: SkySeen,
    pub(crate) contributions: Vec<(TableId, ContributionReport)>,
    touched_unix_ms: i64,
    cancelled: Arc<AtomicBool>,
}

/// The rows of one table in an open transaction, wherever they are on their way.
pub(crate) struct TableLoad {
    pub(crate) table: Arc<Table>,
    pub(crate) placed: SchemaRef,
    /// Rows that wait until the chunk order is known.
    pub(crate) spool: Option<Spool>,
    /// Rows of children and matches that wait for the look-up of their keys.
    block: Vec<RecordBatch>,
    block_bytes: usize,
    block_rows: usize,
    /// Placed rows: the table's, and the second copy of a match table.
    pub(crate) rows: Sorter,
    pub(crate) by_right: Option<Sorter>,
    /// Rows of a replicated table for its next segment.
    pub(crate) whole: Vec<RecordBatch>,
    pub(crate) orphans: u64,
}

impl Load {
    /// Prepares for a transaction that has begun.
    pub(crate) fn new(
        context: Context,
        transaction: Transaction,
        snapshot: &Snapshot,
        live: Vec<WorkerId>,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Self> {
        let base = database_of(snapshot, &transaction)?;
        let settings = &context.settings;
        std::fs::create_dir_all(&settings.scratch).map_err(|error| io_failed(&settings.scratch, error))?;
        let scratch = tempfile::Builder::new()
            .prefix(SCRATCH_PREFIX)
            .tempdir_in(&settings.scratch)
            .map_err(|error| io_failed(&settings.scratch, error))?;
        let replicas = Replicas::new(live, &base, settings.replication)?;
        let parts = (context.catalog.clone(), Arc::clone(&context.store), context.runtime.clone());
        let sink = SegmentSink::new(parts, &transaction, &base.database.name, settings);
        let mut load = Self {
            touched_unix_ms: context.clock.unix_ms(),
            context,
            transaction,
            partition: None,
            base,
            scratch,
            replicas,
            sink,
            tables: BTreeMap::new(),
            families: BTreeMap::new(),
            locality: Locality::default(),
            sky_seen: SkySeen::default(),
            contributions: Vec::new(),
            cancelled,
        };
        if let Some(order) = load.base.database.chunk_order {
            load.set_chunk_order(order)?;
        }
        Ok(load)
    }

    pub(crate) fn set_chunk_order(&mut self, order: u8) -> Result<()> {
        let database = &self.base.database;
        self.partition = Some(SkyPartition::new(database.pixelization, order, database.overlap_arcsec)?);
        self.sink.set_chunk_order(order);
        Ok(())
    }

    /// Loads one file into a table.
    pub(crate) fn contribute(
        &mut self,
        table_name: &str,
        input: Input,
        options: &FormatOptions,
        progress: &Progress,
    ) -> Result<ContributionReport> {
        let table = self.base.database.table(table_name).ok_or_else(|| {
            let names: Vec<&str> = self.base.database.tables.iter().map(|table| table.name.as_str()).collect();
            Error::not_found(format!(
                "there is no table \"{table_name}\" in this database; it has {}",
                names.join(", ")
            ))
            .with("database", &self.base.database.name)
        })?;
        let table = Arc::new(table.clone());
        self.prepare(&table)?;
        let source = input.name();
        let bad_rows = BadRows::new(options.max_bad_rows);
        let orphans_before = self.tables.get(&table.id).map_or(0, |load| load.orphans);
        let mut rows = 0;
        let (reader, batches) = self.read(&table, input, options, &bad_rows)?;
        for batch in batches {
            self.beat()?;
            let taken = self.take(&table, batch?, &bad_rows, &source)?;
            rows += taken;
            progress.step(Step { rows: taken, bytes_read: reader.get() });
        }
        self.place_block(table.id)?;
        let orphans = self.tables.get(&table.id).map_or(0, |load| load.orphans) - orphans_before;
        let report = ContributionReport {
            table: table.name.clone(),
            source,
            rows,
            bad_rows: bad_rows.count(),
            orphans,
            bad_row_samples: bad_rows.samples(),
        };
        self.contributions.push((table.id, report.clone()));
        Ok(report)
    }

    /// Reads on a thread of its own, a few batches ahead.
    fn read(
        &self,
        table: &Arc<Table>,
        input: Input,
        options: &FormatOptions,
        bad_rows: &BadRows,
    ) -> Result<(qserv_loaders::BytesRead, std::sync::mpsc::IntoIter<Result<Rows>>)> {
        const BATCHES_AHEAD: usize = 2;
        let reader = qserv_loaders::open(input, table, options, bad_rows, self.scratch.path())?;
        let bytes_read = reader.bytes_read();
        let (sender, receiver) = std::sync::mpsc::sync_channel(BATCHES_AHEAD);
        // It ends when the file does, or when nobody takes its batches any more.
        self.context.runtime.spawn_blocking(move || {
            for rows in reader {
                if sender.send(rows).is_err() {
                    return;
                }
            }
        });
        Ok((bytes_read, receiver.into_iter()))
    }

    /// Before the first row of a contribution.
    fn prepare(&mut self, table: &Arc<Table>) -> Result<()> {
        // Only the table being loaded keeps rows in memory.
        for (_, other) in self.tables.iter_mut().filter(|(id, _)| **id != table.id) {
            other.spill()?;
        }
        let is_match = matches!(table.kind, TableKind::Match { .. });
        if !self.tables.contains_key(&table.id) {
            let budget = self.context.settings.memory_bytes;
            let load =
                TableLoad::new(Arc::clone(table), self.partition.is_none(), self.scratch.path(), budget, is_match);
            self.tables.insert(table.id, load);
        }
        if self.partition.is_none() {
            return Ok(());
        }
        // Keys of directors that came before in this transaction must be found.
        for director in self.directors_of(table) {
            self.open_family(director)?;
            self.flush_director(director)?;
        }
        Ok(())
    }

    /// The directors that a child or match table refers to.
    pub(crate) fn directors_of(&self, table: &Table) -> Vec<TableId> {
        let named = |name: &str| self.base.database.table(name).map(|table| table.id);
        let mut directors: Vec<TableId> = match &table.kind {
            TableKind::Child { director, .. } => named(director).into_iter().collect(),
            TableKind::Match { left, right } => {
                [&left.director, &right.director].into_iter().flat_map(|name| named(name)).collect()
            }
            TableKind::Director { .. } | TableKind::Replicated => Vec::new(),
        };
        directors.dedup();
        directors
    }

    /// The committed index segments of a director.
    pub(crate) fn committed_index(&self, director: TableId) -> Vec<Arc<Segment>> {
        let table = self.base.tables.iter().find(|table| table.table.id == director);
        table.map(|table| table.segments_of(SegmentRole::KeyIndex).cloned().collect()).unwrap_or_default()
    }

    /// Makes sure that the homes of a director's keys can be asked for.
    pub(crate) fn open_family(&mut self, director: TableId) -> Result<()> {
        if !self.families.contains_key(&director) {
            let committed = self.committed_index(director);
            let reader = (self.context.store.reader(), Arc::clone(&self.context.key_cache));
            let folder = self.scratch.path().join(format!("index-{director}"));
            let family = Family::new(self.context.runtime.clone(), reader, committed, &folder)?;
            self.families.insert(director, family);
        }
        Ok(())
    }

    /// Takes rows as read; returns how many were good.
    fn take(&mut self, table: &Arc<Table>, rows: Rows, bad_rows: &BadRows, source: &str) -> Result<u64> {
        let batch = match &table.kind {
            TableKind::Director { position, .. } => director::with_position(rows, position, bad_rows, source)?,
            _ => rows.batch,
        };
        let count = batch.num_rows() as u64;
        if count == 0 {
            return Ok(0);
        }
        if !table.kind.is_partitioned() {
            self.take_whole(table, batch)?;
            return Ok(count);
        }
        let load = table_load(&mut self.tables, table.id)?;
        match (&mut load.spool, &self.partition) {
            (Some(spool), _) => {
                self.sky_seen.see(table, &batch)?;
                spool.push(batch)?;
            }
            (None, Some(partition)) => match &table.kind {
                TableKind::Director { position, .. } => {
                    load.rows.push(director::place(&batch, position, partition, &load.placed)?)?;
                }
                _ => self.take_block(table.id, batch)?,
            },
            (None, None) => return Err(Error::internal("rows came before the chunk order")),
        }
        Ok(count)
    }

    /// Keeps rows of a child or match table until there are enough of them for a look-up.
    pub(crate) fn take_block(&mut self, table: TableId, batch: RecordBatch) -> Result<()> {
        let max_bytes = self.context.settings.memory_bytes / 4;
        let load = table_load(&mut self.tables, table)?;
        load.block_rows += batch.num_rows();
        load.block_bytes += batch.get_array_memory_size();
        load.block.push(batch);
        if load.block_rows >= BLOCK_ROWS || load.block_bytes >= max_bytes { self.place_block(table) } else { Ok(()) }
    }

    /// Looks up the keys of the rows kept by [`Self::take_block`] and places them.
    pub(crate) fn place_block(&mut self, table: TableId) -> Result<()> {
        let Some(partition) = self.partition.clone() else { return Ok(()) };
        let load = table_load(&mut self.tables, table)?;
        let block = std::mem::take(&mut load.block);
        (load.block_rows, load.block_bytes) = (0, 0);
        if block.is_empty() {
            return Ok(());
        }
        let declared = Arc::clone(&load.table);
        let directors = self.directors_of(&declared);
        for &director in &directors {
            self.open_family(director)?;
        }
        let load = table_load(&mut self.tables, table)?;
        match &declared.kind {
            TableKind::Child { director_key, position, director_position, .. } => {
                let [director] = directors.as_slice() else { return Err(lost_director(&declared)) };
                let family = self.families.get_mut(director).ok_or_else(|| lost_director(&declared))?;
                let columns = ChildColumns {
                    director_key: director_key.clone(),
                    position: position.clone(),
                    director_position: director_position.clone(),
                };
                let (placed, found) = child::place(&block, &columns, &partition, family, &load.placed)?;
                load.orphans += found.orphans;
                for batch in placed {
                    load.rows.push(batch)?;
                }
            }
            TableKind::Match { left, right } => {
                let (first, last) = (directors.first().copied(), directors.last().copied());
                let (Some(left_id), Some(right_id)) = (first, last) else { return Err(lost_director(&declared)) };
                // Both families are needed at once.
                let mut left_family = self.families.remove(&left_id).ok_or_else(|| lost_director(&declared))?;
                let mut right_family = self.families.remove(&right_id);
                let sides = match &mut right_family {
                    Some(right_family) => Sides::Two(&mut left_family, right_family),
                    None => Sides::Same(&mut left_family),
                };
                let placed = matches::place(&block, (&left.column, &right.column), &partition, sides, &load.placed);
                self.families.insert(left_id, left_family);
                self.families.extend(right_family.map(|family| (right_id, family)));
                let placed = placed?;
                load.orphans += placed.orphans;
                for batch in placed.by_left {
                    load.rows.push(batch)?;
                }
                for batch in placed.by_right {
                    load.by_right.as_mut().ok_or_else(|| lost_director(&declared))?.push(batch)?;
                }
            }
            TableKind::Director { .. } | TableKind::Replicated => {}
        }
        for director in directors {
            self.end_block(director)?;
        }
        Ok(())
    }

    /// Stops if the caller has gone, and from time to time says that the transaction lives.
    pub(crate) fn beat(&mut self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Cancelled, "the load was given up"));
        }
        let now = self.context.clock.unix_ms();
        if now - self.touched_unix_ms >= TOUCH_EVERY_MS {
            self.touched_unix_ms = now;
            self.context.runtime.block_on(self.context.catalog.touch(self.transaction.id))?;
        }
        Ok(())
    }

    /// Writes everything, and makes it visible.
    pub(crate) fn commit(mut self) -> Result<(SnapshotId, Vec<TableReport>, u64)> {
        self.write_everything()?;
        let lock = Arc::clone(&self.context.commit_lock);
        let _guard = self.context.runtime.block_on(lock.lock());
        let now = self.context.runtime.block_on(self.context.catalog.snapshot())?;
        let now = database_of(&now, &self.transaction)?;
        self.check_concurrent_keys(&now)?;
        let id = self.transaction.id;
        let cleared = std::mem::take(&mut self.locality).settle();
        let reports = self.table_reports();
        let catalog = &self.context.catalog;
        let snapshot = self.context.runtime.block_on(async {
            for table in cleared {
                catalog.clear_key_locality(id, table).await?;
            }
            for (table, part) in &self.contributions {
                catalog.add_contribution(id, *table, &part.source, part.rows, part.bad_rows, part.orphans).await?;
            }
            catalog.commit(id).await
        })?;
        Ok((snapshot, reports, self.sink.written()))
    }

    fn table_reports(&self) -> Vec<TableReport> {
        let report = |(id, load): (&TableId, &TableLoad)| {
            let parts = || self.contributions.iter().filter(|(table, _)| table == id).map(|(_, part)| part);
            TableReport {
                table: load.table.name.clone(),
                rows: parts().map(|part| part.rows).sum(),
                bad_rows: parts().map(|part| part.bad_rows).sum(),
                orphans: load.orphans,
            }
        };
        self.tables.iter().map(report).collect()
    }
}

impl TableLoad {
    fn new(table: Arc<Table>, waits_for_order: bool, folder: &Path, budget: usize, is_match: bool) -> Self {
        let placed = placed_schema(&table);
        // A match table collects two copies at once.
        let budget = if is_match { budget / 2 } else { budget };
        let sorter = || placed_sorter(&table, &placed, folder, budget);
        Self {
            spool: (waits_for_order && table.kind.is_partitioned()).then(|| Spool::new(table.schema(), folder, budget)),
            block: Vec::new(),
            block_bytes: 0,
            block_rows: 0,
            rows: sorter(),
            by_right: is_match.then(sorter),
            whole: Vec::new(),
            orphans: 0,
            table,
            placed,
        }
    }

    /// Puts everything that is in memory on disk.
    fn spill(&mut self) -> Result<()> {
        if let Some(spool) = &mut self.spool {
            spool.spill()?;
        }
        self.rows.spill()?;
        self.by_right.as_mut().map_or(Ok(()), Sorter::spill)
    }
}

/// A sorter of placed rows: by chunk, by cell, by key.
pub(crate) fn placed_sorter(table: &Table, placed: &SchemaRef, folder: &Path, budget: usize) -> Sorter {
    let columns = [Some(CHUNK), Some(HEALPIX_29), key_column(table)].into_iter().flatten();
    let sort_columns: Vec<usize> = columns.filter_map(|name| placed.index_of(name).ok()).collect();
    Sorter::new(Arc::clone(placed), &sort_columns, folder, budget)
}

/// The column of the key by which a table's rows are placed.
pub(crate) fn key_column(table: &Table) -> Option<&str> {
    match &table.kind {
        TableKind::Director { key, .. } => Some(key),
        TableKind::Child { director_key, .. } => Some(director_key),
        TableKind::Match { left, .. } => Some(&left.column),
        TableKind::Replicated => None,
    }
}

pub(crate) fn table_load(tables: &mut BTreeMap<TableId, TableLoad>, table: TableId) -> Result<&mut TableLoad> {
    tables.get_mut(&table).ok_or_else(|| Error::internal("a table of the load is missing"))
}

fn lost_director(table: &Table) -> Error {
    Error::internal("a table's director is missing").with("table", &table.name)
}

pub(crate) fn database_of(snapshot: &Snapshot, transaction: &Transaction) -> Result<Arc<DatabaseSnapshot>> {
    let found = snapshot.databases.values().find(|database| database.database.id == transaction.database);
    found.cloned().ok_or_else(|| Error::not_found("the database of this transaction has been dropped"))
}
