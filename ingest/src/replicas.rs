//! Which workers hold a chunk.
//!
//! Rendezvous hashing: every worker has a score for every chunk, and the highest scores win. When workers come or go, only the
//! chunks whose winners changed would move. And a chunk that has segments stays where it is: new segments go to the workers
//! that hold the old ones.

use std::collections::HashMap;

use qserv_core::catalog::{DatabaseSnapshot, WorkerId};
use qserv_core::partition::ChunkId;
use qserv_core::{Error, Result};

/// The choice of workers for one load.
#[derive(Debug, Clone)]
pub(crate) struct Replicas {
    database: String,
    live: Vec<WorkerId>,
    holders: HashMap<ChunkId, Vec<WorkerId>>,
    replication: usize,
}

impl Replicas {
    /// Chooses among the live workers, for a database that holds what `snapshot` says.
    ///
    /// # Errors
    /// `Unavailable` if no worker lives.
    pub(crate) fn new(live: Vec<WorkerId>, snapshot: &DatabaseSnapshot, replication: usize) -> Result<Self> {
        if live.is_empty() {
            return Err(Error::unavailable("no worker takes segments now; start one and load again"));
        }
        let mut holders: HashMap<ChunkId, Vec<WorkerId>> = HashMap::new();
        for segment in snapshot.tables.iter().flat_map(|table| &table.segments) {
            let Some(chunk) = segment.chunk else { continue };
            let known = holders.entry(chunk).or_default();
            for worker in segment.replicas.iter().filter(|worker| live.contains(worker)) {
                if !known.contains(worker) {
                    known.push(worker.clone());
                }
            }
        }
        Ok(Self { database: snapshot.database.name.clone(), live, holders, replication })
    }

    /// The workers for a segment of a chunk.
    pub(crate) fn of_chunk(&self, chunk: ChunkId) -> Vec<WorkerId> {
        let holders = self.holders.get(&chunk).map(Vec::as_slice).unwrap_or_default();
        let mut ranked = self.live.clone();
        // Holders first, each group by score.
        ranked.sort_by_cached_key(|worker| {
            (!holders.contains(worker), std::cmp::Reverse(score(&self.database, &chunk.0.to_le_bytes(), worker)))
        });
        ranked.truncate(self.replication);
        ranked
    }

    /// The workers for a file that belongs to no chunk, such as a key index.
    pub(crate) fn of_file(&self, path: &str) -> Vec<WorkerId> {
        let mut ranked = self.live.clone();
        ranked.sort_by_cached_key(|worker| std::cmp::Reverse(score(&self.database, path.as_bytes(), worker)));
        ranked.truncate(self.replication);
        ranked
    }

    /// All live workers: a replicated table is whole on each.
    pub(crate) fn all(&self) -> Vec<WorkerId> {
        self.live.clone()
    }
}

/// The same on every machine and in every version: it decides where files are looked for first.
fn score(database: &str, thing: &[u8], worker: &WorkerId) -> u64 {
    let parts = [database.as_bytes(), thing, worker.0.as_bytes()];
    mix(parts.into_iter().fold(FNV_OFFSET, |hash, part| fnv(fnv(hash, part), &[0xff])))
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The finalizer of SplitMix64: spreads small differences over all bits.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replicas(workers: usize, replication: usize) -> Replicas {
        let live = (0..workers).map(|number| WorkerId(format!("w{number}"))).collect();
        Replicas { database: "d".into(), live, holders: HashMap::new(), replication }
    }

    #[test]
    fn chunks_are_spread_evenly_and_few_move_when_a_worker_joins() {
        let (four, five) = (replicas(4, 2), replicas(5, 2));
        let mut load: HashMap<WorkerId, usize> = HashMap::new();
        let mut moved = 0;
        for chunk in (0..4000).map(ChunkId) {
            let chosen = four.of_chunk(chunk);
            assert_eq!(chosen.len(), 2);
            assert_ne!(chosen[0], chosen[1]);
            let after = five.of_chunk(chunk);
            moved += chosen.iter().filter(|worker| !after.contains(worker)).count();
            for worker in chosen {
                *load.entry(worker).or_default() += 1;
            }
        }
        assert!(load.values().all(|&count| (1850..2150).contains(&count)), "{load:?}");
        // A fifth of all copies belongs to the new worker.
        assert!((1400..1800).contains(&moved), "{moved}");
    }

    #[test]
    fn a_chunk_stays_with_its_holders() {
        let mut three = replicas(3, 2);
        let chunk = ChunkId(7);
        let last = three.of_chunk(chunk);
        let other = three.live.iter().find(|worker| !last.contains(worker)).unwrap().clone();
        three.holders.insert(chunk, vec![other.clone()]);
        assert_eq!(three.of_chunk(chunk), [other, last[0].clone()]);
        assert_eq!(replicas(1, 2).of_chunk(chunk).len(), 1);
    }
}
