//! `/tap/sync`.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use qserv_core::ErrorKind;
use qserv_tap::TapSettings;

use crate::decode::{Cell, decode};
use crate::fake::{Answer, FakeService, encoded, numbers, serve, serve_with};

const QUERY: &str = "SELECT id, half FROM t";

fn service() -> FakeService {
    FakeService::new([
        (QUERY, Answer::Batches(vec![numbers(0, 3), numbers(3, 0), numbers(3, 2)])),
        ("none", Answer::Batches(vec![numbers(0, 0)])),
        ("busy", Answer::Fails(ErrorKind::Unavailable, "no worker answers <now>")),
        ("early", Answer::FailsAfter(vec![numbers(0, 0)], "the worker went away")),
        ("soon", Answer::FailsAfter(vec![numbers(0, 2)], "the worker went away")),
        ("late", Answer::FailsLater(vec![numbers(0, 2)], "the worker went away")),
    ])
}

#[tokio::test]
async fn answers_in_each_form_of_a_request() {
    let server = serve(service());
    let multipart = format!(
        "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n{QUERY}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"Lang\"\r\n\r\nADQL-2.1\r\n--b--\r\n"
    );
    let multipart = Request::post("/tap/sync")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=b")
        .body(Body::from(multipart))
        .unwrap();
    let replies = [
        server.ask(QUERY, &[("DUMMY", "1"), ("REQUEST", "doQuery")]).await,
        server.post("/tap/sync", &[("query", QUERY), ("lang", "ADQL")]).await,
        server.send(multipart).await,
    ];
    for reply in replies {
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header(header::CONTENT_TYPE), "application/x-votable+xml");
        let document = decode(&reply.text);
        assert_eq!(document.serialization, "BINARY2");
        assert_eq!(document.statuses(), ["OK"]);
        assert!(document.infos.contains(&("QUERY".to_owned(), QUERY.to_owned(), String::new())));
        assert!(document.infos.contains(&("warning".to_owned(), "a <warning>".to_owned(), String::new())));
        assert_eq!(document.rows.len(), 5);
        assert_eq!(document.rows[4], [Cell::Integer(4), Cell::Double(2.0)]);
    }
}

#[tokio::test]
async fn answers_in_each_format() {
    let server = serve(service());
    let csv = server.ask(QUERY, &[("FORMAT", "csv")]).await;
    assert_eq!(csv.header(header::CONTENT_TYPE), "text/csv;header=present");
    assert_eq!(csv.text, "id,half\r\n0,0.0\r\n1,0.5\r\n2,1.0\r\n3,1.5\r\n4,2.0\r\n");
    let tsv = server.ask(QUERY, &[("responseformat", "tsv")]).await;
    assert!(tsv.text.starts_with("id\thalf\n0\t0.0\n"));
    for (format, serialization) in [("votable/td", "TABLEDATA"), ("votable/b", "BINARY"), ("votable/b2", "BINARY2")] {
        let document = decode(&server.ask(QUERY, &[("RESPONSEFORMAT", format)]).await.text);
        assert_eq!(document.serialization, serialization);
        assert_eq!(document.rows.len(), 5);
    }
    assert_eq!(server.ask("none", &[("FORMAT", "csv")]).await.text, "id,half\r\n");
    assert_eq!(decode(&server.ask("none", &[]).await.text).rows.len(), 0);
}

#[tokio::test]
async fn maxrec_cuts_and_says_so() {
    let server = serve(service());
    let cut = decode(&server.ask(QUERY, &[("MAXREC", "4")]).await.text);
    assert_eq!((cut.rows.len(), cut.statuses()), (4, vec!["OK", "OVERFLOW"]));
    assert_eq!(cut.infos_behind, 2, "the number of rows, and the status");
    let whole = decode(&server.ask(QUERY, &[("MAXREC", "5")]).await.text);
    assert_eq!((whole.rows.len(), whole.statuses()), (5, vec!["OK"]));
    let metadata = decode(&server.ask(QUERY, &[("MAXREC", "0")]).await.text);
    assert_eq!((metadata.rows.len(), metadata.statuses()), (0, vec!["OK", "OVERFLOW"]));
    assert_eq!(metadata.fields.len(), 2);

    let bounded = serve_with(service(), TapSettings { hard_max_rows: Some(2), ..TapSettings::default() });
    assert_eq!(decode(&bounded.ask(QUERY, &[("MAXREC", "100")]).await.text).rows.len(), 2);
}

#[tokio::test]
async fn errors_before_anything_was_sent_have_their_status() {
    let server = serve(service());
    for (query, parameters, status, word) in [
        (QUERY, vec![("LANG", "SQL")], 400, "LANG"),
        (QUERY, vec![("MAXREC", "-5")], 400, "MAXREC"),
        (QUERY, vec![("FORMAT", "gif")], 400, "gif"),
        ("unknown", vec![], 404, "no such table"),
        ("busy", vec![], 503, "no worker answers <now>"),
        ("early", vec![("FORMAT", "csv")], 503, "the worker went away"),
        ("soon", vec![], 503, "the worker went away"),
    ] {
        let reply = server.ask(query, &parameters).await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
        assert_eq!(reply.header(header::CONTENT_TYPE), "application/x-votable+xml");
        let document = decode(&reply.text);
        assert_eq!(document.statuses(), ["ERROR"]);
        assert!(document.infos[0].2.contains(word), "{}", document.infos[0].2);
    }
}

#[tokio::test]
async fn a_later_error_stands_behind_the_rows() {
    let document = decode(&serve(service()).ask("late", &[]).await.text);
    assert_eq!((document.rows.len(), document.statuses()), (2, vec!["OK", "ERROR"]));
    assert!(document.infos.last().unwrap().2.contains("the worker went away"));
}

#[tokio::test]
async fn bodies_are_bounded() {
    let server = serve_with(service(), TapSettings { max_body_bytes: 1000, ..TapSettings::default() });
    let reply = server.post("/tap/sync", &[("QUERY", &"x".repeat(2000))]).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(decode(&reply.text).statuses(), ["ERROR"]);
    let request = Request::post("/tap/sync")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>("x=1&"))))
        .unwrap();
    assert_eq!(server.send(request).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let part =
        format!("--b\r\nContent-Disposition: form-data; name=\"QUERY\"\r\n\r\n{}\r\n--b--\r\n", "x".repeat(2000));
    let request = Request::post("/tap/sync")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=b")
        .body(Body::from(part))
        .unwrap();
    assert_eq!(server.send(request).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_run_time_bound_ends_the_query() {
    let (sender, answer) = crate::fake::channel();
    let (_silent, silence) = crate::fake::channel();
    let service = FakeService::new([("slow", answer), ("silent", silence)]);
    let server = serve_with(service, TapSettings { sync_run_time_s: Some(1), ..TapSettings::default() });
    let silent = server.ask("silent", &[]).await;
    assert_eq!(silent.status, StatusCode::PAYLOAD_TOO_LARGE);
    sender.unbounded_send(Ok(numbers(0, 1))).unwrap();
    let document = decode(&server.ask("slow", &[]).await.text);
    assert_eq!((document.rows.len(), document.statuses()), (1, vec!["OK", "ERROR"]));
    server.service.all_cancelled().await;
}

#[tokio::test]
async fn parameters_of_jobs_and_of_no_one_are_ignored() {
    let server = serve(service());
    let reply = server.ask(QUERY, &[("PHASE", "RUN"), ("RUNID", "r"), ("WAIT", "x"), ("DESTRUCTION", "y")]).await;
    assert_eq!(reply.status, StatusCode::OK);
    for (query, parameters, word) in [
        (QUERY, vec![("QUERY", QUERY)], "QUERY"),
        (QUERY, vec![("REQUEST", "doFish")], "doFish"),
        (QUERY, vec![("MAXREC", "")], ""),
    ] {
        let reply = server.ask(query, &parameters).await;
        assert_eq!(reply.status == StatusCode::OK, word.is_empty(), "{}", reply.text);
        assert!(reply.text.contains(word));
    }
}

#[tokio::test]
async fn every_answer_names_its_query() {
    let server = serve(service());
    let mut ids = std::collections::HashSet::new();
    for query in [QUERY, "unknown", "busy", QUERY] {
        let reply = server.ask(query, &[]).await;
        let id = reply.headers.get("x-query-id").unwrap().to_str().unwrap().to_owned();
        assert!(id.len() == 32 && ids.insert(id));
        let may_pass = reply.status == StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(reply.headers.contains_key(header::RETRY_AFTER), may_pass);
    }
}

#[tokio::test]
async fn a_client_has_so_many_queries_open_at_once() {
    let (_first, first) = crate::fake::channel();
    let service = FakeService::new([("slow", first), (QUERY, Answer::Batches(vec![numbers(0, 1)]))]);
    let settings = TapSettings {
        max_requests_per_client: 1,
        address_header: Some("x-forwarded-for".to_owned()),
        ..TapSettings::default()
    };
    let server = serve_with(service, settings);
    let ask = async |query: &str, address: &str| {
        let path = format!("/tap/sync?{}", encoded(&[("LANG", "ADQL"), ("QUERY", query)]));
        server.send(Request::get(path).header("x-forwarded-for", address).body(Body::empty()).unwrap()).await
    };
    let slow = ask("slow", "1.1.1.1");
    let others = async {
        server.service.some_started().await;
        let refused = ask(QUERY, "1.1.1.1").await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.headers.contains_key(header::RETRY_AFTER));
        assert!(decode(&refused.text).infos[0].2.contains("too many queries"));
        assert_eq!(ask(QUERY, "2.2.2.2").await.status, StatusCode::OK);
    };
    tokio::select! {
        _ = slow => panic!("it has no rows"),
        () = others => {}
    }
    assert_eq!(ask(QUERY, "1.1.1.1").await.status, StatusCode::OK, "the slow one was given up");
}

#[tokio::test]
async fn a_service_that_stops_says_so_behind_the_rows() {
    let (sender, answer) = crate::fake::channel();
    let (_silent, silence) = crate::fake::channel();
    let server = serve(FakeService::new([("slow", answer), ("silent", silence)]));
    sender.unbounded_send(Ok(numbers(0, 2))).unwrap();
    let stop = async {
        server.service.alive.subscribe().wait_for(|alive| *alive == 2).await.unwrap();
        server.tap.stop();
        server.tap.give_up().await;
    };
    let (slow, silent, ()) = tokio::join!(server.ask("slow", &[]), server.ask("silent", &[]), stop);
    let document = decode(&slow.text);
    assert_eq!((document.rows.len(), document.statuses()), (2, vec!["OK", "ERROR"]));
    assert!(document.infos.last().unwrap().2.contains("shutting down"));
    assert_eq!(silent.status, StatusCode::SERVICE_UNAVAILABLE);
    server.service.all_cancelled().await;
}

#[tokio::test]
async fn asks_the_service_for_what_the_user_asked() {
    let server = serve(service());
    server.ask(QUERY, &[("MAXREC", "7"), ("EXPLAIN", "1")]).await;
    let requests = server.service.requests.lock().unwrap();
    assert_eq!(requests[0].text, QUERY);
    assert_eq!((requests[0].max_rows, requests[0].explain), (Some(7), true));
}

#[tokio::test]
async fn shows_a_landing_page() {
    let server = serve(service());
    for path in ["/tap", "/tap/"] {
        let page = server.get(path).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text.contains("action=\"http://sky.example:8080/tap/sync\""), "{}", page.text);
        assert!(page.text.contains("ucd LIKE &#39;") || page.text.contains("ucd LIKE 'phot.flux%'"));
        assert!(page.text.contains(&encoded(&[("MAXREC", "100")])));
    }
}
