//! Jobs and several servers over one catalog, one after another and side by side.

use axum::http::{StatusCode, header};
use qserv_core::catalog::JobPhase;
use qserv_tap::TapSettings;

use crate::fake::{Answer, FakeService, Server, channel, numbers, serve, serve_with};

const QUERY: &str = "SELECT id, half FROM t";

fn answering() -> FakeService {
    FakeService::new([(QUERY, Answer::Batches(vec![numbers(0, 3)]))])
}

async fn run(server: &Server, query: &str) -> String {
    let parameters = [("QUERY", query), ("RESPONSEFORMAT", "csv"), ("PHASE", "RUN")];
    server.post("/tap/async", &parameters).await.location()
}

/// Returns when the job has ended.
async fn ended(server: &Server, job: &str) -> String {
    loop {
        let phase = server.get(&format!("{job}/phase?WAIT=10")).await.text;
        if !JobPhase::parse(&phase).unwrap().is_active() {
            return phase;
        }
    }
}

async fn result(server: &Server, job: &str) -> String {
    let reply = server.get(&format!("{job}/results/result")).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    reply.text
}

#[tokio::test]
async fn finished_results_are_still_there() {
    let server = serve(answering());
    let job = run(&server, QUERY).await;
    assert_eq!(ended(&server, &job).await, "COMPLETED");
    let (document, rows) = (server.get(&job).await.text, result(&server, &job).await);
    let again = server.killed_and_started_again(FakeService::new([])).await;
    assert_eq!(again.get(&job).await.text, document);
    assert_eq!(result(&again, &job).await, rows);
    assert!(again.service.requests.lock().unwrap().is_empty(), "nothing was asked again");
}

#[tokio::test]
async fn jobs_that_ran_or_waited_are_run() {
    let (_sender, answer) = channel();
    let settings = TapSettings { max_running_jobs: 1, ..TapSettings::default() };
    let server = serve_with(FakeService::new([(QUERY, answer)]), settings);
    let running = run(&server, QUERY).await;
    server.service.some_started().await;
    let waiting = run(&server, QUERY).await;
    let pending = server.post("/tap/async", &[("QUERY", QUERY)]).await.location();
    let again = server.killed_and_started_again(answering()).await;
    for (job, attempts) in [(&running, 2), (&waiting, 1)] {
        assert_eq!(ended(&again, job).await, "COMPLETED");
        assert_eq!(result(&again, job).await.lines().count(), 4);
        assert!(again.get(job).await.text.contains(&format!("<attempts>{attempts}</attempts>")));
    }
    assert_eq!(again.get(&format!("{pending}/phase")).await.text, "PENDING");
}

#[tokio::test]
async fn a_job_that_stops_the_server_does_not_do_so_for_ever() {
    let mut senders = Vec::new();
    let mut slow = || {
        let (sender, answer) = channel();
        senders.push(sender);
        FakeService::new([("slow", answer)])
    };
    let settings = TapSettings { max_job_attempts: 2, ..TapSettings::default() };
    let mut server = serve_with(slow(), settings);
    let job = run(&server, "slow").await;
    for _ in 0..2 {
        while server.service.requests.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        server = server.killed_and_started_again(slow()).await;
    }
    assert_eq!(ended(&server, &job).await, "ERROR");
    let document = server.get(&job).await.text;
    assert!(document.contains("the server that ran the query stopped"), "{document}");
    assert!(server.get(&format!("{job}/error")).await.text.contains("stopped"));
}

#[tokio::test]
async fn a_server_that_stops_gives_its_jobs_back() {
    let (_sender, answer) = channel();
    let mut server = serve(FakeService::new([("slow", answer), (QUERY, Answer::Batches(vec![numbers(0, 1)]))]));
    let running = run(&server, "slow").await;
    server.service.some_started().await;
    // Those who wait are told at once.
    let path = format!("{running}/phase?WAIT=-1");
    let (phase, ()) = tokio::join!(server.get(&path), async { server.tap.stop() });
    assert_eq!(phase.text, "EXECUTING");
    let late = run(&server, QUERY).await;
    server.tap.give_up().await;
    server.jobs_ended().await;
    server.service.all_cancelled().await;
    for job in [&running, &late] {
        assert_eq!(server.get(&format!("{job}/phase")).await.text, "QUEUED");
    }
    let again = server.beside(FakeService::new([
        ("slow", Answer::Batches(vec![numbers(0, 2)])),
        (QUERY, Answer::Batches(vec![numbers(0, 1)])),
    ]));
    assert_eq!(ended(&again, &running).await, "COMPLETED");
    assert_eq!(ended(&again, &late).await, "COMPLETED");
    assert!(again.get(&running).await.text.contains("<attempts>1</attempts>"), "the first attempt does not count");
}

#[tokio::test]
async fn another_server_shows_and_ends_a_job() {
    let (sender, answer) = channel();
    let server = serve(FakeService::new([("slow", answer)]));
    let job = run(&server, "slow").await;
    sender.unbounded_send(Ok(numbers(0, 2))).unwrap();
    server.service.some_started().await;
    let other = server.follower();
    assert_eq!(other.get(&format!("{job}/phase")).await.text, "EXECUTING");
    let began = std::time::Instant::now();
    assert_eq!(other.post(&format!("{job}/phase"), &[("PHASE", "ABORT")]).await.location(), job);
    server.service.all_cancelled().await;
    assert!(began.elapsed().as_secs_f64() < 1.0, "{:?}", began.elapsed());
    assert_eq!(server.get(&format!("{job}/phase")).await.text, "ABORTED");
}

#[tokio::test]
async fn another_servers_change_ends_waiting() {
    let server = serve(answering());
    let other = server.follower();
    let job = server.post("/tap/async", &[("QUERY", QUERY)]).await.location();
    let path = format!("{job}/phase?WAIT=30");
    let began = std::time::Instant::now();
    let (phase, _) = tokio::join!(other.get(&path), async {
        server.post(&format!("{job}/phase"), &[("PHASE", "ABORT")]).await.location()
    });
    assert_eq!(phase.text, "ABORTED");
    assert!(began.elapsed().as_secs_f64() < 5.0, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_result_is_fetched_in_any_format_and_in_parts() {
    let rows: i64 = 100_000;
    let batches = (0..rows / 1_000).map(|number| numbers(number * 1_000, 1_000)).collect();
    let server = serve(FakeService::new([(QUERY, Answer::Batches(batches))]));
    let job = run(&server, QUERY).await;
    assert_eq!(ended(&server, &job).await, "COMPLETED");
    let path = format!("{job}/results/result");
    let fetch = async |path: &str, headers: &[(header::HeaderName, &str)]| {
        let mut request = axum::http::Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        server.send(request.body(axum::body::Body::empty()).unwrap()).await
    };
    let whole = server.get(&path).await;
    assert_eq!(whole.header(header::CONTENT_TYPE), "text/csv;header=present");
    assert_eq!(whole.header(header::ACCEPT_RANGES), "bytes");
    assert_eq!(whole.text.lines().count(), 100_001);
    assert!(whole.text.len() > 1_100_000, "longer than what is kept in memory");
    let synchronous = server.ask(QUERY, &[("FORMAT", "csv")]).await;
    assert!(synchronous.text == whole.text, "the same bytes as a synchronous answer");
    for (format, start) in [("votable", "<?xml"), ("votable/td", "<?xml"), ("tsv", "id\thalf")] {
        let reply = server.get(&format!("{path}?RESPONSEFORMAT={format}")).await;
        assert!(reply.text.starts_with(start), "{format}");
        assert_eq!(reply.header(header::ACCEPT_RANGES), "none");
    }
    assert_eq!(server.get(&format!("{path}?FORMAT=gif")).await.status, StatusCode::BAD_REQUEST);

    let length = whole.text.len();
    let kept = std::fs::read_dir(server.results.path()).unwrap().next().unwrap().unwrap().path();
    let files = || std::fs::read_dir(&kept).unwrap().count();
    assert_eq!(files(), 1, "the result is stored once");
    for (range, start, end) in
        [("bytes=10-99", 10, 100), ("bytes=1050000-", 1_050_000, length), ("bytes=-7", length - 7, length)]
    {
        let part = fetch(&path, &[(header::RANGE, range)]).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.header(header::CONTENT_RANGE), format!("bytes {start}-{}/{length}", end - 1));
        assert_eq!(part.header(header::CONTENT_LENGTH), (end - start).to_string());
        assert!(part.text == whole.text[start..end], "{range}");
        assert_eq!(part.header(header::ETAG), whole.header(header::ETAG));
    }
    assert_eq!(files(), 2, "its encoded form is beside it");
    let outside = fetch(&path, &[(header::RANGE, "bytes=99999999-")]).await;
    assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.header(header::CONTENT_RANGE), format!("bytes */{length}"));
    let other = fetch(&path, &[(header::RANGE, "bytes=0-9"), (header::IF_RANGE, "\"x\"")]).await;
    assert_eq!((other.status, other.text.len()), (StatusCode::OK, length));
    let with_length = server.get(&path).await;
    assert_eq!(with_length.header(header::CONTENT_LENGTH), length.to_string());
    assert!(with_length.text == whole.text);
    assert_eq!(fetch(&format!("{path}?FORMAT=tsv"), &[(header::RANGE, "bytes=0-9")]).await.status, StatusCode::OK);
    server.delete(&job).await.location();
    assert!(!kept.exists());
}

#[tokio::test]
async fn a_short_result_has_a_length_and_parts_in_any_format() {
    let server = serve(answering());
    let job = run(&server, QUERY).await;
    ended(&server, &job).await;
    for format in ["csv", "votable/td"] {
        let path = format!("{job}/results/result?RESPONSEFORMAT={format}");
        let whole = server.get(&path).await;
        assert_eq!(whole.header(header::CONTENT_LENGTH), whole.text.len().to_string());
        let request = axum::http::Request::get(&path).header(header::RANGE, "bytes=3-8");
        let part = server.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!((part.status, part.text.as_str()), (StatusCode::PARTIAL_CONTENT, &whole.text[3..9]));
    }
}

#[tokio::test]
async fn overflow_and_warnings_are_kept() {
    let server = serve(answering());
    for (maxrec, rows) in [("2", 2), ("0", 0)] {
        let parameters = [("QUERY", QUERY), ("MAXREC", maxrec), ("PHASE", "RUN")];
        let job = server.post("/tap/async", &parameters).await.location();
        assert_eq!(ended(&server, &job).await, "COMPLETED");
        let document = crate::decode::decode(&result(&server, &job).await);
        assert_eq!((document.rows.len(), document.statuses()), (rows, vec!["OK", "OVERFLOW"]));
        assert!(document.infos.contains(&("warning".to_owned(), "a <warning>".to_owned(), String::new())));
    }
}

#[tokio::test]
async fn users_see_their_own_jobs() {
    let settings =
        TapSettings { owner_header: Some("x-user".to_owned()), max_jobs_per_owner: Some(1), ..TapSettings::default() };
    let server = serve_with(answering(), settings);
    let send = async |method: &str, path: &str, user: &str| {
        let request = axum::http::Request::builder().method(method).uri(path).header("x-user", user);
        server.send(request.body(axum::body::Body::empty()).unwrap()).await
    };
    let job = send("POST", "/tap/async?QUERY=q", "ada").await.location();
    assert_eq!(send("GET", &format!("{job}/owner"), "ada").await.text, "ada");
    assert!(send("GET", &job, "ada").await.text.contains("<uws:ownerId>ada</uws:ownerId>"));
    for (method, path) in
        [("GET", job.clone()), ("GET", format!("{job}/phase")), ("DELETE", job.clone()), ("POST", job.clone())]
    {
        assert_eq!(send(method, &path, "bob").await.status, StatusCode::FORBIDDEN, "{method} {path}");
    }
    assert_eq!(send("POST", "/tap/async", "ada").await.status, StatusCode::PAYLOAD_TOO_LARGE);
    send("POST", "/tap/async", "bob").await.location();
    assert_eq!(send("GET", "/tap/async", "ada").await.text.matches("<uws:jobref ").count(), 1);
}

#[tokio::test]
async fn a_result_without_room_for_its_parts_comes_whole() {
    let batches = (0..100).map(|number| numbers(number * 1_000, 1_000)).collect();
    let settings = TapSettings { max_spool_bytes: 1_500_000, ..TapSettings::default() };
    let server = serve_with(FakeService::new([(QUERY, Answer::Batches(batches))]), settings);
    let job = run(&server, QUERY).await;
    assert_eq!(ended(&server, &job).await, "COMPLETED");
    let request = axum::http::Request::get(format!("{job}/results/result")).header(header::RANGE, "bytes=0-9");
    let reply = server.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!((reply.status, reply.text.lines().count()), (StatusCode::OK, 100_001));
}
