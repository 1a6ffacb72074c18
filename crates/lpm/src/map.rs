//! Maps prefixes to values, and finds all prefixes that cover an address.

use crate::{Address, Entry, LIMIT, NONE, Sorted, TooLarge, Trie};

/// Prefixes of one family, each mapped to a value.
///
/// Entries are numbered in the order of a [`Sorted`] list. Each knows the longest prefix that covers its own, so all prefixes
/// that cover an address are found by one lookup in the trie and a walk from there.
#[derive(Clone, Debug)]
pub struct PrefixMap<A, V> {
    /// Finds the index of an entry.
    trie: Trie<A>,
    entries: Box<[Entry<A, V>]>,
    /// By entry, the index of the longest other prefix that covers it, or [`NONE`].
    parents: Box<[u32]>,
    depth: usize,
}

impl<A: Address, V> PrefixMap<A, V> {
    /// Builds the map of these prefixes.
    ///
    /// # Errors
    /// If there are more prefixes than a trie can hold.
    pub fn new(prefixes: Sorted<A, V>) -> Result<Self, TooLarge> {
        let entries = prefixes.into_entries();
        if entries.len() >= LIMIT as usize {
            return Err(TooLarge);
        }
        let mut parents = Vec::with_capacity(entries.len());
        let mut numbered = Vec::with_capacity(entries.len());
        // The prefixes that cover the current entry, from the shortest to the longest.
        let mut open: Vec<(u32, &Entry<A, V>)> = Vec::new();
        let mut depth = 0;
        for (index, entry) in (0..).zip(&entries) {
            while open.pop_if(|(_, outer)| !outer.covers(entry.bits())).is_some() {}
            parents.push(open.last().map_or(NONE, |(index, _)| *index));
            open.push((index, entry));
            depth = depth.max(open.len());
            numbered.push(Entry::new(entry.bits(), entry.len(), index));
        }
        let trie = Trie::new(&Sorted::new(numbered))?;
        Ok(Self { trie, entries: entries.into_boxed_slice(), parents: parents.into_boxed_slice(), depth })
    }

    /// The longest prefix that covers the address.
    #[inline]
    pub fn longest(&self, address: A) -> Option<&Entry<A, V>> {
        self.entry(self.longest_index(address)?)
    }

    /// The index of the longest prefix that covers the address.
    #[inline]
    pub fn longest_index(&self, address: A) -> Option<u32> {
        self.trie.lookup(address)
    }

    /// The prefixes that cover an address, from the longest to the shortest.
    pub fn covering(&self, address: A) -> impl Iterator<Item = &Entry<A, V>> {
        let indexes = std::iter::successors(self.longest_index(address), |index| self.parent(*index));
        indexes.filter_map(|index| self.entry(index))
    }

    /// The index of exactly this prefix.
    pub fn index_of(&self, address: A, len: u8) -> Option<u32> {
        let wanted = Entry::new(address, len, ()).key();
        self.entries.binary_search_by_key(&wanted, Entry::key).ok().map(|index| index as u32)
    }

    /// The entry with that index.
    #[inline]
    pub fn entry(&self, index: u32) -> Option<&Entry<A, V>> {
        self.entries.get(index as usize)
    }

    /// The index of the longest other prefix that covers that of an entry.
    #[inline]
    pub fn parent(&self, index: u32) -> Option<u32> {
        self.parents.get(index as usize).copied().filter(|parent| *parent != NONE)
    }

    /// Maximum nesting depth of the prefixes.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there are no prefixes.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<A: Address, V> Default for PrefixMap<A, V> {
    /// A map without prefixes.
    fn default() -> Self {
        Self { trie: Trie::default(), entries: Box::default(), parents: Box::default(), depth: 0 }
    }
}
