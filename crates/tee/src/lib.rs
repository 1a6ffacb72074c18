//! Replication of datagrams: which receivers get a datagram, what they get of it, and how it is sent.
//!
//! | module | what it is |
//! |---|---|
//! | [`pool`] | pools of receivers |
//! | [`balance`] | the choice of one receiver of a pool |
//! | [`limit`] | sampling and rate limits of a pool |
//! | [`rate`] | sampling rates of datagrams of which only some are passed on |
//! | [`dissect`] | datagrams that are rebuilt from some of their records |
//! | [`header`] | IP and UDP headers with the exporter as source |
//! | [`message`] | messages with such headers, read |
//! | [`replicator`] | all of it, for one worker |
//!
//! A [`Replicator`] belongs to one worker. It takes the datagrams of a batch ([`Replicator::whole`], [`Replicator::dissected`]), and
//! sends them at the end of the batch ([`Replicator::flush`]): a datagram is not copied, and one system call sends all datagrams of the batch
//! to a receiver ([`udp_link`]). Nothing blocks, unless the input is a file. What cannot be sent is dropped and counted by reason ([`Counts`]).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

pub mod balance;
mod counts;
pub mod dissect;
pub mod header;
pub mod limit;
pub mod message;
pub mod pool;
pub mod rate;
pub mod replicator;

pub use counts::{Counts, DropReason};
pub use replicator::Replicator;
pub use udp_link::Options;
