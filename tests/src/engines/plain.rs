//! DataFusion over unpartitioned tables in memory: the judge.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::common::DataFusionError;
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use qserv_core::catalog::Snapshot;
use qserv_czar::{Names, translate};
use qserv_engine::subqueries::{KeptRows, join_subqueries, kept_rows, with_kept_rows};

use super::Engine;
use crate::cells;

/// Plain DataFusion with our functions and our arithmetic: none of our tables, rules of distribution or placement.
#[derive(Clone)]
pub struct Plain {
    names: Names,
    context: SessionContext,
}

impl Plain {
    /// An engine over whole tables. `snapshot` gives the names and types; the rows come from `tables`, each with its
    /// database and name.
    ///
    /// # Errors
    /// A description of a table that cannot be registered.
    pub fn new(
        snapshot: &Snapshot,
        tables: impl IntoIterator<Item = (String, String, Vec<RecordBatch>)>,
    ) -> Result<Self, String> {
        let mut config =
            SessionConfig::new().with_target_partitions(2).with_default_catalog_and_schema("plain", "none");
        config.options_mut().execution.skip_physical_aggregate_schema_check = true;
        let mut builder = SessionStateBuilder::new().with_config(config).with_default_features();
        let functions = builder.scalar_functions().get_or_insert_default();
        functions.extend(qserv_udfs::all());
        functions.extend(qserv_udfs::arithmetic::functions());
        builder.aggregate_functions().get_or_insert_default().extend(qserv_udfs::aggregates());
        *builder.analyzer() = Some(qserv_engine::session::analyzer());
        let context = SessionContext::new_with_state(builder.build());
        let catalog = Arc::new(MemoryCatalogProvider::new());
        context.register_catalog("plain", Arc::clone(&catalog) as Arc<dyn CatalogProvider>);
        for (database, table, batches) in tables {
            let schema = match catalog.schema(&database) {
                Some(schema) => schema,
                None => {
                    let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                    catalog.register_schema(&database, Arc::clone(&schema)).map_err(|error| error.to_string())?;
                    schema
                }
            };
            let declared = snapshot
                .databases
                .get(&database)
                .and_then(|found| found.database.table(&table))
                .ok_or_else(|| format!("{database}.{table} is not declared"))?;
            // The same rows under the declared schema, whose fields carry units and descriptions.
            let declared = declared.schema();
            let batches = batches
                .into_iter()
                .map(|batch| RecordBatch::try_new(Arc::clone(&declared), batch.columns().to_vec()))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| error.to_string())?;
            let rows = MemTable::try_new(declared, vec![batches]).map_err(|error| error.to_string())?;
            schema.register_table(table, Arc::new(rows)).map_err(|error| error.to_string())?;
        }
        let names = Names::new(snapshot).map_err(|error| error.to_string())?;
        Ok(Self { names, context })
    }
}

#[async_trait]
impl Engine for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    async fn ask(&self, query: &str) -> Result<Vec<Vec<String>>, String> {
        let (statement, _) = translate(query, &self.names, false).map_err(|error| error.to_string())?;
        let ours = user_text;
        let state = self.context.state();
        let plan = state.statement_to_plan(Statement::Statement(Box::new(statement))).await.map_err(ours)?;
        let plan = join_subqueries(plan).map_err(ours)?;
        let plan = self.with_rows(plan).await.map_err(ours)?;
        let frame = self.context.execute_logical_plan(plan).await.map_err(ours)?;
        let batches = frame.collect().await.map_err(ours)?;
        cells::rows(&batches)
    }
}

impl Plain {
    /// A plan whose kept rows are tables in memory.
    async fn with_rows(&self, plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
        let mut tables: HashMap<String, Arc<dyn TableProvider>> = HashMap::new();
        for rows in kept_rows(&plan)? {
            let Some(rows) = rows.downcast_ref::<KeptRows>() else { continue };
            let inner = Box::pin(self.with_rows(rows.plan().clone())).await?;
            let batches = self.context.execute_logical_plan(inner).await?.collect().await?;
            let table = MemTable::try_new(rows.schema(), vec![batches])?;
            tables.insert(rows.name().to_owned(), Arc::new(table));
        }
        with_kept_rows(plan, &tables)
    }
}

/// Refusals are compared too, so the judge speaks our words.
fn user_text(error: DataFusionError) -> String {
    qserv_engine::error::from_datafusion(error).to_string()
}
