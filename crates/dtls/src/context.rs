//! What all sessions of one side share: certificates, keys, versions and cipher suites.

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use std::fmt;

/// Suites with forward secrecy and authenticated encryption: what RFC 9325 recommends for DTLS 1.2.
const SUITES: &str = "ECDHE+AESGCM:ECDHE+CHACHA20";

/// A certificate and its private key, both in PEM.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The certificate, followed by those of the authorities between it and a trusted one.
    pub certificates: &'a [u8],
    /// The private key, without a password.
    pub key: &'a [u8],
}

/// The server's side.
#[derive(Clone)]
pub struct ServerContext(pub(crate) SslContext);

/// The client's side.
#[derive(Clone)]
pub struct ClientContext {
    pub(crate) context: SslContext,
    pub(crate) has_authorities: bool,
}

/// Why files cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextError {
    /// There is no certificate in PEM.
    Certificate(String),
    /// There is no private key in PEM, or it has a password.
    Key(String),
    /// The key is not that of the certificate.
    Mismatch,
    /// There are no certificates of authorities in PEM.
    Authorities(String),
    /// OpenSSL lacks something, or is out of memory.
    Library(String),
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(why) => write!(f, "no certificate in PEM{why}"),
            Self::Key(why) => write!(f, "no private key in PEM without a password{why}"),
            Self::Mismatch => f.write_str("the private key is not that of the certificate"),
            Self::Authorities(why) => write!(f, "no certificates of authorities in PEM{why}"),
            Self::Library(why) => write!(f, "OpenSSL{why}"),
        }
    }
}

impl std::error::Error for ContextError {}

impl From<ErrorStack> for ContextError {
    fn from(error: ErrorStack) -> Self {
        Self::Library(reason(&error))
    }
}

impl fmt::Debug for ServerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerContext")
    }
}

impl fmt::Debug for ClientContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientContext").field("has_authorities", &self.has_authorities).finish_non_exhaustive()
    }
}

impl ServerContext {
    /// A server with this identity. With `authorities` (certificates in PEM), clients need a certificate that one of them has issued.
    ///
    /// # Errors
    /// The certificates or the key cannot be used.
    pub fn new(identity: &Identity<'_>, authorities: Option<&[u8]>) -> Result<Self, ContextError> {
        let mut builder = common(SslMethod::dtls_server())?;
        identify(&mut builder, identity)?;
        builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::COOKIE_EXCHANGE);
        // `Server` makes and checks the cookies. These are called for hellos whose cookie is right.
        builder.set_cookie_generate_cb(|_, cookie| {
            cookie.iter_mut().take(1).for_each(|octet| *octet = 1);
            Ok(cookie.len().min(1))
        });
        builder.set_cookie_verify_cb(|_, _| true);
        if let Some(authorities) = authorities {
            trust(&mut builder, authorities)?;
            builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        Ok(Self(builder.build()))
    }
}

impl ClientContext {
    /// A client. `identity`: the certificate for servers that ask for one. `authorities`: certificates in PEM of those that may issue the
    /// server's certificate; without them only [`Peer::Anyone`](crate::Peer::Anyone) can be reached.
    ///
    /// # Errors
    /// The certificates or the key cannot be used.
    pub fn new(identity: Option<&Identity<'_>>, authorities: Option<&[u8]>) -> Result<Self, ContextError> {
        let mut builder = common(SslMethod::dtls_client())?;
        if let Some(identity) = identity {
            identify(&mut builder, identity)?;
        }
        if let Some(authorities) = authorities {
            trust(&mut builder, authorities)?;
        }
        Ok(Self { context: builder.build(), has_authorities: authorities.is_some() })
    }
}

fn common(method: SslMethod) -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = SslContext::builder(method)?;
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_cipher_list(SUITES)?;
    builder.set_options(
        // The packet size comes from `SslRef::set_mtu`.
        SslOptions::NO_QUERY_MTU
            | SslOptions::NO_COMPRESSION
            | SslOptions::NO_RENEGOTIATION
            // Resumption would spare a handshake once in days, and needs state.
            | SslOptions::NO_TICKET,
    );
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_session_id_context(b"dtls")?;
    Ok(builder)
}

fn identify(builder: &mut SslContextBuilder, identity: &Identity<'_>) -> Result<(), ContextError> {
    let none = |error: &ErrorStack| ContextError::Certificate(reason(error));
    let mut chain = X509::stack_from_pem(identity.certificates).map_err(|error| none(&error))?.into_iter();
    let certificate = chain.next().ok_or_else(|| ContextError::Certificate(String::new()))?;
    builder.set_certificate(&certificate).map_err(|error| none(&error))?;
    for certificate in chain {
        builder.add_extra_chain_cert(certificate).map_err(|error| none(&error))?;
    }
    let key = private_key(identity.key)?;
    builder.set_private_key(&key).map_err(|_| ContextError::Mismatch)?;
    builder.check_private_key().map_err(|_| ContextError::Mismatch)
}

fn private_key(pem: &[u8]) -> Result<PKey<Private>, ContextError> {
    // Without a callback, OpenSSL would ask for a password at the terminal.
    PKey::private_key_from_pem_callback(pem, |_| Ok(0)).map_err(|error| ContextError::Key(reason(&error)))
}

fn trust(builder: &mut SslContextBuilder, authorities: &[u8]) -> Result<(), ContextError> {
    let none = |error: &ErrorStack| ContextError::Authorities(reason(error));
    let authorities = X509::stack_from_pem(authorities).map_err(|error| none(&error))?;
    if authorities.is_empty() {
        return Err(ContextError::Authorities(String::new()));
    }
    let mut store = X509StoreBuilder::new()?;
    for authority in authorities {
        builder.add_client_ca(&authority)?;
        store.add_cert(authority).map_err(|error| none(&error))?;
    }
    builder.set_cert_store(store.build());
    Ok(())
}

/// The first reason that OpenSSL gives, behind a colon.
pub(crate) fn reason(error: &ErrorStack) -> String {
    let reason = error.errors().iter().find_map(|error| error.reason());
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}
