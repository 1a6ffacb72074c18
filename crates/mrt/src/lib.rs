//! MRT files (RFC 6396, RFC 8050): routing tables and BGP messages, read and written.
//!
//! A file is a sequence of records, each with a time, a type, a subtype and a length:
//!
//! ```text
//! time     u32 seconds since 1970
//! type     u16, subtype u16, length u32
//! micros   u32, in types that end in _ET; counted by the length
//! body
//! ```
//!
//! | module | records |
//! |---|---|
//! | [`record`] | the header of all records; reading them from a file |
//! | [`peers`] | PEER_INDEX_TABLE of TABLE_DUMP_V2: the peers of a table |
//! | [`rib`] | the routes of a prefix in TABLE_DUMP_V2, with path identifiers (RFC 8050) or without, and of TABLE_DUMP |
//! | [`message`] | BGP messages and changes of session states: BGP4MP and BGP4MP_ET |
//! | [`attributes`] | path attributes between a file and an UPDATE message |
//!
//! Writers append records to a `Vec<u8>`. Readers borrow from one record at a time, whose length is bounded
//! ([`record::MAX_RECORD`]). Geolocation of peers (RFC 6397) and the types for OSPF and IS-IS are passed over:
//! [`record::Record::content`] returns [`Content::Other`](record::Content::Other) for them.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod attributes;
mod error;
pub mod message;
mod nlri;
pub mod peers;
pub mod record;
pub mod rib;
#[cfg(test)]
mod tests;

pub use error::MrtError;
pub use message::{Message, Session, StateChange};
pub use peers::{Peer, PeerIndex};
pub use record::{Content, Reader, Record, Time};
pub use rib::{Entry, Rib};
