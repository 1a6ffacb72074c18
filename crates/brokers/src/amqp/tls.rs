//! TLS to AMQP brokers: trusted authorities, the client certificate, and configuration errors behind TLS errors.

use crate::settings::Tls;
use delivery::StoreError;
use delivery::tls::{authorities, certificates};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error};
use std::sync::Arc;

const CA_FILE: &str = "amqp_conn_ca_file";
const CERT_FILE: &str = "amqp_conn_cert_file";
const KEY_FILE: &str = "amqp_conn_key_file";

/// The TLS configuration of connections.
///
/// # Errors
/// A file that cannot be read, or has the wrong content.
pub(super) fn config(settings: &Tls) -> Result<Arc<ClientConfig>, StoreError> {
    let roots = authorities(CA_FILE, settings.ca_file.as_deref())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(CA_FILE, error.to_string()))?
        .with_root_certificates(roots);
    let config = match (&settings.cert_file, &settings.key_file) {
        (None, None) => config.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = certificates(CERT_FILE, cert)?;
            let text = config::text::read_bytes(key, config::text::MAX_TEXT).map_err(|error| error.to_string());
            let key = text
                .and_then(|text| PrivateKeyDer::from_pem_slice(&text).map_err(|error| error.to_string()))
                .map_err(|error| {
                    let expected = "expected a PEM private key without a password";
                    wrong(KEY_FILE, format!("'{}': {error}; {expected}", key.display()))
                })?;
            let belongs = config.with_client_auth_cert(chain, key);
            belongs.map_err(|error| wrong(CERT_FILE, format!("'{}': {error}", cert.display())))?
        }
        (Some(_), None) => return Err(wrong(KEY_FILE, format!("{CERT_FILE} needs the key that belongs to it"))),
        (None, Some(_)) => {
            return Err(wrong(CERT_FILE, format!("{KEY_FILE} needs the certificate that belongs to it")));
        }
    };
    Ok(Arc::new(config))
}

fn wrong(key: &'static str, what: String) -> StoreError {
    StoreError::Configuration { key, what }
}

/// The configuration error behind a TLS error, if there is one.
pub(super) fn configuration_error(error: &Error) -> Option<StoreError> {
    match error {
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some(wrong("amqp_host", format!("the broker's certificate is for another name: {error}"))),
        Error::InvalidCertificate(_) => Some(wrong(CA_FILE, format!("the broker is not trusted: {error}"))),
        // The broker answers without TLS.
        Error::InvalidMessage(_) => Some(wrong("amqp_port", format!("the broker does not speak TLS: {error}"))),
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => Some(wrong(CERT_FILE, format!("the broker does not trust the client: {error}"))),
        // Before TLS 1.3 there is no alert for a missing certificate.
        Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            Some(wrong(CERT_FILE, format!("the broker may require a client certificate: {error}")))
        }
        _ => None,
    }
}
