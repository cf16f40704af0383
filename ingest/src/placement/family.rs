//! A director's keys and where they live, as one load sees them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};
use qserv_core::catalog::{NewSegment, Segment, SegmentId};
use qserv_core::index::{KeyHome, KeyIndex, KeyIndexCache, index_schema};
use qserv_core::{Error, Result};
use tokio::runtime::Handle;

use crate::spill::io_failed;

/// A key and where it lives, an entry of a key index.
pub(crate) type Entry = (i64, KeyHome);

/// The homes of one director's keys.
#[derive(Debug)]
pub(crate) struct Family {
    runtime: Handle,
    cache: Arc<KeyIndexCache>,
    /// What was committed when the load began.
    committed: KeyIndex,
    /// Copies of the index segments that this load has written: those of director rows, and those of orphans.
    folder: Arc<dyn ObjectStore>,
    written: Vec<Arc<Segment>>,
    written_orphans: Vec<Arc<Segment>>,
    /// Homes of orphans that are not written yet.
    orphans: HashMap<i64, KeyHome>,
    /// Homes of written orphans that the present block asks for.
    recalled: HashMap<i64, KeyHome>,
}

impl Family {
    /// `folder` takes copies of index segments; it is made if it is not there.
    pub(crate) fn new(
        runtime: Handle,
        (reader, cache): (Arc<dyn ObjectStore>, Arc<KeyIndexCache>),
        committed: Vec<Arc<Segment>>,
        folder: &Path,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| io_failed(folder, error))?;
        let local = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| Error::unavailable("the scratch folder cannot be used").caused_by(error))?;
        Ok(Self {
            runtime,
            committed: KeyIndex::new(reader, committed, Arc::clone(&cache)),
            cache,
            folder: Arc::new(local),
            written: Vec::new(),
            written_orphans: Vec::new(),
            orphans: HashMap::new(),
            recalled: HashMap::new(),
        })
    }

    fn index_over(&self, segments: &[Arc<Segment>]) -> KeyIndex {
        KeyIndex::new(Arc::clone(&self.folder), segments.to_vec(), Arc::clone(&self.cache))
    }

    /// The index segments that this load has written for this director.
    pub(crate) fn own_index(&self) -> KeyIndex {
        self.index_over(&[self.written.as_slice(), self.written_orphans.as_slice()].concat())
    }

    /// The homes of those keys that the director has, or that an earlier load brought. A key with several homes (its family has
    /// lost its locality then) goes to the first of them.
    pub(crate) fn known_homes(&mut self, keys: impl Iterator<Item = i64>) -> Result<HashMap<i64, KeyHome>> {
        let mut sorted: Vec<i64> = keys.collect();
        sorted.sort_unstable();
        sorted.dedup();
        let written = self.index_over(&self.written);
        let (committed, written) = self.runtime.block_on(async {
            futures::future::try_join(self.committed.lookup(&sorted), written.lookup(&sorted)).await
        })?;
        let mut homes: HashMap<i64, KeyHome> = HashMap::new();
        for (place, home) in committed.into_iter().chain(written) {
            if let Some(&key) = sorted.get(place) {
                homes.entry(key).and_modify(|known| *known = (*known).min(home)).or_insert(home);
            }
        }
        if !self.written_orphans.is_empty() {
            sorted.retain(|key| !homes.contains_key(key) && !self.orphans.contains_key(key));
            let recalled = self.runtime.block_on(self.index_over(&self.written_orphans).lookup(&sorted))?;
            let recalled = recalled.into_iter().filter_map(|(place, home)| Some((*sorted.get(place)?, home)));
            self.recalled.extend(recalled);
        }
        Ok(homes)
    }

    /// The home of an orphan that this load has met.
    pub(crate) fn orphan(&self, key: i64) -> Option<KeyHome> {
        self.orphans.get(&key).or_else(|| self.recalled.get(&key)).copied()
    }

    /// The home of an orphan; the first row of the key decides.
    pub(crate) fn orphan_home(&mut self, key: i64, home: impl FnOnce() -> KeyHome) -> KeyHome {
        match self.recalled.get(&key) {
            Some(&known) => known,
            None => *self.orphans.entry(key).or_insert_with(home),
        }
    }

    /// All homes of these ascending keys, orphans' included.
    pub(crate) fn all_homes(&self, keys: &[i64]) -> Result<Vec<(usize, KeyHome)>> {
        let own = self.own_index();
        let (mut homes, written) = self
            .runtime
            .block_on(async { futures::future::try_join(self.committed.lookup(keys), own.lookup(keys)).await })?;
        homes.extend(written);
        if !self.orphans.is_empty() {
            let orphans = keys.iter().enumerate();
            homes.extend(orphans.filter_map(|(place, key)| Some((place, *self.orphans.get(key)?))));
        }
        Ok(homes)
    }

    /// Whether no key can be known yet.
    pub(crate) fn is_empty(&self, committed_segments: usize) -> bool {
        committed_segments == 0 && self.written.is_empty() && self.written_orphans.is_empty() && self.orphans.is_empty()
    }

    /// Orphans' homes in memory.
    pub(crate) fn orphans_in_memory(&self) -> usize {
        self.orphans.len()
    }

    /// Forgets what was recalled for the last block.
    pub(crate) fn end_block(&mut self) {
        self.recalled.clear();
    }

    /// Takes the orphans' homes, as the rows of an index segment.
    pub(crate) fn take_orphans(&mut self) -> Result<RecordBatch> {
        let mut rows: Vec<Entry> = self.orphans.drain().collect();
        rows.sort_unstable();
        index_rows(&rows)
    }

    /// Keeps a copy of an index segment that was written.
    pub(crate) fn keep(&mut self, (segment, bytes): (NewSegment, Bytes), is_of_orphans: bool) -> Result<()> {
        let path = object_store::path::Path::parse(&segment.path)
            .map_err(|error| Error::internal("a segment has an impossible path").caused_by(error))?;
        self.runtime
            .block_on(self.folder.put(&path, bytes.into()))
            .map_err(|error| Error::unavailable("rows cannot be kept in the scratch folder").caused_by(error))?;
        let kept = Arc::new(Segment {
            id: SegmentId(0),
            chunk: segment.chunk,
            role: segment.role,
            path: segment.path,
            rows: segment.rows,
            bytes: segment.bytes,
            bounds: segment.bounds,
            replicas: segment.replicas,
        });
        if is_of_orphans {
            self.written_orphans.push(kept)
        } else {
            self.written.push(kept)
        }
        Ok(())
    }
}

/// Rows of an index segment.
pub(crate) fn index_rows(rows: &[Entry]) -> Result<RecordBatch> {
    let columns: Vec<arrow::array::ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|(key, _)| *key))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, home)| home.chunk.0.cast_signed()))),
        Arc::new(rows.iter().map(|(_, home)| home.healpix_29.map(u64::cast_signed)).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(index_schema(), columns)
        .map_err(|error| Error::internal("index rows cannot be put together").caused_by(error))
}
