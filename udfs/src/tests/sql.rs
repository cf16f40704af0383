//! The functions as a session plans, optimises and runs them.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Decimal128Array, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::pretty::pretty_format_batches;
use datafusion::error::Result;
use datafusion::prelude::SessionContext;
use qserv_core::ErrorKind;

use super::ours;
use crate::definition::Body;
use crate::{aggregates, all, all_definitions};

/// A session with the functions and a table of three objects; the last has no position.
pub(super) fn session() -> SessionContext {
    let session = SessionContext::new();
    for function in all() {
        session.register_udf(function.as_ref().clone());
    }
    for function in aggregates() {
        session.register_udaf(function.as_ref().clone());
    }
    let decl = Decimal128Array::from(vec![Some(-500), Some(1000), None]).with_precision_and_scale(9, 2).unwrap();
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("objectid", Arc::new(Int64Array::from(vec![1, 2, 3])) as Arc<dyn Array>, true),
        ("ra", Arc::new(Float64Array::from(vec![Some(10.0), Some(200.0), None])), true),
        ("decl", Arc::new(decl), true),
        ("rflux", Arc::new(Float32Array::from(vec![1000.0, -5.0, 10.0])), true),
        ("rfluxerr", Arc::new(Float64Array::from(vec![10.0, 1.0, f64::NAN])), true),
        ("rmag", Arc::new(Float64Array::from(vec![Some(20.5), Some(f64::NAN), None])), true),
        ("name", Arc::new(StringArray::from(vec![Some("one"), None, Some("a third")])), true),
    ]);
    session.register_batch("object", batch.unwrap()).unwrap();
    session
}

pub(super) async fn run(sql: &str) -> Result<RecordBatch> {
    let frame = session().sql(sql).await?;
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await?;
    Ok(arrow::compute::concat_batches(&schema, &batches)?)
}

async fn ids(condition: &str) -> Vec<i64> {
    let batch =
        run(&format!("SELECT objectId FROM Object WHERE {condition} ORDER BY objectId")).await.expect(condition);
    batch.column(0).as_primitive::<Int64Type>().values().to_vec()
}

#[tokio::test]
async fn every_example_runs_and_gives_what_is_declared() {
    for definition in all_definitions() {
        if matches!(definition.body, Body::Refused(_)) {
            assert_eq!(ours(&run(definition.example).await.unwrap_err()).kind(), ErrorKind::Invalid);
            continue;
        }
        let batch = run(definition.example).await.unwrap_or_else(|error| panic!("{}: {error}", definition.example));
        assert!(definition.example.contains(definition.name));
        if !definition.example.contains("WHERE") {
            let field = batch.schema().fields().last().unwrap().clone();
            assert_eq!(field.data_type(), &definition.returns.data_type(), "{}", definition.name);
            let is_of_a_point = matches!(definition.name, "qserv_transform" | "ivo_geom_transform");
            let xtype = if is_of_a_point { Some("point") } else { definition.returns.xtype() };
            assert_eq!(field.metadata().get("xtype").map(String::as_str), xtype, "{}", definition.name);
            let rows = if matches!(definition.body, Body::Aggregate(_)) { 1 } else { 3 };
            assert_eq!(batch.num_rows(), rows, "{}", definition.name);
        } else {
            let found = batch.column(0).as_primitive::<Int64Type>().values();
            // Object 1 is at (10, -5).
            assert_eq!(found.as_ref(), [1], "{}", definition.example);
        }
    }
}

#[tokio::test]
async fn a_null_row_is_0_to_scisql_and_null_to_adql() {
    assert_eq!(ids("scisql_s2PtInCircle(ra, decl, 10, -5, 1) = 0").await, [2, 3]);
    assert_eq!(ids("NOT qserv_contains_circle(ra, decl, 10, -5, 1)").await, [2]);
    assert_eq!(ids("qserv_contains_circle(ra, decl, 10, -5, 1) IS NULL").await, [3]);
    assert_eq!(ids("CAST(qserv_contains_circle(ra, decl, 10, -5, 1) AS INTEGER) = 1").await, [1]);
    assert_eq!(ids("scisql_s2PtInCircle(ra, decl, NULL, -5, 1) = 0").await, [1, 2, 3]);
    assert_eq!(ids("scisql_nanojanskyToAbMag(rFlux) IS NULL").await, [2]);
}

#[tokio::test]
async fn the_usual_spelling_and_any_number_are_taken() {
    let batch =
        run("SELECT \"scisql_angSep\"(0, 0.5, 0, 90), SCISQL_ANGSEP(1, 0, 0, 0, 0, CAST(1 AS DECIMAL(5,2)))").await;
    let batch = batch.unwrap();
    assert_eq!(batch.column(0).as_primitive::<Float64Type>().value(0), 89.5);
    assert_eq!(batch.column(1).as_primitive::<Float64Type>().value(0), 90.0);
}

#[tokio::test]
async fn constants_fold() {
    let session = session();
    let sql =
        "SELECT objectId FROM Object WHERE qserv_distance(0, 0, 0, 1 + 1) < 3 AND ra > scisql_nanojanskyToAbMag(1)";
    let plan = session.sql(sql).await.unwrap().into_optimized_plan().unwrap().to_string();
    assert!(!plan.contains("qserv_distance") && !plan.contains("scisql"), "{plan}");
}

#[tokio::test]
async fn constant_values_keep_their_xtype() {
    for (call, xtype) in [
        ("qserv_point(10.0, 5.0)", "point"),
        ("qserv_circle(10.0, 5.0, 1.0)", "circle"),
        ("qserv_box(10.0, 5.0, 1.0, 1.0)", "polygon"),
        ("qserv_polygon(1, 1, 2, 1, 1, 2)", "polygon"),
    ] {
        for from in ["", " FROM Object"] {
            let batch = run(&format!("SELECT {call} AS region{from}")).await.unwrap();
            assert_eq!(
                batch.schema().field(0).metadata().get("xtype").map(String::as_str),
                Some(xtype),
                "{call}{from}"
            );
        }
    }
    let batch =
        run("SELECT qserv_coord2(p) AS c FROM (SELECT qserv_point(ra, decl) AS p FROM Object) ORDER BY c").await;
    let batch = batch.unwrap();
    assert_eq!(batch.schema().field(0).data_type(), &DataType::Float64);
    let shown = pretty_format_batches(&[batch]).unwrap().to_string();
    assert_eq!(shown, "+------+\n| c    |\n+------+\n| -5.0 |\n| 10.0 |\n|      |\n+------+");
}

#[tokio::test]
async fn mistakes_in_constants_are_told_even_over_no_rows() {
    for condition in [
        "qserv_contains_circle(ra, decl, 10, -95, 1)",
        "qserv_contains_circle(ra, decl, 10, 9.5, -(0.5 + 0.5))",
        "NOT qserv_contains_polygon(ra, decl, 1, 1, 2, 2)",
        "qserv_contains_polygon(10, 91, ra, 1, 2, 2, decl, 3)",
        "qserv_distance(ra, decl, 10, 91) < 1",
        "qserv_coord1(qserv_circle(ra, decl, 1)) < 1",
        "scisql_s2PtInCircle(ra, decl, 10, 'north', 1) = 1",
        "scisql_s2PtInCPoly(ra, decl, 10, 10, 20) = 1",
    ] {
        let error = run(&format!("SELECT objectId FROM Object WHERE objectId < 0 AND {condition}")).await.unwrap_err();
        assert_eq!(ours(&error).kind(), ErrorKind::Invalid, "{condition}");
    }
}

#[tokio::test]
async fn shapes_are_measured_and_compared() {
    for (expression, expected) in [
        ("round(qserv_area(qserv_circle(10, 20, 5)), 8) = 78.48998608", true),
        ("round(qserv_area(qserv_polygon(10, 10, 20, 10, 20, 20, 10, 20)), 8) = 96.66473396", true),
        ("qserv_distance(359.9, 0, 0.1, 0) - 0.2 < 1e-12", true),
        ("qserv_area(qserv_point(ra, 1)) = 0", true),
        ("qserv_contains(qserv_circle(10, 20, 1), qserv_circle(10, 21, 2))", true),
        ("qserv_contains(qserv_circle(10, 20, 1), qserv_circle(10, 21, 1.9))", false),
        ("qserv_contains(qserv_point(ra, -5), 'Circle ICRS 10 -5 0.1')", true),
        ("qserv_intersects(qserv_circle(359, 0, 1.5), qserv_box(1, 0, 1, 1))", true),
        ("qserv_intersects('POLYGON 0 0 1 0 1 1 0 1', qserv_circle(ra, -5, 1))", false),
        ("qserv_contains_shape(ra, decl, qserv_moc(5, qserv_circle(10, -5, 0.1)))", true),
        ("qserv_contains_shape(ra, decl, '0/0-11')", true),
        ("qserv_contains_shape(ra, decl, qserv_moc_of('0/0'))", false),
        ("qserv_coord2(qserv_centroid(qserv_polygon_of('BOX 12 -30 1 1'))) + 30 < 1e-9", true),
        ("qserv_coord1(qserv_point_of('7 8')) = 7", true),
        ("abs(qserv_transform_lon(0, 0, 'GALACTIC', 'ICRS') - 266.40499) < 1e-4", true),
        ("abs(qserv_coord2(qserv_transform(qserv_point(0, 0), 'GALACTIC', 'FK5')) + 28.93617) < 1e-4", true),
        ("qserv_area(NULL) IS NULL AND qserv_contains(NULL, qserv_point(ra, 1)) IS NULL", true),
        ("qserv_contains_shape(NULL, decl, '0/0-11') IS NULL", true),
    ] {
        let found = run(&format!("SELECT {expression} AS holds FROM Object WHERE objectId = 1")).await;
        let found = found.unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert_eq!(found.column(0).as_boolean().value(0), expected, "{expression}");
    }
    // A column that says no shape gives NULL; a constant is a mistake.
    let batch =
        run("SELECT qserv_area(qserv_circle(ra, decl, rflux)) IS NULL AS none FROM Object ORDER BY objectId").await;
    assert_eq!(batch.unwrap().column(0).as_boolean().iter().flatten().collect::<Vec<_>>(), [false, true, true]);
    for mistake in [
        "qserv_area('Circle ICRS 10 -95 1')",
        "qserv_circle_of('10 20')",
        "qserv_moc(30, qserv_point(1, 2))",
        "qserv_moc_of('Circle ICRS 1 2 3')",
        "qserv_transform_lon(1, 2, 'ICRS', 'SUPERGALACTIC')",
        "qserv_contains_shape(ra, 91, '0/0')",
        "qserv_area(ra)",
    ] {
        let error = run(&format!("SELECT {mistake} FROM Object WHERE objectId < 0")).await.unwrap_err();
        assert_eq!(ours(&error).kind(), ErrorKind::Invalid, "{mistake}");
    }
}
