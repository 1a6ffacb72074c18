//! Routes for flows: which peer, which route, and the fields of rows that they fill.
//!
//! Each exporter's flows meet that router's own routes:
//!
//! 1. The *peer* of a row is the BGP session of its exporter, or the one that `bgp_agent_map` names ([`peers`]).
//! 2. Both ends of the row are looked up in the routes of that peer: in the table of the row's route distinguisher, or in the unicast
//!    table, and then in that of labelled routes. With ADD-PATH, the record's next hop chooses among several paths. A default route
//!    may be followed to the peer at its next hop.
//! 3. The routes fill AS numbers, networks, next hop, path, communities and preferences of the row, as the sources of each say
//!    ([`spec`]).
//!
//! [`Lookup`] is the step that does so, over the live table [`Routes`]. Nothing is compiled when routes change. The texts of an attribute set are
//! made once in each worker.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod directory;
mod find;
mod judge;
mod lookup;
pub mod patterns;
pub mod peers;
pub mod routers;
mod routes;
mod shown;
pub mod spec;
#[cfg(test)]
mod tests;
mod write;

pub use lookup::{Compiled, Lookup, Memory, add};
pub use routes::{Routes, Tables};
pub use shown::Shaping;
