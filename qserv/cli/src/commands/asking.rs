//! How commands ask a server over HTTP.

use qserv_core::{Error, Result};

use crate::settings::Settings;

/// A client that believes the authorities of the settings.
///
/// # Errors
/// `Invalid` if they cannot be read.
pub(super) fn http_client(settings: &Settings) -> Result<reqwest::Client> {
    let trust = settings.tls.read()?.trust;
    trust
        .over(reqwest::Client::builder())
        .tcp_nodelay(true)
        // A database is asked where it stands; an answer that a proxy holds back would not stream.
        .no_proxy()
        .build()
        .map_err(|error| Error::internal("cannot make an HTTP client").caused_by(error))
}

/// What to say when a server does not answer.
pub(super) fn no_server(server: &str, error: reqwest::Error) -> Error {
    if error.is_builder() {
        return Error::invalid("the server's address is not an http:// URL").with("server", server).caused_by(error);
    }
    match reason(&error) {
        Some(reason) => Error::unavailable("the server's certificate is not believed")
            .with("server", server)
            .with("reason", reason)
            .with("remedy", "name the authority that it is from with --authorities"),
        None => Error::unavailable("no server answers")
            .with("server", server)
            .with("remedy", "start one with `qserv demo` or `qserv up`, or name another with --server"),
    }
    .caused_by(error)
}

/// What is wrong with the certificate, if that is why there is no connection.
fn reason(error: &reqwest::Error) -> Option<String> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let words = error.to_string();
        if words.starts_with("invalid peer certificate") {
            return Some(words);
        }
        cause = error.source();
    }
    None
}
