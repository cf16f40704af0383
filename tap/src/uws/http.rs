//! The resources of the job list and of each job (UWS 1.1, section 2.2). Every POST is answered by 303 and an absolute address,
//! which is what the clients in use expect.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use qserv_core::{Error, Result};
use tokio_util::io::ReaderStream;

use super::document::{self, CONTENT_TYPE, job_url};
use super::job::{Job, Phase};
use crate::error::Failure;
use crate::moment::{self, uws_time};
use crate::parameters::Parameters;
use crate::{Tap, votable};

/// Bytes read from a result's file at once.
const READ_BYTES: usize = 256 * 1024;

type Answer = Result<Response, Failure>;

/// The routes below `/tap/async`.
pub(crate) fn routes() -> Router<Arc<Tap>> {
    Router::new()
        .route("/tap/async", get(list).post(create))
        .route("/tap/async/{id}", get(show).post(change).delete(delete))
        .route("/tap/async/{id}/phase", get(phase).post(change))
        .route("/tap/async/{id}/parameters", get(parameters).post(change))
        .route("/tap/async/{id}/executionduration", get(execution_duration).post(change))
        .route("/tap/async/{id}/destruction", get(destruction).post(change))
        .route("/tap/async/{id}/quote", get(empty))
        .route("/tap/async/{id}/owner", get(empty))
        .route("/tap/async/{id}/error", get(error))
        .route("/tap/async/{id}/results", get(results))
        .route("/tap/async/{id}/results/result", get(result))
        // Never called, but a clear answer beats a bare 405 for those who try.
        .route("/tap/async/{id}/results/{name}", post(no_such_result).get(no_such_result))
}

async fn list(State(tap): State<Arc<Tap>>, request: Request) -> Answer {
    let base_url = tap.base_url(&request);
    let filters = Parameters::read(request).await?;
    let phases: Vec<_> = filters.all("PHASE").map(str::to_ascii_uppercase).collect();
    let after = filters.one("AFTER")?.map(|text| {
        moment::parse_time(text)
            .ok_or_else(|| Error::invalid(format!("AFTER must be an ISO 8601 time, not \"{text}\"")))
    });
    let after = after.transpose()?;
    let last: Option<usize> = filters
        .one("LAST")?
        .map(|text| text.parse().map_err(|_| Error::invalid(format!("LAST must be a number of jobs, not \"{text}\""))))
        .transpose()?;
    let mut jobs: Vec<_> = tap.jobs.list().into_iter().map(|job| (job.clone(), job.state())).collect();
    jobs.retain(|(job, state)| {
        (phases.is_empty() || phases.iter().any(|phase| phase == state.phase.name()))
            && after.is_none_or(|after| job.created_unix_ms > after)
    });
    if let Some(last) = last {
        jobs.drain(..jobs.len().saturating_sub(last));
    }
    Ok(xml(document::job_list(&jobs, &base_url)))
}

async fn create(State(tap): State<Arc<Tap>>, request: Request) -> Answer {
    let base_url = tap.base_url(&request);
    let parameters = Parameters::read_with_files(request, &tap).await?;
    let job = tap.jobs.create(&parameters)?;
    Ok(see_other(&job_url(&base_url, &job)))
}

async fn show(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    let base_url = tap.base_url(&request);
    let job = tap.jobs.get(&id)?;
    let parameters = Parameters::read(request).await?;
    wait(&tap, &job, &parameters).await?;
    Ok(xml(document::job(&job, &job.state(), &base_url)))
}

async fn change(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    let base_url = tap.base_url(&request);
    let job = tap.jobs.get(&id)?;
    let parameters = Parameters::read_with_files(request, &tap).await?;
    match parameters.one("ACTION")? {
        Some(action) if action.eq_ignore_ascii_case("DELETE") => {
            tap.jobs.delete(&job);
            return Ok(see_other(&format!("{base_url}/async")));
        }
        Some(action) => return Err(Error::invalid(format!("ACTION can be DELETE, not \"{action}\"")).into()),
        None => {}
    }
    tap.jobs.update(&job, &parameters)?;
    Ok(see_other(&job_url(&base_url, &job)))
}

async fn delete(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    let job = tap.jobs.get(&id)?;
    tap.jobs.delete(&job);
    Ok(see_other(&format!("{}/async", tap.base_url(&request))))
}

async fn phase(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    let job = tap.jobs.get(&id)?;
    let parameters = Parameters::read(request).await?;
    wait(&tap, &job, &parameters).await?;
    Ok(text(job.state().phase.name().to_owned()))
}

async fn parameters(State(tap): State<Arc<Tap>>, Path(id): Path<String>) -> Answer {
    Ok(xml(document::parameters(&tap.jobs.get(&id)?.state())))
}

async fn execution_duration(State(tap): State<Arc<Tap>>, Path(id): Path<String>) -> Answer {
    Ok(text(tap.jobs.get(&id)?.state().run_time_s.to_string()))
}

async fn destruction(State(tap): State<Arc<Tap>>, Path(id): Path<String>) -> Answer {
    Ok(text(uws_time(tap.jobs.get(&id)?.state().destruction_unix_ms)))
}

/// The quote and the owner: no job has either.
async fn empty(State(tap): State<Arc<Tap>>, Path(id): Path<String>) -> Answer {
    tap.jobs.get(&id)?;
    Ok(text(String::new()))
}

async fn error(State(tap): State<Arc<Tap>>, Path(id): Path<String>) -> Answer {
    let state = tap.jobs.get(&id)?.state();
    let failure =
        state.failure.ok_or_else(|| Error::not_found("the job has no error").with("phase", state.phase.name()))?;
    Ok(([(header::CONTENT_TYPE, votable::CONTENT_TYPE)], votable::error_document(&failure.message)).into_response())
}

async fn results(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    let job = tap.jobs.get(&id)?;
    Ok(xml(document::results(&job, &job.state(), &tap.base_url(&request))))
}

async fn result(State(tap): State<Arc<Tap>>, Path(id): Path<String>) -> Answer {
    let state = tap.jobs.get(&id)?.state();
    let Some(result) = state.result else {
        let error = Error::not_found("the job has no result").with("phase", state.phase.name());
        return Err(match state.failure {
            Some(failure) => error.with("error", failure.message),
            None => error,
        }
        .into());
    };
    let file = result.open().await?;
    let headers =
        [(header::CONTENT_TYPE, result.content_type.to_owned()), (header::CONTENT_LENGTH, result.bytes().to_string())];
    Ok((headers, Body::from_stream(ReaderStream::with_capacity(file, READ_BYTES))).into_response())
}

async fn no_such_result(Path((_, name)): Path<(String, String)>) -> Failure {
    Error::not_found(format!("a job has one result, named \"result\", and none named \"{name}\"")).into()
}

/// Holds the request while the job stays in its phase, as `WAIT` asks: so many seconds, or with -1 as long as the service allows. With
/// `PHASE` it waits only if the job is in that phase.
async fn wait(tap: &Tap, job: &Job, parameters: &Parameters) -> Result<()> {
    let Some(asked) = parameters.one("WAIT")? else { return Ok(()) };
    let seconds: i64 = asked
        .parse()
        .map_err(|_| Error::invalid(format!("WAIT must be a number of seconds, or -1, not \"{asked}\"")))?;
    let phase: Phase = job.state().phase;
    let is_expected = parameters.one("PHASE")?.is_none_or(|expected| expected.eq_ignore_ascii_case(phase.name()));
    if phase.is_active() && is_expected {
        let longest = tap.settings.max_wait_s;
        let seconds = u64::try_from(seconds).map_or(longest, |seconds| seconds.min(longest));
        // Either way the job is shown as it is then.
        let _elapsed = tokio::time::timeout(Duration::from_secs(seconds), job.phase_other_than(phase)).await;
    }
    Ok(())
}

fn xml(document: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], document).into_response()
}

fn text(content: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain")], content).into_response()
}

fn see_other(location: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}
