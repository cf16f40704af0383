//! A job as a plain value.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// Where a job is in its life (UWS 1.1, section 2.1.3). HELD, SUSPENDED, UNKNOWN and ARCHIVED do not occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobPhase {
    /// Made, and not started.
    Pending,
    /// Started, and waiting for its turn.
    Queued,
    /// A czar runs it.
    Executing,
    /// Its result is there.
    Completed,
    /// It failed.
    Error,
    /// Its user, or its run time, ended it.
    Aborted,
}

impl JobPhase {
    /// All phases.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Queued, Self::Executing, Self::Completed, Self::Error, Self::Aborted];

    /// The name in UWS.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Queued => "QUEUED",
            Self::Executing => "EXECUTING",
            Self::Completed => "COMPLETED",
            Self::Error => "ERROR",
            Self::Aborted => "ABORTED",
        }
    }

    /// The phase of a name in UWS, in any letter case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name().eq_ignore_ascii_case(name))
    }

    /// Whether the phase can still change.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Queued | Self::Executing)
    }
}

/// An asynchronous query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name, unique for ever.
    pub id: String,
    /// Who made it; `None` where the service knows no users.
    pub owner: Option<String>,
    /// The user's own name for it.
    pub run_id: Option<String>,
    /// Where it is in its life.
    pub phase: JobPhase,
    /// The request's parameters in the order given.
    pub parameters: Vec<(String, String)>,
    /// Files that came with it and that its query reads; none when it has run.
    pub uploads: Vec<JobUpload>,
    /// Longest run time in seconds.
    pub run_time_s: u64,
    /// When it was made.
    pub created_unix_ms: i64,
    /// When it will be deleted.
    pub destruction_unix_ms: i64,
    /// When it was started by its user, and began to wait for its turn.
    pub queued_unix_ms: Option<i64>,
    /// When a czar began to run it, the last time if there were several.
    pub started_unix_ms: Option<i64>,
    /// When it ended.
    pub ended_unix_ms: Option<i64>,
    /// How often a czar began to run it.
    pub attempts: u64,
    /// How far it is.
    pub progress: JobProgress,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// Where its result is.
    pub result: Option<JobResult>,
}

impl Job {
    /// A new job in phase PENDING, without parameters.
    #[must_use]
    pub fn new(id: String, created_unix_ms: i64, run_time_s: u64, destruction_unix_ms: i64) -> Self {
        Self {
            id,
            owner: None,
            run_id: None,
            phase: JobPhase::Pending,
            parameters: Vec::new(),
            uploads: Vec::new(),
            run_time_s,
            created_unix_ms,
            destruction_unix_ms,
            queued_unix_ms: None,
            started_unix_ms: None,
            ended_unix_ms: None,
            attempts: 0,
            progress: JobProgress::default(),
            failure: None,
            result: None,
        }
    }

    /// What its parameters take, about.
    #[must_use]
    pub fn parameter_bytes(&self) -> u64 {
        self.parameters.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
    }
}

/// A file that came with a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobUpload {
    /// The name of its part in the request.
    pub part: String,
    /// The media type that its sender gave.
    pub media_type: Option<String>,
    /// Its path in the store of results.
    pub path: String,
    /// Its length.
    pub bytes: u64,
}

/// What the list of jobs shows of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSummary {
    /// See [`Job::id`].
    pub id: String,
    /// See [`Job::owner`].
    pub owner: Option<String>,
    /// See [`Job::run_id`].
    pub run_id: Option<String>,
    /// See [`Job::phase`].
    pub phase: JobPhase,
    /// See [`Job::created_unix_ms`].
    pub created_unix_ms: i64,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobProgress {
    /// Chunks that the query must read.
    pub chunks_total: u64,
    /// Chunks that are read.
    pub chunks_done: u64,
    /// Rows of the result so far.
    pub rows: u64,
    /// Bytes of the result in the store so far.
    pub stored_bytes: u64,
}

/// Why a job failed, as it is told to its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFailure {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// The message with its context.
    pub message: String,
}

impl From<&Error> for JobFailure {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}

/// Where a job's result is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobResult {
    /// The file's path in the store of results.
    pub path: String,
    /// The media type in which the job asked for it.
    pub media_type: String,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Jobs without an owner and, if this is set, this one's.
    pub owner: Option<String>,
    /// Only jobs in one of these phases; empty: in any.
    pub phases: Vec<JobPhase>,
    /// Only jobs made later than this.
    pub after_unix_ms: Option<i64>,
    /// Only jobs whose destruction time is later than this.
    pub alive_at_unix_ms: i64,
    /// Only the newest so many.
    pub last: Option<usize>,
}

/// Bounds on all jobs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLimits {
    /// Jobs, finished ones included.
    pub jobs: u64,
    /// Jobs of one owner, where owners are known.
    pub jobs_of_owner: Option<u64>,
    /// Bytes of their parameters.
    pub parameter_bytes: u64,
}
