//! Who is in the cluster, and who was heard of lately.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use datafusion::common::DataFusionError;
use datafusion_distributed::WorkerResolver;
use qserv_core::catalog::{Worker, WorkerId};
use qserv_core::clock::SharedClock;
use qserv_core::{Error, Result};
use qserv_tls::Trust;
use url::Url;

use super::messages::{Announcement, Member, check_worker_id, check_worker_url};

/// Most workers of a cluster: announcements come from the network, and the list of workers is in every answer.
const MAX_WORKERS: usize = 4096;

/// A worker as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub id: WorkerId,
    /// Its address.
    pub url: Url,
    /// Whether it was heard of lately, or lives in this process.
    pub live: bool,
    /// Whether it lives in this process.
    pub in_process: bool,
}

/// The workers of the cluster. A cheap handle: clones see the same list.
///
/// A czar's list is filled by the workers' announcements, a worker's by the czar's answers, that of a program that holds both
/// by [`Peers::add_in_process`]. A worker is *live* until nothing was heard of it for the timeout.
#[derive(Debug, Clone)]
pub struct Peers {
    known: Arc<RwLock<BTreeMap<WorkerId, Entry>>>,
    clock: SharedClock,
    timeout_ms: i64,
    trust: Trust,
}

#[derive(Debug, Clone)]
struct Entry {
    url: Url,
    heard: Heard,
}

#[derive(Debug, Clone, Copy)]
enum Heard {
    /// It lives in this process.
    Always,
    /// Unix milliseconds.
    At(i64),
    /// It said goodbye, or was only ever named.
    Never,
}

impl Peers {
    /// An empty list. `timeout` is how long a worker is held to be live after it was heard of.
    #[must_use]
    pub fn new(clock: SharedClock, timeout: Duration) -> Self {
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        Self { known: Arc::default(), clock, timeout_ms, trust: Trust::default() }
    }

    /// The same list, for those who believe other authorities when they talk to the others.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Whom to believe when talking to the others.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Adds a worker that lives in this process: it is always live.
    ///
    /// # Errors
    /// `Invalid` for a name that no worker may have, `Conflict` if there is one of this name.
    pub fn add_in_process(&self, id: WorkerId, url: Url) -> Result<()> {
        check_worker_id(&id)?;
        let mut known = self.write();
        if known.contains_key(&id) {
            return Err(Error::conflict("there is a worker of this name already").with("worker", id));
        }
        known.insert(id, Entry { url, heard: Heard::Always });
        Ok(())
    }

    /// Removes a worker.
    pub fn remove(&self, id: &WorkerId) {
        self.write().remove(id);
    }

    /// Takes a worker that did not answer as gone until its next heartbeat. One of this process is never taken as gone.
    pub fn suspect(&self, id: &WorkerId) {
        if let Some(entry) = self.write().get_mut(id)
            && !matches!(entry.heard, Heard::Always)
        {
            entry.heard = Heard::Never;
        }
    }

    /// Takes note of a worker's announcement. Answers whether the worker is new here, or at a new address.
    ///
    /// # Errors
    /// `Invalid` for a name or address that no worker may have, `Conflict` if a live worker of this name is at another
    /// address (a copied data folder), `Limit` if there are too many workers.
    pub fn announced(&self, announcement: &Announcement) -> Result<bool> {
        let Announcement { id, url, .. } = announcement;
        check_worker_id(id)?;
        check_worker_url(url)?;
        let mut known = self.write();
        let before = known.get(id);
        if let Some(entry) = before
            && entry.url != *url
            && self.is_live(entry)
        {
            return Err(Error::conflict(
                "a worker of this name is alive at another address; does it use a copy of this data folder?",
            )
            .with("worker", id)
            .with("address", &entry.url));
        }
        if before.is_none() && known.len() >= MAX_WORKERS {
            return Err(Error::limit(format!("a cluster may have {MAX_WORKERS} workers")));
        }
        let is_new = before.is_none_or(|entry| entry.url != *url);
        let heard = if announcement.leaving { Heard::Never } else { Heard::At(self.clock.unix_ms()) };
        known.insert(id.clone(), Entry { url: url.clone(), heard });
        Ok(is_new)
    }

    /// Takes over what the catalog tells of workers, where it is newer: a czar that starts knows the workers at once, and
    /// several czars share what they hear. Workers whose name or address is none are passed over.
    pub fn merge_catalog(&self, workers: &[Worker]) {
        let mut known = self.write();
        for worker in workers {
            let Ok(url) = Url::parse(&worker.url) else { continue };
            if check_worker_id(&worker.id).is_err() || check_worker_url(&url).is_err() {
                continue;
            }
            let is_newer = match known.get(&worker.id) {
                Some(Entry { heard: Heard::Always, .. }) => false,
                Some(Entry { heard: Heard::At(heard), .. }) => *heard < worker.seen_unix_ms,
                // It said goodbye here; only an announcement brings it back.
                Some(Entry { heard: Heard::Never, .. }) => false,
                None => known.len() < MAX_WORKERS,
            };
            if is_newer {
                known.insert(worker.id.clone(), Entry { url, heard: Heard::At(worker.seen_unix_ms) });
            }
        }
    }

    /// Takes over a czar's list, workers of this process excepted. What the list does not name is forgotten.
    pub fn replace(&self, members: &[Member]) {
        let now = self.clock.unix_ms();
        let mut known = self.write();
        known.retain(|_, entry| matches!(entry.heard, Heard::Always));
        for member in members.iter().take(MAX_WORKERS) {
            if known.contains_key(&member.id)
                || check_worker_id(&member.id).is_err()
                || check_worker_url(&member.url).is_err()
            {
                continue;
            }
            let heard = if member.live { Heard::At(now) } else { Heard::Never };
            known.insert(member.id.clone(), Entry { url: member.url.clone(), heard });
        }
    }

    /// All known workers, sorted by name.
    #[must_use]
    pub fn all(&self) -> Vec<Peer> {
        self.read().iter().map(|(id, entry)| self.peer(id, entry)).collect()
    }

    /// The live workers, sorted by name.
    #[must_use]
    pub fn live(&self) -> Vec<Peer> {
        self.all().into_iter().filter(|peer| peer.live).collect()
    }

    /// The worker of this name, live or not.
    #[must_use]
    pub fn get(&self, id: &WorkerId) -> Option<Peer> {
        self.read().get(id).map(|entry| self.peer(id, entry))
    }

    /// The worker at this address, live or not.
    #[must_use]
    pub fn at(&self, url: &Url) -> Option<Peer> {
        self.read().iter().find(|(_, entry)| entry.url == *url).map(|(id, entry)| self.peer(id, entry))
    }

    fn peer(&self, id: &WorkerId, entry: &Entry) -> Peer {
        Peer {
            id: id.clone(),
            url: entry.url.clone(),
            live: self.is_live(entry),
            in_process: matches!(entry.heard, Heard::Always),
        }
    }

    fn is_live(&self, entry: &Entry) -> bool {
        match entry.heard {
            Heard::Always => true,
            Heard::Never => false,
            Heard::At(heard) => self.clock.unix_ms().saturating_sub(heard) <= self.timeout_ms,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<WorkerId, Entry>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<WorkerId, Entry>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WorkerResolver for Peers {
    /// The addresses of the live workers.
    fn get_urls(&self) -> Result<Vec<Url>, DataFusionError> {
        Ok(self.live().into_iter().map(|peer| peer.url).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use qserv_core::ErrorKind;
    use qserv_core::clock::Clock;

    use super::*;

    #[derive(Debug, Default)]
    struct SetClock(AtomicI64);

    impl Clock for SetClock {
        fn unix_ms(&self) -> i64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn announcement(id: &str, port: u16) -> Announcement {
        Announcement {
            id: WorkerId(id.into()),
            url: Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap(),
            free_bytes: 1,
            version: "0".into(),
            leaving: false,
        }
    }

    fn live(peers: &Peers) -> Vec<String> {
        peers.live().into_iter().map(|peer| format!("{}@{}", peer.id, peer.url.port().unwrap_or(0))).collect()
    }

    fn start() -> (Arc<SetClock>, Peers) {
        let clock = Arc::new(SetClock::default());
        (Arc::clone(&clock), Peers::new(clock, Duration::from_secs(10)))
    }

    #[test]
    fn a_worker_is_live_until_its_heartbeats_stop() {
        let (clock, peers) = start();
        assert!(peers.announced(&announcement("w1", 1)).unwrap());
        clock.0.store(9_000, Ordering::SeqCst);
        assert!(!peers.announced(&announcement("w1", 1)).unwrap());
        clock.0.store(19_000, Ordering::SeqCst);
        assert_eq!(live(&peers), ["w1@1"]);
        clock.0.store(19_001, Ordering::SeqCst);
        assert_eq!(live(&peers), [""; 0]);
        assert_eq!(peers.all().len(), 1);
        assert!(!peers.announced(&announcement("w1", 1)).unwrap());
        assert_eq!(live(&peers), ["w1@1"]);
    }

    #[test]
    fn a_name_belongs_to_one_live_address() {
        let (clock, peers) = start();
        peers.announced(&announcement("w1", 1)).unwrap();
        assert_eq!(peers.announced(&announcement("w1", 2)).unwrap_err().kind(), ErrorKind::Conflict);
        let goodbye = Announcement { leaving: true, ..announcement("w1", 1) };
        peers.announced(&goodbye).unwrap();
        assert_eq!(live(&peers), [""; 0]);
        assert!(peers.announced(&announcement("w1", 2)).unwrap());
        clock.0.store(60_000, Ordering::SeqCst);
        assert!(peers.announced(&announcement("w1", 3)).unwrap());
        assert_eq!(live(&peers), ["w1@3"]);
        assert_eq!(peers.at(&announcement("w1", 3).url).unwrap().id.0, "w1");
    }

    #[test]
    fn strange_announcements_are_refused() {
        let (_, peers) = start();
        let strange = Announcement { url: Url::parse("file:///etc").unwrap(), ..announcement("w1", 1) };
        assert_eq!(peers.announced(&strange).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(peers.announced(&announcement("../w", 1)).unwrap_err().kind(), ErrorKind::Invalid);
        for number in 0..MAX_WORKERS {
            peers.announced(&announcement(&format!("w{number}"), 1)).unwrap();
        }
        assert_eq!(peers.announced(&announcement("one-more", 1)).unwrap_err().kind(), ErrorKind::Limit);
        peers.announced(&announcement("w7", 1)).unwrap();
    }

    #[test]
    fn lists_of_others_are_merged() {
        let (clock, peers) = start();
        clock.0.store(100_000, Ordering::SeqCst);
        peers.add_in_process(WorkerId("here".into()), Url::parse("http://here/").unwrap()).unwrap();
        let record = |id: &str, port, seen| Worker {
            id: WorkerId(id.into()),
            url: format!("http://127.0.0.1:{port}/"),
            seen_unix_ms: seen,
        };
        peers.merge_catalog(&[record("w1", 1, 95_000), record("w2", 2, 1_000), record("here", 3, 99_999)]);
        assert_eq!(live(&peers), ["here@0", "w1@1"]);
        peers.merge_catalog(&[record("w1", 9, 94_000), record("w2", 7, 99_000)]);
        assert_eq!(live(&peers), ["here@0", "w1@1", "w2@7"]);
        let member =
            |id: &str, live| Member { id: WorkerId(id.into()), url: Url::parse("http://127.0.0.1:5/").unwrap(), live };
        peers.replace(&[member("w1", false), member("w3", true), member("here", false), member("b/d", true)]);
        assert_eq!(live(&peers), ["here@0", "w3@5"]);
        assert_eq!(peers.all().len(), 3);
        assert!(peers.add_in_process(WorkerId("w3".into()), Url::parse("http://x/").unwrap()).is_err());
    }
}
