//! A query service that answers what the test told it to, a clock that the test sets, and requests to the router.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::stream::{BoxStream, Stream, StreamExt};
use http_body_util::BodyExt;
use qserv_core::catalog::{Catalog, Snapshot, SnapshotId};
use qserv_core::clock::Clock;
use qserv_core::query::{QueryRequest, QueryResult, QueryService};
use qserv_core::upload::{TableReader, TableRows, Upload, UploadFile};
use qserv_core::{Error, ErrorKind, Result};
use qserv_tap::{Parts, TapService, TapSettings};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

/// The name of an uploaded table, and its numbers or why it cannot be read.
pub(crate) type Received = (String, Result<Vec<i64>, String>);

/// What the service does with a query.
pub(crate) enum Answer {
    /// All batches at once.
    Batches(Vec<RecordBatch>),
    /// An error before the first row.
    Fails(ErrorKind, &'static str),
    /// Some batches, then at once an error.
    FailsAfter(Vec<RecordBatch>, &'static str),
    /// Some batches, and an error after they were sent.
    FailsLater(Vec<RecordBatch>, &'static str),
    /// The same batch again and again.
    Endless(RecordBatch),
    /// Whatever the test sends, when it sends it; the stream ends when the test drops its end.
    Channel(SchemaRef, Mutex<Option<UnboundedReceiver<Result<RecordBatch>>>>),
}

pub(crate) struct FakeService {
    answers: HashMap<&'static str, Answer>,
    snapshot: Result<Arc<Snapshot>, ErrorKind>,
    pub(crate) requests: Mutex<Vec<QueryRequest>>,
    /// The tables of the last request, read when it came: a job's are gone once it has run.
    pub(crate) uploads: Mutex<Vec<Received>>,
    /// Streams that are alive.
    pub(crate) alive: watch::Sender<usize>,
}

impl FakeService {
    pub(crate) fn new(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> Self {
        let snapshot = Snapshot { id: SnapshotId(1), databases: BTreeMap::new() };
        Self {
            answers: answers.into_iter().collect(),
            snapshot: Ok(Arc::new(snapshot)),
            requests: Mutex::default(),
            uploads: Mutex::default(),
            alive: watch::Sender::new(0),
        }
    }

    pub(crate) fn with_snapshot(mut self, snapshot: Result<Snapshot, ErrorKind>) -> Self {
        self.snapshot = snapshot.map(Arc::new);
        self
    }

    /// Returns when every stream was dropped.
    pub(crate) async fn all_cancelled(&self) {
        self.alive.subscribe().wait_for(|alive| *alive == 0).await.unwrap();
    }

    /// Returns when a stream was handed out.
    pub(crate) async fn some_started(&self) {
        self.alive.subscribe().wait_for(|alive| *alive > 0).await.unwrap();
    }
}

#[async_trait]
impl QueryService for FakeService {
    async fn query(&self, request: QueryRequest) -> Result<QueryResult> {
        let uploads = request
            .uploads
            .iter()
            .map(|upload| (upload.name().to_owned(), read(upload).map_err(|error| error.to_string())));
        *self.uploads.lock().unwrap() = uploads.collect();
        self.requests.lock().unwrap().push(request.clone());
        let answer = self.answers.get(request.text.as_str()).ok_or_else(|| Error::not_found("no such table"))?;
        let (schema, batches): (SchemaRef, BoxStream<'static, Result<RecordBatch>>) = match answer {
            Answer::Batches(batches) => (batches[0].schema(), futures::stream::iter(batches.clone()).map(Ok).boxed()),
            Answer::Fails(kind, message) => return Err(Error::new(*kind, *message)),
            Answer::FailsAfter(batches, message) => {
                let error = futures::stream::iter([Err(Error::unavailable(*message))]);
                (batches[0].schema(), futures::stream::iter(batches.clone()).map(Ok).chain(error).boxed())
            }
            Answer::FailsLater(batches, message) => {
                let message: &'static str = message;
                let error = futures::stream::once(async move {
                    tokio::task::yield_now().await;
                    Err(Error::unavailable(message))
                });
                (batches[0].schema(), futures::stream::iter(batches.clone()).map(Ok).chain(error).boxed())
            }
            Answer::Endless(batch) => {
                let batch = batch.clone();
                (batch.schema(), futures::stream::repeat_with(move || Ok(batch.clone())).boxed())
            }
            Answer::Channel(schema, receiver) => {
                (schema.clone(), receiver.lock().unwrap().take().expect("asked once").boxed())
            }
        };
        let overflow = Arc::new(AtomicBool::new(false));
        self.alive.send_modify(|alive| *alive += 1);
        let batches =
            Counted { batches, left: request.max_rows, overflow: overflow.clone(), alive: self.alive.clone() };
        Ok(QueryResult {
            schema,
            batches: batches.boxed(),
            warnings: vec!["a <warning>".to_owned()],
            overflow,
            progress: Arc::default(),
        })
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        self.snapshot.clone().map_err(|kind| Error::new(kind, "the catalog does not answer"))
    }
}

/// The numbers of an uploaded table of one column.
fn read(upload: &Upload) -> Result<Vec<i64>> {
    let mut numbers = Vec::new();
    for batch in upload.table().open()?.batches {
        numbers.extend_from_slice(batch?.column(0).as_primitive::<Int64Type>().values());
    }
    Ok(numbers)
}

/// Cuts rows as `max_rows` asks, and counts itself.
struct Counted {
    batches: BoxStream<'static, Result<RecordBatch>>,
    left: Option<u64>,
    overflow: Arc<AtomicBool>,
    alive: watch::Sender<usize>,
}

impl Stream for Counted {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.batches.poll_next_unpin(context);
        let Poll::Ready(Some(Ok(batch))) = &next else { return next };
        let Some(left) = self.left else { return next };
        if batch.num_rows() as u64 <= left {
            self.left = Some(left - batch.num_rows() as u64);
            return next;
        }
        self.overflow.store(true, Ordering::Release);
        self.left = Some(0);
        let cut = batch.slice(0, usize::try_from(left).unwrap());
        self.batches = futures::stream::empty().boxed();
        Poll::Ready(Some(Ok(cut)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.send_modify(|alive| *alive -= 1);
    }
}

/// Reads files whose lines are numbers: a table of one column `n`.
#[derive(Debug)]
struct Lines;

impl TableReader for Lines {
    fn open(&self, file: UploadFile<'_>) -> Result<TableRows> {
        let text = std::fs::read_to_string(file.path).unwrap();
        let numbers = text.lines().map(|line| line.parse::<i64>().map_err(|_| Error::invalid("not a number")));
        let numbers: ArrayRef = Arc::new(Int64Array::from(numbers.collect::<Result<Vec<_>>>()?));
        let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        Ok(TableRows { schema: batch.schema(), batches: Box::new(std::iter::once(Ok(batch))) })
    }
}

/// A clock that stands still until it is set.
#[derive(Debug)]
pub(crate) struct HandClock(AtomicI64);

/// 2030-01-02T03:04:05Z.
pub(crate) const NOW_UNIX_MS: i64 = 1_893_553_445_000;

impl HandClock {
    pub(crate) fn advance_s(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn unix_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A service under test. Its jobs run if it was made inside a runtime.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) tap: TapService,
    pub(crate) service: Arc<FakeService>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) catalog: Catalog,
    /// The folder of results.
    pub(crate) results: Arc<tempfile::TempDir>,
    pub(crate) scratch: tempfile::TempDir,
    settings: TapSettings,
    running: JoinSet<()>,
}

pub(crate) fn serve(service: FakeService) -> Server {
    serve_with(service, TapSettings::default())
}

pub(crate) fn serve_with(service: FakeService, settings: TapSettings) -> Server {
    let clock = Arc::new(HandClock(AtomicI64::new(NOW_UNIX_MS)));
    Server::over(service, settings, clock, new_catalog(), Arc::new(tempfile::tempdir().unwrap()))
}

/// An empty catalog. Catalogs live in a runtime of their own: some tests have none, and others end theirs before the catalog.
fn new_catalog() -> Catalog {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    let open = || RUNTIME.block_on(Catalog::open("sqlite::memory:")).unwrap();
    std::thread::scope(|scope| scope.spawn(open).join().unwrap())
}

impl Server {
    fn over(
        service: FakeService,
        settings: TapSettings,
        clock: Arc<HandClock>,
        catalog: Catalog,
        results: Arc<tempfile::TempDir>,
    ) -> Self {
        let service = Arc::new(service);
        let scratch = tempfile::tempdir().unwrap();
        let (results_dir, scratch_dir) = (results.path().to_owned(), scratch.path().to_owned());
        let settings = TapSettings { results_dir, scratch_dir, ..settings };
        let parts = Parts {
            service: service.clone(),
            catalog: catalog.clone(),
            tables: Arc::new(Lines),
            clock: clock.clone(),
            is_alone: true,
        };
        let tap = TapService::new(parts, settings.clone()).unwrap();
        let mut running = JoinSet::new();
        if Handle::try_current().is_ok() {
            let tap = tap.clone();
            running.spawn(async move { tap.run_jobs().await });
        }
        Self { router: tap.measured(tap.router()), tap, service, clock, catalog, results, scratch, settings, running }
    }

    /// Another server over the same catalog and results, after this one.
    pub(crate) fn beside(&self, service: FakeService) -> Self {
        let (clock, catalog, results) = (self.clock.clone(), self.catalog.clone(), self.results.clone());
        Self::over(service, self.settings.clone(), clock, catalog, results)
    }

    /// Another server over the same catalog and results while this one runs; it runs no jobs itself.
    pub(crate) fn follower(&self) -> Self {
        let mut other = self.beside(FakeService::new([]));
        other.running.abort_all();
        other
    }

    /// The server after its process was killed and started again.
    pub(crate) async fn killed_and_started_again(mut self, service: FakeService) -> Self {
        self.running.shutdown().await;
        self.beside(service)
    }

    /// Returns when the jobs that ran have ended, after [`TapService::stop`].
    pub(crate) async fn jobs_ended(&mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

/// An answer of the router, read to its end.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
    /// The bytes as text, for formats that are text.
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The path of the Location header, after checking that it is absolute.
    pub(crate) fn location(&self) -> String {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        let location = self.header(header::LOCATION);
        location
            .strip_prefix("http://sky.example:8080")
            .unwrap_or_else(|| panic!("not absolute: {location}"))
            .to_owned()
    }
}

impl Server {
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Request::delete(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Reply {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(encoded(parameters))).unwrap()).await
    }

    /// A synchronous query.
    pub(crate) async fn ask(&self, query: &str, parameters: &[(&str, &str)]) -> Reply {
        let mut all = vec![("LANG", "ADQL"), ("QUERY", query)];
        all.extend(parameters);
        self.get(&format!("/tap/sync?{}", encoded(&all))).await
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Reply {
        request.headers_mut().insert(header::HOST, "sky.example:8080".parse().unwrap());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Reply { status: parts.status, headers: parts.headers, bytes, text }
    }
}

pub(crate) fn encoded(parameters: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// Rows with an id from `first` on and a number.
pub(crate) fn numbers(first: i64, rows: i64) -> RecordBatch {
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + rows));
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let half: ArrayRef = Arc::new(Float64Array::from_iter_values((first..first + rows).map(|id| id as f64 / 2.0)));
    RecordBatch::try_from_iter([("id", id), ("half", half)]).unwrap()
}

/// An answer that the test sends batch by batch.
pub(crate) fn channel() -> (UnboundedSender<Result<RecordBatch>>, Answer) {
    let (sender, receiver) = unbounded();
    (sender, Answer::Channel(numbers(0, 1).schema(), Mutex::new(Some(receiver))))
}
