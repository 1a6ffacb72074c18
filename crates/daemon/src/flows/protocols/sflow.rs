//! sFlow, with the counter samples that go to their log.

use super::packets::tunnels;
use super::renormalizes_at_once;
use crate::counter_log::Ends;
use crate::flows::input::{Decoder, Wanted};
use crate::flows::pipeline::Require;
use crate::flows::worker;
use crate::host::part::Reading;
use config::Names;
use config::keys::{aggregation, input};
use decode::from_sflow;
use flow::needs::Needs;
use packet::tunnel::Ports;

/// How sFlow is read.
pub(crate) struct Sflow {
    decode: from_sflow::Settings,
    /// `sfacctd_disable_sanity_checks`: no lines about versions.
    unchecked: bool,
    names: Names,
    /// Where counter samples go.
    counters: Option<Ends>,
}

impl Decoder for Sflow {
    type Protocol = worker::Sflow;
    const WHAT: &'static str = "sFlow data";
    const REQUIRE: Require = from_sflow::require;

    fn read(reading: &mut Reading<'_>, wanted: Wanted) -> Self {
        let config = reading.config;
        let decode = from_sflow::Settings {
            renormalize: renormalizes_at_once(config),
            use_ip_next_hop: config.core(&aggregation::USE_IP_NEXT_HOP),
            networks: wanted.networks,
            max_memory: wanted.max_memory,
            ignore_agent_address: config.core(&input::NFACCTD_IGNORE_EXPORTER_ADDRESS),
            unknown_etypes: config.core(&aggregation::AGGREGATE_UNKNOWN_ETYPE),
            inside: tunnels(config, reading.problems),
            max_agents: config.core(&input::NFACCTD_EXPORTERS_MAX),
        };
        Self {
            decode,
            unchecked: config.core(&input::NFACCTD_DISABLE_SANITY_CHECKS),
            names: reading.names.clone(),
            counters: reading.offers.take(),
        }
    }

    fn inside(&self) -> Option<&Ports> {
        self.decode.inside.as_ref()
    }

    fn is_unchecked(&self) -> bool {
        self.unchecked
    }

    fn protocols(&mut self, needs: &Needs, workers: usize) -> Vec<Self::Protocol> {
        // The log ends when all of its ends are dropped, so only the workers keep ends of it.
        let counters = self.counters.take();
        let protocol = |_| {
            let lines = counters.as_ref().map(Ends::lines);
            worker::Sflow::new(needs, self.decode.clone(), lines, self.unchecked, self.names.clone())
        };
        (0..workers).map(protocol).collect()
    }
}
