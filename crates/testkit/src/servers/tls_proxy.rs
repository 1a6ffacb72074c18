//! A TLS proxy in front of a server without TLS.

use super::own_address;
use crate::certificates::Certified;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

/// Accepts TLS connections and forwards them to a server without TLS, until it is dropped.
#[derive(Debug)]
pub struct TlsProxy {
    listens: SocketAddr,
    _runtime: Runtime,
}

impl TlsProxy {
    /// An address for a proxy that is started later: servers that advertise their address must know it first.
    pub fn address() -> SocketAddr {
        own_address()
    }

    /// Starts a proxy. If `clients` is given, clients need a certificate of these authorities (in PEM).
    ///
    /// # Panics
    /// If the address is in use, or the certificates are invalid.
    pub fn start(listens: SocketAddr, server: SocketAddr, certified: &Certified, clients: Option<&str>) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config(certified, clients)));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_io().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("cannot start a runtime: {error}"));
        let listener = runtime.block_on(TcpListener::bind(listens));
        let listener = listener.unwrap_or_else(|error| panic!("{listens}: {error}"));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Tests have clients that do not trust the server or disconnect.
                    let mut stream = acceptor.accept(stream).await.ok()?;
                    let mut upstream = TcpStream::connect(server).await.ok()?;
                    copy_bidirectional(&mut stream, &mut upstream).await.ok()
                });
            }
        });
        Self { listens, _runtime: runtime }
    }

    /// Its address.
    pub fn listens(&self) -> SocketAddr {
        self.listens
    }
}

fn config(certified: &Certified, clients: Option<&str>) -> ServerConfig {
    let certificates = |pem: &str| {
        let read = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        read.unwrap_or_else(|error| panic!("{pem}: {error}"))
    };
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes());
    let key = key.unwrap_or_else(|error| panic!("no private key: {error}"));
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let config = config.unwrap_or_else(|error| panic!("TLS: {error}"));
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(pem));
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.unwrap_or_else(|error| panic!("{pem}: {error}")))
        }
    };
    let config = config.with_single_cert(certificates(&certified.certificate), key);
    config.unwrap_or_else(|error| panic!("invalid certificate: {error}"))
}
