//! The answer to a sub-query, joined to the rows that ask for it.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{count, first_value};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{
    Expr, ExprSchemable, FetchType, JoinType, LogicalPlan, LogicalPlanBuilder, ScalarUDF, Subquery, lit, when,
};
use qserv_udfs::arithmetic::Single;

use super::native::{Place, is_foreign};
use super::push::{Outer, as_exprs, join_on_keys};
use super::references::outer_columns;
use super::{Joiner, columns_of};

/// The name of the column that a mark join adds.
const MARK: &str = "mark";

impl Joiner {
    /// An expression without sub-queries: `input` gets their answers for the rows of `base`.
    pub(super) fn replaced(
        &mut self,
        expr: Expr,
        place: Place,
        base: &LogicalPlan,
        input: &mut LogicalPlan,
    ) -> Result<Expr> {
        expr.transform_down(|part| {
            if !is_foreign(&part, place) {
                return Ok(Transformed::no(part));
            }
            self.count()?;
            let replaced = match part {
                Expr::ScalarSubquery(subquery) => self.value(&subquery, base, input)?,
                Expr::Exists(Exists { subquery, negated }) => {
                    let exists = self.exists(&subquery, base, input)?;
                    if negated { !exists } else { exists }
                }
                Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                    let value = self.replaced(*expr, place, base, input)?;
                    let holds = self.is_in(&value, &subquery, base, input)?;
                    if negated { !holds } else { holds }
                }
                part => part,
            };
            Ok(Transformed::new(replaced, true, TreeNodeRecursion::Jump))
        })
        .data()
    }

    /// A value: NULL for an outer row without one, an error for one with several.
    fn value(&mut self, subquery: &Subquery, base: &LogicalPlan, input: &mut LogicalPlan) -> Result<Expr> {
        let answer = self.answer(subquery, base, true)?;
        let value = Expr::Column(answer.value.clone());
        let plan = if gives_one_row(&subquery.subquery) {
            answer.plan
        } else {
            let (only, rows) = (self.name("value"), self.name("rows"));
            let single = ScalarUDF::new_from_impl(Single::default());
            let value = Expr::Column(Column::new_unqualified(&only));
            let single =
                single.call(vec![value, Expr::Column(Column::new_unqualified(&rows))]).alias(&answer.value.name);
            let aggregates =
                vec![first_value(Expr::Column(answer.value.clone()), vec![]).alias(&only), count(lit(1)).alias(&rows)];
            let columns: Vec<Expr> = as_exprs(&answer.keys).into_iter().chain([single]).collect();
            LogicalPlanBuilder::from(answer.plan)
                .aggregate(as_exprs(&answer.keys), aggregates)?
                .project(columns)?
                .alias(answer.alias.clone())?
                .build()?
        };
        *input = join_on_keys(input.clone(), plan, &answer.outer, &answer.keys, JoinType::Left, None)?;
        Ok(value)
    }

    /// Whether there is a row.
    fn exists(&mut self, subquery: &Subquery, base: &LogicalPlan, input: &mut LogicalPlan) -> Result<Expr> {
        let answer = self.answer(subquery, base, false)?;
        let plan = if answer.keys.is_empty() {
            LogicalPlanBuilder::from(answer.plan).limit(0, Some(1))?.build()?
        } else {
            answer.plan
        };
        *input = join_on_keys(input.clone(), plan, &answer.outer, &answer.keys, JoinType::LeftMark, None)?;
        Ok(Expr::Column(Column::new(Some(answer.alias), MARK)))
    }

    /// Whether a value is among those of the sub-query: NULL if it is not found, but may be one of those that are not known.
    fn is_in(
        &mut self,
        value: &Expr,
        subquery: &Subquery,
        base: &LogicalPlan,
        input: &mut LogicalPlan,
    ) -> Result<Expr> {
        let answer = self.answer(subquery, base, true)?;
        let other = Expr::Column(answer.value.clone());
        let may_be_null = value.nullable(input.schema().as_ref())? || other.nullable(answer.plan.schema().as_ref())?;
        // The engine compares the keys so that NULLs are the same, and then this equality too.
        let equal = value.clone().eq(other.clone()).and(other.is_not_null());
        let found = Expr::Column(Column::new(Some(answer.alias), MARK));
        *input =
            join_on_keys(input.clone(), answer.plan, &answer.outer, &answer.keys, JoinType::LeftMark, Some(equal))?;
        if !may_be_null {
            return Ok(found);
        }
        let counted = self.answer(subquery, base, true)?;
        let (rows, known, alias) = (self.name("rows"), self.name("known"), self.name("counted"));
        let column = |name: &str| Expr::Column(Column::new(Some(alias.clone()), name));
        let counts = vec![count(lit(1)).alias(&rows), count(Expr::Column(counted.value.clone())).alias(&known)];
        let plan = LogicalPlanBuilder::from(counted.plan)
            .aggregate(as_exprs(&counted.keys), counts)?
            .alias(alias.clone())?
            .build()?;
        let keys: Vec<Column> =
            counted.keys.iter().map(|key| Column::new(Some(alias.clone()), key.name.clone())).collect();
        *input = join_on_keys(input.clone(), plan, &counted.outer, &keys, JoinType::Left, None)?;
        let no_rows = column(&rows).is_null().or(column(&rows).eq(lit(0_i64)));
        let unknown = value.clone().is_null().or(column(&known).lt(column(&rows)));
        when(found, lit(true))
            .when(no_rows, lit(false))
            .when(unknown, Expr::Literal(ScalarValue::Boolean(None), None))
            .otherwise(lit(false))
    }

    /// The answers of a sub-query to all outer rows.
    fn answer(&mut self, subquery: &Subquery, base: &LogicalPlan, with_value: bool) -> Result<Answer> {
        let plan = &subquery.subquery;
        let columns: Vec<Column> =
            outer_columns(plan).into_iter().filter(|column| base.schema().has_column(column)).collect();
        let outer = Outer { columns, rows: base.clone() };
        let (pushed, keys) =
            if outer.columns.is_empty() { (LogicalPlan::clone(plan), Vec::new()) } else { self.push(plan, &outer)? };
        // The columns have new names, so that they are those of no table.
        let (alias, value) = (self.name("answer"), self.name("value"));
        let names: Vec<String> = keys.iter().map(|_| self.name("key")).collect();
        let mut exprs: Vec<Expr> = as_exprs(&keys).into_iter().zip(&names).map(|(key, name)| key.alias(name)).collect();
        match columns_of(plan).into_iter().next() {
            Some(column) if with_value => exprs.push(Expr::Column(column).alias(&value)),
            _ if exprs.is_empty() => exprs.push(lit(true).alias(&value)),
            _ => {}
        }
        let plan = LogicalPlanBuilder::from(pushed).project(exprs)?.alias(alias.clone())?.build()?;
        // What it holds of sub-queries names the rows of its own nodes only, now.
        let plan = self.plan(plan)?;
        let here = |name: String| Column::new(Some(alias.clone()), name);
        let keys = names.into_iter().map(here).collect();
        Ok(Answer { plan, outer: outer.columns, keys, value: here(value), alias: alias.clone() })
    }
}

/// The answers of a sub-query, in columns of one table.
struct Answer {
    plan: LogicalPlan,
    alias: String,
    /// Columns of outer rows.
    outer: Vec<Column>,
    /// Their values, in the same order.
    keys: Vec<Column>,
    value: Column,
}

/// Whether a sub-query gives one row at most for each outer row, by its form.
fn gives_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => gives_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => gives_one_row(&alias.input),
        LogicalPlan::Filter(filter) => gives_one_row(&filter.input),
        LogicalPlan::Sort(sort) => gives_one_row(&sort.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Limit(limit) => {
            matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(0 | 1)))) || gives_one_row(&limit.input)
        }
        LogicalPlan::EmptyRelation(_) => true,
        _ => false,
    }
}
