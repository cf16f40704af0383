//! What a scan wants of files of one schema.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::Result;
use datafusion::datasource::physical_plan::ParquetSource;
use datafusion::datasource::physical_plan::parquet::PagePruningAccessPlanFilter;
use datafusion::datasource::physical_plan::parquet::apply_file_schema_type_coercions;
use datafusion::datasource::physical_plan::{FileScanConfig, FileSource};
use datafusion::physical_expr::projection::Projector;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, PhysicalExprSimplifier, conjunction_opt, split_conjunction};
use datafusion::physical_expr_adapter::DefaultPhysicalExprAdapterFactory;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};

use super::cache::ColumnCache;
use super::filter::Filter;
use super::segment::has_whole_statistics;
use super::selections::Condition;

/// What the partitions of a scan share: what they want of files of one schema is worked out once.
#[derive(Debug, Default)]
pub(super) struct Prototype(Mutex<Option<Prepared>>);

impl Prototype {
    /// What the scan wants of files of this schema. See [`Prepared::new`].
    pub(super) fn of(
        &self,
        scan: &FileScanConfig,
        source: &ParquetSource,
        schema: &SchemaRef,
        cache: &ColumnCache,
    ) -> Result<Option<Prepared>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = known.as_ref().filter(|prepared| prepared.schema == *schema) {
            return Ok(Some(prepared.clone()));
        }
        let mut prepared = Prepared::new(scan, source, schema)?;
        if let Some(prepared) = &mut prepared {
            prepared.condition = prepared.condition.take().map(|condition| cache.known(condition));
        }
        known.clone_from(&prepared);
        Ok(prepared)
    }
}

/// What a scan wants of files of one schema.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    /// The files' columns.
    pub(super) schema: SchemaRef,
    pub(super) filter: Option<Filter>,
    /// The filter as one condition, which row groups are skipped by.
    predicate: Option<Arc<dyn PhysicalExpr>>,
    /// The filter as what came of it is remembered by, if it can be.
    pub(super) condition: Option<Condition>,
    longest_list: usize,
    /// Made when it is asked for: where it is known what lies in the filter's columns, nobody does.
    pruning: OnceLock<Option<Arc<PruningPredicate>>>,
    pub(super) projection: Projection,
}

/// What is handed out.
#[derive(Debug, Clone)]
pub(super) struct Projection {
    /// The columns that are read for it, by their place among the file's.
    pub(super) columns: Vec<usize>,
    read: SchemaRef,
    projector: Projector,
    output: SchemaRef,
}

impl Prepared {
    /// What a scan wants of files of this schema; `None` if DataFusion must read them, for it converts their types while it decodes.
    fn new(scan: &FileScanConfig, source: &ParquetSource, schema: &SchemaRef) -> Result<Option<Self>> {
        let table = source.table_schema();
        let declared = table.file_schema();
        if apply_file_schema_type_coercions(declared, schema).is_some_and(|coerced| coerced.fields() != schema.fields())
        {
            return Ok(None);
        }
        let adapter = if scan.expr_adapter_factory.is_none() && have_same_columns(declared, schema) {
            None
        } else {
            let default = || Arc::new(DefaultPhysicalExprAdapterFactory) as _;
            let factory = scan.expr_adapter_factory.clone().unwrap_or_else(default);
            Some(factory.create(Arc::clone(declared), Arc::clone(schema))?)
        };
        let simplifier = PhysicalExprSimplifier::new(schema);
        let adapted = |expression: Arc<dyn PhysicalExpr>| match &adapter {
            Some(adapter) => simplifier.simplify(adapter.rewrite(expression)?),
            None => Ok(expression),
        };

        let predicate = source.filter().map(adapted).transpose()?;
        let filter = predicate.as_ref().map(|predicate| Filter::new(predicate, schema)).transpose()?;
        let condition = match (&predicate, &filter) {
            (Some(predicate), Some(filter)) if filter.is_fixed() => Condition::of(predicate),
            _ => None,
        };
        let Some(wanted) = source.projection() else { return Ok(None) };
        let output = Arc::new(wanted.project_schema(table.table_schema())?);
        let wanted = wanted.clone().try_map_exprs(adapted)?;
        let columns = wanted.column_indices();
        let read = Arc::new(schema.project(&columns)?);
        let projector =
            wanted.try_map_exprs(|expression| reassign_expr_columns(expression, &read))?.make_projector(&read)?;
        Ok(Some(Self {
            schema: Arc::clone(schema),
            filter,
            predicate,
            condition,
            longest_list: source.max_in_list_size(),
            pruning: OnceLock::new(),
            projection: Projection { columns, read, projector, output },
        }))
    }

    /// Takes up what has changed of the filter. Whether anything has.
    pub(super) fn refresh(&mut self) -> Result<bool> {
        let Some(filter) = &mut self.filter else { return Ok(false) };
        let has_changed = filter.refresh(false)?;
        if has_changed {
            self.pruning = OnceLock::new();
        }
        Ok(has_changed)
    }

    /// The condition by which row groups are skipped, if there is one.
    pub(super) fn pruning(&self) -> Option<&Arc<PruningPredicate>> {
        let prune = || {
            PruningPredicateBuilder::new()
                .with_file_schema(Arc::clone(&self.schema))
                .with_max_in_list_size(self.longest_list)
                .build(Arc::clone(self.predicate.as_ref()?))
        };
        self.pruning.get_or_init(prune).as_ref()
    }

    /// The conditions by which pages are skipped, if there are any.
    pub(super) fn page_pruning(&self) -> Option<PagePruningAccessPlanFilter> {
        let by_pages = |condition: &&Arc<dyn PhysicalExpr>| {
            let columns = collect_columns(condition);
            let types = columns.iter().filter_map(|column| self.schema.fields().get(column.index()));
            types.map(|field| field.data_type()).all(has_whole_statistics)
        };
        let conditions = split_conjunction(self.predicate.as_ref()?).into_iter().filter(by_pages).cloned();
        let pruning = PagePruningAccessPlanFilter::new(&conjunction_opt(conditions)?, Arc::clone(&self.schema));
        (pruning.filter_number() > 0).then_some(pruning)
    }
}

/// Whether expressions over the one are expressions over the other as they stand.
fn have_same_columns(declared: &SchemaRef, file: &SchemaRef) -> bool {
    let (declared, file) = (declared.fields(), file.fields());
    let mut pairs = declared.iter().zip(file);
    declared.len() == file.len()
        && pairs.all(|(left, right)| left.name() == right.name() && left.data_type() == right.data_type())
}

impl Projection {
    /// The schema of what is handed out.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.output
    }

    /// Makes what is handed out of rows of the columns that are read for it.
    pub(super) fn project(&self, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let read = RecordBatch::try_new_with_options(Arc::clone(&self.read), arrays, &options)?;
        let (_, arrays, rows) = self.projector.project_batch(&read)?.into_parts();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        // Files may say of a column that it can be NULL, or tell other metadata, where the table does not.
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.output), arrays, &options)?)
    }
}
