//! The resources of the job list and of each job (UWS 1.1, section 2.2). Every POST is answered by 303 and an absolute address,
//! which is what the clients in use expect.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use qserv_core::catalog::{Job, JobFilter, JobPhase};
use qserv_core::{Error, Result};

use super::document::{self, CONTENT_TYPE, job_url};
use super::request::JobRequest;
use crate::account::QUERY_ID_HEADER;
use crate::client::Client;
use crate::error::Failure;
use crate::moment::{self, uws_time};
use crate::parameters::Parameters;
use crate::{Tap, votable};

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
        .route("/tap/async/{id}/quote", get(quote))
        .route("/tap/async/{id}/owner", get(owner))
        .route("/tap/async/{id}/error", get(error))
        .route("/tap/async/{id}/results", get(results))
        .route("/tap/async/{id}/results/result", get(result))
        // Never called, but a clear answer beats a bare 405 for those who try.
        .route("/tap/async/{id}/results/{name}", post(no_such_result).get(no_such_result))
}

async fn list(State(tap): State<Arc<Tap>>, request: Request) -> Answer {
    let (base_url, client) = (tap.base_url(&request), tap.client(&request));
    let asked = Parameters::read(request).await?;
    let phase = |name: &str| {
        JobPhase::parse(name)
            .map(Some)
            .or_else(|| UNUSED_PHASES.iter().any(|unused| unused.eq_ignore_ascii_case(name)).then_some(None))
            .ok_or_else(|| Error::invalid(format!("no PHASE \"{name}\"; UWS knows none of this name")))
    };
    let phases: Vec<Option<JobPhase>> = asked.all("PHASE").map(phase).collect::<Result<_>>()?;
    let after_unix_ms = asked.one("AFTER")?.map(|text| {
        moment::parse_time(text)
            .ok_or_else(|| Error::invalid(format!("AFTER must be an ISO 8601 time, not \"{text}\"")))
    });
    let last = asked
        .one("LAST")?
        .map(|text| text.parse().map_err(|_| Error::invalid(format!("LAST must be a number of jobs, not \"{text}\""))));
    let mut filter = JobFilter {
        phases: phases.iter().copied().flatten().collect(),
        after_unix_ms: after_unix_ms.transpose()?,
        last: last.transpose()?,
        ..JobFilter::default()
    };
    if filter.phases.is_empty() && !phases.is_empty() {
        // Only phases were asked for that no job here is ever in.
        filter.last = Some(0);
    }
    let jobs = tap.jobs.list(&client, filter).await?;
    Ok(xml(document::job_list(&jobs, &base_url)))
}

/// Phases of UWS that do not occur here.
const UNUSED_PHASES: [&str; 4] = ["HELD", "SUSPENDED", "UNKNOWN", "ARCHIVED"];

async fn create(State(tap): State<Arc<Tap>>, request: Request) -> Answer {
    let (base_url, client) = (tap.base_url(&request), tap.client(&request));
    let asked = JobRequest::read(&Parameters::read_with_files(request, &tap).await?)?;
    let job = tap.jobs.create(&client, asked).await?;
    Ok(see_other(&job_url(&base_url, &job.id)))
}

async fn show(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    let base_url = tap.base_url(&request);
    let job = waited(&tap, &id, request).await?;
    Ok(xml(document::job(&job, &base_url)))
}

async fn phase(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    Ok(text(waited(&tap, &id, request).await?.phase.name().to_owned()))
}

async fn change(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    let (base_url, client) = (tap.base_url(&request), tap.client(&request));
    let job = tap.jobs.get(&client, &id).await?;
    let asked = JobRequest::read(&Parameters::read_with_files(request, &tap).await?)?;
    if asked.delete {
        tap.jobs.delete(&id).await?;
        return Ok(see_other(&format!("{base_url}/async")));
    }
    tap.jobs.update(&job, asked).await?;
    Ok(see_other(&job_url(&base_url, &id)))
}

async fn delete(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    tap.jobs.get(&tap.client(&request), &id).await?;
    tap.jobs.delete(&id).await?;
    Ok(see_other(&format!("{}/async", tap.base_url(&request))))
}

async fn parameters(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    Ok(xml(document::parameters(&tap.jobs.get(&tap.client(&request), &id).await?)))
}

async fn execution_duration(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    Ok(text(tap.jobs.get(&tap.client(&request), &id).await?.run_time_s.to_string()))
}

async fn destruction(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    Ok(text(uws_time(tap.jobs.get(&tap.client(&request), &id).await?.destruction_unix_ms)))
}

/// No job has a quote: how long a query takes is not known before it has run.
async fn quote(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    tap.jobs.get(&tap.client(&request), &id).await?;
    Ok(text(String::new()))
}

async fn owner(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    Ok(text(tap.jobs.get(&tap.client(&request), &id).await?.owner.unwrap_or_default()))
}

async fn error(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    let job = tap.jobs.get(&tap.client(&request), &id).await?;
    let failure =
        job.failure.ok_or_else(|| Error::not_found("the job has no error").with("phase", job.phase.name()))?;
    Ok(([(header::CONTENT_TYPE, votable::CONTENT_TYPE)], votable::error_document(&failure.message)).into_response())
}

async fn results(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    let job = tap.jobs.get(&tap.client(&request), &id).await?;
    Ok(xml(document::results(&job, &tap.base_url(&request))))
}

async fn result(State(tap): State<Arc<Tap>>, Path(id): Path<String>, request: Request) -> Answer {
    let job = tap.jobs.get(&tap.client(&request), &id).await?;
    let headers = request.headers().clone();
    let parameters = Parameters::read(request).await?;
    let mut response = tap.jobs.fetch(&job, &parameters, &headers).await?;
    if let Ok(id) = id.parse() {
        response.headers_mut().insert(QUERY_ID_HEADER, id);
    }
    Ok(response)
}

async fn no_such_result(Path((_, name)): Path<(String, String)>) -> Failure {
    Error::not_found(format!("a job has one result, named \"result\", and none named \"{name}\"")).into()
}

/// The job, after holding the request while the job stays in its phase, as `WAIT` asks: so many seconds, or with -1 as long as the
/// service allows. With `PHASE` it waits only if the job is in that phase.
async fn waited(tap: &Tap, id: &str, request: Request) -> Result<Job> {
    let client: Client = tap.client(&request);
    let job = tap.jobs.get(&client, id).await?;
    let parameters = Parameters::read(request).await?;
    let Some(asked) = parameters.one("WAIT")? else { return Ok(job) };
    let seconds: i64 = asked
        .parse()
        .map_err(|_| Error::invalid(format!("WAIT must be a number of seconds, or -1, not \"{asked}\"")))?;
    let is_expected = parameters.one("PHASE")?.is_none_or(|expected| expected.eq_ignore_ascii_case(job.phase.name()));
    if !job.phase.is_active() || !is_expected {
        return Ok(job);
    }
    let longest = tap.settings.max_wait_s;
    let seconds = u64::try_from(seconds).map_or(longest, |seconds| seconds.min(longest));
    tap.jobs.wait(&client, job, Duration::from_secs(seconds)).await
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
