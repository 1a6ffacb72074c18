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
    for certificate in certificates(key, path)? {
        roots.add(certificate).map_err(|error| wrong(key, path, &error.to_string()))?;
    }
    Ok(roots)
}

/// The certificates in a file: one at least. `key` names the file.
pub fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let wrong = |what: &str| wrong(key, path, what);
    let text =
        config::text::read_bytes(path, config::text::MOST_TEXT).map_err(|error| wrong(&error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| wrong(&error.to_string()))?;
    if found.is_empty() { Err(wrong("there is no certificate in it")) } else { Ok(found) }
}

fn wrong(key: &'static str, path: &Path, what: &str) -> Fault {
    let what = format!("'{}': {what}; a file of certificates in PEM would be right", path.display());
    Fault::Configuration { key, what }
}
