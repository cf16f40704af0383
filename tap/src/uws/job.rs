//! One job: its phase, its times, its result.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use qserv_core::query::QueryProgress;
use qserv_core::{Error, ErrorKind, Result};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::spool::SpooledResult;
use crate::parameters::Parameters;

/// Where a job is in its life (UWS 1.1, section 2.1.3). HELD, SUSPENDED, UNKNOWN and ARCHIVED do not occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Pending,
    Queued,
    Executing,
    Completed,
    Error,
    Aborted,
}

impl Phase {
    /// The name in UWS.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Queued => "QUEUED",
            Self::Executing => "EXECUTING",
            Self::Completed => "COMPLETED",
            Self::Error => "ERROR",
            Self::Aborted => "ABORTED",
        }
    }

    /// Whether the phase can still change.
    pub(crate) fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Queued | Self::Executing)
    }
}

/// Why a job failed, as it was told to the user.
#[derive(Debug, Clone)]
pub(crate) struct JobFailure {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

impl From<&Error> for JobFailure {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}

/// A job. Shared by the list of jobs, the task that runs it and the requests that watch it.
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) created_unix_ms: i64,
    state: Mutex<JobState>,
    /// The phase once more, for those who wait for it to change.
    phase: watch::Sender<Phase>,
}

/// What of a job changes.
#[derive(Clone)]
pub(crate) struct JobState {
    pub(crate) phase: Phase,
    pub(crate) parameters: Arc<Parameters>,
    /// Longest run time in seconds.
    pub(crate) run_time_s: u64,
    pub(crate) destruction_unix_ms: i64,
    pub(crate) started_unix_ms: Option<i64>,
    pub(crate) ended_unix_ms: Option<i64>,
    pub(crate) progress: Option<Arc<QueryProgress>>,
    pub(crate) failure: Option<JobFailure>,
    pub(crate) result: Option<Arc<SpooledResult>>,
    task: Option<AbortHandle>,
}

impl Job {
    /// A job in phase PENDING, without parameters.
    pub(crate) fn new(id: String, created_unix_ms: i64, run_time_s: u64, destruction_unix_ms: i64) -> Self {
        let state = JobState {
            phase: Phase::Pending,
            parameters: Arc::default(),
            run_time_s,
            destruction_unix_ms,
            started_unix_ms: None,
            ended_unix_ms: None,
            progress: None,
            failure: None,
            result: None,
            task: None,
        };
        Self { id, created_unix_ms, state: Mutex::new(state), phase: watch::Sender::new(Phase::Pending) }
    }

    /// The job's state now.
    pub(crate) fn state(&self) -> JobState {
        self.lock().clone()
    }

    /// Changes parameters, run time or destruction time.
    pub(crate) fn set<T>(&self, change: impl FnOnce(&mut JobState) -> Result<T>) -> Result<T> {
        change(&mut self.lock())
    }

    /// PENDING → QUEUED.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if the job was started before.
    pub(crate) fn queue(&self) -> Result<()> {
        let mut state = self.lock();
        if state.phase != Phase::Pending {
            return Err(Error::conflict("only a job in phase PENDING can be started").with("phase", state.phase.name()));
        }
        self.enter(&mut state, Phase::Queued);
        Ok(())
    }

    /// Remembers the task that runs the job, and ends it at once if the job was aborted meanwhile.
    pub(crate) fn runs_in(&self, task: AbortHandle) {
        let mut state = self.lock();
        if state.phase.is_active() { state.task = Some(task) } else { task.abort() }
    }

    /// QUEUED → EXECUTING; false if the job was aborted meanwhile.
    pub(crate) fn begin(&self, now_unix_ms: i64) -> bool {
        let mut state = self.lock();
        if state.phase != Phase::Queued {
            return false;
        }
        state.started_unix_ms = Some(now_unix_ms);
        self.enter(&mut state, Phase::Executing);
        true
    }

    /// Makes the query's counters visible.
    pub(crate) fn watch_progress(&self, progress: Arc<QueryProgress>) {
        self.lock().progress = Some(progress);
    }

    /// EXECUTING → COMPLETED or ERROR. The result of a job that was aborted meanwhile is dropped, and its file with it.
    pub(crate) fn finish(&self, outcome: Result<SpooledResult>, now_unix_ms: i64) {
        let mut state = self.lock();
        if !state.phase.is_active() {
            return;
        }
        state.task = None;
        state.ended_unix_ms = Some(now_unix_ms);
        match outcome {
            Ok(result) => {
                state.result = Some(Arc::new(result));
                self.enter(&mut state, Phase::Completed);
            }
            Err(error) => {
                state.failure = Some(JobFailure::from(&error));
                self.enter(&mut state, Phase::Error);
            }
        }
    }

    /// Any active phase → ABORTED, with the reason if it was not the user; a job that has ended stays as it is. The query is
    /// cancelled when its task is dropped.
    pub(crate) fn abort(&self, reason: Option<&Error>, now_unix_ms: i64) {
        let mut state = self.lock();
        if !state.phase.is_active() {
            return;
        }
        if let Some(task) = state.task.take() {
            task.abort();
        }
        state.ended_unix_ms = Some(now_unix_ms);
        state.failure = reason.map(JobFailure::from);
        self.enter(&mut state, Phase::Aborted);
    }

    /// Returns when the phase is another than `phase`; at once if it is so already.
    pub(crate) async fn phase_other_than(&self, phase: Phase) {
        let mut watched = self.phase.subscribe();
        // The sender is our own: it cannot be closed while we wait.
        let _ = watched.wait_for(|now| *now != phase).await;
    }

    fn enter(&self, state: &mut JobState, phase: Phase) {
        state.phase = phase;
        self.phase.send_replace(phase);
    }

    fn lock(&self) -> MutexGuard<'_, JobState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
