//! The stream of a monitored router (BMP, RFC 7854), as a state machine without I/O.
//!
//! Octets that the router sent go in; events come out. A [`Session`] begins when the transport connection is accepted. A
//! monitoring station sends nothing (RFC 7854 section 3.2), so there is no timer and nothing to send.
//!
//! The session keeps the peers of the router that are up, and what both OPENs of each agreed on, so that each UPDATE comes with
//! what its decoder has to know. The OPENs themselves are not kept.
//!
//! ```
//! use bmp_session::{Config, Event, Session};
//!
//! # fn read() -> Option<Vec<u8>> { None }
//! let mut session = Session::new(Config::default());
//! let mut decoder = bgp::update::Decoder::new();
//! while let Some(octets) = read() {
//!     let mut input = &octets[..];
//!     while let Some(received) = session.next(&mut input) {
//!         match received.event {
//!             Event::PeerUp { peer, .. } => println!("peer {} is up", peer.key.address),
//!             Event::Routes { peer, decoding, message } => {
//!                 let rib = message.peer.rib_type();
//!                 match decoder.decode(message.update.body(), &decoding) {
//!                     Ok(update) => println!("{} blocks in {rib} of {}", update.blocks().count(), peer.key.address),
//!                     Err(error) => println!("at {}: {error}", received.position),
//!                 }
//!             }
//!             Event::Rejected(reason) => println!("at {}: {reason}", received.position),
//!             _ => {}
//!         }
//!     }
//!     if let Some(closed) = session.closed() {
//!         println!("closed: {closed}");
//!         break;
//!     }
//! }
//! ```
//!
//! # What ends a session
//!
//! A message that cannot be read costs that message; the session ends when the start of the next one is lost: at a version that
//! is neither 3 nor 4, and at a length that is less than a header. A message that is longer than [`Config::max_message`] is passed
//! over without being kept, or ends the session, as [`Config::skip_long`] says. A termination ends it, and what follows is
//! ignored.
//!
//! # How UPDATEs are read
//!
//! | | Adj-RIB-In | Adj-RIB-Out | Loc-RIB |
//! |---|---|---|---|
//! | path identifiers of a family | the peer sends them and the router receives them | the reverse | both OPENs name the family |
//! | AS numbers of four octets | unless the A flag is set; see below | likewise | always |
//! | several labels | both OPENs name the family | likewise | likewise |
//!
//! The A flag decides about AS numbers (RFC 7854 section 4.2). Some routers leave it unset and send AS numbers of two octets,
//! because the session with the peer has such. If not both OPENs have the capability, the AS_PATH itself is therefore looked at.
//!
//! Capabilities in stateless parsing TLVs of version 4 apply to their message in addition.
//!
//! # Bounds
//!
//! A session keeps at most one incomplete message of up to [`Config::max_message`] octets, of which it allocates what arrived, and
//! [`Config::max_peers`] peers of less than two KB each, besides the families of their OPENs.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod agreed;
mod as_path;
mod closed;
mod counts;
mod event;
mod input;
mod peer;
mod proxy;
mod session;

#[cfg(test)]
mod tests;

pub use closed::Closed;
pub use counts::Counts;
pub use event::{Event, PeerChange, Received, Rejection, Which};
pub use peer::{Peer, PeerNumber, RibSet};
pub use proxy::{MAX_PROXY_HEADER, ProxyError, Source};
pub use session::{Config, Session};
