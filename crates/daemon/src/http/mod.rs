//! The metrics endpoint as a part of a daemon, whether it was built in or not.
//!
//! It stands behind all parts whose counters and reports it shows.

#[cfg_attr(feature = "http", path = "present.rs")]
#[cfg_attr(not(feature = "http"), path = "absent.rs")]
mod part;

pub(crate) use part::ROW;
