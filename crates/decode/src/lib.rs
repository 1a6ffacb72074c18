//! Decodes NetFlow and IPFIX records, sFlow samples and captured frames to [`flow`] rows.
//!
//! Each decoder is compiled for the fields that the configuration uses ([`flow::needs`]), so a record costs one step per
//! field and no lookup. Decoders do no I/O and read no clock: each batch comes with its arrival time.
#![forbid(unsafe_code)]

pub mod bound;
#[cfg(test)]
mod filled_tests;
pub mod from_netflow;
pub mod from_packet;
pub mod from_sflow;
pub mod headers;
pub mod pointer;
