//! A BGP session (RFC 4271 section 8) of a passive collector, as a state machine without I/O.
//!
//! Octets that the peer sent and the time go in; events, octets to send and a deadline come out. A [`Session`] begins when the
//! transport connection is accepted. It never announces routes.
//!
//! | state | waits for | of RFC 4271 |
//! |---|---|---|
//! | [`State::OpenWait`] | the peer's OPEN, which is answered with an OPEN and a KEEPALIVE | Active, with the DelayOpenTimer running |
//! | [`State::OpenConfirm`] | the peer's first KEEPALIVE | OpenConfirm |
//! | [`State::Established`] | routes | Established |
//! | [`State::Closed`] | nothing: the session is over | Idle |
//!
//! ```
//! use bgp_session::{Config, Event, Session};
//! use std::time::Instant;
//!
//! # fn read() -> Option<Vec<u8>> { None }
//! # fn write(_octets: &[u8]) -> usize { 0 }
//! let mut session = Session::new(Config::default(), Instant::now());
//! // In a loop: wait until octets arrive, the connection can send again, or `session.deadline()` passes.
//! while let Some(octets) = read() {
//!     let now = Instant::now();
//!     let mut input = &octets[..];
//!     while let Some(event) = session.next(&mut input, now) {
//!         match event {
//!             Event::Open(parameters) => println!("AS {}", parameters.peer_as),
//!             Event::Update(update) => println!("UPDATE at {}: {:?}", update.position, update.message.body()),
//!             _ => {}
//!         }
//!     }
//!     session.timeout(now);
//!     let sent = write(session.send_buffer());
//!     session.sent(sent, now);
//!     if let Some(closed) = session.closed() {
//!         println!("closed: {closed}");
//!         break;
//!     }
//! }
//! ```
//!
//! # Where it is more lenient than RFC 4271
//!
//! * A KEEPALIVE before the OPEN is ignored.
//! * An UPDATE or a ROUTE-REFRESH confirms our OPEN just as a KEEPALIVE does, since a peer sends it only after it accepted
//!   ours.
//! * Optional parameters of unknown types are passed over.
//! * A peer may have our BGP identifier: it says itself that it cannot use it.
//!
//! # Bounds
//!
//! A session keeps at most one incomplete message of the peer, 4096 octets or, with extended messages, 65535, of which it
//! allocates what arrived. [`MAX_OUTPUT`] octets wait for sending at most: KEEPALIVEs and requests are not queued behind many unsent ones. A
//! peer that does not complete an OPEN within [`Config::open_wait`], or a message within the hold time, or that reads nothing
//! for the send hold time (RFC 9687), is closed.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod closed;
mod input;
mod output;
mod parameters;
mod session;
mod state;
mod timers;

#[cfg(test)]
mod tests;

pub use closed::{Cause, Closed};
pub use output::MAX_OUTPUT;
pub use parameters::{MIN_ANSWERED_HOLD_TIME, Parameters};
pub use session::{Config, Counts, Event, NoRefresh, Session, Update};
pub use state::State;
pub use timers::SEND_HOLD_TIME;
