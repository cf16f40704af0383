//! Queries that the czar merges: run when their rows are asked for, or ahead of that for a client that asks how far they are.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_flight::FlightInfo;
use qserv_core::bulk::PlannedQuery;
use qserv_core::query::{QueryProgress, QueryResult};
use qserv_core::{Error, ErrorKind};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::kept::lock;
use crate::status::status;

/// How long one poll waits for news.
const POLL_WAIT: Duration = Duration::from_secs(1);

/// A planned query.
pub(crate) struct Run {
    query: Arc<dyn PlannedQuery>,
    /// Ends it, and all streams of its rows.
    pub(crate) cancelled: CancellationToken,
    progress: Arc<QueryProgress>,
    ahead: Mutex<Ahead>,
    /// Whether what runs ahead has its first rows, or has failed.
    is_there: watch::Sender<bool>,
    /// When the client was last heard of.
    heard: Mutex<Instant>,
}

/// What runs ahead of the client.
enum Ahead {
    Nothing,
    Running(FlightInfo),
    Ready(FlightInfo, QueryResult),
    Failed(Status),
}

impl Run {
    pub(crate) fn new(query: Arc<dyn PlannedQuery>) -> Self {
        Self {
            query,
            cancelled: CancellationToken::new(),
            progress: Arc::default(),
            ahead: Mutex::new(Ahead::Nothing),
            is_there: watch::Sender::new(false),
            heard: Mutex::new(Instant::now()),
        }
    }

    /// The rows, from the first: those that were made ahead, once, or new ones.
    pub(crate) async fn rows(&self) -> qserv_core::Result<QueryResult> {
        let ready = std::mem::replace(&mut *lock(&self.ahead), Ahead::Nothing);
        match ready {
            Ahead::Ready(_, result) => Ok(result),
            other => {
                // Whoever waits for it still does.
                *lock(&self.ahead) = other;
                self.query.run(Arc::default()).await
            }
        }
    }

    /// Runs it ahead, unless it does; it ends if the client is not heard of for `patience`. `info` is what the client gets then.
    pub(crate) fn start(self: &Arc<Self>, info: FlightInfo, patience: Duration, tasks: &Mutex<JoinSet<()>>) {
        {
            let mut ahead = lock(&self.ahead);
            if !matches!(*ahead, Ahead::Nothing) {
                return;
            }
            *ahead = Ahead::Running(info.clone());
        }
        let run = Arc::clone(self);
        let mut tasks = lock(tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let ended = tokio::select! {
                result = run.query.run(Arc::clone(&run.progress)) => match result {
                    Ok(result) => Ahead::Ready(info, result),
                    Err(error) => Ahead::Failed(status(&error)),
                },
                () = run.given_up(patience) => Ahead::Failed(cancelled()),
            };
            *lock(&run.ahead) = ended;
            run.is_there.send_replace(true);
            // Rows that nobody fetches are not held for ever.
            run.given_up(patience).await;
            *lock(&run.ahead) = Ahead::Nothing;
            run.is_there.send_replace(false);
        });
    }

    async fn given_up(&self, patience: Duration) {
        let silent = async {
            loop {
                let silence = lock(&self.heard).elapsed();
                match patience.checked_sub(silence) {
                    Some(rest) if !rest.is_zero() => tokio::time::sleep(rest).await,
                    _ => return,
                }
            }
        };
        tokio::select! {
            () = self.cancelled.cancelled() => {}
            () = silent => {}
        }
    }

    /// Waits a little for it: what to answer with, and whether that is all.
    ///
    /// # Errors
    /// That of the query.
    pub(crate) async fn news(&self) -> Result<(FlightInfo, bool), Status> {
        *lock(&self.heard) = Instant::now();
        let mut is_there = self.is_there.subscribe();
        // Nothing new is an answer too.
        let _ = tokio::time::timeout(POLL_WAIT, is_there.wait_for(|there| *there)).await;
        match &*lock(&self.ahead) {
            Ahead::Ready(info, _) => Ok((info.clone(), true)),
            Ahead::Running(info) => Ok((info.clone(), false)),
            Ahead::Failed(status) => Err(status.clone()),
            Ahead::Nothing => Err(cancelled()),
        }
    }

    /// The chunks that are read, of those that are to be.
    pub(crate) fn fraction(&self) -> f64 {
        let count = |number: &std::sync::atomic::AtomicU64| {
            u32::try_from(number.load(Ordering::Relaxed)).map_or(f64::from(u32::MAX), f64::from)
        };
        let (done, total) = (count(&self.progress.chunks_done), count(&self.progress.chunks_total));
        if total > 0.0 { (done / total).min(1.0) } else { 0.0 }
    }
}

fn cancelled() -> Status {
    status(&Error::new(ErrorKind::Cancelled, "the query was cancelled, or not asked for any more"))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    /// A query without an end; it holds its guard for as long as it runs.
    struct Endless(Arc<()>);

    #[async_trait]
    impl PlannedQuery for Endless {
        async fn run(&self, _: Arc<QueryProgress>) -> qserv_core::Result<QueryResult> {
            let _running = Arc::clone(&self.0);
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_nobody_asks_about_ends() {
        let guard = Arc::new(());
        let run = Arc::new(Run::new(Arc::new(Endless(Arc::clone(&guard)))));
        let tasks = Mutex::default();
        run.start(FlightInfo::new(), Duration::from_secs(3), &tasks);
        for _ in 0..3 {
            let (_, is_all) = run.news().await.unwrap();
            assert!(!is_all && Arc::strong_count(&guard) == 3);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(Arc::strong_count(&guard), 2);
        assert!(run.news().await.unwrap_err().message().contains("cancelled"));
    }
}
