//! What a POST to a job, or to the list of jobs, asks.

use std::sync::Arc;

use qserv_core::catalog::{Job, JobPhase};
use qserv_core::{Error, Result};

use crate::moment;
use crate::parameters::Parameters;
use crate::settings::TapSettings;
use crate::upload::SpooledFile;

/// Parameters that steer a job and are no part of its question.
const CONTROLS: [&str; 5] = ["PHASE", "ACTION", "EXECUTIONDURATION", "DESTRUCTION", "WAIT"];

/// A step in a job's life that its user can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Run,
    Abort,
}

/// A request, read.
#[derive(Debug)]
pub(super) struct JobRequest {
    /// Parameters of the query to set.
    question: Vec<(String, String)>,
    /// Run time in seconds; zero asks for no bound.
    run_time_s: Option<u64>,
    destruction_unix_ms: Option<i64>,
    /// Files by the names of their parts.
    pub(super) files: Vec<(String, Arc<SpooledFile>)>,
    pub(super) step: Option<Step>,
    pub(super) delete: bool,
}

impl JobRequest {
    /// Reads the parameters of a request.
    ///
    /// # Errors
    /// `Invalid` if a control makes no sense.
    pub(super) fn read(parameters: &Parameters) -> Result<Self> {
        let run_time_s = parameters.one("EXECUTIONDURATION")?.map(|text| {
            text.parse()
                .map_err(|_| Error::invalid(format!("EXECUTIONDURATION must be a number of seconds, not \"{text}\"")))
        });
        let destruction_unix_ms = parameters.one("DESTRUCTION")?.map(|text| {
            moment::parse_time(text)
                .ok_or_else(|| Error::invalid(format!("DESTRUCTION must be an ISO 8601 time, not \"{text}\"")))
        });
        let step = match parameters.one("PHASE")? {
            None => None,
            Some(phase) if phase.eq_ignore_ascii_case("RUN") => Some(Step::Run),
            Some(phase) if phase.eq_ignore_ascii_case("ABORT") => Some(Step::Abort),
            Some(phase) => return Err(Error::invalid(format!("PHASE can be set to RUN or ABORT, not \"{phase}\""))),
        };
        let delete = match parameters.one("ACTION")? {
            None => false,
            Some(action) if action.eq_ignore_ascii_case("DELETE") => true,
            Some(action) => return Err(Error::invalid(format!("ACTION can be DELETE, not \"{action}\""))),
        };
        let question = parameters.iter().filter(|(name, _)| !CONTROLS.contains(name));
        Ok(Self {
            question: question.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            run_time_s: run_time_s.transpose()?,
            destruction_unix_ms: destruction_unix_ms.transpose()?,
            files: parameters.files().to_vec(),
            step,
            delete,
        })
    }

    /// What makes a job, and what can only be done to one that is there: adding its files, and starting it.
    pub(super) fn split(self) -> (Self, Self) {
        let later = Self {
            question: Vec::new(),
            run_time_s: None,
            destruction_unix_ms: None,
            files: self.files,
            step: self.step,
            delete: false,
        };
        (Self { files: Vec::new(), step: None, ..self }, later)
    }

    /// Changes a job as asked. Its files are the caller's to keep.
    ///
    /// # Errors
    /// `Conflict` if the job's phase forbids it.
    pub(super) fn apply(self, job: &mut Job, settings: &TapSettings, now_unix_ms: i64) -> Result<()> {
        let sets = self.run_time_s.is_some() || !self.question.is_empty() || !self.files.is_empty();
        if job.phase != JobPhase::Pending && sets {
            return Err(Error::conflict("a job's parameters can be changed in phase PENDING only")
                .with("phase", job.phase.name()));
        }
        // New values take the place of all older ones of their name; UPLOAD adds to what is there, as TAP wants it.
        job.parameters
            .retain(|(name, _)| name == "UPLOAD" || !self.question.iter().any(|(replaced, _)| replaced == name));
        job.parameters.extend(self.question);
        job.run_id = job.parameters.iter().rev().find(|(name, _)| name == "RUNID").map(|(_, value)| value.clone());
        if let Some(asked) = self.run_time_s {
            let hard = settings.hard_run_time_s;
            job.run_time_s = if asked == 0 { hard } else { asked.min(hard) };
        }
        if let Some(asked) = self.destruction_unix_ms {
            job.destruction_unix_ms = asked.min(after(job.created_unix_ms, settings.hard_retention_s));
        }
        match self.step {
            None => {}
            Some(Step::Run) if job.phase != JobPhase::Pending => {
                return Err(
                    Error::conflict("only a job in phase PENDING can be started").with("phase", job.phase.name())
                );
            }
            Some(Step::Run) => {
                job.phase = JobPhase::Queued;
                job.queued_unix_ms = Some(now_unix_ms);
            }
            Some(Step::Abort) if job.phase.is_active() => {
                job.phase = JobPhase::Aborted;
                job.ended_unix_ms = Some(now_unix_ms);
                job.uploads.clear();
            }
            // To end what has ended does no harm.
            Some(Step::Abort) => {}
        }
        Ok(())
    }
}

/// A moment so many seconds later.
pub(super) fn after(unix_ms: i64, seconds: u64) -> i64 {
    unix_ms.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000))
}
