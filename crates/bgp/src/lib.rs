//! BGP-4 (RFC 4271): messages, path attributes and NLRI. No I/O, clock or configuration.
//!
//! | module | what it is |
//! |---|---|
//! | [`message`] | the header of messages, and how a stream is split into messages |
//! | [`open`], [`capability`] | OPEN and its capabilities |
//! | [`notification`] | NOTIFICATION, with the names of all codes |
//! | [`route_refresh`] | ROUTE-REFRESH |
//! | [`update`] | UPDATE, checked by the rules of RFC 7606 |
//! | [`attribute`] | path attributes, and the canonical form of a set of them |
//! | [`nlri`] | network layer reachability information of all families |
//! | [`value`] | how NLRI and attributes show themselves to outputs |
//! | [`srv6`] | endpoint behaviors of SRv6 SIDs |
//! | [`tlv`] | TLVs, and the error that decoders of NLRI and attributes share |
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod attribute;
pub mod capability;
pub mod message;
pub mod nlri;
pub mod notification;
pub mod open;
pub mod route_refresh;
pub mod srv6;
pub mod tlv;
pub mod update;
pub mod value;
