//! What workers report when statistics are asked for.

use std::net::IpAddr;

/// What one worker has taken in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// The number of the request that it answers.
    pub(crate) request: u64,
    pub(crate) exporters: Vec<ExporterReport>,
    pub(crate) interfaces: Vec<InterfaceReport>,
}

/// What one exporter has sent.
#[derive(Clone, Debug)]
pub(crate) struct ExporterReport {
    pub(crate) address: IpAddr,
    pub(crate) domain: u32,
    pub(crate) datagrams: u64,
    pub(crate) octets: u64,
    pub(crate) records: u64,
    pub(crate) good: u64,
    pub(crate) forward: u64,
    pub(crate) back: u64,
    pub(crate) lost: u64,
}

/// What one interface has delivered.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceReport {
    pub(crate) name: String,
    pub(crate) index: u32,
    /// The one direction that is captured.
    pub(crate) direction: Option<&'static str>,
    pub(crate) received: u64,
    pub(crate) dropped: u64,
}
