//! The parameters of a request: from its address, a urlencoded body or a multipart body; names in any letter case.

use std::sync::Arc;
use std::time::Duration;

use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::IntoResponse;
use qserv_core::{Error, Result};
use tokio::time::timeout;

use crate::Tap;
use crate::upload::SpooledFile;

/// How long the rest of a body that is refused is read.
const DRAIN: Duration = Duration::from_secs(60);

/// Parameters that one request may give. TAP knows fewer than ten, and each upload adds one.
const MAX_PARAMETERS: usize = 1_000;

/// Bytes of a multipart body that are neither values nor files: boundaries and headers of parts.
const MULTIPART_FRAME_BYTES: u64 = 1024 * 1024;

/// The parameters of a request in the order given, names in upper case, and the files among them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters {
    pairs: Vec<(String, String)>,
    /// By the names of their parts.
    files: Vec<(String, Arc<SpooledFile>)>,
}

/// Files are equal if they are the same.
impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |left: &(String, Arc<SpooledFile>), right: &(String, Arc<SpooledFile>)| {
            left.0 == right.0 && Arc::ptr_eq(&left.1, &right.1)
        };
        self.pairs == other.pairs
            && self.files.len() == other.files.len()
            && self.files.iter().zip(&other.files).all(|(left, right)| is_same(left, right))
    }
}

impl Eq for Parameters {}

impl Parameters {
    /// Reads the parameters of a request. The router bounds the size of its body. Files are left out.
    ///
    /// # Errors
    /// `Invalid` if the body is of another type or not well formed, `Limit` if it is too large.
    pub(crate) async fn read(request: Request) -> Result<Self> {
        Self::read_all(request, None).await
    }

    /// As [`Parameters::read`], and keeps the files of a multipart body, which may be as large as uploads may be.
    ///
    /// # Errors
    /// As [`Parameters::read`], and as storing files.
    pub(crate) async fn read_with_files(request: Request, tap: &Tap) -> Result<Self> {
        Self::read_all(request, tap.uploads.are_taken().then_some(tap)).await
    }

    async fn read_all(request: Request, tap: Option<&Tap>) -> Result<Self> {
        let mut parameters = Self::default();
        parameters.add_urlencoded(request.uri().query().unwrap_or_default().as_bytes())?;
        if request.method() == Method::POST || request.method() == Method::PUT {
            match media_type(request.headers()).as_str() {
                "multipart/form-data" => match tap {
                    Some(tap) => parameters.add_parts(request, tap).await?,
                    None => parameters.add_multipart(request).await?,
                },
                // Some clients send no type with an empty body.
                "application/x-www-form-urlencoded" | "" => {
                    let body = Bytes::from_request(request.with_limited_body(), &())
                        .await
                        .map_err(|rejection| refused(rejection.into_response().status()))?;
                    parameters.add_urlencoded(&body)?;
                }
                other => {
                    return Err(Error::invalid(format!(
                        "a request body must be application/x-www-form-urlencoded or multipart/form-data, not {other}"
                    )));
                }
            }
        }
        Ok(parameters)
    }

    /// The value of a parameter that may be given once; `None` also if it is blank, which forms send for fields left empty.
    ///
    /// # Errors
    /// `Invalid` if it is given twice with different values.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>> {
        let mut values = self.all(name);
        let first = values.next();
        match values.find(|value| Some(*value) != first) {
            Some(_) => Err(Error::invalid(format!("the parameter {name} is given twice, with different values"))),
            None => Ok(first),
        }
    }

    /// The format that is asked for: RESPONSEFORMAT, or FORMAT as it was called before. The first counts: astroquery sends another one
    /// behind it when a table comes along.
    pub(crate) fn format(&self) -> Option<&str> {
        self.all("RESPONSEFORMAT").chain(self.all("FORMAT")).next()
    }

    /// The values of a parameter that are not blank.
    pub(crate) fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let named = self.pairs.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// All parameters.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The file of a part.
    pub(crate) fn file(&self, part: &str) -> Option<&Arc<SpooledFile>> {
        let exact = self.files.iter().rfind(|(name, _)| name == part);
        exact.or_else(|| self.files.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(part))).map(|(_, file)| file)
    }

    /// All files, by the names of their parts.
    pub(crate) fn files(&self) -> &[(String, Arc<SpooledFile>)] {
        &self.files
    }

    fn add_urlencoded(&mut self, text: &[u8]) -> Result<()> {
        url::form_urlencoded::parse(text).try_for_each(|(name, value)| self.add(&name, value.into_owned()))
    }

    async fn add_multipart(&mut self, request: Request) -> Result<()> {
        let mut parts = parts_of(request).await?;
        while let Some(part) = parts.next_field().await.map_err(|error| refused(error.status()).caused_by(error))? {
            let name = part.name().unwrap_or_default().to_owned();
            // A file that no parameter refers to is like a parameter that is not known: ignored.
            if part.file_name().is_none() {
                let value = part.text().await.map_err(|error| refused(error.status()).caused_by(error))?;
                self.add(&name, value)?;
            }
        }
        Ok(())
    }

    /// Reads a multipart body part by part, files into files. What is wrong is told only when the client has sent all, or far too much:
    /// one that is still sending does not read the answer.
    async fn add_parts(&mut self, mut request: Request, tap: &Tap) -> Result<()> {
        let most = (tap.settings.max_body_bytes as u64).saturating_add(MULTIPART_FRAME_BYTES);
        let most = most.saturating_add(tap.uploads.max_bytes().saturating_mul(2));
        DefaultBodyLimit::max(usize::try_from(most).unwrap_or(usize::MAX)).apply(&mut request);
        let mut parts = parts_of(request).await?;
        let idle = tap.uploads.idle_timeout();
        let added = self.add_each_part(&mut parts, tap).await;
        if added.is_err() {
            let drained = async { while let Ok(Ok(Some(_))) = timeout(idle, parts.next_field()).await {} };
            let _ = timeout(DRAIN, drained).await;
        }
        added
    }

    async fn add_each_part(&mut self, parts: &mut Multipart, tap: &Tap) -> Result<()> {
        let idle = tap.uploads.idle_timeout();
        let mut inbox = tap.uploads.inbox();
        let mut text_left = tap.settings.max_body_bytes;
        while let Some(mut part) = in_time(idle, parts.next_field()).await? {
            let name = part.name().unwrap_or_default().to_owned();
            let media_type = part.content_type().map(str::to_owned);
            let is_text = media_type.as_deref().is_none_or(|media_type| media_type.starts_with("text/plain"));
            if part.file_name().is_some() || !is_text || self.is_upload(&name) {
                let mut file = inbox.receive(media_type).await?;
                while let Some(chunk) = in_time(idle, part.chunk()).await? {
                    file.write(&chunk).await?;
                }
                self.count()?;
                self.files.push((name, file.finish().await?));
                continue;
            }
            let mut value = Vec::new();
            while let Some(chunk) = in_time(idle, part.chunk()).await? {
                text_left = text_left.checked_sub(chunk.len()).ok_or_else(|| refused(StatusCode::PAYLOAD_TOO_LARGE))?;
                value.extend_from_slice(&chunk);
            }
            let value = String::from_utf8(value)
                .map_err(|error| Error::invalid(format!("the parameter {name} is not UTF-8 text")).caused_by(error))?;
            self.add(&name, value)?;
        }
        Ok(())
    }

    /// Whether an UPLOAD that came before names this part.
    fn is_upload(&self, part: &str) -> bool {
        let named = format!("param:{part}");
        let sources = self.all("UPLOAD").flat_map(|upload| upload.split([',', ';']));
        !part.is_empty() && sources.map(str::trim).any(|source| source == named)
    }

    fn count(&self) -> Result<()> {
        if self.pairs.len() + self.files.len() >= MAX_PARAMETERS {
            return Err(Error::limit("the request has too many parameters").with("limit", MAX_PARAMETERS));
        }
        Ok(())
    }

    fn add(&mut self, name: &str, value: String) -> Result<()> {
        self.count()?;
        self.pairs.push((name.to_ascii_uppercase(), value));
        Ok(())
    }

    /// Parameters as [`Parameters::iter`] gave them, and files by the names of their parts.
    pub(crate) fn from_stored(pairs: Vec<(String, String)>, files: Vec<(String, Arc<SpooledFile>)>) -> Self {
        Self { pairs, files }
    }

    #[cfg(test)]
    pub(crate) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let pairs = pairs.iter().map(|(name, value)| (name.to_ascii_uppercase(), (*value).to_owned()));
        Self { pairs: pairs.collect(), files: Vec::new() }
    }
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The parts of a multipart body. astroquery names a boundary (`===1764064800000===`) whose characters MIME has only in quotes
/// (RFC 2045, section 5.1), so they are put where they are missing.
async fn parts_of(mut request: Request) -> Result<Multipart> {
    if let Some(quoted) = request.headers().get(header::CONTENT_TYPE).and_then(with_quoted_boundary) {
        request.headers_mut().insert(header::CONTENT_TYPE, quoted);
    }
    Multipart::from_request(request, &()).await.map_err(|rejection| refused(rejection.into_response().status()))
}

/// The content type with quotes around its boundary, if they are missing.
fn with_quoted_boundary(content_type: &HeaderValue) -> Option<HeaderValue> {
    const NAME: &str = "boundary=";
    let text = content_type.to_str().ok()?;
    let at = text.to_ascii_lowercase().find(NAME)? + NAME.len();
    let (before, rest) = text.split_at_checked(at)?;
    let (boundary, after) = rest.split_at_checked(rest.find(';').unwrap_or(rest.len()))?;
    let boundary = boundary.trim();
    if boundary.contains(['"', '\\']) {
        return None;
    }
    HeaderValue::from_str(&format!("{before}\"{boundary}\"{after}")).ok()
}

/// Waits for the next piece of a body, but not for ever.
async fn in_time<T>(idle: Duration, piece: impl Future<Output = Result<T, MultipartError>>) -> Result<T> {
    match timeout(idle, piece).await {
        Ok(piece) => piece.map_err(|error| refused(error.status()).caused_by(error)),
        Err(_) => Err(Error::unavailable("the request body did not arrive: nothing came for too long")),
    }
}

fn refused(status: StatusCode) -> Error {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        Error::limit("the request body is too large")
    } else {
        Error::invalid("the request body is not well formed")
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn post(content_type: &str, body: impl Into<Body>) -> Request {
        Request::post("/tap/sync?a=1").header(header::CONTENT_TYPE, content_type).body(body.into()).unwrap()
    }

    #[tokio::test]
    async fn reads_address_and_urlencoded_body() {
        let request = post("application/x-www-form-urlencoded; charset=UTF-8", "query=a%20%2B+b&A=1");
        let parameters = Parameters::read(request).await.unwrap();
        assert_eq!(parameters, Parameters::from_pairs(&[("A", "1"), ("QUERY", "a + b"), ("A", "1")]));
        assert_eq!(parameters.one("A").unwrap(), Some("1"));
    }

    #[tokio::test]
    async fn reads_multipart_and_leaves_files_alone() {
        let body = "--xx\r\nContent-Disposition: form-data; name=\"Query\"\r\n\r\nSELECT\r\n1\r\n\
                    --xx\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t.vot\"\r\n\r\n\0\u{1}\r\n--xx--\r\n";
        let parameters = Parameters::read(post("multipart/form-data; boundary=xx", body)).await.unwrap();
        assert_eq!(parameters, Parameters::from_pairs(&[("A", "1"), ("QUERY", "SELECT\r\n1")]));
    }

    #[tokio::test]
    async fn reads_a_boundary_that_lacks_its_quotes() {
        let body = "--===1===\r\nContent-Disposition: form-data; name=\"Query\"\r\n\r\nSELECT 1\r\n--===1===--\r\n\r\n";
        for content_type in [
            "multipart/form-data; boundary====1===",
            "multipart/form-data; Boundary====1=== ; charset=utf-8",
            "multipart/form-data; boundary=\"===1===\"",
        ] {
            let parameters = Parameters::read(post(content_type, body)).await.unwrap();
            assert_eq!(parameters.one("QUERY").unwrap(), Some("SELECT 1"), "{content_type}");
        }
    }

    #[tokio::test]
    async fn refuses_other_bodies() {
        for (content_type, body) in [
            ("application/json", "{}"),
            ("multipart/form-data; boundary=xx", "no boundary"),
            ("multipart/form-data", ""),
        ] {
            let error = Parameters::read(post(content_type, body)).await.unwrap_err();
            assert_eq!(error.kind(), qserv_core::ErrorKind::Invalid, "{content_type}");
        }
        let error = Parameters::read(post("", "a=1&".repeat(MAX_PARAMETERS + 1))).await.unwrap_err();
        assert_eq!(error.kind(), qserv_core::ErrorKind::Limit);
    }
}
