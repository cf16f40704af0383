//! The hot functions over one million rows, beside the same arithmetic in plain DataFusion.
//!
//! `cargo bench -p qserv-udfs`

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datafusion::common::DFSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionContext;

const ROWS: usize = 1 << 20;
/// DataFusion's own batch size.
const BATCH: usize = 8192;

const EXPRESSIONS: &[(&str, &str, &str)] = &[
    ("contains_circle small", "ours", "qserv_contains_circle(ra, decl, 180.0, 0.0, 0.5)"),
    ("contains_circle small", "scisql", "scisql_s2PtInCircle(ra, decl, 180.0, 0.0, 0.5) = 1"),
    (
        "contains_circle small",
        "plain",
        "2.0 * asin(sqrt(power(sin(radians(decl) / 2.0), 2) + cos(radians(decl)) * \
         power(sin(radians(ra - 180.0) / 2.0), 2))) <= radians(0.5)",
    ),
    ("contains_circle large", "ours", "qserv_contains_circle(ra, decl, 180.0, 0.0, 60.0)"),
    ("contains_polygon", "ours", "qserv_contains_polygon(ra, decl, 170.0, -5.0, 190.0, -5.0, 190.0, 5.0, 170.0, 5.0)"),
    ("contains_box", "ours", "qserv_contains_box(ra, decl, 180.0, 0.0, 20.0, 10.0)"),
    ("contains_box", "plain", "ra BETWEEN 170.0 AND 190.0 AND decl BETWEEN -5.0 AND 5.0"),
    ("distance", "ours", "qserv_distance(ra, decl, 180.0, 0.0)"),
    (
        "distance",
        "plain",
        "degrees(2.0 * asin(sqrt(power(sin(radians(decl) / 2.0), 2) + cos(radians(decl)) * \
         power(sin(radians(ra - 180.0) / 2.0), 2))))",
    ),
    ("magnitude", "ours", "scisql_nanojanskyToAbMag(flux)"),
    ("magnitude", "plain", "CASE WHEN flux > 0.0 THEN 31.4 - 2.5 * log10(flux) END"),
];

/// Positions over the whole sky and fluxes, a tenth of them not positive, by a multiplicative sequence.
fn batch() -> RecordBatch {
    let uniform = |seed: f64| (0..ROWS).map(move |row| (seed * (row + 1) as f64).fract());
    let column = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let ra = uniform(0.618_033_988_749_894_9).map(|u| u * 360.0).collect();
    let decl = uniform(0.754_877_666_246_692_8).map(|u| (2.0 * u - 1.0).asin().to_degrees()).collect();
    let flux = uniform(0.569_840_290_998_053_2).map(|u| (u - 0.1) * 1e5).collect();
    RecordBatch::try_from_iter([("ra", column(ra)), ("decl", column(decl)), ("flux", column(flux))])
        .expect("columns of one length")
}

fn expression(session: &SessionContext, schema: &DFSchema, sql: &str) -> Arc<dyn PhysicalExpr> {
    let parsed = session.parse_sql_expr(sql, schema).expect(sql);
    session.create_physical_expr(parsed, schema).expect(sql)
}

fn functions(criterion: &mut Criterion) {
    let session = SessionContext::new();
    for function in qserv_udfs::all() {
        session.register_udf(function.as_ref().clone());
    }
    let batch = batch();
    let schema = DFSchema::try_from(batch.schema()).expect("unique names");
    let batches: Vec<RecordBatch> = (0..ROWS / BATCH).map(|index| batch.slice(index * BATCH, BATCH)).collect();
    for (group, name, sql) in EXPRESSIONS {
        let mut group = criterion.benchmark_group(*group);
        group.throughput(Throughput::Elements(ROWS as u64)).sample_size(20);
        let expression = expression(&session, &schema, sql);
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                for batch in &batches {
                    black_box(expression.evaluate(batch).expect(sql));
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, functions);
criterion_main!(benches);
