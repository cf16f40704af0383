//! Compression of bodies on their way (RFC 9110, section 12.5.3), as the client's `Accept-Encoding` asks.
//!
//! Each chunk is flushed, so that rows arrive as they are made; chunks are large where rows are many, so that this costs little.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::write::GzEncoder;
use futures::stream::{BoxStream, Stream, StreamExt};
use qserv_core::{Error, Result};

use crate::formats::Output;

/// Numbers that are written as text or in base64 have little to find: higher levels take several times as long for a few hundredths.
const GZIP_LEVEL: u32 = 1;
const ZSTD_LEVEL: i32 = 1;

/// A coding of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

/// All codings with their names, the ones that we like best first.
const CODINGS: [(Coding, &[&str]); 3] =
    [(Coding::Zstd, &["zstd"]), (Coding::Gzip, &["gzip", "x-gzip"]), (Coding::Identity, &["identity"])];

impl Coding {
    /// The coding that a request likes best; of those that it likes equally the one that we do. A request that accepts nothing that there is
    /// gets the body as it is, which every client understands.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let mut asked: Vec<(String, u32)> = Vec::new();
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            asked.extend(value.to_str().unwrap_or_default().split(',').filter_map(weighted));
        }
        let weight = |name: &str| asked.iter().find(|(asked, _)| asked == name).map(|(_, weight)| *weight);
        let mut best = (Self::Identity, 0);
        for (coding, names) in CODINGS {
            let named = names.iter().find_map(|name| weight(name)).or_else(|| weight("*"));
            // What is not named is not accepted, but that the body as it is is always there, as the last choice.
            let weight = named.unwrap_or(0);
            if weight > best.1 {
                best = (coding, weight);
            }
        }
        best.0
    }

    /// Its name in headers; the body as it is has none.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// A coding and its weight in thousandths.
fn weighted(item: &str) -> Option<(String, u32)> {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let quality = parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let weight = quality.map_or(1000, thousandths);
    Some((name, weight))
}

/// A weight, `0.25` and the like; one that cannot be read is none.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, is_number) {
        ("1", true) => 1000,
        ("0", true) => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

/// The answer to a request with these headers: a result that arrives in chunks, compressed if the client likes it and it is worth it.
pub(crate) fn respond(
    request: &HeaderMap,
    output: Output,
    chunks: impl Stream<Item = Result<Bytes>> + Send + 'static,
) -> Response {
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(output.content_type));
    if !output.format.is_compressible() {
        return ([content_type], Body::from_stream(chunks)).into_response();
    }
    let coding = Coding::accepted(request);
    let vary = (header::VARY, HeaderValue::from_name(header::ACCEPT_ENCODING));
    match coding.name() {
        None => ([content_type, vary], Body::from_stream(chunks)).into_response(),
        Some(name) => {
            let encoding = (header::CONTENT_ENCODING, HeaderValue::from_static(name));
            let body = Body::from_stream(compressed(coding, chunks));
            ([content_type, vary, encoding], body).into_response()
        }
    }
}

/// Bytes of a document that are compressed at once.
const PIECE_BYTES: usize = 256 * 1024;

/// The answer to a request with these headers: a document that is there, compressed if the client likes it.
pub(crate) fn respond_whole(request: &HeaderMap, content_type: &'static str, document: Bytes) -> Response {
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let vary = (header::VARY, HeaderValue::from_name(header::ACCEPT_ENCODING));
    let coding = Coding::accepted(request);
    let Some(name) = coding.name() else { return ([content_type, vary], document).into_response() };
    let starts = (0..document.len()).step_by(PIECE_BYTES);
    let pieces: Vec<_> =
        starts.map(|start| Ok(document.slice(start..document.len().min(start + PIECE_BYTES)))).collect();
    let body = Body::from_stream(compressed(coding, futures::stream::iter(pieces)));
    ([content_type, vary, (header::CONTENT_ENCODING, HeaderValue::from_static(name))], body).into_response()
}

/// The chunks in a coding.
pub(crate) fn compressed(
    coding: Coding,
    chunks: impl Stream<Item = Result<Bytes>> + Send + 'static,
) -> BoxStream<'static, Result<Bytes>> {
    match coding {
        Coding::Identity => chunks.boxed(),
        Coding::Gzip => {
            let encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
            Compressed { chunks: chunks.boxed(), encoder: Some(encoder) }.boxed()
        }
        Coding::Zstd => match zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL) {
            Ok(encoder) => Compressed { chunks: chunks.boxed(), encoder: Some(encoder) }.boxed(),
            Err(error) => futures::stream::iter([Err(cannot_compress(error))]).boxed(),
        },
    }
}

/// A compressing writer into a buffer.
trait Encoder: Write + Send + Unpin {
    fn buffer(&mut self) -> &mut Vec<u8>;
    fn finished(self) -> std::io::Result<Vec<u8>>;
}

impl Encoder for GzEncoder<Vec<u8>> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }

    fn finished(self) -> std::io::Result<Vec<u8>> {
        self.finish()
    }
}

impl Encoder for zstd::stream::write::Encoder<'static, Vec<u8>> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }

    fn finished(self) -> std::io::Result<Vec<u8>> {
        self.finish()
    }
}

/// Chunks being compressed. A failed stream ends without the end that its coding has.
struct Compressed<E> {
    chunks: BoxStream<'static, Result<Bytes>>,
    /// `None` at the end.
    encoder: Option<E>,
}

impl<E: Encoder> Compressed<E> {
    fn encode(&mut self, chunk: &Bytes) -> Result<Bytes> {
        let Some(encoder) = &mut self.encoder else { return Ok(Bytes::new()) };
        encoder.write_all(chunk).and_then(|()| encoder.flush()).map_err(cannot_compress)?;
        Ok(Bytes::from(std::mem::take(encoder.buffer())))
    }
}

impl<E: Encoder> Stream for Compressed<E> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.encoder.is_none() {
            return Poll::Ready(None);
        }
        let encoded = match ready!(self.chunks.poll_next_unpin(context)) {
            Some(Ok(chunk)) => self.encode(&chunk),
            Some(Err(error)) => Err(error),
            None => {
                let last = self.encoder.take().map(Encoder::finished).transpose().map_err(cannot_compress);
                return Poll::Ready(Some(last.map(|last| Bytes::from(last.unwrap_or_default()))));
            }
        };
        if encoded.is_err() {
            self.encoder = None;
        }
        Poll::Ready(Some(encoded))
    }
}

fn cannot_compress(error: std::io::Error) -> Error {
    Error::internal("the result cannot be compressed").caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use futures::TryStreamExt;

    use super::*;

    #[test]
    fn the_client_chooses() {
        for (asked, coding) in [
            (None, Coding::Identity),
            (Some(""), Coding::Identity),
            (Some("gzip"), Coding::Gzip),
            (Some("GZip, deflate"), Coding::Gzip),
            (Some("x-gzip"), Coding::Gzip),
            (Some("gzip, deflate, br, zstd"), Coding::Zstd),
            (Some("zstd;q=0.4, gzip;q=0.5"), Coding::Gzip),
            (Some("gzip;q=0"), Coding::Identity),
            (Some("*"), Coding::Zstd),
            (Some("zstd;q=0, *;q=0.001"), Coding::Gzip),
            (Some("identity, gzip;q=0.5"), Coding::Identity),
            (Some("identity;q=0"), Coding::Identity),
            (Some("br;q=1.0"), Coding::Identity),
            (Some("gzip;q=2, zstd;q=x"), Coding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(asked) = asked {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(asked));
            }
            assert_eq!(Coding::accepted(&headers), coding, "{asked:?}");
        }
    }

    async fn read(coding: Coding, chunks: Vec<Result<Bytes>>) -> Result<Vec<Bytes>> {
        compressed(coding, futures::stream::iter(chunks)).try_collect().await
    }

    #[tokio::test]
    async fn each_chunk_can_be_read_when_it_arrives() {
        let chunks = || ["first,row\r\n", "second,row\r\n"].map(|text| Ok(Bytes::from_static(text.as_bytes())));
        for coding in [Coding::Gzip, Coding::Zstd] {
            let encoded = read(coding, chunks().into()).await.unwrap();
            let decoder = |bytes: Vec<u8>| -> Box<dyn Read> {
                match coding {
                    Coding::Gzip => Box::new(flate2::read::GzDecoder::new(std::io::Cursor::new(bytes))),
                    _ => Box::new(zstd::stream::read::Decoder::new(std::io::Cursor::new(bytes)).unwrap()),
                }
            };
            let mut text = String::new();
            decoder(encoded.concat()).read_to_string(&mut text).unwrap();
            assert_eq!(text, "first,row\r\nsecond,row\r\n");
            let mut first = [0; 11];
            decoder(encoded[0].to_vec()).read_exact(&mut first).unwrap();
            assert_eq!(&first, b"first,row\r\n");
        }
    }

    #[tokio::test]
    async fn an_error_ends_the_body() {
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
            let chunks = vec![Ok(Bytes::from_static(b"x")), Err(Error::unavailable("gone"))];
            assert!(read(coding, chunks).await.is_err());
        }
    }
}
