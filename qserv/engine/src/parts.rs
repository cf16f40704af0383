//! Plans whose rows need no merge, cut into parts that any worker can run by itself.
//!
//! [`split`] looks whether each row of a plan's answer is made from rows of one chunk alone: scans, filters, projections, joins and
//! GROUP BYs inside chunks. If so, it gives for each some chunks the same plan over those chunks, in one partition: its rows come
//! in the order of the chunks, within a chunk in the order of its segments, within a segment as they are stored (joins,
//! GROUP BYs and unions order them as they please). [`encode`] makes a part a text for machines, and a [`PartRunner`] runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::Result as EngineResult;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::JoinType;
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_proto_converter, physical_plan_to_bytes_with_proto_converter,
};
use datafusion_proto::physical_plan::DeduplicatingProtoConverter;
use futures::StreamExt;
use qserv_core::bulk::{PartRows, PartService};
use qserv_core::catalog::WorkerId;
use qserv_core::{Error, Result};

use crate::error::from_datafusion;
use crate::placement::{Cell, Placement};
use crate::scan::{ColumnCache, files_of, share_columns};
use crate::session;
use crate::spatial::{SpatialJoinCodec, SpatialJoinExec};
use crate::table::FileSlot;

/// Stored bytes from which on a worker's share is worth another part: below, opening one costs more than it gains.
const LEAST_BYTES: u64 = 8 << 20;

/// Stored bytes that a part should have at most: what a client that was cut off reads again.
const MOST_BYTES: u64 = 256 << 20;

/// Parts of a worker's share that are made for the sake of its processors.
const PARALLEL: u64 = 8;

/// Most parts of one plan.
const MAX_PARTS: u64 = 4096;

/// The first byte of a part, by which another version's is told.
const VERSION: u8 = 1;

/// A part of a plan.
#[derive(Debug)]
pub struct PlanPart {
    /// The plan over some chunks, in one partition.
    pub plan: Arc<dyn ExecutionPlan>,
    /// The workers that hold the most of its segments, the one it is meant for first.
    pub workers: Vec<WorkerId>,
    /// Bytes of its segments.
    pub bytes: u64,
}

/// What a subtree's rows are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// Each from rows of one chunk.
    InChunks,
    /// From tables that have no chunks.
    Anywhere,
}

/// A plan in parts; `None` if its rows need a merge. `plan` is one for a single process, placed by `placement`.
///
/// # Errors
/// What rebuilding the plan gives.
pub fn split(plan: &Arc<dyn ExecutionPlan>, placement: &Placement) -> Result<Option<Vec<PlanPart>>> {
    if made(plan) != Some(Made::InChunks) {
        return Ok(None);
    }
    let parts = shares(plan, placement).into_iter().map(|share| share.part(plan, placement));
    parts.collect::<EngineResult<Vec<_>>>().map(Some).map_err(from_datafusion)
}

fn slots(scan: &FileScanConfig) -> impl Iterator<Item = &FileSlot> {
    scan.file_groups.iter().flat_map(|group| group.files()).filter_map(|file| file.extensions.get::<FileSlot>())
}

/// `None`: neither.
fn made(plan: &Arc<dyn ExecutionPlan>) -> Option<Made> {
    if plan.fetch().is_some() {
        return None;
    }
    if let Some(scan) = files_of(plan) {
        if scan.limit.is_some() || scan.file_groups.iter().any(|group| group.files().iter().any(is_strange)) {
            return None;
        }
        let has_chunks = scan.output_partitioning.is_some() || slots(scan).any(|slot| slot.partitioned);
        return Some(if has_chunks { Made::InChunks } else { Made::Anywhere });
    }
    let children: Vec<Option<Made>> = plan.children().into_iter().map(made).collect();
    let only = || match children.as_slice() {
        [only] => *only,
        _ => None,
    };
    if plan.is::<FilterExec>() || plan.is::<ProjectionExec>() || plan.is::<CooperativeExec>() {
        return only();
    }
    if plan.is::<CoalescePartitionsExec>() {
        return only().filter(|made| *made == Made::Anywhere);
    }
    if plan.is::<UnionExec>() {
        return children.iter().all(|child| *child == Some(Made::InChunks)).then_some(Made::InChunks);
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let groups = aggregate.group_expr();
        let is_local =
            *aggregate.mode() == AggregateMode::SinglePartitioned && groups.is_single() && !groups.is_empty();
        return only().filter(|made| is_local && *made == Made::InChunks);
    }
    if let Some(join) = plan.downcast_ref::<SpatialJoinExec>() {
        let in_chunks = children.iter().all(|child| *child == Some(Made::InChunks));
        return (join.is_within_partitions() && in_chunks).then_some(Made::InChunks);
    }
    let join = plan.downcast_ref::<HashJoinExec>()?;
    match (join.mode, children.as_slice()) {
        (PartitionMode::Partitioned, [Some(Made::InChunks), Some(Made::InChunks)]) => Some(Made::InChunks),
        // Each part reads the whole left side. Rows of the left without a partner would come once a part.
        (PartitionMode::CollectLeft, [Some(Made::Anywhere), Some(Made::InChunks)])
            if matches!(
                join.join_type(),
                JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark
            ) =>
        {
            Some(Made::InChunks)
        }
        _ => None,
    }
}

/// A file that is not one of ours.
fn is_strange(file: &datafusion::datasource::listing::PartitionedFile) -> bool {
    file.extensions.get::<FileSlot>().is_none()
}

/// What is read apart: a chunk, or what no chunk has for itself.
type Unit = Option<Cell>;

/// The units of one part.
#[derive(Debug, Default)]
struct Share {
    task: usize,
    units: BTreeSet<Unit>,
    bytes: u64,
    held: BTreeMap<WorkerId, u64>,
}

/// What a unit weighs, and who holds how much of it.
#[derive(Debug, Default)]
struct Weight {
    bytes: u64,
    held: BTreeMap<WorkerId, u64>,
}

/// Deals the units of each task out to parts, in the order of the chunks.
fn shares(plan: &Arc<dyn ExecutionPlan>, placement: &Placement) -> Vec<Share> {
    let mut tasks: BTreeMap<usize, BTreeMap<Unit, Weight>> = BTreeMap::new();
    let mut scans = vec![plan];
    while let Some(node) = scans.pop() {
        if let Some(scan) = files_of(node) {
            for slot in slots(scan).filter(|slot| slot.partitioned) {
                let unit = tasks.entry(slot.slot.task).or_default().entry(slot.cell.clone()).or_default();
                unit.bytes += slot.segment.bytes;
                for worker in &slot.segment.replicas {
                    *unit.held.entry(worker.clone()).or_default() += slot.segment.bytes;
                }
            }
        }
        scans.extend(node.children());
    }
    let most = MAX_PARTS / u64::try_from(placement.tasks().len().max(1)).unwrap_or(MAX_PARTS);
    let mut shares = Vec::new();
    for (task, units) in tasks {
        let whole: u64 = units.values().map(|weight| weight.bytes).sum();
        let wanted = (whole / LEAST_BYTES).clamp(1, PARALLEL).max(whole.div_ceil(MOST_BYTES)).clamp(1, most.max(1));
        let aim = whole.div_ceil(wanted).max(1);
        let mut share = Share { task, ..Share::default() };
        for (unit, weight) in units {
            share.units.insert(unit);
            share.bytes += weight.bytes;
            for (worker, bytes) in weight.held {
                *share.held.entry(worker).or_default() += bytes;
            }
            if share.bytes >= aim {
                shares.push(std::mem::replace(&mut share, Share { task, ..Share::default() }));
            }
        }
        if !share.units.is_empty() {
            shares.push(share);
        }
    }
    shares
}

impl Share {
    fn part(&self, plan: &Arc<dyn ExecutionPlan>, placement: &Placement) -> EngineResult<PlanPart> {
        let first = placement.tasks().get(self.task).map(|worker| worker.id.clone());
        let mut others: Vec<(&WorkerId, &u64)> =
            self.held.iter().filter(|(id, _)| Some(*id) != first.as_ref()).collect();
        others.sort_by_key(|(id, bytes)| (std::cmp::Reverse(**bytes), (*id).clone()));
        let workers = first.clone().into_iter().chain(others.into_iter().map(|(id, _)| id.clone())).collect();
        let narrowed = Arc::clone(plan).transform_up(|node| match files_of(&node) {
            Some(scan) if scan.output_partitioning.is_some() || slots(scan).any(|slot| slot.partitioned) => {
                Ok(Transformed::yes(self.narrow(scan)))
            }
            _ => Ok(Transformed::no(node)),
        });
        let mut narrowed = narrowed.data()?;
        if narrowed.output_partitioning().partition_count() != 1 {
            narrowed = Arc::new(CoalescePartitionsExec::new(narrowed));
        }
        Ok(PlanPart { plan: narrowed, workers, bytes: self.bytes })
    }

    /// The files of these units, in one partition.
    fn narrow(&self, scan: &FileScanConfig) -> Arc<dyn ExecutionPlan> {
        let mut files: Vec<_> = scan
            .file_groups
            .iter()
            .flat_map(|group| group.files())
            .filter(|file| {
                let slot = file.extensions.get::<FileSlot>();
                slot.is_some_and(|slot| slot.slot.task == self.task && self.units.contains(&slot.cell))
            })
            .cloned()
            .collect();
        let order = |file: &datafusion::datasource::listing::PartitionedFile| {
            file.extensions.get::<FileSlot>().map(|slot| (slot.cell.clone(), slot.segment.id))
        };
        files.sort_by_key(order);
        let mut variant = scan.clone();
        variant.file_groups = vec![FileGroup::new(files)];
        variant.output_partitioning = scan.output_partitioning.clone().map(|partitioning| match partitioning {
            Partitioning::Hash(keys, _) => Partitioning::Hash(keys, 1),
            _ => Partitioning::UnknownPartitioning(1),
        });
        DataSourceExec::from_data_source(variant)
    }
}

/// A part as bytes: the schema that its rows are to have, and its plan.
///
/// # Errors
/// `Internal` if the plan has an operator that cannot travel.
pub fn encode(schema: &SchemaRef, plan: &Arc<dyn ExecutionPlan>) -> Result<Bytes> {
    let mut encoded = vec![VERSION];
    let mut ipc = Vec::new();
    StreamWriter::try_new(&mut ipc, schema)
        .and_then(|mut writer| writer.finish())
        .map_err(|error| Error::internal("a part of a plan cannot be written").caused_by(error))?;
    let length = u32::try_from(ipc.len()).map_err(|_| Error::limit("the answer has too many columns"))?;
    encoded.extend_from_slice(&length.to_be_bytes());
    encoded.extend_from_slice(&ipc);
    let converter = DeduplicatingProtoConverter::default();
    let plan = physical_plan_to_bytes_with_proto_converter(Arc::clone(plan), &SpatialJoinCodec, &converter)
        .map_err(from_datafusion)?;
    encoded.extend_from_slice(&plan);
    Ok(encoded.into())
}

/// Runs parts in a session of its own. Cheap to clone.
#[derive(Clone)]
pub struct PartRunner {
    state: Arc<SessionState>,
    columns: Arc<ColumnCache>,
}

impl PartRunner {
    /// Within these resources, over the segments that are registered there, sharing decoded columns.
    #[must_use]
    pub fn new(runtime: Arc<RuntimeEnv>, columns: Arc<ColumnCache>) -> Self {
        let config = session::config(1).with_batch_size(BATCH_ROWS);
        Self { state: Arc::new(session::builder(config, runtime).build()), columns }
    }
}

/// Rows of a batch of a part: what is encoded and sent at a time. As many as a piece of the column cache has, which then goes out as it
/// is: to make larger batches was to copy every row once more, 15 of 100 parts of the time of a worker that sends.
const BATCH_ROWS: usize = 16 << 10;

#[async_trait]
impl PartService for PartRunner {
    async fn open(&self, part: &[u8]) -> Result<PartRows> {
        let strange = || Error::invalid("this is no part of a plan of this version");
        let [VERSION, a, b, c, d, rest @ ..] = part else { return Err(strange()) };
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).map_err(|_| strange())?;
        let (ipc, plan) = rest.split_at_checked(length).ok_or_else(strange)?;
        let schema = StreamReader::try_new(ipc, None).map_err(|error| strange().caused_by(error))?.schema();
        let context = self.state.task_ctx();
        let converter = DeduplicatingProtoConverter::default();
        let plan = physical_plan_from_bytes_with_proto_converter(plan, &context, &SpatialJoinCodec, &converter)
            .and_then(|plan| share_columns(plan, &self.columns))
            .map_err(from_datafusion)?;
        let batches = plan.execute(0, context).map_err(from_datafusion)?;
        let shown = Arc::clone(&schema);
        let batches = batches.map(move |batch| described(batch.map_err(from_datafusion)?, &shown)).boxed();
        Ok(PartRows { schema, batches })
    }
}

fn described(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options).map_err(|error| {
        Error::internal("the rows do not have the columns that they were planned to have").caused_by(error)
    })
}
