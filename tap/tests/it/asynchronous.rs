//! `/tap/async`.

use axum::http::{StatusCode, header};
use qserv_core::ErrorKind;
use qserv_tap::TapSettings;

use crate::decode::decode;
use crate::fake::{Answer, FakeService, Server, channel, numbers, serve, serve_with};

const QUERY: &str = "SELECT id, half FROM t";

fn service() -> FakeService {
    FakeService::new([
        (QUERY, Answer::Batches(vec![numbers(0, 3), numbers(3, 2)])),
        ("busy", Answer::Fails(ErrorKind::Unavailable, "no worker answers <now>")),
        ("late", Answer::FailsAfter(vec![numbers(0, 2)], "the worker went away")),
    ])
}

async fn create(server: &Server, parameters: &[(&str, &str)]) -> String {
    server.post("/tap/async", parameters).await.location()
}

async fn phase(server: &Server, job: &str) -> String {
    server.get(&format!("{job}/phase")).await.text
}

/// The text of an element of the job document.
fn element(document: &str, name: &str) -> String {
    let after = document.split_once(&format!("<uws:{name}>")).unwrap_or_else(|| panic!("no {name} in {document}")).1;
    after.split_once("</").unwrap().0.to_owned()
}

/// The jobs that have files, as the store sees it.
fn files(server: &Server) -> usize {
    std::fs::read_dir(server.results.path()).unwrap().count()
}

/// Returns when no job has files: they are deleted behind the answer that says so.
async fn no_files(server: &Server) {
    while files(server) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_job_from_creation_to_deletion() {
    let server = serve(service());
    let job = create(&server, &[("request", "doQuery"), ("LANG", "ADQL"), ("query", QUERY), ("RUNID", "r<1>")]).await;
    let document = server.get(&job).await;
    assert_eq!(document.header(header::CONTENT_TYPE), "text/xml");
    assert_eq!(element(&document.text, "phase"), "PENDING");
    assert_eq!(element(&document.text, "runId"), "r&lt;1&gt;");
    assert_eq!(element(&document.text, "creationTime"), "2030-01-02T03:04:05.000Z");
    assert_eq!(element(&document.text, "destruction"), "2030-01-09T03:04:05.000Z");
    assert!(document.text.contains("<uws:startTime xsi:nil=\"true\"/>"));
    assert!(document.text.contains("<uws:parameter id=\"REQUEST\">doQuery</uws:parameter>"));
    assert!(job.ends_with(&element(&document.text, "jobId")));

    assert_eq!(server.get(&format!("{job}/results/result")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get(&format!("{job}/error")).await.status, StatusCode::NOT_FOUND);
    server.post(&format!("{job}/parameters"), &[("RESPONSEFORMAT", "csv"), ("runid", "r2")]).await.location();
    server.post(&format!("{job}/executionduration"), &[("EXECUTIONDURATION", "60")]).await.location();
    server.post(&format!("{job}/destruction"), &[("DESTRUCTION", "2030-01-03")]).await.location();
    assert_eq!(server.get(&format!("{job}/executionduration")).await.text, "60");
    assert_eq!(server.get(&format!("{job}/destruction")).await.text, "2030-01-03T00:00:00.000Z");
    for name in ["quote", "owner"] {
        let reply = server.get(&format!("{job}/{name}")).await;
        assert_eq!((reply.status, reply.text.as_str()), (StatusCode::OK, ""));
        assert_eq!(reply.header(header::CONTENT_TYPE), "text/plain");
    }

    assert_eq!(server.post(&format!("{job}/phase"), &[("PHASE", "RUN")]).await.location(), job);
    let finished = server.get(&format!("{job}?WAIT=-1&PHASE=QUEUED")).await.text;
    let finished = if element(&finished, "phase") == "EXECUTING" {
        server.get(&format!("{job}?WAIT=60")).await.text
    } else {
        finished
    };
    assert_eq!(element(&finished, "phase"), "COMPLETED");
    assert!(finished.contains(&format!("xlink:href=\"http://sky.example:8080{job}/results/result\"")), "{finished}");
    assert!(finished.contains("mime-type=\"text/csv;header=present\""), "{finished}");
    assert!(finished.contains("<uws:parameter id=\"RUNID\">r2</uws:parameter>"));
    assert!(server.get(&format!("{job}/results")).await.text.contains("id=\"result\""));
    assert!(server.get(&format!("{job}/parameters")).await.text.contains("id=\"QUERY\""));

    let result = server.get(&format!("{job}/results/result")).await;
    assert_eq!(result.header(header::CONTENT_TYPE), "text/csv;header=present");
    assert_eq!(result.header(header::CONTENT_LENGTH), result.text.len().to_string());
    assert_eq!(result.text.lines().count(), 6);
    assert_eq!(files(&server), 1);

    let again = server.post(&format!("{job}/phase"), &[("PHASE", "RUN")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(server.post(&format!("{job}/parameters"), &[("QUERY", "x")]).await.status, StatusCode::CONFLICT);
    assert_eq!(server.post(&job, &[("ACTION", "DELETE")]).await.location(), "/tap/async");
    for resource in ["", "/phase", "/results/result", "/error", "/owner", "/quote", "/parameters", "/destruction"] {
        assert_eq!(server.get(&format!("{job}{resource}")).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(server.post(&job, &[("ACTION", "DELETE")]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.delete(&job).await.status, StatusCode::NOT_FOUND);
    assert_eq!(files(&server), 0);
}

/// The elements below the root, in order.
fn elements(document: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(document);
    let (mut depth, mut names) = (0, Vec::new());
    loop {
        use quick_xml::events::Event;
        match reader.read_event().unwrap() {
            Event::Start(element) => {
                if depth == 1 {
                    names.push(element.name().as_ref().to_owned());
                }
                depth += 1;
            }
            Event::Empty(element) if depth == 1 => {
                names.push(element.name().as_ref().to_owned());
            }
            Event::End(_) => depth -= 1,
            Event::Eof => return names,
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_job_document_has_the_order_of_its_schema() {
    let server = serve(service());
    let order = [
        "jobId",
        "runId",
        "ownerId",
        "phase",
        "quote",
        "creationTime",
        "startTime",
        "endTime",
        "executionDuration",
        "destruction",
        "parameters",
        "results",
        "errorSummary",
        "jobInfo",
    ];
    let named = |left_out: &[&str]| {
        let kept = order.iter().filter(|name| !left_out.contains(name));
        kept.map(|name| format!("uws:{name}")).collect::<Vec<_>>()
    };
    let pending = server.get(&create(&server, &[]).await).await.text;
    assert_eq!(elements(&pending), named(&["runId", "errorSummary", "jobInfo"]));
    assert!(pending.contains("<uws:job version=\"1.1\" xmlns:uws=\"http://www.ivoa.net/xml/UWS/v1.0\""));
    for name in ["ownerId", "quote", "startTime", "endTime"] {
        assert!(pending.contains(&format!("<uws:{name} xsi:nil=\"true\"/>")), "{name} in {pending}");
    }
    let (_, failed) = finished(&server, &[("QUERY", "unknown"), ("RUNID", "r")]).await;
    assert_eq!(elements(&failed), named(&[]));
    let (_, done) = finished(&server, &[("QUERY", QUERY), ("RUNID", "r")]).await;
    assert_eq!(elements(&done), named(&["errorSummary"]));
    for (name, count) in [("rows", "5"), ("attempts", "1"), ("chunksDone", "0"), ("chunksTotal", "0")] {
        assert!(done.contains(&format!("<{name}>{count}</{name}>")), "{name} in {done}");
    }
    let list = server.get("/tap/async").await.text;
    assert_eq!(elements(&list), ["uws:jobref"; 3]);
}

#[tokio::test]
async fn progress_is_shown_while_a_job_runs() {
    let (sender, answer) = channel();
    let server = serve(FakeService::new([("slow", answer)]));
    let job = create(&server, &[("QUERY", "slow"), ("PHASE", "RUN")]).await;
    sender.unbounded_send(Ok(numbers(0, 7))).unwrap();
    while !server.get(&job).await.text.contains("<rows>7</rows>") {
        tokio::task::yield_now().await;
    }
    assert_eq!(phase(&server, &job).await, "EXECUTING");
}

async fn finished(server: &Server, parameters: &[(&str, &str)]) -> (String, String) {
    let mut parameters = parameters.to_vec();
    parameters.push(("PHASE", "RUN"));
    let job = create(server, &parameters).await;
    loop {
        let document = server.get(&format!("{job}?WAIT=60")).await.text;
        if !["QUEUED", "EXECUTING"].contains(&element(&document, "phase").as_str()) {
            return (job, document);
        }
    }
}

#[tokio::test]
async fn failures_are_told_in_full() {
    let server = serve(service());
    for (query, kind, word) in [
        ("busy", "transient", "no worker answers &lt;now&gt;"),
        ("late", "transient", "the worker went away"),
        ("unknown", "fatal", "no such table"),
        ("", "fatal", "QUERY"),
    ] {
        let (job, document) = finished(&server, &[("QUERY", query)]).await;
        assert_eq!(element(&document, "phase"), "ERROR");
        assert!(document.contains(&format!("<uws:errorSummary type=\"{kind}\" hasDetail=\"true\">")), "{document}");
        assert!(element(&document, "message").contains(word), "{document}");
        let error = server.get(&format!("{job}/error")).await;
        assert_eq!((error.status, decode(&error.text).statuses()), (StatusCode::OK, vec!["ERROR"]));
        assert_eq!(server.get(&format!("{job}/results/result")).await.status, StatusCode::NOT_FOUND);
    }
    no_files(&server).await;
}

#[tokio::test]
async fn abort_cancels_the_query() {
    let (sender, answer) = channel();
    let server = serve(FakeService::new([("slow", answer)]));
    let job = create(&server, &[("QUERY", "slow"), ("PHASE", "RUN")]).await;
    sender.unbounded_send(Ok(numbers(0, 2))).unwrap();
    server.service.some_started().await;
    assert_eq!(phase(&server, &job).await, "EXECUTING");
    let began = std::time::Instant::now();
    let waiting = format!("{job}?WAIT=-1");
    let (shown, _) = tokio::join!(server.get(&waiting), async {
        server.post(&format!("{job}/phase"), &[("PHASE", "ABORT")]).await.location()
    });
    assert_eq!(element(&shown.text, "phase"), "ABORTED");
    server.service.all_cancelled().await;
    assert!(sender.is_closed());
    assert!(began.elapsed().as_secs_f64() < 1.0, "{:?}", began.elapsed());
    no_files(&server).await;
    assert_eq!(
        server.post(&format!("{job}/phase"), &[("PHASE", "ABORT")]).await.location(),
        job,
        "once more does no harm"
    );
    assert_eq!(phase(&server, &job).await, "ABORTED");
}

#[tokio::test]
async fn deleting_a_running_job_cancels_the_query() {
    let (_sender, answer) = channel();
    let server = serve(FakeService::new([("slow", answer)]));
    let job = create(&server, &[("QUERY", "slow"), ("PHASE", "RUN")]).await;
    server.service.some_started().await;
    assert_eq!(server.delete(&job).await.location(), "/tap/async");
    server.service.all_cancelled().await;
    assert_eq!(server.get(&job).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn dropping_the_service_cancels_its_jobs() {
    let (_sender, answer) = channel();
    let server = serve(FakeService::new([("slow", answer)]));
    create(&server, &[("QUERY", "slow"), ("PHASE", "RUN")]).await;
    server.service.some_started().await;
    let service = server.service.clone();
    drop(server);
    service.all_cancelled().await;
}

#[tokio::test]
async fn jobs_wait_for_their_turn() {
    let (_sender, first) = channel();
    let service = FakeService::new([("first", first), (QUERY, Answer::Batches(vec![numbers(0, 1)]))]);
    let server = serve_with(service, TapSettings { max_running_jobs: 1, ..TapSettings::default() });
    let first = create(&server, &[("QUERY", "first"), ("PHASE", "RUN")]).await;
    server.service.some_started().await;
    let second = create(&server, &[("QUERY", QUERY), ("PHASE", "RUN")]).await;
    assert_eq!(phase(&server, &second).await, "QUEUED");
    let shown = server.get(&format!("{second}?WAIT=-1&PHASE=EXECUTING")).await.text;
    assert_eq!(element(&shown, "phase"), "QUEUED", "WAIT does not hold a request whose PHASE is another");
    server.delete(&first).await.location();
    while phase(&server, &second).await != "COMPLETED" {
        server.get(&format!("{second}?WAIT=60")).await;
    }
}

#[tokio::test]
async fn a_job_ends_when_its_time_is_up() {
    let (_sender, answer) = channel();
    let server = serve(FakeService::new([("slow", answer)]));
    let (_, document) = finished(&server, &[("QUERY", "slow"), ("EXECUTIONDURATION", "1")]).await;
    assert_eq!(element(&document, "phase"), "ABORTED");
    assert!(element(&document, "message").contains("execution duration"), "{document}");
    server.service.all_cancelled().await;
}

#[tokio::test]
async fn wait_has_its_bounds() {
    let server = serve_with(service(), TapSettings { max_wait_s: 2, ..TapSettings::default() });
    let job = create(&server, &[("QUERY", QUERY)]).await;
    let before = std::time::Instant::now();
    assert_eq!(element(&server.get(&format!("{job}?wait=1")).await.text, "phase"), "PENDING");
    assert!((1.0..2.0).contains(&before.elapsed().as_secs_f64()), "{:?}", before.elapsed());
    assert_eq!(server.get(&format!("{job}/phase?WAIT=-1")).await.text, "PENDING");
    assert!((3.0..4.5).contains(&before.elapsed().as_secs_f64()), "{:?}", before.elapsed());
    assert_eq!(server.get(&format!("{job}?WAIT=60&PHASE=QUEUED")).await.status, StatusCode::OK, "at once");
    assert_eq!(server.get(&format!("{job}?WAIT=soon")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn jobs_are_destroyed_at_their_time() {
    let server = serve_with(service(), TapSettings { sweep_interval_s: 1, ..TapSettings::default() });
    let orphan = server.results.path().join("no-such-job");
    std::fs::create_dir(&orphan).unwrap();
    std::fs::write(orphan.join("1.arrow#1"), "half").unwrap();
    let (job, _) = finished(&server, &[("QUERY", QUERY)]).await;
    let kept = create(&server, &[("DESTRUCTION", "2099-01-01")]).await;
    assert_eq!(
        server.get(&format!("{kept}/destruction")).await.text,
        "2030-03-03T03:04:05.000Z",
        "no later than allowed"
    );
    server.clock.advance_s(7 * 86_400);
    assert_eq!(server.get(&job).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/tap/async").await.text.matches("<uws:jobref ").count(), 1);
    no_files(&server).await;
    assert_eq!(server.get(&kept).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_list_of_jobs_can_be_filtered() {
    let server = serve(service());
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(create(&server, &[]).await);
        server.clock.advance_s(1);
    }
    finished(&server, &[("QUERY", QUERY)]).await;
    let listed = async |query: &str| {
        let text = server.get(&format!("/tap/async{query}")).await.text;
        let of = |job: &String| text.contains(&format!("xlink:href=\"http://sky.example:8080{job}\""));
        (text.matches("<uws:jobref ").count(), jobs.iter().map(of).collect::<Vec<_>>())
    };
    assert_eq!(listed("").await, (4, vec![true; 3]));
    assert_eq!(listed("?PHASE=COMPLETED").await, (1, vec![false; 3]));
    assert_eq!(listed("?PHASE=PENDING&phase=ERROR").await, (3, vec![true; 3]));
    assert_eq!(listed("?LAST=2").await, (2, vec![false, false, true]));
    assert_eq!(listed("?AFTER=2030-01-02T03:04:05Z&PHASE=PENDING").await, (2, vec![false, true, true]));
    assert_eq!(listed("?PHASE=HELD").await.0, 0, "a phase of UWS that no job here is in");
    for query in ["?AFTER=noon", "?LAST=-1", "?PHASE=FLYING"] {
        assert_eq!(server.get(&format!("/tap/async{query}")).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn jobs_and_their_room_are_bounded() {
    let settings = TapSettings { max_jobs: 2, max_jobs_bytes: 100, max_spool_bytes: 10, ..TapSettings::default() };
    let server = serve_with(service(), settings);
    let long = "x".repeat(101);
    assert_eq!(server.post("/tap/async", &[("QUERY", &long)]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let (_, document) = finished(&server, &[("QUERY", QUERY)]).await;
    assert!(element(&document, "message").contains("no room"), "{document}");
    create(&server, &[]).await;
    assert_eq!(server.post("/tap/async", &[]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn refuses_what_makes_no_sense() {
    let server = serve(service());
    let job = create(&server, &[]).await;
    for (name, value) in [
        ("PHASE", "FLY"),
        ("ACTION", "FLY"),
        ("EXECUTIONDURATION", "long"),
        ("DESTRUCTION", "never"),
        ("PHASE", "HELD"),
    ] {
        assert_eq!(server.post(&job, &[(name, value)]).await.status, StatusCode::BAD_REQUEST, "{name}={value}");
    }
    assert_eq!(server.post("/tap/async", &[("PHASE", "FLY")]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/tap/async").await.text.matches("<uws:jobref ").count(), 1);
    assert_eq!(server.get("/tap/async/none").await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get(&format!("{job}/results/other")).await.status, StatusCode::NOT_FOUND);
}
