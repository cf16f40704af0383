//! Running one job: its question is answered into a file.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use qserv_core::clock::SharedClock;
use qserv_core::query::QueryService;
use qserv_core::{Error, Result};
use tokio::sync::Semaphore;

use super::job::Job;
use super::spool::{Spool, SpooledResult};
use crate::formats::Scratch;
use crate::question::Question;
use crate::settings::TapSettings;
use crate::stream::{EncodedResult, OnFailure};
use crate::upload::Uploads;

/// What a running job needs.
pub(super) struct Runner {
    pub(super) service: Arc<dyn QueryService>,
    pub(super) settings: Arc<TapSettings>,
    pub(super) clock: SharedClock,
    pub(super) spool: Spool,
    pub(super) uploads: Arc<Uploads>,
    pub(super) scratch: Scratch,
    /// One permit a running job.
    pub(super) running: Semaphore,
}

impl Runner {
    /// Runs a queued job to its end. Dropping this future cancels the query and deletes what was written.
    pub(super) async fn run(&self, job: &Job) {
        // The semaphore is never closed.
        let Ok(_permit) = self.running.acquire().await else { return };
        if !job.begin(self.clock.unix_ms()) {
            return;
        }
        let run_time_s = job.state().run_time_s;
        match tokio::time::timeout(Duration::from_secs(run_time_s), self.answer(job)).await {
            Ok(outcome) => {
                if let Err(error) = &outcome {
                    crate::error::log(error);
                }
                job.finish(outcome, self.clock.unix_ms());
            }
            Err(_) => {
                let error = Error::limit("the query ran for longer than its execution duration allows")
                    .with("execution_duration_s", run_time_s);
                job.abort(Some(&error), self.clock.unix_ms());
            }
        }
        // A job runs once: nobody needs them any more.
        let _ = job.set(|state| {
            Arc::make_mut(&mut state.parameters).forget_files();
            Ok(())
        });
    }

    async fn answer(&self, job: &Job) -> Result<SpooledResult> {
        let parameters = job.state().parameters;
        let question = Question::read(&parameters, &self.settings, job.created_unix_ms)?;
        let uploads = self.uploads.of(&parameters).await?;
        let result = self.service.query(question.request(uploads)).await?;
        job.watch_progress(result.progress.clone());
        let mut encoded = EncodedResult::new(&question, result, OnFailure::Fail, &self.scratch)?;
        let mut file = self.spool.create(&job.id).await?;
        while let Some(chunk) = encoded.next().await {
            file.write(&chunk?).await?;
        }
        file.finish(question.output.content_type).await
    }
}
