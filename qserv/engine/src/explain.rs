//! What a user sees of a plan: chunks read of chunks there are, who runs what, then the operators.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::displayable;
use datafusion_distributed::{DistributedExec, display_plan_ascii};
use qserv_core::partition::ChunkId;

use crate::restrict::Restricted;
use crate::table::Site;

/// The plan as lines of text.
#[must_use]
pub fn explain(restricted: &Restricted, plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    let mut lines: Vec<String> = restricted.sites.iter().map(|site| scan_line(site)).collect();
    let placement = &restricted.placement;
    for (task, worker) in placement.tasks().iter().enumerate() {
        let chunks = chunks_of_task(restricted, task);
        lines.push(format!("task {task}: worker {} reads {chunks} chunks", worker.id));
    }
    if plan.is::<DistributedExec>() {
        lines.extend(display_plan_ascii(plan.as_ref(), false).lines().map(str::to_owned));
    } else {
        lines.extend(displayable(plan.as_ref()).indent(false).to_string().lines().map(str::to_owned));
    }
    lines
}

fn scan_line(site: &Site) -> String {
    let table = site.table.table();
    let name = format!("{}.{}", site.table.database_name(), table.table.name);
    let Some(plan) = site.plan() else { return format!("scan {}: {name}", site.index) };
    let chunks =
        |segments: &mut dyn Iterator<Item = Option<ChunkId>>| segments.flatten().collect::<BTreeSet<_>>().len();
    let read = chunks(&mut plan.segments.iter().map(|segment| segment.chunk));
    let there = chunks(&mut table.segments_of(plan.role).map(|segment| segment.chunk));
    let rows: u64 = plan.segments.iter().map(|segment| segment.rows).sum();
    if site.table.cut_position().is_some() {
        format!("scan {}: {name}: cut into {read} chunks, {rows} rows", site.index)
    } else if table.table.kind.is_partitioned() {
        format!("scan {}: {name}: {read} of {there} chunks, at most {rows} rows", site.index)
    } else {
        format!("scan {}: {name}: replicated, {rows} rows", site.index)
    }
}

fn chunks_of_task(restricted: &Restricted, task: usize) -> usize {
    let mut chunks = BTreeSet::new();
    for site in &restricted.sites {
        let Some(plan) = site.plan() else { continue };
        for chunk in plan.segments.iter().filter_map(|segment| segment.chunk) {
            let cell = (site.table.chunks_of().clone(), chunk);
            if restricted.placement.slot(&cell).task == task {
                chunks.insert(cell);
            }
        }
    }
    chunks.len()
}
