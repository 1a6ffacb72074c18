//! sFlow versions 2, 4 (RFC 3176) and 5 (sflow.org): octets to flow, counter and discarded-packet samples, and back.
//!
//! This crate knows octets: no sockets, clocks, logs or configuration. A datagram is opened to its header
//! ([`open`]); its samples are an iterator, the records of a sample another. All of them are views over the
//! datagram, nothing is copied or allocated. sFlow has no templates, so there is no state but sequence numbers
//! ([`sequence`]), and these are bounded.
//!
//! ```text
//! Datagram ─ header: version, agent, sub-agent, sequence, uptime
//!   └ Sample::Flow       ─ sequence, source, rate, pool, drops, interfaces
//!   │   └ FlowRecord     ─ raw header, switch, router, gateway, MPLS, NAT, tunnels, ...
//!   └ Sample::Counters   ─ sequence, source
//!   │   └ CounterBlock   ─ names and values, from one table for each kind of block
//!   └ Sample::Discarded  ─ sequence, source, drops, interfaces, reason
//!   │   └ FlowRecord
//!   └ Sample::Unknown    ─ passed over by its length
//! ```
//!
//! What was good before a fault stays good. In version 5 samples and records say their length: contents that are
//! wrong cost that sample or record, a length that is wrong costs what follows it. Versions 2 and 4 say no
//! lengths, so there a fault, or a type that nobody knows, ends the datagram. A sample whose head can be read is given with
//! the records before the fault. Padding that is missing at the end of a datagram is no fault.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod counters;
mod datagram;
pub mod encode;
mod fault;
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
pub use fault::{DecodeError, What};
pub use flow::{FlowRecord, Records, Wanted};
pub use list::{AsPath, Segment, SegmentType, Words};
pub use reason::Reason;
pub use sample::{
    CounterHead, CounterSample, DataFormat, DiscardHead, DiscardedSample, FlowHead, FlowSample, Interface,
    InterfaceKind, Sample, SourceId, Unknown,
};
