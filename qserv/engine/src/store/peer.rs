//! The segments of a worker in another process, by HTTP.

use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use qserv_core::{Error, Result};
use qserv_tls::Trust;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, RANGE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};

use super::StoreSettings;
use super::path::SegmentPath;
use crate::cluster::{Fault, Peer, Secret, http};

/// The path below a worker's address under which it serves its segments.
pub const SEGMENTS_PATH: &str = "/segments/";

/// Talks to the segment servers of other workers.
#[derive(Debug)]
pub(super) struct PeerStores {
    reads: Client,
    /// Has no idle timeout: while a segment travels there, nothing comes back.
    writes: Client,
    secret: Option<Secret>,
    put_timeout: Duration,
    put_slowest_bytes_s: u64,
}

impl PeerStores {
    pub(super) fn new(settings: &StoreSettings, secret: Option<Secret>, trust: &Trust) -> Result<Self> {
        let connect_timeout = Duration::from_millis(settings.connect_timeout_ms);
        let idle_timeout = Duration::from_millis(settings.idle_timeout_ms);
        Ok(Self {
            reads: http::client(connect_timeout, Some(idle_timeout), trust)?,
            writes: http::client(connect_timeout, None, trust)?,
            secret,
            put_timeout: Duration::from_millis(settings.put_timeout_ms),
            put_slowest_bytes_s: settings.put_slowest_bytes_s.max(1),
        })
    }

    /// The length of a segment, `None` if the worker does not have it.
    pub(super) async fn length(&self, peer: &Peer, path: &SegmentPath) -> Result<Option<u64>> {
        let answer = self.send(peer, self.request(&self.reads, Method::HEAD, peer, path)).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            // The body's own length is that of no body here: only the header tells.
            StatusCode::OK => match header_number(answer.headers()) {
                Some(length) => Ok(Some(length)),
                None => Err(strange(peer, path)),
            },
            _ => Err(self.fault(peer, answer).await),
        }
    }

    /// The bytes of a range that is within the segment and not empty.
    ///
    /// The answer is held against what was asked for: a peer can send wrong bytes, but neither more nor fewer.
    pub(super) async fn read(&self, peer: &Peer, path: &SegmentPath, range: Range<u64>) -> Result<Bytes> {
        let last = range.end.saturating_sub(1);
        let request =
            self.request(&self.reads, Method::GET, peer, path).header(RANGE, format!("bytes={}-{last}", range.start));
        let mut answer = self.send(peer, request).await?;
        if answer.status() != StatusCode::PARTIAL_CONTENT {
            return Err(match answer.status() {
                status if status.is_success() => strange(peer, path),
                _ => self.fault(peer, answer).await,
            });
        }
        let length = usize::try_from(range.end - range.start)
            .map_err(|error| Error::limit("a range is too large to be read at once").caused_by(error))?;
        let promised = format!("bytes {}-{last}/", range.start);
        let is_promised = |value: &str| value.starts_with(&promised);
        if !answer.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).is_some_and(is_promised) {
            return Err(strange(peer, path));
        }
        let mut bytes = BytesMut::with_capacity(length);
        while let Some(chunk) = answer.chunk().await.map_err(|error| silent(peer, error))? {
            if bytes.is_empty() && chunk.len() == length {
                return Ok(chunk);
            }
            if bytes.len() + chunk.len() > length {
                return Err(strange(peer, path));
            }
            bytes.extend_from_slice(&chunk);
        }
        if bytes.len() == length { Ok(bytes.freeze()) } else { Err(strange(peer, path)) }
    }

    pub(super) async fn put(&self, peer: &Peer, path: &SegmentPath, bytes: Bytes) -> Result<()> {
        let transfer = Duration::from_secs(bytes.len() as u64 / self.put_slowest_bytes_s);
        let request = self
            .request(&self.writes, Method::PUT, peer, path)
            .timeout(self.put_timeout.saturating_add(transfer))
            .body(bytes);
        self.expect_success(peer, request).await
    }

    pub(super) async fn delete(&self, peer: &Peer, path: &SegmentPath) -> Result<()> {
        let request = self.request(&self.writes, Method::DELETE, peer, path).timeout(self.put_timeout);
        self.expect_success(peer, request).await
    }

    fn request(&self, client: &Client, method: Method, peer: &Peer, path: &SegmentPath) -> RequestBuilder {
        let mut url = peer.url.clone();
        // A segment's path has no character that means something else in a URL.
        url.set_path(&format!("{SEGMENTS_PATH}{path}"));
        let mut headers = HeaderMap::new();
        if let Some(secret) = &self.secret {
            secret.add_to(&mut headers);
        }
        client.request(method, url).headers(headers)
    }

    async fn send(&self, peer: &Peer, request: RequestBuilder) -> Result<Response> {
        request.send().await.map_err(|error| silent(peer, error))
    }

    async fn expect_success(&self, peer: &Peer, request: RequestBuilder) -> Result<()> {
        let answer = self.send(peer, request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(self.fault(peer, answer).await) }
    }

    async fn fault(&self, peer: &Peer, answer: Response) -> Error {
        Fault::read(answer).await.with("worker", &peer.id)
    }
}

fn header_number(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn silent(peer: &Peer, error: reqwest::Error) -> Error {
    Error::unavailable("a worker does not answer").with("worker", &peer.id).caused_by(error)
}

fn strange(peer: &Peer, path: &SegmentPath) -> Error {
    Error::unavailable("a worker answered something other than what it was asked for")
        .with("worker", &peer.id)
        .with("segment", path)
}
