//! Long scans take turns.
//!
//! A process has few cores and may run many scans of many partitions each. If all of them were ready to run at all times, a look-up would wait
//! behind each of them whenever it waits for anything. So a scan that has proved long waits for a turn before each row group, in
//! order: as many row groups are worked on as there are cores, of every scan in its time, and whoever wants a row or two comes next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Row groups that a scan reads before it counts as long: a cone or a light curve lies in fewer.
const SHORT: usize = 8;

/// The turns of a process.
#[derive(Debug)]
pub(super) struct Turns(Arc<Semaphore>);

/// How long a scan has been so far, in row groups of all its partitions.
#[derive(Debug, Default)]
pub(super) struct Length(AtomicUsize);

impl Default for Turns {
    /// As many as there are cores.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self(Arc::new(Semaphore::new(cores)))
    }
}

impl Turns {
    /// A turn to read one row group, held while it is read; `None` for a scan that is short so far, which need not wait.
    pub(super) async fn next(&self, length: &Length) -> Option<OwnedSemaphorePermit> {
        if length.0.fetch_add(1, Ordering::Relaxed) < SHORT {
            return None;
        }
        // It is never closed.
        Arc::clone(&self.0).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_long_scan_waits_for_its_turn_and_a_short_one_does_not() {
        let turns = Turns(Arc::new(Semaphore::new(1)));
        let (long, other, short) = (Length::default(), Length(AtomicUsize::new(SHORT)), Length::default());
        for _ in 0..SHORT {
            assert!(turns.next(&long).await.is_none());
        }
        let turn = turns.next(&long).await;
        assert!(turn.is_some());
        let mut waits = Box::pin(turns.next(&other));
        let mut waits_longer = Box::pin(turns.next(&long));
        assert!((&mut waits).now_or_never().is_none() && (&mut waits_longer).now_or_never().is_none());
        assert!(turns.next(&short).now_or_never().is_some_and(|turn| turn.is_none()));
        drop(turn);
        // In the order in which they came.
        assert!((&mut waits_longer).now_or_never().is_none());
        let turn = waits.now_or_never().flatten();
        assert!(turn.is_some());
        drop(turn);
        assert!(waits_longer.now_or_never().flatten().is_some());
    }
}
