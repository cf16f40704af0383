//! What the key indexes of all tables keep in memory: at most so many bytes, the least recently used go first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parquet::arrow::arrow_reader::ArrowReaderMetadata;

/// A segment's footer, and the key bounds of its row groups.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) metadata: ArrowReaderMetadata,
    pub(super) key_bounds: Vec<[i64; 2]>,
}

/// A decoded row group: parallel columns, sorted by key.
#[derive(Debug, Default)]
pub(super) struct RowGroup {
    pub(super) keys: Vec<i64>,
    pub(super) chunks: Vec<i64>,
    /// [`Self::NO_CELL`] for NULL.
    pub(super) healpix_29: Vec<i64>,
}

impl RowGroup {
    pub(super) const NO_CELL: i64 = -1;
}

/// A bounded memory of footers and decoded row groups, shared by all key indexes of a process. Entries belong to segment
/// paths, which are never used twice, so nothing in it grows stale.
#[derive(Debug)]
pub struct KeyIndexCache {
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Name, Entry>,
    /// Names by the tick of their last use.
    by_use: BTreeMap<u64, Name>,
    tick: u64,
    bytes: usize,
}

/// A segment's path, and a row group's number or `None` for the footer.
type Name = (String, Option<usize>);

#[derive(Debug)]
struct Entry {
    used: u64,
    bytes: usize,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    Footer(Arc<Footer>),
    RowGroup(Arc<RowGroup>),
}

impl KeyIndexCache {
    /// A cache of at most `max_bytes` of decoded data; 0 keeps nothing.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, state: Mutex::default() }
    }

    /// Bytes held now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    pub(super) fn footer(&self, path: &str) -> Option<Arc<Footer>> {
        match self.get((path.to_owned(), None))? {
            Value::Footer(footer) => Some(footer),
            Value::RowGroup(_) => None,
        }
    }

    pub(super) fn row_group(&self, path: &str, group: usize) -> Option<Arc<RowGroup>> {
        match self.get((path.to_owned(), Some(group)))? {
            Value::RowGroup(rows) => Some(rows),
            Value::Footer(_) => None,
        }
    }

    pub(super) fn put_footer(&self, path: &str, footer: &Arc<Footer>) {
        let bytes = footer.metadata.metadata().memory_size() + footer.key_bounds.len() * size_of::<[i64; 2]>();
        self.put((path.to_owned(), None), bytes, Value::Footer(Arc::clone(footer)));
    }

    pub(super) fn put_row_group(&self, path: &str, group: usize, rows: &Arc<RowGroup>) {
        let bytes = rows.keys.len() * 3 * size_of::<i64>();
        self.put((path.to_owned(), Some(group)), bytes, Value::RowGroup(Arc::clone(rows)));
    }

    fn get(&self, name: Name) -> Option<Value> {
        let mut state = self.lock();
        state.tick += 1;
        let tick = state.tick;
        let entry = state.entries.get_mut(&name)?;
        let value = entry.value.clone();
        let before = std::mem::replace(&mut entry.used, tick);
        state.by_use.remove(&before);
        state.by_use.insert(tick, name);
        Some(value)
    }

    fn put(&self, name: Name, bytes: usize, value: Value) {
        // The name is kept twice beside the value.
        let bytes = bytes + 2 * (name.0.len() + size_of::<Name>()) + size_of::<Entry>();
        if bytes > self.max_bytes {
            return;
        }
        let mut state = self.lock();
        state.remove(&name);
        state.tick += 1;
        let used = state.tick;
        state.by_use.insert(used, name.clone());
        state.entries.insert(name, Entry { used, bytes, value });
        state.bytes += bytes;
        while state.bytes > self.max_bytes {
            let Some((_, oldest)) = state.by_use.pop_first() else { break };
            state.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, name: &Name) {
        if let Some(entry) = self.entries.remove(name) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }
}
