//! Jobs and the list of jobs in XML (UWS 1.1, appendix A).

use qserv_core::catalog::{Job, JobSummary};

use crate::error::uws_type;
use crate::moment::uws_time;
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
pub(super) fn job_list(jobs: &[JobSummary], base_url: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut xml = XmlWriter::document(&mut out);
    xml.open("uws:jobs", &NAMESPACES);
    for job in jobs {
        let address = job_url(base_url, &job.id);
        xml.open("uws:jobref", &[("id", &job.id), ("xlink:type", "simple"), ("xlink:href", &address)])
            .leaf("uws:phase", &[], job.phase.name())
            .optional("uws:runId", job.run_id.as_deref());
        put_owner(&mut xml, job.owner.as_deref());
        xml.leaf("uws:creationTime", &[], &uws_time(job.created_unix_ms)).close();
    }
    xml.finish();
    out
}

/// One job. The order of the elements is that of UWS 1.1's schema.
pub(super) fn job(job: &Job, base_url: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut xml = XmlWriter::document(&mut out);
    xml.open("uws:job", &NAMESPACES).leaf("uws:jobId", &[], &job.id).optional("uws:runId", job.run_id.as_deref());
    put_owner(&mut xml, job.owner.as_deref());
    xml.leaf("uws:phase", &[], job.phase.name()).empty("uws:quote", &NIL).leaf(
        "uws:creationTime",
        &[],
        &uws_time(job.created_unix_ms),
    );
    put_time(&mut xml, "uws:startTime", job.started_unix_ms);
    put_time(&mut xml, "uws:endTime", job.ended_unix_ms);
    xml.leaf("uws:executionDuration", &[], &job.run_time_s.to_string()).leaf(
        "uws:destruction",
        &[],
        &uws_time(job.destruction_unix_ms),
    );
    put_parameters(&mut xml, &[], job);
    put_results(&mut xml, &[], job, base_url);
    if let Some(failure) = &job.failure {
        xml.open("uws:errorSummary", &[("type", uws_type(failure.kind)), ("hasDetail", "true")])
            .leaf("uws:message", &[], &failure.message)
            .close();
    }
    if job.started_unix_ms.is_some() {
        put_progress(&mut xml, job);
    }
    xml.finish();
    out
}

/// How far a job is, in elements of no namespace: UWS leaves the content of jobInfo open, and validators warn of a namespace that
/// they have no schema of.
fn put_progress(xml: &mut XmlWriter<'_>, job: &Job) {
    let progress = &job.progress;
    xml.open("uws:jobInfo", &[]).open("progress", &[]);
    for (name, count) in [
        ("chunksDone", progress.chunks_done),
        ("chunksTotal", progress.chunks_total),
        ("rows", progress.rows),
        ("bytes", progress.stored_bytes),
        ("attempts", job.attempts),
    ] {
        xml.leaf(name, &[], &count.to_string());
    }
    xml.close().close();
}

/// The parameters of a job, as a document of their own.
pub(super) fn parameters(job: &Job) -> Vec<u8> {
    let mut out = Vec::new();
    put_parameters(&mut XmlWriter::document(&mut out), &NAMESPACES[1..], job);
    out
}

/// The results of a job, as a document of their own.
pub(super) fn results(job: &Job, base_url: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_results(&mut XmlWriter::document(&mut out), &NAMESPACES[1..], job, base_url);
    out
}

/// The address of a job.
pub(super) fn job_url(base_url: &str, id: &str) -> String {
    format!("{base_url}/async/{id}")
}

const NIL: [(&str, &str); 1] = [("xsi:nil", "true")];

fn put_owner(xml: &mut XmlWriter<'_>, owner: Option<&str>) {
    match owner {
        Some(owner) => xml.leaf("uws:ownerId", &[], owner),
        None => xml.empty("uws:ownerId", &NIL),
    };
}

fn put_time(xml: &mut XmlWriter<'_>, name: &'static str, unix_ms: Option<i64>) {
    match unix_ms {
        Some(unix_ms) => xml.leaf(name, &[], &uws_time(unix_ms)),
        None => xml.empty(name, &NIL),
    };
}

fn put_parameters(xml: &mut XmlWriter<'_>, attributes: &[(&str, &str)], job: &Job) {
    xml.open("uws:parameters", attributes);
    for (name, value) in &job.parameters {
        xml.leaf("uws:parameter", &[("id", name)], value);
    }
    xml.close();
}

fn put_results(xml: &mut XmlWriter<'_>, attributes: &[(&str, &str)], job: &Job, base_url: &str) {
    xml.open("uws:results", attributes);
    if let Some(result) = &job.result {
        // Without a size: it is that of no format until one is asked for.
        let address = format!("{}/results/result", job_url(base_url, &job.id));
        xml.empty(
            "uws:result",
            &[("id", "result"), ("xlink:type", "simple"), ("xlink:href", &address), ("mime-type", &result.media_type)],
        );
    }
    xml.close();
}
