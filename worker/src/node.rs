//! What a worker is made of before it serves.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion_distributed::{Worker, WorkerQueryContext, WorkerSessionBuilder};
use qserv_core::catalog::WorkerId;
use qserv_core::clock::SharedClock;
use qserv_core::store::SegmentStore;
use qserv_core::{Error, Result};
use qserv_engine::cluster::{Channels, MembershipSettings, Peers, Secret};
use qserv_engine::scan::ColumnCache;
use qserv_engine::session::{EngineLimits, WorkerSession, runtime};
use qserv_engine::store::{ClusterStore, LocalStore};
use qserv_tls::Tls;
use url::Url;

use crate::folder::DataFolder;
use crate::settings::WorkerSettings;

/// Builds the sessions in which parts of queries run.
pub type SharedSessionBuilder = Arc<dyn WorkerSessionBuilder + Send + Sync>;

/// A worker's folder, store and ways to others, opened but not yet served.
#[derive(Debug)]
pub struct WorkerNode {
    pub(crate) folder: DataFolder,
    pub(crate) local: LocalStore,
    pub(crate) peers: Peers,
    pub(crate) segments: ClusterStore,
    pub(crate) channels: Channels,
    pub(crate) secret: Option<Secret>,
    pub(crate) tls: Tls,
}

impl WorkerNode {
    /// Takes hold of the worker's folder and opens its store. `tls` is what it shows to those who connect, and whom it believes itself.
    ///
    /// # Errors
    /// As [`DataFolder::claim`] and [`LocalStore::open`]; `Invalid` for settings that cannot be.
    pub async fn open(settings: &WorkerSettings, clock: SharedClock, tls: Tls) -> Result<Self> {
        let secret = settings.secret.as_deref().map(Secret::new).transpose()?;
        let (path, id, open_files) = (settings.data_dir.clone(), settings.id.clone(), settings.store.open_files);
        let (folder, local) = open_folder(path, id, open_files).await?;
        // What a czar says is not live any more is not; a czar that falls silent must not make its workers forget each other.
        let timeout = Duration::from_millis(MembershipSettings::default().worker_timeout_ms.saturating_mul(6));
        let peers = Peers::new(clock, timeout).trusting(tls.trust.clone());
        let segments = ClusterStore::new(peers.clone(), settings.store.clone(), secret.clone())?;
        segments.add_local(folder.id().clone(), local.clone());
        let channels = Channels::new(peers.clone(), settings.channels.clone(), secret.clone());
        Ok(Self { folder, local, peers, segments, channels, secret, tls })
    }

    /// The worker's name.
    #[must_use]
    pub fn id(&self) -> &WorkerId {
        self.folder.id()
    }

    /// The segments of the whole cluster as seen from here.
    #[must_use]
    pub fn segments(&self) -> &ClusterStore {
        &self.segments
    }

    /// The ways to other workers.
    #[must_use]
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// The other workers, once the czar has told of them.
    #[must_use]
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// The engine's own sessions and resources for this worker.
    ///
    /// # Errors
    /// `Internal` if DataFusion refuses the limits.
    pub fn engine(&self, settings: &WorkerSettings) -> Result<Engine> {
        let limits = EngineLimits {
            query_memory_bytes: settings.query_memory_bytes,
            metadata_cache_bytes: settings.metadata_cache_bytes,
            column_cache_bytes: settings.column_cache_bytes,
        };
        let columns = ColumnCache::new(limits.column_cache_bytes);
        let session = WorkerSession::new(Arc::new(self.channels.clone()), Arc::clone(&columns));
        Ok(Engine { session: Arc::new(session), runtime: runtime(limits, self.segments.reader())?, columns })
    }
}

/// What a worker's engine is made of.
pub struct Engine {
    /// Makes the session of each task.
    pub session: SharedSessionBuilder,
    /// Memory and caches.
    pub runtime: Arc<RuntimeEnv>,
    /// Decoded columns of what is read in this process.
    pub columns: Arc<ColumnCache>,
}

/// A worker inside the czar's process: its folder and its engine, reached without a network.
///
/// Dropping it ends its place in the cluster and releases its folder.
#[derive(Debug)]
pub struct EmbeddedWorker {
    folder: DataFolder,
    url: Url,
    peers: Peers,
    segments: ClusterStore,
    channels: Channels,
}

impl EmbeddedWorker {
    /// Adds a worker to this process: to the list of workers, the view of segments and the channels that the czar uses.
    ///
    /// `data_dir` and `id` are those of [`DataFolder::claim`]; `open_files` is [`qserv_engine::store::StoreSettings::open_files`].
    ///
    /// # Errors
    /// As [`DataFolder::claim`] and [`LocalStore::open`]; `Conflict` if there is a worker of its name.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a part that the caller shares between the czar and its workers"
    )]
    pub async fn start(
        data_dir: std::path::PathBuf,
        id: Option<String>,
        open_files: usize,
        peers: Peers,
        segments: ClusterStore,
        channels: Channels,
        session: SharedSessionBuilder,
        runtime: Arc<RuntimeEnv>,
    ) -> Result<Self> {
        let (folder, local) = open_folder(data_dir, id, open_files).await?;
        let id = folder.id().clone();
        // Nothing listens on it: it names the worker where plans name addresses. In the path letter case is kept.
        let url = Url::parse(&format!("http://in-process/{id}")).map_err(|error| {
            Error::invalid("this worker's name cannot stand in an address").with("worker", &id).caused_by(error)
        })?;
        peers.add_in_process(id.clone(), url.clone())?;
        segments.add_local(id, local);
        channels.add_in_process(url.clone(), engine_worker(session, runtime));
        Ok(Self { folder, url, peers, segments, channels })
    }

    /// The worker's name.
    #[must_use]
    pub fn id(&self) -> &WorkerId {
        self.folder.id()
    }

    /// The address that means this worker in the channels it was added to.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl Drop for EmbeddedWorker {
    fn drop(&mut self) {
        self.channels.remove_in_process(&self.url);
        self.segments.remove_local(self.folder.id());
        self.peers.remove(self.folder.id());
    }
}

/// A worker of datafusion-distributed with these sessions and resources.
pub(crate) fn engine_worker(session: SharedSessionBuilder, runtime: Arc<RuntimeEnv>) -> Worker {
    Worker::from_session_builder(Shared(session)).with_runtime_env(runtime).with_version(env!("CARGO_PKG_VERSION"))
}

struct Shared(SharedSessionBuilder);

#[async_trait]
impl WorkerSessionBuilder for Shared {
    async fn build_session_state(&self, context: WorkerQueryContext) -> Result<SessionState, DataFusionError> {
        self.0.build_session_state(context).await
    }
}

async fn open_folder(
    path: std::path::PathBuf,
    id: Option<String>,
    open_files: usize,
) -> Result<(DataFolder, LocalStore)> {
    let open = move || {
        let folder = DataFolder::claim(&path, id.as_deref())?;
        let local = LocalStore::open(folder.segments(), open_files)?;
        Ok((folder, local))
    };
    tokio::task::spawn_blocking(open)
        .await
        .map_err(|error| Error::internal("a worker's data folder could not be opened").caused_by(error))?
}
