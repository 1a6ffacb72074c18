//! A bounded cache of rendered attribute sets.

use crate::{Fragment, FragmentRef};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::hash::Hash;

/// Fragments by a key of the caller, such as the number of an interned attribute set.
///
/// Fragments lie one after the other in memory. When they exceed the bound, all are dropped and rendered again when needed: the routes of a
/// table repeat their sets, so that nearly all look-ups hit also then.
#[derive(Debug)]
pub struct Fragments<K> {
    places: HashMap<K, Place, RandomState>,
    bytes: Vec<u8>,
    max_bytes: usize,
    fragment: Fragment,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    split: u32,
    end: u32,
}

impl<K: Copy + Eq + Hash> Fragments<K> {
    /// Bytes of rendered sets that are enough for all sets of several full tables.
    pub const DEFAULT_BYTES: usize = 64 << 20;

    /// An empty cache for up to `max_bytes` of rendered sets, at most 2 GiB; their keys take as much again at most.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            places: HashMap::default(),
            bytes: Vec::new(),
            max_bytes: max_bytes.min(1 << 31),
            fragment: Fragment::default(),
        }
    }

    /// The fragment of a key, which `render` renders if it is not in the cache.
    pub fn get(&mut self, key: K, render: impl FnOnce(&mut Fragment)) -> FragmentRef<'_> {
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => self.insert(key, render),
        };
        let range = |from: u32, to: u32| self.bytes.get(from as usize..to as usize).unwrap_or_default();
        FragmentRef { first: range(place.start, place.split), second: range(place.split, place.end) }
    }

    #[inline(never)]
    fn insert(&mut self, key: K, render: impl FnOnce(&mut Fragment)) -> Place {
        self.fragment.clear();
        render(&mut self.fragment);
        let FragmentRef { first, second } = self.fragment.as_ref();
        // A set of no attributes counts too, so that the number of keys is bounded.
        let length = first.len() + second.len() + size_of::<(K, Place)>();
        if self.bytes.len() + self.places.len() * size_of::<(K, Place)>() + length > self.max_bytes {
            self.bytes.clear();
            self.places.clear();
        }
        let at = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let start = at(self.bytes.len());
        self.bytes.extend_from_slice(first);
        let split = at(self.bytes.len());
        self.bytes.extend_from_slice(second);
        let place = Place { start, split, end: at(self.bytes.len()) };
        self.places.insert(key, place);
        place
    }
}
