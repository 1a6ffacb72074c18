//! The keys of transports.

use super::connection::Dialler;
use config::keys::input::DTLS_PATH;
use config::keys::nfprobe::{self as keys, NfprobeTransport, NfprobeVersion};
use config::{Diagnostics, Key, Plugin};
use delivery::StoreError;
use delivery::tls::{authorities, certificates};
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CA: &str = "nfprobe_tls_ca_file";
const CERT: &str = "nfprobe_tls_cert_file";
const KEY: &str = "nfprobe_tls_key_file";
const NAME: &str = "nfprobe_dtls_verify_cert";
const PATH: &str = "dtls_path";

/// How records travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// As datagrams.
    Udp,
    /// Over TCP.
    Tcp,
    /// Over TLS.
    Tls(Files),
    /// Over DTLS.
    Dtls(Files),
}

/// Whom a probe trusts, and as whom it connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// The name in the collector's certificate; `None`: any certificate will do.
    name: Option<String>,
    ca: Option<Named>,
    /// The certificate of the probe, and its key.
    identity: Option<[Named; 2]>,
}

/// A file, and the key that names it.
type Named = (&'static str, PathBuf);

/// The files that keys name, for the list of those that a confined daemon may read.
pub(crate) static FILES: [&Key<Option<PathBuf>>; 3] =
    [&keys::NFPROBE_TLS_CA_FILE, &keys::NFPROBE_TLS_CERT_FILE, &keys::NFPROBE_TLS_KEY_FILE];

impl Transport {
    /// Reads the keys. `host` is that of the collector.
    pub(crate) fn read(plugin: &Plugin, host: &str, problems: &mut Diagnostics) -> Self {
        let plugin_name = &plugin.name;
        let mut word = plugin.get(&keys::NFPROBE_TRANSPORT);
        if plugin.get(&keys::NFPROBE_DTLS) {
            if plugin.origin_of(&keys::NFPROBE_TRANSPORT).is_some() && word != NfprobeTransport::Dtls {
                problems.fatal(
                    plugin.blame(&keys::NFPROBE_DTLS),
                    format!("nfprobe_dtls[{plugin_name}]: nfprobe_transport asks for another transport."),
                    Some(
                        "Remove one of them; nfprobe_transport: dtls is the same as nfprobe_dtls: true."
                            .to_owned(),
                    ),
                );
            }
            word = NfprobeTransport::Dtls;
        }
        let is_ipfix = plugin.get(&keys::NFPROBE_VERSION) == NfprobeVersion::Ipfix;
        if matches!(word, NfprobeTransport::Tcp | NfprobeTransport::Tls) && !is_ipfix {
            problems.fatal(
                plugin.blame(&keys::NFPROBE_VERSION),
                format!("nfprobe_version[{plugin_name}]: only IPFIX is defined over TCP and TLS."),
                Some("Set nfprobe_version: 10, or export over UDP or DTLS.".to_owned()),
            );
        }
        if !cfg!(feature = "dtls") && word == NfprobeTransport::Dtls {
            problems.fatal(
                plugin.blame(&keys::NFPROBE_DTLS),
                format!("nfprobe_transport[{plugin_name}]: DTLS is not built into this program."),
                Some("Build it with the feature dtls, or export over TLS.".to_owned()),
            );
        }
        match word {
            NfprobeTransport::Udp => {}
            NfprobeTransport::Tcp => {}
            NfprobeTransport::Tls => return Self::Tls(Files::read(plugin, host, None, problems)),
            NfprobeTransport::Dtls => {
                return Self::Dtls(Files::read(plugin, host, plugin.get(&DTLS_PATH).as_deref(), problems));
            }
        }
        let settings = FILES.map(|key| plugin.origin_of(key));
        let others =
            [plugin.origin_of(&keys::NFPROBE_DTLS_VERIFY_CERT), plugin.origin_of(&keys::NFPROBE_TLS_INSECURE)];
        let names = [CA, CERT, KEY, NAME, "nfprobe_tls_insecure"];
        for (name, origin) in names.iter().zip(settings.into_iter().chain(others)) {
            if let Some(origin) = origin {
                problems.warn(
                    origin,
                    format!("{name}[{plugin_name}]: has no effect: the export is not encrypted."),
                    Some("Set nfprobe_transport: tls or dtls.".to_owned()),
                );
            }
        }
        if word == NfprobeTransport::Tcp { Self::Tcp } else { Self::Udp }
    }

    /// Reads the files. `None` for UDP.
    ///
    /// # Errors
    /// The key, and the problem.
    pub(crate) fn dialler(&self) -> Result<Option<Dialler>, StoreError> {
        Ok(Some(match self {
            Self::Udp => return Ok(None),
            Self::Tcp => Dialler::Tcp,
            Self::Tls(files) => files.tls()?,
            Self::Dtls(files) => files.dtls()?,
        }))
    }
}

impl Files {
    fn read(plugin: &Plugin, host: &str, folder: Option<&Path>, problems: &mut Diagnostics) -> Self {
        let path = |key: &Key<Option<PathBuf>>, name, within: &str| {
            let named = plugin.get(key).map(|path| (name, path));
            named.or_else(|| folder.map(|folder| (PATH, folder.join(within))))
        };
        let ca = path(&keys::NFPROBE_TLS_CA_FILE, CA, "ca-certificates.crt");
        let cert = path(&keys::NFPROBE_TLS_CERT_FILE, CERT, "cert.pem");
        let key = path(&keys::NFPROBE_TLS_KEY_FILE, KEY, "key.pem");
        let plugin_name = &plugin.name;
        let is_insecure = plugin.get(&keys::NFPROBE_TLS_INSECURE);
        if is_insecure {
            problems.warn(
                plugin.blame(&keys::NFPROBE_TLS_INSECURE),
                format!("nfprobe_tls_insecure[{plugin_name}]: whoever answers gets the records."),
                Some(format!("Set {CA} to the authority, or the certificate, that the collector uses.")),
            );
        }
        let name = plugin.get(&keys::NFPROBE_DTLS_VERIFY_CERT).unwrap_or_else(|| host.to_owned());
        if !host.is_empty() && ServerName::try_from(name.as_str()).is_err() {
            problems.fatal(
                plugin.blame(&keys::NFPROBE_DTLS_VERIFY_CERT),
                format!("{NAME}[{plugin_name}]: '{name}' is neither a host name nor an address."),
                Some("For example collector.example.net.".to_owned()),
            );
        }
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some([cert, key]),
            (None, None) => None,
            (Some(_), None) => {
                let what = format!("{CERT}[{plugin_name}]: it needs the private key too.");
                problems.fatal(plugin.blame(&keys::NFPROBE_TLS_CERT_FILE), what, Some(format!("Set {KEY}.")));
                None
            }
            (None, Some(_)) => {
                let what = format!("{KEY}[{plugin_name}]: it needs the certificate too.");
                problems.fatal(plugin.blame(&keys::NFPROBE_TLS_KEY_FILE), what, Some(format!("Set {CERT}.")));
                None
            }
        };
        Self { name: Some(name).filter(|_| !is_insecure), ca, identity }
    }

    fn tls(&self) -> Result<Dialler, StoreError> {
        let provider = Arc::new(ring::default_provider());
        let wrong = |error: Error| StoreError::Configuration { key: CERT, what: error.to_string() };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(wrong)?;
        let builder = match &self.name {
            Some(_) => {
                let ca = self.ca.as_ref().map(|(_, path)| path.as_path());
                builder.with_root_certificates(authorities(CA, ca)?)
            }
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate { provider })),
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some([(cert_key, cert), (key_key, key)]) => {
                let chain = certificates(cert_key, cert)?;
                let of_key = |what: String| StoreError::Configuration {
                    key: key_key,
                    what: format!("'{}': {what}; expected a private key in PEM without a password", key.display()),
                };
                let text = config::text::read_bytes(key, config::text::MAX_TEXT)
                    .map_err(|error| of_key(error.to_string()))?;
                let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| of_key(error.to_string()))?;
                builder.with_client_auth_cert(chain, key).map_err(wrong)?
            }
        };
        let name = self.name.as_deref().unwrap_or("collector.invalid").to_owned();
        let name = ServerName::try_from(name)
            .map_err(|error| StoreError::Configuration { key: NAME, what: error.to_string() })?;
        Ok(Dialler::Tls(Arc::new(config), name))
    }

    #[cfg(not(feature = "dtls"))]
    fn dtls(&self) -> Result<Dialler, StoreError> {
        Err(StoreError::Configuration { key: "nfprobe_transport", what: "DTLS is not built in".to_owned() })
    }

    #[cfg(feature = "dtls")]
    fn dtls(&self) -> Result<Dialler, StoreError> {
        let read = |(key, path): &Named| {
            config::text::read_bytes(path, config::text::MAX_TEXT)
                .map_err(|error| StoreError::Configuration { key, what: format!("'{}': {error}", path.display()) })
        };
        let ca = match (&self.name, &self.ca) {
            (None, _) => None,
            (Some(_), Some(ca)) => Some(read(ca)?),
            (Some(_), None) => {
                let what =
                    "it is not set; over DTLS there are no default authorities: set it, or dtls_path".to_owned();
                return Err(StoreError::Configuration { key: CA, what });
            }
        };
        let identity = match &self.identity {
            None => None,
            Some([cert, key]) => Some([read(cert)?, read(key)?]),
        };
        let identity = identity.as_ref().map(|[certificates, key]| dtls::Identity { certificates, key });
        let context = dtls::ClientContext::new(identity.as_ref(), ca.as_deref()).map_err(|error| {
            let named = match &error {
                dtls::ContextError::Authorities(_) => self.ca.as_ref(),
                dtls::ContextError::Key(_) => self.identity.as_ref().map(|[_, key]| key),
                _ => self.identity.as_ref().map(|[cert, _]| cert),
            };
            let (key, path) = named.map_or((CA, Path::new("")), |(key, path)| (*key, path.as_path()));
            StoreError::Configuration { key, what: format!("'{}': {error}", path.display()) }
        })?;
        Ok(Dialler::Dtls(super::datagrams::Dialler::new(context, self.name.clone())))
    }
}

/// Accepts every certificate, and checks that its owner has the key.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
