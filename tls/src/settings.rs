//! What an operator sets, and what becomes of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use qserv_core::{Error, Result};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use crate::{Acceptor, Trust};

/// The files of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate that the process shows on each of its ports, with those that lead to its authority behind it, in PEM. Left out:
    /// its ports are without TLS.
    pub certificate: Option<PathBuf>,
    /// The certificate's key, in PEM.
    pub key: Option<PathBuf>,
    /// The authorities whose certificates are believed of others, in PEM. Left out: those of the web.
    pub authorities: Option<PathBuf>,
}

/// TLS of a process; by default it shows nothing and believes the authorities of the web.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Makes connections secure, on all ports; none if they are without TLS.
    pub acceptor: Option<Acceptor>,
    /// Whom to believe.
    pub trust: Trust,
}

impl TlsSettings {
    /// Reads the files.
    ///
    /// # Errors
    /// `Invalid` if one is named without the other, cannot be read, or the key is not the certificate's.
    pub fn read(&self) -> Result<Tls> {
        let acceptor = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                Some(Acceptor::new(certificates(certificate, "tls.certificate")?, read_key(key)?)?)
            }
            (None, None) => None,
            (Some(_), None) => return Err(missing("tls.key")),
            (None, Some(_)) => return Err(missing("tls.certificate")),
        };
        let trust = match &self.authorities {
            Some(authorities) => Trust::of(&certificates(authorities, "tls.authorities")?)?,
            None => Trust::default(),
        };
        Ok(Tls { acceptor, trust })
    }
}

fn missing(setting: &'static str) -> Error {
    Error::invalid("TLS needs a certificate and its key").with("missing setting", setting)
}

/// The cryptography of all connections.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}

fn unreadable(path: &Path, setting: &'static str) -> Error {
    Error::invalid("a file for TLS cannot be read as PEM").with("setting", setting).with("file", path.display())
}

fn certificates(path: &Path, setting: &'static str) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> = read.map_err(|error| unreadable(path, setting).caused_by(error))?;
    if found.is_empty() {
        return Err(Error::invalid("a file for TLS has no certificate")
            .with("setting", setting)
            .with("file", path.display()));
    }
    Ok(found)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(path, "tls.key").caused_by(error))
}
