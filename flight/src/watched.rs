//! A stream of rows under watch: whose client takes nothing for too long loses it, and what it was is counted.
//!
//! HTTP/2 asks a stream for more only while its client reads. One that is alive and does not read (a notebook that nobody looks at any
//! more) would keep the query, its memory and its place for ever: it answers all probes. So each stream has a watcher of its own, which
//! takes away what is behind it; the client reads the error if it ever comes back.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_flight::FlightData;
use futures::Stream;
use qserv_core::query::QueryMeter;
use qserv_core::{Error, ErrorKind};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tonic::Status;

use crate::kept::lock;
use crate::status::status;
use crate::stream::DataStream;

/// The mode of Flight's queries among those that are counted.
pub(crate) const MODE: &str = "flight";

/// A stream of rows while it is counted; counted as ended when it is dropped.
pub(crate) struct Account {
    meter: Option<Arc<dyn QueryMeter>>,
    began: Instant,
    tally: Arc<Tally>,
    bytes: u64,
    /// Whether it came to its end.
    is_whole: bool,
}

/// What is counted where the rows are made.
#[derive(Default)]
pub(crate) struct Tally {
    rows: AtomicU64,
    fault: OnceLock<ErrorKind>,
}

impl Tally {
    pub(crate) fn add_rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, kind: ErrorKind) {
        // The first is the cause of the others.
        let _ = self.fault.set(kind);
    }
}

impl Account {
    pub(crate) fn begin(meter: Option<Arc<dyn QueryMeter>>) -> Self {
        if let Some(meter) = &meter {
            meter.begins(MODE);
        }
        Self { meter, began: Instant::now(), tally: Arc::default(), bytes: 0, is_whole: false }
    }

    pub(crate) fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let Some(meter) = &self.meter else { return };
        let outcome = match self.tally.fault.get() {
            Some(kind) => kind.as_str(),
            None if self.is_whole => "ok",
            None => "client_gone",
        };
        let rows = self.tally.rows.load(Ordering::Relaxed);
        meter.ended(MODE, outcome, self.began.elapsed().as_secs_f64(), rows, self.bytes);
    }
}

/// The stream as its client has it.
pub(crate) struct Watched {
    state: Arc<Mutex<State>>,
    watcher: AbortHandle,
}

struct State {
    /// The stream and its account, until it ends or is taken away.
    behind: Option<(DataStream, Account)>,
    /// Since when the client could take more; while it waits for us, nothing.
    offered: Option<Instant>,
    is_given_up: bool,
}

impl Watched {
    /// Puts a stream under watch.
    pub(crate) fn new(stream: DataStream, account: Account, patience: Duration, watchers: &Mutex<JoinSet<()>>) -> Self {
        let state = State { behind: Some((stream, account)), offered: Some(Instant::now()), is_given_up: false };
        let state = Arc::new(Mutex::new(state));
        let mut watchers = lock(watchers);
        while watchers.try_join_next().is_some() {}
        let watcher = watchers.spawn(watch(Arc::clone(&state), patience));
        Self { state, watcher }
    }
}

async fn watch(state: Arc<Mutex<State>>, patience: Duration) {
    loop {
        let offered = match &*lock(&state) {
            State { behind: None, .. } => return,
            State { offered, .. } => *offered,
        };
        let end = offered.unwrap_or_else(Instant::now) + patience;
        if end <= Instant::now() {
            break;
        }
        tokio::time::sleep_until(end).await;
    }
    let behind = {
        let mut state = lock(&state);
        state.is_given_up = true;
        state.behind.take()
    };
    // What is behind it may take a while to end: not under the lock.
    drop(behind);
    tracing::info!(seconds = patience.as_secs(), "a Flight client took nothing for too long");
}

impl Stream for Watched {
    type Item = Result<FlightData, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = lock(&self.state);
        if std::mem::take(&mut state.is_given_up) {
            let error =
                Error::new(ErrorKind::Cancelled, "the client took nothing of the rows for too long; read them again")
                    .with("setting", "flight.client_timeout_s");
            return Poll::Ready(Some(Err(status(&error))));
        }
        let Some((stream, account)) = &mut state.behind else { return Poll::Ready(None) };
        let next = stream.as_mut().poll_next(context);
        match &next {
            Poll::Pending => state.offered = None,
            Poll::Ready(Some(data)) => {
                if let Ok(data) = data {
                    account.bytes += (data.data_header.len() + data.data_body.len()) as u64;
                }
                state.offered = Some(Instant::now());
            }
            Poll::Ready(None) => {
                account.is_whole = true;
                state.behind = None;
            }
        }
        next
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watcher.abort();
        // At once, not when the watcher has ended, which holds it too.
        let behind = lock(&self.state).behind.take();
        drop(behind);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};
    use arrow_ipc::writer::IpcWriteOptions;
    use futures::{FutureExt, StreamExt};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::stream::{Purpose, Streams, encode};

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<String>>);

    impl QueryMeter for Heard {
        fn begins(&self, mode: &'static str) {
            lock(&self.0).push(format!("{mode} begins"));
        }

        fn ended(&self, mode: &'static str, outcome: &str, _: f64, rows: u64, bytes: u64) {
            lock(&self.0).push(format!("{mode} {outcome} {rows} {}", bytes > 0));
        }

        fn refused(&self, mode: &'static str) {
            lock(&self.0).push(format!("{mode} refused"));
        }

        fn uploaded(&self, _: u64) {}
    }

    /// Rows as one asks for them, that hold a guard; after so many there is an error, or the end, or nothing any more.
    fn rows(streams: &Streams, guard: &Arc<()>, batches: usize, end: &'static str) -> DataStream {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))]).unwrap();
        let guard = Arc::clone(guard);
        let made = futures::stream::iter((0..batches).map(move |_| {
            let _held = &guard;
            Ok(batch.clone())
        }));
        let last = match end {
            "error" => futures::stream::iter([Err(Error::data("a segment is gone"))]).boxed(),
            "never" => futures::stream::pending().boxed(),
            _ => futures::stream::empty().boxed(),
        };
        let place = streams.enter(Purpose::Query).unwrap();
        encode(schema, made.chain(last).boxed(), IpcWriteOptions::default(), place, CancellationToken::new())
    }

    fn streams() -> (Arc<Heard>, Streams) {
        let heard = Arc::new(Heard::default());
        let streams = Streams::new(1, Duration::from_secs(10)).metered(Arc::clone(&heard) as Arc<dyn QueryMeter>);
        (heard, streams)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_loses_its_stream_and_one_that_waits_does_not() {
        let (heard, streams) = streams();
        let guard = Arc::new(());
        let mut slow = rows(&streams, &guard, 1000, "end");
        for _ in 0..5 {
            slow.next().await.unwrap().unwrap();
            tokio::time::sleep(Duration::from_secs(9)).await;
        }
        assert_eq!(Arc::strong_count(&guard), 2);
        assert!(streams.enter(Purpose::Query).is_err());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(Arc::strong_count(&guard), 1);
        drop(streams.enter(Purpose::Metadata).unwrap());
        let error = slow.next().await.unwrap().unwrap_err();
        assert!(error.message().contains("took nothing") && slow.next().await.is_none(), "{error}");

        // What is not there yet cannot be taken.
        let mut waiting = rows(&streams, &guard, 0, "never");
        waiting.next().await.unwrap().unwrap();
        assert!(waiting.next().now_or_never().is_none());
        tokio::time::sleep(Duration::from_secs(1000)).await;
        assert!(waiting.next().now_or_never().is_none());
        drop(waiting);
        let heard = lock(&heard.0).join(", ");
        assert_eq!(
            heard,
            "flight begins, flight refused, flight client_gone 12 true, flight begins, flight client_gone 0 true"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_of_streams_is_counted() {
        let (heard, streams) = streams();
        let guard = Arc::new(());
        for end in ["end", "error"] {
            let mut all = rows(&streams, &guard, 4, end);
            while let Some(Ok(_)) = all.next().await {}
        }
        let heard = lock(&heard.0).join(", ");
        assert_eq!(heard, "flight begins, flight ok 12 true, flight begins, flight data 12 true");
    }
}
