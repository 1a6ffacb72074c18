//! Options data of an exporter.

use super::rates::Rates;
use foldhash::fast::RandomState;
use netflow::options::OptionsRecord;
use std::collections::HashMap;
use std::net::IpAddr;

/// Maximum number of entries of each kind for one exporter.
pub(super) const MAX_ENTRIES: usize = 16_384;

/// A source id or observation domain. `None` is the whole exporter.
pub(super) type Domain = Option<u32>;

pub(super) type Map<T> = HashMap<(Domain, u64), T, RandomState>;

/// The options data of one exporter, by domain and id.
#[derive(Debug, Default)]
pub(crate) struct OptionsCache {
    rates: Rates,
    interfaces: Map<Box<[u8]>>,
    applications: Map<Box<[u8]>>,
    vrfs: Map<Box<[u8]>>,
    distinguishers: Map<[u8; 8]>,
    /// Start time of the exporter by domain, milliseconds since 1970.
    starts: Map<u64>,
    /// The exporter's own address.
    pub(crate) address: Option<IpAddr>,
    /// Heap memory in bytes.
    memory: usize,
    names: Names,
}

/// Events of an options record for counters and log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learned {
    /// Its sampling rate is unusable, and the last one was not.
    pub(crate) unusable_rate: bool,
    /// Its sampling rate is new or has changed.
    pub(crate) changed_rate: bool,
    /// Entries dropped at the bound.
    pub(crate) dropped: u64,
}

impl Learned {
    fn merge(self, other: Self) -> Self {
        let unusable_rate = self.unusable_rate || other.unusable_rate;
        let changed_rate = self.changed_rate || other.changed_rate;
        Self { unusable_rate, changed_rate, dropped: self.dropped + other.dropped }
    }
}

/// The result of inserting an entry.
pub(super) enum Inserted<T> {
    /// The entry is new.
    New,
    /// It replaced this one.
    Replaced(T),
    /// It was dropped at the bound.
    Dropped,
}

impl<T> Inserted<T> {
    pub(super) fn is_dropped(&self) -> bool {
        matches!(self, Self::Dropped)
    }
}

/// Memory in bytes of a map, without the heap memory of its values.
pub(super) fn map_memory<T>(map: &Map<T>) -> usize {
    map.capacity() * (size_of::<((Domain, u64), T)>() + 1)
}

/// Maximum length of a name in bytes, which is that of the widest column for names.
const MAX_NAME: usize = 255;
/// Overhead of the allocator for a name, in bytes.
const ALLOCATION: usize = 16;

/// Memory of the names of all kinds.
#[derive(Debug, Default)]
struct Names {
    bytes: usize,
}

impl Names {
    /// Inserts a name, truncated to the maximum length. Returns the number of names dropped at the bound.
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

/// Inserts an entry. At the bound, only existing entries are replaced.
pub(super) fn insert<T>(map: &mut Map<T>, domain: Domain, id: u64, value: T) -> Inserted<T> {
    if map.len() >= MAX_ENTRIES && !map.contains_key(&(domain, id)) {
        return Inserted::Dropped;
    }
    map.insert((domain, id), value).map_or(Inserted::New, Inserted::Replaced)
}

/// Returns the entry of a domain, or else that of the whole exporter.
pub(super) fn find<T>(map: &Map<T>, domain: u32, id: u64) -> Option<&T> {
    map.get(&(Some(domain), id)).or_else(|| map.get(&(None, id)))
}

/// Converts an application id to a number. Eight octets suffice for the ids that exporters use.
pub(crate) fn application_id(octets: &[u8]) -> u64 {
    netflow::record::number(octets)
}

impl OptionsCache {
    /// Learns from an options record. With `ignore_scope`, it applies to the whole exporter regardless of its scope.
    pub(crate) fn learn(&mut self, domain: u32, record: &OptionsRecord<'_>, ignore_scope: bool) -> Learned {
        let domain = record.scope.domain.unwrap_or(domain);
        let learned = match (ignore_scope, record.scope.is_whole_exporter()) {
            (true, _) => self.learn_for(None, record),
            (false, false) => self.learn_for(Some(domain), record),
            // Several line cards may each send records with the scope System. Those of a flow's own domain take precedence.
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
        for id in record.vrfs.into_iter().flatten() {
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

    /// Learns only the sampling rate of an options record.
    pub(crate) fn learn_rate(&mut self, domain: u32, record: &OptionsRecord<'_>, ignore_scope: bool) {
        let domain = record.scope.domain.unwrap_or(domain);
        let before = self.rates.memory();
        if !ignore_scope {
            self.rates.learn(Some(domain), record);
        }
        if ignore_scope || record.scope.is_whole_exporter() {
            self.rates.learn(None, record);
        }
        self.memory = self.memory - before + self.rates.memory();
    }

    /// Heap memory in bytes, approximately.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// Returns the sampling rates.
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

    /// Exporters choose the ids. With a known hash function they could choose ids that collide.
    #[test]
    fn the_entries_of_two_exporters_hash_differently() {
        let hashes = |options: &OptionsCache| {
            [options.interfaces.hasher(), options.applications.hasher(), options.vrfs.hasher()]
                .map(|hasher| hasher.hash_one((Some(1_u32), 2_u64)))
        };
        assert_ne!(hashes(&OptionsCache::default()), hashes(&OptionsCache::default()));
    }
}
