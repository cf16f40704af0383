//! All jobs, and the tasks that run them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use qserv_core::clock::SharedClock;
use qserv_core::query::QueryService;
use qserv_core::{Error, Result};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::job::{Job, Phase};
use super::run::Runner;
use super::spool::Spool;
use crate::formats::Scratch;
use crate::moment;
use crate::parameters::Parameters;
use crate::settings::TapSettings;
use crate::upload::Uploads;

/// Parameters that steer a job and are no part of its question.
const CONTROLS: [&str; 5] = ["PHASE", "ACTION", "EXECUTIONDURATION", "DESTRUCTION", "WAIT"];

/// The jobs of a service. Dropping it ends all.
pub(crate) struct Jobs {
    runner: Arc<Runner>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    jobs: HashMap<String, Arc<Job>>,
    tasks: JoinSet<()>,
    is_swept: bool,
}

impl Jobs {
    /// No jobs yet.
    pub(crate) fn new(
        service: Arc<dyn QueryService>,
        settings: Arc<TapSettings>,
        clock: SharedClock,
        uploads: Arc<Uploads>,
        scratch: Scratch,
    ) -> Self {
        let spool = Spool::new(settings.scratch_dir.clone(), settings.max_spool_bytes);
        let running = Semaphore::new(settings.max_running_jobs.clamp(1, Semaphore::MAX_PERMITS));
        let runner = Runner { service, settings, clock, spool, uploads, scratch, running };
        Self { runner: Arc::new(runner), inner: Mutex::default() }
    }

    /// Creates a job, and starts it if `PHASE=RUN` is among the parameters.
    ///
    /// # Errors
    /// `Limit` if there are too many jobs, `Invalid` if a control makes no sense.
    pub(crate) fn create(self: &Arc<Self>, parameters: &Parameters) -> Result<Arc<Job>> {
        self.sweep();
        let settings = &self.runner.settings;
        let now = self.runner.clock.unix_ms();
        let id = uuid::Uuid::new_v4().simple().to_string();
        let job = Arc::new(Job::new(
            id.clone(),
            now,
            settings.default_run_time_s.min(settings.hard_run_time_s),
            after(now, settings.default_retention_s.min(settings.hard_retention_s)),
        ));
        // Before it is in the list, so that a request that makes no sense leaves no job behind.
        self.change(&job, parameters)?;
        let mut inner = self.lock();
        if inner.jobs.len() >= settings.max_jobs {
            return Err(Error::limit("there are too many jobs; delete some that are no longer needed")
                .with("limit", settings.max_jobs));
        }
        inner.jobs.insert(id, job.clone());
        self.keep_sweeping(&mut inner);
        drop(inner);
        if let Err(error) = self.steer(&job, parameters) {
            self.delete(&job);
            return Err(error);
        }
        Ok(job)
    }

    /// The job of this name.
    ///
    /// # Errors
    /// `NotFound` if there is none, or its destruction time has come.
    pub(crate) fn get(&self, id: &str) -> Result<Arc<Job>> {
        self.sweep();
        self.lock()
            .jobs
            .get(id)
            .cloned()
            .ok_or_else(|| Error::not_found("there is no such job; it may have been destroyed"))
    }

    /// All jobs, the oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<Job>> {
        self.sweep();
        let mut jobs: Vec<_> = self.lock().jobs.values().cloned().collect();
        jobs.sort_by(|a, b| (a.created_unix_ms, &a.id).cmp(&(b.created_unix_ms, &b.id)));
        jobs
    }

    /// Does what a POST to a job asks: changes parameters, run time and destruction time, then starts or aborts it.
    ///
    /// # Errors
    /// `Invalid` if a value makes no sense, `Conflict` if the job's phase forbids it.
    pub(crate) fn update(&self, job: &Arc<Job>, parameters: &Parameters) -> Result<()> {
        self.change(job, parameters)?;
        self.steer(job, parameters)
    }

    /// Ends a job and forgets it and its result.
    pub(crate) fn delete(&self, job: &Job) {
        job.abort(None, self.runner.clock.unix_ms());
        self.lock().jobs.remove(&job.id);
    }

    fn change(&self, job: &Job, parameters: &Parameters) -> Result<()> {
        let settings = &self.runner.settings;
        let run_time_s = match parameters.one("EXECUTIONDURATION")? {
            None => None,
            Some(text) => {
                let asked: u64 = text.parse().map_err(|_| {
                    Error::invalid(format!("EXECUTIONDURATION must be a number of seconds, not \"{text}\""))
                })?;
                // Zero asks for no bound, which is as much as there is.
                Some(if asked == 0 { settings.hard_run_time_s } else { asked.min(settings.hard_run_time_s) })
            }
        };
        let destruction = match parameters.one("DESTRUCTION")? {
            None => None,
            Some(text) => {
                let asked = moment::parse_time(text)
                    .ok_or_else(|| Error::invalid(format!("DESTRUCTION must be an ISO 8601 time, not \"{text}\"")))?;
                Some(asked.min(after(job.created_unix_ms, settings.hard_retention_s)))
            }
        };
        let is_question = |(name, _): &(&str, &str)| !CONTROLS.contains(name);
        let question: Vec<_> =
            parameters.iter().filter(is_question).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.check_room(job, &question)?;
        job.set(|state| {
            if state.phase != Phase::Pending && (run_time_s.is_some() || !question.is_empty()) {
                return Err(Error::conflict("a job's parameters can be changed in phase PENDING only")
                    .with("phase", state.phase.name()));
            }
            let kept = Arc::make_mut(&mut state.parameters);
            kept.replace(question);
            kept.add_files_of(parameters);
            state.run_time_s = run_time_s.unwrap_or(state.run_time_s);
            state.destruction_unix_ms = destruction.unwrap_or(state.destruction_unix_ms);
            Ok(())
        })
    }

    /// Refuses parameters that would let all jobs together take more memory than they may.
    fn check_room(&self, job: &Job, parameters: &[(String, String)]) -> Result<()> {
        let limit = self.runner.settings.max_jobs_bytes;
        let wanted: usize = parameters.iter().map(|(name, value)| name.len() + value.len()).sum();
        let others: Vec<_> = self.lock().jobs.values().filter(|other| other.id != job.id).cloned().collect();
        let used: usize = others.iter().map(|other| other.state().parameters.bytes()).sum();
        if used.saturating_add(wanted) > limit {
            return Err(Error::limit(
                "there are too many long queries among the jobs; delete some that are no longer needed",
            )
            .with("limit_bytes", limit));
        }
        Ok(())
    }

    fn steer(&self, job: &Arc<Job>, parameters: &Parameters) -> Result<()> {
        match parameters.one("PHASE")? {
            None => Ok(()),
            Some(phase) if phase.eq_ignore_ascii_case("RUN") => self.start(job),
            Some(phase) if phase.eq_ignore_ascii_case("ABORT") => {
                job.abort(None, self.runner.clock.unix_ms());
                Ok(())
            }
            Some(phase) => Err(Error::invalid(format!("PHASE can be set to RUN or ABORT, not \"{phase}\""))),
        }
    }

    fn start(&self, job: &Arc<Job>) -> Result<()> {
        job.queue()?;
        let (runner, running) = (self.runner.clone(), job.clone());
        let mut inner = self.lock();
        while inner.tasks.try_join_next().is_some() {}
        let task = inner.tasks.spawn(async move { runner.run(&running).await });
        job.runs_in(task);
        Ok(())
    }

    /// Forgets the jobs whose destruction time has come.
    fn sweep(&self) {
        let now = self.runner.clock.unix_ms();
        let mut expired = Vec::new();
        self.lock().jobs.retain(|_, job| {
            let lives = job.set(|state| Ok(state.destruction_unix_ms > now)).unwrap_or(true);
            if !lives {
                expired.push(job.clone());
            }
            lives
        });
        for job in expired {
            job.abort(None, now);
        }
    }

    /// Starts the task that sweeps when nobody asks, once there is something to sweep. It ends with the jobs.
    fn keep_sweeping(self: &Arc<Self>, inner: &mut Inner) {
        if std::mem::replace(&mut inner.is_swept, true) {
            return;
        }
        let interval = Duration::from_secs(self.runner.settings.sweep_interval_s.max(1));
        let jobs: Weak<Self> = Arc::downgrade(self);
        inner.tasks.spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(jobs) = jobs.upgrade() else { return };
                jobs.sweep();
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment so many seconds later.
fn after(unix_ms: i64, seconds: u64) -> i64 {
    unix_ms.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000))
}
