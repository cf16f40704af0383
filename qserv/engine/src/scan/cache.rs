//! The cache: decoded columns and open segments, bounded by bytes.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use moka::future::Cache;
use tokio::task::JoinSet;

use super::columns::Column;
use super::segment::Segment;
use super::selections::{Condition, KnownConditions, Selections, SelectionsKey};

/// The part of the cache that footers and statistics may take.
const SEGMENTS_SHARE: u64 = 8;

/// The part of the cache that may be taken by which rows meet which filters.
const SELECTIONS_SHARE: u64 = 16;

/// The part of the cache that the columns of one row group may take. What is wider is read without it: a scan holds the columns of
/// the row group that it is at.
const ROW_GROUP_SHARE: u64 = 32;

/// Decoded columns that all queries of a process share, at most so many bytes of them.
///
/// What is used often stays; a scan of more than fits does not drive it out (TinyLFU).
pub struct ColumnCache {
    columns: Cache<ColumnKey, Arc<Column>>,
    segments: Cache<SegmentKey, Arc<Segment>>,
    selections: Cache<SelectionsKey, Arc<Selections>>,
    conditions: KnownConditions,
    capacity: u64,
    next_segment: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// One column of one row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ColumnKey {
    /// The number that the cache gave to the segment.
    pub(super) segment: u64,
    pub(super) row_group: usize,
    /// Its place among the file's columns.
    pub(super) column: usize,
}

/// A file that never changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SegmentKey {
    pub(super) store: String,
    pub(super) path: String,
    pub(super) bytes: u64,
    /// When it was written, in milliseconds, where that is known.
    pub(super) written_ms: i64,
}

/// How the cache was used since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheUse {
    /// Columns of row groups that were there.
    pub hits: u64,
    /// Columns of row groups that had to be decoded.
    pub misses: u64,
    /// Bytes of decoded columns that are held.
    pub bytes: u64,
}

impl std::fmt::Debug for ColumnCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColumnCache")
            .field("capacity", &self.capacity)
            .field("used", &self.used())
            .finish_non_exhaustive()
    }
}

impl ColumnCache {
    /// A cache of so many bytes; with 0, none: scans are DataFusion's own.
    #[must_use]
    pub fn new(bytes: usize) -> Arc<Self> {
        let capacity = bytes as u64;
        let for_segments = capacity / SEGMENTS_SHARE;
        let for_selections = capacity / SELECTIONS_SHARE;
        let columns = Cache::builder()
            .max_capacity(capacity - for_segments - for_selections)
            .weigher(|_, column: &Arc<Column>| u32::try_from(column.bytes()).unwrap_or(u32::MAX))
            .build();
        let segments = Cache::builder()
            .max_capacity(for_segments)
            .weigher(|_, segment: &Arc<Segment>| u32::try_from(segment.bytes()).unwrap_or(u32::MAX))
            .build();
        let selections = Cache::builder()
            .max_capacity(for_selections)
            .weigher(|key: &SelectionsKey, selections: &Arc<Selections>| {
                u32::try_from(key.bytes_with(selections)).unwrap_or(u32::MAX)
            })
            .build();
        let (conditions, next_segment, hits, misses) = Default::default();
        Arc::new(Self { columns, segments, selections, conditions, capacity, next_segment, hits, misses })
    }

    /// Whether there is no cache.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.capacity == 0
    }

    /// How it was used so far.
    #[must_use]
    pub fn used(&self) -> CacheUse {
        CacheUse {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: self.columns.weighted_size(),
        }
    }

    /// A filter as it came first.
    pub(super) fn known(&self, condition: Condition) -> Condition {
        self.conditions.first_of(condition)
    }

    /// The most bytes that the columns of one row group may take to be read through the cache.
    pub(super) fn widest_row_group(&self) -> u64 {
        self.capacity / ROW_GROUP_SHARE
    }

    /// A number for a segment that is opened.
    pub(super) fn number_segment(&self) -> u64 {
        self.next_segment.fetch_add(1, Ordering::Relaxed)
    }

    /// A segment, opened by `open` if it is not.
    pub(super) async fn segment<F>(self: &Arc<Self>, key: SegmentKey, open: F) -> Result<Arc<Segment>>
    where
        F: Future<Output = Result<Segment>> + Send + 'static,
    {
        if let Some(segment) = self.segments.get(&key).await {
            return Ok(segment);
        }
        let segments = self.segments.clone();
        apart(async move { shared(segments.try_get_with(key, async { open.await.map(Arc::new) }).await) }).await
    }

    /// Which rows of a row group meet a filter, if that is known.
    pub(super) async fn selections(&self, key: &SelectionsKey) -> Option<Arc<Selections>> {
        self.selections.get(key).await
    }

    /// Which rows of a row group meet a filter, found by `select` unless another query does so right now. That takes no pause, so
    /// nobody waits for a query that is not asked for more rows.
    pub(super) async fn selected(
        &self,
        key: SelectionsKey,
        select: impl FnOnce() -> Result<Arc<Selections>>,
    ) -> Result<Arc<Selections>> {
        shared(self.selections.try_get_with(key, async { select() }).await)
    }

    /// A column, if it is there.
    pub(super) async fn column(&self, key: &ColumnKey) -> Option<Arc<Column>> {
        let column = self.columns.get(key).await;
        if column.is_some() {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        column
    }

    /// A column that was not there, made by `decode` unless another query does so right now.
    pub(super) async fn decoded<F>(self: &Arc<Self>, key: ColumnKey, decode: F) -> Result<Arc<Column>>
    where
        F: Future<Output = Result<Column>> + Send + 'static,
    {
        let cache = Arc::clone(self);
        apart(async move {
            let counted = async {
                cache.misses.fetch_add(1, Ordering::Relaxed);
                decode.await.map(Arc::new)
            };
            let column = shared(cache.columns.try_get_with(key, counted).await);
            // What must go to make room goes now, not when the next query comes.
            cache.columns.run_pending_tasks().await;
            column
        })
        .await
    }
}

/// Does work in a task of its own, which ends if the one who waits for it does: others wait for the same work, and it must go on also
/// while the query that began it is not asked for more rows.
async fn apart<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let mut task = JoinSet::new();
    task.spawn(work);
    match task.join_next().await {
        Some(done) => done.map_err(|error| exec_datafusion_err!("reading a column ended early: {error}"))?,
        None => Err(exec_datafusion_err!("reading a column did not begin")),
    }
}

fn shared<T>(result: std::result::Result<T, Arc<DataFusionError>>) -> Result<T> {
    result.map_err(DataFusionError::Shared)
}
