//! Templates that collectors share through a compacted topic of Kafka (`nfacctd_templates_kafka_topic`).
//!
//! When an exporter's datagrams move to another collector, because one was added or died, that collector needs the exporter's templates
//! before the exporter announces them again. So each collector writes the templates that it learns to the topic, and keeps all that are in
//! it ([`Shared`]). A worker that misses a template looks there: until then, its data sets wait as for any template. A template that
//! another collector has changed replaces the worker's.
//!
//! Sampling rates that exporters announce in options data travel in the same way: without them, a collector with `nfacctd_renormalize` would
//! count too little.

#[cfg(not(feature = "kafka"))]
mod absent;
#[cfg(feature = "kafka")]
mod client;
#[cfg(feature = "kafka")]
mod follower;
#[cfg(feature = "kafka")]
mod message;
#[cfg(feature = "kafka")]
mod shared;
#[cfg(feature = "kafka")]
mod topic;

#[cfg(not(feature = "kafka"))]
pub(crate) use absent::{Follower, Settings, Topic};
#[cfg(feature = "kafka")]
pub(crate) use follower::Follower;
#[cfg(feature = "kafka")]
pub(crate) use topic::{Settings, Topic};

use super::worker::Learned;
use std::net::IpAddr;

/// A template or a sampling rate that a worker takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) exporter: IpAddr,
    pub(crate) learned: Learned,
    /// It replaces a different template; else it is one that is missing.
    pub(crate) replaces: bool,
}

/// What is known of an exporter.
#[cfg(feature = "kafka")]
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    exporter: IpAddr,
    learned: Learned,
    /// When it was announced.
    seen: super::templates_file::Time,
}
