//! One partition of a scan: file by file, row group by row group, piece by piece.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::compute::BatchCoalescer;
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    DefaultParquetFileReaderFactory, ParquetAccessPlan, ParquetFileMetrics, ParquetFileReaderFactory,
    ParquetRowSelection, RowGroupAccess,
};
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSource;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::future::try_join_all;
use futures::{StreamExt, stream};
use parquet::arrow::arrow_reader::RowSelection;
use parquet::arrow::async_reader::AsyncFileReader;

use super::cache::{ColumnCache, ColumnKey, SegmentKey};
use super::columns::{Column, PIECE_ROWS, piece_rows, rows_of};
use super::filter::{Columns, Selection, piece_of};
use super::prepared::{Prepared, Prototype};
use super::segment::Segment;
use super::selections::{Selections, SelectionsKey};
use super::source::Unopened;

/// Where at most one row in so many of a row group is wanted, its pages are read without the cache the first time.
const SELECTIVE: usize = 4;

/// Rows that are read together, at least, where rows are read without the cache. Loads write pages of as many.
const PAGE_ROWS: usize = if cfg!(test) { 16 } else { 4096 };

/// Reads one partition of a scan.
pub(super) fn read(
    files: &Arc<FileScanConfig>,
    cache: &Arc<ColumnCache>,
    prototype: &Arc<Prototype>,
    unopened: Arc<Unopened>,
    partition: usize,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let Some(source) = files.file_source().downcast_ref::<ParquetSource>().cloned() else {
        return internal_err!("a shared scan of other files than Parquet");
    };
    let readers = match source.parquet_file_reader_factory() {
        Some(readers) => Arc::clone(readers),
        None => {
            let store = context.runtime_env().object_store(&files.object_store_url)?;
            Arc::new(DefaultParquetFileReaderFactory::new(store)) as Arc<dyn ParquetFileReaderFactory>
        }
    };
    let schema = files.projected_schema()?;
    let rows = files.batch_size.unwrap_or_else(|| context.session_config().batch_size()).max(1);
    // What is large already is handed on as it is.
    let batches = BatchCoalescer::new(Arc::clone(&schema), rows).with_biggest_coalesce_batch_size(Some(rows / 2));
    let metrics_set = source.metrics().clone();
    let metrics = Metrics::new(&metrics_set, partition);
    let partition = Partition {
        files: Arc::clone(files),
        source,
        reading: Reading { readers, cache: Arc::clone(cache), partition, counts: Counts::new(&metrics_set, partition) },
        unopened,
        context,
        prototype: Arc::clone(prototype),
        prepared: None,
        file: None,
        itself: None,
        batches,
        ready: VecDeque::new(),
        left: files.limit.unwrap_or(usize::MAX),
        has_ended: false,
        metrics,
    };
    let stream = stream::try_unfold(partition, |mut partition| async move {
        Ok(partition.next().await?.map(|batch| (batch, partition)))
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
}

/// A partition while it is read.
struct Partition {
    files: Arc<FileScanConfig>,
    source: ParquetSource,
    reading: Reading,
    unopened: Arc<Unopened>,
    context: Arc<TaskContext>,
    prototype: Arc<Prototype>,
    /// For files of the schema of the last one, which nearly all files have.
    prepared: Option<Prepared>,
    file: Option<OpenFile>,
    /// DataFusion's own scan of what is not read by way of the cache.
    itself: Option<SendableRecordBatchStream>,
    batches: BatchCoalescer,
    ready: VecDeque<RecordBatch>,
    /// Rows that may still be handed out.
    left: usize,
    has_ended: bool,
    metrics: Metrics,
}

/// How columns are come by.
struct Reading {
    readers: Arc<dyn ParquetFileReaderFactory>,
    cache: Arc<ColumnCache>,
    partition: usize,
    counts: Counts,
}

/// What was cached, and what not.
struct Counts {
    hits: Count,
    misses: Count,
    bytes_scanned: Count,
}

struct OpenFile {
    file: PartitionedFile,
    segment: Arc<Segment>,
    row_groups: VecDeque<usize>,
    /// What DataFusion's own scan is to read of it afterwards.
    by_itself: Option<ParquetAccessPlan>,
}

struct Metrics {
    files_opened: Count,
    files_processed: Count,
    baseline: BaselineMetrics,
    row_groups_skipped: Count,
    row_groups_read_once: Count,
    pieces_judged: Count,
    filters_remembered: Count,
}

impl Metrics {
    fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            files_opened: counter("files_opened"),
            files_processed: counter("files_processed"),
            baseline: BaselineMetrics::new(metrics, partition),
            row_groups_skipped: counter("row_groups_skipped"),
            row_groups_read_once: counter("row_groups_read_once"),
            pieces_judged: counter("pieces_skipped"),
            filters_remembered: counter("filters_remembered"),
        }
    }
}

impl Counts {
    fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            hits: counter("column_cache_hits"),
            misses: counter("column_cache_misses"),
            bytes_scanned: counter("bytes_scanned"),
        }
    }
}

impl Reading {
    /// Takes columns of a row group that are cached, and tells which are not.
    async fn take_cached(
        &self,
        segment: &Segment,
        row_group: usize,
        wanted: impl Iterator<Item = &usize>,
        columns: &mut [Option<Arc<Column>>],
    ) -> Vec<usize> {
        let mut missing = Vec::new();
        for &column in wanted {
            let Some(place) = columns.get_mut(column).filter(|place| place.is_none()) else { continue };
            *place = self.cache.column(&ColumnKey { segment: segment.id, row_group, column }).await;
            match place {
                Some(_) => self.counts.hits.add(1),
                None if missing.contains(&column) => {}
                None => missing.push(column),
            }
        }
        missing
    }

    /// Decodes the columns that are not there, by way of the cache.
    async fn decode(
        &self,
        file: &OpenFile,
        row_group: usize,
        wanted: &[usize],
        columns: &mut [Option<Arc<Column>>],
    ) -> Result<()> {
        let segment = &file.segment;
        let mut missing: Vec<usize> =
            wanted.iter().copied().filter(|column| columns.get(*column).is_some_and(Option::is_none)).collect();
        missing.sort_unstable();
        missing.dedup();
        let decoding = missing.iter().map(|&column| {
            let reader = self.reader(&file.file);
            let metadata = segment.metadata.clone();
            let key = ColumnKey { segment: segment.id, row_group, column };
            async move { self.cache.decoded(key, Column::decode(reader?, metadata, row_group, column)).await }
        });
        let decoded = try_join_all(decoding).await?;
        self.counts.misses.add(missing.len());
        for (column, decoded) in missing.into_iter().zip(decoded) {
            self.counts.bytes_scanned.add(segment.stored_bytes(row_group, column));
            if let Some(extent) = decoded.extent() {
                segment.learn(row_group, column, extent);
            }
            if let Some(place) = columns.get_mut(column) {
                *place = Some(decoded);
            }
        }
        Ok(())
    }

    fn reader(&self, file: &PartitionedFile) -> Result<Box<dyn AsyncFileReader>> {
        // A reader counts in metrics of its own, a dozen a file: here one is made for each column.
        let uncounted = ExecutionPlanMetricsSet::new();
        let hint = file.metadata_size_hint;
        Ok(self.readers.create_reader(self.partition, file.clone(), hint, &uncounted)?)
    }
}

impl Partition {
    /// The next rows; `None` at the end.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.take_ready() {
                return Ok(Some(batch));
            }
            if self.has_ended {
                self.metrics.baseline.done();
                return Ok(None);
            }
            if let Some(own) = &mut self.itself {
                match own.next().await.transpose()? {
                    // It counts its rows itself, in the same metrics.
                    Some(batch) if batch.num_columns() == 0 => self.ready.push_back(batch),
                    Some(batch) => self.batches.push_batch(batch)?,
                    None => self.itself = None,
                }
                continue;
            }
            if let Some(row_group) = self.file.as_mut().and_then(|file| file.row_groups.pop_front()) {
                self.read_row_group(row_group).await?;
                // A scan that finds nothing must let others have their turn, and end when it is dropped.
                tokio::task::yield_now().await;
                continue;
            }
            if let Some(file) = self.file.take() {
                match file.by_itself {
                    Some(access) => self.itself = Some(self.open_itself(&file.file, access)?),
                    None => self.metrics.files_processed.add(1),
                }
                continue;
            }
            match self.unopened.next() {
                Some(file) => self.open(file).await?,
                None => {
                    self.batches.finish_buffered_batch()?;
                    self.has_ended = true;
                }
            }
        }
    }

    /// Rows that can be handed out.
    fn take_ready(&mut self) -> Option<RecordBatch> {
        let batch = self.ready.pop_front().or_else(|| self.batches.next_completed_batch())?;
        let batch = if batch.num_rows() > self.left { batch.slice(0, self.left) } else { batch };
        self.left -= batch.num_rows();
        if self.left == 0 {
            // Nothing more is wanted, of no file.
            let mut files = usize::from(self.file.take().is_some());
            while self.unopened.next().is_some() {
                files += 1;
            }
            self.metrics.files_processed.add(files);
            (self.itself, self.has_ended) = (None, true);
            self.ready.clear();
        }
        Some(batch)
    }

    async fn open(&mut self, file: PartitionedFile) -> Result<()> {
        let is_whole = file.range.is_none()
            && file.arrow_schema.is_none()
            && file.partition_values.is_empty()
            && file.extension::<ParquetAccessPlan>().is_none()
            && file.extension::<ParquetRowSelection>().is_none();
        if !is_whole {
            self.itself = Some(self.open_itself_whole(&file)?);
            return Ok(());
        }
        let key = SegmentKey {
            store: self.files.object_store_url.as_str().to_owned(),
            path: file.object_meta.location.to_string(),
            bytes: file.object_meta.size,
            written_ms: file.object_meta.last_modified.timestamp_millis(),
        };
        let id = self.reading.cache.number_segment();
        let reader = self.reading.reader(&file)?;
        let segment = self.reading.cache.segment(key, Segment::open(id, reader)).await?;
        if self.prepared.as_ref().is_none_or(|prepared| prepared.schema != *segment.schema()) {
            self.prepared = self.prototype.of(&self.files, &self.source, segment.schema(), &self.reading.cache)?;
        }
        if self.prepared.is_none() {
            self.itself = Some(self.open_itself_whole(&file)?);
            return Ok(());
        }
        self.metrics.files_opened.add(1);
        let row_groups = (0..segment.row_groups()).collect();
        self.file = Some(OpenFile { file, segment, row_groups, by_itself: None });
        if let Some(prepared) = &mut self.prepared {
            prepared.refresh()?;
        }
        self.skip_row_groups()
    }

    /// Leaves out row groups of the open file that cannot have rows.
    fn skip_row_groups(&mut self) -> Result<()> {
        let (Some(file), Some(prepared)) = (&mut self.file, &self.prepared) else { return Ok(()) };
        let Some(filter) = &prepared.filter else { return Ok(()) };
        let is_known =
            |row_group: &usize| filter.columns().all(|column| file.segment.extent(*row_group, column).is_some());
        if file.row_groups.iter().all(is_known) {
            // What was decoded once is known better than by Parquet's statistics, and asked in `read_row_group`.
            return Ok(());
        }
        let Some(pruning) = prepared.pruning() else { return Ok(()) };
        let may_have = pruning.prune(file.segment.as_ref())?;
        let before = file.row_groups.len();
        file.row_groups.retain(|row_group| may_have.get(*row_group).copied().unwrap_or(true));
        self.metrics.row_groups_skipped.add(before - file.row_groups.len());
        Ok(())
    }

    async fn read_row_group(&mut self, row_group: usize) -> Result<()> {
        let Some(prepared) = &mut self.prepared else { return Ok(()) };
        if prepared.refresh()? {
            if let Some(file) = &mut self.file {
                file.row_groups.push_front(row_group);
            }
            return self.skip_row_groups();
        }
        let (Some(file), Some(prepared)) = (&self.file, &self.prepared) else { return Ok(()) };
        let segment = Arc::clone(&file.segment);
        let rows = rows_of(&segment.metadata, row_group);
        if rows == 0 {
            return Ok(());
        }

        let is_denied = prepared
            .filter
            .as_ref()
            .is_some_and(|filter| !filter.may_have(&|column| segment.extent(row_group, column)));
        if is_denied {
            self.metrics.row_groups_skipped.add(1);
            return Ok(());
        }

        let wanted = prepared.projection.columns.clone();
        let has_filter = prepared.filter.is_some();
        // A bound on rows may end a row group before all that meet the filter were found.
        let left = self.left.saturating_sub(self.batches.get_buffered_rows());
        let condition = prepared.condition.clone().filter(|_| left >= rows);
        let key = condition.map(|condition| SelectionsKey { segment: segment.id, row_group, condition });
        let known = match &key {
            Some(key) => self.reading.cache.selections(key).await,
            None => None,
        };
        let mut columns: Vec<Option<Arc<Column>>> = vec![None; segment.schema().fields().len()];
        let selections = match known {
            Some(known) => {
                self.metrics.filters_remembered.add(1);
                known
            }
            None => {
                if !self.take_filtering(&segment, row_group, &mut columns).await? {
                    return Ok(());
                }
                let Some(prepared) = &self.prepared else { return Ok(()) };
                let metrics = &self.metrics;
                let find = || Ok(Selections::new(select(metrics, prepared, left, rows, &columns)?));
                match key {
                    Some(key) => self.reading.cache.selected(key, find).await?,
                    None => find()?,
                }
            }
        };
        let selections = selections.pieces();
        if selections.is_empty() {
            return Ok(());
        }
        let missing = self.reading.take_cached(&segment, row_group, wanted.iter(), &mut columns).await;
        if !missing.is_empty() && has_filter {
            let pages = pages_of(selections, rows);
            let in_pages: usize = pages.iter().map(ExactSizeIterator::len).sum();
            let is_first = in_pages * SELECTIVE <= rows && segment.ask(row_group, missing.iter().copied());
            if is_first || self.is_too_wide(&segment, row_group, &missing) {
                let pages = RowSelection::from_consecutive_ranges(pages.into_iter(), rows);
                self.leave(row_group, RowGroupAccess::Selection(pages));
                return Ok(());
            }
        }
        let Some(file) = &self.file else { return Ok(()) };
        self.reading.decode(file, row_group, &wanted, &mut columns).await?;
        self.hand_out(selections, rows, &columns)
    }

    /// Takes the columns that the filter reads; false if DataFusion's own scan is to read the row group, or there is nothing in it.
    async fn take_filtering(
        &mut self,
        segment: &Arc<Segment>,
        row_group: usize,
        columns: &mut [Option<Arc<Column>>],
    ) -> Result<bool> {
        let (Some(file), Some(prepared)) = (&self.file, &self.prepared) else { return Ok(false) };
        let rows = rows_of(&segment.metadata, row_group);
        let filtering: Vec<usize> = prepared.filter.iter().flat_map(|filter| filter.columns()).collect();
        let all = filtering.iter().chain(&prepared.projection.columns);
        let missing = self.reading.take_cached(segment, row_group, all, columns).await;
        let is_too_wide = !missing.is_empty() && self.is_too_wide(segment, row_group, &missing);
        // Where the filter's columns are there, it tells better than the page index what is wanted of the others.
        if missing.iter().any(|column| filtering.contains(column)) {
            match self.pages(segment, row_group) {
                RowGroupAccess::Skip => return Ok(false),
                pages if is_too_wide => {
                    self.leave(row_group, pages);
                    return Ok(false);
                }
                RowGroupAccess::Selection(pages)
                    if pages.row_count() * SELECTIVE <= rows && segment.ask(row_group, missing.iter().copied()) =>
                {
                    self.leave(row_group, RowGroupAccess::Selection(pages));
                    return Ok(false);
                }
                _ => {}
            }
        }
        if !missing.is_empty() && filtering.is_empty() && (self.left <= rows / SELECTIVE || is_too_wide) {
            self.leave(row_group, RowGroupAccess::Scan);
            return Ok(false);
        }
        self.reading.decode(file, row_group, &filtering, columns).await?;
        Ok(true)
    }

    fn is_too_wide(&self, segment: &Segment, row_group: usize, missing: &[usize]) -> bool {
        segment.decoded_bytes(row_group, missing.iter().copied()) > self.reading.cache.widest_row_group()
    }

    /// The pages of a row group that can have rows, as far as the filter tells.
    fn pages(&self, segment: &Segment, row_group: usize) -> RowGroupAccess {
        let (Some(file), Some(prepared)) = (&self.file, &self.prepared) else { return RowGroupAccess::Scan };
        let Some(pruning) = prepared.page_pruning() else { return RowGroupAccess::Scan };
        let mut access = ParquetAccessPlan::new_none(segment.row_groups());
        access.scan(row_group);
        // DataFusion's own scan counts the pages that it skips.
        let uncounted = ParquetFileMetrics::new(
            self.reading.partition,
            file.file.object_meta.location.as_ref(),
            &ExecutionPlanMetricsSet::new(),
        );
        let schema = segment.metadata.parquet_schema();
        let access = pruning.prune_plan_with_page_index(access, segment.schema(), schema, segment.footer(), &uncounted);
        access.into_inner().into_iter().nth(row_group).unwrap_or(RowGroupAccess::Scan)
    }

    fn hand_out(&mut self, selections: &[(usize, Selection)], rows: usize, columns: &Columns) -> Result<()> {
        let timer = self.metrics.baseline.elapsed_compute().timer();
        let Some(prepared) = &self.prepared else { return Ok(()) };
        let projection = &prepared.projection;
        let mut handed_out = 0;
        if projection.schema().fields().is_empty() {
            let counts = selections.iter().map(|(piece, selection)| selection.count(piece_rows(rows, *piece)));
            handed_out = counts.sum();
            self.ready.push_back(projection.project(Vec::new(), handed_out)?);
        } else {
            for (piece, selection) in selections {
                let count = selection.count(piece_rows(rows, *piece));
                let arrays = projection.columns.iter().map(|column| selection.of(&piece_of(columns, *column, *piece)?));
                let batch = projection.project(arrays.collect::<Result<_>>()?, count)?;
                handed_out += count;
                // A whole piece goes out as it is: few rows that wait before it would have it copied, and all that come behind it.
                if count >= PIECE_ROWS && self.batches.biggest_coalesce_batch_size().is_some_and(|most| count > most) {
                    self.batches.finish_buffered_batch()?;
                }
                self.batches.push_batch(batch)?;
            }
        }
        drop(timer);
        self.metrics.baseline.record_output(handed_out);
        Ok(())
    }

    /// Leaves a row group, or a part of it, to DataFusion's own scan.
    fn leave(&mut self, row_group: usize, access: RowGroupAccess) {
        let Some(file) = &mut self.file else { return };
        self.metrics.row_groups_read_once.add(1);
        let row_groups = file.segment.row_groups();
        file.by_itself.get_or_insert_with(|| ParquetAccessPlan::new_none(row_groups)).set(row_group, access);
    }

    fn open_itself(&self, file: &PartitionedFile, access: ParquetAccessPlan) -> Result<SendableRecordBatchStream> {
        let mut file = file.clone();
        file.extensions.insert(access);
        self.open_itself_whole(&file)
    }

    fn open_itself_whole(&self, file: &PartitionedFile) -> Result<SendableRecordBatchStream> {
        // What can be skipped has been; by statistics alone rows with NaN would be lost.
        let mut options = self.source.table_parquet_options().clone();
        (options.global.pruning, options.global.enable_page_index) = (false, false);
        let source = Arc::new(self.source.clone().with_table_parquet_options(options));
        // In the place of this partition, so that it counts in its metrics.
        let mut groups = vec![FileGroup::default(); self.reading.partition];
        groups.push(FileGroup::new(vec![file.clone()]));
        let files = FileScanConfigBuilder::new(self.files.object_store_url.clone(), source)
            .with_file_groups(groups)
            .with_batch_size(self.files.batch_size)
            .with_expr_adapter(self.files.expr_adapter_factory.clone())
            .with_limit(self.files.limit.map(|_| self.left))
            .build();
        files.open(self.reading.partition, Arc::clone(&self.context))
    }
}

/// The rows of a row group that meet the filter, piece by piece; no more than are left to be handed out.
fn select(
    metrics: &Metrics,
    prepared: &Prepared,
    mut left: usize,
    rows: usize,
    columns: &Columns,
) -> Result<Vec<(usize, Selection)>> {
    let _timer = metrics.baseline.elapsed_compute().timer();
    let mut judged = 0;
    let mut selections = Vec::new();
    for piece in 0..rows.div_ceil(PIECE_ROWS) {
        let rows = piece_rows(rows, piece);
        let selection = match &prepared.filter {
            Some(filter) => filter.select(piece, rows, columns, &mut judged)?,
            None => Some(Selection::All),
        };
        let Some(selection) = selection.map(|selection| selection.first(left, rows).for_copies(rows)) else {
            continue;
        };
        left -= selection.count(rows);
        if selection.count(rows) > 0 {
            selections.push((piece, selection));
        }
        if left == 0 {
            break;
        }
    }
    metrics.pieces_judged.add(judged);
    Ok(selections)
}

/// The pages, if all have [`PAGE_ROWS`], that hold rows of a selection.
fn pages_of(selections: &[(usize, Selection)], rows: usize) -> Vec<Range<usize>> {
    let mut pages: Vec<Range<usize>> = Vec::new();
    for (piece, selection) in selections {
        for row in selection.numbers(piece_rows(rows, *piece)) {
            let row = piece * PIECE_ROWS + row;
            if pages.last().is_some_and(|page| row < page.end) {
                continue;
            }
            let start = row - row % PAGE_ROWS;
            let end = (start + PAGE_ROWS).min(rows);
            match pages.last_mut() {
                Some(page) if page.end == start => page.end = end,
                _ => pages.push(start..end),
            }
        }
    }
    pages
}
