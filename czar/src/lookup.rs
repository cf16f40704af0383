//! Look-ups of one table, planned by themselves.
//!
//! Most queries of a busy night choose a few rows of one table and hand out its columns as they are: an object by its key, a light
//! curve, a cone. Reading these takes less time than DataFusion needs to plan them, for its rules go through every plan as if it
//! were a large one. So what has the shape of [`Lookup`] is put together here: one scan with a filter inside. Names, types and
//! simplification are DataFusion's all the same, and so is everything that has another shape, or that is refused here for any
//! reason.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, TableScan, TableScanBuilder, Volatility};
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::sql::sqlparser::ast::{
    self, GroupByExpr, LimitClause, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement, TableFactor, Value,
    WildcardAdditionalOptions,
};
use qserv_engine::restrict::Restricted;
use qserv_engine::scan::{ColumnCache, sharing_columns};
use qserv_engine::table::CatalogTable;

use crate::schema::CATALOG;

/// A query that chooses rows of one table and hands out columns of it as they are.
pub(crate) struct Lookup {
    /// By which the query calls the table.
    name: TableReference,
    table: Arc<dyn TableProvider>,
    /// The columns that are handed out, by their places in the table.
    columns: Vec<usize>,
    /// Which rows: what holds for all of them.
    conditions: Vec<Expr>,
    /// The names of the table's columns as the conditions use them.
    names: DFSchema,
    /// The most rows that are handed out.
    most: Option<usize>,
}

impl Lookup {
    /// What a translated query looks up; `None` if it has another shape.
    ///
    /// # Errors
    /// Those of a condition that is wrong. Planned in the ordinary way, the query would fail as well.
    pub(crate) async fn of(statement: &Statement, state: &SessionState, max_rows: Option<u64>) -> Result<Option<Self>> {
        let Some(shape) = Shape::of(statement) else { return Ok(None) };
        let Some(table) = table(state, shape.table).await? else { return Ok(None) };
        let schema = table.schema();
        let Some(columns) = columns(shape.projection, &schema) else { return Ok(None) };
        let name = match shape.alias {
            Some(alias) => TableReference::bare(alias),
            None => TableReference::partial(shape.table.0, shape.table.1),
        };
        let names = DFSchema::try_from_qualified_schema(name.clone(), &schema)?;
        let condition = ast::ExprWithAlias { expr: shape.condition.clone(), alias: None };
        let condition = state.create_logical_expr_from_sql_expr(condition, &names)?;
        if !is_same_always(&condition)? {
            return Ok(None);
        }
        let Some(condition) = simplified(condition, &name, &table, state)? else { return Ok(None) };
        let most = max_rows.map(|rows| usize::try_from(rows.saturating_add(1)).unwrap_or(usize::MAX));
        let most = most.into_iter().chain(shape.top).min();
        Ok(Some(Self { name, table, columns, conditions: split_conjunction_owned(condition), names, most }))
    }

    /// As a logical plan that can be restricted to chunks. It is only that.
    pub(crate) fn to_restrict(&self) -> Result<LogicalPlan> {
        let source = provider_as_source(Arc::clone(&self.table));
        let scan = TableScanBuilder::new(self.name.clone(), source)
            .with_projection(Some(Vec::new()))
            .with_filters(self.conditions.clone());
        Ok(LogicalPlan::TableScan(scan.build()?))
    }

    /// The columns that are handed out.
    pub(crate) fn schema(&self) -> Result<SchemaRef> {
        Ok(Arc::new(self.table.schema().project(&self.columns)?))
    }

    /// The scan of what [`to_restrict`](Self::to_restrict) was restricted to; `None` if it is not for this process alone, or if
    /// the scan cannot filter by itself.
    pub(crate) fn scan(
        &self,
        restricted: &Restricted,
        state: &SessionState,
        columns: &Arc<ColumnCache>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let [site] = restricted.sites.as_slice() else { return Ok(None) };
        if restricted.placement.tasks().len() > 1 {
            return Ok(None);
        }
        let context = PhysicalPlanningContext::default();
        let physical = |condition| create_physical_expr(condition, &self.names, state.execution_props(), &context);
        let conditions: Vec<Arc<dyn PhysicalExpr>> = self.conditions.iter().map(physical).collect::<Result<_>>()?;
        let Some(files) = site.scan_where(state, &self.columns, conditions, self.most)? else { return Ok(None) };
        let scan = sharing_columns(files, columns);
        let is_one = scan.properties().output_partitioning().partition_count() == 1;
        Ok(Some(if is_one { scan } else { Arc::new(CoalescePartitionsExec::new(scan).with_fetch(self.most)) }))
    }
}

/// The parts of a statement that can be a [`Lookup`].
struct Shape<'a> {
    /// Schema and name.
    table: (&'a str, &'a str),
    alias: Option<&'a str>,
    projection: &'a [SelectItem],
    condition: &'a ast::Expr,
    top: Option<usize>,
}

impl<'a> Shape<'a> {
    fn of(statement: &'a Statement) -> Option<Self> {
        let Statement::Query(query) = statement else { return None };
        let Query { with: None, body, order_by: None, limit_clause, fetch: None, .. } = query.as_ref() else {
            return None;
        };
        let SetExpr::Select(select) = body.as_ref() else { return None };
        let Select { distinct: None, projection, from, selection, group_by, having: None, .. } = select.as_ref() else {
            return None;
        };
        if !matches!(group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty()) {
            return None;
        }
        let [from] = from.as_slice() else { return None };
        let TableFactor::Table { name, alias, args: None, sample: None, .. } = &from.relation else { return None };
        let [ObjectNamePart::Identifier(schema), ObjectNamePart::Identifier(table)] = name.0.as_slice() else {
            return None;
        };
        let alias = match alias {
            Some(alias) if alias.columns.is_empty() => Some(alias.name.value.as_str()),
            Some(_) => return None,
            None => None,
        };
        let top = match limit_clause {
            None => None,
            Some(limit) => Some(rows_of(limit)?),
        };
        let table = (schema.value.as_str(), table.value.as_str());
        from.joins.is_empty().then_some(Self { table, alias, projection, condition: selection.as_ref()?, top })
    }
}

/// A bound on rows that is a number.
fn rows_of(limit: &LimitClause) -> Option<usize> {
    let LimitClause::LimitOffset { limit: Some(ast::Expr::Value(rows)), offset: None, limit_by } = limit else {
        return None;
    };
    let Value::Number(rows, _) = &rows.value else { return None };
    if limit_by.is_empty() { rows.to_string().parse().ok() } else { None }
}

async fn table(state: &SessionState, (schema, table): (&str, &str)) -> Result<Option<Arc<dyn TableProvider>>> {
    let Some(schema) = state.catalog_list().catalog(CATALOG).and_then(|catalog| catalog.schema(schema)) else {
        return Ok(None);
    };
    Ok(schema.table(table).await?.filter(|table| table.downcast_ref::<CatalogTable>().is_some()))
}

/// The places of the columns that a select list names; `None` if it holds anything else, or a column twice.
fn columns(projection: &[SelectItem], schema: &SchemaRef) -> Option<Vec<usize>> {
    if let [SelectItem::Wildcard(but) | SelectItem::QualifiedWildcard(_, but)] = projection {
        return (*but == WildcardAdditionalOptions::default()).then(|| (0..schema.fields().len()).collect());
    }
    let mut seen = HashSet::with_capacity(projection.len());
    let place = |item: &SelectItem| {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { return None };
        let column = match expr {
            ast::Expr::Identifier(column) => column,
            ast::Expr::CompoundIdentifier(parts) => parts.last()?,
            _ => return None,
        };
        let place = schema.index_of(&column.value).ok()?;
        seen.insert(place).then_some(place)
    };
    projection.iter().map(place).collect()
}

/// Whether an expression has the same value whenever it is evaluated, and asks no other query for it.
fn is_same_always(expression: &Expr) -> Result<bool> {
    let mut is_same = true;
    expression.apply(|node| {
        is_same &= match node {
            Expr::ScalarFunction(call) => call.func.signature().volatility == Volatility::Immutable,
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_) => false,
            Expr::OuterReferenceColumn(..) | Expr::Placeholder(_) | Expr::ScalarVariable(..) => false,
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::Unnest(_) => false,
            _ => true,
        };
        Ok(if is_same { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(is_same)
}

/// A condition with its types made to fit and its constants evaluated; `None` if nothing is left to test.
fn simplified(
    condition: Expr,
    name: &TableReference,
    table: &Arc<dyn TableProvider>,
    state: &SessionState,
) -> Result<Option<Expr>> {
    let scan: TableScan = TableScanBuilder::new(name.clone(), provider_as_source(Arc::clone(table))).build()?;
    let filter = Filter::try_new(condition, Arc::new(LogicalPlan::TableScan(scan)))?;
    let options = state.config_options();
    let analyzed = state.analyzer().execute_and_check(LogicalPlan::Filter(filter), options, |_, _| {})?;
    match SimplifyExpressions::new().rewrite(analyzed, state)?.data {
        LogicalPlan::Filter(filter) if !matches!(filter.predicate, Expr::Literal(..)) => Ok(Some(filter.predicate)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn lookups_have_one_table_and_a_condition_and_nothing_is_made_of_their_rows() {
        let has_shape = |text: &str| {
            let statement = Parser::parse_sql(&GenericDialect {}, text).unwrap().remove(0);
            Shape::of(&statement).map(|shape| (shape.table.1.to_owned(), shape.alias.map(str::to_owned), shape.top))
        };
        let table = || "t".to_owned();
        assert_eq!(has_shape("SELECT a FROM d.t WHERE a = 1"), Some((table(), None, None)));
        assert_eq!(
            has_shape("SELECT * FROM d.t AS x WHERE x.a = 1 LIMIT 3"),
            Some((table(), Some("x".into()), Some(3)))
        );
        for other in [
            "SELECT a FROM d.t",
            "SELECT DISTINCT a FROM d.t WHERE a = 1",
            "SELECT a FROM d.t WHERE a = 1 GROUP BY a",
            "SELECT a FROM d.t WHERE a = 1 HAVING a > 1",
            "SELECT a FROM d.t WHERE a = 1 ORDER BY a",
            "SELECT a FROM d.t WHERE a = 1 LIMIT 3 OFFSET 1",
            "SELECT a FROM d.t WHERE a = 1 LIMIT 1 + 2",
            "SELECT a FROM d.t, d.u WHERE a = 1",
            "SELECT a FROM d.t JOIN d.u ON a = b WHERE a = 1",
            "SELECT a FROM (SELECT a FROM d.t) AS t WHERE a = 1",
            "SELECT a FROM d.t TABLESAMPLE (10) WHERE a = 1",
            "SELECT a FROM f(1) WHERE a = 1",
            "SELECT a FROM t WHERE a = 1",
            "SELECT a FROM d.t AS x (b) WHERE a = 1",
            "WITH t AS (SELECT 1) SELECT a FROM d.t WHERE a = 1",
            "SELECT a FROM d.t WHERE a = 1 UNION SELECT a FROM d.t WHERE a = 1",
        ] {
            assert_eq!(has_shape(other), None, "{other}");
        }
    }

    #[test]
    fn columns_are_named_once_each() {
        use datafusion::arrow::datatypes::{DataType, Field, Schema};

        let field = |name: &str| Field::new(name, DataType::Int64, true);
        let schema: SchemaRef = Arc::new(Schema::new(vec![field("a"), field("b"), field("c")]));
        let places = |list: &str| {
            let statement = Parser::parse_sql(&GenericDialect {}, &format!("SELECT {list} FROM d.t WHERE a = 1"));
            columns(Shape::of(&statement.unwrap().remove(0)).unwrap().projection, &schema)
        };
        assert_eq!(places("c, d.t.a AS x"), Some(vec![2, 0]));
        assert_eq!(places("*"), Some(vec![0, 1, 2]));
        assert_eq!(places("t.*"), Some(vec![0, 1, 2]));
        for other in ["a, a", "a + 1", "d", "a, *", "1", "* EXCEPT (a)"] {
            assert_eq!(places(other), None, "{other}");
        }
    }
}
