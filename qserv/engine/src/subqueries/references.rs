//! Which columns of rows around it a sub-query names.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};

/// Whether a sub-query's plan names columns of rows outside of it.
#[must_use]
pub fn names_outer_rows(plan: &LogicalPlan) -> bool {
    !outer_columns(plan).is_empty()
}

/// The columns of rows outside that a plan names, also in sub-queries inside it, each once.
pub(super) fn outer_columns(plan: &LogicalPlan) -> Vec<Column> {
    let mut found = Vec::new();
    // The closures cannot fail.
    let _ = plan.apply(|node| {
        for expr in node.expressions() {
            for column in outer_columns_of(&expr, node) {
                if !found.contains(&column) {
                    found.push(column);
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// Those that one expression of a node names.
fn outer_columns_of(expr: &Expr, node: &LogicalPlan) -> Vec<Column> {
    let mut found = Vec::new();
    let _ = expr.apply(|part| {
        if let Expr::OuterReferenceColumn(_, column) = part {
            found.push(column.clone());
        }
        if let Some(subquery) = subquery_of(part) {
            let of_node = |column: &Column| node.inputs().iter().any(|input| input.schema().has_column(column));
            found.extend(outer_columns(&subquery.subquery).into_iter().filter(|column| !of_node(column)));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// The columns that an expression with a sub-query needs of the rows around it.
pub(super) fn all_columns(expr: &Expr) -> Vec<Column> {
    let mut found = Vec::new();
    let _ = expr.apply(|part| {
        if let Expr::Column(column) = part {
            found.push(column.clone());
        }
        if let Some(subquery) = subquery_of(part) {
            found.extend(outer_columns(&subquery.subquery));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// The sub-query that an expression is.
pub(super) fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. })
        | Expr::ScalarSubquery(subquery) => Some(subquery),
        _ => None,
    }
}

/// What takes the place of columns of outer rows.
pub(super) type Replacements = [(Column, Column)];

/// An expression of a node with columns in the places of references to outer rows. In sub-queries they stay references, now
/// to the rows of the node.
pub(super) fn replace(expr: Expr, node: &LogicalPlan, by: &Replacements) -> Result<Expr> {
    let inputs: Vec<DFSchemaRef> = node.inputs().iter().map(|input| Arc::clone(input.schema())).collect();
    expr.transform_down(|part| match part {
        Expr::OuterReferenceColumn(field, column) => Ok(match replacement(&column, by) {
            Some(key) => Transformed::yes(Expr::Column(key)),
            None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
        }),
        part => in_subquery(part, &inputs, by),
    })
    .data()
}

fn replacement(column: &Column, by: &Replacements) -> Option<Column> {
    by.iter().find(|(outer, _)| outer == column).map(|(_, key)| key.clone())
}

/// Renames the references in the sub-query that an expression is. Columns of `nearer` rows are not meant.
fn in_subquery(expr: Expr, nearer: &[DFSchemaRef], by: &Replacements) -> Result<Transformed<Expr>> {
    let renamed = |subquery: Subquery| -> Result<Subquery> {
        let plan = rename(Arc::unwrap_or_clone(subquery.subquery), nearer, by)?;
        let outer_ref_columns = plan.all_out_ref_exprs();
        Ok(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans })
    };
    Ok(match expr {
        Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(renamed(subquery)?)),
        Expr::Exists(Exists { subquery, negated }) => {
            Transformed::yes(Expr::Exists(Exists { subquery: renamed(subquery)?, negated }))
        }
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            Transformed::yes(Expr::InSubquery(InSubquery { expr, subquery: renamed(subquery)?, negated }))
        }
        expr => Transformed::no(expr),
    })
}

fn rename(plan: LogicalPlan, nearer: &[DFSchemaRef], by: &Replacements) -> Result<LogicalPlan> {
    plan.transform_up(|node| {
        let mut nearest = nearer.to_vec();
        nearest.extend(node.inputs().iter().map(|input| Arc::clone(input.schema())));
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let changed = expr.transform_down(|part| match part {
                Expr::OuterReferenceColumn(field, column) => {
                    let is_nearer = nearer.iter().any(|schema| schema.has_column(&column));
                    Ok(match replacement(&column, by).filter(|_| !is_nearer) {
                        Some(key) => Transformed::yes(Expr::OuterReferenceColumn(field, key)),
                        None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
                    })
                }
                part => in_subquery(part, &nearest, by),
            })?;
            Ok(if changed.transformed { changed.update_data(|expr| name.restore(expr)) } else { changed })
        })
    })
    .data()
}
