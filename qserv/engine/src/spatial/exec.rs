//! The operator: a join of rows that lie within an angle of each other.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, JoinType, Result, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, PhysicalExpr};
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::joins::utils::{JoinFilter, build_join_schema};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::build::Built;
use super::chunks::chunk_by_chunk;
use super::condition::SpatialCondition;
use super::metrics::SpatialJoinMetrics;
use super::probe::{Joining, joined};
use super::replace::rebuilt;

/// Which rows of the built side a partition of the other side can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All: the built side is one partition.
    Everything,
    /// Those of the partition of the same number, which holds all that lie near enough.
    SamePartition,
}

/// A [`NestedLoopJoinExec`] that tries only pairs which lie near each other: same inputs, same filter, same rows.
#[derive(Debug)]
pub struct SpatialJoinExec {
    nested: NestedLoopJoinExec,
    filter: JoinFilter,
    condition: SpatialCondition,
    reach: Reach,
    /// The built side where it is one for all partitions.
    built: Arc<OnceCell<Arc<Built>>>,
    metrics: ExecutionPlanMetricsSet,
}

impl SpatialJoinExec {
    /// The spatial join that does what a nested loop does; `None` if its filter has no spatial condition, or if it hands out
    /// rows of its left side that found no partner in any of several partitions.
    pub(super) fn of(nested: NestedLoopJoinExec, reach: Reach) -> Option<Self> {
        let filter = nested.filter()?.clone();
        let condition = SpatialCondition::of(&filter)?;
        let is_possible = match nested.join_type() {
            JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => true,
            JoinType::Full => reach == Reach::Everything && nested.right().output_partitioning().partition_count() == 1,
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => false,
        };
        let metrics = ExecutionPlanMetricsSet::new();
        is_possible.then(|| Self { nested, filter, condition, reach, built: Arc::default(), metrics })
    }

    /// The side that streams by: the join's partitions are its partitions.
    #[must_use]
    pub fn streaming(&self) -> &Arc<dyn ExecutionPlan> {
        self.nested.right()
    }

    /// The nested loop that it stands for.
    pub(super) fn nested(&self) -> &NestedLoopJoinExec {
        &self.nested
    }

    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// Whether all pairs lie in partitions of the same number.
    #[must_use]
    pub fn is_within_partitions(&self) -> bool {
        matches!(self.reach, Reach::SamePartition)
    }

    fn joining(&self, batch_rows: usize) -> Result<Joining> {
        let (left, right) = (self.nested.left().schema(), self.nested.right().schema());
        let (_, columns) = build_join_schema(&left, &right, self.nested.join_type());
        let columns = match self.nested.projection() {
            None => columns,
            Some(projection) => projection.iter().filter_map(|index| columns.get(*index).cloned()).collect(),
        };
        Ok(Joining {
            condition: self.condition.clone(),
            filter: self.filter.clone(),
            join_type: *self.nested.join_type(),
            schema: self.schema(),
            columns,
            batch_rows,
        })
    }
}

impl DisplayAs for SpatialJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reach = match self.reach {
            Reach::Everything => "Everything",
            Reach::SamePartition => "ChunkAndOverlap",
        };
        match format {
            DisplayFormatType::TreeRender => write!(f, "join_type={:?}, reach={reach}", self.nested.join_type()),
            _ => write!(
                f,
                "SpatialJoinExec: join_type={:?}, reach={reach}, {}, filter={}",
                self.nested.join_type(),
                self.condition,
                self.filter.expression()
            ),
        }
    }
}

impl ExecutionPlan for SpatialJoinExec {
    fn name(&self) -> &'static str {
        "SpatialJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.nested.properties()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(match (self.reach, self.nested.join_type()) {
            (Reach::Everything, JoinType::Full) => vec![Distribution::SinglePartition, Distribution::SinglePartition],
            (Reach::Everything, _) => vec![Distribution::SinglePartition, Distribution::UnspecifiedDistribution],
            (Reach::SamePartition, _) => {
                vec![Distribution::UnspecifiedDistribution, Distribution::UnspecifiedDistribution]
            }
        })
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        // Partitions of both sides belong together.
        vec![false, self.reach == Reach::Everything]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![self.nested.left(), self.nested.right()]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        f(self.filter.expression())
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [left, right] = children.as_slice() else { return internal_err!("a join has two inputs") };
        match Self::of(rebuilt(&self.nested, Arc::clone(left), Arc::clone(right))?, self.reach) {
            Some(join) => Ok(Arc::new(join)),
            None => internal_err!("a spatial join that is none over other inputs"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = SpatialJoinMetrics::new(&self.metrics, partition);
        let joining = self.joining(context.session_config().batch_size())?;
        let (left, right) = (self.nested.left(), self.nested.right());
        let condition = self.condition.clone();
        let build = move |left: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>, metrics: SpatialJoinMetrics| {
            let condition = condition.clone();
            async move {
                let memory = MemoryConsumer::new(format!("SpatialJoin[{partition}]")).register(context.memory_pool());
                Built::collect(left.execute(0, context)?, &condition, memory, &metrics).await.map(Arc::new)
            }
        };
        let stream = match self.reach {
            Reach::Everything => {
                let input = right.execute(partition, Arc::clone(&context))?;
                let (left, shared) = (Arc::clone(left), Arc::clone(&self.built));
                let stream = async move {
                    let built = shared.get_or_try_init(|| build(left, context, metrics.clone())).await?;
                    Ok::<_, DataFusionError>(joined(joining, Arc::clone(built), input, metrics))
                };
                futures::stream::once(stream).try_flatten().boxed()
            }
            Reach::SamePartition => {
                let pairs = futures::stream::iter(chunk_by_chunk(left, right, partition)?);
                let stream = pairs.then(move |(left, right)| {
                    let (joining, metrics, context) = (joining.clone(), metrics.clone(), Arc::clone(&context));
                    let built = build(left, Arc::clone(&context), metrics.clone());
                    async move {
                        Ok::<_, DataFusionError>(joined(joining, built.await?, right.execute(0, context)?, metrics))
                    }
                });
                stream.try_flatten().boxed()
            }
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
