//! Loading in this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use qserv_core::catalog::{Catalog, Database, Example, TransactionId, TransactionState, WorkerId};
use qserv_core::clock::SharedClock;
use qserv_core::index::KeyIndexCache;
use qserv_core::schema::Description;
use qserv_core::store::SegmentStore;
use qserv_core::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::context::Context;
use crate::load::{Load, SCRATCH_PREFIX};
use crate::loading::{LoadFile, Loading};
use crate::progress::Progress;
use crate::report::{CommitReport, ContributionReport};
use crate::settings::Settings;

/// Files deleted at the same time.
const DELETES_AT_ONCE: usize = 8;

/// Copies of garbage files asked for at once.
const GARBAGE_AT_ONCE: u32 = 1000;

/// Loads into the segments of a cluster, from this process. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Ingest {
    context: Context,
    open: Arc<std::sync::Mutex<HashMap<TransactionId, Arc<Slot>>>>,
}

/// An open transaction of this process. Its load is taken out by whoever works on it, and put back unless that failed.
struct Slot {
    load: Arc<Mutex<Option<Load>>>,
    cancelled: Arc<AtomicBool>,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

impl Ingest {
    /// An ingest service over these components. Must be called within a Tokio runtime, whose blocking threads it works on.
    ///
    /// # Errors
    /// `Invalid` if a setting is out of its bounds.
    pub fn new(catalog: Catalog, store: Arc<dyn SegmentStore>, settings: Settings, clock: SharedClock) -> Result<Self> {
        settings.check()?;
        let runtime = Handle::try_current()
            .map_err(|error| Error::internal("loading needs an asynchronous runtime").caused_by(error))?;
        let key_cache = Arc::new(KeyIndexCache::new(settings.key_cache_bytes));
        let commit_lock = Arc::default();
        let context = Context { catalog, store, settings: Arc::new(settings), clock, runtime, key_cache, commit_lock };
        Ok(Self { context, open: Arc::default() })
    }

    /// The catalog that it loads into.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.context.catalog
    }

    /// To be called at start-up: deletes what an earlier process left in the scratch folder, aborts transactions whose loader is gone,
    /// and deletes garbage. With `is_alone`, when no other process loads through this catalog, that is every open transaction,
    /// else those that have been silent for longer than the settings say. Returns the number of transactions aborted.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer. A worker that does not answer is no error: its files are deleted later.
    pub async fn recover(&self, is_alone: bool) -> Result<usize> {
        self.delete_old_scratch();
        let before =
            if is_alone { i64::MAX } else { self.context.clock.unix_ms() - self.context.settings.abandoned_after_ms };
        let aborted = self.abort_abandoned(before).await?;
        self.delete_garbage().await?;
        Ok(aborted)
    }

    /// To be called from time to time: as [`Self::recover`] for other processes' transactions, without touching the scratch folder.
    ///
    /// # Errors
    /// As [`Self::recover`].
    pub async fn tidy(&self) -> Result<usize> {
        let before = self.context.clock.unix_ms() - self.context.settings.abandoned_after_ms;
        let aborted = self.abort_abandoned(before).await?;
        self.delete_garbage().await?;
        Ok(aborted)
    }

    fn delete_old_scratch(&self) {
        let Ok(entries) = std::fs::read_dir(&self.context.settings.scratch) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(SCRATCH_PREFIX)
                && let Err(error) = std::fs::remove_dir_all(entry.path())
            {
                tracing::warn!(folder = %entry.path().display(), %error, "an old scratch folder cannot be deleted");
            }
        }
    }

    async fn abort_abandoned(&self, before_unix_ms: i64) -> Result<usize> {
        let abandoned = self.context.catalog.abandoned(before_unix_ms).await?;
        let mut aborted = 0;
        for transaction in abandoned {
            let is_at_work = self.slot(transaction.id).is_ok_and(|slot| slot.load.try_lock().is_err());
            if is_at_work {
                continue;
            }
            self.forget(transaction.id);
            tracing::info!(transaction = transaction.id.0, "aborting an abandoned transaction");
            self.abort_in_catalog(transaction.id).await?;
            aborted += 1;
        }
        Ok(aborted)
    }

    /// Deletes files that nothing names any more, once no query can be reading them. Returns how many copies.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn delete_garbage(&self) -> Result<usize> {
        let before = self.context.clock.unix_ms() - self.context.settings.garbage_grace_ms;
        let mut deleted = 0;
        loop {
            let garbage = self.context.catalog.garbage(GARBAGE_AT_ONCE).await?;
            let due = garbage.iter().filter(|copy| copy.since_unix_ms <= before);
            let gone = self.delete(due.map(|copy| (copy.worker.clone(), copy.path.clone())).collect()).await?;
            deleted += gone;
            // Copies on a worker that is away stay in the list; without progress there is no point in asking again.
            if gone == 0 || garbage.len() < GARBAGE_AT_ONCE as usize {
                return Ok(deleted);
            }
        }
    }

    /// Deletes copies and tells the catalog; those that cannot be deleted now stay garbage. Returns how many are gone.
    async fn delete(&self, copies: Vec<(WorkerId, String)>) -> Result<usize> {
        let store = &self.context.store;
        let deletes = futures::stream::iter(copies).map(|(worker, path)| async move {
            match store.delete(&worker, &path).await {
                Ok(()) => Some((worker, path)),
                Err(error) => {
                    tracing::debug!(worker = worker.0, path, error = %error.to_log(), "garbage stays for now");
                    None
                }
            }
        });
        let gone: Vec<_> = deletes.buffer_unordered(DELETES_AT_ONCE).filter_map(futures::future::ready).collect().await;
        if !gone.is_empty() {
            self.context.catalog.forget_garbage(&gone).await?;
        }
        Ok(gone.len())
    }

    async fn abort_in_catalog(&self, transaction: TransactionId) -> Result<()> {
        let segments = self.context.catalog.abort(transaction).await?;
        let copies = segments.into_iter().flat_map(|segment| {
            let path = segment.path;
            segment.replicas.into_iter().map(move |worker| (worker, path.clone()))
        });
        self.delete(copies.collect()).await.map(drop)
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<TransactionId, Arc<Slot>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, transaction: TransactionId) -> Result<Arc<Slot>> {
        self.slots().get(&transaction).cloned().ok_or_else(|| {
            Error::conflict(
                "this server does not fill this transaction: it has ended, or the server began anew; load again",
            )
            .with("transaction", transaction)
        })
    }

    fn forget(&self, transaction: TransactionId) {
        if let Some(slot) = self.slots().remove(&transaction) {
            slot.cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Runs a step of a load on a blocking thread. If it fails, the transaction is aborted; if the caller goes away, the step stops
    /// soon and so fails.
    async fn work<T: Send + 'static>(
        &self,
        transaction: TransactionId,
        step: impl FnOnce(Load) -> Result<(T, Option<Load>)> + Send + 'static,
    ) -> Result<T> {
        let slot = self.slot(transaction)?;
        let mut load = Arc::clone(&slot.load).lock_owned().await;
        let caller = CancelOnDrop(Some(Arc::clone(&slot.cancelled)));
        let ingest = self.clone();
        let done = spawn_blocking(move || {
            let Some(taken) = load.take() else {
                return Err(Error::conflict("this transaction has failed and is aborted; load again"));
            };
            let result = step(taken);
            match result {
                Ok((value, still_open)) => {
                    if still_open.is_none() {
                        ingest.forget(transaction);
                    }
                    *load = still_open;
                    Ok(value)
                }
                Err(error) => {
                    ingest.forget(transaction);
                    let aborted = ingest.context.runtime.block_on(ingest.abort_in_catalog(transaction));
                    if let Err(second) = aborted {
                        let error = second.to_log();
                        tracing::warn!(transaction = transaction.0, error, "a failed transaction is not aborted yet");
                    }
                    Err(error)
                }
            }
        })
        .await;
        caller.disarm();
        match done {
            Ok(result) => result,
            Err(error) => {
                self.forget(transaction);
                self.abort_in_catalog(transaction).await?;
                Err(Error::internal("a load ended unexpectedly; nothing of it is visible").caused_by(error))
            }
        }
    }
}

/// Tells a blocking step that its caller has gone.
struct CancelOnDrop(Option<Arc<AtomicBool>>);

impl CancelOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(cancelled) = &self.0 {
            cancelled.store(true, Ordering::Relaxed);
        }
    }
}

#[async_trait]
impl Loading for Ingest {
    async fn create_database(&self, database: &Database) -> Result<Database> {
        self.context.catalog.create_database(database).await
    }

    async fn databases(&self) -> Result<Vec<Description>> {
        let snapshot = self.context.catalog.snapshot().await?;
        Ok(snapshot.databases.values().map(|database| Description::of_snapshot(database)).collect())
    }

    async fn describe_database(&self, name: &str) -> Result<Description> {
        let snapshot = self.context.catalog.snapshot().await?;
        let found = snapshot.databases.get(name).or_else(|| {
            let mut databases = snapshot.databases.values();
            databases.find(|database| database.database.name.eq_ignore_ascii_case(name))
        });
        match found {
            Some(database) => Ok(Description::of_snapshot(database)),
            None => Err(Error::not_found(format!("there is no database \"{name}\""))),
        }
    }

    async fn replace_examples(&self, database: &str, examples: &[Example]) -> Result<()> {
        self.context.catalog.replace_examples(database, examples).await
    }

    async fn drop_database(&self, name: &str) -> Result<()> {
        self.context.catalog.drop_database(name).await?;
        self.delete_garbage().await.map(drop)
    }

    async fn begin(&self, database: &str) -> Result<TransactionId> {
        let most = self.context.settings.open_transactions;
        if self.slots().len() >= most {
            return Err(Error::limit("as many transactions are open as this server takes; commit or abort one first")
                .with("open_transactions", most));
        }
        let live = self.context.store.workers().await?;
        let transaction = self.context.catalog.begin(database).await?;
        let id = transaction.id;
        let cancelled = Arc::new(AtomicBool::new(false));
        let prepared = async {
            let snapshot = self.context.catalog.snapshot().await?;
            Load::new(self.context.clone(), transaction, &snapshot, live, Arc::clone(&cancelled))
        };
        match prepared.await {
            Ok(load) => {
                self.slots().insert(id, Arc::new(Slot { load: Arc::new(Mutex::new(Some(load))), cancelled }));
                Ok(id)
            }
            Err(error) => {
                self.abort_in_catalog(id).await?;
                Err(error)
            }
        }
    }

    async fn contribute(
        &self,
        transaction: TransactionId,
        file: LoadFile,
        progress: &Progress,
    ) -> Result<ContributionReport> {
        let progress = progress.clone();
        self.work(transaction, move |mut load| {
            let report = load.contribute(&file.table, file.input, &file.options, &progress)?;
            Ok((report, Some(load)))
        })
        .await
    }

    async fn commit(&self, transaction: TransactionId) -> Result<CommitReport> {
        if let Err(unknown) = self.slot(transaction) {
            return match self.context.catalog.transaction(transaction).await?.state {
                TransactionState::Committed => {
                    let snapshot = self.context.catalog.commit(transaction).await?;
                    Ok(CommitReport { snapshot, tables: Vec::new(), segments: 0 })
                }
                TransactionState::Open | TransactionState::Aborted => Err(unknown),
            };
        }
        let (snapshot, tables, segments) = self.work(transaction, |load| Ok((load.commit()?, None))).await?;
        let report = CommitReport { snapshot, tables, segments };
        tracing::info!(transaction = transaction.0, rows = report.rows(), segments, "committed");
        Ok(report)
    }

    async fn abort(&self, transaction: TransactionId) -> Result<()> {
        if let Ok(slot) = self.slot(transaction) {
            // A step that is at work stops soon, and then the load is free.
            slot.cancelled.store(true, Ordering::Relaxed);
            slot.load.lock().await.take();
        }
        self.forget(transaction);
        self.abort_in_catalog(transaction).await
    }
}
