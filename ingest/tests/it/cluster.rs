//! Workers that keep segments in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use qserv_core::catalog::{Catalog, WorkerId};
use qserv_core::clock::Clock;
use qserv_core::store::SegmentStore;
use qserv_core::{Error, Result};
use qserv_ingest::{Ingest, Settings};

/// The stores of some workers, and one view of all that they hold.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) workers: Mutex<BTreeMap<WorkerId, BTreeMap<String, Bytes>>>,
    all: Arc<InMemory>,
    /// Writes that still succeed.
    pub(crate) puts_left: AtomicUsize,
}

impl Stores {
    pub(crate) fn new(workers: usize) -> Arc<Self> {
        let workers = (0..workers).map(|number| (WorkerId(format!("w{number}")), BTreeMap::new())).collect();
        Arc::new(Self { workers: Mutex::new(workers), all: Arc::default(), puts_left: AtomicUsize::new(usize::MAX) })
    }

    /// Every file with the workers that hold it.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<WorkerId>> {
        let mut files: BTreeMap<String, Vec<WorkerId>> = BTreeMap::new();
        for (worker, held) in self.workers.lock().unwrap().iter() {
            for path in held.keys() {
                files.entry(path.clone()).or_default().push(worker.clone());
            }
        }
        files
    }

    pub(crate) fn bytes(&self, path: &str) -> Bytes {
        self.workers.lock().unwrap().values().find_map(|held| held.get(path)).unwrap().clone()
    }
}

#[async_trait]
impl SegmentStore for Stores {
    fn reader(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.all) as Arc<dyn ObjectStore>
    }

    async fn put(&self, worker: &WorkerId, path: &str, bytes: Bytes) -> Result<()> {
        let left = self.puts_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() {
            return Err(Error::limit("the worker's disk is full").with("worker", worker));
        }
        self.workers.lock().unwrap().get_mut(worker).unwrap().insert(path.to_owned(), bytes.clone());
        self.all.put(&Path::parse(path).unwrap(), bytes.into()).await.unwrap();
        Ok(())
    }

    async fn delete(&self, worker: &WorkerId, path: &str) -> Result<()> {
        self.workers.lock().unwrap().get_mut(worker).unwrap().remove(path);
        if !self.files().contains_key(path) {
            let _ = self.all.delete(&Path::parse(path).unwrap()).await;
        }
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerId>> {
        Ok(self.workers.lock().unwrap().keys().cloned().collect())
    }
}

/// A clock that stands until it is moved.
#[derive(Debug, Default)]
pub(crate) struct TestClock(pub(crate) AtomicI64);

impl Clock for TestClock {
    fn unix_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A catalog in memory, stores, and loading into them.
pub(crate) struct Cluster {
    pub(crate) catalog: Catalog,
    pub(crate) stores: Arc<Stores>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) ingest: Ingest,
    pub(crate) settings: Settings,
    pub(crate) scratch: tempfile::TempDir,
}

impl Cluster {
    pub(crate) async fn new(workers: usize, settings: Settings) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(1_000_000_000_000)));
        let shared = Arc::clone(&clock) as qserv_core::clock::SharedClock;
        let connections = qserv_core::catalog::Settings::default();
        let catalog = Catalog::open_with("sqlite::memory:", &connections, shared.clone()).await.unwrap();
        let stores = Stores::new(workers);
        let scratch = tempfile::tempdir().unwrap();
        let settings = Settings { scratch: scratch.path().to_owned(), ..settings };
        let store = Arc::clone(&stores) as Arc<dyn SegmentStore>;
        let ingest = Ingest::new(catalog.clone(), store, settings.clone(), shared).unwrap();
        Self { catalog, stores, clock, ingest, settings, scratch }
    }

    /// The same cluster after the loading process was killed and started again.
    pub(crate) fn restarted(self) -> Self {
        let Self { catalog, stores, clock, ingest: killed, settings, scratch } = self;
        // A killed process runs no destructors.
        std::mem::forget(killed);
        let store = Arc::clone(&stores) as Arc<dyn SegmentStore>;
        let shared = Arc::clone(&clock) as qserv_core::clock::SharedClock;
        let ingest = Ingest::new(catalog.clone(), store, settings.clone(), shared).unwrap();
        Self { catalog, stores, clock, ingest, settings, scratch }
    }
}
