//! The workers' reports for statistics.

use std::net::IpAddr;

/// The input of one worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// The number of the answered request.
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
    pub(crate) bytes: u64,
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
    /// The direction, if only one is captured.
    pub(crate) direction: Option<&'static str>,
    pub(crate) received: u64,
    pub(crate) dropped: u64,
}
