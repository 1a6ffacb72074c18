//! Prefixes in the order in which a trie is built from them.

use super::address::Address;

/// A prefix and the number that is found by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<A> {
    bits: A,
    value: u32,
    len: u8,
}

impl<A: Address> Entry<A> {
    /// The first `len` bits of `address`; its other bits do not matter. A length beyond the family's width is that width.
    pub fn new(address: A, len: u8, value: u32) -> Self {
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

    /// The number that is found by it.
    pub fn value(&self) -> u32 {
        self.value
    }

    /// True when the address lies in the prefix.
    pub fn covers(&self, address: A) -> bool {
        address.cut(self.len) == self.bits
    }
}

/// Prefixes by address, and at the same address the short before the long, each once: so a prefix comes before all that
/// lie in it, and those follow one another.
#[derive(Clone, Debug, Default)]
pub struct Sorted<A> {
    entries: Vec<Entry<A>>,
    repeated: usize,
}

impl<A: Address> Sorted<A> {
    /// Sorts. Of equal prefixes the first is kept.
    pub fn new(mut entries: Vec<Entry<A>>) -> Self {
        entries.sort_by_key(|entry| (entry.bits, entry.len));
        let given = entries.len();
        entries.dedup_by_key(|entry| (entry.bits, entry.len));
        Self { repeated: given - entries.len(), entries }
    }

    /// The prefixes.
    pub fn entries(&self) -> &[Entry<A>] {
        &self.entries
    }

    /// How many were left out because they were there before.
    pub fn repeated(&self) -> usize {
        self.repeated
    }
}
