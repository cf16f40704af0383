//! Tables that a query brings along, from its request to its plan.
//!
//! 1. `Uploads::receive` opens each table and encodes its rows, on a thread that may block, as Parquet segments of bounded size.
//! 2. Each segment is noted in the catalog, then put to two workers. From there it is read like any other segment, by whichever
//!    worker runs that part of the plan.
//! 3. `Received` is what planning needs: the names, and the tables as DataFusion sees them. The prepared snapshot stays as it is;
//!    `Prepared::with` lays them beside it.
//! 4. When the last who needs it is gone (the query ended, failed, or its client went away) `Deleter` deletes the segments. Those
//!    of a czar that died are garbage of the catalog's, and go when the next one starts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use futures::StreamExt;
use futures::future::try_join_all;
use qserv_adql::NameList;
use qserv_core::catalog::{Catalog, Segment, SegmentBounds, SegmentId, SegmentRole, WorkerId};
use qserv_core::clock::SharedClock;
use qserv_core::store::{SegmentStore, paths};
use qserv_core::upload::{TAP_UPLOAD, Upload, UploadedTable, check_names};
use qserv_core::{Error, Result};
use qserv_engine::error::from_datafusion;
use qserv_engine::table::CatalogTable;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::schema::Database;
use crate::translate::described_field;

/// Encoded bytes at which a segment ends: what one upload holds in memory, a few times over.
const SEGMENT_BYTES: usize = 8 << 20;

/// Rows of a row group: a scan decodes a column of one at a time.
const ROW_GROUP_ROWS: usize = 64 << 10;

/// Copies of each segment. With two, a worker that dies costs no query its upload.
const COPIES: usize = 2;

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
    /// To be called inside a runtime. No query runs for longer than `timeout`; the rows of one query's uploads may have
    /// `max_bytes` in memory.
    pub(crate) fn new(
        (catalog, store, clock): (Catalog, Arc<dyn SegmentStore>, SharedClock),
        timeout: Duration,
        max_bytes: u64,
    ) -> Self {
        let lifetime_ms = i64::try_from(timeout.saturating_add(GRACE).as_millis()).unwrap_or(i64::MAX);
        let deleter = Deleter::start(catalog.clone(), Arc::clone(&store));
        Self { catalog, store, clock, lifetime_ms, max_bytes, deleter }
    }

    /// Puts the uploads of a query where workers can read them; `None` if there are none.
    ///
    /// # Errors
    /// What opening and reading them gives, with the table's name; `Limit` if they are too large; `Unavailable` if no worker takes
    /// them.
    pub(crate) async fn receive(&self, uploads: &[Upload]) -> Result<Option<Arc<Received>>> {
        if uploads.is_empty() {
            return Ok(None);
        }
        check_names(uploads)?;
        let mut kept = self.deleter.keep();
        let mut names = NameList::default();
        let mut tables: BTreeMap<String, Arc<dyn TableProvider>> = BTreeMap::new();
        let mut budget = Budget { left: self.max_bytes, whole: self.max_bytes };
        for upload in uploads {
            let named = |error: Error| error.with("table", format!("{TAP_UPLOAD}.{}", upload.name()));
            let (schema, segments) = self.write(upload, &mut budget, &mut kept).await.map_err(named)?;
            let columns = schema.fields().iter().map(|field| described_field(field));
            names.add_described_table(TAP_UPLOAD, upload.name(), columns);
            let table = CatalogTable::temporary(TAP_UPLOAD, upload.name(), schema, segments);
            tables.insert(upload.name().to_owned(), Arc::new(table));
        }
        let tables = Arc::new(Database::of(tables));
        Ok(Some(Arc::new(Received { names, tables, _kept: kept })))
    }

    /// Reads one table and writes it. Dropping this future ends the reading at its next segment.
    async fn write(
        &self,
        upload: &Upload,
        budget: &mut Budget,
        kept: &mut Kept,
    ) -> Result<(SchemaRef, Vec<Arc<Segment>>)> {
        let mut places = self.places().await?;
        let (sender, mut receiver) = mpsc::channel(1);
        let (table, mut spending) = (Arc::clone(upload.table()), *budget);
        let reading = tokio::task::spawn_blocking(move || {
            let schema = encode(table.as_ref(), &mut spending, &sender)?;
            Ok::<_, Error>((schema, spending))
        });
        let mut segments = Vec::new();
        while let Some(encoded) = receiver.recv().await {
            let (path, replicas) = places.next();
            segments.push(Arc::new(self.put(path, encoded, replicas, kept).await?));
        }
        let read = reading.await;
        let (schema, spent) = read.map_err(|error| Error::internal("an upload's reader failed").caused_by(error))??;
        *budget = spent;
        Ok((schema, segments))
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
                let (path, replicas) = places.next();
                segments.push(Arc::new(self.put(path, encoded, replicas, &mut kept).await?));
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
        Ok(Places { name, workers, segments: 0 })
    }

    async fn put(&self, path: String, encoded: Encoded, replicas: Vec<WorkerId>, kept: &mut Kept) -> Result<Segment> {
        let copies: Vec<(WorkerId, String)> = replicas.iter().map(|worker| (worker.clone(), path.clone())).collect();
        let until = self.clock.unix_ms().saturating_add(self.lifetime_ms);
        self.catalog.note_temporary(&copies, until).await?;
        kept.copies.extend(copies);
        try_join_all(replicas.iter().map(|worker| self.store.put(worker, &path, encoded.bytes.clone()))).await?;
        Ok(Segment {
            id: SegmentId(0),
            chunk: None,
            role: SegmentRole::Rows,
            path,
            rows: encoded.rows,
            bytes: encoded.bytes.len() as u64,
            bounds: SegmentBounds::default(),
            replicas,
        })
    }
}

/// Names and workers for the segments of one table.
struct Places {
    name: Uuid,
    workers: Vec<WorkerId>,
    segments: usize,
}

impl Places {
    /// Those of the next segment.
    fn next(&mut self) -> (String, Vec<WorkerId>) {
        let path = paths::temporary(&format!("{}-{}", self.name.simple(), self.segments));
        let replicas = self.workers.iter().take(COPIES).cloned().collect();
        self.workers.rotate_left(1);
        self.segments += 1;
        (path, replicas)
    }
}

/// Bytes of rows that a query may bring along.
#[derive(Debug, Clone, Copy)]
struct Budget {
    left: u64,
    whole: u64,
}

impl Budget {
    fn spend(&mut self, bytes: usize) -> Result<()> {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Error::limit("the rows of the uploaded tables take more memory than they may")
                .with("bytes", self.whole)
                .with("setting", "query.max_upload_bytes")),
        }
    }
}

/// Some rows of an upload as a Parquet file.
struct Encoded {
    bytes: Bytes,
    rows: u64,
}

/// Encodes a table segment by segment, and gives its schema. Ends when nobody receives any more.
fn encode(table: &dyn UploadedTable, budget: &mut Budget, sender: &mpsc::Sender<Encoded>) -> Result<SchemaRef> {
    let table = table.open()?;
    let schema = Arc::clone(&table.schema);
    if schema.fields().len() > MAX_COLUMNS {
        return Err(Error::limit("the uploaded table has too many columns").with("most", MAX_COLUMNS));
    }
    let mut writer = SegmentWriter::new(&schema);
    for batch in table.batches {
        let batch = batch?;
        budget.spend(bytes_of(&batch))?;
        if let Some(encoded) = writer.write(&batch)?
            && sender.blocking_send(encoded).is_err()
        {
            return Ok(schema);
        }
    }
    if let Some(encoded) = writer.finish()? {
        // If nobody receives it, nobody needs it.
        let _ = sender.blocking_send(encoded);
    }
    Ok(schema)
}

/// What rows take in memory.
fn bytes_of(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

struct SegmentWriter {
    schema: SchemaRef,
    open: Option<ArrowWriter<Vec<u8>>>,
    rows: u64,
}

impl SegmentWriter {
    fn new(schema: &SchemaRef) -> Self {
        Self { schema: Arc::clone(schema), open: None, rows: 0 }
    }

    /// Adds rows, and gives a segment when it is full.
    fn write(&mut self, batch: &RecordBatch) -> Result<Option<Encoded>> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let writer = match &mut self.open {
            Some(writer) => writer,
            None => {
                // It is read once or twice, soon: what counts is the time it takes to write and to read.
                let properties = WriterProperties::builder()
                    .set_compression(Compression::SNAPPY)
                    .set_dictionary_enabled(false)
                    .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&self.schema), Some(properties));
                self.open.insert(writer.map_err(cannot_encode)?)
            }
        };
        writer.write(batch).map_err(cannot_encode)?;
        self.rows += batch.num_rows() as u64;
        let is_full = writer.bytes_written() + writer.in_progress_size() >= SEGMENT_BYTES;
        if is_full { self.finish() } else { Ok(None) }
    }

    /// The segment that is open, if there is one.
    fn finish(&mut self) -> Result<Option<Encoded>> {
        let Some(writer) = self.open.take() else { return Ok(None) };
        let bytes = Bytes::from(writer.into_inner().map_err(cannot_encode)?);
        Ok(Some(Encoded { bytes, rows: std::mem::take(&mut self.rows) }))
    }
}

fn cannot_encode(error: datafusion::parquet::errors::ParquetError) -> Error {
    Error::internal("an uploaded table cannot be stored").caused_by(error)
}

/// Deletes segments that no query needs any more, behind everyone's back.
struct Deleter {
    sender: mpsc::UnboundedSender<Vec<(WorkerId, String)>>,
    /// Ends with the czar. What it has not deleted then, the next one does.
    _task: JoinSet<()>,
}

/// Copies that are deleted when this is dropped.
struct Kept {
    copies: Vec<(WorkerId, String)>,
    sender: mpsc::UnboundedSender<Vec<(WorkerId, String)>>,
}

impl Deleter {
    fn start(catalog: Catalog, store: Arc<dyn SegmentStore>) -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Vec<(WorkerId, String)>>();
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Some(copies) = receiver.recv().await {
                if let Err(error) = delete(&catalog, store.as_ref(), copies).await {
                    // The catalog knows them: they are deleted when their time is over.
                    tracing::warn!(error = %error.to_log(), "files of a query that has ended are still there");
                }
            }
        });
        Self { sender, _task: task }
    }

    fn keep(&self) -> Kept {
        Kept { copies: Vec::new(), sender: self.sender.clone() }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.copies.is_empty() {
            // Without a receiver the czar is gone, see `Deleter`.
            let _ = self.sender.send(std::mem::take(&mut self.copies));
        }
    }
}

async fn delete(catalog: &Catalog, store: &dyn SegmentStore, copies: Vec<(WorkerId, String)>) -> Result<()> {
    let mut gone = Vec::with_capacity(copies.len());
    let mut failed = None;
    for (worker, path) in copies {
        match store.delete(&worker, &path).await {
            Ok(()) => gone.push((worker, path)),
            Err(error) => failed = Some(error),
        }
    }
    catalog.forget_garbage(&gone).await?;
    failed.map_or(Ok(()), Err)
}
