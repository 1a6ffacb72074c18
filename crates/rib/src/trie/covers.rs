//! All prefixes that cover an address.

use super::{Address, Entry, LIMIT, NONE, Sorted, TooLarge, Trie};

/// Prefixes of one family that know which of the others they lie in.
#[derive(Clone, Debug)]
pub struct Covers<A> {
    /// Finds the place of an entry.
    trie: Trie<A>,
    entries: Box<[Entry<A>]>,
    /// For each entry the place of the longest one around it, or [`NONE`].
    around: Box<[u32]>,
}

impl<A: Address> Covers<A> {
    /// From prefixes; their values may be any numbers.
    ///
    /// # Errors
    /// When there are more than a trie can hold.
    pub fn new(prefixes: &Sorted<A>) -> Result<Self, TooLarge> {
        let entries = prefixes.entries();
        if entries.len() >= LIMIT as usize {
            return Err(TooLarge);
        }
        let mut around = Vec::with_capacity(entries.len());
        let mut places = Vec::with_capacity(entries.len());
        // The prefixes around the one that is looked at.
        let mut open: Vec<(u32, &Entry<A>)> = Vec::new();
        for (place, entry) in (0..).zip(entries) {
            while open.pop_if(|(_, outer)| !outer.covers(entry.bits())).is_some() {}
            around.push(open.last().map_or(NONE, |(place, _)| *place));
            open.push((place, entry));
            places.push(Entry::new(entry.bits(), entry.len(), place));
        }
        let trie = Trie::new(&Sorted::new(places))?;
        Ok(Self { trie, entries: entries.into(), around: around.into_boxed_slice() })
    }

    /// The prefixes that cover an address, from the longest to the shortest.
    pub fn of(&self, address: A) -> impl Iterator<Item = &Entry<A>> {
        let mut next = self.trie.lookup(address).unwrap_or(NONE);
        std::iter::from_fn(move || {
            let entry = self.entries.get(next as usize)?;
            next = self.around.get(next as usize).copied().unwrap_or(NONE);
            Some(entry)
        })
    }
}
