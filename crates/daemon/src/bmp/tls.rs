//! BMP over TLS: `bmp_daemon_tls_cert_file`, `bmp_daemon_tls_key_file`, and `bmp_daemon_tls_ca_file` for certificates of routers.

use crate::host::blame;
use config::keys::bmp::{BMP_DAEMON_TLS_CA_FILE, BMP_DAEMON_TLS_CERT_FILE, BMP_DAEMON_TLS_KEY_FILE};
use config::{Config, Diagnostics, Origin};
use delivery::StoreError;
use delivery::tls::{authorities, certificates};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ServerConfig, version};
use tokio_rustls::server::TlsStream;

const CERT: &str = "bmp_daemon_tls_cert_file";
const KEY: &str = "bmp_daemon_tls_key_file";
const CA: &str = "bmp_daemon_tls_ca_file";

/// The files.
#[derive(Clone, Debug)]
pub(super) struct Files {
    cert: PathBuf,
    key: PathBuf,
    ca: Option<PathBuf>,
}

/// The side of a server of TLS 1.3 and 1.2.
#[derive(Clone)]
pub(super) struct Server(Arc<ServerConfig>);

impl Files {
    /// Reads the keys: the first two or none.
    pub(super) fn read(config: &Config, problems: &mut Diagnostics) -> Option<Self> {
        let cert = config.core(&BMP_DAEMON_TLS_CERT_FILE);
        let (key, ca) = (config.core(&BMP_DAEMON_TLS_KEY_FILE), config.core(&BMP_DAEMON_TLS_CA_FILE));
        match (cert, key, ca) {
            (Some(cert), Some(key), ca) => return Some(Self { cert, key, ca }),
            (None, None, None) => {}
            (Some(_), None, _) => {
                let what = format!("{CERT}: TLS needs the private key too.");
                problems.fatal(blame(config, &BMP_DAEMON_TLS_CERT_FILE), what, Some(format!("Set {KEY}.")));
            }
            (None, Some(_), _) => {
                let what = format!("{KEY}: TLS needs the certificate too.");
                problems.fatal(blame(config, &BMP_DAEMON_TLS_KEY_FILE), what, Some(format!("Set {CERT}.")));
            }
            (None, None, Some(_)) => {
                let what = format!("{CA}: without a certificate of its own, the daemon does not speak TLS.");
                let hint = format!("Set {CERT} and {KEY}.");
                problems.fatal(blame(config, &BMP_DAEMON_TLS_CA_FILE), what, Some(hint));
            }
        }
        None
    }

    /// All of them.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        [&self.cert, &self.key].into_iter().chain(&self.ca).cloned()
    }

    /// Reads the files. Errors are fatal.
    pub(super) fn load(&self, problems: &mut Diagnostics) -> Option<Server> {
        match self.try_load() {
            Ok(server) => Some(server),
            Err((path, what)) => {
                problems.fatal(&Origin::whole(&path.display().to_string()), what, None);
                None
            }
        }
    }

    fn try_load(&self) -> Result<Server, (&Path, String)> {
        let wrong = |key: &str, what: &dyn std::fmt::Display| format!("{key}: {what}.");
        let of_store = |error: StoreError| match error {
            StoreError::Configuration { key, what } => format!("{key}: {what}."),
            other => other.to_string(),
        };
        let chain = certificates(CERT, &self.cert).map_err(|error| (&*self.cert, of_store(error)))?;
        let of_key = |what: &dyn std::fmt::Display| (&*self.key, wrong(KEY, what));
        let text = config::text::read_bytes(&self.key, config::text::MAX_TEXT).map_err(|error| of_key(&error))?;
        let key = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|error| of_key(&format!("{error}; expected a PEM private key without a password")))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| (&*self.cert, wrong(CERT, &error)))?;
        let builder = match &self.ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = authorities(CA, Some(path)).map_err(|error| (&**path, of_store(error)))?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| (&**path, wrong(CA, &error)))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder.with_single_cert(chain, key).map_err(|error| (&*self.cert, wrong(CERT, &error)))?;
        Ok(Server(Arc::new(config)))
    }
}

impl Server {
    /// Makes a connection one over TLS.
    ///
    /// # Errors
    /// The handshake fails.
    pub(super) async fn accept(self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.0).accept(stream).await
    }
}
