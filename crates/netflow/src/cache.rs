//! A bounded cache of the templates that one exporter announces.

use crate::template::{Field, Kind, Template};
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};

/// The effect of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The template is new.
    New,
    /// The template is unchanged.
    Same,
    /// The template is unchanged, and this is its first announcement since the last [`Cache::begin_round`].
    Refreshed,
    /// The template replaces one of another shape.
    Changed,
}

/// What a template is compiled to.
pub trait Payload {
    /// Heap memory in bytes.
    fn memory(&self) -> usize;
}

impl Payload for () {
    fn memory(&self) -> usize {
        0
    }
}

/// The templates of one exporter, each with a payload `P` (what it is compiled to).
///
/// Bounded: there are two generations of at most `max` templates. Announcements go to the younger one. When it is full,
/// the older generation is dropped and the younger one takes its place, so templates that are announced regularly stay.
///
/// Each template costs its exporter one announcement, and is visited once when it is withdrawn or dropped. A datagram
/// causes no work for templates that it does not name, unless it withdraws all templates of a domain. Only the first
/// such withdrawal visits every template.
#[derive(Debug)]
pub struct Cache<P> {
    young: Map<P>,
    old: Map<P>,
    /// Built by the first withdrawal of all templates of a domain. Most exporters never send one.
    groups: Option<Box<Groups>>,
    /// Templates that were withdrawn and not announced since.
    withdrawn: HashSet<u64, RandomState>,
    /// The number of the current round; see [`Cache::begin_round`].
    round: u32,
    max: usize,
    /// The weight of the younger generation: a template with many fields counts as several.
    weight: usize,
    evicted: u64,
    /// Heap memory of templates and payloads, in bytes.
    heap_bytes: usize,
}

/// Fields per unit of weight.
const FIELDS_PER_TEMPLATE: usize = 128;

// Exporters choose the keys. A random seed keeps them from choosing keys that collide.
type Map<P> = HashMap<u64, Entry<P>, RandomState>;

/// A template and its payload.
#[derive(Debug)]
struct Entry<P> {
    template: Template,
    payload: P,
    /// The round of its last announcement.
    round: u32,
}

impl<P> Entry<P> {
    /// Records an announcement of an unchanged template.
    fn announced_in(&mut self, round: u32) -> Announced {
        let before = std::mem::replace(&mut self.round, round);
        if before == round { Announced::Same } else { Announced::Refreshed }
    }
}

impl<P: Payload> Entry<P> {
    /// Heap memory in bytes.
    fn memory(&self) -> usize {
        memory_of(&self.template, &self.payload)
    }
}

fn key(ipfix: bool, domain: u32, id: u16) -> u64 {
    u64::from(ipfix) << 48 | u64::from(domain) << 16 | u64::from(id)
}

fn memory_of(template: &Template, payload: &impl Payload) -> usize {
    template.fields.len() * size_of::<Field>() + payload.memory()
}

/// IPFIX templates by what one withdrawal can name: all data or all options templates of a domain.
#[derive(Debug, Default)]
struct Groups(HashMap<(u32, bool), Group, RandomState>);

type Group = HashSet<u16, RandomState>;

/// Spare capacity, in ids, that a group may keep.
const SPARE_IDS: usize = 64;

impl Groups {
    fn of(template: &Template) -> Option<(u32, bool)> {
        template.ipfix.then_some((template.domain, template.kind != Kind::Data))
    }

    fn add(&mut self, template: &Template) {
        if let Some(group) = Self::of(template) {
            self.0.entry(group).or_default().insert(template.id);
        }
    }

    fn remove(&mut self, template: &Template) {
        if let Some(group) = Self::of(template)
            && let Some(ids) = self.0.get_mut(&group)
        {
            ids.remove(&template.id);
            if ids.is_empty() {
                self.0.remove(&group);
            } else if ids.capacity() > SPARE_IDS.max(8 * ids.len()) {
                ids.shrink_to(2 * ids.len());
            }
        }
    }

    /// Replaces a template by another one with the same domain and id.
    fn replace(&mut self, old: &Template, new: &Template) {
        if Self::of(old) != Self::of(new) {
            self.remove(old);
            self.add(new);
        }
    }

    /// Memory in bytes, for `ids` ids in all groups together.
    fn memory(&self, ids: usize) -> usize {
        self.0.capacity() * (size_of::<((u32, bool), Group)>() + 1) + (self.0.len() * SPARE_IDS + ids * 8) * 4
    }
}

impl<P: Payload> Cache<P> {
    /// Creates a cache whose generations hold `max` templates each.
    pub fn new(max: usize) -> Self {
        Self {
            young: Map::default(),
            old: Map::default(),
            groups: None,
            withdrawn: HashSet::default(),
            round: 0,
            max: max.max(1),
            weight: 0,
            evicted: 0,
            heap_bytes: 0,
        }
    }

    /// Processes an announcement. Calls `compile` only for a template that is new or has changed.
    pub fn announce(&mut self, template: Template, compile: impl FnOnce(&Template) -> P) -> Announced {
        let key = key(template.ipfix, template.domain, template.id);
        if !self.withdrawn.is_empty() {
            self.withdrawn.remove(&key);
        }
        let round = self.round;
        if let Some(entry) = self.young.get_mut(&key) {
            if entry.template == template {
                return entry.announced_in(round);
            }
            let payload = compile(&template);
            self.heap_bytes -= entry.memory();
            if let Some(groups) = &mut self.groups {
                groups.replace(&entry.template, &template);
            }
            *entry = Entry { template, payload, round };
            self.heap_bytes += entry.memory();
            return Announced::Changed;
        }
        // A long template fills a generation like several short ones.
        let cost = template.fields.len().div_ceil(FIELDS_PER_TEMPLATE).max(1);
        self.weight += cost;
        if self.weight > self.max {
            self.weight = cost;
            self.rotate();
        }
        let previous = if self.old.is_empty() { None } else { self.old.remove(&key) };
        let (announced, entry) = match previous {
            Some(mut entry) if entry.template == template => (entry.announced_in(round), entry),
            previous => {
                let payload = compile(&template);
                let announced = match previous {
                    Some(previous) => {
                        self.heap_bytes -= previous.memory();
                        if let Some(groups) = &mut self.groups {
                            groups.replace(&previous.template, &template);
                        }
                        Announced::Changed
                    }
                    None => {
                        if let Some(groups) = &mut self.groups {
                            groups.add(&template);
                        }
                        Announced::New
                    }
                };
                let entry = Entry { template, payload, round };
                self.heap_bytes += entry.memory();
                (announced, entry)
            }
        };
        self.young.insert(key, entry);
        announced
    }

    /// Adds a template from an earlier run, which has not been announced in this one.
    pub fn restore(&mut self, template: Template, compile: impl FnOnce(&Template) -> P) {
        self.announce(template, compile);
        self.begin_round();
    }

    /// Begins a round: the next announcement of each template counts as its first one.
    pub fn begin_round(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// Drops the older generation, and starts a new younger one.
    fn rotate(&mut self) {
        let dropped = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        self.evicted += dropped.len() as u64;
        for entry in dropped.values() {
            if let Some(groups) = &mut self.groups {
                groups.remove(&entry.template);
            }
            self.heap_bytes -= entry.memory();
        }
    }

    /// Returns a template and its payload.
    pub fn find(&self, ipfix: bool, domain: u32, id: u16) -> Option<(&Template, &P)> {
        let key = key(ipfix, domain, id);
        let entry = self.young.get(&key).or_else(|| self.old.get(&key))?;
        Some((&entry.template, &entry.payload))
    }

    /// Calls `change` with a template and its payload.
    pub fn with_payload<T>(
        &mut self,
        ipfix: bool,
        domain: u32,
        id: u16,
        change: impl FnOnce(&Template, &mut P) -> T,
    ) -> Option<T> {
        let key = key(ipfix, domain, id);
        let entry = match self.young.get_mut(&key) {
            Some(entry) => entry,
            None => self.old.get_mut(&key)?,
        };
        let before = entry.payload.memory();
        let result = change(&entry.template, &mut entry.payload);
        self.heap_bytes = self.heap_bytes - before + entry.payload.memory();
        Some(result)
    }

    /// Removes an IPFIX template (NetFlow v9 has no withdrawals). Returns false if there is none.
    pub fn withdraw(&mut self, domain: u32, id: u16) -> bool {
        let key = key(true, domain, id);
        let Some(entry) = self.young.remove(&key).or_else(|| self.old.remove(&key)) else {
            return false;
        };
        if let Some(groups) = &mut self.groups {
            groups.remove(&entry.template);
        }
        self.heap_bytes -= entry.memory();
        if self.withdrawn.len() < self.max {
            self.withdrawn.insert(key);
        }
        true
    }

    /// Returns true for a template that was withdrawn: its data cannot be decoded, and are not worth keeping.
    pub fn is_withdrawn(&self, ipfix: bool, domain: u32, id: u16) -> bool {
        self.withdrawn.contains(&key(ipfix, domain, id))
    }

    /// Removes all options or data templates of a domain, and returns their number.
    pub fn withdraw_all(&mut self, domain: u32, options: bool) -> usize {
        if self.is_empty() {
            return 0;
        }
        if self.groups.is_none() {
            let mut groups = Groups::default();
            self.iter().for_each(|template| groups.add(template));
            self.groups = Some(Box::new(groups));
        }
        let group = self.groups.as_mut().and_then(|groups| groups.0.get_mut(&(domain, options)));
        let ids = group.map(std::mem::take).unwrap_or_default();
        ids.into_iter().filter(|id| self.withdraw(domain, *id)).count()
    }

    /// Compiles all templates again.
    pub fn recompile(&mut self, mut compile: impl FnMut(&Template) -> P) {
        for entry in self.old.values_mut().chain(self.young.values_mut()) {
            self.heap_bytes -= entry.payload.memory();
            entry.payload = compile(&entry.template);
            self.heap_bytes += entry.payload.memory();
        }
    }

    /// Heap memory in bytes, approximately.
    pub fn memory(&self) -> usize {
        let slots = self.young.capacity() + self.old.capacity();
        self.heap_bytes
            + slots * (size_of::<(u64, Entry<P>)>() + 1)
            + self.withdrawn.capacity() * (size_of::<u64>() + 1)
            + self.groups.as_ref().map_or(0, |groups| size_of::<Groups>() + groups.memory(self.len()))
    }

    /// Returns the number of templates.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Returns true if there are no templates.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of templates dropped at the bound so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Iterates over all templates.
    pub fn iter(&self) -> impl Iterator<Item = &Template> {
        self.old.values().chain(self.young.values()).map(|entry| &entry.template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn template(domain: u32, id: u16, kind: Kind, element: u16) -> Template {
        Template::new(domain, id, kind, vec![Field { enterprise: 0, element, length: 4 }])
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_templates_that_are_announced_regularly() {
        let template = |id| template(1, id, Kind::Data, 1);
        let mut cache = Cache::new(10);
        assert_eq!(cache.announce(template(256), |_| ()), Announced::New);
        for id in 257..400 {
            cache.announce(template(id), |_| ());
            assert_eq!(cache.announce(template(256), |_| ()), Announced::Same);
            assert!(cache.len() <= 20);
        }
        assert!(cache.evicted() > 100);
        assert!(cache.find(false, 1, 256).is_none(), "v9 and IPFIX number their templates independently");
        assert!(cache.withdraw(1, 256) && cache.find(true, 1, 256).is_none() && cache.is_withdrawn(true, 1, 256));
        cache.announce(template(256), |_| ());
        assert!(!cache.is_withdrawn(true, 1, 256));
        assert!(cache.withdraw_all(1, true) == 0 && cache.withdraw_all(1, false) > 0 && cache.is_empty());
        assert!(cache.groups.is_some_and(|groups| groups.0.is_empty()));
    }

    #[test]
    fn only_the_first_announcement_of_a_round_is_a_refresh() {
        let template = |id| template(1, id, Kind::Data, 1);
        let mut cache = Cache::new(3);
        cache.restore(template(256), |_| ());
        cache.announce(template(257), |_| ());
        let announced = [256, 256, 257].map(|id| cache.announce(template(id), |_| ()));
        assert_eq!(announced, [Announced::Refreshed, Announced::Same, Announced::Same]);
        cache.begin_round();
        assert_eq!(
            [257, 257].map(|id| cache.announce(template(id), |_| ())),
            [Announced::Refreshed, Announced::Same]
        );
        // A template keeps its round when the generations rotate.
        assert_eq!([258, 259, 257].map(|id| cache.announce(template(id), |_| ()))[2], Announced::Same);
    }

    /// Exporters choose the ids. With a known hash function they could choose ids that collide.
    #[test]
    fn two_caches_hash_differently() {
        use std::hash::BuildHasher;
        let hash =
            |cache: &Cache<()>| [&cache.young, &cache.old].map(|map| map.hasher().hash_one(key(true, 1, 256)));
        assert_ne!(hash(&Cache::new(1)), hash(&Cache::new(1)));
    }

    #[test]
    fn groups_shrink_when_most_of_their_templates_are_withdrawn() {
        let mut cache = Cache::new(100_000);
        let ids = |cache: &Cache<()>| -> usize {
            cache.groups.iter().flat_map(|groups| groups.0.values()).map(HashSet::capacity).sum()
        };
        cache.announce(template(99, 256, Kind::Data, 1), |_| ());
        cache.withdraw_all(99, true);
        let mut full = 0;
        for domain in 0..20 {
            (256..4256).for_each(|id| _ = cache.announce(template(domain, id, Kind::Data, 1), |_| ()));
            full = full.max(ids(&cache));
            (257..4256).for_each(|id| assert!(cache.withdraw(domain, id)));
        }
        let spare = ids(&cache);
        assert!(spare <= 21 * SPARE_IDS && full >= 4000, "{spare} of {full}");
    }

    proptest! {
        /// Withdrawing a group removes the templates that a scan of the whole cache finds, and no others.
        #[test]
        fn groups_match_the_generations(
            steps in prop::collection::vec((0..6_u32, 256..270_u16, any::<bool>(), 1..3_u16, 0..12_u8), 1..300),
        ) {
            let mut cache = Cache::new(8);
            for (domain, id, options, element, step) in steps {
                let kind = if options { Kind::Options { scopes: 1 } } else { Kind::Data };
                let of_group = |t: &&Template| t.domain == domain && (t.kind != Kind::Data) == options;
                match step {
                    0 => {
                        let expected = cache.iter().filter(of_group).count();
                        let others = cache.len() - expected;
                        prop_assert_eq!(cache.withdraw_all(domain, options), expected);
                        prop_assert_eq!(cache.len(), others);
                    }
                    1 => {
                        let exists = cache.find(true, domain, id).is_some();
                        prop_assert_eq!(cache.withdraw(domain, id), exists);
                    }
                    _ => {
                        cache.announce(template(domain, id, kind, element), |_| ());
                    }
                }
                if let Some(groups) = &cache.groups {
                    prop_assert_eq!(groups.0.values().map(HashSet::len).sum::<usize>(), cache.len());
                }
                let heap_bytes: usize = cache.iter().map(|template| memory_of(template, &())).sum();
                prop_assert_eq!(cache.heap_bytes, heap_bytes);
            }
        }
    }
}
