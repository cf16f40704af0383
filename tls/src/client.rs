//! The side that believes a certificate, or does not.

use std::io;
use std::sync::{Arc, OnceLock};

use hyper_util::rt::TokioIo;
use qserv_core::{Error, Result};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

use crate::settings::provider;

/// Whom to believe. Cheap to clone; by default the authorities of the web.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// None: the authorities of the web.
    config: Option<Arc<ClientConfig>>,
}

impl Trust {
    /// These authorities, and no others.
    pub(crate) fn of(authorities: &[CertificateDer<'static>]) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority.clone()).map_err(|error| {
                Error::invalid("a certificate cannot be an authority")
                    .with("setting", "tls.authorities")
                    .caused_by(error)
            })?;
        }
        Ok(Self { config: Some(Arc::new(config(roots)?)) })
    }

    /// A client of HTTP that believes these.
    pub fn over(&self, builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        match &self.config {
            Some(config) => builder.use_preconfigured_tls(ClientConfig::clone(config)),
            // It believes the authorities of the web by itself.
            None => builder,
        }
    }

    /// Connects over gRPC: with TLS if the endpoint's address begins with `https://`.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(&self, endpoint: Endpoint) -> std::result::Result<Channel, tonic::transport::Error> {
        if endpoint.uri().scheme_str() != Some("https") {
            return endpoint.connect().await;
        }
        let trust = self.clone();
        let dial = tower::service_fn(move |address: Uri| {
            let trust = trust.clone();
            async move { trust.dial(&address).await.map(TokioIo::new) }
        });
        endpoint.connect_with_connector(dial).await
    }

    async fn dial(&self, address: &Uri) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let host = address.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let config = match &self.config {
            Some(config) => Arc::clone(config),
            None => of_the_web()?,
        };
        let mut config = ClientConfig::clone(&config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect((host, address.port_u16().unwrap_or(443))).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// The authorities of the web, read once.
fn of_the_web() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let made = config(roots).map_err(io::Error::other)?;
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(made))))
}

fn config(roots: RootCertStore) -> Result<ClientConfig> {
    let versions = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| Error::internal("TLS cannot be set up").caused_by(error))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}
