//! Interned byte strings: names, label stacks, segment lists.
//!
//! A row or a key contains a 32-bit ID instead of the text, so that its size is fixed. IDs start at 0,
//! which is always the empty string.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// A set of byte strings, each with an ID.
#[derive(Clone)]
pub struct Strings {
    octets: Vec<u8>,
    /// End of each string in `octets`; it starts where the one before ends.
    ends: Vec<u64>,
    index: HashTable<u32>,
    state: RandomState,
}

impl std::fmt::Debug for Strings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Strings").field("count", &self.ends.len()).finish_non_exhaustive()
    }
}

impl Default for Strings {
    fn default() -> Self {
        Self { octets: Vec::new(), ends: vec![0], index: HashTable::new(), state: RandomState::default() }
    }
}

impl Strings {
    /// Returns the ID of `text`, adding it if necessary. If the set is full (4 billion strings), it is the empty string;
    /// owners avoid that by checking [`Self::size`].
    pub fn intern(&mut self, text: &[u8]) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let hash = self.state.hash_one(text);
        if let Some(id) = self.index.find(hash, |&id| slice(&self.octets, &self.ends, id) == text) {
            return *id;
        }
        let Ok(id) = u32::try_from(self.ends.len()) else {
            return 0;
        };
        self.octets.extend_from_slice(text);
        self.ends.push(self.octets.len() as u64);
        let (octets, ends, state) = (&self.octets, &self.ends, &self.state);
        self.index.insert_unique(hash, id, |&id| state.hash_one(slice(octets, ends, id)));
        id
    }

    /// Returns the ID of `text` if the set contains it.
    pub fn find(&self, text: &[u8]) -> Option<u32> {
        if text.is_empty() {
            return Some(0);
        }
        let hash = self.state.hash_one(text);
        self.index.find(hash, |&id| slice(&self.octets, &self.ends, id) == text).copied()
    }

    /// Returns the string with this ID; empty for an unknown ID.
    #[inline]
    pub fn get(&self, id: u32) -> &[u8] {
        slice(&self.octets, &self.ends, id)
    }

    /// Number of strings, including the empty one.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns true if there is only the empty string.
    pub fn is_empty(&self) -> bool {
        self.ends.len() == 1
    }

    /// Approximate memory in use, in bytes.
    pub fn size(&self) -> usize {
        self.octets.len() + self.ends.len() * size_of::<u64>() + self.index.allocation_size()
    }

    /// Removes all strings except the empty one, and frees their memory.
    pub fn clear(&mut self) {
        self.octets = Vec::new();
        self.ends = vec![0];
        self.index = HashTable::new();
    }
}

fn slice<'a>(octets: &'a [u8], ends: &[u64], id: u32) -> &'a [u8] {
    let id = id as usize;
    let (Some(&start), Some(&end)) = (ends.get(id.wrapping_sub(1)), ends.get(id)) else {
        return &[];
    };
    octets.get(start as usize..end as usize).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_keeps_its_id() {
        let mut strings = Strings::default();
        assert_eq!(strings.intern(b""), 0);
        let (a, b) = (strings.intern(b"ge-0/0/1"), strings.intern(b"ge-0/0/2"));
        assert_ne!(a, b);
        assert_eq!(strings.intern(b"ge-0/0/1"), a);
        assert_eq!(strings.get(b), b"ge-0/0/2");
        assert_eq!(strings.get(99), b"");
        assert_eq!(
            (strings.find(b"ge-0/0/2"), strings.find(b""), strings.find(b"ge-0/0/3")),
            (Some(b), Some(0), None)
        );
        assert_eq!(strings.len(), 3);
        strings.clear();
        assert_eq!(strings.get(a), b"");
        assert!(strings.is_empty());
    }

    #[test]
    fn all_memory_is_counted_and_freed() {
        let mut strings = Strings::default();
        let empty = strings.size();
        for n in 0..1000u32 {
            strings.intern(&[&n.to_be_bytes()[..], &[b'x'; 1000]].concat());
        }
        assert!(strings.size() > 1000 * (1004 + 8 + 4), "{}", strings.size());
        strings.clear();
        assert_eq!(strings.size(), empty);
    }
}
