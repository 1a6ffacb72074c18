//! From protocols to rows: what NetFlow and IPFIX records, sFlow samples and captured frames say, written into the fields of
//! [`flow`] rows.
//!
//! Each decoder is compiled for the fields that the configuration uses ([`flow::needs`]), so a record costs one step for each of
//! them and no look-up. Decoders read no clock and open nothing: a batch carries its time of arrival.
#![forbid(unsafe_code)]

pub mod bound;
#[cfg(test)]
mod filled_tests;
pub mod from_netflow;
pub mod from_packet;
pub mod from_sflow;
pub mod headers;
pub mod pointer;
