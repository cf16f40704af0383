//! What a czar's and a worker's sessions must share: functions, limits, caches, the segment store.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::Result;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::ScalarUDF;
use datafusion::optimizer::Analyzer;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{
    ChannelResolver, DistributedExt, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse, WorkerQueryContext,
    WorkerSessionBuilder,
};
use object_store::ObjectStore;
use qserv_core::store::SEGMENT_STORE_URL;
use qserv_udfs::RandomOfRow;

use crate::distribute::{JoinWithinChunks, KeepKeysTogether};
use crate::error::from_datafusion;
use crate::random::ByRow;
use crate::scan::{ColumnCache, share_columns};
use crate::spatial::{CheckOverlap, JoinWithOverlap, SpatialJoinCodec};
use crate::yielding::YieldInJoins;

/// How many of the greediest operators the log names when memory runs out.
const TRACKED_CONSUMERS: std::num::NonZeroUsize = std::num::NonZeroUsize::new(5).expect("5 is not 0");

/// The bounds of one process's engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLimits {
    /// Memory that all queries of the process may use together, in bytes. Operators that can spill do; others fail.
    pub query_memory_bytes: usize,
    /// Memory for cached Parquet footers and page indexes, in bytes: a look-up that finds its footers cached reads pages only.
    pub metadata_cache_bytes: usize,
    /// Memory for decoded columns that queries share, in bytes; 0 for none. See [`ColumnCache`].
    pub column_cache_bytes: usize,
}

impl Default for EngineLimits {
    /// 4 GiB for queries, 2 GiB for columns and 512 MiB for footers, a fit for a machine of 8 GiB and more.
    fn default() -> Self {
        Self { query_memory_bytes: 4 << 30, metadata_cache_bytes: 512 << 20, column_cache_bytes: 2 << 30 }
    }
}

/// The resources that all sessions of a process share.
///
/// # Errors
/// `Internal` if DataFusion refuses the limits.
pub fn runtime(limits: EngineLimits, segments: Arc<dyn ObjectStore>) -> qserv_core::Result<Arc<RuntimeEnv>> {
    let pool = TrackConsumersPool::new(FairSpillPool::new(limits.query_memory_bytes), TRACKED_CONSUMERS);
    let caches = CacheManagerConfig::default().with_metadata_cache_limit(limits.metadata_cache_bytes);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_cache_manager(caches)
        .build_arc()
        .map_err(from_datafusion)?;
    let url = ObjectStoreUrl::parse(SEGMENT_STORE_URL).map_err(from_datafusion)?;
    runtime.register_object_store(url.as_ref(), segments);
    Ok(runtime)
}

/// The options under which queries are planned and run.
#[must_use]
pub fn config(partitions: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions.max(1))
        // Files are whole chunks in groups of our choosing: they must not be cut or dealt out anew.
        .with_repartition_file_scans(false)
        .with_information_schema(false);
    let options = config.options_mut();
    // Declared partitions are kept, and hash-routed dynamic filters are not pushed into them (rows would go missing).
    options.optimizer.preserve_file_partitions = 1;
    // Filters run inside the scan: a column that no surviving row needs is not decoded.
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    // A column of a UNION has other descriptions on its two sides, which is no fault of the plan.
    options.execution.skip_physical_aggregate_schema_check = true;
    config
}

/// The physical optimizer: DataFusion's rules between ours.
#[must_use]
pub fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> =
        vec![Arc::new(JoinWithinChunks), Arc::new(JoinWithOverlap)];
    rules.extend(PhysicalOptimizer::new().rules);
    rules.push(Arc::new(KeepKeysTogether));
    rules.push(Arc::new(CheckOverlap));
    rules.push(Arc::new(YieldInJoins));
    rules
}

/// A session with all our functions, not yet told of any worker.
#[must_use]
pub fn builder(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionStateBuilder {
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_physical_optimizer_rules(physical_rules())
        .with_functions_added();
    *builder.analyzer() = Some(analyzer());
    builder
}

/// What makes of a query's operators, casts and random numbers what ADQL's users mean by them.
#[must_use]
pub fn analyzer() -> Analyzer {
    let mut analyzer = qserv_udfs::arithmetic::analyzer();
    analyzer.rules.insert(0, Arc::new(ByRow));
    analyzer
}

/// Adds our functions to a builder's own lists, which `with_scalar_functions` and `with_aggregate_functions` would replace.
trait AddFunctions {
    fn with_functions_added(self) -> Self;
}

impl AddFunctions for SessionStateBuilder {
    fn with_functions_added(mut self) -> Self {
        let functions = self.scalar_functions().get_or_insert_default();
        functions.extend(qserv_udfs::all());
        functions.extend(qserv_udfs::arithmetic::functions());
        functions.push(Arc::new(ScalarUDF::new_from_impl(RandomOfRow::default())));
        self.aggregate_functions().get_or_insert_default().extend(qserv_udfs::aggregates());
        self
    }
}

/// Builds the sessions in which a worker runs its parts of queries.
#[derive(Clone)]
pub struct WorkerSession {
    channels: Arc<dyn ChannelResolver + Send + Sync>,
    columns: Arc<ColumnCache>,
}

impl WorkerSession {
    /// Sessions that reach other workers by these channels, and share decoded columns.
    #[must_use]
    pub fn new(channels: Arc<dyn ChannelResolver + Send + Sync>, columns: Arc<ColumnCache>) -> Self {
        Self { channels, columns }
    }
}

#[async_trait]
impl WorkerSessionBuilder for WorkerSession {
    async fn build_session_state(&self, context: WorkerQueryContext) -> Result<SessionState> {
        let columns = Arc::clone(&self.columns);
        let share = move |event: WorkerPlanRewriteEvent<'_>| {
            share_columns(event.plan, &columns).map(WorkerPlanRewriteEventResponse::new)
        };
        Ok(context
            .builder
            .with_functions_added()
            .with_distributed_channel_resolver(Arc::clone(&self.channels))
            .with_distributed_user_codec(SpatialJoinCodec)
            .with_distributed_worker_plan_rewrite_handler(share)
            .build())
    }
}
