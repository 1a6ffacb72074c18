//! DTLS 1.2 (RFC 6347) without I/O: a [`Server`] of many sessions on one UDP port, and a [`Client`].
//!
//! Datagrams and the time go in; datagrams, plaintexts and the beginnings and ends of sessions come out. One record is one plaintext: what
//! an exporter wrote as one datagram arrives as one.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (certificate, key, authorities) = (Vec::new(), Vec::new(), Vec::new());
//! use dtls::{Client, ClientContext, Identity, Peer, Server, ServerContext, ServerLimits};
//!
//! let identity = Identity { certificates: &certificate, key: &key };
//! let mut server = Server::new(ServerContext::new(&identity, None)?, ServerLimits::default())?;
//! let mut client = Client::new(&ClientContext::new(None, Some(&authorities))?, &Peer::Named("collector.example.net"))?;
//! // server.receive(from, datagram, now, &mut handler); client.receive(datagram); client.datagrams() are to be sent
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`hello`] | the ClientHello with its cookie, and the HelloVerifyRequest |
//! | `cookie` | cookies: a peer proves that it receives at its address before the server remembers anything of it |
//! | `context` | certificates, keys, and which versions and cipher suites are used |
//! | `session` | a state machine of OpenSSL between queues of datagrams |
//! | `server`, `client` | the two sides |
//!
//! # Records and cryptography
//!
//! They are OpenSSL's (1.1.1 or later). This crate adds what a server in front of the Internet needs: stateless cookies and bounds.
//! A ClientHello costs the server an HMAC and an answer that is shorter than the question. Only the second one, with the cookie, creates a state.
//!
//! OpenSSL has its own function for stateless cookies, which no safe wrapper offers. Instead, [`Server`] itself answers the first ClientHello.
//! When the second one arrives, it first gives the new state machine of OpenSSL the same hello without the cookie, whose answer it discards,
//! and then the real one. The handshake then is the one that the client sees: neither of the first two messages is part of its hash
//! (RFC 6347 section 4.2.1).
//!
//! OpenSSL reads the clock for its timer of retransmissions. It is the only clock here; the timeouts of [`Server`] are measured by the times that
//! its caller states.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod client;
mod context;
mod cookie;
pub mod hello;
mod server;
mod session;
#[cfg(test)]
mod tests;

pub use client::{Client, Peer, SendError};
pub use context::{ClientContext, ContextError, Identity, ServerContext};
pub use server::{Counts, Handler, Limits as ServerLimits, Server};
pub use session::Ending;

/// Octets that a record adds to its plaintext, at most: its header, and nonce and tag of AES-GCM. The other cipher suites add less.
pub const RECORD_OVERHEAD: usize = 13 + 8 + 16;

/// Octets of the longest plaintext of a record (RFC 6347 section 4.1).
pub const MAX_PLAINTEXT: usize = 1 << 14;

/// How often [`Server::tick`] and [`Client::tick`] should be called while handshakes are in progress: the resolution of timers.
pub const TICK: std::time::Duration = std::time::Duration::from_millis(100);
