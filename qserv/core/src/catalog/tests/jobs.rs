//! Jobs: what their users and the czars that run them may do, in which phase.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::*;
use crate::error::{Error, ErrorKind};

const LIMITS: JobLimits = JobLimits { jobs: 100, jobs_of_owner: Some(3), parameter_bytes: 1_000 };

fn job(id: &str, created_unix_ms: i64) -> Job {
    Job {
        run_id: Some(format!("run {id}")),
        parameters: vec![("QUERY".into(), "SELECT '\u{0}☉'".into()), ("UPLOAD".into(), "a".into())],
        uploads: vec![upload("first")],
        ..Job::new(id.to_owned(), created_unix_ms, 60, created_unix_ms + 1_000)
    }
}

fn upload(part: &str) -> JobUpload {
    JobUpload { part: part.to_owned(), media_type: Some("text/csv".to_owned()), path: format!("x/{part}"), bytes: 10 }
}

/// A job that waits for its turn since then.
fn queued(id: &str, queued_unix_ms: i64) -> Job {
    Job { phase: JobPhase::Queued, queued_unix_ms: Some(queued_unix_ms), ..job(id, 0) }
}

fn result(path: &str) -> JobResult {
    JobResult { path: path.to_owned(), media_type: "text/csv".to_owned() }
}

const PROGRESS: JobProgress = JobProgress { chunks_total: 9, chunks_done: 4, rows: 17, stored_bytes: 300 };

on_each_catalog!(a_job_comes_back_as_it_was_and_is_changed);
async fn a_job_comes_back_as_it_was_and_is_changed(catalog: Catalog) {
    let made = Job { owner: Some("ada".into()), ..job("a", 5) };
    catalog.add_job(&made, &LIMITS).await.unwrap();
    assert_eq!(catalog.job("a").await.unwrap().as_ref(), Some(&made));
    assert_eq!(catalog.job("b").await.unwrap(), None);
    assert!(catalog.add_job(&made, &LIMITS).await.is_err(), "a name is used once");

    let change = |job: &mut Job| {
        job.parameters.push(("LANG".into(), "ADQL".into()));
        job.uploads.push(JobUpload { media_type: None, ..upload("second") });
        (job.run_time_s, job.destruction_unix_ms, job.run_id) = (7, 99, None);
        (job.phase, job.queued_unix_ms) = (JobPhase::Queued, Some(8));
        Ok(())
    };
    let changed = catalog.change_job("a", &LIMITS, change).await.unwrap().unwrap();
    assert_eq!(catalog.job("a").await.unwrap().as_ref(), Some(&changed));
    assert_eq!((changed.run_time_s, changed.phase, changed.parameters.len()), (7, JobPhase::Queued, 3));

    let refused = catalog.change_job("a", &LIMITS, |job| {
        job.run_time_s = 1;
        Err(Error::conflict("no"))
    });
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(catalog.job("a").await.unwrap().as_ref(), Some(&changed), "a refused change changes nothing");
    assert_eq!(catalog.change_job("b", &LIMITS, |_| Ok(())).await.unwrap(), None);

    assert_eq!(catalog.count_jobs().await.unwrap(), [(JobPhase::Queued, 1)]);
    let reason = JobFailure { kind: ErrorKind::Limit, message: "too\u{0}long".into() };
    let end = |job: &mut Job| {
        (job.phase, job.ended_unix_ms, job.failure) = (JobPhase::Aborted, Some(9), Some(reason));
        Ok(())
    };
    catalog.change_job("a", &LIMITS, end).await.unwrap();
    let ended = catalog.job("a").await.unwrap().unwrap();
    assert_eq!((ended.phase, ended.ended_unix_ms), (JobPhase::Aborted, Some(9)));
    assert_eq!(catalog.count_jobs().await.unwrap(), [(JobPhase::Aborted, 1)]);
    let told = ended.failure.unwrap();
    assert_eq!((told.kind, told.message.replace('\0', "\u{FFFD}").as_str()), (ErrorKind::Limit, "too\u{FFFD}long"));

    assert!(catalog.remove_job("a").await.unwrap());
    assert!(!catalog.remove_job("a").await.unwrap());
    assert_eq!(catalog.job("a").await.unwrap(), None);
}

on_each_catalog!(jobs_are_bounded);
async fn jobs_are_bounded(catalog: Catalog) {
    let kind = async |job: Job, limits: JobLimits| catalog.add_job(&job, &limits).await.map_err(|error| error.kind());
    let limits = JobLimits { jobs: 4, ..LIMITS };
    for id in ["a", "b", "c"] {
        kind(Job { owner: Some("ada".into()), ..job(id, 0) }, limits).await.unwrap();
    }
    let of_ada = Job { owner: Some("ada".into()), ..job("d", 0) };
    assert_eq!(kind(of_ada, limits).await, Err(ErrorKind::Limit), "an owner has three");
    let long = Job { parameters: vec![("QUERY".into(), "x".repeat(1_000))], ..job("d", 0) };
    assert_eq!(kind(long.clone(), limits).await, Err(ErrorKind::Limit));
    let lengthen = |job: &mut Job| {
        job.parameters = long.parameters;
        Ok(())
    };
    assert_eq!(catalog.change_job("a", &limits, lengthen).await.unwrap_err().kind(), ErrorKind::Limit);
    kind(job("d", 0), limits).await.unwrap();
    assert_eq!(kind(job("e", 0), limits).await, Err(ErrorKind::Limit));
    catalog.remove_job("a").await.unwrap();
    kind(job("e", 0), limits).await.unwrap();
}

on_each_catalog!(jobs_are_listed_and_filtered);
async fn jobs_are_listed_and_filtered(catalog: Catalog) {
    for (created, id) in [(1, "c"), (2, "a"), (2, "b")] {
        catalog.add_job(&job(id, created), &LIMITS).await.unwrap();
    }
    catalog.add_job(&Job { owner: Some("ada".into()), ..queued("d", 3) }, &LIMITS).await.unwrap();
    let listed = async |filter: JobFilter| {
        catalog.list_jobs(&filter).await.unwrap().into_iter().map(|job| job.id).collect::<Vec<_>>().concat()
    };
    let all = JobFilter { owner: Some("ada".into()), ..JobFilter::default() };
    assert_eq!(listed(all.clone()).await, "cabd", "the oldest first");
    assert_eq!(listed(JobFilter::default()).await, "cab", "another's jobs are not shown");
    assert_eq!(listed(JobFilter { after_unix_ms: Some(1), ..all.clone() }).await, "ab");
    assert_eq!(listed(JobFilter { last: Some(2), ..all.clone() }).await, "bd");
    assert_eq!(listed(JobFilter { last: Some(0), ..all.clone() }).await, "");
    assert_eq!(listed(JobFilter { alive_at_unix_ms: 1_001, ..all.clone() }).await, "ab");
    let phases = vec![JobPhase::Queued, JobPhase::Error];
    assert_eq!(listed(JobFilter { phases, last: Some(5), ..all.clone() }).await, "d");
    assert_eq!(listed(JobFilter { phases: vec![JobPhase::Aborted], ..all }).await, "");
    let first = catalog.list_jobs(&JobFilter::default()).await.unwrap().remove(0);
    assert_eq!((first.run_id.as_deref(), first.phase), (Some("run c"), JobPhase::Pending));
    assert_eq!(catalog.expired_jobs(1_001, 10).await.unwrap(), ["d", "c"]);
    assert_eq!(catalog.expired_jobs(5_000, 1).await.unwrap(), ["d"]);
}

on_each_catalog!(a_czar_runs_the_job_that_waits_longest);
async fn a_czar_runs_the_job_that_waits_longest(catalog: Catalog) {
    assert_eq!(catalog.claim_job("czar", 10, 20).await.unwrap(), None);
    for waiting in [queued("late", 2), queued("first", 1), job("pending", 0)] {
        catalog.add_job(&waiting, &LIMITS).await.unwrap();
    }
    let claimed = catalog.claim_job("czar", 10, 20).await.unwrap().unwrap();
    assert_eq!((claimed.id.as_str(), claimed.phase), ("first", JobPhase::Executing));
    assert_eq!((claimed.started_unix_ms, claimed.attempts), (Some(10), 1));
    assert_eq!(catalog.claim_job("other", 10, 20).await.unwrap().unwrap().id, "late");
    assert_eq!(catalog.claim_job("czar", 10, 20).await.unwrap(), None);
    assert_eq!(catalog.executing_jobs("czar").await.unwrap(), ["first"]);

    // Another's job is not touched, neither by renewing nor by ending it.
    let both = [("first".to_owned(), PROGRESS), ("late".to_owned(), PROGRESS)];
    catalog.renew_jobs("czar", 50, &both).await.unwrap();
    assert_eq!(catalog.job("first").await.unwrap().unwrap().progress, PROGRESS);
    assert_eq!(catalog.job("late").await.unwrap().unwrap().progress, JobProgress::default());
    assert_eq!(catalog.stored_bytes_of_jobs("other").await.unwrap(), 300 + 30);
    assert_eq!(catalog.stored_bytes_of_jobs("czar").await.unwrap(), 30, "it knows its own results better");
    let completed = JobOutcome::Completed(result("first/1"));
    assert!(!catalog.finish_job("late", "czar", &completed, &PROGRESS, 30).await.unwrap());

    assert!(catalog.finish_job("first", "czar", &completed, &PROGRESS, 30).await.unwrap());
    let ended = catalog.job("first").await.unwrap().unwrap();
    assert_eq!(
        (ended.phase, ended.ended_unix_ms, ended.result),
        (JobPhase::Completed, Some(30), Some(result("first/1")))
    );
    assert!(!catalog.finish_job("first", "czar", &completed, &PROGRESS, 31).await.unwrap(), "once");
    catalog.add_stored_bytes("first", 200).await.unwrap();
    assert_eq!(catalog.stored_bytes_of_jobs("czar").await.unwrap(), 500 + 20);
    assert!(catalog.job("first").await.unwrap().unwrap().uploads.is_empty(), "what has run needs none");

    let failure = JobFailure { kind: ErrorKind::Unavailable, message: "gone".into() };
    let failed = JobOutcome::Failed(failure.clone());
    assert!(catalog.finish_job("late", "other", &failed, &JobProgress::default(), 40).await.unwrap());
    let ended = catalog.job("late").await.unwrap().unwrap();
    assert_eq!((ended.phase, ended.failure, ended.result), (JobPhase::Error, Some(failure), None));
}

on_each_catalog!(a_user_ends_a_job_under_its_czar);
async fn a_user_ends_a_job_under_its_czar(catalog: Catalog) {
    catalog.add_job(&queued("a", 1), &LIMITS).await.unwrap();
    catalog.claim_job("czar", 10, 20).await.unwrap().unwrap();
    let abort = |job: &mut Job| {
        job.phase = JobPhase::Aborted;
        Ok(())
    };
    catalog.change_job("a", &LIMITS, abort).await.unwrap();
    assert!(catalog.executing_jobs("czar").await.unwrap().is_empty(), "so the czar learns of it");
    let completed = JobOutcome::Completed(result("a/1"));
    assert!(!catalog.finish_job("a", "czar", &completed, &PROGRESS, 30).await.unwrap());
    assert_eq!(catalog.job("a").await.unwrap().unwrap().phase, JobPhase::Aborted);
}

on_each_catalog!(jobs_of_a_dead_czar_are_run_again_and_not_for_ever);
async fn jobs_of_a_dead_czar_are_run_again_and_not_for_ever(catalog: Catalog) {
    catalog.add_job(&queued("a", 1), &LIMITS).await.unwrap();
    for attempt in 1..=2 {
        let claimed = catalog.claim_job("czar", 10, 20).await.unwrap().unwrap();
        assert_eq!(claimed.attempts, attempt);
        assert_eq!(catalog.requeue_lost_jobs(20, 2, 25).await.unwrap(), LostJobs::default(), "its lease still runs");
        let lost = catalog.requeue_lost_jobs(21, 2, 25).await.unwrap();
        assert_eq!((lost.queued, lost.failed), if attempt < 2 { (1, 0) } else { (0, 1) });
    }
    let ended = catalog.job("a").await.unwrap().unwrap();
    assert_eq!((ended.phase, ended.ended_unix_ms, ended.attempts), (JobPhase::Error, Some(25), 2));
    assert!(ended.failure.unwrap().message.contains("stopped"));

    catalog.add_job(&queued("b", 1), &LIMITS).await.unwrap();
    catalog.claim_job("czar", 10, 20).await.unwrap().unwrap();
    assert_eq!(catalog.release_jobs("other").await.unwrap(), 0);
    assert_eq!(catalog.release_jobs("czar").await.unwrap(), 1);
    let released = catalog.job("b").await.unwrap().unwrap();
    assert_eq!((released.phase, released.attempts, released.started_unix_ms), (JobPhase::Queued, 0, None));
}

/// Many claims at once over two handles, as two czars make them: each job is given out once.
async fn claim_at_once(url: &str) {
    let handles = [Catalog::open(url).await.unwrap(), Catalog::open(url).await.unwrap()];
    for number in 0..20 {
        let limits = JobLimits { jobs: 20, parameter_bytes: u64::MAX, jobs_of_owner: None };
        handles[number % 2].add_job(&queued(&format!("job {number}"), 1), &limits).await.unwrap();
    }
    let claimed = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let (catalog, claimed) = (handles[task % 2].clone(), claimed.clone());
        tasks.spawn(async move {
            let runner = format!("czar {task}");
            while let Some(job) = catalog.claim_job(&runner, 10, 20).await? {
                claimed.fetch_add(1, Ordering::SeqCst);
                let outcome = JobOutcome::Completed(result("x"));
                assert!(catalog.finish_job(&job.id, &runner, &outcome, &PROGRESS, 30).await?);
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap_or_else(|error| panic!("{}", error.to_log()));
    }
    assert_eq!(claimed.load(Ordering::SeqCst), 20);
    for catalog in &handles {
        catalog.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn czars_share_the_jobs_of_a_sqlite_file() {
    let folder = tempfile::tempdir().unwrap();
    claim_at_once(&Catalog::sqlite_url(&folder.path().join("catalog"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn czars_share_the_jobs_of_a_postgres_schema() {
    let Some(schema) = PostgresSchema::create().await else { return };
    claim_at_once(&schema.url).await;
    schema.remove().await;
}
