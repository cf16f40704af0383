//! Whose turn it is: synchronous queries beyond those that are worked on wait, and beyond those that may wait are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use qserv_core::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::TapSettings;

/// The turns of a service.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    most_waiting: usize,
}

/// A turn; it lasts as long as this lives.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "its drop ends the turn")] OwnedSemaphorePermit);

impl Turns {
    /// As many as the settings allow; at least one.
    pub(crate) fn new(settings: &TapSettings) -> Self {
        let running = settings.max_running_requests.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(running)),
            waiting: Arc::default(),
            most_waiting: settings.max_waiting_requests,
        }
    }

    /// Refuses who would be refused anyway, before the body of the request is taken in.
    ///
    /// # Errors
    /// `Unavailable` if as many wait as may.
    pub(crate) fn look(&self) -> Result<()> {
        let waiting = self.waiting();
        if self.free.available_permits() == 0 && waiting >= self.most_waiting {
            return Err(full(waiting));
        }
        Ok(())
    }

    /// Waits for a turn; those who came first go first.
    ///
    /// # Errors
    /// `Unavailable` if as many wait as may.
    pub(crate) async fn wait(&self) -> Result<Turn> {
        if let Ok(turn) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(Turn(turn));
        }
        let others = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(Arc::clone(&self.waiting));
        if others >= self.most_waiting {
            return Err(full(others));
        }
        let turn = Arc::clone(&self.free).acquire_owned().await;
        turn.map(Turn).map_err(|error| Error::internal("nobody has a turn any more").caused_by(error))
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// One who waits, for as long as this lives.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn full(waiting: usize) -> Error {
    Error::unavailable("too many queries wait for their turn; try again later, or ask asynchronously")
        .with("waiting", waiting)
        .with("setting", "tap.max_waiting_requests")
}

#[cfg(test)]
mod tests {
    use qserv_core::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn turns_are_taken_in_order_and_given_back() {
        let settings = TapSettings { max_running_requests: 1, max_waiting_requests: 1, ..TapSettings::default() };
        let turns = Arc::new(Turns::new(&settings));
        let first = turns.wait().await.unwrap();
        turns.look().unwrap();
        let mut others = tokio::task::JoinSet::new();
        others.spawn({
            let turns = Arc::clone(&turns);
            async move { turns.wait().await }
        });
        while turns.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.look().unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(turns.wait().await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(turns.waiting(), 1, "who was refused waits no more");
        drop(first);
        let second = others.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(turns.waiting(), 0);
        let mut third = Box::pin(turns.wait());
        assert!(futures::poll!(&mut third).is_pending());
        drop(third);
        assert_eq!(turns.waiting(), 0, "who goes away waits no more");
        drop(second);
        turns.wait().await.unwrap();
    }
}
