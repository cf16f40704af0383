//! The parameters of a request: from its address, a urlencoded body or a multipart body; names in any letter case.

use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::IntoResponse;
use qserv_core::{Error, Result};

/// Parameters that one request may give. TAP knows fewer than ten, and each upload adds one.
const MAX_PARAMETERS: usize = 1_000;

/// The parameters of a request in the order given, names in upper case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the parameters of a request. The router bounds the size of its body.
    ///
    /// # Errors
    /// `Invalid` if the body is of another type or not well formed, `Limit` if it is too large.
    pub(crate) async fn read(request: Request) -> Result<Self> {
        let mut parameters = Self::default();
        parameters.add_urlencoded(request.uri().query().unwrap_or_default().as_bytes())?;
        if request.method() == Method::POST || request.method() == Method::PUT {
            match media_type(request.headers()).as_str() {
                "multipart/form-data" => parameters.add_multipart(request).await?,
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

    /// The values of a parameter that are not blank.
    pub(crate) fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let named = self.0.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// All parameters.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn add_urlencoded(&mut self, text: &[u8]) -> Result<()> {
        url::form_urlencoded::parse(text).try_for_each(|(name, value)| self.add(&name, value.into_owned()))
    }

    async fn add_multipart(&mut self, request: Request) -> Result<()> {
        let mut parts = Multipart::from_request(request, &())
            .await
            .map_err(|rejection| refused(rejection.into_response().status()))?;
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

    fn add(&mut self, name: &str, value: String) -> Result<()> {
        if self.0.len() >= MAX_PARAMETERS {
            return Err(Error::limit("the request has too many parameters").with("limit", MAX_PARAMETERS));
        }
        self.0.push((name.to_ascii_uppercase(), value));
        Ok(())
    }

    /// Parameters as [`Parameters::iter`] gave them.
    pub(crate) fn from_stored(parameters: Vec<(String, String)>) -> Self {
        Self(parameters)
    }

    #[cfg(test)]
    pub(crate) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| (name.to_ascii_uppercase(), (*value).to_owned())).collect())
    }
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
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
