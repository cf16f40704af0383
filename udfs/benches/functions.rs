//! The hot functions over one million rows, beside the same arithmetic in plain DataFusion.
//!
//! `cargo bench -p qserv-udfs`

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datafusion::common::DFSchema;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::{SessionConfig, SessionContext};

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
    ("ivo_healpix_index", "ours", "ivo_healpix_index(12, ra, decl)"),
    ("ivo_healpix_center", "ours", "ivo_healpix_center(12, cell)"),
    ("ivo_epoch_prop_pos", "ours", "ivo_epoch_prop_pos(ra, decl, 10.0, 300.0, -428.8, 52.51, 2016.0, 1992.25)"),
    (
        "ivo_epoch_prop_pos",
        "plain",
        "struct(ra + 300.0 * -23.75 / 3.6e6 / cos(radians(decl)), decl + 428.8 * 23.75 / 3.6e6)",
    ),
    ("ivo_epoch_prop", "ours", "ivo_epoch_prop(ra, decl, 10.0, 300.0, -428.8, 52.51, 2016.0, 1992.25)"),
    ("ivo_geom_transform", "ours", "ivo_geom_transform('ICRS', 'GALACTIC', qserv_point(ra, decl))"),
    ("ivo_to_jd", "time", "ivo_to_jd(taken)"),
    ("ivo_to_mjd", "time", "ivo_to_mjd(taken)"),
    ("ivo_to_mjd", "text", "ivo_to_mjd(taken_text)"),
    ("ivo_nocasematch", "ours", "ivo_nocasematch(title, '%of spirals in%')"),
    ("ivo_nocasematch", "plain", "title ILIKE '%of spirals in%'"),
    ("ivo_hasword", "ours", "ivo_hasword(title, 'spiral survey')"),
    ("ivo_hashlist_has", "ours", "ivo_hashlist_has(bands, 'infrared')"),
    ("ivo_hashlist_has", "plain", "'#' || lower(bands) || '#' LIKE '%#infrared#%'"),
    ("ivo_normal_random", "ours", "ivo_normal_random(flux, 5.0)"),
    ("ivo_normal_random", "plain", "flux + 5.0 * sqrt(-2.0 * ln(1.0 - random())) * cos(2.0 * pi() * random())"),
    ("ivo_interval_overlaps", "ours", "ivo_interval_overlaps(ra, ra + 1.0, 10.0, 20.0)"),
    ("ivo_interval_overlaps", "plain", "ra <= ra + 1.0 AND ra <= 20.0 AND ra + 1.0 >= 10.0"),
    ("ivo_hms_to_degrees", "ours", "ivo_hms_to_degrees(hms)"),
    ("ivo_dms_to_degrees", "ours", "ivo_dms_to_degrees(dms)"),
    ("round", "ours", "qserv_round(ra, 2)"),
    ("round", "plain", "round(ra, 2)"),
    ("truncate", "ours", "qserv_truncate(ra, 2)"),
    ("truncate", "plain", "trunc(ra, 2)"),
    ("random", "ours", "qserv_random(42)"),
    ("random", "plain", "random()"),
    ("flux of magnitude", "ours", "scisql_abMagToNanojansky(decl)"),
    ("flux of magnitude", "plain", "power(10.0, -0.4 * (decl - 31.4))"),
    ("flux of magnitude", "ours cgs", "scisql_abMagToFlux(decl)"),
    ("flux of magnitude error", "ours", "scisql_abMagToNanojanskySigma(decl, 0.1)"),
    ("flux of magnitude error", "ours cgs", "scisql_abMagToFluxSigma(decl, 0.1)"),
    ("counts to magnitude", "ours", "scisql_dnToAbMag(flux, 3e12)"),
    ("counts to magnitude", "plain", "CASE WHEN flux > 0.0 THEN -2.5 * log10(flux / 3e12) END"),
    ("counts to magnitude error", "ours", "scisql_dnToAbMagSigma(flux, 10.0, 3e12, 1e10)"),
    ("counts to flux", "ours", "scisql_dnToFlux(flux, 3e12)"),
    ("counts to flux", "plain", "flux / 3e12 * 3.630780547701013e-20"),
    ("counts to flux error", "ours", "scisql_dnToFluxSigma(flux, 10.0, 3e12, 1e10)"),
    ("flux to counts", "ours", "scisql_fluxToDn(flux, 3e12)"),
    ("flux to counts", "plain", "flux * 3e12 / 3.630780547701013e-20"),
    ("flux to counts error", "ours", "scisql_fluxToDnSigma(flux, 10.0, 3e12, 1e10)"),
    ("magnitude to counts", "ours", "scisql_abMagToDn(decl, 3e12)"),
    ("magnitude to counts", "plain", "3e12 * power(10.0, -0.4 * decl)"),
    ("magnitude to counts error", "ours", "scisql_abMagToDnSigma(decl, 0.1, 3e12, 1e10)"),
    ("polygon to binary", "ours", "scisql_s2CPolyToBin(ra, decl, 1.0, 1.0, 2.0, 2.0)"),
    (
        "contains_polygon",
        "scisql binary",
        "scisql_s2PtInCPoly(ra, decl, scisql_s2CPolyToBin(170, -5, 190, -5, 180, 5))",
    ),
    ("htm", "level 8", "scisql_s2HtmId(ra, decl, 8)"),
    ("htm", "level 20", "scisql_s2HtmId(ra, decl, 20)"),
    ("htm", "level of", "scisql_s2HtmLevel(CAST(flux * 1e6 AS BIGINT))"),
    ("version", "ours", "scisql_getVersion()"),
    ("h3", "cell", "h3_cell(9, ra, decl)"),
    ("h3", "center", "h3_center(617700169957507071 + 0 * CAST(flux AS BIGINT))"),
    ("h3", "parent", "h3_parent(617700169957507071 + 0 * CAST(flux AS BIGINT), 5)"),
    ("h3", "neighbours", "h3_neighbours(617700169957507071 + 0 * CAST(flux AS BIGINT))"),
    ("healpix", "neighbours", "healpix_neighbours(20, abs(CAST(flux AS BIGINT)))"),
];

/// Aggregates over all rows, and over a thousand groups.
const AGGREGATES: &[(&str, &str, &str)] = &[
    ("median", "ours", "qserv_median(flux)"),
    ("median", "scisql", "scisql_median(flux)"),
    ("median", "plain", "median(flux)"),
    ("percentile", "ours", "qserv_percentile(flux, 0.3)"),
    ("percentile", "scisql", "scisql_percentile(flux, 30)"),
    ("percentile", "plain", "percentile_cont(flux, 0.3)"),
    ("histogram", "ours", "ivo_histogram(flux, 0, 100000, 100)"),
    ("string_agg", "ours", "ivo_string_agg(name, ',')"),
    ("string_agg", "plain", "string_agg(name, ',')"),
];

/// Arithmetic, planned by our rules and by DataFusion's alone.
const ARITHMETIC: &[(&str, &str)] = &[
    ("whole sum", "cell + 7"),
    ("whole product", "cell * 3"),
    ("whole quotient", "cell / (cell % 1000)"),
    ("quotient by a constant", "flux / 3.5"),
    ("quotient by a column", "flux / decl"),
    ("sums and products of doubles", "ra * 2.0 + decl - flux"),
    ("cast that may fail", "CAST(flux AS INTEGER)"),
    ("cast that cannot fail", "CAST(cell AS DOUBLE)"),
];

/// Positions over the whole sky and fluxes, a tenth of them not positive, by a multiplicative sequence; and cells, times and
/// texts made of them.
fn batch() -> RecordBatch {
    let uniform = |seed: f64| (0..ROWS).map(move |row| (seed * (row + 1) as f64).fract());
    let column = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let text = |text: &dyn Fn(usize) -> String| {
        Arc::new((0..ROWS).map(|row| Some(text(row))).collect::<StringArray>()) as ArrayRef
    };
    let time = |row: usize| (row % 40_000_000) as i64 * 37_000_003;
    let ra: Vec<f64> = uniform(0.618_033_988_749_894_9).map(|u| u * 360.0).collect();
    let decl: Vec<f64> = uniform(0.754_877_666_246_692_8).map(|u| (2.0 * u - 1.0).asin().to_degrees()).collect();
    let flux: Vec<f64> = uniform(0.569_840_290_998_053_2).map(|u| (u - 0.1) * 1e5).collect();
    let columns: [(&str, ArrayRef); 10] = [
        ("ra", column(ra)),
        ("decl", column(decl)),
        ("flux", column(flux)),
        ("cell", Arc::new((0..ROWS as i64).map(|row| row * 191).collect::<Int64Array>())),
        ("taken", Arc::new(TimestampMicrosecondArray::from((0..ROWS).map(time).collect::<Vec<_>>()))),
        (
            "taken_text",
            text(&|row| format!("20{:02}-{:02}-{:02}T12:34:{:02}.5", row % 100, row % 12 + 1, row % 28 + 1, row % 60)),
        ),
        ("title", text(&|row| format!("A survey of {} in field {row}", ["dwarfs", "spirals", "quasars"][row % 3]))),
        ("bands", text(&|row| ["radio#Infrared", "optical", "uv#x-ray#optical"][row % 3].to_owned())),
        ("hms", text(&|row| format!("{}:{:02}:{:02}.{row}", row % 24, row % 60, row % 59))),
        ("dms", text(&|row| format!("-{}d{:02}m{:02}.{row}s", row % 90, row % 60, row % 59))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
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

fn aggregates(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    for function in qserv_udfs::aggregates() {
        session.register_udaf(function.as_ref().clone());
    }
    let rows = runtime.block_on(async {
        session.register_batch("numbers", batch())?;
        let sql = "SELECT *, CAST(ra * 1000 AS BIGINT) % 1000 AS g, CAST(CAST(flux AS BIGINT) AS VARCHAR) AS name FROM numbers";
        session.sql(sql).await?.cache().await
    });
    session.register_table("rows", rows.expect("rows").into_view()).expect("a table");
    for (group, name, sql) in AGGREGATES {
        let mut group = criterion.benchmark_group(*group);
        group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
        for (which, grouping) in [("all rows", ""), ("groups", " GROUP BY g")] {
            let sql = format!("SELECT {sql} FROM rows{grouping}");
            group.bench_function(format!("{name} {which}"), |bencher| {
                bencher.iter(|| {
                    let found = runtime.block_on(async { session.sql(&sql).await?.collect().await });
                    black_box(found.expect(&sql));
                });
            });
        }
        group.finish();
    }
}

fn arithmetic(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let session = |ours: bool| {
        let config = SessionConfig::new().with_target_partitions(1);
        let mut builder = SessionStateBuilder::new().with_config(config).with_default_features();
        if ours {
            builder.scalar_functions().get_or_insert_default().extend(qserv_udfs::arithmetic::functions());
            *builder.analyzer() = Some(qserv_udfs::arithmetic::analyzer());
        }
        let session = SessionContext::new_with_state(builder.build());
        session.register_batch("rows", batch()).expect("a table");
        session
    };
    let sessions = [("ours", session(true)), ("plain", session(false))];
    for (group, sql) in ARITHMETIC {
        let mut group = criterion.benchmark_group(*group);
        group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
        // One column is left of the rows, so that the arithmetic is most of the work.
        let sql = format!("SELECT MAX({sql}) FROM rows WHERE cell % 1000 <> 0");
        for (name, session) in &sessions {
            group.bench_function(*name, |bencher| {
                bencher.iter(|| {
                    let found = runtime.block_on(async { session.sql(&sql).await?.collect().await });
                    black_box(found.expect(&sql));
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, functions, aggregates, arithmetic);
criterion_main!(benches);
