//! Scans that share decoded columns.
//!
//! Queries of one catalog read the same columns again and again, and most of what a scan costs is decoding them. So each process
//! keeps decoded columns in a [`ColumnCache`] of bounded size, which all running queries share: a column that thirty scans want at the
//! same time is decoded once.
//!
//! The life of a scan:
//!
//! 1. When a plan is about to run where its rows are, on a worker or embedded in the czar, [`share_columns`] puts a
//!    [`SharedScan`] in the place of the source of each Parquet scan that it understands. It is no node of its own: plans look the same
//!    with and without it, to people and to datafusion-distributed.
//! 2. `stream` goes through the files of a partition. A `segment` knows a file's footer and its statistics, with which row groups are
//!    skipped.
//! 3. The columns that the filter reads are taken from the cache, or decoded into it (`columns`).
//! 4. `filter` evaluates the filter piece by piece, the cheapest condition first; `bounds` spares it pieces whose least and greatest
//!    values decide. What came out is remembered, for the next query with the same filter (`selections`).
//! 5. Only of row groups that have such rows are the other columns taken, and only of pieces that have any is something copied.
//!
//! A read that wants little of a row group which is not in the cache goes to DataFusion's own scan, page by page, the first time:
//! whoever looks for one row must not wait until all are decoded.

mod bounds;
mod cache;
mod columns;
mod filter;
mod prepared;
mod segment;
mod selections;
mod source;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

pub use cache::{CacheUse, ColumnCache};
pub use source::SharedScan;

/// Makes the scans of a plan that runs in this process share their columns. The last change to a plan: its scans are no longer what
/// rules and codecs look for.
///
/// # Errors
/// Those of DataFusion's plans.
pub fn share_columns(plan: Arc<dyn ExecutionPlan>, cache: &Arc<ColumnCache>) -> Result<Arc<dyn ExecutionPlan>> {
    if cache.is_off() {
        return Ok(plan);
    }
    plan.transform_up(|node| {
        let Some(scan) = files_of(&node).and_then(|files| SharedScan::of(files, cache)) else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(DataSourceExec::from_data_source(scan) as Arc<dyn ExecutionPlan>))
    })
    .data()
}

/// A leaf that reads these files in this process, and shares their columns.
#[must_use]
pub fn sharing_columns(files: FileScanConfig, cache: &Arc<ColumnCache>) -> Arc<dyn ExecutionPlan> {
    match SharedScan::of(&files, cache).filter(|_| !cache.is_off()) {
        Some(shared) => DataSourceExec::from_data_source(shared),
        None => DataSourceExec::from_data_source(files),
    }
}

/// The files that a leaf of a plan reads, whether it shares its columns or not.
#[must_use]
pub fn files_of(node: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let source = node.downcast_ref::<DataSourceExec>()?.data_source();
    source.downcast_ref::<SharedScan>().map(SharedScan::files).or_else(|| source.downcast_ref::<FileScanConfig>())
}

/// A leaf that reads other files than this one, and shares their columns if this one does.
pub(crate) fn over_files(node: &Arc<dyn ExecutionPlan>, files: FileScanConfig) -> Arc<dyn ExecutionPlan> {
    let source = node.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source);
    match source.and_then(|source| source.downcast_ref::<SharedScan>()).and_then(|shared| shared.over(&files)) {
        Some(shared) => DataSourceExec::from_data_source(shared),
        None => DataSourceExec::from_data_source(files),
    }
}
