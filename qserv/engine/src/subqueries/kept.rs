//! Rows that are computed once where they could be others the second time.
//!
//! What is asked of outer rows is computed from them, and then joined to them: they are computed twice. TOP, OFFSET, RAND,
//! TABLESAMPLE, sums of doubles and windows over ties may give other rows each time. [`Joiner::settled`] puts a scan of
//! [`KeptRows`] in the place of such a part of a plan; who runs the plan computes those rows first, keeps them, and puts the
//! table that they are in the scan's place.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ExprSchema, Result, internal_err};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Projection, TableScan, TableType, WindowFunctionDefinition,
};
use datafusion::physical_plan::ExecutionPlan;

use super::references::{names_outer_rows, outer_columns, subquery_of};
use super::{Joiner, columns_of};

/// Aggregates that are the same whatever the order of their rows, of any values.
const EXACT: [&str; 11] = [
    "count",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "bit_and",
    "bit_or",
    "bit_xor",
    "median",
    "qserv_median",
    "grouping",
];

/// Aggregates that are so for all but floating-point numbers.
const EXACT_UNLESS_FLOATING: [&str; 2] = ["sum", "avg"];

/// Windows' functions that are the same for rows that tie.
const EXACT_IN_WINDOWS: [&str; 4] = ["rank", "dense_rank", "percent_rank", "cume_dist"];

/// Rows that are to be computed before the plan that reads them.
#[derive(Debug)]
pub struct KeptRows {
    /// Its name in the plan, which no other part of it has.
    name: String,
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl KeptRows {
    /// What gives the rows.
    #[must_use]
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// Its name, which no other part of its query has.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[async_trait]
impl TableProvider for KeptRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        internal_err!("the rows of {} were not computed", self.name)
    }
}

/// The rows that a plan, its sub-queries included, needs kept, each once.
///
/// # Errors
/// Those of walking the plan.
pub fn kept_rows(plan: &LogicalPlan) -> Result<Vec<Arc<dyn TableProvider>>> {
    let mut found: Vec<Arc<dyn TableProvider>> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
            && let Some(kept) = provider.downcast_ref::<KeptRows>()
            && !found.iter().filter_map(|one| one.downcast_ref::<KeptRows>()).any(|one| one.name == kept.name)
        {
            found.push(provider);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Puts the tables that kept rows have become, by their names, into a plan.
///
/// # Errors
/// Those of walking the plan.
pub fn with_kept_rows(plan: LogicalPlan, tables: &HashMap<String, Arc<dyn TableProvider>>) -> Result<LogicalPlan> {
    plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
        let Ok(provider) = source_as_provider(&scan.source) else { return Ok(Transformed::no(node)) };
        let Some(table) = provider.downcast_ref::<KeptRows>().and_then(|kept| tables.get(&kept.name)) else {
            return Ok(Transformed::no(node));
        };
        let scan = TableScan { source: provider_as_source(Arc::clone(table)), ..scan.clone() };
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })
    .data()
}

impl Joiner {
    /// Outer rows that are the same each time, as far as the sub-queries in these expressions name their columns.
    pub(super) fn settled<'a>(
        &mut self,
        base: LogicalPlan,
        exprs: impl IntoIterator<Item = &'a Expr>,
    ) -> Result<LogicalPlan> {
        let mut named: Vec<Column> = Vec::new();
        for expr in exprs {
            expr.apply(|part| {
                if let Some(subquery) = subquery_of(part) {
                    let columns = outer_columns(&subquery.subquery).into_iter();
                    named.extend(columns.filter(|column| base.schema().has_column(column)));
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        self.settled_for(base, &named)
    }

    /// Rows that are the same each time, as far as these columns of them tell.
    pub(super) fn settled_for(&mut self, base: LogicalPlan, named: &[Column]) -> Result<LogicalPlan> {
        if named.is_empty() {
            return Ok(base);
        }
        let is_floating =
            |column: &Column| base.schema().field_from_column(column).is_ok_and(|one| one.data_type().is_floating());
        let what = Varies { sums_too: named.iter().any(is_floating) };
        base.transform_down(|node| {
            if what.chain(&node)? {
                return Ok(Transformed::new(self.keep(node)?, true, TreeNodeRecursion::Jump));
            }
            Ok(Transformed::no(node))
        })
        .data()
    }

    /// A scan of the rows of a plan, with the plan's columns.
    fn keep(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let name = self.name("kept");
        let columns = columns_of(&plan);
        // Segments know no tables, and need names that differ.
        let names: Vec<String> = (1..=columns.len()).map(|number| format!("column_{number}")).collect();
        let renamed = columns.into_iter().zip(&names).map(|(column, name)| Expr::Column(column).alias(name));
        let back = plan.schema().iter().zip(&names).map(|((qualifier, field), column)| {
            Expr::Column(Column::new(Some(name.clone()), column)).alias_qualified(qualifier.cloned(), field.name())
        });
        let back: Vec<Expr> = back.collect();
        let renamed = renamed.collect();
        let plan = LogicalPlan::Projection(Projection::try_new(renamed, Arc::new(plan))?);
        let schema = Arc::clone(plan.schema().inner());
        let kept = Arc::new(KeptRows { name: name.clone(), plan, schema });
        let scan = LogicalPlanBuilder::scan(name, provider_as_source(kept), None)?.build()?;
        Ok(LogicalPlan::Projection(Projection::try_new(back, Arc::new(scan))?))
    }
}

/// Which parts of a plan may give other rows when they are computed again.
#[derive(Debug, Clone, Copy)]
struct Varies {
    /// Whether the last digits of a sum count: rows come in any order, and doubles are rounded.
    sums_too: bool,
}

impl Varies {
    /// Whether a node does, or one below that is its only source of rows: the higher it is kept, the less there is to keep.
    fn chain(self, node: &LogicalPlan) -> Result<bool> {
        if self.node(node)? {
            return Ok(true);
        }
        match node.inputs().as_slice() {
            [input] => self.chain(input),
            _ => Ok(false),
        }
    }

    fn node(self, node: &LogicalPlan) -> Result<bool> {
        let schema_of_input = || node.inputs().first().map(|input| Arc::clone(input.schema()));
        let own = match node {
            LogicalPlan::Limit(_) => true,
            LogicalPlan::Window(window) => !window.window_expr.iter().all(is_exact_in_window),
            LogicalPlan::Aggregate(aggregate) => {
                let schema = schema_of_input();
                let is_exact = |expr: &Expr| {
                    let Expr::AggregateFunction(AggregateFunction { func, params }) = bare(expr) else { return false };
                    let is_of_floats = || {
                        let floats = |argument: &Expr| {
                            let schema = schema.as_ref();
                            schema.is_none_or(|one| argument.get_type(&**one).is_ok_and(|one| one.is_floating()))
                        };
                        params.args.iter().any(floats)
                    };
                    EXACT.contains(&func.name())
                        || EXACT_UNLESS_FLOATING.contains(&func.name()) && !(self.sums_too && is_of_floats())
                };
                !aggregate.aggr_expr.iter().all(is_exact)
            }
            _ => false,
        };
        if own {
            return Ok(true);
        }
        let mut varies = false;
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                varies |= part.is_volatile_node();
                // A value that depends on nothing is computed once, ahead of all else.
                let is_once = matches!(part, Expr::ScalarSubquery(one) if !names_outer_rows(&one.subquery));
                if let Some(subquery) = subquery_of(part)
                    && !is_once
                {
                    varies |= subquery.subquery.exists(|inner| self.node(inner))?;
                }
                Ok(if varies { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })?;
        Ok(varies)
    }
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        expr => expr,
    }
}

fn is_exact_in_window(expr: &Expr) -> bool {
    let Expr::WindowFunction(function) = bare(expr) else { return false };
    let WindowFunction { fun, .. } = &**function;
    match fun {
        WindowFunctionDefinition::WindowUDF(function) => EXACT_IN_WINDOWS.contains(&function.name()),
        WindowFunctionDefinition::AggregateUDF(_) => false,
    }
}
