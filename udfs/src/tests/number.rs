//! RAND, ROUND and TRUNCATE.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility};
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;
use qserv_core::ErrorKind;

use super::{call, function, ours};
use crate::{RandomOfRow, all};

fn session(partitions: usize) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(100);
    let session = SessionContext::new_with_config(config);
    for function in all() {
        session.register_udf(function.as_ref().clone());
    }
    session
}

async fn numbers(session: &SessionContext, sql: &str) -> Vec<Option<f64>> {
    let batches = session.sql(sql).await.expect(sql).collect().await.expect(sql);
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Float64Type>().iter().collect::<Vec<_>>()).collect()
}

#[test]
fn decimals_agree_with_python() {
    let file = include_str!("decimals.csv").lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<Vec<&str>> = file.map(|line| line.split(',').collect()).collect();
    assert!(rows.len() > 800);
    let values: Vec<f64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    let places: Vec<i64> = rows.iter().map(|row| row[1].parse().unwrap()).collect();
    let arguments = vec![
        ColumnarValue::Array(Arc::new(Float64Array::from(values))),
        ColumnarValue::Array(Arc::new(Int64Array::from(places))),
    ];
    for (name, place) in [("qserv_round", 2), ("qserv_truncate", 3)] {
        let found = call(name, arguments.clone(), rows.len()).unwrap().into_array(rows.len()).unwrap();
        for (row, found) in rows.iter().zip(found.as_primitive::<Float64Type>()) {
            let expected = (row[place] != "NULL").then(|| row[place].parse::<f64>().unwrap());
            assert_eq!(found.map(f64::to_bits), expected.map(f64::to_bits), "{name}: {row:?} gave {found:?}");
        }
    }
}

#[tokio::test]
async fn whole_numbers_stay_whole() {
    let session = session(1);
    for (expression, expected) in [
        ("qserv_round(15, -1)", Some(20)),
        ("qserv_round(-15, -1)", Some(-20)),
        ("qserv_round(14, -1)", Some(10)),
        ("qserv_round(15, 1)", Some(15)),
        ("qserv_round(15)", Some(15)),
        ("qserv_truncate(19, -1)", Some(10)),
        ("qserv_truncate(-19, -1)", Some(-10)),
        ("qserv_truncate(9223372036854775807, -18)", Some(9_000_000_000_000_000_000)),
        ("qserv_round(9223372036854775807, 0)", Some(i64::MAX)),
        ("qserv_round(4999999999999999999, -19)", Some(0)),
        ("qserv_round(9223372036854775807, -20)", Some(0)),
        ("qserv_round(-9223372036854775807, -9223372036854775807)", Some(0)),
        ("qserv_truncate(9223372036854775807, -19)", Some(0)),
        ("qserv_round(CAST(7 AS SMALLINT), n) FROM (VALUES (-1)) AS t(n)", Some(10)),
        ("qserv_round(15, CAST(NULL AS BIGINT))", None),
        ("qserv_round(CAST(NULL AS BIGINT), -1)", None),
    ] {
        let batches = session.sql(&format!("SELECT {expression}")).await.expect(expression).collect().await;
        let column = Arc::clone(batches.expect(expression)[0].column(0));
        assert_eq!(column.data_type(), &DataType::Int64, "{expression}");
        let column = column.as_primitive::<Int64Type>();
        assert_eq!(column.is_valid(0).then(|| column.value(0)), expected, "{expression}");
    }
    let error = session.sql("SELECT qserv_round(9223372036854775807, -1)").await.unwrap().collect().await.unwrap_err();
    assert_eq!(ours(&error).kind(), ErrorKind::Invalid);
    assert_eq!(ours(&error).to_string(), "the result is beyond the largest number of its type (function: ROUND)");
}

#[tokio::test]
async fn numbers_that_are_none_stay_so() {
    let session = session(1);
    for (expression, expected) in [
        ("qserv_round(CAST('NaN' AS DOUBLE), 2)", None),
        ("qserv_round(CAST('inf' AS DOUBLE), 2)", Some(f64::INFINITY)),
        ("qserv_truncate(CAST('-inf' AS DOUBLE), -2)", Some(f64::NEG_INFINITY)),
        ("qserv_round(1.5, NULL)", None),
        ("qserv_round(NULL, 1)", None),
        ("qserv_round(CAST(0.1 AS REAL), 3)", Some(0.1)),
        ("qserv_round(CAST(2.345 AS DECIMAL(9,3)), 2)", Some(2.35)),
        ("qserv_round(0.5, 1000000000000)", Some(0.5)),
        ("qserv_round(0.5, -1000000000000)", Some(0.0)),
    ] {
        assert_eq!(numbers(&session, &format!("SELECT {expression}")).await, [expected], "{expression}");
    }
}

/// What DataFusion does itself, and why it is not used: this fails when it does better.
#[tokio::test]
async fn datafusion_itself_rounds_otherwise() {
    let session = session(1);
    for (expression, found) in [
        ("round(1.005, 2)", 1.0),
        ("trunc(0.29, 2)", 0.28),
        ("CASE WHEN isnan(round(5.0, 309)) THEN -1.0 ELSE 5.0 END", -1.0),
    ] {
        assert_eq!(numbers(&session, &format!("SELECT {expression}")).await, [Some(found)], "{expression}");
    }
    let plan = session.sql("SELECT trunc(15, -1)").await.unwrap();
    assert_eq!(plan.schema().field(0).data_type(), &DataType::Float64);
}

#[tokio::test]
async fn random_numbers_of_a_seed_come_again_and_others_do_not() {
    const ROWS: &str = "FROM generate_series(1, 1000) AS t(n)";
    let session = session(1);
    let seeded = format!("SELECT qserv_random(42) {ROWS}");
    let first = numbers(&session, &seeded).await;
    assert_eq!(first.len(), 1000);
    assert!(first.iter().all(|number| number.is_some_and(|number| (0.0..1.0).contains(&number))));
    assert_eq!(numbers(&session, &seeded).await, first);
    assert_ne!(numbers(&session, &format!("SELECT qserv_random(43) {ROWS}")).await, first);
    let other = numbers(&session, &format!("SELECT qserv_random() {ROWS}")).await;
    assert_ne!(numbers(&session, &format!("SELECT qserv_random() {ROWS}")).await, other);
    let distinct = |numbers: &[Option<f64>]| {
        let mut bits: Vec<u64> = numbers.iter().flatten().map(|number| number.to_bits()).collect();
        bits.sort_unstable();
        bits.dedup();
        bits.len()
    };
    assert_eq!((distinct(&first), distinct(&other)), (1000, 1000));
    // A seed from a column, and none.
    assert_eq!(numbers(&session, "SELECT qserv_random(CAST(NULL AS BIGINT))").await, [None]);
    let of_column = numbers(&session, &format!("SELECT qserv_random(n % 2 + 42) {ROWS}")).await;
    assert_eq!(of_column[1], first[1]);
    assert_ne!(of_column[0], first[0]);
    // Two calls are two sequences; a condition is drawn anew for each row.
    let kept = numbers(&session, &format!("SELECT n * 1.0 {ROWS} WHERE qserv_random(1) < 0.25")).await.len();
    assert!((180..320).contains(&kept), "{kept}");
}

#[tokio::test]
async fn no_random_number_comes_twice_where_threads_share_a_sequence() {
    let of_four = session(4);
    let sql = "SELECT qserv_random(42) FROM (SELECT n, count(*) AS c FROM generate_series(1, 3000) AS t(n) GROUP BY n)";
    let plan = of_four.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let partitions = plan.properties().output_partitioning().partition_count();
    assert!(partitions > 1);
    let mut shared: Vec<u64> = numbers(&of_four, sql).await.iter().flatten().map(|number| number.to_bits()).collect();
    let alone = numbers(&session(1), "SELECT qserv_random(42) FROM generate_series(1, 3000) AS t(n)").await;
    let mut alone: Vec<u64> = alone.iter().flatten().map(|number| number.to_bits()).collect();
    shared.sort_unstable();
    alone.sort_unstable();
    assert_eq!(shared, alone);
}

#[tokio::test]
async fn a_random_number_of_a_row_follows_from_the_row_wherever_it_is() {
    let [one, four] = [session(1), session(4)];
    for session in [&one, &four] {
        session.register_udf(ScalarUDF::new_from_impl(RandomOfRow::default()));
    }
    const ROWS: &str = "FROM generate_series(1, 3000) AS t(n)";
    let of_rows = numbers(&one, &format!("SELECT qserv_random_of_row(42, n, 'a') {ROWS}")).await;
    let of_groups =
        format!("SELECT qserv_random_of_row(42, n, 'a') FROM (SELECT n, count(*) {ROWS} GROUP BY n) ORDER BY n");
    assert_eq!(numbers(&four, &of_groups).await, of_rows);
    // The width of a type is not part of its values.
    assert_eq!(numbers(&one, &format!("SELECT qserv_random_of_row(42, CAST(n AS INT), 'a') {ROWS}")).await, of_rows);
    // Values that differ, their order, and seeds make other numbers.
    let mut all: Vec<u64> = of_rows.iter().flatten().map(|number| number.to_bits()).collect();
    for other in ["42, n, 'b'", "42, 'a', n", "43, n, 'a'", "42, n, NULL", "42, n * 1.0, 'a'", "42, n"] {
        let of_others = numbers(&one, &format!("SELECT qserv_random_of_row({other}) {ROWS}")).await;
        all.extend(of_others.iter().flatten().map(|number| number.to_bits()));
    }
    // Rows like each other, in one batch, have numbers of their own.
    let alike =
        numbers(&one, &format!("SELECT qserv_random_of_row(42, 'a', NULL, 1.5, CAST(1 AS DECIMAL(5, 2))) {ROWS}"))
            .await;
    all.extend(alike.iter().take(100).flatten().map(|number| number.to_bits()));
    assert_eq!(all.len(), 7 * 3000 + 100);
    let mean = all.iter().map(|bits| f64::from_bits(*bits)).sum::<f64>() / all.len() as f64;
    assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / all.len() as f64).sqrt(), "{mean}");
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 7 * 3000 + 100);
    assert_eq!(numbers(&one, "SELECT qserv_random_of_row(NULL, 1)").await, [None]);
}

#[tokio::test]
async fn normal_numbers_have_their_moments() {
    let session = session(1);
    let drawn = numbers(&session, "SELECT ivo_normal_random(10, 5) FROM generate_series(1, 100000) AS t(n)").await;
    let drawn: Vec<f64> = drawn.into_iter().map(|number| (number.unwrap() - 10.0) / 5.0).collect();
    let count = drawn.len() as f64;
    let moment = |power: i32| drawn.iter().map(|number| number.powi(power)).sum::<f64>() / count;
    // Each within six of its standard deviations, from the moments of the normal distribution.
    for (power, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
        let found = moment(power);
        assert!((found - expected).abs() < 6.0 * f64::sqrt(variance / count), "moment {power}: {found}");
    }
    let within = drawn.iter().filter(|number| number.abs() < 1.0).count() as f64 / count;
    assert!((within - 0.682_689_5).abs() < 6.0 * (0.6827_f64 * 0.3173 / count).sqrt(), "{within}");
}

#[test]
fn only_random_functions_are_volatile() {
    for function in all() {
        let is_volatile = matches!(function.name(), "qserv_random" | "ivo_normal_random");
        let expected = if is_volatile { Volatility::Volatile } else { Volatility::Immutable };
        assert_eq!(function.signature().volatility, expected, "{}", function.name());
    }
    assert!(!function("qserv_random").inner().is_strict());
}

proptest! {
    #[test]
    fn rounding_is_between_cuts(value in prop_oneof![-1e6..1e6_f64, prop::num::f64::NORMAL], places in -20_i64..25) {
        let one = |name: &str| {
            let arguments = vec![ColumnarValue::Scalar(value.into()), ColumnarValue::Scalar(places.into())];
            let found = call(name, arguments, 1)?;
            Ok::<_, datafusion::error::DataFusionError>(found.into_array(1)?.as_primitive::<Float64Type>().value(0))
        };
        let cut = one("qserv_truncate").unwrap();
        prop_assert!(cut.abs() <= value.abs() && (value - cut).abs() <= 10_f64.powi(-places as i32) * (1.0 + 1e-12));
        if let Ok(rounded) = one("qserv_round") {
            prop_assert!((value - rounded).abs() <= 10_f64.powi(-places as i32) * 0.5 + value.abs() * 1e-15, "{rounded}");
            // What was rounded stays.
            let again = call("qserv_round", vec![ColumnarValue::Scalar(rounded.into()), ColumnarValue::Scalar(places.into())], 1);
            let again = again.unwrap().into_array(1).unwrap().as_primitive::<Float64Type>().value(0);
            prop_assert_eq!(again, rounded);
        }
    }
}
