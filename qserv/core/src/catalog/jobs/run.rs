//! Running jobs: who runs what, under which lease, and how it ended.

use sqlx::AssertSqlSafe;

use super::{COLUMNS, Job, JobFailure, JobPhase, JobProgress, JobResult, count, read_job, storable};
use crate::catalog::Catalog;
use crate::catalog::bulk::Cells;
use crate::catalog::connection::failed;
use crate::error::{ErrorKind, Result};

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    /// With a result.
    Completed(JobResult),
    /// With an error.
    Failed(JobFailure),
    /// Its time was up.
    Aborted(JobFailure),
}

/// What became of jobs whose czar died.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LostJobs {
    /// They wait to be started again.
    pub queued: u64,
    /// They were started too often already.
    pub failed: u64,
}

impl Catalog {
    /// Gives the job that waits longest to a czar: QUEUED → EXECUTING. `None` if none waits.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn claim_job(&self, runner: &str, now_unix_ms: i64, lease_unix_ms: i64) -> Result<Option<Job>> {
        let claim = format!(
            "UPDATE jobs SET phase = 'EXECUTING', runner = $2, lease_unix_ms = $3, started_unix_ms = $4, \
             attempts = attempts + 1, chunks_total = 0, chunks_done = 0, row_count = 0, stored_bytes = 0 \
             WHERE id = $1 AND phase = 'QUEUED' RETURNING {COLUMNS}"
        );
        loop {
            // Looked up first without a lock: mostly none waits.
            let next = "SELECT id FROM jobs WHERE phase = 'QUEUED' AND destruction_unix_ms > $1 \
                        ORDER BY queued_unix_ms, number LIMIT 1";
            let next = sqlx::query(next).bind(now_unix_ms).fetch_optional(&self.inner.pool).await;
            let Some(next) = next.map_err(failed("find a job"))? else { return Ok(None) };
            let id: String = Cells::of(&next).get()?;
            let mut write = self.write().await?;
            let claimed = sqlx::query(AssertSqlSafe(claim.as_str()))
                .bind(id)
                .bind(runner)
                .bind(lease_unix_ms)
                .bind(now_unix_ms)
                .fetch_optional(write.sql())
                .await
                .map_err(failed("claim a job"))?;
            write.commit().await?;
            // None: another czar was faster, or its user ended it; there may be a next one.
            if let Some(row) = claimed {
                return read_job(&row).map(Some);
            }
        }
    }

    /// Those of a czar's jobs that are still its own to run.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn executing_jobs(&self, runner: &str) -> Result<Vec<String>> {
        let query = sqlx::query("SELECT id FROM jobs WHERE runner = $1 AND phase = 'EXECUTING'").bind(runner);
        let rows = query.fetch_all(&self.inner.pool).await.map_err(failed("read jobs"))?;
        rows.iter().map(|row| Cells::of(row).get()).collect()
    }

    /// Renews the leases of a czar's jobs and notes how far they are. A job that is no longer the czar's stays as it is.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn renew_jobs(&self, runner: &str, lease_unix_ms: i64, jobs: &[(String, JobProgress)]) -> Result<()> {
        let update = "UPDATE jobs SET lease_unix_ms = $3, chunks_total = $4, chunks_done = $5, row_count = $6, \
                      stored_bytes = $7 WHERE id = $1 AND runner = $2 AND phase = 'EXECUTING'";
        let mut write = self.write().await?;
        for (id, progress) in jobs {
            sqlx::query(update)
                .bind(id.as_str())
                .bind(runner)
                .bind(lease_unix_ms)
                .bind(count(progress.chunks_total))
                .bind(count(progress.chunks_done))
                .bind(count(progress.rows))
                .bind(count(progress.stored_bytes))
                .execute(write.sql())
                .await
                .map_err(failed("renew a job"))?;
        }
        write.commit().await
    }

    /// EXECUTING → COMPLETED, ERROR or ABORTED, after which the job has no uploads; false if the job is no longer this czar's: its
    /// user ended it, or the lease ran out. The caller then deletes what it wrote.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn finish_job(
        &self,
        id: &str,
        runner: &str,
        outcome: &JobOutcome,
        progress: &JobProgress,
        now_unix_ms: i64,
    ) -> Result<bool> {
        let (phase, failure, result) = match outcome {
            JobOutcome::Completed(result) => (JobPhase::Completed, None, Some(result)),
            JobOutcome::Failed(failure) => (JobPhase::Error, Some(failure), None),
            JobOutcome::Aborted(failure) => (JobPhase::Aborted, Some(failure), None),
        };
        let update = "UPDATE jobs SET phase = $3, ended_unix_ms = $4, failure_kind = $5, failure_message = $6, \
                      result_path = $7, result_media_type = $8, chunks_total = $9, chunks_done = $10, row_count = $11, \
                      stored_bytes = $12, uploads = '[]', upload_bytes = 0 \
                      WHERE id = $1 AND runner = $2 AND phase = 'EXECUTING'";
        let mut write = self.write().await?;
        let ended = sqlx::query(update)
            .bind(id)
            .bind(runner)
            .bind(phase.name())
            .bind(now_unix_ms)
            .bind(failure.map(|failure| failure.kind.as_str()))
            .bind(storable(failure.map(|failure| failure.message.as_str())))
            .bind(result.map(|result| result.path.as_str()))
            .bind(result.map(|result| result.media_type.as_str()))
            .bind(count(progress.chunks_total))
            .bind(count(progress.chunks_done))
            .bind(count(progress.rows))
            .bind(count(progress.stored_bytes))
            .execute(write.sql())
            .await
            .map_err(failed("end a job"))?;
        write.commit().await?;
        Ok(ended.rows_affected() > 0)
    }

    /// Notes that a job has a further file in the store of results.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn add_stored_bytes(&self, id: &str, bytes: u64) -> Result<()> {
        let mut write = self.write().await?;
        let update = "UPDATE jobs SET stored_bytes = stored_bytes + $2 WHERE id = $1";
        let query = sqlx::query(update).bind(id).bind(count(bytes));
        query.execute(write.sql()).await.map_err(failed("change a job"))?;
        write.commit().await
    }

    /// EXECUTING → QUEUED for all jobs of a czar that shuts down; this attempt does not count.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn release_jobs(&self, runner: &str) -> Result<u64> {
        let update = "UPDATE jobs SET phase = 'QUEUED', runner = NULL, lease_unix_ms = NULL, started_unix_ms = NULL, \
                      attempts = attempts - 1, stored_bytes = 0 WHERE runner = $1 AND phase = 'EXECUTING'";
        let mut write = self.write().await?;
        let query = sqlx::query(update).bind(runner);
        let released = query.execute(write.sql()).await.map_err(failed("release jobs"))?.rows_affected();
        write.commit().await?;
        Ok(released)
    }

    /// Jobs whose lease ran out before `lease_unix_ms` have lost their czar: they wait again, or fail if they were started
    /// `most_attempts` times already.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn requeue_lost_jobs(
        &self,
        lease_unix_ms: i64,
        most_attempts: u64,
        now_unix_ms: i64,
    ) -> Result<LostJobs> {
        let lost = "SELECT COUNT(*) FROM jobs WHERE phase = 'EXECUTING' AND lease_unix_ms < $1";
        let lost = sqlx::query(lost).bind(lease_unix_ms).fetch_one(&self.inner.pool).await;
        // Looked up first without a lock: mostly none is lost.
        if Cells::of(&lost.map_err(failed("read jobs"))?).count()? == 0 {
            return Ok(LostJobs::default());
        }
        let fail = "UPDATE jobs SET phase = 'ERROR', ended_unix_ms = $3, failure_kind = $4, failure_message = $5, \
                    stored_bytes = 0 WHERE phase = 'EXECUTING' AND lease_unix_ms < $1 AND attempts >= $2";
        let message =
            "the server that ran the query stopped, as often as the query was started; it may be what stops the server";
        let queue = "UPDATE jobs SET phase = 'QUEUED', runner = NULL, lease_unix_ms = NULL, started_unix_ms = NULL, \
                     stored_bytes = 0 WHERE phase = 'EXECUTING' AND lease_unix_ms < $1";
        let mut write = self.write().await?;
        let failed_jobs = sqlx::query(fail)
            .bind(lease_unix_ms)
            .bind(count(most_attempts))
            .bind(now_unix_ms)
            .bind(ErrorKind::Internal.as_str())
            .bind(message)
            .execute(write.sql())
            .await
            .map_err(failed("fail lost jobs"))?;
        let queue = sqlx::query(queue).bind(lease_unix_ms);
        let queued = queue.execute(write.sql()).await.map_err(failed("queue lost jobs"))?;
        write.commit().await?;
        Ok(LostJobs { queued: queued.rows_affected(), failed: failed_jobs.rows_affected() })
    }
}
