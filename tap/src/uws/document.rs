//! Jobs and the list of jobs in XML (UWS 1.1, appendix A).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::job::{Job, JobState};
use crate::error::uws_type;
use crate::moment::uws_time;
use crate::parameters::Parameters;
use crate::xml::XmlWriter;

/// The media type of the documents.
pub(super) const CONTENT_TYPE: &str = "text/xml";

const NAMESPACES: [(&str, &str); 4] = [
    ("version", "1.1"),
    ("xmlns:uws", "http://www.ivoa.net/xml/UWS/v1.0"),
    ("xmlns:xlink", "http://www.w3.org/1999/xlink"),
    ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];

/// The list of jobs; `base_url` is that of `/tap`.
pub(super) fn job_list(jobs: &[(Arc<Job>, JobState)], base_url: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut xml = XmlWriter::document(&mut out);
    xml.open("uws:jobs", &NAMESPACES);
    for (job, state) in jobs {
        let address = job_url(base_url, job);
        xml.open("uws:jobref", &[("id", &job.id), ("xlink:type", "simple"), ("xlink:href", &address)])
            .leaf("uws:phase", &[], state.phase.name())
            .optional("uws:runId", run_id(state))
            .leaf("uws:creationTime", &[], &uws_time(job.created_unix_ms))
            .close();
    }
    xml.finish();
    out
}

/// One job.
pub(super) fn job(job: &Job, state: &JobState, base_url: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut xml = XmlWriter::document(&mut out);
    xml.open("uws:job", &NAMESPACES)
        .leaf("uws:jobId", &[], &job.id)
        .optional("uws:runId", run_id(state))
        .empty("uws:ownerId", &NIL)
        .leaf("uws:phase", &[], state.phase.name())
        .empty("uws:quote", &NIL)
        .leaf("uws:creationTime", &[], &uws_time(job.created_unix_ms));
    put_time(&mut xml, "uws:startTime", state.started_unix_ms);
    put_time(&mut xml, "uws:endTime", state.ended_unix_ms);
    xml.leaf("uws:executionDuration", &[], &state.run_time_s.to_string()).leaf(
        "uws:destruction",
        &[],
        &uws_time(state.destruction_unix_ms),
    );
    put_parameters(&mut xml, &[], &state.parameters);
    put_results(&mut xml, &[], job, state, base_url);
    if let Some(failure) = &state.failure {
        xml.open("uws:errorSummary", &[("type", uws_type(failure.kind)), ("hasDetail", "true")])
            .leaf("uws:message", &[], &failure.message)
            .close();
    }
    if let Some(progress) = &state.progress {
        // A vocabulary of our own: UWS leaves the content of jobInfo open.
        xml.open("uws:jobInfo", &[])
            .open("progress", &[])
            .leaf("rows", &[], &progress.rows.load(Ordering::Relaxed).to_string())
            .leaf("chunksTotal", &[], &progress.chunks_total.load(Ordering::Relaxed).to_string())
            .close()
            .close();
    }
    xml.finish();
    out
}

/// The parameters of a job, as a document of their own.
pub(super) fn parameters(state: &JobState) -> Vec<u8> {
    let mut out = Vec::new();
    put_parameters(&mut XmlWriter::document(&mut out), &NAMESPACES[1..], &state.parameters);
    out
}

/// The results of a job, as a document of their own.
pub(super) fn results(job: &Job, state: &JobState, base_url: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_results(&mut XmlWriter::document(&mut out), &NAMESPACES[1..], job, state, base_url);
    out
}

/// The address of a job.
pub(super) fn job_url(base_url: &str, job: &Job) -> String {
    format!("{base_url}/async/{}", job.id)
}

const NIL: [(&str, &str); 1] = [("xsi:nil", "true")];

fn run_id(state: &JobState) -> Option<&str> {
    state.parameters.iter().find(|(name, _)| *name == "RUNID").map(|(_, value)| value)
}

fn put_time(xml: &mut XmlWriter<'_>, name: &'static str, unix_ms: Option<i64>) {
    match unix_ms {
        Some(unix_ms) => xml.leaf(name, &[], &uws_time(unix_ms)),
        None => xml.empty(name, &NIL),
    };
}

fn put_parameters(xml: &mut XmlWriter<'_>, attributes: &[(&str, &str)], parameters: &Parameters) {
    xml.open("uws:parameters", attributes);
    for (name, value) in parameters.iter() {
        xml.leaf("uws:parameter", &[("id", name)], value);
    }
    xml.close();
}

fn put_results(xml: &mut XmlWriter<'_>, attributes: &[(&str, &str)], job: &Job, state: &JobState, base_url: &str) {
    xml.open("uws:results", attributes);
    if let Some(result) = &state.result {
        let address = format!("{}/results/result", job_url(base_url, job));
        let size = result.bytes().to_string();
        xml.empty(
            "uws:result",
            &[
                ("id", "result"),
                ("xlink:type", "simple"),
                ("xlink:href", &address),
                ("size", &size),
                ("mime-type", result.content_type),
            ],
        );
    }
    xml.close();
}
