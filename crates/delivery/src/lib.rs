//! What leaves for a server, kept until the server has confirmed it.
//!
//! A sink cuts what it writes into [`WriteBatch`]es. A batch describes itself, so it can wait in memory or on disk, outlive the
//! daemon, and be delivered again. A [`Backend`] takes one batch at a time to its store and records in a [`Receipt`] what the
//! store confirmed.
//!
//! | module | what it is |
//! |---|---|
//! | [`batch`] | batches, and the sums of what they hold |
//! | [`backend`] | the contract of a store: open, deliver, faults, receipts |
//! | [`queue`] | waiting batches, bounded in bytes |
//! | [`spool`] | batches on disk |
//! | [`worker`] | the thread that delivers batches, and retries |
//! | [`messages`] | the format of batches for message brokers |
//! | `tls` | the certificate authorities that encrypted connections trust |
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

pub use backend::{Backend, Receipt, StoreError};
pub use batch::{BatchId, Sum, WriteBatch};
