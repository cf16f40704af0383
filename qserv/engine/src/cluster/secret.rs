//! The secret that the parts of one cluster share.

use std::fmt;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use qserv_core::{Error, ErrorKind, Result};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};

use super::fault::Fault;

/// Fewest characters of a secret: 16 characters of even a small alphabet cannot be guessed over a network.
const MIN_SECRET_CHARACTERS: usize = 16;

/// Most characters of a secret: it travels in a header with every request.
const MAX_SECRET_CHARACTERS: usize = 512;

/// A secret that every czar and worker of a cluster knows and sends with each request (`Authorization: Bearer ...`).
///
/// It keeps strangers and other clusters out. It does not hide what is sent: a cluster belongs into a network of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    header: HeaderValue,
}

impl Secret {
    /// A secret from settings.
    ///
    /// # Errors
    /// `Invalid` if it is shorter than 16 or longer than 512 characters, or has others than visible ASCII.
    pub fn new(text: &str) -> Result<Self> {
        if text.len() < MIN_SECRET_CHARACTERS || text.len() > MAX_SECRET_CHARACTERS {
            return Err(Error::invalid(format!(
                "the cluster's secret must have {MIN_SECRET_CHARACTERS} to {MAX_SECRET_CHARACTERS} characters"
            )));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid("the cluster's secret must have visible ASCII characters only"));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {text}"))
            .map_err(|error| Error::invalid("the cluster's secret cannot be sent in a header").caused_by(error))?;
        header.set_sensitive(true);
        Ok(Self { header })
    }

    /// Adds the secret to a request's headers.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        headers.insert(AUTHORIZATION, self.header.clone());
    }

    /// Whether a request's headers carry this secret. Takes the same time wherever the two differ.
    #[must_use]
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let Some(given) = headers.get(AUTHORIZATION) else { return false };
        let (given, wanted) = (given.as_bytes(), self.header.as_bytes());
        let difference = given
            .iter()
            .zip(wanted)
            .fold(0, |difference, (left, right)| std::hint::black_box(difference | (left ^ right)));
        given.len() == wanted.len() && difference == 0
    }

    /// Lets only requests that carry the secret reach `router`; all of them if there is none.
    pub fn guard(secret: Option<Self>, router: Router) -> Router {
        match secret {
            Some(secret) => router.layer(middleware::from_fn_with_state(secret, require)),
            None => router,
        }
    }
}

async fn require(State(secret): State<Secret>, request: Request, next: Next) -> Response {
    if secret.is_in(request.headers()) {
        return next.run(request).await;
    }
    let message = "the request does not carry the secret of this cluster";
    let content_type = request.headers().get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    if content_type.starts_with(b"application/grpc") {
        return tonic::Status::permission_denied(message).into_http();
    }
    Fault::from(&Error::new(ErrorKind::Denied, message)).into_response()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_only_where_it_is_whole() {
        let secret = Secret::new("0123456789abcdef").unwrap();
        let mut headers = HeaderMap::new();
        assert!(!secret.is_in(&headers));
        for wrong in
            ["Bearer 0123456789abcdeF", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0", "", "0123456789abcdef"]
        {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(wrong).unwrap());
            assert!(!secret.is_in(&headers), "{wrong}");
        }
        secret.add_to(&mut headers);
        assert!(secret.is_in(&headers));
    }

    #[test]
    fn is_refused_if_weak_and_never_shown() {
        for weak in ["", "short", "has a space in it and more", "ünïcödé-ünïcödé-"] {
            assert_eq!(Secret::new(weak).unwrap_err().kind(), ErrorKind::Invalid, "{weak}");
        }
        assert_eq!(format!("{:?}", Secret::new("0123456789abcdef").unwrap()), "Secret(..)");
    }
}
