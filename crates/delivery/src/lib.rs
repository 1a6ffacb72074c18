//! Delivery of write batches to databases and message brokers. A batch is kept until its store has confirmed it.
//!
//! A sink encodes aggregates into [`WriteBatch`]es. A batch describes itself, so it can be queued in memory or on disk, outlive
//! the daemon, and be delivered again. A [`Backend`] sends one batch at a time to its store and records in a [`Receipt`] which
//! items the store confirmed.
//!
//! | module | what it is |
//! |---|---|
//! | [`batch`] | batches, and the sums of what they hold |
//! | [`backend`] | the contract of a store: open, deliver, errors, receipts |
//! | [`queue`] | queued batches, bounded in bytes |
//! | [`spool`] | batches on disk |
//! | [`worker`] | the thread that delivers batches, and retries |
//! | [`messages`] | the format of batches for message brokers |
//! | `tls` | the certificate authorities that TLS connections trust |
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
