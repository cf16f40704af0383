//! What operators and browsers see: limits, metrics, pages of other origins, compressed results.

use std::io::Read;

use axum::body::Body;
use axum::http::{HeaderName, Method, Request, StatusCode, header};
use qserv_tap::TapSettings;

use crate::fake::{Answer, FakeService, Reply, Server, channel, encoded, numbers, serve, serve_with};

const QUERY: &str = "SELECT id, half FROM t";

fn answering() -> FakeService {
    FakeService::new([(QUERY, Answer::Batches(vec![numbers(0, 5)]))])
}

/// A request with headers and without a body.
async fn send(server: &Server, method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

/// What ends is counted a moment after its client knows of it.
async fn assert_metrics(server: &Server, expected: &[(&str, &str)]) {
    let lines: Vec<String> = expected.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let reply = server.get("/metrics").await;
        assert_eq!((reply.status, reply.header(header::CONTENT_TYPE)), (StatusCode::OK, "text/plain; version=0.0.4"));
        let Some(missing) = lines.iter().find(|line| !reply.text.lines().any(|found| found == line.as_str())) else {
            return;
        };
        assert!(std::time::Instant::now() < until, "no {missing} in {}", reply.text);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = serve(answering());
    let bytes = server.ask(QUERY, &[("FORMAT", "csv")]).await.bytes.len();
    server.ask("SELECT fish", &[]).await;
    server.get("/tap/fish").await;
    let multipart = format!(
        "--b\r\nContent-Disposition: form-data; name=\"QUERY\"\r\n\r\n{QUERY}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"UPLOAD\"\r\n\r\nm,param:f\r\n\
         --b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n1\n2\r\n--b--\r\n"
    );
    let multipart = Request::post("/tap/sync")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=b")
        .body(Body::from(multipart));
    assert_eq!(server.send(multipart.unwrap()).await.status, StatusCode::OK);
    let job = server.post("/tap/async", &[("QUERY", QUERY), ("PHASE", "RUN")]).await.location();
    assert_eq!(server.get(&format!("{job}/phase?WAIT=5&PHASE=QUEUED")).await.status, StatusCode::OK);
    while server.get(&format!("{job}/phase?WAIT=5")).await.text != "COMPLETED" {}
    server.post("/tap/async", &[]).await.location();
    assert!(bytes > 0);
    assert_metrics(
        &server,
        &[
            ("qserv_http_requests_total{method=\"GET\",route=\"/tap/sync\",status=\"200\"}", "1"),
            ("qserv_http_requests_total{method=\"GET\",route=\"/tap/sync\",status=\"404\"}", "1"),
            ("qserv_http_requests_total{method=\"POST\",route=\"/tap/sync\",status=\"200\"}", "1"),
            ("qserv_http_requests_total{method=\"GET\",route=\"/tap/{*}\",status=\"404\"}", "1"),
            ("qserv_http_requests_total{method=\"POST\",route=\"/tap/async\",status=\"303\"}", "2"),
            ("qserv_queries_total{mode=\"sync\",outcome=\"ok\"}", "2"),
            ("qserv_queries_total{mode=\"sync\",outcome=\"not_found\"}", "1"),
            ("qserv_queries_total{mode=\"async\",outcome=\"ok\"}", "1"),
            ("qserv_queries_running{mode=\"sync\"}", "0"),
            ("qserv_queries_waiting{mode=\"sync\"}", "0"),
            ("qserv_query_seconds_count{mode=\"sync\"}", "3"),
            ("qserv_rows_total{mode=\"sync\"}", "10"),
            ("qserv_rows_total{mode=\"async\"}", "5"),
            ("qserv_uploads_total", "1"),
            ("qserv_upload_bytes_total", "3"),
            ("qserv_jobs{phase=\"COMPLETED\"}", "1"),
            ("qserv_jobs{phase=\"PENDING\"}", "1"),
            ("qserv_jobs{phase=\"ERROR\"}", "0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn queries_beyond_their_turns_wait_and_beyond_those_are_refused() {
    let (sender, slow) = channel();
    let service = FakeService::new([("slow", slow), (QUERY, Answer::Batches(vec![numbers(0, 5)]))]);
    let settings = TapSettings { max_running_requests: 1, max_waiting_requests: 1, ..TapSettings::default() };
    let server = serve_with(service, settings);
    // Sends its first rows, and holds its turn until it has ended.
    let holding = server.ask("slow", &[("FORMAT", "csv")]);
    let waiting = server.ask(QUERY, &[("FORMAT", "csv")]);
    let meanwhile = async {
        server.service.some_started().await;
        loop {
            let text = server.get("/metrics").await.text;
            if text.contains("qserv_queries_waiting{mode=\"sync\"} 1") {
                break;
            }
            tokio::task::yield_now().await;
        }
        let refused = server.ask(QUERY, &[]).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text);
        assert!(refused.headers.contains_key(header::RETRY_AFTER));
        assert!(refused.text.contains("too many queries wait"), "{}", refused.text);
        assert_eq!(server.service.requests.lock().unwrap().len(), 1, "only the first was asked");
        assert_metrics(
            &server,
            &[
                ("qserv_queries_running{mode=\"sync\"}", "1"),
                ("qserv_queries_total{mode=\"sync\",outcome=\"refused\"}", "1"),
            ],
        )
        .await;
        sender.unbounded_send(Ok(numbers(0, 2))).unwrap();
        drop(sender);
    };
    let (held, waited, ()) = tokio::join!(holding, waiting, meanwhile);
    assert_eq!((held.text.lines().count(), waited.text.lines().count()), (3, 6));
    assert_metrics(&server, &[("qserv_queries_waiting{mode=\"sync\"}", "0")]).await;
}

#[tokio::test]
async fn pages_of_allowed_origins_may_ask() {
    let origin = (header::ORIGIN, "https://portal.example.org");
    let all = serve(answering());
    let path = format!("/tap/sync?{}", encoded(&[("QUERY", QUERY)]));
    let reply = send(&all, Method::GET, &path, std::slice::from_ref(&origin)).await;
    assert_eq!(reply.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    assert!(!reply.headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    let shown = reply.header(header::ACCESS_CONTROL_EXPOSE_HEADERS);
    for name in ["location", "x-query-id", "etag", "content-range", "retry-after"] {
        assert!(shown.split(',').any(|header| header == name), "{name} in {shown}");
    }
    let method = (header::ACCESS_CONTROL_REQUEST_METHOD, "DELETE");
    let asked = send(&all, Method::OPTIONS, "/tap/async/abc", &[origin.clone(), method]).await;
    assert_eq!((asked.status, asked.header(header::ACCESS_CONTROL_ALLOW_ORIGIN)), (StatusCode::OK, "*"));
    assert!(asked.header(header::ACCESS_CONTROL_ALLOW_METHODS).contains("DELETE"));
    // A browser shows a page the error only if it may read it.
    let wrong = send(&all, Method::GET, "/tap/sync?QUERY=fish", std::slice::from_ref(&origin)).await;
    assert_eq!((wrong.status, wrong.header(header::ACCESS_CONTROL_ALLOW_ORIGIN)), (StatusCode::NOT_FOUND, "*"));

    let settings = |origins: &[&str]| TapSettings {
        allowed_origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        ..TapSettings::default()
    };
    let one = serve_with(answering(), settings(&["https://portal.example.org"]));
    let reply = send(&one, Method::GET, &path, std::slice::from_ref(&origin)).await;
    assert_eq!(reply.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), origin.1);
    for server in [one, serve_with(answering(), settings(&[]))] {
        let other = send(&server, Method::GET, &path, &[(header::ORIGIN, "https://other.example.org")]).await;
        assert_eq!((other.status, other.header(header::ACCESS_CONTROL_ALLOW_ORIGIN)), (StatusCode::OK, ""));
    }
}

#[tokio::test]
async fn a_jobs_result_is_compressed_for_who_accepts_it_and_asks_for_no_part() {
    // One that is held in memory, and one that is not.
    for rows in [5, 100_000] {
        let batches = (0..rows).step_by(1_000).map(|first| numbers(first, (rows - first).min(1_000))).collect();
        let server = serve(FakeService::new([(QUERY, Answer::Batches(batches))]));
        let job = server.post("/tap/async", &[("QUERY", QUERY), ("FORMAT", "csv"), ("PHASE", "RUN")]).await.location();
        while server.get(&format!("{job}/phase?WAIT=5")).await.text != "COMPLETED" {}
        let path = format!("{job}/results/result");
        let gzip = (header::ACCEPT_ENCODING, "gzip");
        let plain = server.get(&path).await;
        assert_eq!((plain.header(header::CONTENT_ENCODING), plain.header(header::VARY)), ("", "accept-encoding"));
        // The second time the encoded form is in the store.
        for _ in 0..2 {
            let packed = send(&server, Method::GET, &path, std::slice::from_ref(&gzip)).await;
            assert_eq!(packed.header(header::CONTENT_ENCODING), "gzip");
            assert_eq!(packed.header(header::ACCEPT_RANGES), "none");
            assert_ne!(packed.header(header::ETAG), plain.header(header::ETAG), "other bytes, another name");
            let mut unpacked = String::new();
            flate2::read::GzDecoder::new(&*packed.bytes).read_to_string(&mut unpacked).unwrap();
            assert!(unpacked == plain.text);
            let part = (header::RANGE, "bytes=3-9");
            let part = send(&server, Method::GET, &path, &[gzip.clone(), part]).await;
            assert_eq!((part.status, part.text.as_str()), (StatusCode::PARTIAL_CONTENT, &plain.text[3..10]));
            assert_eq!(part.header(header::CONTENT_ENCODING), "");
            let stale = (header::IF_RANGE, packed.header(header::ETAG));
            let part = (header::RANGE, "bytes=3-9");
            let whole = send(&server, Method::GET, &path, &[gzip.clone(), part, stale]).await;
            assert_eq!((whole.status, whole.text == plain.text), (StatusCode::OK, true), "a part of other bytes");
        }
        let parquet = send(&server, Method::GET, &format!("{path}?FORMAT=parquet"), std::slice::from_ref(&gzip)).await;
        assert_eq!((parquet.header(header::CONTENT_ENCODING), parquet.header(header::VARY)), ("", ""));
    }
}
