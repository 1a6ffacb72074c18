//! The index: from the octets of a row to candidate rules.

use super::prefilter::{BloomFilter, KeyMask};
use crate::prefix::{NONE, Tree};
use std::ops::Range;

/// Groups, tuples and the one hash table of a matcher.
#[derive(Clone, Debug)]
pub(super) struct Index {
    /// One group for each prefix of the exporters' tree, by node; the last is for rules without a prefix.
    pub(super) groups: Vec<Group>,
    pub(super) tuples: Vec<Tuple>,
    /// The key masks of tuples, each list of parts once.
    pub(super) key_masks: Vec<KeyMask>,
    /// May contain the base hashes of the keys of all tuples.
    pub(super) prefilter: BloomFilter,
    pub(super) table: Table,
    pub(super) src: Tree,
    pub(super) dst: Tree,
}

impl Index {
    /// The group of rules without a prefix.
    pub(super) fn everywhere(&self) -> u32 {
        (self.groups.len() as u32).saturating_sub(1)
    }
}

/// Rules with the same exporters.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) tuples: Range<u32>,
    /// The group of the next shorter covering prefix, or [`NONE`].
    pub(super) parent: u32,
    pub(super) first: u32,
    pub(super) last: u32,
}

impl Group {
    pub(super) const EMPTY: Self = Self { tuples: 0..0, parent: NONE, first: NONE, last: 0 };
}

/// Rules of a group that are looked up by the same octets.
#[derive(Clone, Debug)]
pub(super) struct Tuple {
    /// Number of its key mask, which tuples of other groups may share.
    pub(super) key_mask: u32,
    /// Distinguishes its hashes from those of other tuples.
    pub(super) seed: u64,
    pub(super) nets: Nets,
    pub(super) first: u32,
    pub(super) last: u32,
}

/// The networks that are part of a tuple's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Nets {
    #[default]
    None,
    Src,
    Dst,
    Both,
}

impl Nets {
    pub(super) const fn new(src: bool, dst: bool) -> Self {
        match (src, dst) {
            (false, false) => Self::None,
            (true, false) => Self::Src,
            (false, true) => Self::Dst,
            (true, true) => Self::Both,
        }
    }

    pub(super) const fn src(self) -> bool {
        matches!(self, Self::Src | Self::Both)
    }

    pub(super) const fn dst(self) -> bool {
        matches!(self, Self::Dst | Self::Both)
    }
}

/// Mixes a value into a hash: both halves of a 128-bit product.
#[inline]
pub(super) fn fold(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash ^ value) * 0x9e37_79b9_7f4a_7c15_u128;
    (product as u64) ^ (product >> 64) as u64
}

/// The initial hash of a tuple.
pub(super) fn seed(tuple: u32) -> u64 {
    fold(0x2545_f491_4f6c_dd1d, u64::from(tuple) + 1)
}

/// Maps hashes to lists of rules: open addressing, at most half full. A 32-bit mark stands for the hash and also gives its
/// preferred slot; lists with equal marks are merged, which costs only an occasional check.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    prefilter: BloomFilter,
    slots: Vec<Slot>,
    lists: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    mark: u32,
    /// [`FREE`], a rule, or with [`LIST`] the offset of a list: its length, then its rules in ascending order.
    rules: u32,
}

const FREE: u32 = u32::MAX;
const LIST: u32 = 1 << 31;

impl Table {
    /// Builds a table of these entries: hash and rule.
    pub(super) fn new(mut entries: Vec<(u64, u32)>) -> Self {
        let mark = |hash: u64| (hash >> 32) as u32;
        entries.sort_unstable_by_key(|(hash, rule)| (mark(*hash), *rule));
        let size = (entries.len() * 2).next_power_of_two();
        let prefilter = BloomFilter::new(entries.iter().map(|(hash, _)| *hash));
        let mut table = Self { prefilter, slots: vec![Slot { mark: 0, rules: FREE }; size], lists: Vec::new() };
        for chunk in entries.chunk_by(|(a, _), (b, _)| mark(*a) == mark(*b)) {
            let Some((hash, rule)) = chunk.first() else { continue };
            let rules = if chunk.len() == 1 {
                *rule
            } else {
                let offset = table.lists.len() as u32;
                table.lists.push(chunk.len() as u32);
                table.lists.extend(chunk.iter().map(|(_, rule)| rule));
                offset | LIST
            };
            table.put(mark(*hash), rules);
        }
        table
    }

    fn put(&mut self, mark: u32, rules: u32) {
        let last = self.slots.len() - 1;
        let mut at = mark as usize & last;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.rules == FREE {
                *slot = Slot { mark, rules };
                return;
            }
            at = (at + 1) & last;
        }
    }

    /// Returns the rules of a hash in ascending order, possibly with those of another hash.
    #[inline]
    pub(super) fn find(&self, hash: u64) -> Found<'_> {
        if !self.prefilter.may_contain(hash) {
            return Found::None;
        }
        let mark = (hash >> 32) as u32;
        let last = self.slots.len().wrapping_sub(1);
        let mut at = mark as usize & last;
        while let Some(slot) = self.slots.get(at) {
            if slot.rules == FREE {
                break;
            }
            if slot.mark == mark {
                return match slot.rules & LIST {
                    0 => Found::One(slot.rules),
                    _ => Found::List(self.list(slot.rules ^ LIST)),
                };
            }
            at = (at + 1) & last;
        }
        Found::None
    }

    fn list(&self, offset: u32) -> &[u32] {
        let Some((count, rest)) = self.lists.get(offset as usize..).and_then(<[u32]>::split_first) else {
            return &[];
        };
        rest.get(..*count as usize).unwrap_or_default()
    }
}

/// The result of a lookup.
pub(super) enum Found<'a> {
    None,
    One(u32),
    List(&'a [u32]),
}

impl Found<'_> {
    /// The rules, ascending.
    #[inline]
    pub(super) fn rules(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(rule) => std::slice::from_ref(rule),
            Self::List(rules) => rules,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hash_leads_to_all_of_its_rules_in_order() {
        let hash = |n: u64| fold(seed(3), n / 3);
        let table = Table::new((0..3000).rev().map(|n| (hash(n), n as u32)).chain([(fold(9, 10), 7)]).collect());
        for n in 0..1000 {
            let Found::List(rules) = table.find(hash(n * 3)) else { panic!("{n} has no list") };
            let n = n as u32 * 3;
            assert!([n, n + 1, n + 2].iter().all(|rule| rules.contains(rule)) && rules.is_sorted());
        }
        assert!(matches!(table.find(fold(9, 10)), Found::One(7)));
        assert!(matches!(table.find(1), Found::None));
        assert!(matches!(Table::new(Vec::new()).find(1), Found::None));
    }
}
