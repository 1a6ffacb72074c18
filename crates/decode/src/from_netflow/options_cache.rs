//! What an exporter told about itself in options data.

use super::rates::Rates;
use foldhash::fast::RandomState;
use netflow::options::OptionsRecord;
use std::collections::HashMap;
use std::net::IpAddr;

/// Most facts of one kind that are inserted of one exporter.
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
    /// PresenceSet beyond the bound, which are not inserted.
    pub(crate) dropped: u64,
}

impl Learned {
    fn merge(self, other: Self) -> Self {
        let unusable_rate = self.unusable_rate || other.unusable_rate;
        Self { unusable_rate, dropped: self.dropped + other.dropped }
    }
}

/// What became of a fact.
pub(super) enum Inserted<T> {
    /// It was not known.
    New,
    /// It took the place of another one.
    Replaced(T),
    /// There is no room for it.
    Dropped,
}

impl<T> Inserted<T> {
    pub(super) fn is_dropped(&self) -> bool {
        matches!(self, Self::Dropped)
    }
}

/// Bytes that a map of facts takes, without what facts keep elsewhere.
pub(super) fn map_memory<T>(map: &Map<T>) -> usize {
    map.capacity() * (size_of::<((Domain, u64), T)>() + 1)
}

/// Octets of a name that are inserted; the widest columns that show names hold 255.
const MAX_NAME: usize = 255;
/// Bytes that the allocator adds to a name.
const ALLOCATION: usize = 16;

/// Memory of the names of all kinds.
#[derive(Debug, Default)]
struct Names {
    bytes: usize,
}

impl Names {
    /// Keeps a name, cut where nobody could have meant it. Returns how many there was no room for.
    fn insert(&mut self, map: &mut Map<Box<[u8]>>, domain: Domain, id: u64, name: &[u8]) -> u64 {
        let name = name.get(..MAX_NAME).unwrap_or(name);
        match insert(map, domain, id, name.into()) {
            Inserted::New => self.bytes += name.len() + ALLOCATION,
            Inserted::Replaced(old) => self.bytes = self.bytes - old.len() + name.len(),
            Inserted::Dropped => return 1,
        }
        0
    }
}

/// Keeps a fact; at the bound only known ids are renewed.
pub(super) fn insert<T>(map: &mut Map<T>, domain: Domain, id: u64, value: T) -> Inserted<T> {
    if map.len() >= MAX_ENTRIES && !map.contains_key(&(domain, id)) {
        return Inserted::Dropped;
    }
    map.insert((domain, id), value).map_or(Inserted::New, Inserted::Replaced)
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
    pub(crate) fn learn(&mut self, domain: u32, record: &OptionsRecord<'_>, ignore_scope: bool) -> Learned {
        let domain = record.scope.domain.unwrap_or(domain);
        let learned = match (ignore_scope, record.scope.is_whole_exporter()) {
            (true, _) => self.learn_for(None, record),
            (false, false) => self.learn_for(Some(domain), record),
            // Line cards may each speak of the system: what a domain says counts for itself first.
            (false, true) => self.learn_for(Some(domain), record).merge(self.learn_for(None, record)),
        };
        self.memory = self.names.bytes
            + map_memory(&self.interfaces)
            + map_memory(&self.applications)
            + map_memory(&self.vrfs)
            + map_memory(&self.distinguishers)
            + map_memory(&self.starts)
            + self.rates.memory();
        learned
    }

    fn learn_for(&mut self, domain: Domain, record: &OptionsRecord<'_>) -> Learned {
        let mut dropped = 0;
        let names = &mut self.names;
        if let (Some(id), Some(name)) = (record.interface, record.interface_label()) {
            dropped += names.insert(&mut self.interfaces, domain, id, name);
        }
        if let (Some(id), Some(name)) = (record.application, record.application_label()) {
            dropped += names.insert(&mut self.applications, domain, application_id(id), name);
        }
        if let Some(id) = record.vrf {
            if let Some(name) = record.vrf_name {
                dropped += names.insert(&mut self.vrfs, domain, id, name);
            }
            if let Some(distinguisher) = record.route_distinguisher {
                let inserted = insert(&mut self.distinguishers, domain, id, distinguisher);
                dropped += u64::from(inserted.is_dropped());
            }
        }
        if let Some(start) = record.system_init_ms {
            dropped += u64::from(insert(&mut self.starts, domain, 0, start).is_dropped());
        }
        if record.exporter.is_some() {
            self.address = record.exporter;
        }
        self.rates.learn(domain, record).merge(Learned { dropped, ..Learned::default() })
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
