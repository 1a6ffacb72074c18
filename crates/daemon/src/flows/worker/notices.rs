//! Log lines about what exporters send, at a limited rate.

use super::Learned;
use super::foreign::Foreign;
use config::Names;
use config::keys::input;
use decode::bound::Bound;
use decode::from_netflow::{NoFlow, Notice, Sampling};
use netflow::datagram::HeaderError;
use runtime::log::{Limited, Summed};
use std::net::IpAddr;
use std::time::Duration;
use tracing::{debug, info, warn};

/// Minimum time between two lines of one kind.
const RATE: Duration = Duration::from_secs(10);

pub(crate) struct Notices {
    header: Limited,
    foreign: Limited,
    template: Limited,
    record: Limited,
    rate: Limited,
    no_flow: Summed<u64>,
    evicted: Limited,
    options: Limited,
    domains: Limited,
    /// No lines about versions and sequence numbers.
    unchecked: bool,
    names: Names,
}

impl Notices {
    pub(crate) fn new(unchecked: bool, names: Names) -> Self {
        let limited = || Limited::new(RATE);
        Self {
            header: limited(),
            foreign: limited(),
            template: limited(),
            record: limited(),
            rate: limited(),
            no_flow: Summed::new(RATE),
            evicted: limited(),
            options: limited(),
            domains: limited(),
            unchecked,
            names,
        }
    }

    /// True unless lines about sequence numbers are suppressed.
    pub(crate) fn logs_gaps(&self) -> bool {
        !self.unchecked
    }

    pub(crate) fn rejected(&self, exporter: IpAddr, payload: &[u8], error: HeaderError) {
        if matches!(error, HeaderError::Version(_)) {
            if self.unchecked {
                return;
            }
            if let Some(foreign) = Foreign::to_netflow(payload) {
                if let Some(pass) = self.foreign.pass() {
                    warn!(%exporter, held_back = pass.held_back, "discarding a datagram: {foreign}");
                }
                return;
            }
        }
        if let Some(pass) = self.header.pass() {
            warn!(%exporter, held_back = pass.held_back, "discarding a datagram: {error}");
        }
    }

    /// Logs a notice. Returns what is to be kept of the exporter.
    pub(crate) fn notice(&mut self, notice: Notice) -> Option<(IpAddr, Learned)> {
        match notice {
            Notice::NoTemplate { exporter, domain, id } => {
                if let Some(pass) = self.template.pass() {
                    let held_back = pass.held_back;
                    info!(%exporter, domain, template = id, held_back, "data set received before its template: held until the template arrives");
                }
            }
            Notice::InvalidRecords { exporter, domain, fault } => {
                if let Some(pass) = self.record.pass() {
                    warn!(%exporter, domain, held_back = pass.held_back, "{fault}");
                }
            }
            Notice::Rate { exporter, domain, id } => {
                if let Some(pass) = self.rate.pass() {
                    let held_back = pass.held_back;
                    warn!(%exporter, domain, template = id, held_back, "options data contain a sampling rate that cannot be used");
                }
            }
            Notice::NoFlow { exporter, domain, id, records, reason } => {
                if let Some(records) = self.no_flow.add(records) {
                    let reason = match reason {
                        NoFlow::Frame => "no counters, and no complete IP header in the frames",
                        NoFlow::Elements => "no known information element",
                    };
                    info!(%exporter, domain, template = id, records, "records without a flow: {reason}");
                }
            }
            Notice::ExporterEvicted { exporter, bound, memory } => {
                if let Some(pass) = self.evicted.pass() {
                    let (held_back, key) = (pass.held_back, key_of(bound, &self.names));
                    warn!(%exporter, bytes = memory, held_back, "evicting an exporter and its templates: {key} is reached");
                }
            }
            Notice::OptionsFull { exporter, domain, id } => {
                if let Some(pass) = self.options.pass() {
                    let held_back = pass.held_back;
                    warn!(%exporter, domain, template = id, held_back, "options data exceed the number of names or rates kept per exporter: ignoring further ones");
                }
            }
            Notice::Domains { exporter } => {
                if let Some(pass) = self.domains.pass() {
                    let held_back = pass.held_back;
                    warn!(%exporter, held_back, "too many observation domains to track: some lost datagrams or records may not be counted");
                }
            }
            Notice::Gap { .. } if self.unchecked => {}
            Notice::Gap { exporter, domain, lost } => {
                debug!(%exporter, domain, lost, "sequence number jumped");
            }
            Notice::Template { exporter, template, of_session } => {
                debug!(%exporter, domain = template.domain, template = template.id, "template learned");
                return (!of_session).then_some((exporter, Learned::Template(template)));
            }
            Notice::Sampling { exporter, sampling } => {
                let Sampling { domain, template, .. } = sampling;
                debug!(%exporter, domain, template, "sampling rate learned");
                return Some((exporter, Learned::Sampling(sampling)));
            }
        }
        None
    }
}

/// The key that sets a bound.
pub(crate) fn key_of(bound: Bound, names: &Names) -> &'static str {
    match bound {
        Bound::Exporters => names.of(&input::NFACCTD_EXPORTERS_MAX),
        Bound::Memory => names.of(&input::PEER_STATE_MEMORY),
    }
}
