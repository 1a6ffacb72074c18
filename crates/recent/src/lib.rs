//! A bounded map that knows which of its entries was used longest ago.
//!
//! What peers make a collector remember (exporters, agents, sequences of numbers) is kept in such maps: at the bound the entry that
//! was silent longest makes room. Every operation visits a fixed number of entries, however many there are.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash};

/// No entry: the end of a list.
const NONE: u32 = u32::MAX;

/// Neighbours of an entry in the order of use. Links lie apart from the entries, so that changing the order stays in the cache.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// Used before it; of a free place the next free one.
    older: u32,
    /// Used after it.
    newer: u32,
}

/// A map of at most `max` entries, in the order of their use.
#[derive(Clone, Debug)]
pub struct Map<K, V> {
    index: HashTable<u32>,
    /// Removed entries leave a free place.
    entries: Vec<Option<(K, V)>>,
    links: Vec<Link>,
    free: u32,
    oldest: u32,
    newest: u32,
    max: usize,
    // Peers choose the keys: a seed that they do not know keeps them from choosing keys that collide.
    hash: RandomState,
}

impl<K: Hash + Eq, V> Map<K, V> {
    /// An empty map of at most `max` entries, at least one.
    pub fn new(max: usize) -> Self {
        Self {
            index: HashTable::new(),
            entries: Vec::new(),
            links: Vec::new(),
            free: NONE,
            oldest: NONE,
            newest: NONE,
            max: max.clamp(1, NONE as usize),
            hash: RandomState::default(),
        }
    }

    /// The value of a key, which becomes the one used last.
    #[inline]
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        // Who comes again is found without the index.
        if !matches!(self.entries.get(self.newest as usize), Some(Some((newest, _))) if newest == key) {
            let place = self.find(key)?;
            self.unlink(place);
            self.link(place);
        }
        self.value_mut(self.newest)
    }

    /// The value of a key. The order stays.
    pub fn peek(&self, key: &K) -> Option<&V> {
        let entry = self.entries.get(self.find(key)? as usize)?;
        entry.as_ref().map(|(_, value)| value)
    }

    /// Puts in a key that is not in the map, as the one used last. Gives back the entry that made room.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        debug_assert!(self.find(&key).is_none(), "the key is in the map");
        let evicted = if self.len() >= self.max { self.pop_oldest() } else { None };
        let hash = self.hash.hash_one(&key);
        let place = self.free;
        let place = match self.links.get(place as usize) {
            Some(link) => {
                self.free = link.older;
                place
            }
            None => {
                self.links.push(Link { older: NONE, newer: NONE });
                self.entries.push(None);
                // At most `max` places, which fit.
                (self.entries.len() - 1) as u32
            }
        };
        if let Some(entry) = self.entries.get_mut(place as usize) {
            *entry = Some((key, value));
        }
        let (entries, state) = (&self.entries, &self.hash);
        self.index.insert_unique(hash, place, |place| hash_of(state, entries, *place));
        self.link(place);
        evicted
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.find(key)?;
        self.take(place).map(|(_, value)| value)
    }

    /// Removes the entry that was used longest ago.
    pub fn pop_oldest(&mut self) -> Option<(K, V)> {
        self.take(self.oldest)
    }

    /// The key that was used longest ago.
    pub fn oldest(&self) -> Option<&K> {
        self.entries.get(self.oldest as usize)?.as_ref().map(|(key, _)| key)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().flatten().map(|(_, value)| value)
    }

    /// All values, to be changed; the order of use stays.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().flatten().map(|(_, value)| value)
    }

    /// The values in up to `count` places from `first` on, for work that is done a part at a time. Gives the place to go on from, too.
    pub fn part_mut(&mut self, first: usize, count: usize) -> (impl Iterator<Item = &mut V>, usize) {
        let first = if first < self.entries.len() { first } else { 0 };
        let next = first.saturating_add(count);
        let part = self.entries.iter_mut().skip(first).take(count).flatten().map(|(_, value)| value);
        (part, next)
    }

    /// Bytes that the map takes, without what its values hold elsewhere.
    pub fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Option<(K, V)>>()
            + self.links.capacity() * size_of::<Link>()
            + self.index.capacity() * (size_of::<u32>() + 1)
    }

    #[inline]
    fn find(&self, key: &K) -> Option<u32> {
        let entries = &self.entries;
        let is_key = |place: &u32| {
            entries.get(*place as usize).and_then(Option::as_ref).is_some_and(|(known, _)| known == key)
        };
        self.index.find(self.hash.hash_one(key), is_key).copied()
    }

    fn value_mut(&mut self, place: u32) -> Option<&mut V> {
        self.entries.get_mut(place as usize)?.as_mut().map(|(_, value)| value)
    }

    fn take(&mut self, place: u32) -> Option<(K, V)> {
        let entry = self.entries.get_mut(place as usize)?.take()?;
        let hash = self.hash.hash_one(&entry.0);
        if let Ok(found) = self.index.find_entry(hash, |other| *other == place) {
            found.remove();
        }
        self.unlink(place);
        if let Some(link) = self.links.get_mut(place as usize) {
            link.older = self.free;
            self.free = place;
        }
        Some(entry)
    }

    fn unlink(&mut self, place: u32) {
        let Some(Link { older, newer }) = self.links.get(place as usize).copied() else { return };
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
    }

    fn link(&mut self, place: u32) {
        let older = self.newest;
        if let Some(link) = self.links.get_mut(place as usize) {
            *link = Link { older, newer: NONE };
        }
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }
}

fn hash_of<K: Hash, V>(state: &RandomState, entries: &[Option<(K, V)>], place: u32) -> u64 {
    entries.get(place as usize).and_then(Option::as_ref).map_or(0, |(key, _)| state.hash_one(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_entry_that_was_silent_longest_makes_room() {
        let mut map = Map::new(3);
        assert!((1..=3).all(|key| map.insert(key, key * 10).is_none()));
        assert_eq!((map.get_mut(&1).copied(), map.peek(&2)), (Some(10), Some(&20)));
        assert_eq!(map.insert(4, 40), Some((2, 20)));
        assert_eq!((map.remove(&1), map.remove(&1), map.len()), (Some(10), None, 2));
        assert_eq!((map.pop_oldest(), map.pop_oldest(), map.pop_oldest()), (Some((3, 30)), Some((4, 40)), None));
        assert!(map.is_empty() && map.insert(5, 50).is_none() && map.oldest() == Some(&5));
    }

    #[test]
    fn two_maps_hash_differently() {
        let hashes = |map: &Map<u64, ()>| (0..4_u64).map(|key| map.hash.hash_one(key)).collect::<Vec<_>>();
        assert_ne!(hashes(&Map::new(1)), hashes(&Map::new(1)));
    }

    #[test]
    fn parts_visit_every_value_once_in_a_round() {
        let mut map = Map::new(100);
        (0..10).for_each(|key| _ = map.insert(key, 0));
        map.remove(&4);
        let mut next = 0;
        for _ in 0..4 {
            let (part, then) = map.part_mut(next, 3);
            part.for_each(|visits| *visits += 1);
            next = then;
        }
        assert!(map.values().all(|visits| *visits == 1));
        assert_eq!(map.part_mut(next, 3).0.count(), 3);
    }

    proptest! {
        /// A plain list, oldest first, says what is in the map and what goes.
        #[test]
        fn it_does_what_a_list_does(steps in prop::collection::vec((0..20_u8, 0..6_u8), 1..400), max in 1..12_usize) {
            let mut map = Map::new(max);
            let mut list: Vec<(u8, usize)> = Vec::new();
            for (number, (key, step)) in steps.into_iter().enumerate() {
                let at = list.iter().position(|(known, _)| *known == key);
                match step {
                    0 => {
                        prop_assert_eq!(map.remove(&key), at.map(|at| list.remove(at).1));
                    }
                    1 => {
                        let oldest = (!list.is_empty()).then(|| list.remove(0));
                        prop_assert_eq!(map.pop_oldest(), oldest);
                    }
                    2 => prop_assert_eq!(map.peek(&key).copied(), at.map(|at| list[at].1)),
                    _ => {
                        let known = map.get_mut(&key).copied();
                        prop_assert_eq!(known, at.map(|at| list[at].1));
                        match at {
                            Some(at) => {
                                let entry = list.remove(at);
                                list.push(entry);
                            }
                            None => {
                                let evicted = (list.len() == max).then(|| list.remove(0));
                                list.push((key, number));
                                prop_assert_eq!(map.insert(key, number), evicted);
                            }
                        }
                    }
                }
                prop_assert_eq!(map.len(), list.len());
                prop_assert_eq!(map.oldest(), list.first().map(|(key, _)| key));
                prop_assert!(map.entries.len() <= max);
                let mut values: Vec<_> = map.values().copied().collect();
                let mut expected: Vec<_> = list.iter().map(|(_, value)| *value).collect();
                values.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(values, expected);
            }
        }
    }
}
