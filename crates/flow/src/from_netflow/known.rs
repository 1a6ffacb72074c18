//! What an exporter told about itself in options data.

use foldhash::fast::FixedState;
use netflow::options::Facts;
use std::collections::HashMap;
use std::net::IpAddr;

/// Most facts of one kind that are kept of one exporter.
const MAX_FACTS: usize = 16_384;

type Map<T> = HashMap<(u32, u64), T, FixedState>;

/// The facts of one exporter, by domain and id.
#[derive(Debug, Default)]
pub(crate) struct Known {
    samplers: Map<u32>,
    selectors: Map<u32>,
    /// Sampling of a whole domain.
    domains: Map<u32>,
    interfaces: Map<Box<[u8]>>,
    applications: Map<Box<[u8]>>,
    vrfs: Map<Box<[u8]>>,
    distinguishers: Map<[u8; 8]>,
    /// When a domain's exporter started, milliseconds since 1970.
    starts: Map<u64>,
    /// The address that the exporter gives as its own.
    pub(crate) address: Option<IpAddr>,
}

/// Octets of a name that are kept; the widest columns that show names hold 255.
const MAX_NAME: usize = 255;

/// A name, cut where nobody could have meant it.
fn name(octets: &[u8]) -> Box<[u8]> {
    octets.get(..MAX_NAME).unwrap_or(octets).into()
}

/// Keeps a fact; at the bound only known ids are renewed.
fn keep<T>(map: &mut Map<T>, domain: u32, id: u64, fact: T) {
    if map.len() < MAX_FACTS || map.contains_key(&(domain, id)) {
        map.insert((domain, id), fact);
    }
}

/// Ids of applications are octets; eight of them tell apart what exporters use.
pub(crate) fn application_id(octets: &[u8]) -> u64 {
    netflow::record::number(octets)
}

impl Known {
    /// Takes in what an options record tells. `domain` is that of its datagram, or one for all where their scope is
    /// not looked at.
    pub(crate) fn learn(&mut self, domain: u32, facts: &Facts<'_>) {
        if let Some(interval) = facts.sampling_interval() {
            match (facts.sampler, facts.selector) {
                (Some(id), _) => keep(&mut self.samplers, domain, id, interval),
                (None, Some(id)) => keep(&mut self.selectors, domain, id, interval),
                (None, None) => keep(&mut self.domains, domain, 0, interval),
            }
        }
        if let (Some(id), Some(name)) = (facts.interface, facts.interface_label()) {
            keep(&mut self.interfaces, domain, id, self::name(name));
        }
        if let (Some(id), Some(name)) = (facts.application, facts.application_label()) {
            keep(&mut self.applications, domain, application_id(id), self::name(name));
        }
        if let Some(id) = facts.vrf {
            if let Some(name) = facts.vrf_name {
                keep(&mut self.vrfs, domain, id, self::name(name));
            }
            if let Some(distinguisher) = facts.route_distinguisher {
                keep(&mut self.distinguishers, domain, id, distinguisher);
            }
        }
        if let Some(start) = facts.system_init_ms {
            keep(&mut self.starts, domain, 0, start);
        }
        if facts.exporter.is_some() {
            self.address = facts.exporter;
        }
    }

    pub(crate) fn sampler(&self, domain: u32, id: u64) -> Option<u32> {
        self.samplers.get(&(domain, id)).copied()
    }

    /// A selector's interval; exporters also list selectors as samplers.
    pub(crate) fn selector(&self, domain: u32, id: u64) -> Option<u32> {
        self.selectors.get(&(domain, id)).or_else(|| self.samplers.get(&(domain, id))).copied()
    }

    pub(crate) fn domain_sampling(&self, domain: u32) -> Option<u32> {
        self.domains.get(&(domain, 0)).copied()
    }

    pub(crate) fn interface(&self, domain: u32, id: u64) -> &[u8] {
        self.interfaces.get(&(domain, id)).map_or(&[], |name| name)
    }

    pub(crate) fn application(&self, domain: u32, id: u64) -> &[u8] {
        self.applications.get(&(domain, id)).map_or(&[], |name| name)
    }

    pub(crate) fn vrf(&self, domain: u32, id: u64) -> &[u8] {
        self.vrfs.get(&(domain, id)).map_or(&[], |name| name)
    }

    pub(crate) fn distinguisher(&self, domain: u32, vrf: u64) -> Option<[u8; 8]> {
        self.distinguishers.get(&(domain, vrf)).copied()
    }

    pub(crate) fn start_ms(&self, domain: u32) -> Option<u64> {
        self.starts.get(&(domain, 0)).copied()
    }
}
