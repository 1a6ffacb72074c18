//! Streaming telemetry, from the octets of routers to JSON: framings of TCP streams and datagrams, UDP-notif
//! (draft-ietf-netconf-udp-notif), payloads (JSON, XML, GPB, CBOR), and subscriptions of YANG-Push (RFC 8639, RFC 8641).
//!
//! This crate has no sockets, clocks, logs or configuration. Octets and the time go in; messages, payloads and errors come out.
//!
//! ```text
//! TCP stream ─ StreamDecoder ─────────────┐
//! datagram   ─ datagram() ────────────────┼─ Message ─ payload::Writer ─ JSON ─ Subscriptions ─ what a push update subscribes to
//! UDP-notif  ─ udp_notif::Reassembler ────┘  encoding,   (always valid JSON
//!              joins segments                octets       on one line)
//! ```
//!
//! A message that is malformed never affects the next one where its length can be relied on. Where the boundaries of messages are
//! lost, [`StreamDecoder`] returns an error and the connection should end. All memory is bounded by limits of the caller, and
//! everything that is dropped has a reason, from an enum with labels for counters.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod cisco;
mod encoding;
mod framing;
mod inflate;
pub mod payload;
mod scan;
pub mod sid;
mod stream;
pub mod subscriptions;
pub mod udp_notif;

pub use encoding::Encoding;
pub use framing::{DatagramError, Framing, Message, datagram};
pub use stream::{StreamDecoder, StreamError, StreamErrorKind};
pub use subscriptions::Subscriptions;
