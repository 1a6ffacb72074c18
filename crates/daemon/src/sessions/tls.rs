//! Servers of TLS 1.2 and 1.3: the files that keys name, such as `bmp_daemon_tls_cert_file`, and what is made of them.

use crate::host::blame;
use config::{Config, Diagnostics, Key, Origin};
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

/// The keys of one server.
#[derive(Clone, Copy)]
pub(crate) struct Keys {
    /// The certificate chain.
    pub(crate) cert: &'static Key<Option<PathBuf>>,
    /// The private key.
    pub(crate) key: &'static Key<Option<PathBuf>>,
    /// The authorities of clients; if it is set, clients must have a certificate.
    pub(crate) ca: &'static Key<Option<PathBuf>>,
}

/// A file, and the key that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) key: &'static str,
    pub(crate) path: PathBuf,
}

/// The files.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) cert: File,
    pub(crate) key: File,
    pub(crate) ca: Option<File>,
}

/// The side of a server of TLS 1.3 and 1.2.
#[derive(Clone)]
pub(crate) struct Server(Arc<ServerConfig>);

impl Files {
    /// Reads the keys: the first two or none.
    pub(crate) fn read(config: &Config, keys: Keys, problems: &mut Diagnostics) -> Option<Self> {
        let file =
            |key: &'static Key<Option<PathBuf>>| config.core(key).map(|path| File { key: key.row().name(), path });
        let (cert_name, key_name, ca_name) = (keys.cert.row().name(), keys.key.row().name(), keys.ca.row().name());
        match (file(keys.cert), file(keys.key), file(keys.ca)) {
            (Some(cert), Some(key), ca) => return Some(Self { cert, key, ca }),
            (None, None, None) => {}
            (Some(_), None, _) => {
                let what = format!("{cert_name}: TLS needs the private key too.");
                problems.fatal(blame(config, keys.cert), what, Some(format!("Set {key_name}.")));
            }
            (None, Some(_), _) => {
                let what = format!("{key_name}: TLS needs the certificate too.");
                problems.fatal(blame(config, keys.key), what, Some(format!("Set {cert_name}.")));
            }
            (None, None, Some(_)) => {
                let what = format!("{ca_name}: without a certificate of its own, the daemon does not speak TLS.");
                let hint = format!("Set {cert_name} and {key_name}.");
                problems.fatal(blame(config, keys.ca), what, Some(hint));
            }
        }
        None
    }

    /// All of them.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        [&self.cert, &self.key].into_iter().chain(&self.ca).map(|file| file.path.clone())
    }

    /// Reads the files. Errors are fatal.
    pub(crate) fn load(&self, problems: &mut Diagnostics) -> Option<Server> {
        match self.try_load() {
            Ok(server) => Some(server),
            Err((path, what)) => {
                problems.fatal(&Origin::whole(&path.display().to_string()), what, None);
                None
            }
        }
    }

    fn try_load(&self) -> Result<Server, (&Path, String)> {
        let Self { cert, key, ca } = self;
        let of_store = |error: StoreError| match error {
            StoreError::Configuration { key, what } => format!("{key}: {what}."),
            other => other.to_string(),
        };
        let chain = certificates(cert.key, &cert.path).map_err(|error| (&*cert.path, of_store(error)))?;
        let text =
            config::text::read_bytes(&key.path, config::text::MAX_TEXT).map_err(|error| key.wrong(&error))?;
        let private = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|error| key.wrong(&format!("{error}; expected a PEM private key without a password")))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| cert.wrong(&error))?;
        let builder = match ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let roots = authorities(ca.key, Some(&ca.path)).map_err(|error| (&*ca.path, of_store(error)))?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| ca.wrong(&error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder.with_single_cert(chain, private).map_err(|error| cert.wrong(&error))?;
        Ok(Server(Arc::new(config)))
    }
}

impl File {
    /// The path and the message of an error in it.
    pub(crate) fn wrong(&self, what: &dyn std::fmt::Display) -> (&Path, String) {
        (&self.path, format!("{}: {what}.", self.key))
    }
}

impl Server {
    /// Makes a connection one over TLS.
    ///
    /// # Errors
    /// The handshake fails.
    pub(crate) async fn accept(self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.0).accept(stream).await
    }
}
