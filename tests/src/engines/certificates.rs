//! Certificates of a made-up authority.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// An authority, and a certificate of it for the servers of this machine, in files of a folder.
pub(super) struct Certificates {
    authority: String,
}

impl Certificates {
    /// Makes and writes them.
    pub(super) fn write(folder: &Path) -> Result<Self, String> {
        let made = || -> Result<_, rcgen::Error> {
            let mut params = CertificateParams::new(Vec::new())?;
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
            let key = KeyPair::generate()?;
            let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
            let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
            Ok((authority.pem(), certificate.pem(), key.serialize_pem()))
        };
        let (authority, certificate, key) = made().map_err(|error| error.to_string())?;
        for (name, text) in [("authorities", &authority), ("certificate", &certificate), ("key", &key)] {
            std::fs::write(file(folder, name), text).map_err(|error| error.to_string())?;
        }
        Ok(Self { authority })
    }

    /// A client that believes the authority.
    pub(super) fn client(&self) -> Result<reqwest::Client, String> {
        let authority = reqwest::Certificate::from_pem(self.authority.as_bytes()).map_err(|error| error.to_string())?;
        let client = reqwest::Client::builder().add_root_certificate(authority).tls_built_in_root_certs(false);
        client.build().map_err(|error| error.to_string())
    }

    /// The settings that name the files.
    pub(super) fn section(folder: &Path) -> String {
        let line = |name: &str| format!("{name} = {:?}\n", file(folder, name));
        format!("[tls]\n{}{}{}", line("certificate"), line("key"), line("authorities"))
    }

    /// The authority's file.
    pub(super) fn authorities(folder: &Path) -> PathBuf {
        file(folder, "authorities")
    }
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.pem"))
}
