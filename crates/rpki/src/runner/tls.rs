//! TLS to caches (RFC 8210 section 9.2).

use super::TlsFiles;
use super::connection::Duplex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Opens TLS sessions.
#[derive(Clone)]
pub(super) struct Connector(TlsConnector);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    /// Reads the files.
    pub(super) fn new(files: &TlsFiles) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?
            .with_root_certificates(authorities(files.ca.as_deref())?);
        let config = match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate)?;
                let private = PrivateKeyDer::from_pem_slice(&read(key)?)
                    .map_err(|error| wrong(key, error, "a PEM private key without a password"))?;
                let belongs = config.with_client_auth_cert(chain, private);
                belongs.map_err(|error| wrong(certificate, error, "the certificate that belongs to the key"))?
            }
            _ => config.with_no_client_auth(),
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Opens a session with the host of that name or address.
    pub(super) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<Box<dyn Duplex>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = self.0.connect(name, stream).await?;
        Ok(Box::new(stream))
    }
}

fn authorities(path: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(path) = path else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let none = "the system has no certificate authorities; name a file of them";
        return if roots.is_empty() { Err(none.to_owned()) } else { Ok(roots) };
    };
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| wrong(path, error, "a file of PEM certificates"))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn Display| wrong(path, error, "a file of PEM certificates");
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|error| wrong(&error))?;
    if found.is_empty() { Err(wrong(&"it contains no certificate")) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let text = config::text::read_bytes(path, config::text::MAX_TEXT);
    text.map_err(|error| format!("'{}': {error}", path.display()))
}

fn wrong(path: &Path, error: impl Display, expected: &str) -> String {
    format!("'{}': {error}; expected {expected}", path.display())
}
