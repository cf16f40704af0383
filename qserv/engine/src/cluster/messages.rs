//! What workers and czars tell each other about who is there.
//!
//! There is one message: a worker *announces* itself, again and again. The first announcement registers it, each further one is
//! a heartbeat, and a czar that restarted needs nothing more than the next one. The answer is the list of workers.

use qserv_core::catalog::WorkerId;
use qserv_core::{Error, Result};
use serde::{Deserialize, Serialize};
use url::Url;

/// The path below a czar's address to which workers announce themselves, and at which the list of workers can be read.
pub const WORKERS_PATH: &str = "/cluster/v1/workers";

/// Longest name of a worker, in characters.
const MAX_WORKER_ID_CHARACTERS: usize = 64;

/// A worker tells that it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Its name.
    pub id: WorkerId,
    /// The address at which the czar and other workers reach it.
    #[serde(with = "address")]
    pub url: Url,
    /// Bytes it can still store.
    pub free_bytes: u64,
    /// The version of its program.
    pub version: String,
    /// Whether this is its last message: it is shutting down, send it no more work.
    #[serde(default)]
    pub leaving: bool,
}

/// A worker as a czar knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub id: WorkerId,
    /// Its address.
    #[serde(with = "address")]
    pub url: Url,
    /// Whether it was heard of lately.
    pub live: bool,
}

/// The answer to an announcement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// All known workers.
    pub workers: Vec<Member>,
    /// When to announce again, in milliseconds.
    pub heartbeat_interval_ms: u64,
}

/// An address as text.
mod address {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use url::Url;

    pub(super) fn serialize<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(url.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
        Url::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Checks a worker's name: 1 to 64 ASCII letters, digits, `-`, `_` and `.`.
///
/// # Errors
/// `Invalid` for any other.
pub fn check_worker_id(id: &WorkerId) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if id.0.is_empty() || id.0.len() > MAX_WORKER_ID_CHARACTERS || !id.0.bytes().all(plain) {
        return Err(Error::invalid(format!(
            "a worker's name must have 1 to {MAX_WORKER_ID_CHARACTERS} ASCII letters, digits, '-', '_' and '.'"
        )));
    }
    Ok(())
}

/// Checks a worker's address: `http://host:port/`, or with `https`, and nothing else.
///
/// # Errors
/// `Invalid` for any other.
pub fn check_worker_url(url: &Url) -> Result<()> {
    let plain = ["http", "https"].contains(&url.scheme())
        && url.has_host()
        && url.path() == "/"
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain {
        Ok(())
    } else {
        Err(Error::invalid("a worker's address must have the form http://host:port/, or https"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_checked() {
        for (name, good) in [("w1", true), ("node-3.rack_2", true), ("", false), ("a/b", false), ("a b", false)] {
            assert_eq!(check_worker_id(&WorkerId(name.into())).is_ok(), good, "{name}");
        }
        assert!(check_worker_id(&WorkerId("x".repeat(65))).is_err());
        for (url, good) in [
            ("http://127.0.0.1:7001", true),
            ("http://[::1]:7001/", true),
            ("http://worker-1.cluster:7001", true),
            ("https://worker-1.cluster:7001", true),
            ("http://user@worker:1/", false),
            ("http://worker:1/path", false),
            ("http://worker:1/?q", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(check_worker_url(&Url::parse(url).unwrap()).is_ok(), good, "{url}");
        }
    }
}
