//! A bounded least-recently-used (LRU) map.
//!
//! State that peers create in a collector (exporters, agents, sequence numbers) is kept in such maps: at the bound, the
//! least recently used entry is evicted. Every operation takes constant time.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash};

/// The end of a list.
const NONE: u32 = u32::MAX;

/// Neighbours of an entry in the order of use. Links are stored apart from the entries, so that reordering stays in the
/// CPU cache.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// The entry used before it; in a free slot, the next free slot.
    older: u32,
    /// The entry used after it.
    newer: u32,
}

/// A map of at most `max` entries that tracks the order of their use.
#[derive(Clone, Debug)]
pub struct Map<K, V> {
    index: HashTable<u32>,
    /// Removed entries leave free slots.
    entries: Vec<Option<(K, V)>>,
    links: Vec<Link>,
    free: u32,
    oldest: u32,
    newest: u32,
    max: usize,
    // Peers choose the keys. A random seed keeps them from choosing keys that collide.
    hash: RandomState,
}

impl<K: Hash + Eq, V> Map<K, V> {
    /// Creates an empty map of at most `max` entries, and at least one.
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

    /// Returns the value of a key, which becomes the most recently used one.
    #[inline]
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        // The most recently used key is found without the index.
        if !matches!(self.entries.get(self.newest as usize), Some(Some((newest, _))) if newest == key) {
            let slot = self.find(key)?;
            self.unlink(slot);
            self.link(slot);
        }
        self.value_mut(self.newest)
    }

    /// Returns the value of a key, and does not count as use.
    pub fn peek(&self, key: &K) -> Option<&V> {
        let entry = self.entries.get(self.find(key)? as usize)?;
        entry.as_ref().map(|(_, value)| value)
    }

    /// Inserts a key that is not in the map, as the most recently used one. Returns the entry that was evicted for it.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        debug_assert!(self.find(&key).is_none(), "the key is in the map");
        let evicted = if self.len() >= self.max { self.pop_oldest() } else { None };
        let hash = self.hash.hash_one(&key);
        let slot = self.free;
        let slot = match self.links.get(slot as usize) {
            Some(link) => {
                self.free = link.older;
                slot
            }
            None => {
                self.links.push(Link { older: NONE, newer: NONE });
                self.entries.push(None);
                // There are at most `max` slots, so this fits.
                (self.entries.len() - 1) as u32
            }
        };
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            *entry = Some((key, value));
        }
        let (entries, state) = (&self.entries, &self.hash);
        self.index.insert_unique(hash, slot, |slot| hash_of(state, entries, *slot));
        self.link(slot);
        evicted
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let slot = self.find(key)?;
        self.take(slot).map(|(_, value)| value)
    }

    /// Removes the least recently used entry.
    pub fn pop_oldest(&mut self) -> Option<(K, V)> {
        self.take(self.oldest)
    }

    /// Returns the least recently used key.
    pub fn oldest(&self) -> Option<&K> {
        self.entries.get(self.oldest as usize)?.as_ref().map(|(key, _)| key)
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Returns true if there are no entries.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Iterates over all values, in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().flatten().map(|(_, value)| value)
    }

    /// Iterates over all values, and does not count as use.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().flatten().map(|(_, value)| value)
    }

    /// Returns the values in up to `count` slots from `first` on, and the slot to continue from: for work that is done in
    /// chunks.
    pub fn chunk_mut(&mut self, first: usize, count: usize) -> (impl Iterator<Item = &mut V>, usize) {
        let first = if first < self.entries.len() { first } else { 0 };
        let next = first.saturating_add(count);
        let chunk = self.entries.iter_mut().skip(first).take(count).flatten().map(|(_, value)| value);
        (chunk, next)
    }

    /// Memory of the map in bytes, without the heap memory of its values.
    pub fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Option<(K, V)>>()
            + self.links.capacity() * size_of::<Link>()
            + self.index.capacity() * (size_of::<u32>() + 1)
    }

    #[inline]
    fn find(&self, key: &K) -> Option<u32> {
        let entries = &self.entries;
        let is_key = |slot: &u32| {
            entries.get(*slot as usize).and_then(Option::as_ref).is_some_and(|(other, _)| other == key)
        };
        self.index.find(self.hash.hash_one(key), is_key).copied()
    }

    fn value_mut(&mut self, slot: u32) -> Option<&mut V> {
        self.entries.get_mut(slot as usize)?.as_mut().map(|(_, value)| value)
    }

    fn take(&mut self, slot: u32) -> Option<(K, V)> {
        let entry = self.entries.get_mut(slot as usize)?.take()?;
        let hash = self.hash.hash_one(&entry.0);
        if let Ok(found) = self.index.find_entry(hash, |other| *other == slot) {
            found.remove();
        }
        self.unlink(slot);
        if let Some(link) = self.links.get_mut(slot as usize) {
            link.older = self.free;
            self.free = slot;
        }
        Some(entry)
    }

    fn unlink(&mut self, slot: u32) {
        let Some(Link { older, newer }) = self.links.get(slot as usize).copied() else { return };
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
    }

    fn link(&mut self, slot: u32) {
        let older = self.newest;
        if let Some(link) = self.links.get_mut(slot as usize) {
            *link = Link { older, newer: NONE };
        }
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
    }
}

fn hash_of<K: Hash, V>(state: &RandomState, entries: &[Option<(K, V)>], slot: u32) -> u64 {
    entries.get(slot as usize).and_then(Option::as_ref).map_or(0, |(key, _)| state.hash_one(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_least_recently_used_entry_is_evicted() {
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
    fn chunks_visit_every_value_once_per_round() {
        let mut map = Map::new(100);
        (0..10).for_each(|key| _ = map.insert(key, 0));
        map.remove(&4);
        let mut next = 0;
        for _ in 0..4 {
            let (chunk, then) = map.chunk_mut(next, 3);
            chunk.for_each(|visits| *visits += 1);
            next = then;
        }
        assert!(map.values().all(|visits| *visits == 1));
        assert_eq!(map.chunk_mut(next, 3).0.count(), 3);
    }

    proptest! {
        /// Behaves like a plain list with the oldest entry first.
        #[test]
        fn it_behaves_like_a_list(steps in prop::collection::vec((0..20_u8, 0..6_u8), 1..400), max in 1..12_usize) {
            let mut map = Map::new(max);
            let mut list: Vec<(u8, usize)> = Vec::new();
            for (number, (key, step)) in steps.into_iter().enumerate() {
                let at = list.iter().position(|(other, _)| *other == key);
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
