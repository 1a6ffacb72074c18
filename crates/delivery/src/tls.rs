//! Whom encrypted connections trust.

use crate::backend::Fault;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;

/// The authorities that a file of certificates (PEM) holds; without a file, those of the system. `key` names the file.
pub fn authorities(key: &'static str, path: Option<&Path>) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    let Some(path) = path else {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() {
            let what = "it is not set, and the system has no certificate authorities".to_owned();
            return Err(Fault::Configuration { key, what });
        }
        return Ok(roots);
    };
    let wrong = |what: String| Fault::Configuration {
        key,
        what: format!("'{}': {what}; a file of certificates in PEM would be right", path.display()),
    };
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("there is no certificate in it".to_owned())) } else { Ok(roots) }
}
