//! The segments of the whole cluster, seen from one process.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use object_store::ObjectStore;
use qserv_core::catalog::WorkerId;
use qserv_core::store::SegmentStore;
use qserv_core::{Error, ErrorKind, Result};

use super::StoreSettings;
use super::file::OpenFile;
use super::local::{LocalStore, blocking, lock};
use super::path::SegmentPath;
use super::peer::PeerStores;
use super::reader::Reader;
use super::recent::RecentMap;
use crate::cluster::{Peer, Peers, Secret};

/// Most segments whose place is remembered. An entry takes about 200 bytes.
const MAX_PLACES: usize = 100_000;

/// How many workers are asked at once for a segment whose place is not known.
const ASKED_AT_ONCE: usize = 16;

/// The segments of the whole cluster. A cheap handle: clones share what they know.
///
/// Reads and writes that concern a worker of this process ([`ClusterStore::add_local`]) go to its folder, all others to the
/// worker's server. See [`SegmentStore`] for what is promised.
#[derive(Debug, Clone)]
pub struct ClusterStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    local: RwLock<BTreeMap<WorkerId, LocalStore>>,
    peers: Peers,
    remote: PeerStores,
    /// Where segments were found.
    places: Mutex<RecentMap<Place>>,
    settings: StoreSettings,
}

/// Where a segment was found.
#[derive(Debug, Clone)]
enum Place {
    Local(WorkerId),
    Peer { peer: Peer, length: u64 },
}

/// A segment that was found, ready to be read.
#[derive(Debug)]
pub(super) enum Found {
    Local { id: WorkerId, store: LocalStore, file: Arc<OpenFile> },
    Peer { peer: Peer, length: u64 },
}

impl Found {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Local { file, .. } => file.length(),
            Self::Peer { length, .. } => *length,
        }
    }

    fn worker(&self) -> &WorkerId {
        match self {
            Self::Local { id, .. } => id,
            Self::Peer { peer, .. } => &peer.id,
        }
    }
}

impl ClusterStore {
    /// Without folders in this process. `peers` tells who else has segments.
    ///
    /// # Errors
    /// `Internal` if the HTTP client cannot be set up.
    pub fn new(peers: Peers, settings: StoreSettings, secret: Option<Secret>) -> Result<Self> {
        let remote = PeerStores::new(&settings, secret, peers.trust())?;
        let places = Mutex::new(RecentMap::new(MAX_PLACES));
        Ok(Self { inner: Arc::new(Inner { local: RwLock::default(), peers, remote, places, settings }) })
    }

    /// From now on the segments of this worker are those in `store`.
    pub fn add_local(&self, id: WorkerId, store: LocalStore) {
        self.inner.local.write().unwrap_or_else(PoisonError::into_inner).insert(id, store);
    }

    /// Forgets a folder of this process.
    pub fn remove_local(&self, id: &WorkerId) {
        self.inner.local.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        let elsewhere = |place: &Place| !matches!(place, Place::Local(local) if local == id);
        lock(&self.inner.places).retain(|_, place| elsewhere(place));
    }

    /// The folder of a worker of this process.
    #[must_use]
    pub fn local(&self, id: &WorkerId) -> Option<LocalStore> {
        self.inner.local.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn locals(&self) -> Vec<(WorkerId, LocalStore)> {
        let local = self.inner.local.read().unwrap_or_else(PoisonError::into_inner);
        local.iter().map(|(id, store)| (id.clone(), store.clone())).collect()
    }

    /// The length of a segment in bytes.
    ///
    /// # Errors
    /// As [`ClusterStore::read`].
    pub async fn length(&self, path: &SegmentPath) -> Result<u64> {
        self.retrying(path, |found| async move { Ok(found.length()) }).await
    }

    /// Bytes of a segment: of each range that `ranges` makes of its length, in order, and that length.
    ///
    /// # Errors
    /// `NotFound` if no worker has the segment, `Unavailable` if one that may have it does not answer, `Data` if the only copy
    /// cannot be read, and what `ranges` answers.
    pub async fn read(
        &self,
        path: &SegmentPath,
        ranges: impl Fn(u64) -> Result<Vec<Range<u64>>> + Send + Sync,
    ) -> Result<(u64, Vec<Bytes>)> {
        let ranges = &ranges;
        self.retrying(path, |found| async move {
            let length = found.length();
            let ranges = ranges(length)?;
            let parts = match found.as_ref() {
                Found::Local { store, file, .. } => store.read(path, file, &ranges).await?,
                Found::Peer { peer, .. } => self.read_from_peer(path, peer, &ranges).await?,
            };
            Ok((length, parts))
        })
        .await
    }

    async fn read_from_peer(&self, path: &SegmentPath, peer: &Peer, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        // An empty range cannot be asked for by HTTP, and needs not be.
        let asked: Vec<Range<u64>> = ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
        let read = |range| self.inner.remote.read(peer, path, range);
        let mut answered =
            object_store::coalesce_ranges(&asked, read, self.inner.settings.merge_gap_bytes).await?.into_iter();
        Ok(ranges
            .iter()
            .map(|range| if range.is_empty() { Bytes::new() } else { answered.next().unwrap_or_default() })
            .collect())
    }

    /// Finds a segment and works on it; when that fails, finds it elsewhere, or there once more, a bounded number of times.
    async fn retrying<T, F>(&self, path: &SegmentPath, work: impl Fn(Arc<Found>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let mut failed = BTreeSet::new();
        let mut attempt = 1;
        let mut wait = Duration::from_millis(self.inner.settings.retry_wait_ms);
        loop {
            let (holder, error) = match self.find(path, &failed).await {
                Ok(found) => {
                    let holder = found.worker().clone();
                    match work(Arc::new(found)).await {
                        Ok(value) => return Ok(value),
                        Err(error) => (Some(holder), error),
                    }
                }
                Err(error) => (None, error),
            };
            let may_pass = match error.kind() {
                // A damaged copy may be whole elsewhere.
                ErrorKind::Unavailable | ErrorKind::Data => true,
                // It was there, and is not any more: it may be elsewhere.
                ErrorKind::NotFound => holder.is_some(),
                _ => false,
            };
            if !may_pass || attempt >= self.inner.settings.read_attempts {
                return Err(error);
            }
            tracing::debug!(segment = %path, attempt, error = %error.to_log(), "reading a segment failed; trying again");
            lock(&self.inner.places).remove(path.as_str());
            failed.extend(holder);
            if attempt > 1 {
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
            attempt += 1;
        }
    }

    /// Finds a segment: where it was found before, else in a folder of this process, else by asking the peers. Workers that
    /// `failed` are asked last.
    async fn find(&self, path: &SegmentPath, failed: &BTreeSet<WorkerId>) -> Result<Found> {
        if let Some(found) = self.find_again(path)? {
            return Ok(found);
        }
        let mut damaged = None;
        for (id, store) in self.locals() {
            if failed.contains(&id) {
                continue;
            }
            match store.file(path) {
                Ok(Some(file)) => {
                    self.remember(path, Place::Local(id.clone()));
                    return Ok(Found::Local { id, store, file });
                }
                Ok(None) => {}
                Err(error) => damaged = Some(error),
            }
        }
        let local: BTreeSet<WorkerId> = self.locals().into_iter().map(|(id, _)| id).collect();
        let others = self.inner.peers.all().into_iter().filter(|peer| !local.contains(&peer.id));
        // Those that are not live are asked too, but last: what was heard of them may be out of date.
        let (first, last): (Vec<Peer>, Vec<Peer>) = others.partition(|peer| peer.live && !failed.contains(&peer.id));
        let mut silent = Vec::new();
        for peers in [first, last] {
            let mut answers = futures::stream::iter(peers)
                .map(|peer| async move { (self.inner.remote.length(&peer, path).await, peer) })
                .buffer_unordered(ASKED_AT_ONCE);
            while let Some((answer, peer)) = answers.next().await {
                match answer {
                    Ok(Some(length)) => {
                        self.remember(path, Place::Peer { peer: peer.clone(), length });
                        return Ok(Found::Peer { peer, length });
                    }
                    Ok(None) => {}
                    Err(error) => silent.push((peer.id, error)),
                }
            }
        }
        for (id, store) in self.locals() {
            if failed.contains(&id)
                && let Some(file) = store.file(path)?
            {
                return Ok(Found::Local { id, store, file });
            }
        }
        if let Some(error) = damaged {
            return Err(error);
        }
        silent.sort_by(|left, right| left.0.cmp(&right.0));
        let names: Vec<&str> = silent.iter().map(|(id, _)| id.0.as_str()).collect();
        let error = match names.as_slice() {
            [] => Error::not_found("no worker has this segment"),
            [name] => Error::unavailable("a segment cannot be read: a worker that may have it does not answer")
                .with("worker", name),
            names => Error::unavailable("a segment cannot be read: workers that may have it do not answer")
                .with("workers", names.join(", ")),
        };
        let error = error.with("segment", path);
        Err(match silent.pop() {
            Some((_, cause)) => error.caused_by(cause),
            None => error,
        })
    }

    /// A segment where it was found before, if that still stands.
    fn find_again(&self, path: &SegmentPath) -> Result<Option<Found>> {
        let place = lock(&self.inner.places).get(path.as_str());
        match place {
            Some(Place::Local(id)) => {
                let Some(store) = self.local(&id) else { return Ok(None) };
                Ok(store.file(path)?.map(|file| Found::Local { id, store, file }))
            }
            Some(Place::Peer { peer, length }) => {
                // Under another address it is another process, which may have lost its disk.
                let is_there = self.inner.peers.get(&peer.id).is_some_and(|known| known.url == peer.url && known.live);
                Ok(is_there.then_some(Found::Peer { peer, length }))
            }
            None => Ok(None),
        }
    }

    fn remember(&self, path: &SegmentPath, place: Place) {
        lock(&self.inner.places).insert(path.as_str().to_owned(), place);
    }

    fn peer(&self, worker: &WorkerId) -> Result<Peer> {
        self.inner
            .peers
            .get(worker)
            .ok_or_else(|| Error::unavailable("a worker has not registered with this server").with("worker", worker))
    }
}

#[async_trait]
impl SegmentStore for ClusterStore {
    fn reader(&self) -> Arc<dyn ObjectStore> {
        Arc::new(Reader::new(self.clone()))
    }

    async fn put(&self, worker: &WorkerId, path: &str, bytes: Bytes) -> Result<()> {
        match self.local(worker) {
            Some(store) => store.put(path, bytes).await.map_err(|error| error.with("worker", worker)),
            None => self.inner.remote.put(&self.peer(worker)?, &SegmentPath::parse(path)?, bytes).await,
        }
    }

    async fn delete(&self, worker: &WorkerId, path: &str) -> Result<()> {
        let segment = SegmentPath::parse(path)?;
        lock(&self.inner.places).remove(segment.as_str());
        match self.local(worker) {
            Some(store) => {
                blocking(move || store.delete(segment.as_str())).await.map_err(|error| error.with("worker", worker))
            }
            None => self.inner.remote.delete(&self.peer(worker)?, &segment).await,
        }
    }

    async fn workers(&self) -> Result<Vec<WorkerId>> {
        let mut workers: BTreeSet<WorkerId> = self.locals().into_iter().map(|(id, _)| id).collect();
        workers.extend(self.inner.peers.live().into_iter().map(|peer| peer.id));
        Ok(workers.into_iter().collect())
    }
}
