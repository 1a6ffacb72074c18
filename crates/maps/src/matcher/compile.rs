//! Compiles rules to groups, tuples and the hash table.

use super::index::{Group, Index, Nets, Table, Tuple, fold, seed};
use super::prefilter::{BloomFilter, KeyMask, Part};
use super::rule::{IndexKeys, Rules, octets_of};
use super::word::{MaskedRow, Word};
use super::{Matcher, PacketSource, Rule};
use crate::prefix::{NONE, Tree};
use flow::field::Field;
use flow::row::Layout;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use wire::{Family, Prefix};

/// Tuples of a group that are kept exactly as their rules define them. The rules of rarer tuples join coarser ones.
const MAX_TUPLES: usize = 10;
/// Coarser tuples, of one part each, that are created for rules that fit no other.
const MAX_COARSE_TUPLES: usize = 4;
/// Rules with the same octets that are checked one by one.
const MAX_CHECKED: usize = 4;
/// Network lengths, or pairs of lengths, that become tuples of their own.
const MAX_LENGTHS: usize = 2;
/// Pairs of networks covering a row's addresses that may be looked up for one tuple.
const MAX_PAIRS: usize = 64;

/// A rule that can match, with its index keys.
struct IndexedRule {
    rule: u32,
    masked: MaskedRow,
    words: Vec<Word>,
    src: Option<Prefix>,
    dst: Option<Prefix>,
}

impl IndexedRule {
    fn tuple_spec(&self, pairs: bool) -> TupleSpec {
        let parts = self.words.iter().map(|word| Part { number: word.number, mask: word.mask }).collect();
        TupleSpec {
            parts,
            nets: Nets::new(self.src.is_some(), self.dst.is_some() && (pairs || self.src.is_none())),
        }
    }

    /// Turns networks into octets like those of other fields.
    fn inline_networks(&mut self, layout: &Layout) {
        for (field, prefix) in [(Field::SrcHost, self.src.take()), (Field::DstHost, self.dst.take())] {
            let Some((masks, values)) = prefix.and_then(|prefix| octets_of(&prefix)) else { continue };
            // The check tests the other octets that distinguish IPv4 addresses.
            let from = if prefix.is_some_and(|prefix| prefix.family() == Family::V4) { 12 } else { 0 };
            let (masks, values) = (masks.get(from..).unwrap_or_default(), values.get(from..).unwrap_or_default());
            self.masked.add_at(layout, (field, from), masks, values);
        }
        self.words = self.masked.words();
    }
}

/// The bits and networks that form the key of a tuple.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct TupleSpec {
    parts: BTreeSet<Part>,
    nets: Nets,
}

impl TupleSpec {
    fn count(&self) -> usize {
        self.parts.len() + usize::from(self.nets.src()) + usize::from(self.nets.dst())
    }

    /// True if a rule that fits `other` has all parts of the key of `self`.
    fn is_part_of(&self, other: &Self) -> bool {
        self.parts.is_subset(&other.parts)
            && (!self.nets.src() || other.nets.src())
            && (!self.nets.dst() || other.nets.dst())
    }

    /// Each part alone.
    fn single(&self) -> impl Iterator<Item = Self> + '_ {
        let part = |part: &Part| Self { parts: BTreeSet::from([*part]), nets: Nets::None };
        let net = |nets| Self { parts: BTreeSet::new(), nets };
        let nets = [(self.nets.src(), Nets::Src), (self.nets.dst(), Nets::Dst)];
        self.parts.iter().map(part).chain(nets.into_iter().filter(|(has, _)| *has).map(move |(_, nets)| net(nets)))
    }
}

pub(super) fn compile(rules: &[Rule], layout: &Layout, packets: PacketSource) -> Matcher {
    let exporters = Tree::new(rules.iter().filter_map(|rule| rule.exporter));
    let mut checked = Rules::new(layout);
    let mut groups: Vec<Vec<IndexedRule>> = Vec::new();
    groups.resize_with(exporters.len() + 1, Vec::new);
    for (number, rule) in (0..).zip(rules) {
        let Some(index_keys) = checked.push(&rule.conditions, layout, packets) else {
            continue;
        };
        let group =
            rule.exporter.and_then(|prefix| exporters.node(&prefix)).map_or(exporters.len(), |n| n as usize);
        if let Some(group) = groups.get_mut(group) {
            let IndexKeys { masked, src, dst } = index_keys;
            group.push(IndexedRule { rule: number, words: masked.words(), masked, src, dst });
        }
    }
    groups.iter_mut().for_each(|rules| inline_networks(rules, layout));
    let index = index(&exporters, &groups);
    Matcher { exporters, index, rules: checked }
}

fn index(exporters: &Tree, groups: &[Vec<IndexedRule>]) -> Index {
    let all = || groups.iter().flatten();
    let (src, dst) = (Tree::new(all().filter_map(|rule| rule.src)), Tree::new(all().filter_map(|rule| rule.dst)));
    let pairs = src.depth().saturating_mul(dst.depth()) <= MAX_PAIRS;
    let mut index = Index {
        groups: Vec::new(),
        tuples: Vec::new(),
        key_masks: Vec::new(),
        prefilter: BloomFilter::default(),
        table: Table::default(),
        src,
        dst,
    };
    let (mut bases, mut entries) = (Vec::new(), Vec::new());
    for (number, rules) in (0..).zip(groups) {
        let mut group = Group::EMPTY;
        if number < exporters.len() as u32 {
            // The outermost prefixes are followed by the group without a prefix.
            group.parent = exporters.parent(number).min(exporters.len() as u32);
        }
        if let (Some(first), Some(last)) = (rules.first(), rules.last()) {
            (group.first, group.last) = (first.rule, last.rule);
        }
        let start = index.tuples.len() as u32;
        for (spec, rules) in tuples(rules, pairs) {
            tuple(&mut index, &mut bases, &mut entries, &spec, &rules);
        }
        group.tuples = start..index.tuples.len() as u32;
        index.groups.push(group);
    }
    bases.sort_unstable();
    bases.dedup();
    index.prefilter = BloomFilter::new(bases.into_iter());
    index.table = Table::new(entries);
    index
}

/// Where rules with similar keys have networks of only a few lengths, their networks become octets: then the prefilter rules out most
/// rows without a network lookup.
fn inline_networks(rules: &mut [IndexedRule], layout: &Layout) {
    let kind = |prefix: Prefix| (prefix.family(), prefix.length());
    let kinds_of = |rule: &IndexedRule| (rule.src.map(kind), rule.dst.map(kind));
    let mut kinds: BTreeMap<TupleSpec, BTreeSet<_>> = BTreeMap::new();
    for rule in rules.iter() {
        kinds.entry(rule.tuple_spec(true)).or_default().insert(kinds_of(rule));
    }
    for rule in rules {
        let few = kinds.get(&rule.tuple_spec(true)).is_some_and(|kinds| kinds.len() <= MAX_LENGTHS);
        if few && [rule.src, rule.dst].into_iter().flatten().all(|prefix| octets_of(&prefix).is_some()) {
            rule.inline_networks(layout);
        }
    }
}

/// The tuples of a group's rules, in the order of their first rules.
fn tuples(rules: &[IndexedRule], pairs: bool) -> Vec<(TupleSpec, Vec<&IndexedRule>)> {
    let mut by_spec: BTreeMap<TupleSpec, Vec<&IndexedRule>> = BTreeMap::new();
    for rule in rules {
        by_spec.entry(rule.tuple_spec(pairs)).or_default().push(rule);
    }
    let mut all: Vec<(TupleSpec, Vec<&IndexedRule>)> = avoid_network_lookups(by_spec).into_iter().collect();
    if all.len() > MAX_TUPLES {
        all.sort_by_key(|(_, rules)| std::cmp::Reverse(rules.len()));
        let rare = all.split_off(MAX_TUPLES);
        coarsen(&mut all, rare);
    }
    for (_, rules) in &mut all {
        rules.sort_by_key(|rule| rule.rule);
    }
    all.sort_by_key(|(_, rules)| rules.first().map(|rule| rule.rule));
    all
}

/// Where only a few rules share the same octets, they are found by these octets alone: checking them is cheaper than looking up networks.
fn avoid_network_lookups(
    tuples: BTreeMap<TupleSpec, Vec<&IndexedRule>>,
) -> BTreeMap<TupleSpec, Vec<&IndexedRule>> {
    let octets = |rule: &IndexedRule| rule.words.iter().map(|word| word.value).collect::<Vec<_>>();
    let mut merged: BTreeMap<TupleSpec, Vec<&IndexedRule>> = BTreeMap::new();
    for (mut spec, rules) in tuples {
        let mut counts: HashMap<Vec<u64>, usize> = HashMap::new();
        rules.iter().for_each(|rule| *counts.entry(octets(rule)).or_default() += 1);
        if counts.values().all(|count| *count <= MAX_CHECKED) {
            spec.nets = Nets::None;
        }
        merged.entry(spec).or_default().extend(rules);
    }
    merged
}

/// Moves the rules of rare tuples to the best of the other tuples that they fit, or to new tuples whose key has one part.
fn coarsen<'r>(kept: &mut Vec<(TupleSpec, Vec<&'r IndexedRule>)>, rare: Vec<(TupleSpec, Vec<&'r IndexedRule>)>) {
    let mut left = Vec::new();
    for (spec, rules) in rare {
        let fitting = kept.iter_mut().filter(|(other, _)| other.count() > 0 && other.is_part_of(&spec));
        match fitting.max_by_key(|(other, _)| other.count()) {
            Some((_, others)) => others.extend(rules),
            None => left.push((spec, rules)),
        }
    }
    for _ in 0..MAX_COARSE_TUPLES {
        let mut uses: HashMap<TupleSpec, usize> = HashMap::new();
        for (spec, rules) in &left {
            spec.single().for_each(|single| *uses.entry(single).or_default() += rules.len());
        }
        let Some((single, _)) = uses.into_iter().max_by(|(a, m), (b, n)| (m, a).cmp(&(n, b))) else {
            break;
        };
        let (fitting, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|(spec, _)| single.is_part_of(spec));
        kept.push((single, fitting.into_iter().flat_map(|(_, rules)| rules).collect()));
        left = others;
    }
    if !left.is_empty() {
        let rules = left.into_iter().flat_map(|(_, rules)| rules);
        match kept.iter_mut().find(|(spec, _)| spec.count() == 0) {
            Some((_, others)) => others.extend(rules),
            None => kept.push((TupleSpec::default(), rules.collect())),
        }
    }
}

/// Adds a tuple, the base hashes of its rules, and their table entries.
fn tuple(
    index: &mut Index,
    bases: &mut Vec<u64>,
    entries: &mut Vec<(u64, u32)>,
    spec: &TupleSpec,
    rules: &[&IndexedRule],
) {
    let (Some(first), Some(last)) = (rules.first(), rules.last()) else {
        return;
    };
    let seed = seed(index.tuples.len() as u32);
    let existing = index.key_masks.iter().position(|existing| existing.parts().eq(spec.parts.iter().copied()));
    let number = existing.unwrap_or(index.key_masks.len());
    if existing.is_none() {
        index.key_masks.push(KeyMask::new(number as u32, spec.parts.iter().copied()));
    }
    let Some(key_mask) = index.key_masks.get(number) else { return };
    for rule in rules {
        let value = |part: &Part| {
            let covers = |word: &&Word| word.number == part.number && word.mask & part.mask == part.mask;
            rule.words.iter().find(covers).map_or(0, |word| word.value & part.mask)
        };
        let base = key_mask.base(value);
        bases.push(base);
        let mut hash = fold(seed, base);
        let node = |tree: &Tree, prefix: Option<Prefix>| {
            u64::from(prefix.and_then(|prefix| tree.node(&prefix)).unwrap_or(NONE))
        };
        if spec.nets.src() {
            hash = fold(hash, node(&index.src, rule.src));
        }
        if spec.nets.dst() {
            hash = fold(hash, node(&index.dst, rule.dst));
        }
        entries.push((hash, rule.rule));
    }
    index.tuples.push(Tuple {
        key_mask: number as u32,
        seed,
        nets: spec.nets,
        first: first.rule,
        last: last.rule,
    });
}
