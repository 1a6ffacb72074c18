//! The routes of many BGP peers: longest-prefix match, attribute sets that are stored once, and readers that never wait long for
//! the writer.
//!
//! * One [`Writer`] changes the table: it adds and removes peers, and announces and withdraws their routes.
//! * Any number of threads read it through [`SharedRib::read`], once for each batch of look-ups.
//!
//! ```
//! use rib::{Announced, Limits, NO_LABEL, Route, SharedRib, TableKey};
//! use std::net::{IpAddr, Ipv4Addr};
//! use wire::Family;
//!
//! let (shared, mut writer) = SharedRib::new(Limits::default());
//! let peer = writer.add_peer().ok_or("too many peers")?;
//! let mut changes = writer.begin();
//! let attributes = changes.intern(b"the octets of an attribute set")?;
//! let route = Route { peer, path_id: 0, attributes, label: NO_LABEL };
//! let table = TableKey::Unicast(Family::V4);
//! assert_eq!(changes.announce(table, "192.0.2.0/24".parse::<wire::Prefix>()?, route)?, Announced::New);
//! drop(changes);
//!
//! let rib = shared.read();
//! let unicast = rib.table(table).ok_or("no routes")?;
//! let found = unicast.longest(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), |route| route.peer == peer);
//! assert_eq!(found.map(|found| (found.route, found.length)), Some((route, 24)));
//! assert_eq!(rib.attributes(route.attributes), b"the octets of an attribute set");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Tables
//!
//! There is a table for each family, and for each route distinguisher ([`TableKey`]). A prefix has the routes of all peers, in the order of
//! their announcement; a reader says which one it accepts. Families whose NLRI are not prefixes have tables by the octets of NLRI.
//!
//! # Attribute sets
//!
//! The octets of an attribute set are opaque to this crate. Routes with equal octets share one set, which is freed with the last
//! of them.
//!
//! # Bounds
//!
//! | what | bound |
//! |---|---|
//! | routes | [`Limits`], for each peer and in all |
//! | routes of a peer for one prefix | [`MAX_PATHS`], since a change searches the routes of its prefix |
//! | memory of a prefix | two nodes of 100 bytes or less, however deep it is, and 16 bytes |
//! | routes of removed peers | what the peer had; [`Writer::sweep`] removes them |
//! | an attribute set | 65535 octets |
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod address;
mod body;
mod cursor;
mod held;
mod peers;
mod rib;
mod route;
mod routes;
mod segments;
mod shared;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod trash;
mod tree;
mod writer;

pub use cursor::Cursor;
#[cfg(feature = "held")]
pub use held::{Held, Section, Work};
pub use rib::{Memory, Rib};
pub use route::{
    Announced, AttributesId, AttributesKey, Limits, NO_LABEL, Nlri, PeerId, Refused, Route, TableKey,
};
pub use routes::MAX_PATHS;
pub use shared::{ReadGuard, SharedRib};
pub use table::{Match, Routes, Table};
pub use writer::{Changes, Writer};
