//! Sub-queries that stand for one value and do not depend on the row around them.
//!
//! They are run first, each as a query of its own over the same snapshot, and their value takes their place. So they are
//! distributed like any other query, a sub-query of several rows is an error and not a wrong answer, and a value that
//! restricts the sky or the keys restricts what the outer query reads.

use std::collections::HashMap;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use qserv_engine::subqueries::names_outer_rows;

/// Most sub-queries of one query that are run ahead.
const MAX_SUBQUERIES: usize = 64;

/// The uncorrelated value sub-queries of a plan that hold no other such sub-query, each once.
pub(crate) fn innermost(plan: &LogicalPlan) -> Result<Vec<Subquery>> {
    let mut found: Vec<Subquery> = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarSubquery(subquery) = part
                    && !names_outer_rows(&subquery.subquery)
                    && found.len() < MAX_SUBQUERIES
                    && !found.contains(subquery)
                {
                    found.push(subquery.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    let mut inner = Vec::with_capacity(found.len());
    for subquery in found {
        if !holds_value_subquery(&subquery.subquery)? {
            inner.push(subquery);
        }
    }
    Ok(inner)
}

/// Puts values in the place of sub-queries.
pub(crate) fn replace(plan: LogicalPlan, values: &HashMap<Subquery, ScalarValue>) -> Result<LogicalPlan> {
    let replaced = plan.transform_up_with_subqueries(|node| {
        // An unaliased output column keeps its name, whatever stands in the sub-query's place.
        node.map_expressions(|expr| {
            let name = expr.schema_name().to_string();
            let replaced = expr.transform_up(|part| match &part {
                Expr::ScalarSubquery(subquery) => match values.get(subquery) {
                    Some(value) => Ok(Transformed::yes(Expr::Literal(value.clone(), None))),
                    None => Ok(Transformed::no(part)),
                },
                _ => Ok(Transformed::no(part)),
            })?;
            if replaced.transformed && replaced.data.schema_name().to_string() != name {
                return Ok(Transformed::yes(replaced.data.alias_if_changed(name)?));
            }
            Ok(replaced)
        })?
        .map_data(|node| if node.expressions().is_empty() { Ok(node) } else { node.recompute_schema() })
    })?;
    Ok(replaced.data)
}

fn holds_value_subquery(plan: &LogicalPlan) -> Result<bool> {
    let mut holds = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarSubquery(subquery) = part
                    && !names_outer_rows(&subquery.subquery)
                {
                    holds = true;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(holds)
}
