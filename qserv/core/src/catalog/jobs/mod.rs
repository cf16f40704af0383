//! Asynchronous queries: UWS jobs, from their creation until they are destroyed.
//!
//! A job is a row, so that every czar of a catalog shows the same jobs and none is lost with a czar. [`Catalog::add_job`] makes it,
//! [`Catalog::change_job`] does what its user asks. Running it is one czar's work, under a lease ([`run`]): a czar claims the job
//! that waits longest, renews the lease while it runs, and says how it ended; when a lease runs out its czar has died, and the job
//! waits again. What a job *means* (its parameters, the file behind its result) is the protocol's business, not the catalog's.

mod model;
mod run;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

pub use model::{Job, JobFailure, JobFilter, JobLimits, JobPhase, JobProgress, JobResult, JobSummary, JobUpload};
pub use run::{JobOutcome, LostJobs};

use super::Catalog;
use super::bulk::{Cells, damaged};
use super::connection::failed;
use crate::error::{Error, ErrorKind, Result};

/// The columns of a job in the order in which [`read_job`] reads them.
const COLUMNS: &str = "id, owner, run_id, phase, parameters, uploads, run_time_s, created_unix_ms, destruction_unix_ms, queued_unix_ms, \
                       started_unix_ms, ended_unix_ms, attempts, chunks_total, chunks_done, row_count, stored_bytes, \
                       failure_kind, failure_message, result_path, result_media_type";

impl Catalog {
    /// How many jobs are in each phase that some are in.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn count_jobs(&self) -> Result<Vec<(JobPhase, u64)>> {
        let query = sqlx::query("SELECT phase, COUNT(*) FROM jobs GROUP BY phase");
        let rows = query.fetch_all(&self.inner.pool).await.map_err(failed("count jobs"))?;
        let read = |row| {
            let mut cells = Cells::of(row);
            let phase = JobPhase::parse(&cells.get::<String>()?).ok_or_else(|| damaged("a job in no phase"))?;
            Ok((phase, cells.get::<i64>()?.unsigned_abs()))
        };
        rows.iter().map(read).collect()
    }

    /// Makes a job, if the limits leave room for it.
    ///
    /// # Errors
    /// `Limit` if there are too many jobs, or their parameters take too much room together.
    pub async fn add_job(&self, job: &Job, limits: &JobLimits) -> Result<()> {
        let mut write = self.write().await?;
        // The counter's row is also the lock that keeps two from taking the last place.
        let number = write.take_numbers("job", 1).await?;
        check_limits(write.sql(), job, limits).await?;
        let insert = "INSERT INTO jobs (id, number, owner, run_id, phase, parameters, parameter_bytes, run_time_s, \
                      created_unix_ms, destruction_unix_ms, queued_unix_ms, uploads, upload_bytes, attempts, chunks_total, \
                      chunks_done, row_count, stored_bytes) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, 0, 0, 0)";
        sqlx::query(insert)
            .bind(job.id.as_str())
            .bind(number)
            .bind(storable(job.owner.as_deref()))
            .bind(storable(job.run_id.as_deref()))
            .bind(job.phase.name())
            .bind(parameters_text(&job.parameters)?)
            .bind(count(job.parameter_bytes()))
            .bind(count(job.run_time_s))
            .bind(job.created_unix_ms)
            .bind(job.destruction_unix_ms)
            .bind(job.queued_unix_ms)
            .bind(uploads_text(&job.uploads)?)
            .bind(count(upload_bytes(&job.uploads)))
            .execute(write.sql())
            .await
            .map_err(failed("store a job"))?;
        write.commit().await
    }

    /// The job of this name.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn job(&self, id: &str) -> Result<Option<Job>> {
        let query = format!("SELECT {COLUMNS} FROM jobs WHERE id = $1");
        let query = sqlx::query(AssertSqlSafe(query)).bind(id);
        let row = query.fetch_optional(&self.inner.pool).await.map_err(failed("read a job"))?;
        row.as_ref().map(read_job).transpose()
    }

    /// The jobs that pass the filter, the oldest first, without their parameters.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn list_jobs(&self, filter: &JobFilter) -> Result<Vec<JobSummary>> {
        // Unset bounds are passed as such: one text serves every filter.
        let query = "SELECT id, owner, run_id, phase, created_unix_ms FROM jobs \
                     WHERE created_unix_ms > $1 AND destruction_unix_ms > $2 AND (owner IS NULL OR owner = $3) \
                     ORDER BY number DESC";
        let query = sqlx::query(query)
            .bind(filter.after_unix_ms.unwrap_or(i64::MIN))
            .bind(filter.alive_at_unix_ms)
            .bind(storable(filter.owner.as_deref()).unwrap_or_default());
        let rows = query.fetch_all(&self.inner.pool).await.map_err(failed("read jobs"))?;
        let mut jobs = Vec::new();
        for row in &rows {
            let job = read_summary(row)?;
            if filter.phases.is_empty() || filter.phases.contains(&job.phase) {
                jobs.push(job);
            }
            if filter.last.is_some_and(|last| jobs.len() >= last) {
                break;
            }
        }
        if filter.last == Some(0) {
            jobs.clear();
        }
        jobs.reverse();
        Ok(jobs)
    }

    /// Changes a job as its user asks: `change` sees it as it is and sets phase, parameters, run time, times or failure. What the
    /// job's czar writes (progress, result) stays. `None` if there is no such job.
    ///
    /// # Errors
    /// Those of `change`, which leave the job as it was; `Limit` if the parameters take too much room.
    pub async fn change_job(
        &self,
        id: &str,
        limits: &JobLimits,
        change: impl FnOnce(&mut Job) -> Result<()> + Send,
    ) -> Result<Option<Job>> {
        let mut write = self.write().await?;
        // An update of nothing takes the row's lock in PostgreSQL; in SQLite the whole file is ours.
        let lock = format!("UPDATE jobs SET number = number WHERE id = $1 RETURNING {COLUMNS}");
        let lock = sqlx::query(AssertSqlSafe(lock)).bind(id);
        let row = lock.fetch_optional(write.sql()).await.map_err(failed("read a job"))?;
        let Some(row) = row else { return Ok(None) };
        let before = read_job(&row)?;
        let mut job = before.clone();
        change(&mut job)?;
        if job == before {
            return Ok(Some(job));
        }
        if job.parameter_bytes() > before.parameter_bytes() {
            write.take_numbers("job", 0).await?;
            check_limits(write.sql(), &job, limits).await?;
        }
        let update = "UPDATE jobs SET run_id = $2, phase = $3, parameters = $4, parameter_bytes = $5, run_time_s = $6, \
                      destruction_unix_ms = $7, queued_unix_ms = $8, ended_unix_ms = $9, failure_kind = $10, \
                      failure_message = $11, uploads = $12, upload_bytes = $13 WHERE id = $1";
        let failure = job.failure.as_ref();
        sqlx::query(update)
            .bind(id)
            .bind(storable(job.run_id.as_deref()))
            .bind(job.phase.name())
            .bind(parameters_text(&job.parameters)?)
            .bind(count(job.parameter_bytes()))
            .bind(count(job.run_time_s))
            .bind(job.destruction_unix_ms)
            .bind(job.queued_unix_ms)
            .bind(job.ended_unix_ms)
            .bind(failure.map(|failure| failure.kind.as_str()))
            .bind(storable(failure.map(|failure| failure.message.as_str())))
            .bind(uploads_text(&job.uploads)?)
            .bind(count(upload_bytes(&job.uploads)))
            .execute(write.sql())
            .await
            .map_err(failed("change a job"))?;
        write.commit().await?;
        Ok(Some(job))
    }

    /// Forgets a job; false if there is none. Its files are the caller's to delete.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn remove_job(&self, id: &str) -> Result<bool> {
        let mut write = self.write().await?;
        let query = sqlx::query("DELETE FROM jobs WHERE id = $1").bind(id);
        let removed = query.execute(write.sql()).await.map_err(failed("delete a job"))?.rows_affected();
        write.commit().await?;
        Ok(removed > 0)
    }

    /// At most `limit` jobs whose destruction time has come.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn expired_jobs(&self, now_unix_ms: i64, limit: u32) -> Result<Vec<String>> {
        let query = "SELECT id FROM jobs WHERE destruction_unix_ms <= $1 ORDER BY destruction_unix_ms LIMIT $2";
        let query = sqlx::query(query).bind(now_unix_ms).bind(i64::from(limit));
        let rows = query.fetch_all(&self.inner.pool).await.map_err(failed("read jobs"))?;
        rows.iter().map(|row| Cells::of(row).get()).collect()
    }

    /// What all jobs hold in the store of results, in bytes, but for the results of those that a czar runs; of those that others run,
    /// as of their last renewal.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn stored_bytes_of_jobs(&self, except_run_by: &str) -> Result<u64> {
        let query = "SELECT CAST(COALESCE(SUM(upload_bytes + CASE WHEN phase = 'EXECUTING' AND runner = $1 THEN 0 \
                     ELSE stored_bytes END), 0) AS BIGINT) FROM jobs";
        let query = sqlx::query(query).bind(except_run_by);
        let row = query.fetch_one(&self.inner.pool).await.map_err(failed("read jobs"))?;
        Cells::of(&row).count()
    }
}

/// Refuses a job that would break a limit; `job` itself is left out of what is there already.
async fn check_limits(sql: &mut AnyConnection, job: &Job, limits: &JobLimits) -> Result<()> {
    let query = "SELECT COUNT(*), CAST(COALESCE(SUM(parameter_bytes), 0) AS BIGINT), \
                 CAST(COALESCE(SUM(CASE WHEN owner = $2 THEN 1 ELSE 0 END), 0) AS BIGINT) FROM jobs WHERE id <> $1";
    let owner = storable(job.owner.as_deref()).unwrap_or_default();
    let query = sqlx::query(query).bind(job.id.as_str()).bind(owner);
    let row = query.fetch_one(sql).await.map_err(failed("count jobs"))?;
    let mut cells = Cells::of(&row);
    let (jobs, bytes, of_owner) = (cells.count()?, cells.count()?, cells.count()?);
    if jobs >= limits.jobs {
        return Err(
            Error::limit("there are too many jobs; delete some that are no longer needed").with("limit", limits.jobs)
        );
    }
    if let (Some(_), Some(limit)) = (&job.owner, limits.jobs_of_owner)
        && of_owner >= limit
    {
        return Err(Error::limit("you have too many jobs; delete some that are no longer needed").with("limit", limit));
    }
    if bytes.saturating_add(job.parameter_bytes()) > limits.parameter_bytes {
        return Err(Error::limit(
            "there are too many long queries among the jobs; delete some that are no longer needed",
        )
        .with("limit_bytes", limits.parameter_bytes));
    }
    Ok(())
}

fn read_job(row: &AnyRow) -> Result<Job> {
    let mut cells = Cells::of(row);
    let (id, owner, run_id) = (cells.get()?, cells.get()?, cells.get()?);
    let phase = read_phase(&cells.get::<String>()?)?;
    let parameters: String = cells.get()?;
    let parameters = serde_json::from_str(&parameters)
        .map_err(|error| damaged("a job whose parameters cannot be read").caused_by(error))?;
    let uploads: String = cells.get()?;
    let uploads = serde_json::from_str(&uploads)
        .map_err(|error| damaged("a job whose uploads cannot be read").caused_by(error))?;
    let (run_time_s, created_unix_ms, destruction_unix_ms) = (cells.count()?, cells.get()?, cells.get()?);
    let (queued_unix_ms, started_unix_ms, ended_unix_ms) = (cells.get()?, cells.get()?, cells.get()?);
    let attempts = cells.count()?;
    let progress = JobProgress {
        chunks_total: cells.count()?,
        chunks_done: cells.count()?,
        rows: cells.count()?,
        stored_bytes: cells.count()?,
    };
    let (kind, message): (Option<String>, Option<String>) = (cells.get()?, cells.get()?);
    let failure = kind.map(|kind| JobFailure {
        kind: ErrorKind::parse(&kind).unwrap_or(ErrorKind::Internal),
        message: message.unwrap_or_default(),
    });
    let result = cells.pair()?.map(|[path, media_type]| JobResult { path, media_type });
    Ok(Job {
        id,
        owner,
        run_id,
        phase,
        parameters,
        uploads,
        run_time_s,
        created_unix_ms,
        destruction_unix_ms,
        queued_unix_ms,
        started_unix_ms,
        ended_unix_ms,
        attempts,
        progress,
        failure,
        result,
    })
}

fn read_summary(row: &AnyRow) -> Result<JobSummary> {
    let mut cells = Cells::of(row);
    Ok(JobSummary {
        id: cells.get()?,
        owner: cells.get()?,
        run_id: cells.get()?,
        phase: read_phase(&cells.get::<String>()?)?,
        created_unix_ms: cells.get()?,
    })
}

fn read_phase(name: &str) -> Result<JobPhase> {
    JobPhase::parse(name).ok_or_else(|| damaged("a job in no phase that there is"))
}

fn parameters_text(parameters: &[(String, String)]) -> Result<String> {
    serde_json::to_string(parameters)
        .map_err(|error| Error::internal("a job's parameters cannot be stored").caused_by(error))
}

fn uploads_text(uploads: &[JobUpload]) -> Result<String> {
    serde_json::to_string(uploads).map_err(|error| Error::internal("a job's uploads cannot be stored").caused_by(error))
}

fn upload_bytes(uploads: &[JobUpload]) -> u64 {
    uploads.iter().map(|upload| upload.bytes).sum()
}

/// A text as PostgreSQL can hold it: it knows no character U+0000.
fn storable(text: Option<&str>) -> Option<String> {
    text.map(|text| text.replace('\0', "\u{FFFD}"))
}

/// A count as SQL has it. None comes near the bound.
fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
