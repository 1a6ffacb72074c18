//! A router that reports over BMP, whose every octet a test chooses.
//!
//! It shares no code with the crate `bmp`: an encoder that misreads an RFC in the same way as the decoder would hide the
//! error. Nothing is validated, so that a test can send what no router would.
//!
//! | module | contents |
//! |---|---|
//! | [`message`] | the header of messages (RFC 7854 section 4.1), initiation, termination, information TLVs |
//! | [`peer`] | the per-peer header and the messages that begin with it |
//! | [`proxy`] | the headers of the PROXY protocol |
//! | [`router`] | a connection from an address of its own |
//!
//! The BGP messages inside come from [`crate::bgp`].

pub mod message;
pub mod peer;
pub mod proxy;
pub mod router;

pub use message::{initiation, termination};
pub use peer::{Peer, PeerUp, Stat};
pub use router::Router;
