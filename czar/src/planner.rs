//! From a query's text to a plan that can be run on the workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, Subquery};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_distributed::{ChannelResolver, DistributedExec, DistributedExt};
use futures::TryStreamExt;
use object_store::ObjectStore;
use qserv_core::catalog::{Snapshot, SnapshotId};
use qserv_core::index::KeyIndexCache;
use qserv_core::query::Language;
use qserv_core::upload::TAP_UPLOAD;
use qserv_core::{Error, Result};
use qserv_engine::distribute::distribute;
use qserv_engine::error::from_datafusion;
use qserv_engine::explain::explain;
use qserv_engine::parts::{PlanPart, split};
use qserv_engine::placement::{LiveWorker, MAX_GROUPS};
use qserv_engine::restrict::{Cut as ChunkCut, Overlap, Restricted, Surroundings, cuts, restrict};
use qserv_engine::scan::{ColumnCache, share_columns};
use qserv_engine::session;
use qserv_engine::spatial::{is_exposed_overlap, replace_nested_loops};
use qserv_engine::subqueries::{KeptRows, join_subqueries, kept_rows, names_outer_rows, with_kept_rows};

use crate::lookup::Lookup;
use crate::parameters;
use crate::schema::{CATALOG, NO_SCHEMA, catalogs, with_schema};
use crate::sql;
use crate::subqueries;
use crate::translate::{self, Names};
use crate::uploads::{KeptTable, Received, Uploads};

/// Deepest nesting of value sub-queries.
const MAX_SUBQUERY_DEPTH: usize = 16;

/// Plans queries over snapshots. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Planner {
    runtime: Arc<RuntimeEnv>,
    channels: Arc<dyn ChannelResolver + Send + Sync>,
    reader: Arc<dyn ObjectStore>,
    key_cache: Arc<KeyIndexCache>,
    columns: Arc<ColumnCache>,
    uploads: Arc<Uploads>,
    /// What was made of the newest snapshot: making it costs more than most look-ups.
    prepared: Arc<Mutex<Option<Arc<Prepared>>>>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) text: &'a str,
    pub(crate) language: Language,
    pub(crate) max_rows: Option<u64>,
    /// The values that it leaves open.
    pub(crate) parameters: Option<&'a RecordBatch>,
}

/// Where the stages of a plan run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    OverWorkers,
    Here,
}

/// What queries over one snapshot share.
pub(crate) struct Prepared {
    pub(crate) snapshot: Arc<Snapshot>,
    /// The snapshot as protocols see it: with TAP_SCHEMA among the databases.
    pub(crate) described: Arc<Snapshot>,
    names: Names,
    state: SessionState,
    /// In which look-ups run.
    context: Arc<TaskContext>,
}

/// A query that can be run.
pub(crate) struct Planned {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) context: Arc<TaskContext>,
    /// Output columns with their VO metadata.
    pub(crate) schema: SchemaRef,
    pub(crate) restricted: Restricted,
    /// Tables of this query that its rows are made of.
    pub(crate) kept: Vec<KeptTable>,
}

impl Prepared {
    /// The same with the tables that a query brings along.
    pub(crate) fn with(&self, received: &Received) -> Self {
        let catalogs = with_schema(self.state.catalog_list().as_ref(), TAP_UPLOAD, &received.tables);
        Self {
            snapshot: Arc::clone(&self.snapshot),
            described: Arc::clone(&self.described),
            names: self.names.with(received.names.clone()),
            context: Arc::clone(&self.context),
            state: SessionStateBuilder::new_from_existing(self.state.clone()).with_catalog_list(catalogs).build(),
        }
    }
}

impl Planned {
    pub(crate) fn explanation(&self) -> Vec<String> {
        explain(&self.restricted, &self.plan)
    }
}

impl Planner {
    pub(crate) fn new(
        runtime: Arc<RuntimeEnv>,
        channels: Arc<dyn ChannelResolver + Send + Sync>,
        reader: Arc<dyn ObjectStore>,
        key_cache: Arc<KeyIndexCache>,
        columns: Arc<ColumnCache>,
        uploads: Arc<Uploads>,
    ) -> Self {
        Self { runtime, channels, reader, key_cache, columns, uploads, prepared: Arc::default() }
    }

    /// What is needed to plan over a snapshot; made once a snapshot.
    pub(crate) fn prepare(&self, snapshot: &Arc<Snapshot>) -> Result<Arc<Prepared>> {
        let mut newest = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = newest.as_ref()
            && prepared.snapshot.id == snapshot.id
        {
            return Ok(Arc::clone(prepared));
        }
        let state = self.state(snapshot)?;
        let prepared = Arc::new(Prepared {
            names: Names::new(snapshot)?,
            context: Arc::new(context_here(&state)),
            state,
            described: Arc::new(crate::schema::with_tap_schema(snapshot)),
            snapshot: Arc::clone(snapshot),
        });
        if newest.as_ref().is_none_or(|newest| newest.snapshot.id < snapshot.id || snapshot.id == SnapshotId(0)) {
            *newest = Some(Arc::clone(&prepared));
        }
        Ok(prepared)
    }

    fn state(&self, snapshot: &Snapshot) -> Result<SessionState> {
        let config = session::config(MAX_GROUPS)
            .with_default_catalog_and_schema(CATALOG, NO_SCHEMA)
            .with_create_default_catalog_and_schema(false);
        let builder = session::builder(config, Arc::clone(&self.runtime)).with_catalog_list(catalogs(snapshot)?);
        let mut state = builder.build();
        // Expressions share the options that the session starts with: then they are known to be equal without a look at them.
        state.mark_start_execution();
        Ok(state)
    }

    /// Plans a query. With `max_rows`, the plan yields at most one row more.
    pub(crate) async fn plan(
        &self,
        prepared: &Prepared,
        live: &[LiveWorker],
        question: Question<'_>,
    ) -> Result<(Planned, translate::Output)> {
        let begun = Instant::now();
        let (statement, output) = read(prepared, question, question.parameters.is_some())?;
        let translated = Instant::now();
        if question.language == Language::Adql
            && let Some(planned) = Box::pin(self.look_up(prepared, live, &statement, question.max_rows)).await?
        {
            tracing::debug!(
                translate_us = (translated - begun).as_micros(),
                plan_us = translated.elapsed().as_micros(),
                "planned a look-up"
            );
            return Ok((planned, output));
        }
        let (logical, kept) = Box::pin(self.logical(prepared, live, statement, question)).await?;
        let made = Instant::now();
        let planned = Box::pin(self.physical(prepared, live, logical)).await?;
        tracing::debug!(
            translate_us = (translated - begun).as_micros(),
            logical_us = (made - translated).as_micros(),
            physical_us = made.elapsed().as_micros(),
            "planned a query"
        );
        Ok((Planned { kept, ..planned }, output))
    }

    /// Plans a look-up of one table; `None` for all other queries, and for what must be planned in the ordinary way.
    async fn look_up(
        &self,
        prepared: &Prepared,
        live: &[LiveWorker],
        statement: &Statement,
        max_rows: Option<u64>,
    ) -> Result<Option<Planned>> {
        // What is wrong with a query is told by the planning of all others.
        let Ok(Some(lookup)) = Lookup::of(statement, &prepared.state, max_rows).await else { return Ok(None) };
        let plan = lookup.to_restrict().map_err(from_datafusion)?;
        let restricted = restrict(plan, &self.surroundings(live)).await?;
        let plan = lookup.scan(&restricted, &prepared.state, &self.columns).map_err(from_datafusion)?;
        let Some(plan) = plan else { return Ok(None) };
        let schema = lookup.schema().map_err(from_datafusion)?;
        Ok(Some(Planned { plan, context: Arc::clone(&prepared.context), schema, restricted, kept: Vec::new() }))
    }

    /// Plans a query so that its rows can be handed out where they lie: the parts, or `None` where they need a merge.
    pub(crate) async fn plan_in_parts(
        &self,
        prepared: &Prepared,
        live: &[LiveWorker],
        question: Question<'_>,
    ) -> Result<(SchemaRef, translate::Output, Option<Vec<PlanPart>>)> {
        let (statement, output) = read(prepared, question, question.parameters.is_some())?;
        let (logical, kept) = Box::pin(self.logical(prepared, live, statement, question)).await?;
        let optimized = started(prepared).optimize(&logical).map_err(from_datafusion)?;
        let mut surroundings = self.surroundings(live);
        let restricted = restrict(optimized.clone(), &surroundings).await?;
        let (restricted, _, plan) = match self.cut(started(prepared), restricted, Cut::Here).await {
            Err(error) if is_exposed_overlap(&error) => {
                surroundings.overlap = Overlap::Ignore;
                let restricted = restrict(optimized, &surroundings).await?;
                self.cut(started(prepared), restricted, Cut::Here).await.map_err(from_datafusion)?
            }
            made => made.map_err(from_datafusion)?,
        };
        let schema = described(&plan.schema(), logical.schema().as_arrow());
        // The segments of kept rows go when the query does, which a part cannot tell.
        let parts = if kept.is_empty() { split(&plan, &restricted.placement)? } else { None };
        Ok((output.rename(&schema), output, parts))
    }

    /// The logical plan of a question, its value sub-queries evaluated and the rows kept that it needs more than once.
    async fn logical(
        &self,
        prepared: &Prepared,
        live: &[LiveWorker],
        statement: Statement,
        question: Question<'_>,
    ) -> Result<(LogicalPlan, Vec<KeptTable>)> {
        let open = parameters::count(&statement);
        let logical = open_plan(prepared, statement, question.language).await?;
        let logical = match question.parameters {
            Some(values) => parameters::bind(logical, open, values)?,
            None => logical,
        };
        let logical = join_subqueries(logical).map_err(from_datafusion)?;
        let mut kept = Vec::new();
        let logical = self.keep_rows(prepared, live, logical, (&mut kept, 0)).await?;
        let logical = self.evaluate_subqueries(prepared, live, logical, 0).await?;
        let logical = match question.max_rows {
            // One row more tells whether the result was cut.
            Some(rows) => LogicalPlanBuilder::from(logical)
                .limit(0, Some(usize::try_from(rows.saturating_add(1)).unwrap_or(usize::MAX)))
                .and_then(LogicalPlanBuilder::build)
                .map_err(from_datafusion)?,
            None => logical,
        };
        Ok((logical, kept))
    }

    /// Computes the rows that must be the same each time that a plan reads them, innermost first, and puts the tables that they are
    /// in their places.
    async fn keep_rows(
        &self,
        prepared: &Prepared,
        live: &[LiveWorker],
        logical: LogicalPlan,
        (kept, depth): (&mut Vec<KeptTable>, usize),
    ) -> Result<LogicalPlan> {
        let needed = kept_rows(&logical).map_err(from_datafusion)?;
        if needed.is_empty() {
            return Ok(logical);
        }
        if depth > MAX_SUBQUERY_DEPTH {
            return Err(Error::limit(format!("sub-queries are nested more than {MAX_SUBQUERY_DEPTH} deep")));
        }
        let mut tables: HashMap<String, Arc<dyn TableProvider>> = HashMap::with_capacity(needed.len());
        for rows in needed {
            let Some(rows) = rows.downcast_ref::<KeptRows>() else { continue };
            if names_outer_rows(rows.plan()) {
                return Err(Error::invalid(
                    "a query in FROM with TOP, OFFSET, TABLESAMPLE or RAND names columns of the query around it, and a \
                     sub-query names its columns; join a query in FROM",
                ));
            }
            let plan = rows.plan().clone();
            let plan = Box::pin(self.keep_rows(prepared, live, plan, (kept, depth + 1))).await?;
            let plan = self.evaluate_subqueries(prepared, live, plan, depth).await?;
            let planned = Box::pin(self.physical(prepared, live, plan)).await?;
            let stream = execute_stream(planned.plan, planned.context).map_err(from_datafusion)?;
            let table = self.uploads.keep(rows.name(), &planned.schema, stream).await?;
            tables.insert(rows.name().to_owned(), Arc::clone(&table.table) as _);
            kept.push(table);
        }
        with_kept_rows(logical, &tables).map_err(from_datafusion)
    }

    /// How the tables that a question brings along can be cut, so that its joins with them stay inside chunks. `prepared` has them without
    /// rows.
    pub(crate) async fn cuts(&self, prepared: &Prepared, question: Question<'_>) -> Result<Vec<ChunkCut>> {
        let (statement, _) = read(prepared, question, question.parameters.is_some())?;
        let open = parameters::count(&statement);
        let logical = Box::pin(open_plan(prepared, statement, question.language)).await?;
        let logical = match question.parameters {
            Some(values) => parameters::bind(logical, open, values)?,
            None => logical,
        };
        let logical = join_subqueries(logical).map_err(from_datafusion)?;
        cuts(started(prepared).optimize(&logical).map_err(from_datafusion)?, TAP_UPLOAD)
    }

    /// The values that a text leaves open, a column each.
    pub(crate) async fn parameters(&self, prepared: &Prepared, text: &str, language: Language) -> Result<SchemaRef> {
        let question = Question { text, language, max_rows: None, parameters: None };
        let (statement, _) = read(prepared, question, true)?;
        let open = parameters::count(&statement);
        parameters::schema(&Box::pin(open_plan(prepared, statement, language)).await?, open)
    }

    fn surroundings(&self, live: &[LiveWorker]) -> Surroundings {
        Surroundings {
            live: live.to_vec(),
            reader: self.reader.clone(),
            key_cache: self.key_cache.clone(),
            overlap: Overlap::Read,
        }
    }

    /// A logical plan, restricted, placed and cut into stages.
    async fn physical(&self, prepared: &Prepared, live: &[LiveWorker], logical: LogicalPlan) -> Result<Planned> {
        let begun = Instant::now();
        let state = started(prepared);
        let optimized = state.optimize(&logical).map_err(from_datafusion)?;
        let optimized_at = Instant::now();
        let mut surroundings = self.surroundings(live);
        let restricted = restrict(optimized.clone(), &surroundings).await?;
        tracing::debug!(
            optimize_us = (optimized_at - begun).as_micros(),
            restrict_us = optimized_at.elapsed().as_micros(),
            "chose the chunks of a query"
        );
        // A state is copied only where it may be needed twice: it holds all functions by name.
        let reads_overlap = restricted.sites.iter().filter_map(|site| site.plan()).any(|plan| plan.is_halo);
        let second = reads_overlap.then(|| state.clone());
        let (restricted, state, plan) = match (self.cut(state, restricted, Cut::OverWorkers).await, second) {
            (Err(error), Some(state)) if is_exposed_overlap(&error) => {
                surroundings.overlap = Overlap::Ignore;
                let restricted = restrict(optimized, &surroundings).await?;
                self.cut(state, restricted, Cut::OverWorkers).await.map_err(from_datafusion)?
            }
            (made, _) => made.map_err(from_datafusion)?,
        };
        let schema = described(&plan.schema(), logical.schema().as_arrow());
        let context = if plan.is::<DistributedExec>() { state.task_ctx() } else { Arc::new(context_here(&state)) };
        Ok(Planned { plan, context, schema, restricted, kept: Vec::new() })
    }

    /// The physical plan of a restricted one, in stages if it runs on several workers.
    async fn cut(
        &self,
        mut state: SessionState,
        restricted: Restricted,
        cut: Cut,
    ) -> datafusion::common::Result<(Restricted, SessionState, Arc<dyn ExecutionPlan>)> {
        let placement = &restricted.placement;
        state.config_mut().options_mut().execution.target_partitions = placement.groups();
        if placement.tasks().len() > 1 && cut == Cut::OverWorkers {
            let builder = distribute(SessionStateBuilder::new_from_existing(state), placement);
            state = builder.with_distributed_channel_resolver(Arc::clone(&self.channels)).build();
        }
        let plan = state.query_planner().create_physical_plan(&restricted.plan, &state).await?;
        let plan = replace_nested_loops(plan)?;
        // What runs here shares its columns here; workers see to what they run, and so does who runs a part.
        let plan = match cut {
            Cut::OverWorkers if !plan.is::<DistributedExec>() => share_columns(plan, &self.columns)?,
            _ => plan,
        };
        Ok((restricted, state, plan))
    }

    /// Runs value sub-queries that depend on nothing outside, innermost first, and puts their values in their places.
    async fn evaluate_subqueries(
        &self,
        prepared: &Prepared,
        live: &[LiveWorker],
        mut logical: LogicalPlan,
        depth: usize,
    ) -> Result<LogicalPlan> {
        for _ in depth..=MAX_SUBQUERY_DEPTH {
            let subqueries = subqueries::innermost(&logical).map_err(from_datafusion)?;
            if subqueries.is_empty() {
                return Ok(logical);
            }
            let mut values: HashMap<Subquery, ScalarValue> = HashMap::with_capacity(subqueries.len());
            for subquery in subqueries {
                let value = self.value_of(prepared, live, &subquery).await?;
                values.insert(subquery, value);
            }
            logical = subqueries::replace(logical, &values).map_err(from_datafusion)?;
        }
        Err(Error::limit(format!("sub-queries are nested more than {MAX_SUBQUERY_DEPTH} deep")))
    }

    async fn value_of(&self, prepared: &Prepared, live: &[LiveWorker], subquery: &Subquery) -> Result<ScalarValue> {
        // Two rows are enough to see that there is more than one.
        let logical = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
            .limit(0, Some(2))
            .and_then(LogicalPlanBuilder::build)
            .map_err(from_datafusion)?;
        let datatype = logical.schema().field(0).data_type().clone();
        let planned = Box::pin(self.physical(prepared, live, logical)).await?;
        let batches: Vec<_> = execute_stream(planned.plan, planned.context)
            .map_err(from_datafusion)?
            .try_collect()
            .await
            .map_err(from_datafusion)?;
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        match (rows, batches.iter().find(|batch| batch.num_rows() > 0)) {
            (1, Some(batch)) => ScalarValue::try_from_array(batch.column(0), 0).map_err(from_datafusion),
            (0, _) | (_, None) => ScalarValue::try_from(&datatype).map_err(from_datafusion),
            _ => Err(Error::invalid("a sub-query used as a value returned more than one row")),
        }
    }
}

/// The statement of a question and what its answer is to look like. It leaves no values open, unless it may.
fn read(prepared: &Prepared, question: Question<'_>, may_be_open: bool) -> Result<(Statement, translate::Output)> {
    let (statement, output) = match question.language {
        Language::Adql => translate::translate(question.text, &prepared.names, may_be_open)?,
        Language::Sql => (sql::read(question.text)?, translate::Output::default()),
    };
    if !may_be_open && parameters::count(&statement) > 0 {
        return Err(Error::invalid("a query has no parameters here; prepare it, or write the values themselves"));
    }
    Ok((statement, output))
}

/// The logical plan of a statement, with the values that it leaves open.
async fn open_plan(prepared: &Prepared, statement: Statement, language: Language) -> Result<LogicalPlan> {
    let statement = datafusion::sql::parser::Statement::Statement(Box::new(statement));
    let logical = match language {
        Language::Adql => prepared.state.statement_to_plan(statement).await.map_err(from_datafusion)?,
        Language::Sql => as_declared(&prepared.state)?.statement_to_plan(statement).await.map_err(sql::refused)?,
    };
    if matches!(logical, LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_)) {
        return Err(Error::invalid("only queries are accepted"));
    }
    Ok(logical)
}

/// A session in which the present moment, where a query asks for it, is that of planning.
fn started(prepared: &Prepared) -> SessionState {
    let mut state = prepared.state.clone();
    state.mark_start_execution();
    state
}

/// The context of a plan that runs here. It knows no functions by name, as only plans that come from elsewhere ask it for them.
fn context_here(state: &SessionState) -> TaskContext {
    let (scalar, higher_order, aggregate, window) = Default::default();
    let (id, config) = (state.session_id().to_owned(), state.config().clone());
    TaskContext::new(None, id, config, scalar, higher_order, aggregate, window, Arc::clone(state.runtime_env()))
}

/// Functions whose values are of the engine and of how it stores rows, not of the catalog.
const TELLS_OF_ENGINE: [&str; 3] = ["version", "input_file_name", "file_row_index"];

/// A session in which names stand for what is declared in their letter case, and in which nothing tells of the engine.
fn as_declared(state: &SessionState) -> Result<SessionState> {
    let mut builder = SessionStateBuilder::new_from_existing(state.clone());
    if let Some(config) = builder.config() {
        config.options_mut().sql_parser.enable_ident_normalization = false;
    }
    let mut state = builder.build();
    for name in TELLS_OF_ENGINE {
        state.deregister_udf(name).map_err(from_datafusion)?;
    }
    Ok(state)
}

/// The physical plan's columns with the metadata that the logical plan kept for them.
fn described(physical: &Schema, logical: &Schema) -> SchemaRef {
    let fields = physical.fields().iter().enumerate().map(|(index, field)| {
        let metadata = logical.fields().get(index).map(|field| field.metadata().clone()).unwrap_or_default();
        Field::new(field.name(), field.data_type().clone(), field.is_nullable()).with_metadata(metadata)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
