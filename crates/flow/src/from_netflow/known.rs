//! What an exporter told about itself in options data.

use super::rates::Rates;
use foldhash::fast::RandomState;
use netflow::options::Facts;
use std::collections::HashMap;
use std::net::IpAddr;

/// Most facts of one kind that are kept of one exporter.
pub(super) const MAX_FACTS: usize = 16_384;

/// A source id or observation domain; `None` is the whole exporter.
pub(super) type Domain = Option<u32>;

pub(super) type Map<T> = HashMap<(Domain, u64), T, RandomState>;

/// The facts of one exporter, by domain and id.
#[derive(Debug, Default)]
pub(crate) struct Known {
    rates: Rates,
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

/// Keeps a fact, and returns the one that it replaces; at the bound only known ids are renewed.
pub(super) fn keep<T>(map: &mut Map<T>, domain: Domain, id: u64, fact: T) -> Option<T> {
    if map.len() < MAX_FACTS || map.contains_key(&(domain, id)) { map.insert((domain, id), fact) } else { None }
}

/// The fact of a domain; else that of the whole exporter.
pub(super) fn find<T>(map: &Map<T>, domain: u32, id: u64) -> Option<&T> {
    map.get(&(Some(domain), id)).or_else(|| map.get(&(None, id)))
}

/// Ids of applications are octets; eight of them tell apart what exporters use.
pub(crate) fn application_id(octets: &[u8]) -> u64 {
    netflow::record::number(octets)
}

impl Known {
    /// Takes in what an options record of that domain says. `ignore_scope`: it holds for the whole exporter, whatever
    /// its scope. True when its sampling rate cannot be used, which was not known before.
    pub(crate) fn learn(&mut self, domain: u32, facts: &Facts<'_>, ignore_scope: bool) -> bool {
        let domain = facts.scope.domain.unwrap_or(domain);
        match (ignore_scope, facts.scope.is_whole_exporter()) {
            (true, _) => self.learn_for(None, facts),
            (false, false) => self.learn_for(Some(domain), facts),
            // Line cards may each speak of the system: what a domain says counts for itself first.
            (false, true) => self.learn_for(Some(domain), facts) | self.learn_for(None, facts),
        }
    }

    fn learn_for(&mut self, domain: Domain, facts: &Facts<'_>) -> bool {
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
        self.rates.learn(domain, facts)
    }

    /// The sampling rates that it announces.
    pub(crate) fn rates(&self) -> &Rates {
        &self.rates
    }

    pub(crate) fn interface(&self, domain: u32, id: u64) -> &[u8] {
        find(&self.interfaces, domain, id).map_or(&[], |name| name)
    }

    pub(crate) fn application(&self, domain: u32, id: u64) -> &[u8] {
        find(&self.applications, domain, id).map_or(&[], |name| name)
    }

    pub(crate) fn vrf(&self, domain: u32, id: u64) -> &[u8] {
        find(&self.vrfs, domain, id).map_or(&[], |name| name)
    }

    pub(crate) fn distinguisher(&self, domain: u32, vrf: u64) -> Option<[u8; 8]> {
        find(&self.distinguishers, domain, vrf).copied()
    }

    pub(crate) fn start_ms(&self, domain: u32) -> Option<u64> {
        find(&self.starts, domain, 0).copied()
    }
}
