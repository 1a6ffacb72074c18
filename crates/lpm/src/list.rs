//! Prefixes in the order from which a trie is built.

use crate::address::Address;

/// A prefix and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<A, V> {
    bits: A,
    value: V,
    len: u8,
}

impl<A: Address, V> Entry<A, V> {
    /// The first `len` bits of `address`; its other bits are ignored. The length is limited to the family's width.
    pub fn new(address: A, len: u8, value: V) -> Self {
        let len = len.min(A::WIDTH);
        Self { bits: address.truncated(len), value, len }
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

    /// True if the prefix covers the address.
    pub fn covers(&self, address: A) -> bool {
        address.truncated(self.len) == self.bits
    }

    pub(crate) fn key(&self) -> (A, u8) {
        (self.bits, self.len)
    }
}

/// Prefixes ordered by address, then by length, each once: so a prefix precedes all prefixes
/// that it covers, and these are consecutive.
#[derive(Clone, Debug)]
pub struct Sorted<A, V> {
    entries: Vec<Entry<A, V>>,
    repeated: usize,
}

impl<A: Address, V> Sorted<A, V> {
    /// Sorts the prefixes. Of equal prefixes, the first is kept.
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

    /// Number of entries that were dropped because an earlier one has the same prefix.
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    pub(crate) fn into_entries(self) -> Vec<Entry<A, V>> {
        self.entries
    }
}
