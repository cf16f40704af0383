//! From a site's plan to a Parquet scan whose file groups are whole chunks.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::Session;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::Partitioning;
use datafusion::physical_expr::expressions::{Column, binary, lit};
use datafusion::physical_plan::filter_pushdown::PushedDown;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use qserv_core::catalog::{HEALPIX_29, Segment};
use qserv_core::partition::ChunkId;
use qserv_core::store::SEGMENT_STORE_URL;

use super::{CatalogTable, Family, SitePlan};
use crate::placement::{Cell, Slot};

/// Travels with each file of a scan, so that a leaf can be split by task without asking the catalog again.
#[derive(Debug, Clone)]
pub struct FileSlot {
    /// Where the file is read.
    pub slot: Slot,
    /// Whether it belongs to a chunk; a replicated table's files do not.
    pub partitioned: bool,
    /// Whose keys the file's chunks follow, if the table is partitioned.
    pub family: Option<Family>,
    /// Whether the scan reads overlap beside its chunks.
    pub is_halo: bool,
    /// The chunk that may be read apart from all others; `None` for files that are read together with those of other chunks.
    pub cell: Option<Cell>,
    /// The segment that the file is.
    pub segment: Arc<Segment>,
}

/// The family by which a scan's files are partitioned; `None` if it has no files or they follow none.
#[must_use]
pub fn family_of(scan: &FileScanConfig) -> Option<Family> {
    let files = scan.file_groups.iter().flat_map(|group| group.files());
    files.filter_map(|file| file.extensions.get::<FileSlot>()).find_map(|slot| slot.family.clone())
}

/// Whether a scan reads chunks: a replicated table's files belong to none.
#[must_use]
pub fn reads_chunks(scan: &FileScanConfig) -> bool {
    let mut files = scan.file_groups.iter().flat_map(|group| group.files());
    files.any(|file| file.extensions.get::<FileSlot>().is_some_and(|slot| slot.partitioned))
}

/// Whether a scan reads overlap beside its chunks, so that rows come more than once.
#[must_use]
pub fn is_halo(scan: &FileScanConfig) -> bool {
    let mut files = scan.file_groups.iter().flat_map(|group| group.files());
    files.any(|file| file.extensions.get::<FileSlot>().is_some_and(|slot| slot.is_halo))
}

/// The scan of a site.
pub(super) fn scan(
    table: &CatalogTable,
    plan: &SitePlan,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let source = Arc::new(source(table, plan, state)?);
    // The hidden sort column is the last of the segment schema: without a projection the declared columns are meant.
    let declared = projection.cloned().unwrap_or_else(|| (0..table.declared_schema.fields().len()).collect());
    Ok(DataSourceExec::from_data_source(of_source(table, plan, source, declared, limit)?))
}

/// The scan of a site's rows for which all conditions hold, as expressions of its declared columns; `None` if a scan cannot
/// test one of them.
pub(super) fn scan_where(
    table: &CatalogTable,
    plan: &SitePlan,
    state: &dyn Session,
    columns: &[usize],
    conditions: Vec<Arc<dyn PhysicalExpr>>,
    limit: Option<usize>,
) -> Result<Option<FileScanConfig>> {
    let source = source(table, plan, state)?;
    let pushed = source.try_pushdown_filters(conditions, state.config_options())?;
    let are_tested = pushed.filters.iter().all(|tested| matches!(tested, PushedDown::Yes));
    let Some(source) = pushed.updated_node.filter(|_| are_tested) else { return Ok(None) };
    of_source(table, plan, source, columns.to_vec(), limit).map(Some)
}

/// What reads a site's files.
fn source(table: &CatalogTable, plan: &SitePlan, state: &dyn Session) -> Result<ParquetSource> {
    let url = ObjectStoreUrl::parse(SEGMENT_STORE_URL)?;
    let runtime = state.runtime_env();
    let readers = CachedParquetFileReaderFactory::new(
        runtime.object_store(&url)?,
        runtime.cache_manager.get_file_metadata_cache(),
    );
    let options =
        TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..Default::default() };
    let mut source = ParquetSource::new(TableSchema::from(table.segment_schema.clone()))
        .with_table_parquet_options(options)
        .with_parquet_file_reader_factory(Arc::new(readers));
    if let Some(predicate) = range_predicate(table, plan)? {
        source = source.with_predicate(predicate);
    }
    Ok(source)
}

fn of_source(
    table: &CatalogTable,
    plan: &SitePlan,
    source: Arc<dyn FileSource>,
    columns: Vec<usize>,
    limit: Option<usize>,
) -> Result<FileScanConfig> {
    let url = ObjectStoreUrl::parse(SEGMENT_STORE_URL)?;
    let groups = plan.placement.groups();
    let statistics = statistics(table, plan);
    let key = table.key(plan.role);
    let mut builder = FileScanConfigBuilder::new(url, source)
        .with_file_groups(file_groups(table, plan, groups))
        .with_statistics(statistics)
        .with_limit(limit);
    if plan.key_partitioned
        && let Some((key, _)) = &key
    {
        let index = table.segment_schema.index_of(key)?;
        let key: Arc<dyn PhysicalExpr> = Arc::new(Column::new(key, index));
        builder = builder.with_output_partitioning(Some(Partitioning::Hash(vec![key], groups)));
    } else if plan.is_paired {
        // Without a word on it, groups take each other's files while they are read.
        builder = builder.with_output_partitioning(Some(Partitioning::UnknownPartitioning(groups)));
    }
    Ok(builder.with_projection_indices(Some(columns))?.build())
}

fn file_groups(table: &CatalogTable, plan: &SitePlan, groups: usize) -> Vec<FileGroup> {
    let family = table.key(plan.role).map(|(_, family)| family);
    let mut files: Vec<Vec<PartitionedFile>> = vec![Vec::new(); groups];
    for (number, segment) in plan.segments.iter().enumerate() {
        let null_keys_only = segment.rows > 0 && segment.bounds.null_keys == segment.rows;
        let apart = |_: &ChunkId| !(plan.nulls_together && null_keys_only);
        let cell = segment.chunk.filter(apart).map(|chunk| (table.chunks_of().clone(), chunk));
        let slot = match (&cell, segment.chunk) {
            (Some(cell), _) => plan.placement.slot(cell),
            (None, Some(_)) => Slot { task: 0, group: 0 },
            // A table without chunks is read by one task, by all its cores.
            (None, None) => Slot { task: 0, group: number % groups.max(1) },
        };
        let slot_of_file = FileSlot {
            slot,
            partitioned: segment.chunk.is_some(),
            family: family.clone(),
            is_halo: plan.is_halo,
            cell,
            segment: Arc::clone(segment),
        };
        if let Some(group) = files.get_mut(slot.group) {
            group.push(file(segment, slot_of_file));
        }
    }
    files.into_iter().map(FileGroup::new).collect()
}

fn file(segment: &Segment, slot: FileSlot) -> PartitionedFile {
    let mut file = PartitionedFile::new(segment.path.clone(), segment.bytes);
    file.extensions.insert(slot);
    file
}

/// `_healpix_29` in one of the site's ranges: prunes row groups and pages by the sort order.
fn range_predicate(table: &CatalogTable, plan: &SitePlan) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let Some(ranges) = &plan.healpix_29_ranges else { return Ok(None) };
    let schema = &table.segment_schema;
    let Ok(index) = schema.index_of(HEALPIX_29) else { return Ok(None) };
    let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(HEALPIX_29, index));
    let mut predicate: Option<Arc<dyn PhysicalExpr>> = None;
    for range in ranges {
        // Order 29 has 12 * 4^29 cells: every cell number fits in 63 bits.
        let (Ok(start), Ok(end)) = (i64::try_from(range.start), i64::try_from(range.end)) else { return Ok(None) };
        let low = binary(column.clone(), Operator::GtEq, lit(start), schema)?;
        let high = binary(column.clone(), Operator::Lt, lit(end), schema)?;
        let inside = binary(low, Operator::And, high, schema)?;
        predicate = Some(match predicate {
            Some(others) => binary(others, Operator::Or, inside, schema)?,
            None => inside,
        });
    }
    Ok(Some(predicate.unwrap_or_else(|| lit(false))))
}

/// Exact row count, and exact bounds of the key: COUNT(*) and MIN/MAX of the key need no scan.
fn statistics(table: &CatalogTable, plan: &SitePlan) -> Statistics {
    let mut statistics = Statistics::new_unknown(&table.segment_schema);
    let rows: u64 = plan.segments.iter().map(|segment| segment.rows).sum();
    let bytes: u64 = plan.segments.iter().map(|segment| segment.bytes).sum();
    statistics.num_rows = Precision::Exact(usize::try_from(rows).unwrap_or(usize::MAX));
    statistics.total_byte_size = Precision::Inexact(usize::try_from(bytes).unwrap_or(usize::MAX));
    if let Some((key, _)) = table.key(plan.role)
        && let Ok(index) = table.segment_schema.index_of(key)
        && let Some(column) = statistics.column_statistics.get_mut(index)
    {
        *column = key_statistics(plan, table.segment_schema.field(index).data_type());
    }
    statistics
}

fn key_statistics(plan: &SitePlan, datatype: &DataType) -> ColumnStatistics {
    let nulls: u64 = plan.segments.iter().map(|segment| segment.bounds.null_keys).sum();
    let mut span: Option<[i64; 2]> = None;
    for segment in plan.segments.iter().filter(|segment| segment.rows > segment.bounds.null_keys) {
        let Some([low, high]) = segment.bounds.key else { return ColumnStatistics::new_unknown() };
        span = Some(span.map_or([low, high], |[least, most]| [least.min(low), most.max(high)]));
    }
    let mut column = ColumnStatistics::new_unknown();
    column.null_count = Precision::Exact(usize::try_from(nulls).unwrap_or(usize::MAX));
    if let Some([low, high]) = span
        && let (Ok(low), Ok(high)) =
            (ScalarValue::Int64(Some(low)).cast_to(datatype), ScalarValue::Int64(Some(high)).cast_to(datatype))
    {
        column.min_value = Precision::Exact(low);
        column.max_value = Precision::Exact(high);
    }
    column
}
