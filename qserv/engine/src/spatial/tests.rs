//! A spatial join gives the rows of the nested loop that it replaces: random skies, every kind of join, every form of the
//! condition.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::physical_plan::{DefaultPhysicalProtoConverter, PhysicalExtensionCodec};
use proptest::prelude::*;

use super::{SpatialJoinCodec, SpatialJoinExec, replace_nested_loops};

/// A row: longitude, latitude, and a radius of its own.
type Row = (Option<f64>, Option<f64>, f64);

fn table(rows: &[Row], partitions: usize) -> Arc<MemTable> {
    let field = |name: &str| Field::new(name, DataType::Float64, true);
    let schema =
        Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), field("lon"), field("lat"), field("r")]));
    let batches = rows.chunks(rows.len().div_ceil(partitions).max(1)).enumerate().map(|(part, rows)| {
        let first = i64::try_from(part).unwrap() * 1000;
        let columns: Vec<ArrayRef> = vec![
            Arc::new((first..).take(rows.len()).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Float64Array>()),
        ];
        vec![RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()]
    });
    let mut partitions: Vec<Vec<RecordBatch>> = batches.collect();
    if partitions.is_empty() {
        partitions.push(Vec::new());
    }
    Arc::new(MemTable::try_new(schema, partitions).unwrap())
}

struct Judge {
    context: SessionContext,
    runtime: tokio::runtime::Runtime,
}

impl Judge {
    fn new(left: &[Row], right: &[Row], batch_rows: usize) -> Self {
        let config = SessionConfig::new().with_target_partitions(3).with_batch_size(batch_rows);
        let context = SessionContext::new_with_config(config);
        for function in qserv_udfs::all() {
            context.register_udf(function.as_ref().clone());
        }
        context.register_table("a", table(left, 2)).unwrap();
        context.register_table("b", table(right, 3)).unwrap();
        Self { context, runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap() }
    }

    /// The sorted rows of the nested loop and of the spatial join.
    fn ask(&self, query: &str) -> [Vec<String>; 2] {
        self.runtime.block_on(async {
            // Two plans: nodes of one can run once only.
            let plan = self.context.sql(query).await.unwrap().create_physical_plan().await.unwrap();
            let spatial = self.context.sql(query).await.unwrap().create_physical_plan().await.unwrap();
            let spatial = replace_nested_loops(spatial).unwrap();
            assert!(is_spatial(&spatial), "{query}\n{}", displayable(spatial.as_ref()).indent(false));
            let nested = collect(plan, self.context.task_ctx()).await.unwrap();
            let spatial = collect(spatial, self.context.task_ctx()).await.unwrap();
            [rows(&nested), rows(&spatial)]
        })
    }
}

fn is_spatial(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<SpatialJoinExec>() || plan.children().into_iter().any(is_spatial)
}

fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" "));
        }
    }
    rows.sort_unstable();
    rows
}

/// Queries with `{condition}` where the condition belongs: all kinds of joins, with other conditions beside it.
const QUERIES: &[&str] = &[
    "SELECT a.id, b.id FROM a JOIN b ON {condition}",
    "SELECT a.id, b.lon FROM a, b WHERE {condition} AND a.id <> b.id",
    "SELECT a.id, b.id, b.r FROM a LEFT JOIN b ON {condition}",
    "SELECT a.id, a.lat, b.id FROM a RIGHT JOIN b ON {condition} AND a.r < b.r",
    "SELECT a.id, b.id FROM a FULL JOIN b ON {condition}",
    "SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE {condition})",
    "SELECT a.id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE {condition})",
    "SELECT a.id FROM a WHERE a.r > 2 OR EXISTS (SELECT 1 FROM b WHERE {condition})",
    "SELECT COUNT(*) FROM a JOIN b ON {condition}",
    "SELECT b.id, COUNT(a.id) FROM b LEFT JOIN a ON {condition} GROUP BY b.id",
];

const CONDITIONS: &[&str] = &[
    "qserv_distance(a.lon, a.lat, b.lon, b.lat) < {r}",
    "qserv_distance(b.lon, b.lat, a.lon, a.lat) <= {r}",
    "{r} > qserv_distance(a.lon, a.lat, b.lon, b.lat)",
    "qserv_distance(a.lon, a.lat, b.lon, b.lat) * 3600.0 < {r} * 3600.0",
    "scisql_angSep(a.lon, a.lat, b.lon, b.lat) < {r}",
    "qserv_contains_circle(a.lon, a.lat, b.lon, b.lat, {r})",
    "CAST(qserv_contains_circle(b.lon, b.lat, a.lon, a.lat, {r}) AS INT) = 1",
    "scisql_s2PtInCircle(a.lon, a.lat, b.lon, b.lat, {r}) = 1",
    "NOT (qserv_distance(a.lon, a.lat, b.lon, b.lat) > {r})",
    "qserv_distance(a.lon, a.lat, b.lon, b.lat) < a.r",
    "qserv_distance(a.lon, a.lat, b.lon, b.lat) < b.r / 2",
    "qserv_contains_circle(a.lon, a.lat, b.lon, b.lat, b.r)",
    "qserv_intersects(qserv_circle(a.lon, a.lat, a.r), qserv_circle(b.lon, b.lat, b.r))",
];

fn position() -> impl Strategy<Value = (Option<f64>, Option<f64>)> {
    let lon = prop_oneof![0.0..360.0_f64, Just(0.0), 359.0..360.0_f64, 10.0..12.0_f64, Just(10.5)];
    let lat = prop_oneof![-90.0..=90.0_f64, Just(90.0), Just(-90.0), 88.0..90.0_f64, 5.0..7.0_f64, Just(5.5)];
    prop_oneof![
        12 => (lon, lat).prop_map(|(lon, lat)| (Some(lon), Some(lat))),
        1 => prop::sample::select(vec![(None, Some(1.0)), (Some(1.0), None), (Some(f64::NAN), Some(5.5))]),
    ]
}

fn some_rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    let radius = prop_oneof![0.0..5.0_f64, Just(0.0), 0.0..180.0_f64];
    proptest::collection::vec((position(), radius).prop_map(|((lon, lat), radius)| (lon, lat, radius)), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spatial_joins_give_what_nested_loops_give(
        left in some_rows(60),
        right in some_rows(60),
        query in prop::sample::select(QUERIES),
        condition in prop::sample::select(CONDITIONS),
        radius in prop_oneof![Just(0.0), 0.0..3.0_f64, 0.0..180.0_f64, Just(180.0)],
        batch_rows in prop::sample::select(vec![1_usize, 7, 8192]),
    ) {
        let query = query.replace("{condition}", &condition.replace("{r}", &format!("{radius:?}")));
        let [nested, spatial] = Judge::new(&left, &right, batch_rows).ask(&query);
        prop_assert_eq!(nested, spatial, "{}", query);
    }
}

/// Forms that say nothing of nearness stay nested loops.
#[test]
fn other_conditions_stay() {
    let judge = Judge::new(&[(Some(1.0), Some(1.0), 1.0)], &[(Some(1.0), Some(1.0), 1.0)], 8192);
    for condition in [
        "qserv_distance(a.lon, a.lat, b.lon, b.lat) > 1",
        "qserv_distance(a.lon, a.lat, b.lon, b.lat) < 1 OR a.r < b.r",
        "qserv_distance(a.lon, b.lat, b.lon, a.lat) < 1",
        "qserv_distance(a.lon, a.lat, a.lon, a.lat) < b.r",
        "qserv_distance(a.lon, a.lat, b.lon, b.lat) * -1 < 1",
        "qserv_distance(a.lon, a.lat, b.lon, b.lat) < a.r * b.r",
        "NOT qserv_contains_circle(a.lon, a.lat, b.lon, b.lat, 1)",
        "a.r < b.r",
    ] {
        judge.runtime.block_on(async {
            let query = format!("SELECT a.id, b.id FROM a JOIN b ON {condition}");
            let plan = judge.context.sql(&query).await.unwrap().create_physical_plan().await.unwrap();
            assert!(!is_spatial(&replace_nested_loops(plan).unwrap()), "{condition}");
        });
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    let judge = Judge::new(&[(Some(1.0), Some(1.0), 1.0)], &[(Some(1.0), Some(1.0), 1.0)], 8192);
    judge.runtime.block_on(async {
        let query = "SELECT b.id, a.lon FROM a RIGHT JOIN b ON qserv_distance(a.lon, a.lat, b.lon, b.lat) < 2 * a.r";
        let plan = judge.context.sql(query).await.unwrap().create_physical_plan().await.unwrap();
        let mut node = replace_nested_loops(plan).unwrap();
        while !node.is::<SpatialJoinExec>() {
            node = Arc::clone(node.children()[0]);
        }
        let mut buffer = Vec::new();
        let converter = DefaultPhysicalProtoConverter {};
        SpatialJoinCodec.try_encode(Arc::clone(&node), &mut buffer, &converter).unwrap();
        let inputs: Vec<_> = node.children().into_iter().cloned().collect();
        let context = judge.context.task_ctx();
        let decoded = SpatialJoinCodec.try_decode(&buffer, &inputs, &context, &converter).unwrap();
        let shown = |plan: &Arc<dyn ExecutionPlan>| displayable(plan.as_ref()).indent(true).to_string();
        assert_eq!(shown(&node), shown(&decoded));
        assert!(SpatialJoinCodec.try_decode(&[9], &inputs, &context, &converter).is_err());
        assert!(SpatialJoinCodec.try_decode(&[0, 200, 1], &inputs, &context, &converter).is_err());
    });
}
