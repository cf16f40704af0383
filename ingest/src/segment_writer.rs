//! From sorted rows to segments on workers.
//!
//! Each segment goes three steps: it is encoded as Parquet (several at the same time, on threads of their own), its name and bounds
//! are noted in the catalog as a part of the open transaction, and then it is put to its workers. The catalog comes before the
//! workers so that after a crash it knows every file that may have been written; nothing of it is visible before the commit.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::future::try_join_all;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use qserv_core::catalog::{Catalog, NewSegment, SegmentBounds, SegmentRole, TableId, TransactionId, WorkerId};
use qserv_core::index::ROW_GROUP_ROWS;
use qserv_core::partition::ChunkId;
use qserv_core::store::{SegmentStore, paths};
use qserv_core::{Error, Result};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::bounds;
use crate::settings::Settings;

/// Zstandard level of segments: decodes as fast as any, and higher levels cost far more time than they save space.
const ZSTD_LEVEL: i32 = 3;

/// Chance of a Bloom filter to say "perhaps" for a key that is not there: one row group in a hundred is read in vain.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// Largest dictionary of a column in a row group. A reader of one page needs the whole dictionary, so it must stay small; columns
/// with more distinct values fall back to plain pages.
const DICTIONARY_BYTES: usize = 64 << 10;

/// Segments and bytes that are noted in the catalog together: one SQL transaction for each would make small chunks slow.
const NOTED_TOGETHER: usize = 16;
const NOTED_TOGETHER_BYTES: usize = 64 << 20;

/// Everything about a segment but its rows.
#[derive(Debug, Clone)]
pub(crate) struct SegmentPlan {
    pub(crate) table: TableId,
    pub(crate) table_name: String,
    pub(crate) role: SegmentRole,
    pub(crate) chunk: Option<ChunkId>,
    pub(crate) replicas: Vec<WorkerId>,
    /// The columns of the rows' own position.
    pub(crate) position: Option<[String; 2]>,
    /// The key column.
    pub(crate) key: Option<String>,
    /// The place of the column that the rows are sorted by.
    pub(crate) sorted_by: Option<usize>,
}

/// Where segments go.
pub(crate) struct SegmentSink {
    catalog: Catalog,
    store: Arc<dyn SegmentStore>,
    runtime: Handle,
    transaction: TransactionId,
    database: String,
    chunk_order: Option<u8>,
    /// What makes file names unique in the cluster: the transaction and when it began.
    name_prefix: String,
    next_name: u64,
    row_group_rows: usize,
    page_rows: usize,
    encoders: usize,
    encoding: JoinSet<Result<Encoded>>,
    encoded: Vec<Encoded>,
    written: u64,
}

/// An encoded segment.
struct Encoded {
    segment: NewSegment,
    bytes: Bytes,
}

impl SegmentSink {
    pub(crate) fn new(
        (catalog, store, runtime): (Catalog, Arc<dyn SegmentStore>, Handle),
        transaction: &qserv_core::catalog::Transaction,
        database: &str,
        settings: &Settings,
    ) -> Self {
        Self {
            catalog,
            store,
            runtime,
            transaction: transaction.id,
            database: database.to_owned(),
            chunk_order: None,
            name_prefix: format!("{:011x}-{}", transaction.began_unix_ms, transaction.id),
            next_name: 0,
            row_group_rows: settings.row_group_rows,
            page_rows: settings.page_rows,
            encoders: settings.encoders(),
            encoding: JoinSet::new(),
            encoded: Vec::new(),
            written: 0,
        }
    }

    /// Sets the order that paths of chunks name.
    pub(crate) fn set_chunk_order(&mut self, order: u8) {
        self.chunk_order = Some(order);
    }

    /// Segments written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The path of the next segment.
    fn path(&mut self, plan: &SegmentPlan) -> String {
        let name = format!("{}-{}", self.name_prefix, self.next_name);
        self.next_name += 1;
        let chunk = self.chunk_order.zip(plan.chunk);
        paths::segment(&self.database, &plan.table_name, plan.role, chunk, &name)
    }

    /// Takes a segment's rows, in their order, without waiting until they are written; waits while all encoders are busy.
    pub(crate) fn write(&mut self, plan: SegmentPlan, schema: SchemaRef, rows: Vec<RecordBatch>) -> Result<()> {
        while self.encoding.len() >= self.encoders {
            self.collect_one()?;
        }
        let path = self.path(&plan);
        let (row_group_rows, page_rows) = (self.row_group_rows, self.page_rows);
        self.encoding
            .spawn_blocking_on(move || encode(plan, path, &schema, &rows, row_group_rows, page_rows), &self.runtime);
        Ok(())
    }

    /// Writes a key index segment and returns it with its bytes: the load reads them again before they are visible.
    pub(crate) fn write_index(
        &mut self,
        mut plan: SegmentPlan,
        replicas: impl FnOnce(&str) -> Vec<WorkerId>,
        schema: &SchemaRef,
        rows: &[RecordBatch],
    ) -> Result<(NewSegment, Bytes)> {
        let path = self.path(&plan);
        plan.replicas = replicas(&path);
        let encoded = encode(plan, path, schema, rows, ROW_GROUP_ROWS, ROW_GROUP_ROWS)?;
        let written = (encoded.segment.clone(), encoded.bytes.clone());
        self.encoded.push(encoded);
        self.publish()?;
        Ok(written)
    }

    /// Waits until everything is durable.
    pub(crate) fn finish(&mut self) -> Result<()> {
        while !self.encoding.is_empty() {
            self.collect_one()?;
        }
        self.publish()
    }

    fn collect_one(&mut self) -> Result<()> {
        let Some(encoded) = self.runtime.block_on(self.encoding.join_next()) else { return Ok(()) };
        let encoded = encoded.map_err(|error| Error::internal("a segment's encoder failed").caused_by(error))??;
        self.encoded.push(encoded);
        let bytes: usize = self.encoded.iter().map(|encoded| encoded.bytes.len()).sum();
        if self.encoded.len() >= NOTED_TOGETHER || bytes >= NOTED_TOGETHER_BYTES { self.publish() } else { Ok(()) }
    }

    /// Notes what is encoded and puts it to its workers.
    fn publish(&mut self) -> Result<()> {
        let encoded = std::mem::take(&mut self.encoded);
        if encoded.is_empty() {
            return Ok(());
        }
        self.written += encoded.len() as u64;
        let segments: Vec<NewSegment> = encoded.iter().map(|encoded| encoded.segment.clone()).collect();
        self.runtime.block_on(async {
            self.catalog.add_segments(self.transaction, &segments).await?;
            let puts = encoded.iter().flat_map(|Encoded { segment, bytes }| {
                segment.replicas.iter().map(|worker| self.store.put(worker, &segment.path, bytes.clone()))
            });
            try_join_all(puts).await
        })?;
        Ok(())
    }
}

fn encode(
    plan: SegmentPlan,
    path: String,
    schema: &SchemaRef,
    rows: &[RecordBatch],
    row_group_rows: usize,
    page_rows: usize,
) -> Result<Encoded> {
    let failed = |error: parquet::errors::ParquetError| {
        Error::internal("a segment cannot be encoded").with("table", &plan.table_name).caused_by(error)
    };
    let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
    let properties = properties(&plan, schema, count, row_group_rows, page_rows);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, Arc::clone(schema), Some(properties)).map_err(failed)?;
    for batch in rows {
        writer.write(batch).map_err(failed)?;
    }
    writer.close().map_err(failed)?;
    let bounds: SegmentBounds = bounds::of_rows(rows, plan.position.as_ref(), plan.key.as_deref())?;
    let bytes = Bytes::from(bytes);
    let segment = NewSegment {
        table: plan.table,
        chunk: plan.chunk,
        role: plan.role,
        path,
        rows: count as u64,
        bytes: bytes.len() as u64,
        bounds,
        replicas: plan.replicas,
    };
    Ok(Encoded { segment, bytes })
}

fn properties(
    plan: &SegmentPlan,
    schema: &SchemaRef,
    rows: usize,
    row_group_rows: usize,
    page_rows: usize,
) -> WriterProperties {
    let mut facts = vec![
        KeyValue::new("qserv.table".to_owned(), plan.table_name.clone()),
        KeyValue::new("qserv.role".to_owned(), plan.role.as_str().to_owned()),
    ];
    if let Some(chunk) = plan.chunk {
        facts.push(KeyValue::new("qserv.chunk".to_owned(), chunk.to_string()));
    }
    let sorted_by = plan.sorted_by.and_then(|column| i32::try_from(column).ok());
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("qserv ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(ZstdLevel::try_new(ZSTD_LEVEL).map_or(Compression::UNCOMPRESSED, Compression::ZSTD))
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_data_page_row_count_limit(page_rows)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_write_batch_size(page_rows.min(1024))
        .set_key_value_metadata(Some(facts))
        .set_sorting_columns(
            sorted_by.map(|column_idx| vec![SortingColumn { column_idx, descending: false, nulls_first: true }]),
        );
    // Measured values hardly repeat.
    for field in schema.fields().iter().filter(|field| field.data_type().is_floating()) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), false);
    }
    // A key index is found by bisection and needs no filter.
    if let Some(key) = plan.key.as_ref().filter(|_| plan.role != SegmentRole::KeyIndex) {
        let column = ColumnPath::from(key.as_str());
        properties = properties
            .set_column_bloom_filter_enabled(column.clone(), true)
            .set_column_bloom_filter_fpp(column.clone(), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(column, rows.min(row_group_rows) as u64);
    }
    properties.build()
}
