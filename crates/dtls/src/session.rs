//! A state machine of OpenSSL between two queues of datagrams.

use crate::MAX_PLAINTEXT;
use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, Ssl, SslStream};
use openssl::x509::X509VerifyResult;
use std::fmt;
use std::io::{self, Read, Write};

/// Octets of a datagram of the handshake: what passes every path of IPv6 (RFC 8200 section 5), less the headers of IPv6 and UDP.
const MTU: u32 = 1280 - 40 - 8;

/// Why a session has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The peer has closed it (close_notify).
    Closed,
    /// A handshake or a record cannot be accepted, or the peer says so of ours: the reason in words.
    Failed(String),
    /// The peer did not finish the handshake in time.
    HandshakeTimeout,
    /// The peer sent more in its handshake than one needs.
    HandshakeTooLong,
    /// Nothing was received for too long.
    Idle,
    /// Its place was needed for others that were active later.
    Evicted,
    /// The peer has begun a new session from the same address and port.
    Replaced,
    /// This side has closed it.
    Local,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed by the peer",
            Self::Failed(why) => why,
            Self::HandshakeTimeout => "the handshake was not finished in time",
            Self::HandshakeTooLong => "the handshake has too many records",
            Self::Idle => "nothing was received for too long",
            Self::Evicted => "its place was needed for other sessions",
            Self::Replaced => "the peer has begun a new session",
            Self::Local => "closed",
        })
    }
}

/// The datagrams of one session.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// The datagram to be read, or nothing.
    input: Vec<u8>,
    has_input: bool,
    /// Datagrams to be sent, one behind the other, and where each ends.
    output: Vec<u8>,
    ends: Vec<usize>,
}

impl Queues {
    /// The datagrams to be sent.
    fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).filter_map(|(start, end)| self.output.get(*start..*end))
    }

    fn clear(&mut self) {
        self.output.clear();
        self.ends.clear();
    }
}

impl Read for Queues {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !std::mem::take(&mut self.has_input) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // What is longer than the longest record is cut, and does not authenticate.
        let len = self.input.len().min(out.len());
        if let Some((to, from)) = out.get_mut(..len).zip(self.input.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }
}

impl Write for Queues {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(datagram);
        self.ends.push(self.output.len());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One session.
pub(crate) struct Session {
    stream: SslStream<Queues>,
    /// The handshake was finished.
    has_begun: bool,
    ending: Option<Ending>,
}

impl Session {
    /// A session whose side was set by `set_accept_state` or `set_connect_state`.
    pub(crate) fn new(mut ssl: Ssl) -> Result<Self, ErrorStack> {
        ssl.set_mtu(MTU)?;
        Ok(Self { stream: SslStream::new(ssl, Queues::default())?, has_begun: false, ending: None })
    }

    /// True from the end of the handshake to the end of the session.
    pub(crate) fn is_open(&self) -> bool {
        self.has_begun && self.ending.is_none()
    }

    /// True from the end of the handshake.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Takes a datagram, continues the handshake, and passes on the plaintexts of its records. `buffer`: [`MAX_PLAINTEXT`] octets.
    pub(crate) fn receive(&mut self, datagram: &[u8], buffer: &mut [u8], mut plaintext: impl FnMut(&[u8])) {
        let queues = self.stream.get_mut();
        queues.input.clear();
        queues.input.extend_from_slice(datagram);
        queues.has_input = true;
        if !self.has_begun {
            self.drive();
        }
        while self.is_open() {
            match self.stream.ssl_read(buffer) {
                Ok(len) => plaintext(buffer.get(..len).unwrap_or_default()),
                Err(error) => {
                    self.judge(&error);
                    break;
                }
            }
        }
    }

    /// Continues the handshake: it sends again what is due.
    pub(crate) fn drive(&mut self) {
        if self.has_begun || self.ending.is_some() {
            return;
        }
        match self.stream.do_handshake() {
            Ok(()) => self.has_begun = true,
            Err(error) => self.judge(&error),
        }
    }

    /// Sends a plaintext as one record.
    pub(crate) fn send(&mut self, plaintext: &[u8]) -> bool {
        if !self.is_open() || plaintext.is_empty() || plaintext.len() > MAX_PLAINTEXT {
            return false;
        }
        match self.stream.ssl_write(plaintext) {
            Ok(_) => true,
            Err(error) => {
                self.judge(&error);
                false
            }
        }
    }

    /// Ends it, with a close_notify if the handshake is complete.
    pub(crate) fn close(&mut self, why: Ending) {
        if self.is_open() {
            // Nothing waits for the peer's answer.
            let _ = self.stream.shutdown();
        }
        self.ending.get_or_insert(why);
    }

    /// Passes on the datagrams to be sent.
    pub(crate) fn flush(&mut self, send: impl FnMut(&[u8])) {
        let queues = self.stream.get_mut();
        queues.datagrams().for_each(send);
        queues.clear();
    }

    /// Passes on what a failed call means.
    fn judge(&mut self, error: &openssl::ssl::Error) {
        let why = match error.code() {
            ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => return,
            ErrorCode::ZERO_RETURN => {
                // The answer to a close_notify.
                let _ = self.stream.shutdown();
                Ending::Closed
            }
            _ => Ending::Failed(self.describe(error)),
        };
        self.ending.get_or_insert(why);
    }

    fn describe(&self, error: &openssl::ssl::Error) -> String {
        let verified = self.stream.ssl().verify_result();
        if verified != X509VerifyResult::OK {
            return format!("the peer's certificate is not accepted: {}", verified.error_string());
        }
        let reasons = error.ssl_error().into_iter().flat_map(|stack| stack.errors());
        let reason = reasons.filter_map(|error| error.reason()).next();
        reason.unwrap_or("the connection was broken").to_owned()
    }
}
