//! Outer joins whose ON asks something of both rows.
//!
//! Such a question is answered for pairs, which the inner join gives. The rows of a side without a partner are those whose
//! values, as far as ON names them, are in no pair: rows with the same values there have partners together, or none.

use std::sync::Arc;

use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{Column, JoinType, Result, ScalarValue};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, Projection};
use qserv_core::Error;

use super::push::{as_exprs, join_on_keys};
use super::{Joiner, references};
use crate::error::into_datafusion;

impl Joiner {
    /// An outer, semi or anti join, made of the inner one.
    pub(super) fn join_of_pairs(&mut self, join: Join) -> Result<LogicalPlan> {
        let mut condition: Vec<Expr> = join.filter.iter().cloned().collect();
        condition.extend(join.on.iter().flat_map(|(left, right)| [left.clone(), right.clone()]));
        if condition.iter().any(Expr::is_volatile) {
            return Err(into_datafusion(Error::invalid(
                "RAND and a sub-query that names columns of both sides cannot be in one ON of an outer join; \
                 give the random number a name in a query in FROM",
            )));
        }
        let named: Vec<Column> = condition.iter().flat_map(references::all_columns).collect();
        let of = |side: &LogicalPlan| -> Vec<Column> {
            let mut places: Vec<usize> =
                named.iter().filter_map(|column| side.schema().maybe_index_of_column(column)).collect();
            places.sort_unstable();
            places.dedup();
            places.into_iter().map(|place| Column::from(side.schema().qualified_field(place))).collect()
        };
        let (left_named, right_named) = (of(&join.left), of(&join.right));
        let left = self.settled_for(Arc::unwrap_or_clone(join.left), &left_named)?;
        let right = self.settled_for(Arc::unwrap_or_clone(join.right), &right_named)?;
        let inner = Join::try_new(
            Arc::new(left.clone()),
            Arc::new(right.clone()),
            join.on,
            join.filter,
            JoinType::Inner,
            join.join_constraint,
            join.null_equality,
            false,
        )?;
        let pairs = self.join(inner)?;
        let of_left = |with, plan: &mut Self| plan.of_side(left.clone(), &pairs, &left_named, with);
        let of_right = |with, plan: &mut Self| plan.of_side(right.clone(), &pairs, &right_named, with);
        match join.join_type {
            JoinType::Left => {
                let lonely = of_left(JoinType::LeftAnti, self)?;
                self.together(pairs.clone(), vec![lonely])
            }
            JoinType::Right => {
                let lonely = of_right(JoinType::LeftAnti, self)?;
                self.together(pairs.clone(), vec![lonely])
            }
            JoinType::Full => {
                let lonely = vec![of_left(JoinType::LeftAnti, self)?, of_right(JoinType::LeftAnti, self)?];
                self.together(pairs.clone(), lonely)
            }
            JoinType::LeftSemi | JoinType::LeftAnti => of_left(join.join_type, self),
            JoinType::RightSemi => of_right(JoinType::LeftSemi, self),
            JoinType::RightAnti => of_right(JoinType::LeftAnti, self),
            JoinType::Inner => Ok(pairs),
            JoinType::LeftMark | JoinType::RightMark => {
                Err(into_datafusion(Error::invalid("a sub-query cannot be in ON of such a join")))
            }
        }
    }

    /// The rows of a side with or without a partner.
    fn of_side(
        &mut self,
        side: LogicalPlan,
        pairs: &LogicalPlan,
        named: &[Column],
        with: JoinType,
    ) -> Result<LogicalPlan> {
        let alias = self.name("pairs");
        let names: Vec<String> = named.iter().map(|_| self.name("key")).collect();
        let keys = as_exprs(named).into_iter().zip(&names).map(|(column, name)| column.alias(name));
        let found = LogicalPlanBuilder::from(pairs.clone())
            .project(keys.collect::<Vec<_>>())?
            .distinct()?
            .alias(alias.clone())?
            .build()?;
        let keys: Vec<Column> = names.into_iter().map(|name| Column::new(Some(alias.clone()), name)).collect();
        join_on_keys(side, found, named, &keys, with, None)
    }

    /// The pairs and, with NULLs in the other side's columns, the rows without a partner.
    fn together(&mut self, pairs: LogicalPlan, lonely: Vec<LogicalPlan>) -> Result<LogicalPlan> {
        let schema = Arc::clone(pairs.schema());
        // A union has no tables whose names its columns could have.
        let names: Vec<String> = schema.iter().map(|_| self.name("column")).collect();
        let mut all: Option<LogicalPlanBuilder> = None;
        for plan in std::iter::once(pairs).chain(lonely) {
            let mut exprs = Vec::with_capacity(names.len());
            for ((qualifier, field), name) in schema.iter().zip(&names) {
                let column = Column::from((qualifier, field));
                exprs.push(if plan.schema().has_column(&column) {
                    Expr::Column(column).alias(name)
                } else {
                    let null = ScalarValue::try_from(field.data_type())?;
                    Expr::Literal(null, Some(FieldMetadata::from(field.as_ref()))).alias(name)
                });
            }
            let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
            all = Some(match all {
                Some(all) => all.union(plan)?,
                None => LogicalPlanBuilder::from(plan),
            });
        }
        let Some(all) = all else { return Err(into_datafusion(Error::internal("a join without pairs"))) };
        let back = schema.iter().zip(&names).map(|((qualifier, field), name)| {
            Expr::Column(Column::new_unqualified(name)).alias_qualified(qualifier.cloned(), field.name())
        });
        Ok(LogicalPlan::Projection(Projection::try_new(back.collect(), Arc::new(all.build()?))?))
    }
}
