//! Aggregates against numpy, in groups, in parts, in windows, and at their bounds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Field, Float64Type, Int64Type, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::EmitTo;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use proptest::prelude::*;
use qserv_core::ErrorKind;

use super::ours;
use super::scisql::lines;
use crate::{aggregates, all};

/// A row of the tests' table.
type Row<'a> = (i64, Option<f64>, Option<&'a str>);

/// A session of several partitions, over a table of partitions of rows: a group, a value and a text.
fn session(partitions: Vec<Vec<Row<'_>>>) -> SessionContext {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(4).with_batch_size(7));
    all().iter().for_each(|function| session.register_udf(function.as_ref().clone()));
    aggregates().iter().for_each(|function| session.register_udaf(function.as_ref().clone()));
    let batch = |rows: Vec<Row<'_>>| {
        let groups: Int64Array = rows.iter().map(|row| Some(row.0)).collect();
        let values: Float64Array = rows.iter().map(|row| row.1).collect();
        let texts: StringArray = rows.iter().map(|row| row.2).collect();
        RecordBatch::try_from_iter_with_nullable([
            ("g", Arc::new(groups) as ArrayRef, true),
            ("v", Arc::new(values) as ArrayRef, true),
            ("t", Arc::new(texts) as ArrayRef, true),
        ])
        .unwrap()
    };
    let batches: Vec<Vec<RecordBatch>> = partitions.into_iter().map(|rows| vec![batch(rows)]).collect();
    let table = MemTable::try_new(batches[0][0].schema(), batches).unwrap();
    session.register_table("rows", Arc::new(table)).unwrap();
    session
}

async fn run(session: &SessionContext, sql: &str) -> Result<RecordBatch> {
    let frame = session.sql(sql).await?;
    let schema = Arc::clone(frame.schema().inner());
    Ok(arrow::compute::concat_batches(&schema, &frame.collect().await?)?)
}

/// The values of a data file's line, in three partitions.
fn in_partitions(values: &[f64]) -> SessionContext {
    let mut partitions = vec![Vec::new(); 3];
    for (n, value) in values.iter().enumerate() {
        partitions[n % 3].push((1, Some(*value), None));
    }
    session(partitions)
}

fn numbers(words: &[&str]) -> Vec<f64> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

#[tokio::test]
async fn percentiles_agree_with_numpy() {
    let mut checked = 0;
    for line in lines(include_str!("data/percentiles.txt")) {
        let [percent, expected, "|", values @ ..] = line.as_slice() else { panic!("{line:?}") };
        let expected: f64 = expected.parse().unwrap();
        let p = percent.parse::<f64>().unwrap() / 100.0;
        let median = if p == 0.5 { ", scisql_median(v), qserv_median(v)" } else { "" };
        let sql = format!("SELECT scisql_percentile(v, {percent}), qserv_percentile(v, {p}){median} FROM rows");
        let found = run(&in_partitions(&numbers(values)), &sql).await.unwrap();
        for column in found.columns() {
            let found = column.as_primitive::<Float64Type>().value(0);
            assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{line:?} {found}");
        }
        checked += 1;
    }
    assert_eq!(checked, 72);
}

#[tokio::test]
async fn histograms_agree_with_numpy() {
    let mut checked = 0;
    for line in lines(include_str!("data/histograms.txt")) {
        let bar = line.iter().position(|word| *word == "|").unwrap();
        let expected: Vec<i64> = line[3..bar].iter().map(|word| word.parse().unwrap()).collect();
        let (lower, upper, bins) = (line[0], line[1], line[2]);
        let session = in_partitions(&numbers(&line[bar + 1..]));
        let sql = format!("SELECT ivo_histogram(v, {lower}, {upper}, {bins}) FROM rows");
        let found = run(&session, &sql).await.unwrap();
        let found = found.column(0).as_list::<i32>().value(0);
        assert_eq!(found.as_primitive::<Int64Type>().values().as_ref(), expected, "{line:?}");
        checked += 1;
    }
    assert_eq!(checked, 5);
}

/// Rows of four groups in four partitions; group 3 has neither values nor texts.
fn groups() -> SessionContext {
    let rows = |partition: i64| {
        (0..25)
            .map(|n| {
                let group = n % 4;
                let value = (group != 3).then(|| (n * 31 + partition * 17) as f64 % 50.0);
                let value = if n == 0 { Some(f64::NAN) } else { value };
                let text = ["delta", "alpha", "", "no"][group as usize];
                (group, value, (group != 3 && n < 12).then_some(text))
            })
            .collect()
    };
    session((0..4).map(rows).collect())
}

#[tokio::test]
async fn groups_in_partitions_are_whole() {
    let session = groups();
    let found = run(
        &session,
        "SELECT g, scisql_median(v) AS m, scisql_percentile(v, 25) AS q, ivo_histogram(v, 0, 50, 2) AS h, \
         ivo_string_agg(t, '-') AS s, count(v) AS n FROM rows GROUP BY g ORDER BY g",
    );
    // Of the values by hand, in Python: statistics.median, numpy.percentile, numpy.histogram and join.
    let expected = include_str!("data/groups.txt");
    assert_eq!(pretty_format_batches(&[found.await.unwrap()]).unwrap().to_string().trim(), expected.trim());
    // The rows behind it, for that.
    let rows = run(&session, "SELECT count(*) FROM rows").await.unwrap();
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(0), 100);
}

#[tokio::test]
async fn nothing_gives_null() {
    let session = groups();
    for (expression, from) in [("", "WHERE g > 9"), ("", "WHERE g = 3 AND v IS NULL AND t IS NULL")] {
        let sql = format!(
            "SELECT scisql_median(v), scisql_percentile(v, 25), qserv_median(v), qserv_percentile(v, 1), \
             ivo_string_agg(t, ','){expression} FROM rows {from}"
        );
        let found = run(&session, &sql).await.unwrap();
        assert!(found.columns().iter().all(|column| column.is_null(0) && column.len() == 1), "{from}");
    }
    let found = run(&session, "SELECT ivo_histogram(v, 0, 1, 2) FROM rows WHERE g > 9").await.unwrap();
    assert!(found.column(0).is_null(0));
    // A NULL and a NaN are below every limit.
    let found = run(&session, "SELECT ivo_histogram(v, 0, 1, 2) FROM rows WHERE g = 3 AND v IS NULL").await.unwrap();
    let found = found.column(0).as_list::<i32>().value(0);
    assert_eq!(found.as_primitive::<Int64Type>().values().as_ref(), [24, 0, 0, 0]);
}

#[tokio::test]
async fn percents_come_from_rows_too() {
    let session = session(vec![(0..101).map(|n| (n % 3, Some(n as f64), None)).collect(), vec![(3, Some(1.0), None)]]);
    // As sciSQL's own testGroups: each group names its percent.
    let sql = "SELECT g, scisql_percentile(v, g * 25) AS p FROM rows GROUP BY g ORDER BY g";
    let found = run(&session, sql).await.unwrap();
    let found: Vec<f64> = found.column(1).as_primitive::<Float64Type>().values().to_vec();
    assert_eq!(found, [0.0, 1.0 + 33.0 * 3.0 * 0.25, 2.0 + 32.0 * 3.0 * 0.5, 1.0]);
    for impossible in ["NULL", "-1", "100.1", "CASE WHEN v < 50 THEN 50 END", "v * 0 + 101"] {
        let found = run(&session, &format!("SELECT scisql_percentile(v, {impossible}) FROM rows")).await.unwrap();
        assert!(found.column(0).is_null(0), "{impossible}");
    }
    let error = run(&session, "SELECT scisql_percentile(v, v) FROM rows WHERE v <= 1 AND g < 3").await.unwrap_err();
    let message = ours(&error).message().to_owned();
    assert!(message.starts_with("the rows of a group ask for different percentiles"), "{message}");
    assert_eq!(ours(&error).kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn infinities_are_values() {
    let (plus, minus) = (f64::INFINITY, f64::NEG_INFINITY);
    for (values, p, expected) in [
        (vec![plus, 1.0, minus], 0.5, Some(1.0)),
        (vec![plus, plus, 1.0], 0.75, Some(plus)),
        (vec![minus, minus], 0.3, Some(minus)),
        (vec![minus, plus], 0.5, None),
        (vec![1.0, plus], 0.5, Some(plus)),
        (vec![f64::MAX, -f64::MAX], 0.5, Some(0.0)),
    ] {
        let session = in_partitions(&values);
        let found = run(&session, &format!("SELECT qserv_percentile(v, {p}) FROM rows")).await.unwrap();
        let found = found.column(0).as_primitive::<Float64Type>().iter().next().flatten();
        assert_eq!(found, expected, "{values:?}");
    }
}

#[tokio::test]
async fn any_number_and_distinct_and_filter_are_taken() {
    let session =
        session(vec![vec![(1, Some(1.0), Some("b")), (2, Some(1.0), Some("b"))], vec![(4, Some(9.0), Some("a"))]]);
    for (expression, expected) in [
        ("scisql_median(g)", "2.0"),
        ("qserv_median(CAST(g AS SMALLINT))", "2.0"),
        ("qserv_percentile(CAST(g AS DECIMAL(5, 1)), 0.25)", "1.5"),
        ("qserv_median(DISTINCT v)", "5.0"),
        ("scisql_percentile(DISTINCT v, 50)", "5.0"),
        ("SCISQL_MEDIAN(v) FILTER (WHERE g > 1)", "5.0"),
        ("scisql_median(v) + 0 * qserv_median(g)", "1.0"),
        ("ivo_string_agg(t, '')", "abb"),
        ("ivo_string_agg(DISTINCT t, ', ')", "a, b"),
        ("ivo_string_agg(t, NULL)", "abb"),
        ("ivo_histogram(g, 1, 4, 1)", "[0, 3, 0]"),
    ] {
        let found = run(&session, &format!("SELECT {expression} AS x FROM rows")).await.expect(expression);
        let found = arrow::util::display::array_value_to_string(found.column(0), 0).unwrap();
        assert_eq!(found, expected, "{expression}");
    }
}

#[tokio::test]
async fn windows_move() {
    let values = [5.0, 1.0, 4.0, 2.0, 3.0, 9.0];
    let session = session(vec![values.iter().enumerate().map(|(n, v)| (n as i64, Some(*v), Some("x"))).collect()]);
    let sql = "SELECT qserv_median(v) OVER (ORDER BY g ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS m, \
               qserv_percentile(v, 0) OVER (ORDER BY g) AS lowest, \
               ivo_histogram(v, 0, 4, 2) OVER (ORDER BY g ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS h, \
               ivo_string_agg(t, '') OVER (ORDER BY g ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM rows ORDER BY g";
    let found = run(&session, sql).await.unwrap();
    let column = |n: usize| found.column(n).as_primitive::<Float64Type>().values().to_vec();
    assert_eq!(column(0), [3.0, 4.0, 2.0, 3.0, 3.0, 6.0]);
    assert_eq!(column(1), [5.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    let histograms: Vec<Vec<i64>> = found
        .column(2)
        .as_list::<i32>()
        .iter()
        .map(|h| h.unwrap().as_primitive::<Int64Type>().values().to_vec())
        .collect();
    assert_eq!(histograms[1], [0, 1, 0, 1]);
    assert_eq!(histograms[3], [0, 0, 2, 0]);
    let texts: Vec<usize> = found.column(3).as_string::<i32>().iter().flatten().map(str::len).collect();
    assert_eq!(texts, [1, 2, 3, 3, 3, 3]);
}

#[tokio::test]
async fn mistakes_are_told_in_words_even_over_no_rows() {
    let session = groups();
    for (mistake, message) in [
        ("qserv_percentile(v, 50)", "the fraction p must be 0 to 1, not 50: 0.5 asks for the median"),
        ("qserv_percentile(v, v)", "the fraction p must be a constant: it is one value for all rows"),
        ("qserv_percentile(v, NULL)", "the fraction p must be a number"),
        ("qserv_median(t)", "argument 1 of MEDIAN must be a number"),
        ("qserv_percentile(v)", "PERCENTILE takes 2 arguments, not 1"),
        ("scisql_median(v, v)", "scisql_median takes 1 arguments, not 2"),
        ("ivo_string_agg(v, ',')", "argument 1 of ivo_string_agg must be a text"),
        ("ivo_string_agg(t, t)", "the delimiter must be a constant: it is one value for all rows"),
        ("ivo_histogram(v, 0, 1, 0)", "a histogram has 1 to 100000 bins"),
        ("ivo_histogram(v, 0, 1, 100001)", "a histogram has 1 to 100000 bins"),
        ("ivo_histogram(v, 0, 1, NULL)", "a histogram has 1 to 100000 bins"),
        ("ivo_histogram(v, 1, 1, 5)", "a histogram cannot reach from 1 to 1"),
        ("ivo_histogram(v, 0, NULL, 5)", "upper must be a number"),
        ("ivo_histogram(v, v, 2, 5)", "lower must be a constant: it is one value for all rows"),
        ("ivo_histogram(v, 0, 1, 0.5)", "argument 4 of ivo_histogram must be a whole number"),
        ("ivo_histogram(DISTINCT v, 0, 1, 5)", "a histogram counts every value: DISTINCT is not possible"),
    ] {
        let error = run(&session, &format!("SELECT {mistake} FROM rows WHERE g < 0")).await.expect_err(mistake);
        assert_eq!((ours(&error).kind(), ours(&error).message()), (ErrorKind::Invalid, message), "{mistake}");
    }
}

#[tokio::test]
async fn a_text_has_a_bound() {
    let session = session(vec![vec![(1, None, Some("x"))]]);
    let sql = "SELECT ivo_string_agg(repeat(t, 40000000), '') AS s FROM (SELECT t FROM rows UNION ALL SELECT t FROM rows) AS twice";
    let error = run(&session, sql).await.unwrap_err();
    assert_eq!(ours(&error).kind(), ErrorKind::Limit, "{error}");
}

/// A state that grows is counted: the engine's bound for the memory of queries holds for it.
#[tokio::test]
async fn memory_has_a_bound() {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(4 << 20, 1.0).build_arc().unwrap();
    for aggregate in
        ["qserv_median(value)", "scisql_percentile(value, 5)", "ivo_string_agg(CAST(value AS VARCHAR), ',')"]
    {
        let session = SessionContext::new_with_config_rt(SessionConfig::new(), Arc::clone(&runtime));
        aggregates().iter().for_each(|function| session.register_udaf(function.as_ref().clone()));
        let values: Int64Array = (0..1_000_000).map(Some).collect();
        let batch = RecordBatch::try_from_iter([("value", Arc::new(values) as ArrayRef)]).unwrap();
        session.register_batch("rows", batch).unwrap();
        let sql = format!("SELECT {aggregate} AS x FROM rows");
        let error = run(&session, &sql).await.expect_err(aggregate);
        assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{aggregate}: {error}");
    }
}

/// What a call's accumulator is made from: a column `v`, and constants.
fn with_args<T>(constants: &[ScalarValue], column: &ArrayRef, make: impl Fn(AccumulatorArgs) -> T) -> T {
    let schema = Schema::new(vec![Field::new("v", column.data_type().clone(), true)]);
    let mut exprs: Vec<Arc<dyn PhysicalExpr>> = vec![Arc::new(Column::new("v", 0))];
    exprs.extend(constants.iter().map(|constant| Arc::new(Literal::new(constant.clone())) as _));
    let fields: Vec<_> = exprs.iter().map(|expr| expr.return_field(&schema).unwrap()).collect();
    make(AccumulatorArgs {
        return_field: Arc::new(Field::new("r", arrow::datatypes::DataType::Null, true)),
        schema: &schema,
        ignore_nulls: false,
        order_bys: &[],
        is_reversed: false,
        name: "x",
        is_distinct: false,
        exprs: &exprs,
        expr_fields: &fields,
    })
}

fn calls() -> Vec<(&'static str, Vec<ScalarValue>, bool)> {
    let number = |value: f64| ScalarValue::Float64(Some(value));
    vec![
        ("scisql_median", vec![], false),
        ("qserv_percentile", vec![number(0.3)], false),
        ("ivo_histogram", vec![number(-1.0), number(1.0), ScalarValue::Int64(Some(3))], false),
        ("ivo_string_agg", vec![ScalarValue::from(", ")], true),
    ]
}

proptest! {
    /// Rows cut into parts in any way, kept as groups, alone, or not at all, merged in any order, give what they give whole.
    #[test]
    fn parts_merge_to_the_whole(
        rows in prop::collection::vec((0..4_usize, prop::option::weighted(0.9, -2.0..2.0_f64)), 0..60),
        cuts in prop::collection::vec(1..20_usize, 1..8),
        call in 0..4_usize,
        backwards in any::<bool>(),
        alone in any::<bool>(),
    ) {
        let (name, constants, is_text) = &calls()[call];
        let function = aggregates().into_iter().find(|function| function.name() == *name).unwrap();
        let array = |rows: &[(usize, Option<f64>)]| -> ArrayRef {
            if *is_text {
                Arc::new(rows.iter().map(|row| row.1.map(|v| format!("{v:.1}"))).collect::<StringArray>())
            } else {
                Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>())
            }
        };
        let group_of = |rows: &[(usize, Option<f64>)]| rows.iter().map(|row| row.0).collect::<Vec<_>>();
        let make = || with_args(constants, &array(&[]), |args| function.create_groups_accumulator(args).unwrap());
        let mut whole = make();
        whole.update_batch(&[array(&rows)], &group_of(&rows), None, 4).unwrap();
        let expected = whole.evaluate(EmitTo::All).unwrap();
        prop_assert!(whole.size() < 4096);

        let mut parts = Vec::new();
        let mut rest = rows.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, after) = rest.split_at(rest.len().min(*cut));
            rest = after;
            if alone {
                parts.push((make().convert_to_state(&[array(part)], None).unwrap(), group_of(part)));
            } else {
                let mut groups = make();
                groups.update_batch(&[array(part)], &group_of(part), None, 4).unwrap();
                parts.push((groups.state(EmitTo::First(2)).unwrap(), vec![0, 1]));
                parts.push((groups.state(EmitTo::All).unwrap(), vec![2, 3]));
            }
        }
        if backwards {
            parts.reverse();
        }
        let mut merged = make();
        merged.merge_batch(&make().state(EmitTo::All).unwrap(), &[], 4).unwrap();
        for (state, groups) in &parts {
            merged.merge_batch(state, groups, 4).unwrap();
        }
        let first = merged.evaluate(EmitTo::First(1)).unwrap();
        let found = arrow::compute::concat(&[&first, &merged.evaluate(EmitTo::All).unwrap()]).unwrap();
        prop_assert_eq!(&found, &expected);

        // One group alone, with a row that comes and goes.
        let of_group: Vec<_> = rows.iter().copied().filter(|row| row.0 == 1).collect();
        let mut one = with_args(constants, &array(&[]), |args| function.accumulator(args).unwrap());
        let visitor = array(&[(1, Some(0.25))]);
        one.update_batch(&[Arc::clone(&visitor)]).unwrap();
        one.update_batch(&[array(&of_group)]).unwrap();
        one.evaluate().unwrap();
        one.retract_batch(&[visitor]).unwrap();
        prop_assert_eq!(one.evaluate().unwrap(), ScalarValue::try_from_array(&expected, 1).unwrap());
        let state: Vec<ArrayRef> = one.state().unwrap().iter().map(|scalar| scalar.to_array().unwrap()).collect();
        let mut other = with_args(constants, &array(&[]), |args| function.accumulator(args).unwrap());
        other.merge_batch(&state).unwrap();
        prop_assert_eq!(other.evaluate().unwrap(), ScalarValue::try_from_array(&expected, 1).unwrap());
    }
}
