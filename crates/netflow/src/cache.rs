//! The templates that one exporter has announced.

use crate::template::{Field, Kind, Template};
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};

/// What an announcement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The template was not known.
    New,
    /// It is known, and the same.
    Same,
    /// The same, announced for the first time since the last [`Cache::begin_round`].
    Again,
    /// It took the place of one of another shape.
    Changed,
}

/// What templates are compiled to.
pub trait Payload {
    /// Bytes that it keeps on the heap.
    fn memory(&self) -> usize;
}

impl Payload for () {
    fn memory(&self) -> usize {
        0
    }
}

/// The templates of one exporter, each with a payload `P` (what it was compiled to).
///
/// Bounded: there are two generations of at most `max` templates. Announcements go to the younger one; when that is
/// full, the older one is dropped and the younger one takes its place, so what is announced again and again
/// stays.
///
/// Each template costs its exporter one announcement, and is visited once when it is withdrawn or dropped: no datagram
/// does work for templates that it does not name, except for those of the domain that it withdraws; the first withdrawal of a domain
/// visits all templates, once.
#[derive(Debug)]
pub struct Cache<P> {
    young: Map<P>,
    old: Map<P>,
    /// Since the first withdrawal of all templates of a domain: most exporters send none.
    groups: Option<Box<Groups>>,
    /// Ids that were withdrawn and not announced since.
    withdrawn: HashSet<u64, RandomState>,
    /// The number of the round that [`Cache::begin_round`] began.
    round: u32,
    max: usize,
    /// What the younger generation weighs: a template of many fields weighs as several.
    weight: usize,
    evicted: u64,
    /// Bytes that templates and payloads keep on the heap.
    kept: usize,
}

/// Fields for which a template counts as one.
const FIELDS_PER_TEMPLATE: usize = 128;

// Exporters choose the keys: a seed that they do not know keeps them from choosing keys that collide.
type Map<P> = HashMap<u64, Entry<P>, RandomState>;

/// A template and what belongs to it.
#[derive(Debug)]
struct Entry<P> {
    template: Template,
    payload: P,
    /// In which it was announced.
    round: u32,
}

impl<P> Entry<P> {
    /// Notes an announcement of what is known.
    fn announced_in(&mut self, round: u32) -> Announced {
        let before = std::mem::replace(&mut self.round, round);
        if before == round { Announced::Same } else { Announced::Again }
    }
}

impl<P: Payload> Entry<P> {
    /// Bytes that it keeps on the heap.
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

/// The templates that one withdrawal can name: those of IPFIX, of one domain, of data or of options.
#[derive(Debug, Default)]
struct Groups(HashMap<(u32, bool), Group, RandomState>);

type Group = HashSet<u16, RandomState>;

/// Ids for which a group may have room without having them.
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

    /// Takes a template of the same domain and id for another.
    fn replace(&mut self, old: &Template, new: &Template) {
        if Self::of(old) != Self::of(new) {
            self.remove(old);
            self.add(new);
        }
    }

    /// Bytes taken, when there are so many ids in all.
    fn memory(&self, ids: usize) -> usize {
        self.0.capacity() * (size_of::<((u32, bool), Group)>() + 1) + (self.0.len() * SPARE_IDS + ids * 8) * 4
    }
}

impl<P: Payload> Cache<P> {
    /// A cache whose generations hold `max` templates each.
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
            kept: 0,
        }
    }

    /// Takes an announcement in; `compile` is called only for a template that is new or has changed.
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
            self.kept -= entry.memory();
            if let Some(groups) = &mut self.groups {
                groups.replace(&entry.template, &template);
            }
            *entry = Entry { template, payload, round };
            self.kept += entry.memory();
            return Announced::Changed;
        }
        // Long templates fill a generation as many short ones do.
        let cost = template.fields.len().div_ceil(FIELDS_PER_TEMPLATE).max(1);
        self.weight += cost;
        if self.weight > self.max {
            self.weight = cost;
            self.turn();
        }
        let known = if self.old.is_empty() { None } else { self.old.remove(&key) };
        let (announced, entry) = match known {
            Some(mut entry) if entry.template == template => (entry.announced_in(round), entry),
            known => {
                let payload = compile(&template);
                let announced = match known {
                    Some(known) => {
                        self.kept -= known.memory();
                        if let Some(groups) = &mut self.groups {
                            groups.replace(&known.template, &template);
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
                self.kept += entry.memory();
                (announced, entry)
            }
        };
        self.young.insert(key, entry);
        announced
    }

    /// Takes in a template that was known before, and that nobody has announced yet.
    pub fn restore(&mut self, template: Template, compile: impl FnOnce(&Template) -> P) {
        self.announce(template, compile);
        self.begin_round();
    }

    /// From now on the next announcement of each template is its first one.
    pub fn begin_round(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// Drops the older generation; the younger one takes its place.
    fn turn(&mut self) {
        let dropped = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        self.evicted += dropped.len() as u64;
        for entry in dropped.values() {
            if let Some(groups) = &mut self.groups {
                groups.remove(&entry.template);
            }
            self.kept -= entry.memory();
        }
    }

    /// The template of that id, and its payload.
    pub fn find(&self, ipfix: bool, domain: u32, id: u16) -> Option<(&Template, &P)> {
        let key = key(ipfix, domain, id);
        let entry = self.young.get(&key).or_else(|| self.old.get(&key))?;
        Some((&entry.template, &entry.payload))
    }

    /// Reads or changes the payload of a template, with its template.
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
        self.kept = self.kept - before + entry.payload.memory();
        Some(result)
    }

    /// Forgets a template of IPFIX (v9 withdraws none); true when it was known.
    pub fn withdraw(&mut self, domain: u32, id: u16) -> bool {
        let key = key(true, domain, id);
        let Some(entry) = self.young.remove(&key).or_else(|| self.old.remove(&key)) else {
            return false;
        };
        if let Some(groups) = &mut self.groups {
            groups.remove(&entry.template);
        }
        self.kept -= entry.memory();
        if self.withdrawn.len() < self.max {
            self.withdrawn.insert(key);
        }
        true
    }

    /// True for a template that was withdrawn: data that come for it now are meant for nobody.
    pub fn is_withdrawn(&self, ipfix: bool, domain: u32, id: u16) -> bool {
        self.withdrawn.contains(&key(ipfix, domain, id))
    }

    /// Forgets all templates of a domain, of options or of data; returns how many.
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

    /// Compiles all templates again, after what they are compiled for has changed.
    pub fn recompile(&mut self, mut compile: impl FnMut(&Template) -> P) {
        for entry in self.old.values_mut().chain(self.young.values_mut()) {
            self.kept -= entry.payload.memory();
            entry.payload = compile(&entry.template);
            self.kept += entry.payload.memory();
        }
    }

    /// Bytes that it keeps on the heap, roughly.
    pub fn memory(&self) -> usize {
        let places = self.young.capacity() + self.old.capacity();
        self.kept
            + places * (size_of::<(u64, Entry<P>)>() + 1)
            + self.withdrawn.capacity() * (size_of::<u64>() + 1)
            + self.groups.as_ref().map_or(0, |groups| size_of::<Groups>() + groups.memory(self.len()))
    }

    /// Number of templates.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// True without templates.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Templates dropped at the bound so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// All templates.
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
    fn the_cache_is_bounded_and_keeps_what_is_announced_again() {
        let template = |id| template(1, id, Kind::Data, 1);
        let mut cache = Cache::new(10);
        assert_eq!(cache.announce(template(256), |_| ()), Announced::New);
        for id in 257..400 {
            cache.announce(template(id), |_| ());
            assert_eq!(cache.announce(template(256), |_| ()), Announced::Same);
            assert!(cache.len() <= 20);
        }
        assert!(cache.evicted() > 100);
        assert!(cache.find(false, 1, 256).is_none(), "v9 numbers its templates apart");
        assert!(cache.withdraw(1, 256) && cache.find(true, 1, 256).is_none() && cache.is_withdrawn(true, 1, 256));
        cache.announce(template(256), |_| ());
        assert!(!cache.is_withdrawn(true, 1, 256));
        assert!(cache.withdraw_all(1, true) == 0 && cache.withdraw_all(1, false) > 0 && cache.is_empty());
        assert!(cache.groups.is_some_and(|groups| groups.0.is_empty()));
    }

    #[test]
    fn the_first_announcement_of_a_round_is_another_than_those_that_follow() {
        let template = |id| template(1, id, Kind::Data, 1);
        let mut cache = Cache::new(3);
        cache.restore(template(256), |_| ());
        cache.announce(template(257), |_| ());
        let announced = [256, 256, 257].map(|id| cache.announce(template(id), |_| ()));
        assert_eq!(announced, [Announced::Again, Announced::Same, Announced::Same]);
        cache.begin_round();
        assert_eq!([257, 257].map(|id| cache.announce(template(id), |_| ())), [Announced::Again, Announced::Same]);
        // A template keeps its round when the generations turn.
        assert_eq!([258, 259, 257].map(|id| cache.announce(template(id), |_| ()))[2], Announced::Same);
    }

    /// Exporters choose ids: who knew the hash could choose ids that collide.
    #[test]
    fn two_caches_hash_differently() {
        use std::hash::BuildHasher;
        let hash =
            |cache: &Cache<()>| [&cache.young, &cache.old].map(|map| map.hasher().hash_one(key(true, 1, 256)));
        assert_ne!(hash(&Cache::new(1)), hash(&Cache::new(1)));
    }

    #[test]
    fn domains_of_many_ids_of_which_few_are_left_keep_little() {
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
        /// Withdrawing all of a group forgets what a walk over all templates finds, and nothing else.
        #[test]
        fn groups_hold_what_the_generations_hold(
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
                        let known = cache.find(true, domain, id).is_some();
                        prop_assert_eq!(cache.withdraw(domain, id), known);
                    }
                    _ => {
                        cache.announce(template(domain, id, kind, element), |_| ());
                    }
                }
                if let Some(groups) = &cache.groups {
                    prop_assert_eq!(groups.0.values().map(HashSet::len).sum::<usize>(), cache.len());
                }
                let kept: usize = cache.iter().map(|template| memory_of(template, &())).sum();
                prop_assert_eq!(cache.kept, kept);
            }
        }
    }
}
