//! A predicate says no more than its filter does: random filters over rows of the whole sky, against what DataFusion
//! makes of them.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::SessionContext;
use proptest::prelude::*;

use super::Predicate;
use crate::table::Columns;

/// Positions: a grid with the poles, both sides of the meridian 0, points that lie close together, and none.
fn positions() -> Vec<(Option<f64>, Option<f64>)> {
    let mut positions = vec![(None, Some(1.0)), (Some(1.0), None), (Some(f64::NAN), Some(0.0)), (None, None)];
    for lat in [-90.0, -89.5, -60.0, -10.0, -0.5, 0.0, 0.5, 20.0, 45.0, 89.9, 90.0] {
        for step in 0..12 {
            positions.push((Some(f64::from(step) * 30.0), Some(lat)));
        }
        for lon in [0.2, 359.8, 9.5, 10.0, 10.5, 180.5] {
            positions.push((Some(lon), Some(lat)));
        }
    }
    positions
}

struct Judge {
    context: SessionContext,
    runtime: tokio::runtime::Runtime,
    rows: Vec<(Option<f64>, Option<f64>)>,
}

impl Judge {
    fn new() -> Self {
        let rows = positions();
        let schema = Arc::new(Schema::new(vec![
            Field::new("lon", DataType::Float64, true),
            Field::new("lat", DataType::Float64, true),
            Field::new("id", DataType::Int64, false),
        ]));
        let ids: Vec<i64> = (0..).take(rows.len()).collect();
        let batch = RecordBatch::try_new(
            Arc::clone(&schema),
            vec![
                Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>()),
                Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()),
                Arc::new(Int64Array::from(ids)),
            ],
        )
        .unwrap();
        let context = SessionContext::new();
        for function in qserv_udfs::all() {
            context.register_udf(function.as_ref().clone());
        }
        context.register_table("t", Arc::new(MemTable::try_new(schema, vec![vec![batch]]).unwrap())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { context, runtime, rows }
    }

    /// The predicate of a condition as it comes out of the optimizer, and the rows that satisfy the condition.
    fn ask(&self, condition: &str) -> (Predicate, Vec<i64>) {
        self.runtime.block_on(async {
            let frame = self.context.sql(&format!("SELECT id FROM t WHERE {condition}")).await.unwrap();
            let plan = frame.clone().into_optimized_plan().unwrap();
            let columns = ["lon".to_owned(), "lat".to_owned()];
            let columns = Columns { position: Some(&columns), key: Some("id") };
            let predicate = Predicate::of(&filters(&plan), columns);
            let mut ids = Vec::new();
            for batch in frame.collect().await.unwrap() {
                let column = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
                ids.extend(column.values());
            }
            (predicate, ids)
        })
    }

    fn check(&self, condition: &str) -> (Predicate, Vec<i64>) {
        let (predicate, ids) = self.ask(condition);
        for id in &ids {
            let (lon, lat) = self.rows[usize::try_from(*id).unwrap()];
            assert!(may_hold(&predicate, lon, lat, *id), "{condition}\nrow {id}: {lon:?} {lat:?}\n{predicate:?}");
        }
        (predicate, ids)
    }
}

fn filters(plan: &LogicalPlan) -> Vec<Expr> {
    let mut filters = Vec::new();
    plan.apply(|node| {
        match node {
            LogicalPlan::Filter(filter) => filters.push(filter.predicate.clone()),
            LogicalPlan::TableScan(scan) => filters.extend(scan.filters.clone()),
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    filters
}

/// What pruning concludes from the predicate for one row. Bounds leave out NULL, so that it satisfies none of them.
fn may_hold(predicate: &Predicate, lon: Option<f64>, lat: Option<f64>, id: i64) -> bool {
    match predicate {
        Predicate::Anything => true,
        Predicate::Nothing => false,
        Predicate::All(parts) => parts.iter().all(|part| may_hold(part, lon, lat, id)),
        Predicate::Any(parts) => parts.iter().any(|part| may_hold(part, lon, lat, id)),
        Predicate::Region(region) => lon.zip(lat).is_some_and(|(lon, lat)| region.contains(lon, lat)),
        // NaN is above all numbers in the engine, and segments with NaN have no bounds.
        Predicate::Longitude([low, high]) => lon.is_some_and(|lon| lon.is_nan() || (*low..=*high).contains(&lon)),
        Predicate::Latitude([low, high]) => lat.is_some_and(|lat| lat.is_nan() || (*low..=*high).contains(&lat)),
        Predicate::Keys(keys) => keys.contains(&id),
        Predicate::KeyBetween([low, high]) => (*low..=*high).contains(&id),
        Predicate::KeyHomes { .. } => true,
    }
}

/// Every form that restricts the sky is recognised: it leaves less than half of the rows.
#[test]
fn forms_that_restrict() {
    let judge = Judge::new();
    let circle = "qserv_contains_circle(lon, lat, 10, 20, 40)";
    for condition in [
        circle.to_owned(),
        format!("CAST({circle} AS INTEGER) = 1"),
        format!("1 = CAST({circle} AS INTEGER)"),
        format!("CAST({circle} AS INTEGER) > 0"),
        format!("0 < CAST({circle} AS BIGINT)"),
        format!("NOT (CAST({circle} AS INTEGER) = 0)"),
        format!("NOT (NOT {circle})"),
        format!("{circle} IS TRUE"),
        format!("{circle} = true"),
        format!("NOT (NOT {circle} OR id < 0)"),
        format!("{circle} AND id >= 0"),
        format!("{circle} OR qserv_contains_polygon(lon, lat, 1, 1, 20, 1, 10, 10)"),
        "qserv_contains_circle(10, 20, lon, lat, 40)".to_owned(),
        "qserv_contains_circle(lon, lat, 5 + 5, CAST('20' AS DOUBLE), 40)".to_owned(),
        "qserv_contains_box(lon, lat, 10, 20, 30, 30)".to_owned(),
        "scisql_s2PtInCircle(lon, lat, 10, 20, 40) = 1".to_owned(),
        "scisql_s2PtInBox(lon, lat, 350, -20, 20, 20) <> 0".to_owned(),
        "scisql_s2PtInCPoly(lon, lat, 1, -5, 20, -5, 10, 15) = 1".to_owned(),
        "qserv_distance(lon, lat, 10, 20) < 40".to_owned(),
        "40 >= qserv_distance(10, 20, lon, lat)".to_owned(),
        "NOT (qserv_distance(lon, lat, 10, 20) > 40)".to_owned(),
        "qserv_distance(lon, lat, 10, 20) * 3600 < 144000".to_owned(),
        "60 * qserv_distance(lon, lat, 10, 20) * 60 <= 144000".to_owned(),
        "qserv_distance(lon, lat, 10, 20) / 2 < 20".to_owned(),
        "scisql_angSep(lon, lat, 10, 20) <= 40".to_owned(),
        "qserv_distance(lon, lat, 10, 20) < 40 OR lat < -85".to_owned(),
        "lon IN (10, 10.5)".to_owned(),
    ] {
        let (predicate, ids) = judge.check(&condition);
        let left = (0..).zip(&judge.rows).filter(|(id, (lon, lat))| may_hold(&predicate, *lon, *lat, *id)).count();
        assert!(left < judge.rows.len() / 2, "{condition}\n{predicate:?}");
        assert!(!ids.is_empty(), "{condition}");
    }
}

#[test]
fn forms_that_do_not_restrict() {
    let judge = Judge::new();
    let circle = "qserv_contains_circle(lon, lat, 10, 20, 40)";
    for condition in [
        format!("NOT {circle}"),
        format!("CAST({circle} AS INTEGER) = 0"),
        format!("CAST({circle} AS INTEGER) <> 1"),
        format!("CAST({circle} AS INTEGER) >= 0"),
        format!("{circle} IS NOT TRUE"),
        format!("{circle} IS DISTINCT FROM true"),
        format!("{circle} OR id >= 0 AND lat > lon"),
        "qserv_distance(lon, lat, 10, 20) > 40".to_owned(),
        "qserv_distance(lon, lat, 10, 20) * -1 < 40".to_owned(),
        "qserv_distance(lon, lat, 10, 20) < lat".to_owned(),
        "NOT (qserv_distance(lon, lat, 10, 20) < 40)".to_owned(),
    ] {
        let (_, ids) = judge.check(&condition);
        assert!(!ids.is_empty(), "{condition}");
    }
}

fn atom() -> impl Strategy<Value = String> {
    let lon = prop_oneof![0.0..360.0_f64, Just(0.0), Just(359.9), Just(10.0), Just(180.0)];
    let lat = prop_oneof![-90.0..=90.0_f64, Just(-90.0), Just(90.0), Just(0.0), Just(20.0)];
    let radius = prop_oneof![0.0..180.0_f64, Just(0.0), Just(0.5), Just(30.0), Just(180.0)];
    let comparison = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    (0..12_u8, lon, lat, radius, comparison, 0..2_u8).prop_map(
        |(form, lon, lat, radius, comparison, bit): (u8, f64, f64, f64, &str, u8)| {
            let circle = format!("qserv_contains_circle(lon, lat, {lon:?}, {lat:?}, {radius:?})");
            let distance = format!("qserv_distance(lon, lat, {lon:?}, {lat:?})");
            match form {
                0 => circle,
                1 => format!("CAST({circle} AS INTEGER) {comparison} {bit}"),
                2 => format!("{bit} {comparison} CAST({circle} AS BIGINT)"),
                3 => format!("qserv_contains_circle({lon:?}, {lat:?}, lon, lat, {radius:?})"),
                4 => format!("{distance} {comparison} {radius:?}"),
                5 => format!("{radius:?} {comparison} {distance}"),
                6 => format!("{distance} * 3600 {comparison} {:?}", radius * 3600.0),
                7 => format!("scisql_s2PtInCircle(lon, lat, {lon:?}, {lat:?}, {radius:?}) {comparison} {bit}"),
                8 => format!("scisql_s2PtInBox(lon, lat, {lon:?}, {:?}, {radius:?}, {lat:?}) = {bit}", -radius / 2.0),
                9 => format!("lat {comparison} {lat:?}"),
                10 => format!("lon {comparison} {lon:?}"),
                _ => format!("{circle} IS DISTINCT FROM {}", bit == 1),
            }
        },
    )
}

fn condition() -> impl Strategy<Value = String> {
    atom().prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} AND {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} OR {right})")),
            inner.clone().prop_map(|inner| format!("(NOT {inner})")),
            inner.prop_map(|inner| format!("({inner} IS NOT FALSE)")),
        ]
    })
}

#[test]
fn no_row_of_the_answer_is_left_out() {
    let judge = Judge::new();
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(condition in condition())| {
        judge.check(&condition);
    });
}
