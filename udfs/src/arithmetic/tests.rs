//! The rules and the functions as a session plans and runs them. Expected answers are PostgreSQL's, where it has no error
//! that we answer with NULL.

use std::sync::Arc;

use arrow::array::{
    Array, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use qserv_core::ErrorKind;

fn session() -> SessionContext {
    let mut builder = SessionStateBuilder::new().with_default_features();
    builder.scalar_functions().get_or_insert_default().extend(super::functions());
    *builder.analyzer() = Some(super::analyzer());
    let session = SessionContext::new_with_state(builder.build());
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from(vec![Some(1), Some(i64::MAX), None])) as Arc<dyn Array>, true),
        ("tiny", Arc::new(Int8Array::from(vec![Some(100), Some(-128), None])), true),
        ("small", Arc::new(Int16Array::from(vec![Some(30_000), Some(i16::MIN), None])), true),
        ("whole", Arc::new(Int32Array::from(vec![Some(7), Some(i32::MAX), None])), true),
        ("zero", Arc::new(Int32Array::from(vec![0, 0, 0])), true),
        ("real", Arc::new(Float32Array::from(vec![Some(-2.75), Some(f32::NAN), None])), true),
        ("double", Arc::new(Float64Array::from(vec![Some(-0.0), Some(1e300), None])), true),
        ("text", Arc::new(StringArray::from(vec![Some(" 12 "), Some("x1"), None])), true),
    ]);
    session.register_batch("t", batch.unwrap()).unwrap();
    session
}

async fn run(sql: &str) -> Result<String> {
    let batches = session().sql(sql).await?.collect().await?;
    let mut shown = Vec::new();
    let options = FormatOptions::default().with_null("NULL");
    for batch in &batches {
        for column in batch.columns() {
            let formatter = ArrayFormatter::try_new(column, &options)?;
            for row in 0..batch.num_rows() {
                shown.push(formatter.value(row).to_string());
            }
            shown.push(format!(":{}", column.data_type()));
        }
    }
    Ok(shown.join(" "))
}

/// The value and type of an expression of one row.
async fn value(expression: &str, row: &str) -> String {
    run(&format!("SELECT {expression} FROM t WHERE {row}"))
        .await
        .unwrap_or_else(|error| panic!("{expression}: {error}"))
}

async fn refusal(expression: &str, row: &str) -> String {
    let error = run(&format!("SELECT {expression} FROM t WHERE {row}")).await.expect_err(expression);
    match error.find_root() {
        DataFusionError::External(inner) => {
            let ours: &qserv_core::Error = inner.downcast_ref().unwrap_or_else(|| panic!("{expression}: {error}"));
            assert_eq!(ours.kind(), ErrorKind::Invalid);
            ours.message().to_owned()
        }
        other => panic!("{expression}: not an error of ours: {other}"),
    }
}

const FIRST: &str = "zero = 0 AND small > 0";
const SECOND: &str = "zero = 0 AND small < 0";
const THIRD: &str = "small IS NULL";

#[tokio::test]
async fn whole_numbers_stay_in_their_type() {
    for (expression, row, expected) in [
        ("small + CAST(2767 AS SMALLINT)", FIRST, "32767 :Int16"),
        ("tiny + tiny", FIRST, "200 :Int16"),
        ("tiny - tiny", SECOND, "0 :Int16"),
        ("whole * whole", FIRST, "49 :Int32"),
        ("whole + small", FIRST, "30007 :Int32"),
        ("whole + 1", SECOND, "2147483648 :Int64"),
        ("id - 1", SECOND, "9223372036854775806 :Int64"),
        ("id + NULL", FIRST, "NULL :Int64"),
        ("whole + whole", THIRD, "NULL :Int32"),
        ("-whole", FIRST, "-7 :Int32"),
        ("-id", SECOND, "-9223372036854775807 :Int64"),
        ("5 / 2", FIRST, "2 :Int64"),
        ("-5 / 2", FIRST, "-2 :Int64"),
        ("-whole / 2", FIRST, "-3 :Int64"),
        ("-7 % 3", FIRST, "-1 :Int64"),
        ("7 % -3", FIRST, "1 :Int64"),
        ("-7.5 % 2", FIRST, "-1.5 :Float64"),
        ("whole + 0.5", FIRST, "7.5 :Float64"),
        ("SUM(whole + whole)", FIRST, "14 :Int64"),
    ] {
        assert_eq!(value(expression, row).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn a_result_that_does_not_fit_is_an_error() {
    for (expression, row, expected) in [
        ("small + small", FIRST, "30000 + 30000 does not fit SMALLINT (-32768 to 32767)"),
        ("whole + whole", SECOND, "2147483647 + 2147483647 does not fit INTEGER (-2147483648 to 2147483647)"),
        ("whole * small", SECOND, "2147483647 * -32768 does not fit INTEGER (-2147483648 to 2147483647)"),
        ("id + 1", SECOND, "9223372036854775807 + 1 does not fit BIGINT (-9223372036854775808 to 9223372036854775807)"),
        (
            "id * id",
            SECOND,
            "9223372036854775807 * 9223372036854775807 does not fit BIGINT (-9223372036854775808 to \
                             9223372036854775807)",
        ),
        ("-small", SECOND, "0 - -32768 does not fit SMALLINT (-32768 to 32767)"),
        (
            "9223372036854775807 + 1",
            FIRST,
            "9223372036854775807 + 1 does not fit BIGINT (-9223372036854775808 to \
                                            9223372036854775807)",
        ),
    ] {
        assert_eq!(refusal(expression, row).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn nothing_is_divided_by_zero() {
    for expression in [
        "whole / zero",
        "whole % zero",
        "5 / 0",
        "5 % 0",
        "5.0 / 0",
        "5.0 % 0.0",
        "0.0 / 0.0",
        "1 / double",
        "1 / -double",
        "real / double",
        "CAST(5 AS DECIMAL(5, 2)) / 0",
        "qserv_sqrt(-1.0)",
        "qserv_power(0.0, -1.0)",
        "qserv_power(-8.0, 0.5)",
        "qserv_finite(ln(0.0))",
    ] {
        let found = value(expression, FIRST).await;
        assert!(found.starts_with("NULL :"), "{expression}: {found}");
    }
    assert_eq!(value("whole / 2", FIRST).await, "3 :Int64");
    assert_eq!(value("qserv_finite(real)", SECOND).await, "NULL :Float32");
    assert_eq!(value("qserv_finite(ln(1.0))", FIRST).await, "0.0 :Float64");
    assert_eq!(value("qserv_sqrt(whole + 2)", FIRST).await, "3.0 :Float64");
    assert_eq!(value("qserv_power(2, -1)", FIRST).await, "0.5 :Float64");
    assert_eq!(value("COUNT(*)", "whole / zero > 1 OR whole / zero IS NULL").await, "3 :Int64");
}

#[tokio::test]
async fn conversions() {
    for (expression, row, expected) in [
        ("CAST(real AS INTEGER)", FIRST, "-2 :Int32"),
        ("CAST(real AS INTEGER)", SECOND, "NULL :Int32"),
        ("CAST(2.5 AS SMALLINT)", FIRST, "2 :Int16"),
        ("CAST(text AS INTEGER)", FIRST, "12 :Int32"),
        ("CAST(text AS DOUBLE)", FIRST, "12.0 :Float64"),
        ("CAST(text AS INTEGER)", THIRD, "NULL :Int32"),
        ("CAST('1e3' AS REAL)", FIRST, "1000.0 :Float32"),
        ("CAST('3.14159265358979323846' AS DOUBLE)", FIRST, "3.141592653589793 :Float64"),
        ("CAST(double AS REAL)", FIRST, "-0.0 :Float32"),
        ("CAST(id AS SMALLINT)", FIRST, "1 :Int16"),
        ("CAST('2015-01-01' AS TIMESTAMP(6))", FIRST, "2015-01-01T00:00:00 :Timestamp(µs)"),
        ("CAST('2021-01-14T11:25:00' AS TIMESTAMP(6))", FIRST, "2021-01-14T11:25:00 :Timestamp(µs)"),
        ("CAST('2021-01-14T11:25:00.5Z' AS TIMESTAMP(6))", FIRST, "2021-01-14T11:25:00.500 :Timestamp(µs)"),
        ("CAST('1066-10-14' AS TIMESTAMP(6))", FIRST, "1066-10-14T00:00:00 :Timestamp(µs)"),
        ("CAST('2021-01-14' AS DATE)", FIRST, "2021-01-14 :Date32"),
        ("CAST('True' AS BOOLEAN)", FIRST, "true :Boolean"),
        ("CAST('1.25' AS DECIMAL(5, 2))", FIRST, "1.25 :Decimal128(5, 2)"),
        ("CAST(1e20 AS VARCHAR)", FIRST, "1e20 :Utf8View"),
        ("CAST(0.1 AS VARCHAR)", FIRST, "0.1 :Utf8View"),
        ("CAST(CAST('2025-01-01' AS TIMESTAMP(6)) AS VARCHAR)", FIRST, "2025-01-01T00:00:00 :Utf8View"),
    ] {
        assert_eq!(value(expression, row).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn conversions_that_fail_name_the_value() {
    for (expression, row, expected) in [
        ("CAST(text AS INTEGER)", SECOND, "`x1` is no INTEGER"),
        ("CAST(text AS DOUBLE)", SECOND, "`x1` is no DOUBLE PRECISION"),
        ("CAST('1.5' AS INTEGER)", FIRST, "`1.5` is no INTEGER"),
        ("CAST('' AS INTEGER)", FIRST, "`` is no INTEGER"),
        ("CAST('99999' AS SMALLINT)", FIRST, "99999 does not fit SMALLINT (-32768 to 32767)"),
        ("CAST(id AS INTEGER)", SECOND, "9223372036854775807 does not fit INTEGER (-2147483648 to 2147483647)"),
        ("CAST(double AS INTEGER)", SECOND, "1e300 does not fit INTEGER (-2147483648 to 2147483647)"),
        ("CAST(double AS REAL)", SECOND, "1e300 does not fit REAL"),
        (
            "CAST('2025-13-01' AS TIMESTAMP(6))",
            FIRST,
            "`2025-13-01` is no TIMESTAMP; write it as in 2025-01-31T12:00:00",
        ),
        ("CAST('noon' AS DATE)", FIRST, "`noon` is no DATE; write it as in 2025-01-31"),
        ("CAST('maybe' AS BOOLEAN)", FIRST, "`maybe` is no BOOLEAN; write true or false"),
        ("CAST(1000 AS DECIMAL(3, 1))", FIRST, "1000 does not fit DECIMAL(3, 1)"),
    ] {
        assert_eq!(refusal(expression, row).await, expected, "{expression}");
    }
}

/// Names of columns, groups, windows, orders and sub-queries hold through the rules.
#[tokio::test]
async fn whole_plans() {
    for (sql, expected) in [
        (
            "SELECT whole + zero, COUNT(*) FROM t GROUP BY whole + zero ORDER BY whole + zero LIMIT 1",
            "7 :Int32 1 :Int64",
        ),
        ("SELECT SUM(whole + 0) OVER (ORDER BY whole + 0) AS s FROM t ORDER BY s LIMIT 1", "7 :Int64"),
        ("SELECT q.s FROM (SELECT whole * 2 AS s FROM t) AS q WHERE q.s + 1 = 15", "14 :Int64"),
        ("SELECT COUNT(*) FROM t a JOIN t b ON a.whole + 1 = b.whole + 1", "2 :Int64"),
        (
            "SELECT (SELECT MAX(b.small + 1) FROM t b WHERE b.whole = a.whole + 0) AS m FROM t a WHERE a.whole = 7",
            "30001 :Int64",
        ),
        ("SELECT id FROM t WHERE whole + 1 IN (SELECT zero + 8 FROM t)", "1 :Int64"),
        (
            "SELECT whole + 1 AS n FROM t WHERE id = 1 UNION ALL SELECT small - 30000 FROM t WHERE id = 1",
            "8 :Int64 0 :Int64",
        ),
        ("SELECT whole / zero AS q, COUNT(*) FROM t GROUP BY whole / zero", "NULL :Int32 3 :Int64"),
        ("SELECT COUNT(*) FROM t WHERE text = '12' OR CAST(id AS VARCHAR) = '1'", "1 :Int64"),
    ] {
        assert_eq!(run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")), expected, "{sql}");
    }
}
