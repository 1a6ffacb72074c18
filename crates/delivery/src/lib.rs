//! What leaves for a server, kept until the server has confirmed it.
//!
//! A sink cuts what it writes into [`WriteBatch`]s: octets that say by themselves what they hold, so that they can wait in
//! memory or on disk, outlive the daemon, and be tried again. A [`Backend`] takes one batch at a time to its store
//! and says in a [`Receipt`] what the store confirmed.
//!
//! | module | what it is |
//! |---|---|
//! | [`batch`] | batches, and what they weigh |
//! | [`backend`] | the contract of a store: open, deliver, faults, receipts |
//! | [`queue`] | batches that wait, bounded in octets |
//! | [`spool`] | batches on disk |
//! | [`worker`] | the thread that takes batches to their store, and tries again |
//! | [`messages`] | the inside of batches for message brokers |
//! | `tls` | whom encrypted connections trust |
#![forbid(unsafe_code)]

pub mod backend;
mod backoff;
pub mod batch;
pub mod messages;
pub mod queue;
pub mod spool;
#[cfg(feature = "tls")]
pub mod tls;
pub mod worker;

pub use backend::{Backend, Fault, Receipt};
pub use batch::{BatchId, Sum, WriteBatch};
