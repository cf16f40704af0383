//! The source of a scan that shares its columns.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileSource, ParquetSource};
use datafusion::datasource::source::{DataSource, OpenArgs};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

use super::cache::ColumnCache;
use super::prepared::Prototype;
use super::stream;

/// Functions that DataFusion's scan replaces, file by file.
const OF_FILES: [&str; 2] = ["input_file_name", "file_row_index"];

/// A scan of Parquet files by way of the columns that all scans share: the same files, the same rows.
///
/// It stands where the [`FileScanConfig`] of the same files would, and says of itself what that does.
#[derive(Debug, Clone)]
pub struct SharedScan {
    files: Arc<FileScanConfig>,
    cache: Arc<ColumnCache>,
    prototype: Arc<Prototype>,
}

/// Files that the partitions of a scan take from each other, where it does not matter which reads what.
#[derive(Debug, Default)]
pub(super) struct Unopened(Mutex<VecDeque<PartitionedFile>>);

impl Unopened {
    fn new(files: impl IntoIterator<Item = PartitionedFile>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(files.into_iter().collect())))
    }

    /// The next file to read.
    pub(super) fn next(&self) -> Option<PartitionedFile> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front()
    }
}

impl SharedScan {
    /// The same scan by way of the cache; `None` for a scan that DataFusion must do itself.
    pub(super) fn of(files: &FileScanConfig, cache: &Arc<ColumnCache>) -> Option<Self> {
        let source = files.file_source().downcast_ref::<ParquetSource>()?;
        let options = &source.table_parquet_options().global;
        // A filter that is there for skipping alone lets rows pass that do not meet it.
        let filters = source.filter().is_none() || options.pushdown_filters;
        let table = source.table_schema();
        let is_plain = table.table_partition_cols().is_empty() && table.virtual_columns().is_empty();
        let has_order = files.preserve_order || !files.output_ordering.is_empty();
        let calls_file = |expression: &Arc<dyn PhysicalExpr>| {
            let call = |node: &Arc<dyn PhysicalExpr>| {
                let function = node.downcast_ref::<ScalarFunctionExpr>();
                Ok(function.is_some_and(|function| OF_FILES.contains(&function.fun().name())))
            };
            expression.exists(call).unwrap_or(true)
        };
        let is_of_files = source.projection()?.iter().any(|projected| calls_file(&projected.expr));
        let is_understood = filters && is_plain && !has_order && !is_of_files && options.coerce_int96.is_none();
        is_understood.then(|| Self {
            files: Arc::new(files.clone()),
            cache: Arc::clone(cache),
            prototype: Arc::default(),
        })
    }

    /// The files that it reads, and what of them.
    #[must_use]
    pub fn files(&self) -> &FileScanConfig {
        &self.files
    }

    /// A scan of other files by way of the same cache; `None` for one that DataFusion must do itself.
    pub(super) fn over(&self, files: &FileScanConfig) -> Option<Self> {
        Self::of(files, &self.cache)
    }

    /// The same scan by way of another source of files.
    fn with(&self, files: Option<Arc<dyn DataSource>>) -> Option<Arc<dyn DataSource>> {
        let files = files?;
        match files.downcast_ref::<FileScanConfig>().and_then(|files| self.over(files)) {
            Some(shared) => Some(Arc::new(shared)),
            None => Some(files),
        }
    }
}

impl DataSource for SharedScan {
    fn open(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.open_with_args(OpenArgs::new(partition, context))
    }

    fn open_with_args(&self, args: OpenArgs) -> Result<SendableRecordBatchStream> {
        let shared = args.sibling_state.and_then(|state| state.downcast::<Unopened>().ok());
        let unopened = match shared {
            Some(shared) => shared,
            None => {
                let group = self.files.file_groups.get(args.partition);
                let files = group.map(|group| group.files().to_vec()).unwrap_or_default();
                Unopened::new(self.files.file_source().reorder_files(files))
            }
        };
        let stream = stream::read(&self.files, &self.cache, &self.prototype, unopened, args.partition, args.context)?;
        Ok(make_cooperative(stream))
    }

    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt_as(format, f)
    }

    fn output_partitioning(&self) -> Partitioning {
        self.files.output_partitioning()
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        self.files.eq_properties()
    }

    fn scheduling_type(&self) -> SchedulingType {
        SchedulingType::Cooperative
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        self.files.partition_statistics(partition)
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn DataSource>> {
        self.with(self.files.with_fetch(limit))
    }

    fn fetch(&self) -> Option<usize> {
        self.files.fetch()
    }

    fn metrics(&self) -> ExecutionPlanMetricsSet {
        self.files.metrics()
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn DataSource>>> {
        Ok(self.with(self.files.try_swapping_with_projection(projection)?))
    }

    fn with_preserve_order(&self, preserve_order: bool) -> Option<Arc<dyn DataSource>> {
        self.with(self.files.with_preserve_order(preserve_order))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.files.apply_expressions(f)
    }

    fn create_sibling_state(&self, config: &ConfigOptions) -> Option<Arc<dyn Any + Send + Sync>> {
        // Where DataFusion's own scan lets its partitions share their files, this one does.
        self.files.create_sibling_state(config)?;
        let files = self.files.file_groups.iter().flat_map(FileGroup::iter).cloned().collect();
        Some(Unopened::new(self.files.file_source().reorder_files(files)))
    }
}
