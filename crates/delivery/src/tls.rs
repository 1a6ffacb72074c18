//! Certificate authorities that encrypted connections trust.

use crate::backend::StoreError;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::error::Error;
use std::io;
use std::path::Path;

/// The authorities that a file of certificates (PEM) holds; without a file, those of the system. `key` names the file.
pub fn authorities(key: &'static str, path: Option<&Path>) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = path else {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() {
            let what = "it is not set, and the system has no certificate authorities".to_owned();
            return Err(StoreError::Configuration { key, what });
        }
        return Ok(roots);
    };
    for certificate in certificates(key, path)? {
        roots.add(certificate).map_err(|error| wrong(key, path, &error.to_string()))?;
    }
    Ok(roots)
}

/// The certificates in a file: one at least. `key` names the file.
pub fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let wrong = |what: &str| wrong(key, path, what);
    let text =
        config::text::read_bytes(path, config::text::MAX_TEXT).map_err(|error| wrong(&error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| wrong(&error.to_string()))?;
    if found.is_empty() { Err(wrong("there is no certificate in it")) } else { Ok(found) }
}

/// What is wrong with the configuration, if an error of an HTTP client shows it: the server is not trusted, or does not speak TLS.
pub fn refused(key: &'static str, error: &(dyn Error + 'static)) -> Option<StoreError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let what = match error.downcast_ref() {
            Some(rustls::Error::InvalidCertificate(_)) => "the server is not trusted",
            Some(rustls::Error::InvalidMessage(_)) => "no TLS is spoken there",
            _ => {
                // An error within one of the system is not its source.
                let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
                cause = within.map(|error| error as &(dyn Error + 'static)).or_else(|| error.source());
                continue;
            }
        };
        return Some(StoreError::Configuration { key, what: format!("{what}: {error}") });
    }
    None
}

fn wrong(key: &'static str, path: &Path, what: &str) -> StoreError {
    let what = format!("'{}': {what}; a file of certificates in PEM would be right", path.display());
    StoreError::Configuration { key, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{CertificateError, InvalidMessage};

    #[test]
    fn what_tls_says_of_the_configuration_is_found_within_errors_of_the_system() {
        let within = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        for (error, part) in [
            (rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer), "the server is not trusted: "),
            (rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), "no TLS is spoken there: "),
        ] {
            for fault in [refused("k", &error), refused("k", &within(error.clone()))] {
                let Some(StoreError::Configuration { key: "k", what }) = fault else { panic!("{fault:?}") };
                assert!(what.starts_with(part), "{what}");
            }
        }
        assert_eq!(refused("k", &within(rustls::Error::HandshakeNotComplete)), None);
        assert_eq!(refused("k", &io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
