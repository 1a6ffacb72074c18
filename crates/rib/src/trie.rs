//! Longest-prefix match: from an address to the number that its longest prefix was given.
//!
//! A trie is built once and then only read; who needs another one builds it and swaps. It is a *poptrie* (Asai and Ohara,
//! SIGCOMM 2015): the first 18 bits index a table; below it each node stands for six bits more, so for 64 slots. A node does
//! not hold 64 pointers but two sets of 64 bits: which slots lead to another node, and at which slots a run of leaves of one
//! value begins. Counting bits gives the place of the child or leaf in arrays that are shared by all nodes. Values are pushed
//! down to the leaves, so a look-up never goes back up.
//!
//! With 18 + 6 n bits the usual lengths /24, /48 and /30 end at a node's edge. 10^6 random /24 take 15 octets each, and a
//! look-up reads the table, one node or two, and a leaf.

use std::ops::{BitAnd, Not, Shl, Shr};

/// Bits that index the table.
const DIRECT: u32 = 18;
/// Bits of a node.
const STEP: u32 = 6;
/// In the table: the number of a node follows, not a value.
const NODE: u32 = 1 << 31;

/// No prefix covers the address. Values count from 1.
pub const NONE: u32 = 0;

/// The bits of an address.
pub trait Bits:
    Copy + Ord + Shl<u32, Output = Self> + Shr<u32, Output = Self> + BitAnd<Output = Self> + Not<Output = Self>
{
    /// How many there are.
    const WIDTH: u32;
    /// All ones.
    const ONES: Self;
    /// The lowest 32 bits.
    fn low(self) -> u32;
}

impl Bits for u32 {
    const WIDTH: u32 = 32;
    const ONES: Self = Self::MAX;
    fn low(self) -> u32 {
        self
    }
}

impl Bits for u128 {
    const WIDTH: u32 = 128;
    const ONES: Self = Self::MAX;
    fn low(self) -> u32 {
        self as u32
    }
}

/// The first `len` bits of an address, the others zero.
pub fn cut<K: Bits>(address: K, len: u8) -> K {
    let len = u32::from(len).min(K::WIDTH);
    if len == 0 { address & !K::ONES } else { address & (K::ONES << (K::WIDTH - len)) }
}

/// A prefix and its value, which is not [`NONE`] and below 2^31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<K> {
    /// The network's address; bits beyond its length are not looked at.
    pub network: K,
    /// Bits of the network.
    pub len: u8,
    /// What a look-up gives.
    pub value: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// Slots that lead to another node.
    nodes: u64,
    /// Slots at which a run of equal leaves begins; slots of nodes do not end a run.
    leaves: u64,
    first_node: u32,
    first_leaf: u32,
}

/// The trie.
#[derive(Clone, Debug)]
pub struct Trie<K> {
    /// Empty without any prefix.
    table: Vec<u32>,
    nodes: Vec<Node>,
    leaves: Vec<u32>,
    len: usize,
    key: std::marker::PhantomData<K>,
}

impl<K> Default for Trie<K> {
    fn default() -> Self {
        Self { table: Vec::new(), nodes: Vec::new(), leaves: Vec::new(), len: 0, key: std::marker::PhantomData }
    }
}

impl<K: Bits> Trie<K> {
    /// A trie of these prefixes; of equal ones the last counts. Entries without a value are left out.
    pub fn new(mut entries: Vec<Entry<K>>) -> Self {
        entries.retain(|entry| entry.value != NONE && entry.value < NODE && u32::from(entry.len) <= K::WIDTH);
        entries.iter_mut().for_each(|entry| entry.network = cut(entry.network, entry.len));
        // Stable, so that the last of equal ones is last here, too. A prefix comes before those that it contains.
        entries.sort_by_key(|entry| (entry.network, entry.len));
        entries.dedup_by(|later, kept| {
            let same = (later.network, later.len) == (kept.network, kept.len);
            if same {
                kept.value = later.value;
            }
            same
        });
        let mut trie = Self { len: entries.len(), ..Self::default() };
        if entries.is_empty() {
            return trie;
        }
        trie.table = vec![NONE; 1 << DIRECT];
        let mut rest = entries.as_slice();
        while let Some((entry, after)) = rest.split_first() {
            let slot = slot(entry.network, 0, DIRECT);
            if u32::from(entry.len) <= DIRECT {
                let end = slot + (1 << (DIRECT - u32::from(entry.len)));
                trie.table.get_mut(slot..end).unwrap_or_default().fill(entry.value);
                rest = after;
                continue;
            }
            let of_slot = rest.partition_point(|other| self::slot(other.network, 0, DIRECT) == slot);
            let (inside, outside) = rest.split_at(of_slot);
            let number = trie.nodes.len();
            trie.nodes.push(Node::default());
            let inherited = trie.table.get(slot).copied().unwrap_or(NONE);
            trie.build(number, inside, DIRECT, inherited);
            if let Some(place) = trie.table.get_mut(slot) {
                *place = NODE | number as u32;
            }
            rest = outside;
        }
        trie.nodes.shrink_to_fit();
        trie.leaves.shrink_to_fit();
        trie
    }

    /// Fills a node from the prefixes inside it, all longer than `offset` bits.
    fn build(&mut self, number: usize, entries: &[Entry<K>], offset: u32, inherited: u32) {
        const SLOTS: usize = 1 << STEP;
        let mut values = [inherited; SLOTS];
        let mut inside: [&[Entry<K>]; SLOTS] = [&[]; SLOTS];
        let mut rest = entries;
        while let Some((entry, after)) = rest.split_first() {
            let slot = slot(entry.network, offset, STEP);
            if u32::from(entry.len) <= offset + STEP {
                let end = slot + (1 << (offset + STEP - u32::from(entry.len)));
                values.get_mut(slot..end).unwrap_or_default().fill(entry.value);
                rest = after;
                continue;
            }
            // The shorter prefixes of a slot come before, so what is left of the slot is longer.
            let of_slot = rest.partition_point(|other| self::slot(other.network, offset, STEP) == slot);
            let (of_slot, outside) = rest.split_at(of_slot);
            if let Some(place) = inside.get_mut(slot) {
                *place = of_slot;
            }
            rest = outside;
        }
        let mut node =
            Node { first_node: self.nodes.len() as u32, first_leaf: self.leaves.len() as u32, ..Node::default() };
        let mut run = None;
        for (slot, (value, inside)) in values.iter().zip(&inside).enumerate() {
            if !inside.is_empty() {
                node.nodes |= 1 << slot;
            } else if run != Some(*value) {
                run = Some(*value);
                node.leaves |= 1 << slot;
                self.leaves.push(*value);
            }
        }
        let children = node.nodes.count_ones() as usize;
        self.nodes.resize(self.nodes.len() + children, Node::default());
        if let Some(place) = self.nodes.get_mut(number) {
            *place = node;
        }
        let deeper = values.iter().zip(&inside).filter(|(_, inside)| !inside.is_empty());
        for (child, (value, inside)) in deeper.enumerate() {
            self.build(node.first_node as usize + child, inside, offset + STEP, *value);
        }
    }

    /// The value of the longest prefix that covers the address, or [`NONE`].
    #[inline]
    pub fn lookup(&self, address: K) -> u32 {
        let mut place = self.table.get(slot(address, 0, DIRECT)).copied().unwrap_or(NONE);
        if place & NODE == 0 {
            return place;
        }
        place &= !NODE;
        let mut offset = DIRECT;
        while let Some(node) = self.nodes.get(place as usize) {
            let slot = slot(address, offset, STEP);
            // The slots up to this one.
            let below = u64::MAX >> (63 - slot);
            if node.nodes >> slot & 1 == 0 {
                let leaf = node.first_leaf + (node.leaves & below).count_ones();
                return self.leaves.get((leaf as usize).wrapping_sub(1)).copied().unwrap_or(NONE);
            }
            place = (node.first_node + (node.nodes & below).count_ones()).wrapping_sub(1);
            offset += STEP;
        }
        NONE
    }

    /// Prefixes in the trie.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without prefixes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Octets of memory.
    pub fn size(&self) -> usize {
        self.table.capacity() * 4 + self.nodes.capacity() * size_of::<Node>() + self.leaves.capacity() * 4
    }
}

/// `bits` bits of an address from `offset` on. Beyond its end bits are zero.
#[inline]
fn slot<K: Bits>(address: K, offset: u32, bits: u32) -> usize {
    ((address << offset) >> (K::WIDTH - bits)).low() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition.
    fn longest<K: Bits>(entries: &[Entry<K>], address: K) -> u32 {
        let covers = |entry: &&Entry<K>| cut(address, entry.len) == cut(entry.network, entry.len);
        entries.iter().filter(covers).max_by_key(|entry| entry.len).map_or(NONE, |entry| entry.value)
    }

    /// Few different bits, so that prefixes nest and meet.
    fn clustered() -> impl Strategy<Value = u128> {
        let octet = prop_oneof![Just(0u8), Just(10), Just(11), Just(128), Just(255), any::<u8>()];
        proptest::collection::vec(octet, 16)
            .prop_map(|octets| u128::from_be_bytes(octets.try_into().unwrap_or_default()))
    }

    fn check<K: Bits + std::fmt::Debug>(entries: Vec<Entry<K>>, asked: &[K]) -> Result<(), TestCaseError> {
        let trie = Trie::new(entries.clone());
        let networks = entries.iter().map(|entry| entry.network);
        for address in asked.iter().copied().chain(networks) {
            prop_assert_eq!(trie.lookup(address), longest(&entries, address), "{:?}", address);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn a_lookup_finds_what_trying_all_prefixes_does(
            prefixes in proptest::collection::vec((clustered(), 0u8..=128), 0..60),
            asked in proptest::collection::vec(clustered(), 40),
        ) {
            let v6 = prefixes.iter().zip(1..).map(|(&(network, len), value)| Entry { network, len, value });
            check(v6.collect(), &asked)?;
            let v4 = prefixes.iter().zip(1..).map(|(&(network, len), value)| {
                Entry { network: (network >> 96) as u32, len: len % 33, value }
            });
            let asked: Vec<u32> = asked.iter().map(|address| (address >> 96) as u32).collect();
            check(v4.collect(), &asked)?;
        }
    }

    #[test]
    fn of_equal_prefixes_the_last_counts() {
        let entry = |value| Entry { network: 0x0a00_0000u32, len: 8, value };
        let trie = Trie::new(vec![entry(1), entry(2)]);
        assert_eq!((trie.len(), trie.lookup(0x0a01_0203), trie.lookup(0x0b00_0000)), (1, 2, NONE));
    }

    #[test]
    fn a_default_route_covers_everything_and_no_prefix_nothing() {
        let trie = Trie::new(vec![Entry { network: 0u128, len: 0, value: 7 }]);
        assert_eq!([0, 1, u128::MAX].map(|address| trie.lookup(address)), [7; 3]);
        assert_eq!(Trie::<u32>::default().lookup(0), NONE);
    }

    #[test]
    fn a_million_prefixes_fit_into_the_bound() {
        // Spread evenly, which is the least favourable.
        let entries =
            (0..1_000_000u32).map(|n| Entry { network: n.wrapping_mul(0x9e37_79b1), len: 24, value: n + 1 });
        let trie = Trie::new(entries.collect());
        assert!(trie.size() / trie.len() <= 24, "{} octets for {} prefixes", trie.size(), trie.len());
    }
}
