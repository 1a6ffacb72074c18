//! The BGP Monitoring Protocol (RFC 7854), versions 3 and 4: what a router sends to a monitoring station. No I/O, clock or
//! configuration.
//!
//! | module | what it is |
//! |---|---|
//! | [`frame`] | the common header, and how a stream is split into messages |
//! | [`message`] | a message of any type |
//! | [`peer`] | the per-peer header, and the RIBs that a router reports |
//! | [`information`] | initiation and termination |
//! | [`peer_up`], [`peer_down`] | begin and end of a monitored session |
//! | [`route_monitoring`] | UPDATEs |
//! | [`statistics`] | counters and gauges |
//! | [`mirroring`] | BGP messages as the router received them |
//! | [`tlv`] | TLVs, with enterprise numbers and indexes |
//! | [`v4`] | the TLVs of route monitoring in version 4 |
//! | [`code`] | code points with their registered names |
//! | [`error`] | what can be wrong with a message |
//!
//! Adj-RIB-Out (RFC 8671), Loc-RIB (RFC 9069), the TLVs of peer up (RFC 9736) and the statistics of RFC 9972 are included.
//! Version 4 is an Internet-Draft (draft-ietf-grow-bmp-tlv); its code points have changed between revisions, and
//! [`v4::CodePoints`] names those that apply.
//!
//! BGP messages inside are not decoded here: they are located and their headers checked, and the crate `bgp` does the
//! rest with what both OPENs of the peer up agreed on.
//!
//! Unknown types, TLVs, flags, reasons and counters are no errors: they are kept as numbers and octets.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod body;
pub mod code;
pub mod error;
pub mod frame;
pub mod information;
pub mod message;
pub mod mirroring;
pub mod peer;
pub mod peer_down;
pub mod peer_up;
pub mod route_monitoring;
pub mod statistics;
pub mod tlv;
pub mod v4;
