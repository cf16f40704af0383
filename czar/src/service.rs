//! The czar as the one that answers queries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::execute_stream;
use datafusion_distributed::ChannelResolver;
use futures::stream::{self, BoxStream, Fuse, StreamExt};
use qserv_core::catalog::{Catalog, Snapshot};
use qserv_core::clock::SharedClock;
use qserv_core::index::KeyIndexCache;
use qserv_core::query::{QueryProgress, QueryRequest, QueryResult, QueryService};
use qserv_core::store::SegmentStore;
use qserv_core::upload::Upload;
use qserv_core::{Error, Result};
use qserv_engine::cluster::{Peers, Sweeper};
use qserv_engine::error::from_datafusion;
use qserv_engine::parts::PlanPart;
use qserv_engine::placement::LiveWorker;
use qserv_engine::scan::ColumnCache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::planner::{Planned, Planner, Prepared, Question};
use crate::progress::Follower;
use crate::settings::QuerySettings;
use crate::translate::{Output, strip_explain};
use crate::uploads::{KeptTable, Received, Uploads};

/// Rows that are held back until the result ends or is larger, in bytes: most results are smaller.
const HELD_BYTES: usize = 1 << 20;

/// How long rows are held back at most: no one sees it, and a result that takes longer is better seen as it comes.
const HELD_FOR: Duration = Duration::from_millis(100);

/// What a czar is made of; all of it comes from outside.
pub struct Parts {
    /// What is loaded and where.
    pub catalog: Catalog,
    /// The segments of the cluster.
    pub store: Arc<dyn SegmentStore>,
    /// The workers.
    pub peers: Peers,
    /// The way to them.
    pub channels: Arc<dyn ChannelResolver + Send + Sync>,
    /// Memory and caches.
    pub runtime: Arc<RuntimeEnv>,
    /// Decoded columns of what is read in this process.
    pub columns: Arc<ColumnCache>,
    /// Decoded pieces of key indexes.
    pub key_cache: Arc<KeyIndexCache>,
    /// The time.
    pub clock: SharedClock,
    /// Bounds.
    pub settings: QuerySettings,
}

/// Plans queries, sends them to the workers and merges what comes back. It keeps nothing that is not in the catalog or
/// the store.
pub struct Czar {
    catalog: Catalog,
    peers: Peers,
    planner: Planner,
    channels: Arc<dyn ChannelResolver + Send + Sync>,
    sweeper: Sweeper,
    uploads: Arc<Uploads>,
    settings: QuerySettings,
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Czar {
    /// A czar over these parts. To be called inside a runtime.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let channels = Arc::clone(&parts.channels);
        let reader = parts.store.reader();
        let shared = (parts.catalog.clone(), parts.store, parts.clock);
        let uploads = Arc::new(Uploads::new(shared, &parts.settings));
        let planner =
            Planner::new(parts.runtime, parts.channels, reader, parts.key_cache, parts.columns, Arc::clone(&uploads));
        Self {
            catalog: parts.catalog,
            peers: parts.peers,
            planner,
            sweeper: Sweeper::start(Arc::clone(&channels)),
            channels,
            uploads,
            settings: parts.settings,
            running: Arc::new(Semaphore::new(parts.settings.max_running.max(1))),
            waiting: AtomicUsize::new(0),
        }
    }

    fn live(&self) -> Vec<LiveWorker> {
        let worker =
            |peer: qserv_engine::cluster::Peer| LiveWorker { id: peer.id, url: peer.url, local: peer.in_process };
        self.peers.live().into_iter().map(worker).collect()
    }

    /// A place among the running queries, for as long as the permit is held.
    async fn admit(&self, deadline: Instant) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = Waiting::enter(&self.waiting);
        if waiting.others >= self.settings.max_waiting {
            return Err(Error::unavailable("too many queries are waiting; try again later")
                .with("waiting", waiting.others)
                .with("setting", "query.max_waiting"));
        }
        match timeout_at(deadline, Arc::clone(&self.running).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Error::unavailable("the service is shutting down")),
            Err(_) => Err(self.too_long()),
        }
    }

    fn too_long(&self) -> Error {
        Error::limit("the query took longer than it may")
            .with("seconds", self.settings.timeout.as_secs())
            .with("setting", "query.timeout_s")
    }

    /// Plans and starts a query, and waits for its first rows, for all rows of a small result: until then nothing has been
    /// handed out, and a worker that is lost costs only another plan.
    async fn start(&self, question: Question<'_>, over: Over<'_>, progress: &Arc<QueryProgress>) -> Result<Started> {
        let (received, kept) = match over {
            Over::Newest(uploads) => (self.receive(uploads, question).await?, None),
            Over::Kept(prepared, received) => (received.cloned(), Some(prepared)),
        };
        let mut replans = 0;
        loop {
            let prepared = match kept {
                Some(prepared) => Arc::clone(prepared),
                None => self.prepare(received.as_deref()).await?,
            };
            match self.try_start(&prepared, question, progress).await {
                Err(error) if error.kind().is_retryable() && replans < self.settings.max_replans => {
                    replans += 1;
                    let lost = self.peers.probe().await;
                    tracing::warn!(error = %error.to_log(), ?lost, replans, "planning a query again");
                }
                other => return other.map(|started| Started { received, ..started }),
            }
        }
    }

    /// Puts the tables that a query brings along where workers can read them, large ones in the chunks of what they are joined with.
    async fn receive(&self, uploads: &[Upload], question: Question<'_>) -> Result<Option<Arc<Received>>> {
        let Some(opened) = self.uploads.open(uploads).await? else { return Ok(None) };
        let mut cuts = Vec::new();
        if opened.has_large() {
            let outline = self.prepare(Some(&self.uploads.outline(&opened))).await?;
            // What is wrong with the query is told when it is planned.
            cuts = self.planner.cuts(&outline, question).await.unwrap_or_default();
        }
        self.uploads.receive(opened, &cuts).await.map(Some)
    }

    /// The newest snapshot, with the tables that the query brings along.
    async fn prepare(&self, received: Option<&Received>) -> Result<Arc<Prepared>> {
        let prepared = self.planner.prepare(&self.catalog.snapshot().await?)?;
        Ok(received.map_or_else(|| Arc::clone(&prepared), |received| Arc::new(prepared.with(received))))
    }

    async fn try_start(
        &self,
        prepared: &Prepared,
        question: Question<'_>,
        progress: &Arc<QueryProgress>,
    ) -> Result<Started> {
        let (planned, output) = self.planner.plan(prepared, &self.live(), question).await?;
        let (follower, context) = Follower::of(&planned, &self.channels, &self.sweeper, progress);
        // Fused: what was held may have been all, and an ended stream must not be asked again.
        let mut batches = execute_stream(Arc::clone(&planned.plan), context).map_err(from_datafusion)?.fuse();
        let held = follower.during(hold(&mut batches)).await?;
        let Planned { schema, kept, .. } = planned;
        Ok(Started { schema, held, rest: batches, follower, output, received: None, kept })
    }

    async fn explanation(&self, question: Question<'_>, uploads: &[Upload]) -> Result<QueryResult> {
        let received = self.receive(uploads, question).await?;
        let prepared = self.prepare(received.as_deref()).await?;
        let (planned, output): (Planned, Output) = self.planner.plan(&prepared, &self.live(), question).await?;
        let schema = explanation_schema();
        let lines = StringArray::from(planned.explanation());
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(lines)])
            .map_err(|error| Error::internal("the plan could not be shown").caused_by(error))?;
        Ok(QueryResult {
            schema,
            batches: stream::iter([Ok(batch)]).boxed(),
            warnings: output.warnings,
            overflow: Arc::default(),
            progress: Arc::default(),
        })
    }
}

fn question_of<'a>(request: &'a QueryRequest, text: &'a str) -> Question<'a> {
    let QueryRequest { language, max_rows, parameters, .. } = request;
    Question { text, language: *language, max_rows: *max_rows, parameters: parameters.as_ref() }
}

/// The columns of a plan in words.
pub(crate) fn explanation_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, false)]))
}

/// Waits for the first rows, and then a little for the rest: a small result is whole before any of it is handed out, so a
/// worker lost meanwhile costs another plan and not the answer.
async fn hold(batches: &mut Fuse<SendableRecordBatchStream>) -> Result<Vec<RecordBatch>> {
    let Some(first) = batches.next().await.transpose().map_err(from_datafusion)? else { return Ok(Vec::new()) };
    let until = Instant::now() + HELD_FOR;
    let mut bytes = first.get_array_memory_size();
    let mut held = vec![first];
    while bytes < HELD_BYTES {
        match timeout_at(until, batches.next()).await {
            Err(_) | Ok(None) => break,
            Ok(Some(batch)) => {
                let batch = batch.map_err(from_datafusion)?;
                bytes += batch.get_array_memory_size();
                held.push(batch);
            }
        }
    }
    Ok(held)
}

/// A query whose first rows are there.
struct Started {
    schema: SchemaRef,
    held: Vec<RecordBatch>,
    rest: Fuse<SendableRecordBatchStream>,
    follower: Follower,
    output: Output,
    /// What the rest of the rows may be made of.
    received: Option<Arc<Received>>,
    /// The same, of what the query itself computed first.
    kept: Vec<KeptTable>,
}

/// The rows that a query may see.
#[derive(Clone, Copy)]
pub(crate) enum Over<'a> {
    /// Those of the newest snapshot, with these tables beside them.
    Newest(&'a [Upload]),
    /// Those that it was planned on.
    Kept(&'a Arc<Prepared>, Option<&'a Arc<Received>>),
}

#[async_trait]
impl QueryService for Czar {
    async fn query(&self, request: QueryRequest) -> Result<QueryResult> {
        self.run(&request, Over::Newest(&request.uploads)).await
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let snapshot = self.catalog.snapshot().await?;
        Ok(Arc::clone(&self.planner.prepare(&snapshot)?.described))
    }
}

impl Czar {
    /// Refuses a text that is too long.
    pub(crate) fn check_length(&self, text: &str) -> Result<()> {
        if text.len() > self.settings.max_text_bytes {
            return Err(Error::limit("the query text is too long")
                .with("bytes", text.len())
                .with("most", self.settings.max_text_bytes));
        }
        Ok(())
    }

    /// The values that a query leaves open, a column each.
    pub(crate) async fn parameters(&self, request: &QueryRequest) -> Result<SchemaRef> {
        self.check_length(&request.text)?;
        let received = self.receive(&request.uploads, question_of(request, &request.text)).await?;
        let prepared = self.prepare(received.as_deref()).await?;
        self.planner.parameters(&prepared, &request.text, request.language).await
    }

    /// Plans a query so that its rows can be handed out where they lie, within the bounds of all queries.
    pub(crate) async fn plan_in_parts(&self, request: &QueryRequest) -> Result<(SchemaRef, Output, InParts)> {
        self.check_length(&request.text)?;
        let deadline = Instant::now() + self.settings.timeout;
        let _permit = self.admit(deadline).await?;
        let planning = async {
            let question = question_of(request, &request.text);
            let received = self.receive(&request.uploads, question).await?;
            let prepared = self.prepare(received.as_deref()).await?;
            let live = self.live();
            let (schema, output, parts) = self.planner.plan_in_parts(&prepared, &live, question).await?;
            Ok::<_, Error>((schema, output, InParts { parts, prepared, live, received }))
        };
        timeout_at(deadline, planning).await.map_err(|_| self.too_long())?
    }

    /// Runs a query over these rows.
    pub(crate) async fn run(&self, request: &QueryRequest, over: Over<'_>) -> Result<QueryResult> {
        self.check_length(&request.text)?;
        let deadline = Instant::now() + self.settings.timeout;
        let permit = self.admit(deadline).await?;
        let (text, explain) = strip_explain(&request.text);
        let question = question_of(request, text);
        if explain || request.explain {
            let question = Question { max_rows: None, ..question };
            return timeout_at(deadline, self.explanation(question, &request.uploads))
                .await
                .map_err(|_| self.too_long())?;
        }
        let started = self.start(question, over, &request.progress);
        let started = timeout_at(deadline, started).await.map_err(|_| self.too_long())??;

        let schema = started.output.rename(&started.schema);
        let progress = Arc::clone(&request.progress);
        let overflow = Arc::new(AtomicBool::new(false));
        let rows = Rows {
            source: stream::iter(started.held.into_iter().map(Ok)).chain(started.rest).boxed(),
            schema: Arc::clone(&schema),
            left: request.max_rows,
            overflow: Arc::clone(&overflow),
            progress: Arc::clone(&progress),
            follower: started.follower,
            deadline,
            too_long: self.too_long(),
            _permit: permit,
            _received: started.received,
            _kept: started.kept,
        };
        Ok(QueryResult { schema, batches: rows.stream(), warnings: started.output.warnings, overflow, progress })
    }
}

/// A query planned for bulk.
pub(crate) struct InParts {
    /// `None` if its rows need a merge.
    pub(crate) parts: Option<Vec<PlanPart>>,
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) live: Vec<LiveWorker>,
    pub(crate) received: Option<Arc<Received>>,
}

/// The rows of a running query, cut at the user's bound and at the deadline.
struct Rows {
    source: BoxStream<'static, datafusion::common::Result<RecordBatch>>,
    schema: SchemaRef,
    left: Option<u64>,
    overflow: Arc<AtomicBool>,
    progress: Arc<QueryProgress>,
    follower: Follower,
    deadline: Instant,
    too_long: Error,
    _permit: OwnedSemaphorePermit,
    _received: Option<Arc<Received>>,
    _kept: Vec<KeptTable>,
}

impl Rows {
    fn stream(self) -> BoxStream<'static, Result<RecordBatch>> {
        stream::unfold(Some(self), |rows| async move {
            let mut rows = rows?;
            match rows.next().await {
                Some(Ok(batch)) => Some((Ok(batch), Some(rows))),
                Some(Err(error)) => Some((Err(error), None)),
                None => {
                    rows.follower.ended();
                    None
                }
            }
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            let next = timeout_at(self.deadline, self.follower.during(self.source.next())).await;
            let batch = match next {
                Err(_) => {
                    let error = std::mem::replace(&mut self.too_long, Error::internal("the query has ended"));
                    return Some(Err(error));
                }
                Ok(None) => return None,
                Ok(Some(Err(error))) => return Some(Err(from_datafusion(error))),
                Ok(Some(Ok(batch))) => batch,
            };
            let batch = self.cut(batch);
            if batch.num_rows() == 0 {
                if self.overflow.load(Ordering::Relaxed) {
                    return None;
                }
                continue;
            }
            self.progress.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let described =
                RecordBatch::try_new_with_options(Arc::clone(&self.schema), batch.columns().to_vec(), &options);
            return Some(described.map_err(|error| {
                Error::internal("the result does not have the columns it was planned to have").caused_by(error)
            }));
        }
    }

    fn cut(&mut self, batch: RecordBatch) -> RecordBatch {
        let Some(left) = self.left.as_mut() else { return batch };
        let rows = batch.num_rows() as u64;
        if rows <= *left {
            *left -= rows;
            return batch;
        }
        let kept = usize::try_from(*left).unwrap_or(usize::MAX).min(batch.num_rows());
        *left = 0;
        self.overflow.store(true, Ordering::Relaxed);
        batch.slice(0, kept)
    }
}

/// Counts itself among the waiting for as long as it lives.
struct Waiting<'a> {
    counter: &'a AtomicUsize,
    others: usize,
}

impl<'a> Waiting<'a> {
    fn enter(counter: &'a AtomicUsize) -> Self {
        let others = counter.fetch_add(1, Ordering::Relaxed);
        Self { counter, others }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}
