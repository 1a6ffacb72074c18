//! The client's side of a session.

use crate::context::ClientContext;
use crate::session::{Ending, Session};
use crate::{ContextError, MAX_PLAINTEXT};
use openssl::ssl::{Ssl, SslVerifyMode};
use openssl::x509::verify::X509CheckFlags;
use std::fmt;
use std::net::IpAddr;

/// Whom a client wants to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer<'a> {
    /// The owner of a certificate for this host name or address, issued by a trusted authority.
    Named(&'a str),
    /// The owner of any certificate that a trusted authority has issued.
    Trusted,
    /// Whoever answers: what is sent is encrypted for an unknown receiver.
    Anyone,
}

/// Why a plaintext was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The handshake has not been finished, or the session has ended.
    NotOpen,
    /// It has no octets, or more than [`MAX_PLAINTEXT`].
    Size(usize),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => f.write_str("there is no DTLS session"),
            Self::Size(size) => write!(f, "{size} octets: a DTLS record holds 1 to {MAX_PLAINTEXT}"),
        }
    }
}

impl std::error::Error for SendError {}

/// A client. After each call, the datagrams of [`Client::flush`] are to be sent.
///
/// Create it, flush, pass to it what arrives, and call [`Client::tick`] every [`TICK`](crate::TICK) until it is open. A session that
/// has ended stays so: create another client.
pub struct Client {
    session: Session,
    buffer: Vec<u8>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

impl Client {
    /// Begins a handshake.
    ///
    /// # Errors
    /// The peer's certificate is to be verified, and the context has no authorities; or OpenSSL is out of memory.
    pub fn new(context: &ClientContext, peer: &Peer<'_>) -> Result<Self, ContextError> {
        let mut ssl = Ssl::new(&context.context)?;
        if let Peer::Named(name) = peer {
            let parameters = ssl.param_mut();
            parameters.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
            match name.parse::<IpAddr>() {
                Ok(ip) => parameters.set_ip(ip)?,
                Err(_) => {
                    parameters.set_host(name)?;
                    ssl.set_hostname(name)?;
                }
            }
        }
        let mode = match peer {
            Peer::Anyone => SslVerifyMode::NONE,
            Peer::Named(_) | Peer::Trusted if context.has_authorities => SslVerifyMode::PEER,
            Peer::Named(_) | Peer::Trusted => return Err(ContextError::Authorities(String::new())),
        };
        ssl.set_verify(mode);
        ssl.set_connect_state();
        let mut session = Session::new(ssl)?;
        session.drive();
        Ok(Self { session, buffer: vec![0; MAX_PLAINTEXT] })
    }

    /// Takes a datagram of the server. An exporter expects no data, so what the server sends is discarded.
    pub fn receive(&mut self, datagram: &[u8]) {
        self.session.receive(datagram, &mut self.buffer, |_| {});
    }

    /// Sends again what is due during the handshake: after 1 s, then 2 s, and so on (RFC 6347 section 4.2.4.1).
    pub fn tick(&mut self) {
        self.session.drive();
    }

    /// Sends a plaintext as one record, in one datagram.
    ///
    /// # Errors
    /// There is no session, or the size is not that of a record.
    pub fn send(&mut self, plaintext: &[u8]) -> Result<(), SendError> {
        if !(1..=MAX_PLAINTEXT).contains(&plaintext.len()) {
            return Err(SendError::Size(plaintext.len()));
        }
        if self.session.send(plaintext) { Ok(()) } else { Err(SendError::NotOpen) }
    }

    /// Passes on the datagrams that are to be sent to the server.
    pub fn flush(&mut self, send: impl FnMut(&[u8])) {
        self.session.flush(send);
    }

    /// Ends the session, and sends the server a close_notify.
    pub fn close(&mut self) {
        self.session.close(Ending::Local);
    }

    /// True from the end of the handshake to the end of the session.
    pub fn is_open(&self) -> bool {
        self.session.is_open()
    }

    /// Why the session has ended, if it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.session.ending()
    }
}
