//! Deletes segments that no query needs any more.

use std::sync::Arc;

use qserv_core::Result;
use qserv_core::catalog::{Catalog, WorkerId};
use qserv_core::store::SegmentStore;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Deletes segments that no query needs any more, behind everyone's back.
pub(super) struct Deleter {
    sender: mpsc::UnboundedSender<Vec<(WorkerId, String)>>,
    /// Ends with the czar. What it has not deleted then, the next one does.
    _task: JoinSet<()>,
}

/// Copies that are deleted when this is dropped.
pub(super) struct Kept {
    pub(super) copies: Vec<(WorkerId, String)>,
    sender: mpsc::UnboundedSender<Vec<(WorkerId, String)>>,
}

impl Deleter {
    pub(super) fn start(catalog: Catalog, store: Arc<dyn SegmentStore>) -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Vec<(WorkerId, String)>>();
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Some(copies) = receiver.recv().await {
                if let Err(error) = delete(&catalog, store.as_ref(), copies).await {
                    // The catalog knows them: they are deleted when their time is over.
                    tracing::warn!(error = %error.to_log(), "files of a query that has ended are still there");
                }
            }
        });
        Self { sender, _task: task }
    }

    pub(super) fn keep(&self) -> Kept {
        Kept { copies: Vec::new(), sender: self.sender.clone() }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.copies.is_empty() {
            // Without a receiver the czar is gone, see `Deleter`.
            let _ = self.sender.send(std::mem::take(&mut self.copies));
        }
    }
}

async fn delete(catalog: &Catalog, store: &dyn SegmentStore, copies: Vec<(WorkerId, String)>) -> Result<()> {
    let mut gone = Vec::with_capacity(copies.len());
    let mut failed = None;
    for (worker, path) in copies {
        match store.delete(&worker, &path).await {
            Ok(()) => gone.push((worker, path)),
            Err(error) => failed = Some(error),
        }
    }
    catalog.forget_garbage(&gone).await?;
    failed.map_or(Ok(()), Err)
}
