//! Who asks, and how much one may ask at once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName};
use qserv_core::{Error, Result};

use crate::settings::TapSettings;

/// Longest name of a user that is taken from a header.
const MAX_OWNER_BYTES: usize = 256;

/// How clients are told apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientHeaders {
    owner: Option<HeaderName>,
    address: Option<HeaderName>,
}

/// The one who sent a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Client {
    /// The user, where a proxy in front of the service says who it is.
    pub(crate) owner: Option<String>,
    /// The network address, where it is known.
    pub(crate) address: Option<String>,
}

impl ClientHeaders {
    /// The headers that the settings name.
    ///
    /// # Errors
    /// `Invalid` for a name that no header can have.
    pub(crate) fn of(settings: &TapSettings) -> Result<Self> {
        let header = |setting: &'static str, name: &Option<String>| {
            let parsed = name.as_ref().map(|name| name.parse::<HeaderName>()).transpose();
            parsed.map_err(|error| {
                Error::invalid("no header can have this name").with("setting", setting).caused_by(error)
            })
        };
        Ok(Self {
            owner: header("tap.owner_header", &settings.owner_header)?,
            address: header("tap.address_header", &settings.address_header)?,
        })
    }

    /// Who sent a request.
    pub(crate) fn client(&self, request: &Request) -> Client {
        let said = |name: &Option<HeaderName>| value(request.headers(), name.as_ref()?);
        let connected = || {
            let ConnectInfo(address) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
            Some(address.ip().to_string())
        };
        Client { owner: said(&self.owner), address: said(&self.address).or_else(connected) }
    }
}

/// The last of a header's values: the one that the nearest proxy added.
fn value(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let last = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next().unwrap_or_default().trim();
    (!last.is_empty() && last.len() <= MAX_OWNER_BYTES).then(|| last.to_owned())
}

/// Counts the requests that each client has open.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    open: Arc<Mutex<HashMap<String, usize>>>,
    most: usize,
}

/// One open request; it counts for as long as this lives.
#[derive(Debug)]
pub(crate) struct Place {
    open: Arc<Mutex<HashMap<String, usize>>>,
    key: Option<String>,
}

impl Clients {
    /// Each client may have so many requests open at once.
    pub(crate) fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// A place for one more request; `None` if the client has too many open. A client of whom nothing is known has no limit of its
    /// own.
    pub(crate) fn enter(&self, client: &Client) -> Option<Place> {
        let key = match (&client.owner, &client.address) {
            (Some(owner), _) => Some(format!("owner {owner}")),
            (None, Some(address)) => Some(format!("address {address}")),
            (None, None) => None,
        };
        if let Some(key) = &key {
            let mut open = lock(&self.open);
            let count = open.entry(key.clone()).or_default();
            if *count >= self.most {
                return None;
            }
            *count += 1;
        }
        Some(Place { open: Arc::clone(&self.open), key })
    }

    /// How many a client may have.
    pub(crate) fn most(&self) -> usize {
        self.most
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(key) = &self.key else { return };
        let mut open = lock(&self.open);
        if let Some(count) = open.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                open.remove(key);
            }
        }
    }
}

fn lock(open: &Mutex<HashMap<String, usize>>) -> MutexGuard<'_, HashMap<String, usize>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn clients_are_known_by_what_the_nearest_proxy_says() {
        let settings = TapSettings {
            owner_header: Some("X-User".to_owned()),
            address_header: Some("X-Forwarded-For".to_owned()),
            ..TapSettings::default()
        };
        let request = || {
            let request = Request::get("/").header("x-user", "ada").header("x-forwarded-for", "9.9.9.9, 10.0.0.1");
            let mut request = request.body(Body::empty()).unwrap();
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 80))));
            request
        };
        let trusting = ClientHeaders::of(&settings).unwrap();
        let known = Client { owner: Some("ada".to_owned()), address: Some("10.0.0.1".to_owned()) };
        assert_eq!(trusting.client(&request()), known);
        let connected = Client { owner: None, address: Some("127.0.0.1".to_owned()) };
        assert_eq!(
            ClientHeaders::default().client(&request()),
            connected,
            "headers that no setting names are not believed"
        );
        assert_eq!(ClientHeaders::default().client(&Request::new(Body::empty())), Client::default());
        let wrong = TapSettings { owner_header: Some("no header".to_owned()), ..TapSettings::default() };
        assert!(ClientHeaders::of(&wrong).is_err());
    }

    #[test]
    fn each_client_has_its_places() {
        let clients = Clients::new(2);
        let of = |address: &str| Client { owner: None, address: Some(address.to_owned()) };
        let first = clients.enter(&of("a")).unwrap();
        let _second = clients.enter(&of("a")).unwrap();
        assert!(clients.enter(&of("a")).is_none());
        let other = clients.enter(&of("b")).unwrap();
        drop(first);
        let _third = clients.enter(&of("a")).unwrap();
        drop(other);
        assert_eq!(lock(&clients.open).len(), 1, "who has none open is forgotten");
        let unknown: Vec<_> = (0..3).map(|_| clients.enter(&Client::default())).collect();
        assert!(unknown.iter().all(Option::is_some));
    }
}
