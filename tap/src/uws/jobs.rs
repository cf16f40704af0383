//! All jobs, as requests see them: rows of the catalog, and beside them what runs in this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use qserv_core::catalog::{Catalog, Job, JobFilter, JobLimits, JobPhase, JobProgress, JobSummary, JobUpload};
use qserv_core::clock::SharedClock;
use qserv_core::query::{QueryProgress, QueryService};
use qserv_core::{Error, ErrorKind, Result};
use tokio::sync::{Notify, broadcast};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::request::{JobRequest, Step, after};
use crate::client::Client;
use crate::formats::Scratch;
use crate::metrics::Metrics;
use crate::results::Store;
use crate::settings::TapSettings;
use crate::upload::{SpooledFile, Uploads};

/// How often a waiting request looks for changes that other czars made.
const LOOK: Duration = Duration::from_secs(1);

/// Changes that a waiting request may be behind before it looks for itself.
const CHANGES: usize = 1_024;

/// What jobs are made of; all of it comes from outside.
pub(crate) struct Parts {
    pub(crate) service: Arc<dyn QueryService>,
    pub(crate) catalog: Catalog,
    pub(crate) store: Arc<Store>,
    pub(crate) uploads: Arc<Uploads>,
    /// Where rows are put aside while a result is encoded.
    pub(crate) scratch: Scratch,
    pub(crate) settings: Arc<TapSettings>,
    pub(crate) clock: SharedClock,
    pub(crate) stopping: CancellationToken,
    pub(crate) metrics: Arc<Metrics>,
}

/// The jobs of a service.
pub(crate) struct Jobs {
    pub(super) service: Arc<dyn QueryService>,
    pub(super) settings: Arc<TapSettings>,
    pub(super) clock: SharedClock,
    pub(super) catalog: Catalog,
    pub(super) store: Arc<Store>,
    pub(super) uploads: Arc<Uploads>,
    pub(super) scratch: Scratch,
    /// This process's name in leases.
    pub(super) runner: String,
    /// What runs in this process.
    pub(super) running: Mutex<HashMap<String, Running>>,
    /// There may be something to run.
    pub(super) wake: Notify,
    /// The names of jobs whose phase changed here.
    pub(super) changes: broadcast::Sender<String>,
    /// No further jobs are started, and nobody waits any more.
    pub(super) stopping: CancellationToken,
    pub(super) metrics: Arc<Metrics>,
    /// Those who encode a result into the store, so that no result is encoded twice at once.
    pub(super) encoding: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// A job that runs in this process. Ending the task cancels the query.
pub(super) struct Running {
    pub(super) task: AbortHandle,
    pub(super) counters: Arc<Counters>,
}

/// How far a job that runs in this process is.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Those of the query.
    pub(super) query: Arc<QueryProgress>,
    pub(super) rows: Arc<AtomicU64>,
    pub(super) stored_bytes: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> JobProgress {
        JobProgress {
            chunks_total: self.query.chunks_total.load(Ordering::Relaxed),
            chunks_done: self.query.chunks_done.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            stored_bytes: self.stored_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Jobs {
    /// The jobs of a catalog.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { service, catalog, store, uploads, scratch, settings, clock, stopping, metrics } = parts;
        Self {
            service,
            settings,
            clock,
            catalog,
            store,
            uploads,
            scratch,
            runner: uuid::Uuid::new_v4().simple().to_string(),
            running: Mutex::default(),
            wake: Notify::new(),
            changes: broadcast::Sender::new(CHANGES),
            stopping,
            metrics,
            encoding: Mutex::default(),
        }
    }

    /// Creates a job, and starts it if `PHASE=RUN` is among the parameters.
    ///
    /// # Errors
    /// `Limit` if there are too many jobs, `Conflict` if what is asked cannot be asked of a new job.
    pub(super) async fn create(&self, client: &Client, request: JobRequest) -> Result<Job> {
        let settings = &self.settings;
        let now = self.clock.unix_ms();
        let mut job = Job::new(
            uuid::Uuid::new_v4().simple().to_string(),
            now,
            settings.default_run_time_s.min(settings.hard_run_time_s),
            after(now, settings.default_retention_s.min(settings.hard_retention_s)),
        );
        job.owner.clone_from(&client.owner);
        if request.files.is_empty() {
            request.apply(&mut job, settings, now)?;
            self.catalog.add_job(&job, &self.limits()).await?;
            self.changed(&job.id);
            return Ok(job);
        }
        // The row comes before the files, so that no sweep takes them for nobody's; and the job waits for its turn when all is there.
        let (first, later) = request.split();
        first.apply(&mut job, settings, now)?;
        self.catalog.add_job(&job, &self.limits()).await?;
        if let Err(error) = self.update(&job, later).await {
            self.delete(&job.id).await?;
            return Err(error);
        }
        Ok(job)
    }

    /// The job of this name.
    ///
    /// # Errors
    /// `NotFound` if there is none, or its destruction time has come; `Denied` if it is another user's.
    pub(super) async fn get(&self, client: &Client, id: &str) -> Result<Job> {
        let now = self.clock.unix_ms();
        let job = self.catalog.job(id).await?.filter(|job| job.destruction_unix_ms > now).ok_or_else(no_such_job)?;
        if job.owner.is_some() && job.owner != client.owner {
            return Err(Error::new(ErrorKind::Denied, "the job is another user's"));
        }
        Ok(self.with_counters(job))
    }

    /// The jobs that pass a filter, the oldest first.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub(super) async fn list(&self, client: &Client, filter: JobFilter) -> Result<Vec<JobSummary>> {
        let alive_at_unix_ms = self.clock.unix_ms();
        self.catalog.list_jobs(&JobFilter { owner: client.owner.clone(), alive_at_unix_ms, ..filter }).await
    }

    /// Does what a POST to a job asks: changes parameters, run time and destruction time, then starts or aborts it.
    ///
    /// # Errors
    /// `Conflict` if the job's phase forbids it, `Limit` if its parameters take too much room.
    pub(super) async fn update(&self, job: &Job, request: JobRequest) -> Result<()> {
        let (now, settings, step) = (self.clock.unix_ms(), Arc::clone(&self.settings), request.step);
        let kept = self.keep(job, &request.files).await?;
        let uploads = kept.clone();
        let change = move |job: &mut Job| {
            request.apply(job, &settings, now)?;
            job.uploads.extend(uploads);
            Ok(())
        };
        let changed = self.catalog.change_job(&job.id, &self.limits(), change).await;
        if let Err(error) = changed.and_then(|job| job.ok_or_else(no_such_job)) {
            self.delete_uploads(&kept).await;
            return Err(error);
        }
        if step == Some(Step::Abort) {
            self.end_task(&job.id);
            self.delete_uploads(&job.uploads).await;
        }
        if step.is_some() {
            self.changed(&job.id);
        }
        Ok(())
    }

    /// Puts files that came with a request where every czar finds them, until the job has run.
    async fn keep(&self, job: &Job, files: &[(String, Arc<SpooledFile>)]) -> Result<Vec<JobUpload>> {
        let mut kept = Vec::with_capacity(files.len());
        for (part, file) in files {
            let path = format!("{}/{}.upload", job.id, uuid::Uuid::new_v4().simple());
            let (bytes, media_type) = (file.bytes(), file.media_type().map(str::to_owned));
            self.look_at_room().await?;
            if let Err(error) = self.store.adopt(file.path(), bytes, &path).await {
                self.delete_uploads(&kept).await;
                return Err(error);
            }
            kept.push(JobUpload { part: part.clone(), media_type, path, bytes });
        }
        Ok(kept)
    }

    pub(super) async fn delete_uploads(&self, uploads: &[JobUpload]) {
        for upload in uploads {
            self.store.delete(&upload.path).await;
        }
    }

    /// Ends a job and forgets it and its files.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer. Files that cannot be deleted now are swept later.
    pub(super) async fn delete(&self, id: &str) -> Result<()> {
        self.catalog.remove_job(id).await?;
        self.end_task(id);
        self.changed(id);
        if let Err(error) = self.store.delete_job(id).await {
            tracing::warn!(job = id, error = %error.to_log(), "files of a deleted job are still there");
        }
        Ok(())
    }

    /// Returns the job when its phase is another than it was, or when the time is up, or the service stops.
    ///
    /// # Errors
    /// As [`Jobs::get`].
    pub(super) async fn wait(&self, client: &Client, job: Job, patience: Duration) -> Result<Job> {
        let deadline = Instant::now() + patience;
        // Before the look, so that no change falls between.
        let mut changes = self.changes.subscribe();
        loop {
            let now = self.get(client, &job.id).await?;
            if now.phase != job.phase || Instant::now() >= deadline || self.stopping.is_cancelled() {
                return Ok(now);
            }
            let look = tokio::time::sleep_until(deadline.min(Instant::now() + LOOK));
            tokio::pin!(look);
            loop {
                tokio::select! {
                    () = &mut look => break,
                    () = self.stopping.cancelled() => break,
                    changed = changes.recv() => match changed {
                        Ok(changed) if changed != job.id => {}
                        // Some changes were missed, or this one is it.
                        _ => break,
                    },
                }
            }
        }
    }

    /// How many jobs of the catalog are in each phase that some are in.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub(crate) async fn count(&self) -> Result<Vec<(JobPhase, u64)>> {
        self.catalog.count_jobs().await
    }

    pub(super) fn limits(&self) -> JobLimits {
        let settings = &self.settings;
        JobLimits {
            jobs: settings.max_jobs as u64,
            jobs_of_owner: settings.max_jobs_per_owner.map(|limit| limit as u64),
            parameter_bytes: settings.max_jobs_bytes as u64,
        }
    }

    /// A job's phase changed: those who wait for it look, and the one who runs jobs too.
    pub(super) fn changed(&self, id: &str) {
        self.wake.notify_one();
        // Without a receiver nobody waits.
        let _ = self.changes.send(id.to_owned());
    }

    /// Ends the work on a job if it is done here. Another czar finds out when it looks.
    pub(super) fn end_task(&self, id: &str) {
        if let Some(running) = self.running().remove(id) {
            running.task.abort();
        }
    }

    pub(super) fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job with the newest counters, if it runs here; the row has those of the last renewal.
    fn with_counters(&self, mut job: Job) -> Job {
        if job.phase == JobPhase::Executing
            && let Some(running) = self.running().get(&job.id)
        {
            job.progress = running.counters.read();
        }
        job
    }
}

fn no_such_job() -> Error {
    Error::not_found("there is no such job; it may have been destroyed")
}
