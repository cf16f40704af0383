//! Running jobs: claimed from the catalog, answered into the store, swept when their time has come.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use qserv_core::catalog::{Job, JobFailure, JobOutcome, JobProgress, JobResult, JobUpload};
use qserv_core::query::{QueryRequest, QueryResult};
use qserv_core::{Error, Result};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::Instrument;

use super::jobs::{Counters, Jobs, Running};
use crate::account::Account;
use crate::formats::Header;
use crate::parameters::Parameters;
use crate::results::{ArrowFileWriter, Room, Summary};
use crate::upload::SpooledFile;

/// How often a czar looks whether its jobs are still wanted and whether others wait: an ABORT that another czar was sent ends the
/// work within this time.
const LOOK: Duration = Duration::from_millis(500);

/// How often leases are renewed: a few times in each.
const RENEWAL: Duration = Duration::from_secs(3);

/// For how long a lease runs. After it, others take the czar for dead and its jobs for lost.
const LEASE_MS: i64 = 15_000;

/// Jobs that one sweep deletes; the next one deletes more.
const SWEPT_AT_ONCE: u32 = 1_000;

/// Attempts to tell the catalog how a job ended, a look apart.
const ENDING_ATTEMPTS: u32 = 10;

impl Jobs {
    /// Runs jobs until the service stops and none is left here. Dropping this future cancels what runs; [`Jobs::release`] then gives
    /// it back to the queue. `is_alone` says that no other czar uses the catalog, so that whatever is said to run was lost.
    pub(crate) async fn run(self: Arc<Self>, is_alone: bool) {
        if is_alone {
            self.look_for_lost(i64::MAX).await;
        }
        let mut tasks = JoinSet::new();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweep = interval(Duration::from_secs(self.settings.sweep_interval_s.max(1)));
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renewed = Instant::now();
        loop {
            let is_stopping = self.stopping.is_cancelled();
            if !is_stopping {
                self.start_waiting(&mut tasks).await;
            } else if tasks.is_empty() {
                return;
            }
            tokio::select! {
                () = self.wake.notified(), if !is_stopping => {}
                () = self.stopping.cancelled(), if !is_stopping => {}
                Some(_) = tasks.join_next() => {}
                _ = look.tick() => {
                    self.look_after_running(&mut renewed).await;
                }
                _ = sweep.tick() => self.sweep().await,
            }
        }
    }

    /// Gives what this czar runs back to the queue: another, or the next one over this catalog, runs it from the start.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer; the leases run out then.
    pub(crate) async fn release(&self) -> Result<u64> {
        for (_, running) in self.running().drain() {
            running.task.abort();
        }
        self.catalog.release_jobs(&self.runner).await
    }

    /// Starts jobs that wait, as many as may run.
    async fn start_waiting(self: &Arc<Self>, tasks: &mut JoinSet<()>) {
        while tasks.try_join_next().is_some() {}
        while tasks.len() < self.settings.max_running_jobs.max(1) {
            let now = self.clock.unix_ms();
            let claimed = self.catalog.claim_job(&self.runner, now, now.saturating_add(LEASE_MS)).await;
            let job = match claimed {
                Ok(Some(job)) => job,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(error = %error.to_log(), "the catalog does not tell which jobs wait");
                    return;
                }
            };
            self.changed(&job.id);
            let (jobs, counters, id) = (Arc::clone(self), Arc::<Counters>::default(), job.id.clone());
            let mut running = self.running();
            let counted = Arc::clone(&counters);
            let task = tasks.spawn(async move { jobs.work(job, &counted).await });
            running.insert(id, Running { task, counters });
        }
    }

    /// Ends the work on jobs that are no longer this czar's, renews leases in their time, and takes back jobs whose czar died.
    async fn look_after_running(&self, renewed: &mut Instant) {
        let here: Vec<String> = self.running().keys().cloned().collect();
        if !here.is_empty() {
            match self.catalog.executing_jobs(&self.runner).await {
                Ok(ours) => here.iter().filter(|id| !ours.contains(id)).for_each(|id| self.end_task(id)),
                Err(error) => {
                    tracing::warn!(error = %error.to_log(), "the catalog does not tell which jobs are wanted")
                }
            }
        }
        if renewed.elapsed() < RENEWAL {
            return;
        }
        *renewed = Instant::now();
        let now = self.clock.unix_ms();
        let counted: Vec<(String, JobProgress)> =
            self.running().iter().map(|(id, running)| (id.clone(), running.counters.read())).collect();
        if !counted.is_empty()
            && let Err(error) = self.catalog.renew_jobs(&self.runner, now.saturating_add(LEASE_MS), &counted).await
        {
            tracing::warn!(error = %error.to_log(), "leases of jobs cannot be renewed");
            return;
        }
        self.look_for_lost(now).await;
    }

    /// Takes back jobs whose lease ran out before this moment.
    async fn look_for_lost(&self, lease_unix_ms: i64) {
        let most = self.settings.max_job_attempts.max(1);
        match self.catalog.requeue_lost_jobs(lease_unix_ms, most, self.clock.unix_ms()).await {
            Ok(lost) if lost.queued + lost.failed > 0 => {
                tracing::warn!(queued = lost.queued, failed = lost.failed, "jobs lost the server that ran them");
                self.wake.notify_one();
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %error.to_log(), "the catalog does not tell which jobs are lost"),
        }
    }

    /// Runs one job to its end.
    async fn work(&self, job: Job, counters: &Counters) {
        let text = job.parameters.iter().find(|(name, _)| name == "QUERY").map_or("", |(_, text)| text);
        let mut account = Account::begin(job.id.clone(), "async", job.owner.as_deref(), text, &self.metrics);
        // If this is dropped, someone ended the job.
        account.cancelled();
        let span = account.span();
        let path = format!("{}/{}.arrow", job.id, job.attempts);
        let answer = tokio::time::timeout(Duration::from_secs(job.run_time_s), self.answer(&job, &path, counters));
        let answered = answer.instrument(span).await;
        // Counts as being written until the catalog knows it.
        let mut _room = None;
        let outcome = match answered {
            Ok(Ok((result, room))) => {
                account.succeeded();
                _room = Some(room);
                JobOutcome::Completed(result)
            }
            Ok(Err(error)) => {
                account.failed(&error);
                crate::error::log(&error);
                JobOutcome::Failed(JobFailure::from(&error))
            }
            Err(_) => {
                let error = Error::limit("the query ran for longer than its execution duration allows")
                    .with("execution_duration_s", job.run_time_s);
                account.failed(&error);
                JobOutcome::Aborted(JobFailure::from(&error))
            }
        };
        let mut progress = counters.read();
        account.add_rows_and_bytes(progress.rows, progress.stored_bytes);
        match &outcome {
            JobOutcome::Completed(_) => progress.chunks_done = progress.chunks_total,
            _ => progress.stored_bytes = 0,
        }
        let is_ours = self.tell_end(&job, &outcome, &progress).await;
        self.running().remove(&job.id);
        if is_ours {
            self.delete_uploads(&job.uploads).await;
        }
        if !is_ours || !matches!(outcome, JobOutcome::Completed(_)) {
            self.store.delete(&path).await;
        }
        self.changed(&job.id);
    }

    /// Tells the catalog how a job ended; false if it is no longer ours, or the catalog cannot be told: then the lease runs out, and
    /// the job is run again.
    async fn tell_end(&self, job: &Job, outcome: &JobOutcome, progress: &JobProgress) -> bool {
        for _ in 0..ENDING_ATTEMPTS {
            let now = self.clock.unix_ms();
            match self.catalog.finish_job(&job.id, &self.runner, outcome, progress, now).await {
                Ok(is_ours) => return is_ours,
                Err(error) => {
                    tracing::warn!(job = job.id, error = %error.to_log(), "the catalog does not take the end of a job");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
        false
    }

    /// Answers a job's question into a file.
    async fn answer(&self, job: &Job, path: &str, counters: &Counters) -> Result<(JobResult, Room)> {
        let kept = |upload: &JobUpload| {
            let file = SpooledFile::kept(self.store.file(&upload.path), upload.media_type.clone());
            (upload.part.clone(), Arc::new(file))
        };
        let files = job.uploads.iter().map(kept).collect();
        let parameters = Parameters::from_stored(job.parameters.clone(), files);
        let question = self.question(job, &parameters)?;
        let uploads = self.uploads.of(&parameters).await?;
        self.look_at_room().await?;
        let request = QueryRequest { progress: Arc::clone(&counters.query), ..question.request(uploads) };
        let QueryResult { schema, mut batches, warnings, overflow, .. } = self.service.query(request).await?;
        if question.max_rows == Some(0) {
            // Metadata only: the query need not run.
            batches = futures::stream::empty().boxed();
        }
        // A format that cannot hold these columns is refused now, not when the result is fetched.
        question.output.format.writer(&schema, Header::default(), &self.scratch)?;
        let mut encoder = ArrowFileWriter::new(&schema)?;
        let mut file = self.store.create(path);
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            counters.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            encoder.write(batch)?;
            if let Some(chunk) = encoder.chunk() {
                self.store.write(&mut file, chunk).await?;
                counters.stored_bytes.store(file.bytes(), Ordering::Relaxed);
            }
        }
        // Lets go of the query before the file is closed.
        drop(batches);
        let overflow = overflow.load(Ordering::Acquire) || question.max_rows == Some(0);
        self.store.write(&mut file, encoder.finish(&Summary { overflow, warnings })?).await?;
        counters.stored_bytes.store(file.bytes(), Ordering::Relaxed);
        let room = self.store.finish(file).await?;
        Ok((JobResult { path: path.to_owned(), media_type: question.output.content_type.to_owned() }, room))
    }

    /// Tells the store how much others keep there.
    pub(super) async fn look_at_room(&self) -> Result<()> {
        self.store.set_kept_bytes(self.catalog.stored_bytes_of_jobs(&self.runner).await?);
        Ok(())
    }

    /// Forgets the jobs whose destruction time has come, and deletes files that no job has.
    pub(super) async fn sweep(&self) {
        if let Err(error) = self.try_sweep().await {
            tracing::warn!(error = %error.to_log(), "jobs cannot be swept");
        }
    }

    async fn try_sweep(&self) -> Result<()> {
        for id in self.catalog.expired_jobs(self.clock.unix_ms(), SWEPT_AT_ONCE).await? {
            self.delete(&id).await?;
        }
        // A job has its row before it has files, so files without a row belong to none.
        for id in self.store.jobs().await? {
            if self.catalog.job(&id).await?.is_none() {
                tracing::debug!(job = id, "deleting files that no job has");
                self.store.delete_job(&id).await?;
            }
        }
        self.look_at_room().await
    }
}
