//! TLS 1.3 and 1.2, of the server and of clients. Both offer HTTP/2 by ALPN.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const ALPN: &[u8] = b"h2";

/// The files of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// Its certificate, with those between it and the authority.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The authorities of routers' certificates. With it, routers must have one.
    pub ca: Option<PathBuf>,
}

/// The side of a server.
#[derive(Clone)]
pub struct Server(Arc<ServerConfig>);

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl Server {
    /// Reads the files.
    ///
    /// # Errors
    /// The file that is wrong, what is wrong with it, and what is expected.
    pub fn load(files: &ServerFiles) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&files.cert, &read(&files.cert)?)?;
        let key = private_key(&files.key, &read(&files.key)?)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?;
        let builder = match &files.ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(roots(path, &read(path)?)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
                let verifier = verifier.map_err(|error| wrong(path, error, "a file of PEM certificates"))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let belongs = builder.with_single_cert(chain, key);
        let mut config =
            belongs.map_err(|error| wrong(&files.cert, error, "the certificate that belongs to the key"))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// Makes a connection one over TLS.
    pub(crate) async fn accept(self, socket: TcpStream) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
        TlsAcceptor::from(self.0).accept(socket).await
    }
}

/// The files of a client, and how it verifies the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// The authorities of the server's certificate; those of the system without it.
    pub ca: Option<PathBuf>,
    /// The certificate of the client, and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The certificate of the server is not verified.
    pub is_insecure: bool,
}

/// The side of a client.
#[derive(Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    /// The contents of the files, which tell whether two are the same.
    contents: Vec<Vec<u8>>,
    is_insecure: bool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        (&self.contents, self.is_insecure) == (&other.contents, other.is_insecure)
    }
}

impl Client {
    /// Reads the files.
    ///
    /// # Errors
    /// The file that is wrong, what is wrong with it, and what is expected.
    pub fn load(files: &ClientFiles) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let mut contents = Vec::new();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?;
        let builder = if files.is_insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        } else {
            let roots = match &files.ca {
                None => system_roots()?,
                Some(path) => {
                    let text = read(path)?;
                    let roots = roots(path, &text)?;
                    contents.push(text);
                    roots
                }
            };
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_webpki_verifier(verifier.map_err(|error| format!("TLS: {error}"))?)
        };
        let mut config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let (text, key_text) = (read(certificate)?, read(key)?);
                let (chain, private) = (certificates(certificate, &text)?, private_key(key, &key_text)?);
                contents.extend([text, key_text]);
                let belongs = builder.with_client_auth_cert(chain, private);
                belongs.map_err(|error| wrong(certificate, error, "the certificate that belongs to the key"))?
            }
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { config: Arc::new(config), contents, is_insecure: files.is_insecure })
    }

    /// Makes a connection to the host of this name or address one over TLS.
    pub(crate) async fn connect(
        &self,
        host: &str,
        socket: TcpStream,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, socket).await
    }
}

/// Accepts any certificate. Signatures are verified: the server has the key of the certificate that it shows.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let none = "the system has no certificate authorities; name a file of them";
    if roots.is_empty() { Err(none.to_owned()) } else { Ok(roots) }
}

fn roots(path: &Path, text: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, text)? {
        roots.add(certificate).map_err(|error| wrong(path, error, "a file of PEM certificates"))?;
    }
    Ok(roots)
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn fmt::Display| wrong(path, error, "a file of PEM certificates");
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|error| wrong(&error))?;
    if found.is_empty() { Err(wrong(&"it contains no certificate")) } else { Ok(found) }
}

fn private_key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let key = PrivateKeyDer::from_pem_slice(text);
    key.map_err(|error| wrong(path, error, "a PEM private key without a password"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let text = config::text::read_bytes(path, config::text::MAX_TEXT);
    text.map_err(|error| format!("'{}': {error}", path.display()))
}

fn wrong(path: &Path, error: impl fmt::Display, expected: &str) -> String {
    format!("'{}': {error}; expected {expected}", path.display())
}
