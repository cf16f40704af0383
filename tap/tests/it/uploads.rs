//! UPLOAD: tables in the request, in the forms in which clients send them, and from addresses.

use std::path::PathBuf;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Redirect;
use axum::routing::get;
use qserv_tap::{TapSettings, UploadSettings};

use crate::decode::decode;
use crate::fake::{Answer, FakeService, Reply, Server, channel, numbers, serve, serve_with};

const QUERY: &str = "SELECT id FROM TAP_UPLOAD.t";

fn service() -> FakeService {
    FakeService::new([(QUERY, Answer::Batches(vec![numbers(0, 3)]))])
}

fn serve_bounded(uploads: UploadSettings) -> Server {
    serve_with(service(), TapSettings { uploads, ..TapSettings::default() })
}

/// A part: what stands in its Content-Disposition, its further headers, its content.
fn part(disposition: &str, headers: &str, content: &str) -> String {
    format!("--b b\r\nContent-Disposition: form-data; {disposition}\r\n{headers}\r\n{content}\r\n")
}

fn body(parts: &[String]) -> String {
    format!("{}--b b--\r\n", parts.concat())
}

async fn send(server: &Server, path: &str, body: impl Into<Body>) -> Reply {
    let request = Request::post(path).header(header::CONTENT_TYPE, "multipart/form-data; boundary=\"b b\"");
    server.send(request.body(body.into()).unwrap()).await
}

/// The tables of the last request, each as its name and its numbers.
fn received(server: &Server) -> Vec<(String, Vec<i64>)> {
    let uploads = server.service.uploads.lock().unwrap();
    uploads.iter().map(|(name, numbers)| (name.clone(), numbers.clone().unwrap())).collect()
}

/// Uploads of requests, and those that jobs keep.
fn files(server: &Server) -> usize {
    let count = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().extension().is_some_and(|suffix| suffix == "upload")).count()
    };
    let jobs = std::fs::read_dir(server.results.path()).unwrap().flatten().map(|job| count(job.path()));
    count(server.scratch.path().join("uploads")) + jobs.sum::<usize>()
}

fn query() -> String {
    part("name=\"QUERY\"", "", QUERY)
}

#[tokio::test]
async fn files_come_in_every_form_that_clients_send() {
    let file = "Content-Type: application/x-votable+xml\r\n";
    let plain = "Content-Type: text/plain; charset=UTF-8\r\n";
    for (parts, expected) in [
        // As pyvo and browsers do, as STILTS does, without a file name, without any sign that it is a file.
        (
            vec![
                query(),
                part("name=\"UPLOAD\"", "", "t,param:f"),
                part("name=\"f\"; filename=\"x.vot\"", file, "1\n2"),
            ],
            vec![("t", vec![1, 2])],
        ),
        (
            vec![part("name=\"f\"; filename=\"f\"", "", "1\n2"), part("name=\"UPLOAD\"", plain, "t,param:f"), query()],
            vec![("t", vec![1, 2])],
        ),
        (vec![part("name=f", file, "3"), part("name=\"upload\"", "", "t,param:f"), query()], vec![("t", vec![3])]),
        (
            vec![part("name=\"f.1\"", "", "4"), part("name=\"UPLOAD\"", "", "t,param:f.1"), query()],
            vec![("t", vec![4])],
        ),
        (vec![part("name=\"UPLOAD\"", "", "t,param:f"), part("name=\"f\"", plain, "5"), query()], vec![("t", vec![5])]),
        (
            vec![
                part("name=\"UPLOAD\"", "", "a,param:x;b,param:y"),
                part("name=\"UPLOAD\"", "", "c,param:x"),
                query(),
                part("name=\"x\"; filename=\"x\"", file, "1"),
                part("name=\"y\"; filename=\"y\"", file, "2"),
                part("name=\"unused\"; filename=\"z\"", file, "not read"),
            ],
            vec![("a", vec![1]), ("b", vec![2]), ("c", vec![1])],
        ),
    ] {
        let server = serve(service());
        let whole = body(&parts);
        let reply = send(&server, "/tap/sync", whole.clone()).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        let expected: Vec<_> = expected.into_iter().map(|(name, numbers)| (name.to_owned(), numbers)).collect();
        assert_eq!(received(&server), expected);

        // In chunks of any size, behind a preamble.
        let preamble = format!("This is a message in several parts.\r\n{whole}");
        let pieces: Vec<_> =
            preamble.as_bytes().chunks(7).map(Bytes::copy_from_slice).map(Ok::<_, std::io::Error>).collect();
        let reply = send(&server, "/tap/sync", Body::from_stream(futures::stream::iter(pieces))).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        assert_eq!(received(&server), expected);
        server.service.requests.lock().unwrap().clear();
        assert_eq!(files(&server), 0, "they go with the query");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_told() {
    for (upload, said) in [
        ("t,param:nosuch", "no part of this name"),
        ("t", "name,param:part"),
        ("1t,param:f", "cannot be called"),
        ("t,param:f;T,param:f", "two uploaded tables"),
        ("t,http://example.org/x", "fetches no tables"),
        ("t,vos://x/y", "vos"),
    ] {
        let server = serve(service());
        let parts = [query(), part("name=\"UPLOAD\"", "", upload), part("name=\"f\"; filename=\"f\"", "", "1")];
        let reply = send(&server, "/tap/sync", body(&parts)).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{upload}: {}", reply.text);
        let words = decode(&reply.text).infos[0].2.clone();
        assert!(words.contains(said), "{upload}: {words}");
        assert_eq!(files(&server), 0);
    }
}

#[tokio::test]
async fn bounds_are_kept() {
    let file = |bytes: usize| part("name=\"f\"; filename=\"f\"", "", &"1\n".repeat(bytes / 2));
    let upload = part("name=\"UPLOAD\"", "", "t,param:f");
    let server = serve_bounded(UploadSettings { max_bytes: 10_000, ..UploadSettings::default() });
    assert_eq!(send(&server, "/tap/sync", body(&[query(), upload.clone(), file(9_990)])).await.status, StatusCode::OK);
    server.service.requests.lock().unwrap().clear();
    for bytes in [10_002, 3_000_000] {
        let reply = send(&server, "/tap/sync", body(&[query(), upload.clone(), file(bytes)])).await;
        assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(decode(&reply.text).infos[0].2.contains("larger than this service takes"), "{}", reply.text);
        assert_eq!(files(&server), 0);
    }
    // Far beyond the bound nothing more is read.
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'1'; 8192])));
    let start =
        format!("{}{}--b b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n", query(), upload);
    let endless = futures::StreamExt::chain(futures::stream::iter([Ok(Bytes::from(start))]), endless);
    assert_eq!(send(&server, "/tap/sync", Body::from_stream(endless)).await.status, StatusCode::PAYLOAD_TOO_LARGE);

    let full = serve_bounded(UploadSettings { max_spool_bytes: 100, ..UploadSettings::default() });
    let reply = send(&full, "/tap/sync", body(&[query(), upload.clone(), file(200)])).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    let many = serve_bounded(UploadSettings { max_tables: 1, ..UploadSettings::default() });
    let two = part("name=\"UPLOAD\"", "", "t,param:f;s,param:f");
    let reply = send(&many, "/tap/sync", body(&[query(), two, file(2)])).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    let off = serve_bounded(UploadSettings { max_bytes: 0, ..UploadSettings::default() });
    let reply = send(&off, "/tap/sync", body(&[query(), upload, file(2)])).await;
    assert!(reply.text.contains("does not take table uploads"), "{}", reply.text);
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_is_given_up() {
    let server = serve(service());
    let start = format!("{}--b b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n1", query());
    let start = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(start))]);
    let silent = futures::StreamExt::chain(start, futures::stream::pending());
    let reply = send(&server, "/tap/sync", Body::from_stream(silent)).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(files(&server), 0);
}

#[tokio::test]
async fn jobs_keep_their_uploads_until_they_have_run() {
    let server = serve(service());
    let file = part("name=\"f\"; filename=\"f\"", "", "7");
    let created = send(&server, "/tap/async", body(&[part("name=\"UPLOAD\"", "", "t,param:f"), file])).await;
    let job = created.location();
    assert_eq!(files(&server), 1);
    // UPLOAD adds to what is there.
    let more = [part("name=\"UPLOAD\"", "", "s,param:g"), part("name=\"g\"; filename=\"g\"", "", "8"), query()];
    assert_eq!(send(&server, &format!("{job}/parameters"), body(&more)).await.status, StatusCode::SEE_OTHER);
    assert_eq!(files(&server), 2);
    server.post(&format!("{job}/phase"), &[("PHASE", "RUN")]).await;
    let phase = server.get(&format!("{job}/phase?WAIT=60&PHASE=EXECUTING")).await;
    let phase = if phase.text == "QUEUED" { server.get(&format!("{job}/phase?WAIT=60")).await } else { phase };
    assert!(["EXECUTING", "COMPLETED"].contains(&phase.text.as_str()), "{}", phase.text);
    while server.get(&format!("{job}/phase")).await.text != "COMPLETED" {
        tokio::task::yield_now().await;
    }
    assert_eq!(received(&server), [("t".to_owned(), vec![7]), ("s".to_owned(), vec![8])]);
    server.service.requests.lock().unwrap().clear();
    while files(&server) > 0 {
        tokio::task::yield_now().await;
    }

    let unused = send(&server, "/tap/async", body(&[query(), part("name=\"f\"; filename=\"f\"", "", "7")])).await;
    assert_eq!(files(&server), 1);
    server.delete(&unused.location()).await;
    assert_eq!(files(&server), 0, "a deleted job keeps nothing");
    let aborted = send(&server, "/tap/async", body(&[query(), part("name=\"f\"; filename=\"f\"", "", "7")])).await;
    server.post(&aborted.location(), &[("PHASE", "ABORT")]).await;
    assert_eq!(files(&server), 0, "nor does an aborted one");
}

#[tokio::test]
async fn uploads_of_jobs_survive_a_restart() {
    let (_sender, answer) = channel();
    let server = serve(FakeService::new([(QUERY, answer)]));
    let parts = [
        query(),
        part("name=\"UPLOAD\"", "", "t,param:f"),
        part("name=\"f\"; filename=\"f\"", "", "7\n8"),
        part("name=\"PHASE\"", "", "RUN"),
    ];
    let job = send(&server, "/tap/async", body(&parts)).await.location();
    server.service.some_started().await;
    assert_eq!(files(&server), 1);
    let again = server.killed_and_started_again(service()).await;
    while again.get(&format!("{job}/phase?WAIT=10")).await.text != "COMPLETED" {}
    assert_eq!(received(&again), [("t".to_owned(), vec![7, 8])]);
    again.service.requests.lock().unwrap().clear();
    while files(&again) > 0 {
        tokio::task::yield_now().await;
    }
}

/// A server of this machine with a file and redirects to it.
async fn elsewhere() -> String {
    let router = Router::new()
        .route("/file", get(|| async { "1\n2\n3" }))
        .route("/away", get(|| async { Redirect::temporary("/file") }))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .route("/scheme", get(|| async { Redirect::temporary("file:///etc/passwd") }))
        .route("/large", get(|| async { "1\n".repeat(100_000) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[allow(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn fetch(server: &Server, address: &str) -> Reply {
    server.post("/tap/sync", &[("LANG", "ADQL"), ("QUERY", QUERY), ("UPLOAD", &format!("t,{address}"))]).await
}

#[tokio::test]
async fn tables_are_fetched_where_that_is_allowed() {
    let there = elsewhere().await;
    let near =
        UploadSettings { from_urls: true, from_private_networks: true, max_bytes: 1_000, ..UploadSettings::default() };
    let server = serve_bounded(near);
    for path in ["file", "away"] {
        let reply = fetch(&server, &format!("{there}/{path}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        assert_eq!(received(&server), [("t".to_owned(), vec![1, 2, 3])]);
    }
    for (path, status, said) in [
        ("nosuch", 400, "status: 404"),
        ("round", 400, "too often"),
        ("scheme", 400, "http and https only"),
        ("large", 413, "larger than this service takes"),
    ] {
        let reply = fetch(&server, &format!("{there}/{path}")).await;
        assert_eq!((reply.status.as_u16(), reply.text.contains(said)), (status, true), "{}", reply.text);
    }
    server.service.requests.lock().unwrap().clear();
    assert_eq!(files(&server), 0);
}

#[tokio::test]
async fn nothing_is_fetched_from_private_networks() {
    let there = elsewhere().await;
    let port = there.rsplit(':').next().unwrap();
    let server = serve_bounded(UploadSettings { from_urls: true, ..UploadSettings::default() });
    for host in
        ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0"]
    {
        let reply = fetch(&server, &format!("http://{host}:{port}/file")).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{host}: {}", reply.text);
        assert!(reply.text.contains("private or local"), "{}", reply.text);
    }
}

#[tokio::test]
async fn capabilities_tell_of_uploads() {
    let methods = |text: &str| text.matches("<uploadMethod ivo-id=").count();
    let plain = serve(service()).get("/tap/capabilities").await.text;
    assert_eq!(methods(&plain), 1);
    assert!(plain.contains("TAPRegExt#upload-inline\"") && plain.contains("<uploadLimit>"), "{plain}");
    assert!(plain.contains("<hard unit=\"byte\">1073741824</hard>"), "{plain}");
    let with_urls = serve_bounded(UploadSettings { from_urls: true, ..UploadSettings::default() });
    let text = with_urls.get("/tap/capabilities").await.text;
    assert!(methods(&text) == 3 && text.contains("#upload-http\"") && text.contains("#upload-https\""), "{text}");
    let off = serve_bounded(UploadSettings { max_bytes: 0, ..UploadSettings::default() });
    let text = off.get("/tap/capabilities").await.text;
    assert!(methods(&text) == 0 && !text.contains("uploadLimit"), "{text}");
}
