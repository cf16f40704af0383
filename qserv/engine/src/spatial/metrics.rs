//! What a spatial join tells of itself in EXPLAIN ANALYZE and in the log.

use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, Time};

/// Counts of one partition.
#[derive(Debug, Clone)]
pub(super) struct SpatialJoinMetrics {
    pub(super) baseline: BaselineMetrics,
    /// Time to collect the built side's positions and index them.
    pub(super) build_time: Time,
    pub(super) build_rows: Count,
    pub(super) probe_rows: Count,
    /// Pairs that the index gave and the filter decided.
    pub(super) candidate_pairs: Count,
}

impl SpatialJoinMetrics {
    pub(super) fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        Self {
            baseline: BaselineMetrics::new(set, partition),
            build_time: MetricBuilder::new(set).subset_time("build_time", partition),
            build_rows: MetricBuilder::new(set).counter("build_rows", partition),
            probe_rows: MetricBuilder::new(set).counter("probe_rows", partition),
            candidate_pairs: MetricBuilder::new(set).counter("candidate_pairs", partition),
        }
    }
}
