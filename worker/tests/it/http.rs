//! A worker's listener as strangers see it.

use std::path::Path;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{settings, start};

const PATH: &str = "segments/db/T/dataset/a.parquet";

/// Sends bytes as they are and answers what comes back until the other side closes.
async fn raw(server: &qserv_worker::WorkerServer, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as a close.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn has_files(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() { has_files(&path) } else { true }
    })
}

#[tokio::test]
async fn segments_are_served_with_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&settings(folder.path(), "w1")).await;
    let client = reqwest::Client::new();
    let url = server.url().join(PATH).unwrap();
    assert_eq!(client.get(server.url().join("healthz").unwrap()).send().await.unwrap().text().await.unwrap(), "ok\n");
    assert_eq!(client.get(url.clone()).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let content = b"0123456789".repeat(300_000);
    let put = client.put(url.clone()).body(content.clone()).send().await.unwrap();
    assert_eq!(put.status(), StatusCode::CREATED);

    let head = client.head(url.clone()).send().await.unwrap();
    assert_eq!((head.status(), head.headers()[CONTENT_LENGTH].to_str().unwrap()), (StatusCode::OK, "3000000"));
    assert!(client.get(url.clone()).send().await.unwrap().bytes().await.unwrap() == content);
    let part = client.get(url.clone()).header(RANGE, "bytes=2-1500004").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()[CONTENT_RANGE], "bytes 2-1500004/3000000");
    assert!(part.bytes().await.unwrap() == content[2..=1_500_004]);
    let outside = client.get(url.clone()).header(RANGE, "bytes=3000000-").send().await.unwrap();
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.headers()[CONTENT_RANGE], "bytes */3000000");
    assert_eq!(client.delete(url.clone()).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(client.head(url).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let lost = client.get(server.url().join("nothing/here").unwrap()).send().await.unwrap();
    assert_eq!(lost.status(), StatusCode::NOT_FOUND);
    server.shutdown().await;
}

#[tokio::test]
async fn attacks_by_path_reach_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&settings(folder.path(), "w1")).await;
    for path in [
        "../worker.json",
        "%2e%2e/worker.json",
        "..%2fworker.json",
        "a/../../worker.json",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        ".put-0-a",
        "a%00b",
    ] {
        for (method, body) in [("GET", ""), ("PUT", "stolen"), ("DELETE", "")] {
            let request = format!(
                "{method} /segments/{path} HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let answer = raw(&server, request.as_bytes()).await;
            assert!(
                answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 404"),
                "{method} {path}: {answer}"
            );
        }
    }
    let identity = std::fs::read_to_string(folder.path().join("w1/worker.json")).unwrap();
    assert!(identity.contains("w1"));
    assert!(!has_files(&folder.path().join("w1/segments")));
    server.shutdown().await;
}

#[tokio::test]
async fn segments_that_do_not_arrive_whole_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), "w1");
    settings.max_segment_bytes = 1000;
    let server = start(&settings).await;
    let put = |length: &str, body: &str| {
        format!("PUT /{PATH} HTTP/1.1\r\nHost: w\r\nConnection: close\r\n{length}\r\n\r\n{body}")
    };
    // Cut off in the middle.
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(put("Content-Length: 100", "ten bytes.").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 2"));
    // Without a length, so that an end cannot be told from a break.
    let answer = raw(&server, put("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    // Larger than the worker takes.
    let answer = raw(&server, put("Content-Length: 1001", &"x".repeat(1001)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 507") && answer.contains("max_segment_bytes"), "{answer}");
    assert!(!has_files(&folder.path().join("w1/segments")));
    // No HTTP at all.
    raw(&server, &[0, 159, 146, 150, b'\r', b'\n', b'\r', b'\n']).await;
    let answer = raw(&server, put("Content-Length: 3", "abc").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    server.shutdown().await;
}
