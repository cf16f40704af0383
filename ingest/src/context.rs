//! What every load needs from outside.

use std::sync::Arc;

use qserv_core::catalog::Catalog;
use qserv_core::clock::SharedClock;
use qserv_core::index::KeyIndexCache;
use qserv_core::store::SegmentStore;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::settings::Settings;

/// The components that loads use, given by the program; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) catalog: Catalog,
    pub(crate) store: Arc<dyn SegmentStore>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: SharedClock,
    pub(crate) runtime: Handle,
    pub(crate) key_cache: Arc<KeyIndexCache>,
    /// Held while a load compares itself with what was committed meanwhile and commits, so that nothing comes in between.
    pub(crate) commit_lock: Arc<Mutex<()>>,
}
