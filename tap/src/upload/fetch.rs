//! Tables that users name by address: fetched with bounds on time, size and place.
//!
//! A name may mean one address when it is looked at and another when it is connected to, so what is checked is what is connected to: the
//! client asks [`PublicAddresses`] for the addresses of each name, and gets those only that are public. Redirects are followed here, one
//! by one, each checked like the first.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use qserv_core::{Error, Result};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use url::{Host, Url};

use super::address::is_public;
use super::settings::UploadSettings;

/// Most redirects in a row.
const MAX_REDIRECTS: usize = 5;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches tables.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    client: Client,
    private_too: bool,
}

impl Fetcher {
    /// # Errors
    /// `Internal` if the HTTP client cannot be set up.
    pub(super) fn new(settings: &UploadSettings) -> Result<Self> {
        let client = Client::builder()
            .user_agent(concat!("qserv/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(Duration::from_secs(settings.idle_timeout_s.max(1)))
            .timeout(Duration::from_secs(settings.fetch_timeout_s.max(1)))
            .redirect(Policy::none())
            // A proxy would connect where we cannot look.
            .no_proxy()
            .dns_resolver(std::sync::Arc::new(PublicAddresses { private_too: settings.from_private_networks }))
            .build()
            .map_err(|error| Error::internal("the HTTP client cannot be set up").caused_by(error))?;
        Ok(Self { client, private_too: settings.from_private_networks })
    }

    /// The answer of an address, its body still to be read, and its media type.
    ///
    /// # Errors
    /// `Denied` for an address that is not public; `Invalid` if it does not answer with a file.
    pub(super) async fn fetch(&self, address: &Url) -> Result<(Body, Option<String>)> {
        let mut address = address.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.check(&address)?;
            let answer = self.client.get(address.clone()).send().await.map_err(|error| failed(&address, error))?;
            if answer.status().is_redirection() {
                let target = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
                let target = target.and_then(|target| address.join(target).ok());
                address = target.ok_or_else(|| {
                    Error::invalid("the address of an upload redirects to nowhere").with("address", &address)
                })?;
                continue;
            }
            if !answer.status().is_success() {
                return Err(Error::invalid("the address of an upload does not answer with a file")
                    .with("address", &address)
                    .with("status", answer.status().as_u16()));
            }
            let media_type =
                answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
            return Ok((Body { answer, address }, media_type));
        }
        Err(Error::invalid("the address of an upload redirects too often").with("address", &address))
    }

    /// Checks what no name is looked up for: the scheme, and addresses written as numbers.
    fn check(&self, address: &Url) -> Result<()> {
        if !matches!(address.scheme(), "http" | "https") {
            return Err(Error::invalid("tables are fetched by http and https only").with("address", address));
        }
        let number = match address.host() {
            Some(Host::Ipv4(number)) => Some(IpAddr::V4(number)),
            Some(Host::Ipv6(number)) => Some(IpAddr::V6(number)),
            Some(Host::Domain(_)) => None,
            None => return Err(Error::invalid("the address of an upload names no host").with("address", address)),
        };
        match number {
            Some(number) if !self.private_too && !is_public(number) => Err(not_public(address)),
            _ => Ok(()),
        }
    }
}

/// The body of an answer.
pub(super) struct Body {
    answer: Response,
    address: Url,
}

impl Body {
    /// Its next bytes; `None` at its end.
    ///
    /// # Errors
    /// `Invalid` if it breaks off.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        self.answer.chunk().await.map_err(|error| failed(&self.address, error))
    }
}

/// Looks names up and leaves out what is not public.
#[derive(Debug)]
struct PublicAddresses {
    private_too: bool,
}

/// No address of a name is one that tables may be fetched from.
#[derive(Debug)]
struct NotPublic;

impl std::fmt::Display for NotPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no public address")
    }
}

impl std::error::Error for NotPublic {}

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let private_too = self.private_too;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> =
                found.into_iter().filter(|found| private_too || is_public(found.ip())).collect();
            if public.is_empty() {
                return Err(Box::new(NotPublic) as Box<dyn std::error::Error + Send + Sync>);
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn not_public(address: &Url) -> Error {
    Error::new(qserv_core::ErrorKind::Denied, "tables are not fetched from private or local networks")
        .with("address", address)
}

fn failed(address: &Url, error: reqwest::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if current.is::<NotPublic>() {
            return not_public(address);
        }
        cause = current.source();
    }
    let message = if error.is_timeout() {
        "the address of an upload takes too long to answer"
    } else {
        "the address of an upload does not answer, or breaks off"
    };
    Error::invalid(message).with("address", address).caused_by(error)
}
