//! sFlow versions 2, 4 (RFC 3176) and 5 (sflow.org): octets to flow, counter and discarded-packet samples, and back.
//!
//! This crate has no sockets, clocks, logs or configuration. [`open`] reads the header of a datagram; iterators return its
//! samples, and the records of each sample. All of them are views of the datagram: nothing is copied or allocated. sFlow has no
//! templates, so the only state is that of sequence numbers ([`sequence`]), which is bounded.
//!
//! ```text
//! Datagram ─ header: version, agent, sub-agent, sequence, uptime
//!   └ Sample::Flow       ─ sequence, source, rate, pool, drops, interfaces
//!   │   └ FlowRecord     ─ raw header, switch, router, gateway, MPLS, NAT, tunnels, ...
//!   └ Sample::Counters   ─ sequence, source
//!   │   └ CounterBlock   ─ names and values, from one table for each kind of block
//!   └ Sample::Discarded  ─ sequence, source, drops, interfaces, reason
//!   │   └ FlowRecord
//!   └ Sample::Unknown    ─ skipped by its length
//! ```
//!
//! An error does not affect what precedes it. In version 5 samples and records have a length: invalid contents affect only
//! that sample or record, an invalid length everything after it. Versions 2 and 4 have no lengths, so an error or an unknown
//! type ends the datagram. If the head of a sample is valid, the sample is returned with the records before the error. Missing
//! padding at the end of a datagram is not an error.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod counters;
mod datagram;
pub mod encode;
mod error;
pub mod flow;
pub mod frame;
mod list;
pub mod reason;
mod sample;
pub mod sequence;
#[cfg(test)]
mod tests;
mod xdr;

pub use counters::{CounterBlock, Value};
pub use datagram::{Datagram, Header, Samples, open};
pub use error::{DecodeError, DecodeErrorKind};
pub use flow::{FlowRecord, Records, Wanted};
pub use list::{AsPath, Segment, SegmentType, Words};
pub use reason::Reason;
pub use sample::{
    CounterHead, CounterSample, DataFormat, DiscardHead, DiscardedSample, FlowHead, FlowSample, Interface,
    InterfaceKind, Sample, SourceId, Unknown,
};
