//! Values that a query leaves open by `?`: put into its plan as they are, never into its text.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{Expr, Statement, Value, ValueWithSpan, visit_expressions};
use qserv_core::{Error, Result};
use qserv_engine::error::from_datafusion;

/// How many values a statement leaves open: it calls them `$1`, `$2` and so on.
pub(crate) fn count(statement: &Statement) -> usize {
    let mut most = 0;
    let _ = visit_expressions(statement, |expr| {
        if let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = expr {
            let number = name.strip_prefix('$').and_then(|number| number.parse().ok());
            most = most.max(number.unwrap_or_default());
        }
        ControlFlow::<()>::Continue(())
    });
    most
}

/// What the values should be: a column each. Where the plan leaves that open too, a number.
///
/// # Errors
/// Those of walking the plan.
pub(crate) fn schema(plan: &LogicalPlan, count: usize) -> Result<SchemaRef> {
    let known = plan.get_parameter_types().map_err(from_datafusion)?;
    let field = |number: usize| {
        let inferred = known.get(&format!("${number}")).cloned().flatten();
        Field::new(format!("parameter_{number}"), inferred.as_ref().and_then(common).unwrap_or(DataType::Float64), true)
    };
    Ok(Arc::new(Schema::new((1..=count).map(field).collect::<Vec<_>>())))
}

/// A plan with the values of a row in the places that it leaves open.
///
/// # Errors
/// `Invalid` for another number of values, more rows than one, or values of types that columns do not have.
pub(crate) fn bind(plan: LogicalPlan, count: usize, values: &RecordBatch) -> Result<LogicalPlan> {
    if values.num_columns() != count {
        return Err(Error::invalid("the query does not have as many parameters as there are values")
            .with("parameters", count)
            .with("values", values.num_columns()));
    }
    if values.num_rows() != 1 {
        return Err(Error::invalid("a query takes one row of values at a time").with("rows", values.num_rows()));
    }
    let scalars = values.columns().iter().zip(1..).map(|(column, number)| scalar(column, number));
    plan.with_param_values(scalars.collect::<Result<Vec<_>>>()?).map_err(from_datafusion)
}

fn scalar(column: &ArrayRef, number: usize) -> Result<ScalarValue> {
    let wrong = |message: &'static str| Error::invalid(message).with("parameter", number);
    let wanted = common(column.data_type()).ok_or_else(|| {
        wrong("a parameter must be a number, a text, a truth value or a time").with("type", column.data_type())
    })?;
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let column = cast_with_options(column, &wanted, &options)
        .map_err(|error| wrong("the parameter is beyond the range of its type").caused_by(error))?;
    ScalarValue::try_from_array(&column, 0).map_err(from_datafusion)
}

/// The one type that stands for all of a kind, as for values that are written out.
fn common(datatype: &DataType) -> Option<DataType> {
    Some(match datatype {
        DataType::Null => DataType::Null,
        DataType::Boolean => DataType::Boolean,
        integer if integer.is_integer() => DataType::Int64,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => DataType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        DataType::Dictionary(_, values) => return common(values),
        _ => return None,
    })
}
