//! Checked readers and writers over octets, and small types that several protocols share.
//!
//! Input from outside is parsed only by [`Reader`], which cannot panic: it borrows, moves forward only, and
//! keeps its offset for errors. It is `Copy`, so a copy is a bookmark.
//!
//! | type | defined by |
//! |---|---|
//! | [`Prefix`], [`Family`] | RFC 4632, RFC 4291; as NLRI RFC 4271 |
//! | [`Afi`], [`Safi`] | RFC 4760 |
//! | [`Asn`] | RFC 6793; notations RFC 5396 |
//! | [`Community`], [`ExtendedCommunity`], [`Ipv6ExtendedCommunity`], [`LargeCommunity`] | RFC 1997, RFC 4360, RFC 5701, RFC 8092 |
//! | [`RouteDistinguisher`] | RFC 4364 |
//! | [`tunnel::TunnelType`] | RFC 9012 |
//! | [`Mac`] | IEEE 802 |
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod asn;
pub mod community;
pub mod family;
pub mod mac;
pub mod prefix;
pub mod rd;
mod reader;
mod text;
pub mod tunnel;
mod writer;

pub use asn::Asn;
pub use community::{Community, ExtendedCommunity, Ipv6ExtendedCommunity, LargeCommunity};
pub use family::{Afi, Family, Safi};
pub use mac::Mac;
pub use prefix::{Prefix, PrefixError};
pub use rd::RouteDistinguisher;
pub use reader::{Reader, Truncated};
pub use writer::{TooLong, Writer};
