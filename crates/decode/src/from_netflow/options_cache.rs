//! What an exporter told about itself in options data.

use super::rates::Rates;
use foldhash::fast::RandomState;
use netflow::options::OptionsEntries;
use std::collections::HashMap;
use std::net::IpAddr;

/// Most facts of one kind that are kept of one exporter.
pub(super) const MAX_ENTRIES: usize = 16_384;

/// A source id or observation domain; `None` is the whole exporter.
pub(super) type Domain = Option<u32>;

pub(super) type Map<T> = HashMap<(Domain, u64), T, RandomState>;

/// The facts of one exporter, by domain and id.
#[derive(Debug, Default)]
pub(crate) struct OptionsCache {
    rates: Rates,
    interfaces: Map<Box<[u8]>>,
    applications: Map<Box<[u8]>>,
    vrfs: Map<Box<[u8]>>,
    distinguishers: Map<[u8; 8]>,
    /// When a domain's exporter started, milliseconds since 1970.
    starts: Map<u64>,
    /// The address that the exporter gives as its own.
    pub(crate) address: Option<IpAddr>,
    /// Bytes that all of them keep on the heap.
    memory: usize,
    names: Names,
}

/// What an options record brought that is worth a note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learned {
    /// Its sampling rate cannot be used, which was not known before.
    pub(crate) unusable_rate: bool,
    /// PresenceSet beyond the bound, which are not kept.
    pub(crate) dropped: u64,
}

impl Learned {
    fn and(self, other: Self) -> Self {
        let unusable_rate = self.unusable_rate || other.unusable_rate;
        Self { unusable_rate, dropped: self.dropped + other.dropped }
    }
}

/// What became of a fact.
pub(super) enum Kept<T> {
    /// It was not known.
    New,
    /// It took the place of another one.
    Instead(T),
    /// There is no room for it.
    Dropped,
}

impl<T> Kept<T> {
    pub(super) fn is_dropped(&self) -> bool {
        matches!(self, Self::Dropped)
    }
}

/// Bytes that a map of facts takes, without what facts keep elsewhere.
pub(super) fn places<T>(map: &Map<T>) -> usize {
    map.capacity() * (size_of::<((Domain, u64), T)>() + 1)
}

/// Octets of a name that are kept; the widest columns that show names hold 255.
const MAX_NAME: usize = 255;
/// Bytes that the allocator adds to a name.
const ALLOCATION: usize = 16;

/// Memory of the names of all kinds.
#[derive(Debug, Default)]
struct Names {
    octets: usize,
}

impl Names {
    /// Keeps a name, cut where nobody could have meant it. Returns how many there was no room for.
    fn keep(&mut self, map: &mut Map<Box<[u8]>>, domain: Domain, id: u64, name: &[u8]) -> u64 {
        let name = name.get(..MAX_NAME).unwrap_or(name);
        match keep(map, domain, id, name.into()) {
            Kept::New => self.octets += name.len() + ALLOCATION,
            Kept::Instead(old) => self.octets = self.octets - old.len() + name.len(),
            Kept::Dropped => return 1,
        }
        0
    }
}

/// Keeps a fact; at the bound only known ids are renewed.
pub(super) fn keep<T>(map: &mut Map<T>, domain: Domain, id: u64, fact: T) -> Kept<T> {
    if map.len() >= MAX_ENTRIES && !map.contains_key(&(domain, id)) {
        return Kept::Dropped;
    }
    map.insert((domain, id), fact).map_or(Kept::New, Kept::Instead)
}

/// The fact of a domain; else that of the whole exporter.
pub(super) fn find<T>(map: &Map<T>, domain: u32, id: u64) -> Option<&T> {
    map.get(&(Some(domain), id)).or_else(|| map.get(&(None, id)))
}

/// Ids of applications are octets; eight of them tell apart what exporters use.
pub(crate) fn application_id(octets: &[u8]) -> u64 {
    netflow::record::number(octets)
}

impl OptionsCache {
    /// Takes in what an options record of that domain says. `ignore_scope`: it holds for the whole exporter, whatever
    /// its scope.
    pub(crate) fn learn(&mut self, domain: u32, facts: &OptionsEntries<'_>, ignore_scope: bool) -> Learned {
        let domain = facts.scope.domain.unwrap_or(domain);
        let learned = match (ignore_scope, facts.scope.is_whole_exporter()) {
            (true, _) => self.learn_for(None, facts),
            (false, false) => self.learn_for(Some(domain), facts),
            // Line cards may each speak of the system: what a domain says counts for itself first.
            (false, true) => self.learn_for(Some(domain), facts).and(self.learn_for(None, facts)),
        };
        self.memory = self.names.octets
            + places(&self.interfaces)
            + places(&self.applications)
            + places(&self.vrfs)
            + places(&self.distinguishers)
            + places(&self.starts)
            + self.rates.memory();
        learned
    }

    fn learn_for(&mut self, domain: Domain, facts: &OptionsEntries<'_>) -> Learned {
        let mut dropped = 0;
        let names = &mut self.names;
        if let (Some(id), Some(name)) = (facts.interface, facts.interface_label()) {
            dropped += names.keep(&mut self.interfaces, domain, id, name);
        }
        if let (Some(id), Some(name)) = (facts.application, facts.application_label()) {
            dropped += names.keep(&mut self.applications, domain, application_id(id), name);
        }
        if let Some(id) = facts.vrf {
            if let Some(name) = facts.vrf_name {
                dropped += names.keep(&mut self.vrfs, domain, id, name);
            }
            if let Some(distinguisher) = facts.route_distinguisher {
                let kept = keep(&mut self.distinguishers, domain, id, distinguisher);
                dropped += u64::from(kept.is_dropped());
            }
        }
        if let Some(start) = facts.system_init_ms {
            dropped += u64::from(keep(&mut self.starts, domain, 0, start).is_dropped());
        }
        if facts.exporter.is_some() {
            self.address = facts.exporter;
        }
        self.rates.learn(domain, facts).and(Learned { dropped, ..Learned::default() })
    }

    /// Bytes that it keeps on the heap, roughly.
    pub(crate) fn memory(&self) -> usize {
        self.memory
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    /// Exporters choose ids: who knew the hash could choose ids that collide.
    #[test]
    fn facts_of_two_exporters_hash_differently() {
        let hashes = |options: &OptionsCache| {
            [options.interfaces.hasher(), options.applications.hasher(), options.vrfs.hasher()]
                .map(|hasher| hasher.hash_one((Some(1_u32), 2_u64)))
        };
        assert_ne!(hashes(&OptionsCache::default()), hashes(&OptionsCache::default()));
    }
}
