//! The certificate authorities that TLS connections trust.

use crate::backend::StoreError;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::error::Error;
use std::io;
use std::path::Path;

/// The authorities in a file of PEM certificates, or those of the system when there is no file. `key` is the configuration key
/// that names the file.
pub fn authorities(key: &'static str, path: Option<&Path>) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = path else {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() {
            let what = "it is not set, and the system has no certificate authorities; set it to a file of PEM certificates"
                .to_owned();
            return Err(StoreError::Configuration { key, what });
        }
        return Ok(roots);
    };
    for certificate in certificates(key, path)? {
        roots.add(certificate).map_err(|error| file_error(key, path, &error.to_string()))?;
    }
    Ok(roots)
}

/// The certificates in a file, at least one. `key` is the configuration key that names the file.
pub fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let file_error = |what: &str| file_error(key, path, what);
    let text =
        config::text::read_bytes(path, config::text::MAX_TEXT).map_err(|error| file_error(&error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| file_error(&error.to_string()))?;
    if found.is_empty() { Err(file_error("it contains no certificate")) } else { Ok(found) }
}

/// The configuration error behind an error of an HTTP client, if there is one: the server's certificate is not trusted, or the
/// server does not speak TLS.
pub fn configuration_error(key: &'static str, error: &(dyn Error + 'static)) -> Option<StoreError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let what = match error.downcast_ref() {
            Some(rustls::Error::InvalidCertificate(_)) => "the server is not trusted",
            Some(rustls::Error::InvalidMessage(_)) => "the server does not speak TLS",
            _ => {
                // `source` of an `io::Error` skips the error that it wraps.
                let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
                cause = within.map(|error| error as &(dyn Error + 'static)).or_else(|| error.source());
                continue;
            }
        };
        return Some(StoreError::Configuration { key, what: format!("{what}: {error}") });
    }
    None
}

fn file_error(key: &'static str, path: &Path, what: &str) -> StoreError {
    let what = format!("'{}': {what}; expected a file of PEM certificates", path.display());
    StoreError::Configuration { key, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{CertificateError, InvalidMessage};

    #[test]
    fn configuration_errors_are_found_inside_io_errors() {
        let within = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        for (error, part) in [
            (rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer), "the server is not trusted: "),
            (rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), "the server does not speak TLS: "),
        ] {
            for error in [configuration_error("k", &error), configuration_error("k", &within(error.clone()))] {
                let Some(StoreError::Configuration { key: "k", what }) = error else { panic!("{error:?}") };
                assert!(what.starts_with(part), "{what}");
            }
        }
        assert_eq!(configuration_error("k", &within(rustls::Error::HandshakeNotComplete)), None);
        assert_eq!(configuration_error("k", &io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
