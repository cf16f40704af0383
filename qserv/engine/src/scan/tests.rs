//! Every scan by way of the cache against DataFusion's own of the same files.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, Int64Builder,
    ListBuilder, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::execution::TaskContext;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, Column, DynamicFilterPhysicalExpr, lit as physical_lit};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::physical_plan::{ExecutionPlan, execute_stream_partitioned};
use datafusion::prelude::{SessionConfig, SessionContext, col, lit};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

use super::{ColumnCache, SharedScan, share_columns};

const STORE: &str = "memory://segments/";

fn schema() -> SchemaRef {
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
    let columns = [
        ("id", DataType::Int64),
        ("visit", DataType::Int32),
        ("flux", DataType::Float64),
        ("noise", DataType::Float32),
        ("band", DataType::Utf8),
        ("flag", DataType::Boolean),
        ("taken", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("day", DataType::Date32),
        ("mask", DataType::UInt64),
        ("level", DataType::Int16),
        ("parents", list),
    ];
    let fields = columns.map(|(name, datatype)| Field::new(name, datatype, name != "id"));
    Arc::new(Schema::new(fields.to_vec()))
}

/// A small generator whose numbers replay.
struct Numbers(u64);

const SPECIAL: [f32; 4] = [f32::NAN, -f32::NAN, 0.0, -0.0];

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn maybe<T>(&mut self, value: impl FnOnce(u64) -> T) -> Option<T> {
        let number = self.next();
        (!number.is_multiple_of(7)).then(|| value(self.next()))
    }
}

fn rows(seed: u64, count: usize) -> RecordBatch {
    let mut numbers = Numbers(seed);
    let mut parents = ListBuilder::new(Int64Builder::new());
    for _ in 0..count {
        let length = numbers.next() % 4;
        (0..length).for_each(|_| parents.values().append_value(numbers.next() as i64 % 5));
        parents.append(length != 3);
    }
    // Runs of the same value, so that pieces differ in what they hold.
    let mut run = 0_i32;
    let visit = (0..count).map(|row| {
        if row % 90 == 0 {
            run = (numbers.next() % 20) as i32;
        }
        (row % 11 != 0).then_some(run)
    });
    let visit: Int32Array = visit.collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new((0..count).map(|row| Some(row as i64 * 3 + (seed % 3) as i64)).collect::<Int64Array>()),
        Arc::new(visit),
        Arc::new((0..count).map(|_| numbers.maybe(|n| (n % 2000) as f64 / 10.0 - 100.0)).collect::<Float64Array>()),
        Arc::new(
            (0..count)
                .map(|_| {
                    numbers.maybe(|n| if n % 5 == 0 { SPECIAL[n as usize / 5 % 4] } else { (n % 100) as f32 - 50.0 })
                })
                .collect::<Float32Array>(),
        ),
        Arc::new(
            (0..count)
                .map(|_| numbers.maybe(|n| ["u", "g", "rr", "", "zebra"][n as usize % 5]))
                .collect::<StringArray>(),
        ),
        Arc::new((0..count).map(|_| numbers.maybe(|n| n % 3 == 0)).collect::<BooleanArray>()),
        Arc::new((0..count).map(|row| Some(row as i64 * 1000)).collect::<TimestampMicrosecondArray>()),
        Arc::new((0..count).map(|_| numbers.maybe(|n| (n % 30) as i32)).collect::<Date32Array>()),
        Arc::new((0..count).map(|_| numbers.maybe(|n| u64::MAX - n % 3)).collect::<UInt64Array>()),
        Arc::new((0..count).map(|_| None::<i16>).collect::<Int16Array>()),
        Arc::new(parents.finish()),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// Files of an older layout lack a column, and keep a narrower type of another.
fn of_older_layout(batch: &RecordBatch) -> RecordBatch {
    let without: Vec<usize> = (0..batch.num_columns()).filter(|index| *index != 4).rev().collect();
    let batch = batch.project(&without).unwrap();
    let fields: Vec<Field> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let datatype = if field.name() == "flux" { DataType::Float32 } else { field.data_type().clone() };
            Field::new(field.name(), datatype, true)
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| arrow::compute::cast(column, field.data_type()).unwrap()).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

fn parquet(batch: &RecordBatch) -> Bytes {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(300))
        .set_data_page_row_count_limit(16)
        .set_write_batch_size(16)
        .build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    file.into()
}

#[derive(Debug, Clone)]
struct Case {
    /// Seed and number of rows of each file, and whether it has the older layout.
    files: Vec<(u64, usize, bool)>,
    conditions: Vec<usize>,
    value: i64,
    projection: Vec<usize>,
    computes: bool,
    limit: Option<usize>,
    groups: usize,
    is_declared: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    (
        prop::collection::vec((0_u64..50, 0_usize..900, prop::bool::weighted(0.2)), 1..4),
        prop::collection::vec(0_usize..CONDITIONS, 0..4),
        0_i64..2000,
        prop::collection::vec(0_usize..11, 0..6),
        prop::bool::weighted(0.3),
        prop::option::weighted(0.2, 0_usize..400),
        1_usize..4,
        any::<bool>(),
    )
        .prop_map(|(files, conditions, value, mut projection, computes, limit, groups, is_declared)| {
            projection.sort_unstable();
            projection.dedup();
            Case { files, conditions, value, projection, computes, limit, groups, is_declared }
        })
}

const CONDITIONS: usize = 22;

fn condition(number: usize, value: i64) -> Expr {
    let flux = value as f64 / 10.0 - 100.0;
    match number {
        0 => col("id").eq(lit(value)),
        1 => col("id").gt_eq(lit(value)).and(col("id").lt(lit(value + 200))),
        2 => col("id").lt(lit(value)).or(col("id").between(lit(value + 300), lit(value + 310))),
        3 => col("visit").eq(lit((value % 20) as i32)),
        4 => col("visit").in_list(vec![lit(3_i32), lit((value % 20) as i32)], value % 2 == 0),
        5 => col("flux").gt(lit(flux)),
        6 => (col("flux") * lit(2.0)).lt_eq(lit(flux)),
        7 => (col("noise") + lit(1.0_f32)).gt(lit((value % 100) as f32 - 50.0)),
        8 => col("band").eq(lit("g")).or(col("band").is_null()),
        9 => col("flag").is_true(),
        10 => col("taken").lt(lit(ScalarValue::TimestampMicrosecond(Some(value * 500), None))),
        11 => col("day").not_eq(lit(ScalarValue::Date32(Some((value % 30) as i32)))),
        12 => col("mask").gt(lit(u64::MAX - 2)),
        13 => col("level").is_null(),
        14 => col("flux").is_not_null().and(col("visit").gt(lit((value % 25) as i32))),
        15 => col("noise").gt(lit((value % 120) as f32 - 50.0)),
        16 => col("noise").lt_eq(lit((value % 120) as f32 - 70.0)),
        // SQL's two zeros are equal.
        17 => col("noise").gt(lit(if value % 2 == 0 { 0.0_f32 } else { -0.0 })),
        18 => col("noise").lt_eq(lit(if value % 2 == 0 { 0.0_f32 } else { -0.0 })),
        19 => col("noise").gt_eq(lit(if value % 2 == 0 { 0.0_f32 } else { -0.0 })),
        20 => col("noise").lt(lit(0.0_f32)).or(col("noise").eq(lit(0.0_f32))),
        _ => col("band").like(lit("%e%")),
    }
}

struct Sky {
    context: Arc<TaskContext>,
    files: Vec<PartitionedFile>,
}

impl Sky {
    async fn new(files: &[(u64, usize, bool)]) -> Self {
        let store = Arc::new(InMemory::new());
        let mut stored = Vec::new();
        for (number, (seed, count, is_older)) in files.iter().enumerate() {
            let batch = rows(*seed, *count);
            let bytes = parquet(&if *is_older { of_older_layout(&batch) } else { batch });
            let path = format!("{number}.parquet");
            stored.push(PartitionedFile::new(path.clone(), bytes.len() as u64));
            store.put(&path.into(), bytes.into()).await.unwrap();
        }
        let session = SessionContext::new_with_config(SessionConfig::new().with_batch_size(100));
        session
            .runtime_env()
            .register_object_store(ObjectStoreUrl::parse(STORE).unwrap().as_ref(), store as Arc<dyn ObjectStore>);
        Self { context: session.task_ctx(), files: stored }
    }

    fn scan(&self, case: &Case, predicate: Option<Arc<dyn PhysicalExpr>>) -> FileScanConfig {
        // Statistics leave NaN out: a scan that skips by them is no judge.
        let mut options = TableParquetOptions::default();
        options.global.pushdown_filters = true;
        (options.global.pruning, options.global.enable_page_index) = (false, false);
        let mut source = ParquetSource::new(schema()).with_table_parquet_options(options);
        if let Some(predicate) = predicate {
            source = source.with_predicate(predicate);
        }
        let mut groups = vec![Vec::new(); case.groups];
        for (number, file) in self.files.iter().enumerate() {
            groups[number % case.groups].push(file.clone());
        }
        let mut builder = FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE).unwrap(), Arc::new(source))
            .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
            .with_limit(case.limit)
            .with_projection_indices(Some(case.projection.clone()))
            .unwrap();
        if case.is_declared {
            let declared = datafusion::physical_expr::Partitioning::UnknownPartitioning(case.groups);
            builder = builder.with_output_partitioning(Some(declared));
        }
        let scan = builder.build();
        if !case.computes || case.projection.first() != Some(&0) {
            return scan;
        }
        let sum = BinaryExpr::new(Arc::new(Column::new("id", 0)), Operator::Plus, physical_lit(5_i64));
        let mut computed = vec![ProjectionExpr::new(Arc::new(sum), "id5")];
        let others = case.projection.iter().enumerate().map(|(index, column)| {
            let schema = schema();
            let name = schema.field(*column).name().clone();
            ProjectionExpr::new(Arc::new(Column::new(&name, index)), name)
        });
        computed.extend(others);
        let swapped = scan.try_swapping_with_projection(&ProjectionExprs::new(computed)).unwrap().unwrap();
        swapped.downcast_ref::<FileScanConfig>().unwrap().clone()
    }

    async fn read(&self, plan: Arc<dyn ExecutionPlan>) -> Vec<String> {
        let streams = execute_stream_partitioned(plan, Arc::clone(&self.context)).unwrap();
        let read = futures::future::try_join_all(streams.into_iter().map(TryStreamExt::try_collect::<Vec<_>>));
        lines(&read.await.unwrap().into_iter().flatten().collect::<Vec<_>>())
    }
}

fn predicate(case: &Case) -> Option<Arc<dyn PhysicalExpr>> {
    let condition = case.conditions.iter().map(|number| condition(*number, case.value)).reduce(Expr::and)?;
    let schema = DFSchema::try_from(schema().as_ref().clone()).unwrap();
    Some(
        create_physical_expr(&condition, &schema, &ExecutionProps::new(), &PhysicalPlanningContext::default()).unwrap(),
    )
}

/// Rows as text, in an order of their own.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            lines.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    lines.sort_unstable();
    lines
}

fn shared(scan: &FileScanConfig, cache: &Arc<ColumnCache>) -> Arc<dyn ExecutionPlan> {
    let plan = share_columns(DataSourceExec::from_data_source(scan.clone()), cache).unwrap();
    assert!(plan.downcast_ref::<DataSourceExec>().unwrap().data_source().is::<SharedScan>());
    plan
}

fn is_part_of(part: &[String], whole: &[String]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|line| whole.any(|other| other == line))
}

#[test]
fn reads_what_datafusions_own_scan_reads_cold_hot_crowded_and_together() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    proptest!(ProptestConfig::with_cases(160), |(case in cases())| {
        let checked: Result<(), TestCaseError> = runtime.block_on(async {
            let sky = Arc::new(Sky::new(&case.files).await);
            let scan = sky.scan(&case, predicate(&case));
            let unlimited = sky.scan(&Case { limit: None, ..case.clone() }, predicate(&case));
            let expected = sky.read(DataSourceExec::from_data_source(scan.clone())).await;
            let whole = sky.read(DataSourceExec::from_data_source(unlimited)).await;
            let is_right = |lines: &[String]| match case.limit {
                None => lines == expected,
                // Each partition may hand out as many, but needs not if another has.
                Some(limit) => {
                    let count = limit.min(whole.len())..=limit * case.groups;
                    count.contains(&lines.len()) && is_part_of(lines, &whole)
                }
            };
            for bytes in [64 << 20, 64 << 10, 1 << 20] {
                let cache = ColumnCache::new(bytes);
                for _ in 0..4 {
                    let lines = sky.read(shared(&scan, &cache)).await;
                    prop_assert!(is_right(&lines), "{} bytes: {lines:?} for {expected:?}", bytes);
                }
                prop_assert!(cache.used().bytes <= bytes as u64);
                let cold = ColumnCache::new(bytes);
                let together = (0..5).map(|_| {
                    let (sky, plan) = (Arc::clone(&sky), shared(&scan, &cold));
                    async move { sky.read(plan).await }
                });
                for lines in futures::future::join_all(together).await {
                    prop_assert!(is_right(&lines), "{} bytes, together: {lines:?} for {expected:?}", bytes);
                }
            }
            Ok(())
        });
        checked?;
    });
}

fn full(files: Vec<(u64, usize, bool)>) -> Case {
    Case {
        files,
        conditions: Vec::new(),
        value: 0,
        projection: vec![0, 2],
        computes: false,
        limit: None,
        groups: 1,
        is_declared: false,
    }
}

fn count(plan: &Arc<dyn ExecutionPlan>, name: &str) -> usize {
    plan.metrics().unwrap().sum_by_name(name).map_or(0, |count| count.as_usize())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_want_at_once_is_decoded_once() {
    let case = full(vec![(1, 900, false), (2, 900, false)]);
    let sky = Arc::new(Sky::new(&case.files).await);
    let scan = sky.scan(&case, None);
    let cache = ColumnCache::new(64 << 20);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let (sky, plan) = (Arc::clone(&sky), shared(&scan, &cache));
        tasks.spawn(async move { sky.read(plan).await.len() });
    }
    assert_eq!(tasks.join_all().await, [1800; 30]);
    // Two files of three row groups each, two columns of each.
    assert_eq!(cache.used().misses, 12);

    // Another scan, whose metrics begin anew.
    let hot = shared(&sky.scan(&case, None), &cache);
    sky.read(Arc::clone(&hot)).await;
    assert_eq!((count(&hot, "column_cache_hits"), count(&hot, "column_cache_misses")), (12, 0));
    assert_eq!((count(&hot, "files_processed"), hot.metrics().unwrap().output_rows()), (2, Some(1800)));
    assert_eq!(cache.used().misses, 12);
}

#[tokio::test]
async fn whole_pieces_go_out_as_they_are() {
    let case = full(vec![(1, 900, false)]);
    let sky = Sky::new(&case.files).await;
    let plan = shared(&sky.scan(&case, None), &ColumnCache::new(64 << 20));
    let streams = execute_stream_partitioned(plan, Arc::clone(&sky.context)).unwrap();
    let mut sizes = Vec::new();
    for stream in streams {
        sizes.extend(stream.try_collect::<Vec<_>>().await.unwrap().iter().map(RecordBatch::num_rows));
    }
    // The rest of each row group of 300 goes out before the next piece, which would be copied together with it.
    assert_eq!(sizes, [[64, 64, 64, 64, 44]; 3].concat());
}

#[tokio::test]
async fn a_look_for_one_row_decodes_pages_first_and_all_when_it_comes_again() {
    let case = Case { conditions: vec![0], value: 301, projection: (0..11).collect(), ..full(vec![(1, 900, false)]) };
    let sky = Sky::new(&case.files).await;
    let cache = ColumnCache::new(64 << 20);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let plan = shared(&sky.scan(&case, predicate(&case)), &cache);
        assert_eq!(sky.read(Arc::clone(&plan)).await.len(), 1);
        assert_eq!((count(&plan, "files_processed"), count(&plan, "row_groups_skipped")), (1, 2));
        seen.push(["row_groups_read_once", "column_cache_misses", "column_cache_hits"].map(|name| count(&plan, name)));
    }
    assert_eq!(seen, [[1, 0, 0], [0, 11, 0], [0, 0, 11]]);
}

#[tokio::test]
async fn a_filter_that_grows_stricter_ends_a_scan_early() {
    let case = Case { is_declared: true, ..full(vec![(1, 900, false), (2, 900, false), (3, 900, false)]) };
    let sky = Sky::new(&case.files).await;
    let id: Arc<dyn PhysicalExpr> = Arc::new(Column::new("id", 0));
    let growing = Arc::new(DynamicFilterPhysicalExpr::new(vec![Arc::clone(&id)], physical_lit(true)));
    let scan = sky.scan(&case, Some(Arc::clone(&growing) as _));
    let cache = ColumnCache::new(64 << 20);
    for _ in 0..2 {
        growing.update(physical_lit(true)).unwrap();
        let plan = shared(&scan, &cache);
        let mut rows = plan.execute(0, Arc::clone(&sky.context)).unwrap();
        let mut seen = rows.try_next().await.unwrap().unwrap().num_rows();
        growing.update(Arc::new(BinaryExpr::new(Arc::clone(&id), Operator::Lt, physical_lit(30_i64)))).unwrap();
        while let Some(batch) = rows.try_next().await.unwrap() {
            seen += batch.num_rows();
        }
        // Of the first row group, which was under way, all rows; of the others those that are left.
        assert!((300 + 20..=300 + 40).contains(&seen), "{seen}");
        assert!(count(&plan, "row_groups_skipped") >= 4);
    }
}

#[tokio::test]
async fn what_came_of_a_filter_is_remembered() {
    let case = Case { conditions: vec![3], value: 7, ..full(vec![(1, 900, false)]) };
    let sky = Sky::new(&case.files).await;
    let cache = ColumnCache::new(64 << 20);
    let mut seen = Vec::new();
    for value in [7, 7, 7, 8] {
        let case = Case { value, ..case.clone() };
        let plan = shared(&sky.scan(&case, predicate(&case)), &cache);
        sky.read(Arc::clone(&plan)).await;
        seen.push(count(&plan, "filters_remembered"));
    }
    // Row groups that the page index leaves to a read of pages are not known before the second time.
    assert!(seen[2] > 0 && seen[3] == 0, "{seen:?}");

    // With a bound that no row group reaches, as every query from outside has one, it is the same; what a near one cuts off is not
    // known.
    let mut seen = Vec::new();
    for limit in [1_000_000, 3] {
        let case = Case { value: 7, limit: Some(limit), ..case.clone() };
        let plan = shared(&sky.scan(&case, predicate(&case)), &cache);
        let rows = sky.read(Arc::clone(&plan)).await.len();
        seen.push((rows > 3, count(&plan, "filters_remembered") > 0));
    }
    assert_eq!(seen, [(true, true), (false, false)]);
}

#[tokio::test]
async fn without_a_cache_a_scan_is_datafusions_own() {
    let case = full(vec![(1, 90, false)]);
    let sky = Sky::new(&case.files).await;
    let plan = share_columns(DataSourceExec::from_data_source(sky.scan(&case, None)), &ColumnCache::new(0)).unwrap();
    assert!(plan.downcast_ref::<DataSourceExec>().unwrap().data_source().is::<FileScanConfig>());
}
