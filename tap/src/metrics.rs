//! What the service counts, for Prometheus (its text format 0.0.4): requests, queries, rows and bytes, uploads, jobs, memory.
//!
//! A label has few values, whatever clients send: routes are named by their pattern, and methods that are not ours are one.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use qserv_core::catalog::JobPhase;
use qserv_core::query::QueryMeter;
use qserv_core::{Error, Result};
use tokio::time::Instant;

use crate::Tap;

/// Seconds: from a look-up to a scan of everything.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3_600.0, 36_000.0];

/// Paths as they are counted: `{}` stands for any one part, `{*}` for any rest. The first that fits.
const ROUTES: [&str; 24] = [
    "/",
    "/tap",
    "/tap/sync",
    "/tap/async",
    "/tap/async/{}",
    "/tap/async/{}/phase",
    "/tap/async/{}/parameters",
    "/tap/async/{}/executionduration",
    "/tap/async/{}/destruction",
    "/tap/async/{}/quote",
    "/tap/async/{}/owner",
    "/tap/async/{}/error",
    "/tap/async/{}/results",
    "/tap/async/{}/results/{}",
    "/tap/capabilities",
    "/tap/availability",
    "/tap/examples",
    "/tap/tables",
    "/tap/tables/{*}",
    "/tap/{*}",
    "/health/{*}",
    "/metrics",
    "/api/{*}",
    "/cluster/{*}",
];

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    queries: IntCounterVec,
    queries_running: IntGaugeVec,
    queries_waiting: IntGaugeVec,
    query_seconds: HistogramVec,
    rows: IntCounterVec,
    bytes: IntCounterVec,
    uploads: IntCounter,
    upload_bytes: IntCounter,
    jobs: IntGaugeVec,
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Errors
    /// `Internal` if two have one name, which a test rules out.
    pub(crate) fn new() -> Result<Self> {
        let registry = Registry::new();
        let register = Register(&registry);
        let metrics = Self {
            requests: register.counters(
                "qserv_http_requests_total",
                "Requests by route, method and status of the answer.",
                &["route", "method", "status"],
            )?,
            request_seconds: register.histograms(
                "qserv_http_request_seconds",
                "Time from a request to the beginning of its answer.",
                &["route"],
            )?,
            queries: register.counters(
                "qserv_queries_total",
                "Queries that have ended, by mode (sync, async, flight) and outcome (ok, client_gone, cancelled, refused, or the kind of \
                 error). In flight each stream of rows of this process counts, and as to_workers each query whose rows workers hand out.",
                &["mode", "outcome"],
            )?,
            queries_running: register.gauges("qserv_queries_running", "Queries that run, by mode.", &["mode"])?,
            queries_waiting: register.gauges(
                "qserv_queries_waiting",
                "Queries that wait for their turn, by mode; those of async are jobs of the whole catalog.",
                &["mode"],
            )?,
            query_seconds: register.histograms(
                "qserv_query_seconds",
                "Time from a query's turn to the end of its answer.",
                &["mode"],
            )?,
            rows: register.counters("qserv_rows_total", "Rows of answers, by mode.", &["mode"])?,
            bytes: register.counters(
                "qserv_bytes_total",
                "Bytes of answers as they were encoded, by mode; those of async went into the store of results.",
                &["mode"],
            )?,
            uploads: register.counter("qserv_uploads_total", "Tables that requests brought along.")?,
            upload_bytes: register.counter("qserv_upload_bytes_total", "Bytes of tables that requests brought along.")?,
            jobs: register.gauges("qserv_jobs", "Jobs of the catalog, by phase.", &["phase"])?,
            registry,
        };
        // The memory, processor time and open files of this process, where the system tells.
        #[cfg(target_os = "linux")]
        metrics
            .registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .map_err(internal)?;
        Ok(metrics)
    }

    /// A query has its turn.
    pub(crate) fn query_begins(&self, mode: &str) {
        self.queries_running.with_label_values(&[mode]).inc();
    }

    /// A query that had its turn has ended.
    pub(crate) fn query_ended(&self, mode: &str, outcome: &str, seconds: f64, rows: u64, bytes: u64) {
        self.queries_running.with_label_values(&[mode]).dec();
        self.queries.with_label_values(&[mode, outcome]).inc();
        self.query_seconds.with_label_values(&[mode]).observe(seconds);
        self.rows.with_label_values(&[mode]).inc_by(rows);
        self.bytes.with_label_values(&[mode]).inc_by(bytes);
    }

    /// A query was refused because too many are there.
    pub(crate) fn query_refused(&self, mode: &str) {
        self.queries.with_label_values(&[mode, "refused"]).inc();
    }

    /// A request brought a table along.
    pub(crate) fn uploaded(&self, bytes: u64) {
        self.uploads.inc();
        self.upload_bytes.inc_by(bytes);
    }

    /// All of it as text.
    ///
    /// # Errors
    /// `Internal` if it cannot be written.
    pub(crate) fn text(&self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).map_err(internal)?;
        Ok(text)
    }
}

impl QueryMeter for Metrics {
    fn begins(&self, mode: &'static str) {
        self.query_begins(mode);
    }

    fn ended(&self, mode: &'static str, outcome: &str, seconds: f64, rows: u64, bytes: u64) {
        self.query_ended(mode, outcome, seconds, rows, bytes);
    }

    fn refused(&self, mode: &'static str) {
        self.query_refused(mode);
    }

    fn uploaded(&self, bytes: u64) {
        Self::uploaded(self, bytes);
    }
}

/// Makes what is counted, and has it told.
struct Register<'r>(&'r Registry);

impl Register<'_> {
    fn put<T: Collector + Clone + 'static>(&self, metric: T) -> Result<T> {
        self.0.register(Box::new(metric.clone())).map_err(internal)?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter> {
        self.put(IntCounter::new(name, help).map_err(internal)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.put(IntCounterVec::new(Opts::new(name, help), labels).map_err(internal)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.put(IntGaugeVec::new(Opts::new(name, help), labels).map_err(internal)?)
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec> {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.put(HistogramVec::new(options, labels).map_err(internal)?)
    }
}

fn internal(error: prometheus::Error) -> Error {
    Error::internal("a metric cannot be told").caused_by(error)
}

/// `/metrics`.
pub(crate) async fn show(State(tap): State<Arc<Tap>>) -> Response {
    let metrics = &tap.metrics;
    let waiting = i64::try_from(tap.turns.waiting()).unwrap_or(i64::MAX);
    metrics.queries_waiting.with_label_values(&["sync"]).set(waiting);
    match tap.jobs.count().await {
        Ok(counted) => {
            for phase in JobPhase::ALL {
                let jobs = counted.iter().find(|(of, _)| *of == phase).map_or(0, |(_, jobs)| *jobs);
                let jobs = i64::try_from(jobs).unwrap_or(i64::MAX);
                metrics.jobs.with_label_values(&[phase.name()]).set(jobs);
                if phase == JobPhase::Queued {
                    metrics.queries_waiting.with_label_values(&["async"]).set(jobs);
                }
            }
        }
        // Old numbers would look like news.
        Err(error) => {
            crate::error::log(&error);
            metrics.jobs.reset();
        }
    }
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => crate::error::Failure(error).into_response(),
    }
}

/// Counts a request and its answer.
pub(crate) async fn observe(State(tap): State<Arc<Tap>>, request: Request, next: Next) -> Response {
    let (route, method, began) = (route(request.uri().path()), method(request.method()), Instant::now());
    let response = next.run(request).await;
    let metrics = &tap.metrics;
    metrics.requests.with_label_values(&[route, method, response.status().as_str()]).inc();
    metrics.request_seconds.with_label_values(&[route]).observe(began.elapsed().as_secs_f64());
    response
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The pattern of a path.
fn route(path: &str) -> &'static str {
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    ROUTES.into_iter().find(|pattern| fits(path, pattern)).unwrap_or("other")
}

fn fits(path: &str, pattern: &str) -> bool {
    let mut parts = path.split('/');
    for expected in pattern.split('/') {
        match (expected, parts.next()) {
            ("{*}", _) => return true,
            ("{}", Some(_)) => {}
            (expected, Some(part)) if expected == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_few() {
        for (path, expected) in [
            ("/tap", "/tap"),
            ("/tap/", "/tap"),
            ("/tap/sync", "/tap/sync"),
            ("/tap/async/abc", "/tap/async/{}"),
            ("/tap/async/abc/phase", "/tap/async/{}/phase"),
            ("/tap/async/abc/results/result", "/tap/async/{}/results/{}"),
            ("/tap/async/abc/fish", "/tap/{*}"),
            ("/tap/tables/a.b/c", "/tap/tables/{*}"),
            ("/health", "/health/{*}"),
            ("/health/ready", "/health/{*}"),
            ("/api/v1/databases", "/api/{*}"),
            ("/wp-admin.php", "other"),
            ("/", "/"),
            ("", "other"),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }

    #[test]
    fn what_ended_is_counted() {
        let metrics = Metrics::new().unwrap();
        metrics.query_begins("sync");
        metrics.query_begins("sync");
        metrics.query_ended("sync", "ok", 0.02, 7, 100);
        metrics.query_refused("sync");
        metrics.uploaded(12);
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        for line in [
            "qserv_queries_running{mode=\"sync\"} 1",
            "qserv_queries_total{mode=\"sync\",outcome=\"ok\"} 1",
            "qserv_queries_total{mode=\"sync\",outcome=\"refused\"} 1",
            "qserv_query_seconds_bucket{mode=\"sync\",le=\"0.01\"} 0",
            "qserv_query_seconds_bucket{mode=\"sync\",le=\"0.025\"} 1",
            "qserv_rows_total{mode=\"sync\"} 7",
            "qserv_bytes_total{mode=\"sync\"} 100",
            "qserv_uploads_total 1",
            "qserv_upload_bytes_total 12",
            "# TYPE qserv_query_seconds histogram",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in {text}");
        }
        #[cfg(target_os = "linux")]
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
    }
}
