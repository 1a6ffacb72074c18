//! Where datagrams and packets come from.
//!
//! | module | source |
//! |---|---|
//! | [`udp`] | sockets: one for each worker, an exporter always at the same one; batches by `recvmmsg` |
//! | [`pcap_file`] | capture files, played once, several times or for ever |
//!
//! Both fill the same [`Batch`], so that what follows does not know where its datagrams came from.
//! [`allow`] says who may send at all.
//!
//! This crate alone calls the kernel without a safe wrapper; all of that is in `udp/kernel.rs`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod allow;
mod batch;
pub mod pcap_file;
pub mod udp;

pub use batch::{Batch, Datagram, Datagrams, MAX_DATAGRAM, SLOTS};
