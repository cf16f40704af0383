//! Over a real connection: rows arrive as they are made, a client that leaves ends its query, a broken result has no good end.

use qserv_core::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::fake::{Answer, FakeService, Server, channel, encoded, numbers, serve};

/// Serves on a port of this machine until the set is dropped.
async fn listen(server: &Server) -> (JoinSet<()>, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = server.router.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (tasks, address)
}

async fn ask(address: std::net::SocketAddr, query: &str) -> TcpStream {
    ask_for(address, query, "csv", "identity").await
}

async fn ask_for(address: std::net::SocketAddr, query: &str, format: &str, coding: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let parameters = encoded(&[("QUERY", query), ("LANG", "ADQL"), ("FORMAT", format)]);
    let request = format!(
        "GET /tap/sync?{parameters} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: {coding}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads until `text` has arrived.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        assert!(stream.read_buf(&mut read).await.unwrap() > 0, "ended after {}", String::from_utf8_lossy(&read));
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn rows_arrive_before_the_query_has_ended() {
    let (sender, answer) = channel();
    let server = serve(FakeService::new([("slow", answer)]));
    let (_tasks, address) = listen(&server).await;
    let mut stream = ask(address, "slow").await;
    sender.unbounded_send(Ok(numbers(0, 2))).unwrap();
    read_until(&mut stream, "id,half\r\n0,0.0\r\n1,0.5\r\n").await;
    sender.unbounded_send(Ok(numbers(2, 1))).unwrap();
    read_until(&mut stream, "2,1.0\r\n").await;
    drop(sender);
    read_until(&mut stream, "0\r\n\r\n").await;
    server.service.all_cancelled().await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_row_ends_its_query() {
    let (_sender, answer) = channel();
    let server = serve(FakeService::new([("slow", answer)]));
    let (_tasks, address) = listen(&server).await;
    let stream = ask(address, "slow").await;
    server.service.some_started().await;
    drop(stream);
    server.service.all_cancelled().await;
}

#[tokio::test]
async fn a_client_that_leaves_between_rows_ends_its_query() {
    let (sender, answer) = channel();
    let server = serve(FakeService::new([("slow", answer)]));
    let (_tasks, address) = listen(&server).await;
    let mut stream = ask(address, "slow").await;
    sender.unbounded_send(Ok(numbers(0, 2))).unwrap();
    read_until(&mut stream, "1,0.5\r\n").await;
    drop(stream);
    server.service.all_cancelled().await;
    assert!(sender.is_closed());
}

#[tokio::test]
async fn a_failed_csv_has_no_good_end() {
    let (sender, answer) = channel();
    let server = serve(FakeService::new([("late", answer)]));
    let (_tasks, address) = listen(&server).await;
    let mut stream = ask(address, "late").await;
    sender.unbounded_send(Ok(numbers(0, 2))).unwrap();
    let head = read_until(&mut stream, "1,0.5\r\n").await;
    sender.unbounded_send(Err(Error::unavailable("gone"))).unwrap();
    let mut read = head.into_bytes();
    // The connection may be closed or reset; either way the last chunk, "0", must not come.
    let _ = stream.read_to_end(&mut read).await;
    let text = String::from_utf8(read).unwrap();
    assert!(text.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{text}");
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
}

/// A result without an end can only be served if it is never held whole.
#[tokio::test]
async fn an_endless_result_is_served_until_its_client_leaves() {
    for (format, coding) in [
        ("csv", "identity"),
        ("csv", "gzip"),
        ("votable/b2", "zstd"),
        ("votable/td", "identity"),
        ("json", "identity"),
        ("parquet", "gzip"),
        ("arrow", "identity"),
    ] {
        let server = serve(FakeService::new([("endless", Answer::Endless(numbers(0, 8192)))]));
        let (_tasks, address) = listen(&server).await;
        let mut stream = ask_for(address, "endless", format, coding).await;
        let mut buffer = vec![0; 1 << 16];
        let mut left: usize = 2 << 20;
        while left > 0 {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "{format} ended");
            left = left.saturating_sub(read);
        }
        drop(stream);
        server.service.all_cancelled().await;
    }
}
