//! What leaves for a server, kept until the server has confirmed it.
//!
//! A sink cuts what it writes into [`Parcel`]s: octets that say by themselves what they hold, so that they can wait in
//! memory or on disk, outlive the daemon, and be tried again. A [`Backend`] takes one parcel at a time to its store
//! and says in a [`Receipt`] what the store confirmed.
//!
//! | module | what it is |
//! |---|---|
//! | [`parcel`] | parcels, and what they weigh |
//! | [`backend`] | the contract of a store: open, deliver, faults, receipts |
//! | [`queue`] | parcels that wait, bounded in octets |
//! | [`spool`] | parcels on disk |
//! | [`courier`] | the thread that takes parcels to their store, and tries again |
//! | [`messages`] | the inside of parcels for message brokers |
//! | `tls` | whom encrypted connections trust |
#![forbid(unsafe_code)]

pub mod backend;
mod backoff;
pub mod courier;
pub mod messages;
pub mod parcel;
pub mod queue;
pub mod spool;
#[cfg(feature = "tls")]
pub mod tls;

pub use backend::{Backend, Fault, Receipt};
pub use parcel::{Parcel, ParcelId, Sum};
