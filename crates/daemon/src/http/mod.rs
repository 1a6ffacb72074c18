//! Metrics and health over HTTP, as a part of every daemon ([`metrics`]).

#[cfg_attr(not(feature = "http"), path = "absent.rs")]
#[cfg_attr(feature = "http", path = "present.rs")]
mod endpoint;

pub(crate) use endpoint::ROW;
