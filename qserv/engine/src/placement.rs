//! Which worker runs what: one chunk → task → group assignment that all tables of a query share.
//!
//! A *task* is one worker's part of a stage, a *group* one of the partitions that it runs. Rows of one director key are in
//! one chunk, so tables that share the assignment can be joined and grouped by that key without moving a row.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use qserv_core::catalog::{Segment, WorkerId};
use qserv_core::partition::ChunkId;
use qserv_core::{Error, Result};
use url::Url;

/// Partitions a task runs at most. More groups than cores let a core that is done with one chunk take the next: in trials on
/// two cores a full join took 160 ms with 2 groups and 132 to 154 ms with 8. More than 8 has not been measured.
pub const MAX_GROUPS: usize = 8;

/// A chunk of one database.
pub type Cell = (Arc<str>, ChunkId);

/// A worker that takes queries now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveWorker {
    /// Its name.
    pub id: WorkerId,
    /// Where it takes plans.
    pub url: Url,
    /// Whether it lives in this process.
    pub local: bool,
}

/// Where a chunk of a query is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The task, `0..tasks`.
    pub task: usize,
    /// The group within each task, `0..groups`.
    pub group: usize,
}

/// The assignment of one query.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    slots: HashMap<Cell, Slot>,
    /// Chunks by task and group.
    chunks: Vec<Vec<usize>>,
    tasks: Vec<LiveWorker>,
    groups: usize,
    others: Vec<LiveWorker>,
}

/// What a query reads of one chunk.
#[derive(Debug, Clone, Default)]
pub struct Load {
    bytes: u64,
    /// How many of the segments each worker holds.
    held: BTreeMap<WorkerId, usize>,
    segments: usize,
}

impl Load {
    /// Adds a segment that the query reads.
    pub fn add(&mut self, segment: &Segment) {
        self.bytes += segment.bytes;
        self.segments += 1;
        for worker in &segment.replicas {
            *self.held.entry(worker.clone()).or_default() += 1;
        }
    }
}

impl Placement {
    /// Spreads the chunks over the live workers that hold them, the heaviest first, each to the least loaded one.
    /// A worker that holds every segment of a chunk goes before one that would have to read some from another.
    ///
    /// # Errors
    /// `Unavailable` if no live worker holds any segment of a chunk.
    pub fn new(loads: BTreeMap<Cell, Load>, live: &[LiveWorker]) -> Result<Self> {
        let mut order: Vec<(Cell, Load)> = loads.into_iter().collect();
        order.sort_by(|left, right| right.1.bytes.cmp(&left.1.bytes).then_with(|| left.0.cmp(&right.0)));

        let index_of: HashMap<&WorkerId, usize> =
            live.iter().enumerate().map(|(index, worker)| (&worker.id, index)).collect();
        let mut loaded = vec![0_u64; live.len()];
        let mut chosen: Vec<(Cell, u64, usize)> = Vec::with_capacity(order.len());
        for (cell, load) in order {
            let holders = load.held.iter().filter_map(|(id, held)| Some((*index_of.get(id)?, load.segments - held)));
            let best = holders.min_by_key(|&(index, missing)| (missing, loaded[index], index)).map(|(index, _)| index);
            let Some(worker) = best else {
                return Err(no_replica(&cell, &load));
            };
            // A chunk costs something however small it is: without this, tiny chunks would all go to one worker.
            loaded[worker] += load.bytes.max(1);
            chosen.push((cell, load.bytes, worker));
        }

        let mut used: Vec<usize> = chosen.iter().map(|(_, _, worker)| *worker).collect();
        used.sort_unstable();
        used.dedup();
        let mut tasks: Vec<LiveWorker> = used.iter().map(|&index| live[index].clone()).collect();
        let mut task_of: HashMap<usize, usize> =
            used.iter().enumerate().map(|(task, &worker)| (worker, task)).collect();
        // A stage of one task is run by whoever asks for it, here the czar, which then reads the segments over the
        // network. A second task on the same worker, though idle, keeps the work where the data is.
        if let [only] = tasks.as_slice()
            && !only.local
        {
            tasks.push(only.clone());
        }
        if tasks.is_empty() {
            task_of.clear();
        }

        let mut chunks_of_task = vec![0_usize; tasks.len()];
        for (_, _, worker) in &chosen {
            if let Some(&task) = task_of.get(worker) {
                chunks_of_task[task] += 1;
            }
        }
        // A plan of one partition is run whole by whoever asks, so work for several tasks needs at least two.
        let fewest = if tasks.len() > 1 { 2 } else { 1 };
        let groups = chunks_of_task.iter().copied().max().unwrap_or(0).clamp(fewest, MAX_GROUPS);

        let mut group_bytes = vec![vec![0_u64; groups]; tasks.len()];
        let mut slots = HashMap::with_capacity(chosen.len());
        let mut chunks = vec![vec![0; groups]; tasks.len()];
        for (cell, bytes, worker) in chosen {
            let Some(&task) = task_of.get(&worker) else { continue };
            let group = (0..groups).min_by_key(|&group| (group_bytes[task][group], group)).unwrap_or(0);
            group_bytes[task][group] += bytes.max(1);
            chunks[task][group] += 1;
            slots.insert(cell, Slot { task, group });
        }
        let held: HashSet<&WorkerId> = tasks.iter().map(|worker| &worker.id).collect();
        let others = live.iter().filter(|worker| !held.contains(&worker.id)).cloned().collect();
        Ok(Self { slots, chunks, tasks, groups, others })
    }

    /// Where a chunk is read; chunks that the query was not placed for are read in the first slot.
    #[must_use]
    pub fn slot(&self, cell: &Cell) -> Slot {
        self.slots.get(cell).copied().unwrap_or(Slot { task: 0, group: 0 })
    }

    /// The workers by task.
    #[must_use]
    pub fn tasks(&self) -> &[LiveWorker] {
        &self.tasks
    }

    /// Groups within each task, at least 1.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.max(1)
    }

    /// Number of chunks placed.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.slots.len()
    }

    /// Number of chunks placed in one slot.
    #[must_use]
    pub fn chunks_in(&self, slot: Slot) -> usize {
        self.chunks.get(slot.task).and_then(|groups| groups.get(slot.group)).copied().unwrap_or(0)
    }

    /// Every live worker, those with tasks first.
    pub fn workers(&self) -> impl Iterator<Item = &LiveWorker> {
        self.tasks.iter().chain(&self.others)
    }
}

fn no_replica(cell: &Cell, load: &Load) -> Error {
    let holders: Vec<String> = load.held.keys().map(ToString::to_string).collect();
    Error::unavailable("no worker that holds a part of the data this query needs is up; try again later")
        .with("database", &cell.0)
        .with("chunk", cell.1)
        .with("worker", holders.join(" "))
}

#[cfg(test)]
mod tests {
    use qserv_core::catalog::{SegmentBounds, SegmentId, SegmentRole};

    use super::*;

    fn worker(name: &str, local: bool) -> LiveWorker {
        let url = Url::parse(&format!("http://{name}:1/")).unwrap();
        LiveWorker { id: WorkerId(name.to_owned()), url, local }
    }

    fn segment(bytes: u64, replicas: &[&str]) -> Segment {
        Segment {
            id: SegmentId(0),
            chunk: None,
            role: SegmentRole::Rows,
            path: String::new(),
            rows: 1,
            bytes,
            bounds: SegmentBounds::default(),
            replicas: replicas.iter().map(|name| WorkerId((*name).to_owned())).collect(),
        }
    }

    fn loads(chunks: &[(u64, u64, &[&str])]) -> BTreeMap<Cell, Load> {
        let mut loads: BTreeMap<Cell, Load> = BTreeMap::new();
        for (chunk, bytes, replicas) in chunks {
            loads.entry((Arc::from("db"), ChunkId(*chunk))).or_default().add(&segment(*bytes, replicas));
        }
        loads
    }

    #[test]
    fn each_chunk_goes_to_a_worker_that_holds_it_and_loads_are_even() {
        let live = [worker("a", false), worker("b", false), worker("c", false)];
        let chunks: Vec<(u64, u64, &[&str])> =
            (0..30).map(|chunk| (chunk, 100, if chunk % 2 == 0 { &["a", "b"][..] } else { &["b", "c"][..] })).collect();
        let placement = Placement::new(loads(&chunks), &live).unwrap();
        assert_eq!(placement.tasks().len(), 3);
        let mut count = [0; 3];
        for (chunk, _, replicas) in &chunks {
            let slot = placement.slot(&(Arc::from("db"), ChunkId(*chunk)));
            let name = &placement.tasks()[slot.task].id.0;
            assert!(replicas.contains(&name.as_str()));
            count[slot.task] += 1;
        }
        assert_eq!(count, [10, 10, 10]);
        let slots = (0..3).flat_map(|task| (0..MAX_GROUPS).map(move |group| Slot { task, group }));
        assert_eq!(slots.map(|slot| placement.chunks_in(slot)).sum::<usize>(), placement.chunks());
    }

    #[test]
    fn a_lone_remote_worker_gets_two_tasks_and_a_local_one_gets_one() {
        let remote = Placement::new(loads(&[(1, 5, &["a"])]), &[worker("a", false)]).unwrap();
        assert_eq!((remote.tasks().len(), remote.groups()), (2, 2));
        let local = Placement::new(loads(&[(1, 5, &["a"])]), &[worker("a", true)]).unwrap();
        assert_eq!((local.tasks().len(), local.groups()), (1, 1));
    }

    #[test]
    fn a_chunk_without_a_live_replica_is_an_error_that_names_worker_and_database() {
        let error = Placement::new(loads(&[(1, 5, &["gone"])]), &[worker("a", false)]).unwrap_err();
        assert_eq!(error.kind(), qserv_core::ErrorKind::Unavailable);
        assert!(error.to_string().contains("gone") && error.to_string().contains("db"), "{error}");
    }
}
