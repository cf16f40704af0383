//! Workers and a czar's view of them, for tests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use qserv_core::catalog::WorkerId;
use qserv_core::clock::{Clock, SystemClock};
use qserv_engine::cluster::{ChannelSettings, Channels, Member, MembershipSettings, Peers, Secret};
use qserv_engine::store::{ClusterStore, StoreSettings};
use qserv_worker::{WorkerServer, WorkerSettings};

/// A clock that the test sets.
#[derive(Debug, Default)]
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    pub(crate) fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn unix_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Settings of a worker on a free port, with short waits.
pub(crate) fn settings(data_dir: &Path, id: &str) -> WorkerSettings {
    let mut settings = WorkerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: data_dir.join(id),
        id: Some(id.to_owned()),
        query_memory_bytes: 256 << 20,
        metadata_cache_bytes: 16 << 20,
        ..WorkerSettings::default()
    };
    settings.store.retry_wait_ms = 1;
    settings.heartbeat.retry_first_ms = 1;
    settings.heartbeat.retry_longest_ms = 20;
    settings
}

pub(crate) async fn start(settings: &WorkerSettings) -> WorkerServer {
    WorkerServer::start(settings, Arc::new(SystemClock)).await.unwrap()
}

/// What the czar tells of a worker.
pub(crate) fn member(server: &WorkerServer) -> Member {
    Member { id: server.id().clone(), url: server.url().clone(), live: true }
}

/// Tells workers of each other, as the czar's answers do.
pub(crate) fn introduce(servers: &[&WorkerServer]) {
    let members: Vec<Member> = servers.iter().map(|server| member(server)).collect();
    for server in servers {
        server.node().peers().replace(&members);
    }
}

/// The czar's side of a cluster: who is there, their segments, the ways to them.
pub(crate) struct CzarSide {
    pub(crate) peers: Peers,
    pub(crate) segments: ClusterStore,
    pub(crate) channels: Channels,
}

impl CzarSide {
    pub(crate) fn new(members: &[Member], secret: Option<Secret>) -> Self {
        let peers = MembershipSettings::default().peers(Arc::new(SystemClock));
        peers.replace(members);
        let settings = StoreSettings { retry_wait_ms: 1, ..StoreSettings::default() };
        let segments = ClusterStore::new(peers.clone(), settings, secret.clone()).unwrap();
        let channels = Channels::new(peers.clone(), ChannelSettings::default(), secret);
        Self { peers, segments, channels }
    }
}

pub(crate) fn id(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}
