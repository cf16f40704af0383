//! The rules that put our functions in the places of operators and casts.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

use super::checked::{Checked, Operation, common};
use super::convert::{CONVERT, Convert, may_fail};
use super::finite::{NON_ZERO, NonZero};
use super::words::type_name;

/// Whole numbers do not wrap around, and nothing is divided by zero.
#[derive(Debug)]
pub(super) struct Arithmetic;

/// Conversions that fail say which value it was.
#[derive(Debug)]
pub(super) struct Conversions;

impl AnalyzerRule for Arithmetic {
    fn name(&self) -> &str {
        "qserv_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite(plan, &arithmetic)
    }
}

impl AnalyzerRule for Conversions {
    fn name(&self) -> &str {
        "qserv_conversions"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite(plan, &conversion)
    }
}

type Rewrite = dyn Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>;

/// Applies `change` to every expression of a plan, innermost first. Output columns keep their names.
fn rewrite(plan: LogicalPlan, change: &Rewrite) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            let source = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
            schema.merge(&source);
        }
        let names = NamePreserver::new(&plan);
        let rewritten = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let changed = expr.transform_up(|expr| change(expr, &schema))?;
            Ok(if changed.transformed { changed.update_data(|expr| name.restore(expr)) } else { changed })
        })?;
        if !rewritten.transformed {
            return Ok(rewritten);
        }
        rewritten.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(rewritten.data)
}

fn arithmetic(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if let Some(operation) = Operation::of(op)
                && let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema))
                && common(&left_type, &right_type).is_some()
            {
                let function = ScalarUDF::new_from_impl(Checked::new(operation));
                return Ok(Transformed::yes(function.call(vec![*left, *right])));
            }
            if matches!(op, Operator::Divide | Operator::Modulo)
                && right.get_type(schema).is_ok_and(|data_type| data_type.is_numeric())
                && may_be_zero(&right)
            {
                let divisor = ScalarUDF::new_from_impl(NonZero::default()).call(vec![*right]);
                return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(left, op, Box::new(divisor)))));
            }
            Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })))
        }
        // The least number of a type has no negative.
        Expr::Negative(operand) if !matches!(&*operand, Expr::Literal(..)) => {
            match operand.get_type(schema).ok().filter(|data_type| data_type.is_integer()) {
                Some(data_type) => {
                    let zero = Expr::Literal(ScalarValue::new_zero(&data_type)?, None);
                    let function = ScalarUDF::new_from_impl(Checked::new(Operation::Subtract));
                    Ok(Transformed::yes(function.call(vec![zero, *operand])))
                }
                None => Ok(Transformed::no(Expr::Negative(operand))),
            }
        }
        expr => Ok(Transformed::no(expr)),
    }
}

fn may_be_zero(divisor: &Expr) -> bool {
    match divisor {
        Expr::Literal(value, _) => match value.cast_to(&DataType::Float64) {
            Ok(ScalarValue::Float64(Some(number))) => number == 0.0,
            _ => true,
        },
        Expr::Negative(operand) => may_be_zero(operand),
        Expr::ScalarFunction(call) => call.func.name() != NON_ZERO,
        _ => true,
    }
}

fn conversion(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::Cast(Cast { expr, field }) = expr else { return Ok(Transformed::no(expr)) };
    let to = field.data_type();
    let fails = expr.get_type(schema).is_ok_and(|from| may_fail(&from, to));
    match type_name(to).filter(|_| fails) {
        Some(name) => {
            let function = Arc::new(ScalarUDF::new_from_impl(Convert::default()));
            debug_assert_eq!(function.name(), CONVERT);
            Ok(Transformed::yes(function.call(vec![*expr, lit(name)])))
        }
        None => Ok(Transformed::no(Expr::Cast(Cast { expr, field }))),
    }
}
