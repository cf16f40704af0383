//! Tables that a query brings along, from its request to its plan.
//!
//! 1. `Uploads::open` opens each table and reads it up to a few megabytes, on a thread that may block. If one goes on, the czar looks at the
//!    query: a table that is joined by distance with a director can be cut by that director's chunks (`Planner::cuts`).
//!    `Uploads::receive` encodes the rows as Parquet segments of bounded size, of the whole table or of its chunks (`encode`).
//! 2. Each segment is noted in the catalog, then put to two workers, one of a chunk to those that hold the director's. From there it is read like any other segment, by whichever
//!    worker runs that part of the plan.
//! 3. `Received` is what planning needs: the names, and the tables as DataFusion sees them. The prepared snapshot stays as it is;
//!    `Prepared::with` lays them beside it.
//! 4. When the last who needs it is gone (the query ended, failed, or its client went away) `Deleter` deletes the segments. Those
//!    of a czar that died are garbage of the catalog's, and go when the next one starts.

mod deleter;
mod encode;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use futures::future::try_join_all;
use qserv_adql::NameList;
use qserv_core::catalog::{Catalog, Segment, SegmentBounds, SegmentId, SegmentRole, WorkerId};
use qserv_core::clock::SharedClock;
use qserv_core::partition::{ChunkId, SkyPartition};
use qserv_core::store::{SegmentStore, paths};
use qserv_core::upload::{TAP_UPLOAD, TableRows, Upload, UploadedTable, check_names};
use qserv_core::{Error, Result};
use qserv_engine::error::from_datafusion;
use qserv_engine::restrict::Cut;
use qserv_engine::table::CatalogTable;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::schema::Database;
use crate::settings::QuerySettings;
use crate::translate::described_field;
use deleter::{Deleter, Kept};
use encode::{ChunkWriter, Encoded, Encoder, SegmentWriter, bytes_of};

/// Copies of each segment. With two, a worker that dies costs no query its upload.
const COPIES: usize = 2;

/// Segments that are put together, as long as they are small.
const AT_ONCE: usize = 16;

/// Bytes from which on no further segment is put together with others.
const AT_ONCE_BYTES: usize = 16 << 20;

/// Most columns of an uploaded table: each costs memory in the plan.
const MAX_COLUMNS: usize = 10_000;

/// How long a file of a query may be kept beyond the time that the query may run.
const GRACE: Duration = Duration::from_secs(3600);

/// Receives uploads.
pub(crate) struct Uploads {
    catalog: Catalog,
    store: Arc<dyn SegmentStore>,
    clock: SharedClock,
    /// From when on a file belongs to no query.
    lifetime_ms: i64,
    max_bytes: u64,
    /// From how many bytes on a table may be cut.
    cut_bytes: u64,
    deleter: Deleter,
}

/// The uploads of one query. The segments live as long as this does.
pub(crate) struct Received {
    /// The names of the tables and their columns.
    pub(crate) names: NameList,
    /// The tables, as the schema [`TAP_UPLOAD`].
    pub(crate) tables: Arc<dyn SchemaProvider>,
    _kept: Kept,
}

/// Rows that a query computes before all else. The segments live as long as this does.
pub(crate) struct KeptTable {
    pub(crate) table: Arc<CatalogTable>,
    _kept: Kept,
}

impl Uploads {
    /// To be called inside a runtime.
    pub(crate) fn new(
        (catalog, store, clock): (Catalog, Arc<dyn SegmentStore>, SharedClock),
        settings: &QuerySettings,
    ) -> Self {
        let QuerySettings { timeout, max_upload_bytes: max_bytes, cut_upload_bytes: cut_bytes, .. } = *settings;
        let lifetime_ms = i64::try_from(timeout.saturating_add(GRACE).as_millis()).unwrap_or(i64::MAX);
        let deleter = Deleter::start(catalog.clone(), Arc::clone(&store));
        Self { catalog, store, clock, lifetime_ms, max_bytes, cut_bytes, deleter }
    }

    /// Opens the uploads of a query, and reads each up to a bound; `None` if there are none.
    ///
    /// # Errors
    /// What opening and reading them gives, with the table's name; `Limit` if they are too large.
    pub(crate) async fn open(&self, uploads: &[Upload]) -> Result<Option<Opened>> {
        if uploads.is_empty() {
            return Ok(None);
        }
        check_names(uploads)?;
        let mut tables = Vec::with_capacity(uploads.len());
        let mut budget = Budget { left: self.max_bytes, whole: self.max_bytes };
        for upload in uploads {
            let (table, mut spending, most) = (Arc::clone(upload.table()), budget, self.cut_bytes);
            let opening = tokio::task::spawn_blocking(move || {
                let begun = Begun::of(table.as_ref(), most, &mut spending)?;
                Ok::<_, Error>((begun, spending))
            });
            let opened = opening.await.map_err(reader_failed).and_then(|opened| opened);
            let (begun, spent) = opened.map_err(|error| named(error, upload.name()))?;
            budget = spent;
            tables.push((upload.name().to_owned(), begun));
        }
        Ok(Some(Opened { tables, budget }))
    }

    /// Opened tables as planning sees them, without their rows.
    pub(crate) fn outline(&self, opened: &Opened) -> Received {
        let tables = opened.tables.iter().map(|(name, begun)| {
            (name.clone(), CatalogTable::temporary(TAP_UPLOAD, name, Arc::clone(&begun.rows.schema), Vec::new()))
        });
        Received::of(tables.collect(), self.deleter.keep())
    }

    /// Puts opened tables where workers can read them, in chunks as far as `cuts` says so.
    ///
    /// # Errors
    /// What reading them gives, with the table's name; `Limit` if they are too large; `Unavailable` if no worker takes them.
    pub(crate) async fn receive(&self, opened: Opened, cuts: &[Cut]) -> Result<Arc<Received>> {
        let mut kept = self.deleter.keep();
        let mut tables = Vec::with_capacity(opened.tables.len());
        let mut budget = opened.budget;
        for (name, begun) in opened.tables {
            let schema = Arc::clone(&begun.rows.schema);
            let cut = cuts.iter().find(|cut| cut.table == name && begun.goes_on).and_then(|cut| {
                let database = &cut.database.database;
                let order = database.chunk_order?;
                let partition = SkyPartition::new(database.pixelization, order, database.overlap_arcsec).ok()?;
                Some((cut, ChunkWriter::new(&schema, partition, &cut.position)?))
            });
            let (cut, encoder) = match cut {
                Some((cut, writer)) => (Some(cut), Encoder::ByChunk(Box::new(writer))),
                None => (None, Encoder::Whole(Box::new(SegmentWriter::new(&schema)))),
            };
            let written = self.write(begun, encoder, cut, (&mut budget, &mut kept)).await;
            let segments = written.map_err(|error| named(error, &name))?;
            let table = CatalogTable::temporary(TAP_UPLOAD, &name, schema, segments);
            let table = match cut {
                Some(cut) => table.in_chunks_of(&cut.database.database.name, cut.position.clone()),
                None => table,
            };
            tables.push((name, table));
        }
        Ok(Arc::new(Received::of(tables, kept)))
    }

    /// Reads the rest of a table and writes it. Dropping this future ends the reading at its next segment.
    async fn write(
        &self,
        begun: Begun,
        encoder: Encoder,
        cut: Option<&Cut>,
        (budget, kept): (&mut Budget, &mut Kept),
    ) -> Result<Vec<Arc<Segment>>> {
        let mut places = self.places().await?;
        if let Some(cut) = cut {
            places.follow(cut);
        }
        let (sender, mut receiver) = mpsc::channel(AT_ONCE);
        let mut spending = *budget;
        let reading = tokio::task::spawn_blocking(move || {
            begun.encode(encoder, &mut spending, &sender)?;
            Ok::<_, Error>(spending)
        });
        let mut segments = Vec::new();
        while let Some(first) = receiver.recv().await {
            // Chunks have small segments: each costs a round trip and a flush, and they may as well do so together.
            let mut bytes = first.bytes.len();
            let mut together = vec![(places.next(first.chunk), first)];
            while together.len() < AT_ONCE
                && bytes < AT_ONCE_BYTES
                && let Ok(encoded) = receiver.try_recv()
            {
                bytes += encoded.bytes.len();
                together.push((places.next(encoded.chunk), encoded));
            }
            segments.extend(self.put(together, kept).await?);
        }
        *budget = reading.await.map_err(reader_failed)??;
        Ok(segments)
    }

    /// Puts the rows of a part of a query where workers can read them.
    ///
    /// # Errors
    /// What computing them gives; `Limit` if they are too large; `Unavailable` if no worker takes them.
    pub(crate) async fn keep(
        &self,
        name: &str,
        schema: &SchemaRef,
        mut rows: SendableRecordBatchStream,
    ) -> Result<KeptTable> {
        let mut kept = self.deleter.keep();
        let mut places = self.places().await?;
        let mut budget = Budget { left: self.max_bytes, whole: self.max_bytes };
        let mut writer = SegmentWriter::new(&rows.schema());
        let mut segments = Vec::new();
        loop {
            let batch = rows.next().await.transpose().map_err(from_datafusion)?;
            let encoded = match &batch {
                Some(batch) => {
                    budget.spend(bytes_of(batch)).map_err(|_| {
                        Error::limit("the rows of a query in FROM, which a sub-query names, take too much memory")
                            .with("bytes", self.max_bytes)
                            .with("setting", "query.max_upload_bytes")
                    })?;
                    writer.write(batch)?
                }
                None => writer.finish()?,
            };
            if let Some(encoded) = encoded {
                segments.extend(self.put(vec![(places.next(None), encoded)], &mut kept).await?);
            }
            if batch.is_none() {
                let table = Arc::new(CatalogTable::temporary(TAP_UPLOAD, name, Arc::clone(schema), segments));
                return Ok(KeptTable { table, _kept: kept });
            }
        }
    }

    /// Where the segments of a new table go.
    async fn places(&self) -> Result<Places> {
        let mut workers = self.store.workers().await?;
        if workers.is_empty() {
            return Err(Error::unavailable(
                "no worker is up that could keep the rows that come with a query; try again later",
            ));
        }
        workers.sort();
        let name = Uuid::new_v4();
        // Tables begin at any worker, so that small ones do not all lie on the first.
        let first = (name.as_u128() % workers.len() as u128) as usize;
        workers.rotate_left(first);
        Ok(Places { name: name.simple().to_string(), workers, segments: 0, chunks: None })
    }

    /// Notes segments, and puts them to their workers.
    async fn put(&self, segments: Vec<(Place, Encoded)>, kept: &mut Kept) -> Result<Vec<Arc<Segment>>> {
        let copies =
            segments.iter().flat_map(|((path, replicas), _)| replicas.iter().map(|one| (one.clone(), path.clone())));
        let copies: Vec<(WorkerId, String)> = copies.collect();
        let until = self.clock.unix_ms().saturating_add(self.lifetime_ms);
        self.catalog.note_temporary(&copies, until).await?;
        kept.copies.extend(copies);
        try_join_all(segments.iter().flat_map(|((path, replicas), encoded)| {
            replicas.iter().map(|worker| self.store.put(worker, path, encoded.bytes.clone()))
        }))
        .await?;
        let segment = |((path, replicas), encoded): (Place, Encoded)| Segment {
            id: SegmentId(0),
            chunk: encoded.chunk,
            role: SegmentRole::Rows,
            path,
            rows: encoded.rows,
            bytes: encoded.bytes.len() as u64,
            bounds: SegmentBounds::default(),
            replicas,
        };
        Ok(segments.into_iter().map(|one| Arc::new(segment(one))).collect())
    }
}

/// A segment's path, and its workers.
type Place = (String, Vec<WorkerId>);

/// Names and workers for the segments of one table.
struct Places {
    name: String,
    workers: Vec<WorkerId>,
    segments: usize,
    chunks: Option<Chunks>,
}

/// The chunks of a director, which the segments of a table are in.
struct Chunks {
    order: u8,
    /// The workers of each.
    workers: HashMap<ChunkId, Vec<WorkerId>>,
}

impl Places {
    /// Puts each chunk's segments where the director has that chunk.
    fn follow(&mut self, cut: &Cut) {
        let mut workers: HashMap<ChunkId, Vec<WorkerId>> = HashMap::new();
        for segment in cut.director.segments_of(SegmentRole::Rows) {
            let Some(chunk) = segment.chunk else { continue };
            let holders = workers.entry(chunk).or_default();
            for worker in segment.replicas.iter().filter(|worker| self.workers.contains(worker)) {
                if holders.len() < COPIES && !holders.contains(worker) {
                    holders.push(worker.clone());
                }
            }
        }
        self.chunks = Some(Chunks { order: cut.database.database.chunk_order.unwrap_or_default(), workers });
    }

    /// Those of the next segment.
    fn next(&mut self, chunk: Option<ChunkId>) -> Place {
        let number = self.segments;
        self.segments += 1;
        let replicas: Vec<WorkerId> = self.workers.iter().take(COPIES).cloned().collect();
        self.workers.rotate_left(1);
        let Some((chunks, chunk)) = self.chunks.as_ref().zip(chunk) else {
            return (paths::temporary(&format!("{}-{number}", self.name)), replicas);
        };
        let place = Some((chunks.order, chunk));
        let path = paths::segment(paths::TEMPORARY, &self.name, SegmentRole::Rows, place, &number.to_string());
        // A chunk without rows of the director's has no place of its own.
        let own = chunks.workers.get(&chunk).filter(|holders| !holders.is_empty());
        (path, own.cloned().unwrap_or(replicas))
    }
}

/// Tables of a query, opened.
pub(crate) struct Opened {
    tables: Vec<(String, Begun)>,
    budget: Budget,
}

impl Opened {
    /// Whether a table is so large that it may be cut.
    pub(crate) fn has_large(&self) -> bool {
        self.tables.iter().any(|(_, begun)| begun.goes_on)
    }
}

/// A table that was read up to a bound.
struct Begun {
    rows: TableRows,
    first: Vec<RecordBatch>,
    /// Whether the bound was met.
    goes_on: bool,
}

impl Begun {
    /// Opens a table, and reads so many bytes of it.
    fn of(table: &dyn UploadedTable, most: u64, budget: &mut Budget) -> Result<Self> {
        let mut rows = table.open()?;
        if rows.schema.fields().len() > MAX_COLUMNS {
            return Err(Error::limit("the uploaded table has too many columns").with("most", MAX_COLUMNS));
        }
        let (mut first, mut bytes) = (Vec::new(), 0_u64);
        while bytes < most {
            let Some(batch) = rows.batches.next().transpose()? else {
                return Ok(Self { rows, first, goes_on: false });
            };
            bytes += budget.spend(bytes_of(&batch))?;
            first.push(batch);
        }
        Ok(Self { rows, first, goes_on: true })
    }

    /// Encodes the table segment by segment. Ends when nobody receives any more.
    fn encode(self, mut encoder: Encoder, budget: &mut Budget, sender: &mpsc::Sender<Encoded>) -> Result<()> {
        let rest = if self.goes_on { Some(self.rows.batches) } else { None };
        let send = |encoded: Vec<Encoded>| encoded.into_iter().all(|one| sender.blocking_send(one).is_ok());
        for batch in &self.first {
            if !send(encoder.write(batch)?) {
                return Ok(());
            }
        }
        drop(self.first);
        for batch in rest.into_iter().flatten() {
            let batch = batch?;
            budget.spend(bytes_of(&batch))?;
            if !send(encoder.write(&batch)?) {
                return Ok(());
            }
        }
        // If nobody receives the last ones, nobody needs them.
        send(encoder.finish()?);
        Ok(())
    }
}

impl Received {
    fn of(tables: Vec<(String, CatalogTable)>, kept: Kept) -> Self {
        let mut names = NameList::default();
        let mut providers: BTreeMap<String, Arc<dyn TableProvider>> = BTreeMap::new();
        for (name, table) in tables {
            let schema = table.schema();
            names.add_described_table(TAP_UPLOAD, &name, schema.fields().iter().map(|field| described_field(field)));
            providers.insert(name, Arc::new(table));
        }
        Self { names, tables: Arc::new(Database::of(providers)), _kept: kept }
    }
}

fn named(error: Error, table: &str) -> Error {
    error.with("table", format!("{TAP_UPLOAD}.{table}"))
}

fn reader_failed(error: tokio::task::JoinError) -> Error {
    Error::internal("an upload's reader failed").caused_by(error)
}

/// Bytes of rows that a query may bring along.
#[derive(Debug, Clone, Copy)]
struct Budget {
    left: u64,
    whole: u64,
}

impl Budget {
    /// Takes so many bytes of it, and gives their number back.
    fn spend(&mut self, bytes: usize) -> Result<u64> {
        let bytes = bytes as u64;
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(bytes)
            }
            None => Err(Error::limit("the rows of the uploaded tables take more memory than they may")
                .with("bytes", self.whole)
                .with("setting", "query.max_upload_bytes")),
        }
    }
}
