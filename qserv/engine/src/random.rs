//! Random numbers of a seed that are the same wherever their rows are read.
//!
//! A sequence of numbers would begin anew in each task, and give its numbers to rows in the order in which they come. [`RandomOfRow`]'s
//! numbers follow from the seed and from the row itself: [`ByRow`] hands it the columns that tell the row from others.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Expr, ExprSchemable, JoinType, LogicalPlan, Projection, ScalarUDF, SubqueryAlias, TableScan,
};
use datafusion::optimizer::AnalyzerRule;
use qserv_core::catalog::TableKind;
use qserv_udfs::RandomOfRow;

use crate::table::CatalogTable;

/// The function of a sequence.
const RANDOM: &str = "qserv_random";

/// Most columns of a row that are looked at where none is known to be its key.
const MAX_COLUMNS: usize = 16;

/// Puts functions of rows in the places of seeded sequences.
#[derive(Debug)]
pub(crate) struct ByRow;

impl AnalyzerRule for ByRow {
    fn name(&self) -> &str {
        "qserv_random_by_row"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            if !node.expressions().iter().any(holds_seeded) {
                return Ok(Transformed::no(node));
            }
            let columns = node.schema().columns();
            let mut row = Vec::new();
            let mut inputs = Vec::new();
            for input in node.inputs() {
                let (input, telling) = telling(input)?;
                inputs.push(input);
                row.extend(telling.into_iter().map(Expr::Column));
            }
            let node = node.with_new_exprs(node.expressions(), inputs)?;
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            let changed = node.map_expressions(|expr| {
                let name = names.save(&expr);
                let changed = expr.transform_up(|part| by_row(part, &schema, &row))?;
                Ok(changed.update_data(|expr| name.restore(expr)))
            })?;
            let node = changed.data.recompute_schema()?;
            if node.schema().fields().len() == columns.len() {
                return Ok(Transformed::yes(node));
            }
            let columns = columns.into_iter().map(Expr::Column).collect();
            Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(node))?)))
        })
        .data()
    }
}

fn is_seeded(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.name() == RANDOM && call.args.len() == 1)
}

fn holds_seeded(expr: &Expr) -> bool {
    expr.exists(|part| Ok(is_seeded(part))).unwrap_or(false)
}

fn by_row(expr: Expr, schema: &DFSchema, row: &[Expr]) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
    match call.args.as_slice() {
        // What is no whole number is left for the function to refuse.
        [seed] if is_seeded(&expr) && seed.get_type(schema).is_ok_and(|one| one.is_integer() || one.is_null()) => {
            let function = ScalarUDF::new_from_impl(RandomOfRow::default());
            let arguments = std::iter::once(seed.clone()).chain(row.iter().cloned()).collect();
            Ok(Transformed::yes(function.call(arguments)))
        }
        _ => Ok(Transformed::no(expr)),
    }
}

/// A plan, and the columns in it that tell its rows from each other: those of keys where there are some, else all, up to a bound. The
/// plan may hand on more columns than it did.
fn telling(plan: &LogicalPlan) -> Result<(LogicalPlan, Vec<Column>)> {
    Ok(match with_keys(plan)? {
        Some(found) => found,
        None => (plan.clone(), plan.schema().columns().into_iter().take(MAX_COLUMNS).collect()),
    })
}

/// A plan that hands on the columns of its rows' keys, if they have some.
fn with_keys(plan: &LogicalPlan) -> Result<Option<(LogicalPlan, Vec<Column>)>> {
    Ok(match plan {
        LogicalPlan::TableScan(scan) => keys_of_table(scan).map(|keys| (plan.clone(), keys)),
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::Window(_) => {
            let [input] = plan.inputs()[..] else { return Ok(None) };
            let Some((input, keys)) = with_keys(input)? else { return Ok(None) };
            Some((plan.with_new_exprs(plan.expressions(), vec![input])?, keys))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let Some((input, keys)) = with_keys(&alias.input)? else { return Ok(None) };
            let keys: Option<Vec<usize>> = keys.iter().map(|key| input.schema().maybe_index_of_column(key)).collect();
            let aliased = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
            let place = |place| Column::from(aliased.schema.qualified_field(place));
            let keys = keys.map(|keys| keys.into_iter().map(place).collect());
            keys.map(|keys| (LogicalPlan::SubqueryAlias(aliased), keys))
        }
        LogicalPlan::Projection(projection) => {
            let Some((input, keys)) = with_keys(&projection.input)? else { return Ok(None) };
            let mut exprs = projection.expr.clone();
            let mut places = Vec::with_capacity(keys.len());
            for key in keys {
                let place = exprs.iter().position(|expr| matches!(bare(expr), Expr::Column(one) if *one == key));
                places.push(place.unwrap_or(exprs.len()));
                if place.is_none() {
                    // A name that nobody gives, and that tells keys of several tables apart.
                    let name = format!("__row_{}", exprs.len());
                    exprs.push(Expr::Column(key).alias(name));
                }
            }
            let projection = Projection::try_new(exprs, Arc::new(input))?;
            let keys = places.into_iter().map(|place| Column::from(projection.schema.qualified_field(place))).collect();
            Some((LogicalPlan::Projection(projection), keys))
        }
        LogicalPlan::Join(join) => {
            let of_one_side = matches!(
                join.join_type,
                JoinType::LeftSemi | JoinType::LeftAnti | JoinType::RightSemi | JoinType::RightAnti
            );
            let is_mark = matches!(join.join_type, JoinType::LeftMark | JoinType::RightMark);
            if of_one_side || is_mark {
                return Ok(None);
            }
            let ((left, mut keys), (right, more)) = (telling(&join.left)?, telling(&join.right)?);
            keys.extend(more);
            Some((plan.with_new_exprs(plan.expressions(), vec![left, right])?, keys))
        }
        LogicalPlan::Aggregate(aggregate) => {
            let groups = aggregate.group_expr_len()?;
            let keys = (0..groups).map(|place| Column::from(aggregate.schema.qualified_field(place))).collect();
            Some((plan.clone(), keys))
        }
        _ => None,
    })
}

fn keys_of_table(scan: &TableScan) -> Option<Vec<Column>> {
    let provider = source_as_provider(&scan.source).ok()?;
    let table = &provider.downcast_ref::<CatalogTable>()?.table().table;
    let names: Vec<&str> = match &table.kind {
        _ if !table.primary_key.is_empty() => table.primary_key.iter().map(String::as_str).collect(),
        TableKind::Director { key, .. } => vec![key],
        _ => return None,
    };
    let column = |name: &str| {
        let schema = &scan.projected_schema;
        let place = schema.fields().iter().position(|field| field.name().eq_ignore_ascii_case(name))?;
        Some(Column::from(schema.qualified_field(place)))
    };
    names.into_iter().map(column).collect()
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        expr => expr,
    }
}
