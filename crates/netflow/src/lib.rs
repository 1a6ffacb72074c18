//! NetFlow v1, v5, v7, v9 (RFC 3954) and IPFIX (RFC 7011): octets to sets, templates and records, and back.
//!
//! This crate knows octets: no sockets, clocks, logs or configuration. What a peer can make it hold (templates, data that
//! waits for its template, sequence numbers by domain) is bounded.
//!
//! A datagram is opened ([`datagram::open`]) to its header and either records of a fixed layout (v1, v5, v7) or
//! sets (v9, IPFIX). A fault ends a set or the datagram with one error; what was good before it stays good.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod cache;
pub mod datagram;
pub mod elements;
pub mod encode;
pub mod options;
pub mod pending;
pub mod record;
pub mod sequence;
pub mod template;
