//! Sources of datagrams and packets.
//!
//! | module | source |
//! |---|---|
//! | [`udp`] | sockets, one per worker; all datagrams of an exporter arrive at the same one; batches by `recvmmsg` |
//! | [`pcap_file`] | capture files, read once, several times or endlessly |
//! | [`live`] | interfaces, by libpcap: packets |
//! | [`nflog`] | netfilter's log: packets |
//!
//! Sources of datagrams fill the same [`Batch`], sources of packets the same [`Frames`], so that decoders do not depend on the
//! source. [`Messages`] are those that other crates receive, from connections. [`allow`] lists the addresses that may send.
//!
//! Only this crate calls the kernel without a safe wrapper, in `udp/kernel.rs`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod allow;
mod batch;
mod frames;
#[cfg(feature = "pcap")]
pub mod live;
mod messages;
pub mod nflog;
pub mod pcap_file;
pub mod udp;
mod waker;

pub use batch::{Batch, Datagram, Datagrams, MAX_DATAGRAM, SLOTS};
pub use frames::{Frame, Frames, Meta};
pub use messages::Messages;
pub use waker::Waker;
