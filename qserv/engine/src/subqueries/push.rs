//! A sub-query's plan for all outer rows at once.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, ExprSchema, NullEquality, Result};
use datafusion::functions::expr_fn::coalesce;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, ExprFunctionExt, FetchType, Filter, Join, JoinType, Limit, LogicalPlan,
    LogicalPlanBuilder, Operator, Projection, SkipType, SubqueryAlias, Union, Window, lit,
};
use qserv_core::Error;

use super::references::{outer_columns, replace};
use super::{Joiner, columns_of, project};
use crate::error::into_datafusion;

/// The values of outer rows that a sub-query depends on.
#[derive(Debug)]
pub(super) struct Outer {
    /// The columns as the sub-query names them.
    pub(super) columns: Vec<Column>,
    /// The outer rows.
    pub(super) rows: LogicalPlan,
}

/// A plan, and the columns in it that hold the outer row's values.
pub(super) type Pushed = (LogicalPlan, Vec<Column>);

impl Outer {
    fn is_named_by(&self, plan: &LogicalPlan) -> bool {
        outer_columns(plan).iter().any(|column| self.columns.contains(column))
    }

    /// An expression of a node, with the keys in the places of references.
    fn replace(&self, expr: Expr, node: &LogicalPlan, keys: &[Column]) -> Result<Expr> {
        let by: Vec<(Column, Column)> = self.columns.iter().cloned().zip(keys.iter().cloned()).collect();
        replace(expr, node, &by)
    }

    /// The same, under the same name.
    fn replace_named(&self, expr: &Expr, node: &LogicalPlan, keys: &[Column]) -> Result<Expr> {
        let name = NamePreserver::new(node).save(expr);
        Ok(name.restore(self.replace(expr.clone(), node, keys)?))
    }
}

impl Joiner {
    /// The plan for each of the outer rows' values: its own rows, each with the values that it belongs to.
    pub(super) fn push(&mut self, plan: &LogicalPlan, outer: &Outer) -> Result<Pushed> {
        if !outer.is_named_by(plan) {
            let (rows, keys) = self.distinct_rows(outer)?;
            return Ok((LogicalPlanBuilder::from(plan.clone()).cross_join(rows)?.build()?, keys));
        }
        match plan {
            LogicalPlan::Filter(filter) => {
                let (input, keys) = self.push(&filter.input, outer)?;
                let predicate = outer.replace(filter.predicate.clone(), plan, &keys)?;
                Ok((LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?), keys))
            }
            LogicalPlan::Projection(projection) => {
                let (input, keys) = self.push(&projection.input, outer)?;
                let mut exprs = named(plan, &projection.expr, outer, &keys)?;
                exprs.extend(as_exprs(&keys));
                Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?), keys))
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let (input, keys) = self.push(&alias.input, outer)?;
                let aliased = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
                let keys = keys.into_iter().map(|key| Column::new(Some(alias.alias.clone()), key.name)).collect();
                Ok((LogicalPlan::SubqueryAlias(aliased), keys))
            }
            LogicalPlan::Aggregate(aggregate) => self.push_aggregate(plan, aggregate, outer),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let (input, keys) = self.push(input, outer)?;
                Ok((LogicalPlan::Distinct(Distinct::All(Arc::new(input))), keys))
            }
            // Without a bound, the order of a sub-query's rows means nothing.
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.push(&sort.input, outer),
            LogicalPlan::Limit(limit) => self.push_limit(plan, limit, outer),
            LogicalPlan::Window(window) => {
                let (input, keys) = self.push(&window.input, outer)?;
                let exprs = named(plan, &window.window_expr, outer, &keys)?;
                let exprs = exprs.into_iter().map(|expr| partitioned(expr, &keys)).collect::<Result<Vec<_>>>()?;
                let names = NamePreserver::new(plan);
                let exprs = window.window_expr.iter().zip(exprs).map(|(old, new)| names.save(old).restore(new));
                Ok((LogicalPlan::Window(Window::try_new(exprs.collect(), Arc::new(input))?), keys))
            }
            LogicalPlan::Join(join) => self.push_join(plan, join, outer),
            LogicalPlan::Union(union) => self.push_union(union, outer),
            _ => Err(into_datafusion(Error::invalid(
                "a sub-query of this form cannot name a column of the query around it; join a query in FROM",
            ))),
        }
    }

    /// The outer rows' values, each once.
    pub(super) fn distinct_rows(&mut self, outer: &Outer) -> Result<Pushed> {
        let alias = self.name("outer");
        let names: Vec<String> = outer.columns.iter().map(|_| self.name("key")).collect();
        let columns = outer.columns.iter().zip(&names).map(|(column, name)| Expr::Column(column.clone()).alias(name));
        let rows = LogicalPlanBuilder::from(outer.rows.clone())
            .project(columns.collect::<Vec<_>>())?
            .distinct()?
            .alias(alias.clone())?
            .build()?;
        Ok((rows, names.into_iter().map(|name| Column::new(Some(alias.clone()), name)).collect()))
    }

    /// Groups get the outer values as further keys. An aggregate over everything has a row for each outer value, also where
    /// nothing is found.
    fn push_aggregate(&mut self, plan: &LogicalPlan, aggregate: &Aggregate, outer: &Outer) -> Result<Pushed> {
        let (input, keys) = self.push(&aggregate.input, outer)?;
        let mut groups = named(plan, &aggregate.group_expr, outer, &keys)?;
        let aggregates = named(plan, &aggregate.aggr_expr, outer, &keys)?;
        groups.extend(as_exprs(&keys));
        let grouped = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), groups, aggregates)?);
        if !aggregate.group_expr.is_empty() {
            return Ok((grouped, keys));
        }
        let (rows, all) = self.distinct_rows(outer)?;
        let joined = join_on_keys(rows, grouped, &all, &keys, JoinType::Left, None)?;
        let mut exprs = Vec::new();
        for (index, expr) in aggregate.aggr_expr.iter().enumerate() {
            let (qualifier, field) = aggregate.schema.qualified_field(index);
            let column = Expr::Column(Column::from((qualifier, field)));
            let of_nothing = match expr.clone().unalias_nested().data {
                Expr::AggregateFunction(AggregateFunction { func, .. }) => func.default_value(field.data_type())?,
                _ => continue,
            };
            exprs.push(if of_nothing.is_null() {
                column
            } else {
                coalesce(vec![column, Expr::Literal(of_nothing, None)])
                    .alias_qualified(qualifier.cloned(), field.name())
            });
        }
        exprs.extend(as_exprs(&all));
        Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(joined))?), all))
    }

    /// TOP and OFFSET: by numbers of rows, counted for each outer value.
    fn push_limit(&mut self, plan: &LogicalPlan, limit: &Limit, outer: &Outer) -> Result<Pushed> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Err(into_datafusion(Error::invalid("the bound of a sub-query must be a number")));
        };
        let (numbered, keys, number) = self.push_numbered(&limit.input, outer)?;
        let count = |rows: usize| lit(u64::try_from(rows).unwrap_or(u64::MAX));
        let number = || Expr::Column(number.clone());
        let first = (skip > 0).then(|| number().gt(count(skip)));
        let last = fetch.map(|fetch| number().lt_eq(count(skip.saturating_add(fetch))));
        let bounded = match conjunction(first.into_iter().chain(last)) {
            Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(numbered))?),
            None => numbered,
        };
        let columns = columns_of(plan).into_iter().chain(keys.iter().cloned()).collect();
        Ok((project(bounded, columns)?, keys))
    }

    /// A plan for each outer value, its rows numbered in their order from 1.
    fn push_numbered(&mut self, plan: &LogicalPlan, outer: &Outer) -> Result<(LogicalPlan, Vec<Column>, Column)> {
        match plan {
            LogicalPlan::Projection(projection) if is_sorted(&projection.input) => {
                let (input, keys, number) = self.push_numbered(&projection.input, outer)?;
                let mut exprs = named(plan, &projection.expr, outer, &keys)?;
                exprs.extend(as_exprs(&keys));
                exprs.push(Expr::Column(number.clone()));
                Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?), keys, number))
            }
            LogicalPlan::SubqueryAlias(alias) if is_sorted(&alias.input) => {
                let (input, keys, number) = self.push_numbered(&alias.input, outer)?;
                let aliased = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
                let here = |column: Column| Column::new(Some(alias.alias.clone()), column.name);
                Ok((LogicalPlan::SubqueryAlias(aliased), keys.into_iter().map(here).collect(), here(number)))
            }
            plan => {
                let (input, keys, order) = match plan {
                    LogicalPlan::Sort(sort) => {
                        let (input, keys) = self.push(&sort.input, outer)?;
                        let mut order = sort.expr.clone();
                        for item in &mut order {
                            item.expr = outer.replace(item.expr.clone(), plan, &keys)?;
                        }
                        (input, keys, order)
                    }
                    plan => {
                        let (input, keys) = self.push(plan, outer)?;
                        (input, keys, Vec::new())
                    }
                };
                let name = self.name("row");
                let number = row_number().partition_by(as_exprs(&keys)).order_by(order).build()?.alias(&name);
                let numbered = LogicalPlan::Window(Window::try_new(vec![number], Arc::new(input))?);
                Ok((numbered, keys, Column::new_unqualified(name)))
            }
        }
    }

    /// A join of which one or both sides depend on the outer row; both do so on the same one.
    fn push_join(&mut self, plan: &LogicalPlan, join: &Join, outer: &Outer) -> Result<Pushed> {
        use JoinType::{Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi};
        let (of_left, of_right) = (outer.is_named_by(&join.left), outer.is_named_by(&join.right));
        let (push_left, push_right) = match join.join_type {
            Inner => (of_left || !of_right, of_right),
            Left | LeftSemi | LeftAnti | LeftMark => (true, of_right),
            Right | RightSemi | RightAnti | RightMark => (of_left, true),
            Full => (true, true),
        };
        let whole = |side: &LogicalPlan| (side.clone(), Vec::new());
        let (left, left_keys) = if push_left { self.push(&join.left, outer)? } else { whole(&join.left) };
        let (right, right_keys) = if push_right { self.push(&join.right, outer)? } else { whole(&join.right) };
        let of_the_left = matches!(join.join_type, Inner | Left | LeftSemi | LeftAnti | LeftMark | Full);
        let keys = if push_left && (of_the_left || !push_right) { &left_keys } else { &right_keys };

        let mut terms: Vec<Expr> = Vec::new();
        if let Some(filter) = &join.filter {
            terms.push(outer.replace(filter.clone(), plan, keys)?);
        }
        let mut on = Vec::new();
        for (one, two) in &join.on {
            if one.contains_outer() || two.contains_outer() {
                let (one, two) = (outer.replace(one.clone(), plan, keys)?, outer.replace(two.clone(), plan, keys)?);
                let nulls_match = join.null_equality == NullEquality::NullEqualsNull;
                let operator = if nulls_match { Operator::IsNotDistinctFrom } else { Operator::Eq };
                terms.push(compare(one, operator, two));
            } else {
                on.push((one.clone(), two.clone()));
            }
        }
        let both = push_left && push_right;
        if both {
            let pairs = as_exprs(&left_keys).into_iter().zip(as_exprs(&right_keys));
            terms.extend(pairs.map(|(one, two)| compare(one, Operator::IsNotDistinctFrom, two)));
        }
        let joined = LogicalPlan::Join(Join::try_new(
            Arc::new(left),
            Arc::new(right),
            on,
            conjunction(terms),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?);
        if !both || matches!(join.join_type, LeftSemi | LeftAnti | RightSemi | RightAnti) {
            return Ok((joined, keys.clone()));
        }
        let mut exprs: Vec<Expr> = as_exprs(&columns_of(plan));
        if join.join_type == Full {
            let mut names = Vec::new();
            for (one, two) in as_exprs(&left_keys).into_iter().zip(as_exprs(&right_keys)) {
                let name = self.name("key");
                exprs.push(coalesce(vec![one, two]).alias(&name));
                names.push(Column::new_unqualified(name));
            }
            return Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(joined))?), names));
        }
        exprs.extend(as_exprs(keys));
        Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(joined))?), keys.clone()))
    }

    fn push_union(&mut self, union: &Union, outer: &Outer) -> Result<Pushed> {
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for input in &union.inputs {
            let (pushed, keys) = self.push(input, outer)?;
            let columns = columns_of(input).into_iter().chain(keys).collect();
            inputs.push(Arc::new(project(pushed, columns)?));
        }
        let pushed = LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?);
        let keys = columns_of(&pushed).into_iter().skip(union.schema.fields().len()).collect();
        Ok((pushed, keys))
    }
}

/// Joins two plans where the keys are the same, NULLs included.
pub(super) fn join_on_keys(
    left: LogicalPlan,
    right: LogicalPlan,
    left_keys: &[Column],
    right_keys: &[Column],
    join_type: JoinType,
    filter: Option<Expr>,
) -> Result<LogicalPlan> {
    let may_be_null = |plan: &LogicalPlan, key: &Column| {
        plan.schema().field_from_column(key).map_or(true, |field| field.is_nullable())
    };
    let mut keys = left_keys.iter().map(|key| may_be_null(&left, key));
    let null_equality =
        if keys.any(|nullable| nullable) { NullEquality::NullEqualsNull } else { NullEquality::NullEqualsNothing };
    let filter = if left_keys.is_empty() { Some(filter.unwrap_or_else(|| lit(true))) } else { filter };
    LogicalPlanBuilder::from(left)
        .join_detailed(right, join_type, (left_keys.to_vec(), right_keys.to_vec()), filter, null_equality)?
        .build()
}

/// The expressions of a node, with the keys in them, under their old names.
fn named(node: &LogicalPlan, exprs: &[Expr], outer: &Outer, keys: &[Column]) -> Result<Vec<Expr>> {
    exprs.iter().map(|expr| outer.replace_named(expr, node, keys)).collect()
}

/// A window function within the rows of one outer value.
fn partitioned(expr: Expr, keys: &[Column]) -> Result<Expr> {
    expr.transform_up(|part| match part {
        Expr::WindowFunction(mut function) => {
            function.params.partition_by.extend(as_exprs(keys));
            Ok(Transformed::yes(Expr::WindowFunction(function)))
        }
        part => Ok(Transformed::no(part)),
    })
    .data()
}

/// Whether a plan's rows come in an order, which projections keep.
fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_sorted(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_sorted(&alias.input),
        _ => false,
    }
}

pub(super) fn as_exprs(columns: &[Column]) -> Vec<Expr> {
    columns.iter().cloned().map(Expr::Column).collect()
}

fn compare(left: Expr, operator: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
}
