//! NetFlow v1, v5, v7, v9 (RFC 3954) and IPFIX (RFC 7011): decodes sets, templates and records, and encodes them.
//!
//! This crate has no sockets, clocks, logs or configuration. All state that a peer can build up (templates, data sets
//! without a template, sequence numbers of domains) is bounded.
//!
//! [`datagram::open`] splits a datagram into its header and either records of a fixed layout (v1, v5, v7) or sets (v9,
//! IPFIX). An error ends a set or the datagram. What was decoded before it stays valid.
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
pub mod stream;
pub mod template;
