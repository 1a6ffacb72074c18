//! Prefixes in the order in which a trie is built from them.

use crate::address::Address;

/// A prefix and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<A, V> {
    bits: A,
    value: V,
    len: u8,
}

impl<A: Address, V> Entry<A, V> {
    /// The first `len` bits of `address`; its other bits do not matter. A length beyond the family's width is that width.
    pub fn new(address: A, len: u8, value: V) -> Self {
        let len = len.min(A::WIDTH);
        Self { bits: address.cut(len), value, len }
    }

    /// The first address of the prefix.
    pub fn bits(&self) -> A {
        self.bits
    }

    /// Bits of the prefix.
    pub fn len(&self) -> u8 {
        self.len
    }

    /// True for the prefix of all addresses.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value.
    pub fn value(&self) -> &V {
        &self.value
    }

    /// True when the address lies in the prefix.
    pub fn covers(&self, address: A) -> bool {
        address.cut(self.len) == self.bits
    }

    pub(crate) fn key(&self) -> (A, u8) {
        (self.bits, self.len)
    }
}

/// Prefixes by address, and at the same address the short before the long, each once: so a prefix comes before all that
/// lie in it, and those follow one another.
#[derive(Clone, Debug)]
pub struct Sorted<A, V> {
    entries: Vec<Entry<A, V>>,
    repeated: usize,
}

impl<A: Address, V> Sorted<A, V> {
    /// Sorts. Of equal prefixes the first is kept.
    pub fn new(mut entries: Vec<Entry<A, V>>) -> Self {
        entries.sort_by_key(Entry::key);
        let given = entries.len();
        entries.dedup_by_key(|entry| entry.key());
        Self { repeated: given - entries.len(), entries }
    }

    /// The prefixes.
    pub fn entries(&self) -> &[Entry<A, V>] {
        &self.entries
    }

    /// How many entries were dropped because an earlier one has the same prefix.
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    pub(crate) fn into_entries(self) -> Vec<Entry<A, V>> {
        self.entries
    }
}
