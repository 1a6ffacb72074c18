//! From rules to groups, shapes and the table.

use super::index::{Group, Index, Nets, Shape, Table, fold, seed};
use super::rule::{Handles, Rules, octets_of};
use super::sieve::{Look, Part, Sieve};
use super::word::{Picture, Word};
use super::{Matcher, Rule, Sight};
use crate::prefix::{NONE, Tree};
use flow::field::Field;
use flow::row::Layout;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use wire::{Family, Prefix};

/// Shapes of a group that are kept as the rules make them. The rules of rarer ones join coarser shapes.
const SHAPES: usize = 10;
/// Coarser shapes of one part each that are made for rules that fit no other.
const COARSE: usize = 4;
/// Rules of the same octets that are checked one by one.
const FEW: usize = 4;
/// Lengths of networks, or pairs of lengths, that become shapes of their own.
const LENGTHS: usize = 2;
/// Pairs of networks around a row's addresses that may be looked up for one shape.
const PAIRS: usize = 64;

/// What the compiler knows of a rule that can match.
struct Known {
    rule: u32,
    picture: Picture,
    words: Vec<Word>,
    src: Option<Prefix>,
    dst: Option<Prefix>,
}

impl Known {
    fn looks(&self, pairs: bool) -> Looks {
        let parts = self.words.iter().map(|word| Part { number: word.number, mask: word.mask }).collect();
        Looks { parts, nets: Nets::new(self.src.is_some(), self.dst.is_some() && (pairs || self.src.is_none())) }
    }

    /// Networks become octets like others.
    fn spell_out_networks(&mut self, layout: &Layout) {
        for (field, prefix) in [(Field::SrcHost, self.src.take()), (Field::DstHost, self.dst.take())] {
            let Some((masks, values)) = prefix.and_then(|prefix| octets_of(&prefix)) else { continue };
            // What else tells an IPv4 address from others is left to the check.
            let from = if prefix.is_some_and(|prefix| prefix.family() == Family::V4) { 12 } else { 0 };
            let (masks, values) = (masks.get(from..).unwrap_or_default(), values.get(from..).unwrap_or_default());
            self.picture.add_at(layout, (field, from), masks, values);
        }
        self.words = self.picture.words();
    }
}

/// What a shape looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Looks {
    parts: BTreeSet<Part>,
    nets: Nets,
}

impl Looks {
    fn count(&self) -> usize {
        self.parts.len() + usize::from(self.nets.src()) + usize::from(self.nets.dst())
    }

    /// True when all that `self` looks at is known of a rule that fits `other`.
    fn is_part_of(&self, other: &Self) -> bool {
        self.parts.is_subset(&other.parts)
            && (!self.nets.src() || other.nets.src())
            && (!self.nets.dst() || other.nets.dst())
    }

    /// Each thing by itself.
    fn single(&self) -> impl Iterator<Item = Self> + '_ {
        let part = |part: &Part| Self { parts: BTreeSet::from([*part]), nets: Nets::None };
        let net = |nets| Self { parts: BTreeSet::new(), nets };
        let nets = [(self.nets.src(), Nets::Src), (self.nets.dst(), Nets::Dst)];
        self.parts.iter().map(part).chain(nets.into_iter().filter(|(has, _)| *has).map(move |(_, nets)| net(nets)))
    }
}

pub(super) fn compile(rules: &[Rule], layout: &Layout, sight: Sight) -> Matcher {
    let exporters = Tree::new(rules.iter().filter_map(|rule| rule.exporter));
    let mut checked = Rules::new(layout);
    let mut groups: Vec<Vec<Known>> = Vec::new();
    groups.resize_with(exporters.len() + 1, Vec::new);
    for (number, rule) in (0..).zip(rules) {
        let Some(handles) = checked.push(&rule.conditions, layout, sight) else {
            continue;
        };
        let group =
            rule.exporter.and_then(|prefix| exporters.node(&prefix)).map_or(exporters.len(), |n| n as usize);
        if let Some(group) = groups.get_mut(group) {
            let Handles { picture, src, dst } = handles;
            group.push(Known { rule: number, words: picture.words(), picture, src, dst });
        }
    }
    groups.iter_mut().for_each(|rules| spell_out_networks(rules, layout));
    let index = index(&exporters, &groups);
    Matcher { exporters, index, rules: checked }
}

fn index(exporters: &Tree, groups: &[Vec<Known>]) -> Index {
    let all = || groups.iter().flatten();
    let (src, dst) = (Tree::new(all().filter_map(|rule| rule.src)), Tree::new(all().filter_map(|rule| rule.dst)));
    let pairs = src.depth().saturating_mul(dst.depth()) <= PAIRS;
    let mut index = Index {
        groups: Vec::new(),
        shapes: Vec::new(),
        looks: Vec::new(),
        bases: Sieve::default(),
        table: Table::default(),
        src,
        dst,
    };
    let (mut bases, mut entries) = (Vec::new(), Vec::new());
    for (number, rules) in (0..).zip(groups) {
        let mut group = Group::EMPTY;
        if number < exporters.len() as u32 {
            // Around the outermost prefixes there are the rules without one.
            group.parent = exporters.parent(number).min(exporters.len() as u32);
        }
        if let (Some(first), Some(last)) = (rules.first(), rules.last()) {
            (group.first, group.last) = (first.rule, last.rule);
        }
        let start = index.shapes.len() as u32;
        for (looks, rules) in shapes(rules, pairs) {
            shape(&mut index, &mut bases, &mut entries, &looks, &rules);
        }
        group.shapes = start..index.shapes.len() as u32;
        index.groups.push(group);
    }
    bases.sort_unstable();
    bases.dedup();
    index.bases = Sieve::new(bases.into_iter());
    index.table = Table::new(entries);
    index
}

/// Where the networks of rules that look alike are of few lengths, they become octets like others: then most rows are sifted out
/// before any network is looked up.
fn spell_out_networks(rules: &mut [Known], layout: &Layout) {
    let kind = |prefix: Prefix| (prefix.family(), prefix.length());
    let kinds_of = |rule: &Known| (rule.src.map(kind), rule.dst.map(kind));
    let mut kinds: BTreeMap<Looks, BTreeSet<_>> = BTreeMap::new();
    for rule in rules.iter() {
        kinds.entry(rule.looks(true)).or_default().insert(kinds_of(rule));
    }
    for rule in rules {
        let few = kinds.get(&rule.looks(true)).is_some_and(|kinds| kinds.len() <= LENGTHS);
        if few && [rule.src, rule.dst].into_iter().flatten().all(|prefix| octets_of(&prefix).is_some()) {
            rule.spell_out_networks(layout);
        }
    }
}

/// The shapes of a group's rules, in the order of their first rules.
fn shapes(rules: &[Known], pairs: bool) -> Vec<(Looks, Vec<&Known>)> {
    let mut by_looks: BTreeMap<Looks, Vec<&Known>> = BTreeMap::new();
    for rule in rules {
        by_looks.entry(rule.looks(pairs)).or_default().push(rule);
    }
    let mut all: Vec<(Looks, Vec<&Known>)> = spare_networks(by_looks).into_iter().collect();
    if all.len() > SHAPES {
        all.sort_by_key(|(_, rules)| std::cmp::Reverse(rules.len()));
        let rare = all.split_off(SHAPES);
        coarsen(&mut all, rare);
    }
    for (_, rules) in &mut all {
        rules.sort_by_key(|rule| rule.rule);
    }
    all.sort_by_key(|(_, rules)| rules.first().map(|rule| rule.rule));
    all
}

/// Where few rules at most want the same octets, they are found by these alone: checking them costs less than looking up networks.
fn spare_networks(shapes: BTreeMap<Looks, Vec<&Known>>) -> BTreeMap<Looks, Vec<&Known>> {
    let octets = |rule: &Known| rule.words.iter().map(|word| word.value).collect::<Vec<_>>();
    let mut spared: BTreeMap<Looks, Vec<&Known>> = BTreeMap::new();
    for (mut looks, rules) in shapes {
        let mut counts: HashMap<Vec<u64>, usize> = HashMap::new();
        rules.iter().for_each(|rule| *counts.entry(octets(rule)).or_default() += 1);
        if counts.values().all(|count| *count <= FEW) {
            looks.nets = Nets::None;
        }
        spared.entry(looks).or_default().extend(rules);
    }
    spared
}

/// Puts the rules of rare shapes into the best of the others that they fit, or into new ones that look at one thing only.
fn coarsen<'r>(kept: &mut Vec<(Looks, Vec<&'r Known>)>, rare: Vec<(Looks, Vec<&'r Known>)>) {
    let mut left = Vec::new();
    for (looks, rules) in rare {
        let fitting = kept.iter_mut().filter(|(other, _)| other.count() > 0 && other.is_part_of(&looks));
        match fitting.max_by_key(|(other, _)| other.count()) {
            Some((_, others)) => others.extend(rules),
            None => left.push((looks, rules)),
        }
    }
    for _ in 0..COARSE {
        let mut uses: HashMap<Looks, usize> = HashMap::new();
        for (looks, rules) in &left {
            looks.single().for_each(|single| *uses.entry(single).or_default() += rules.len());
        }
        let Some((single, _)) = uses.into_iter().max_by(|(a, m), (b, n)| (m, a).cmp(&(n, b))) else {
            break;
        };
        let (fitting, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(looks, _)| single.is_part_of(looks));
        kept.push((single, fitting.into_iter().flat_map(|(_, rules)| rules).collect()));
        left = others;
    }
    if !left.is_empty() {
        let rules = left.into_iter().flat_map(|(_, rules)| rules);
        match kept.iter_mut().find(|(looks, _)| looks.count() == 0) {
            Some((_, others)) => others.extend(rules),
            None => kept.push((Looks::default(), rules.collect())),
        }
    }
}

/// Adds a shape, the bases of its rules, and what leads to them.
fn shape(index: &mut Index, bases: &mut Vec<u64>, entries: &mut Vec<(u64, u32)>, looks: &Looks, rules: &[&Known]) {
    let (Some(first), Some(last)) = (rules.first(), rules.last()) else {
        return;
    };
    let seed = seed(index.shapes.len() as u32);
    let known = index.looks.iter().position(|known| known.parts().eq(looks.parts.iter().copied()));
    let number = known.unwrap_or(index.looks.len());
    if known.is_none() {
        index.looks.push(Look::new(number as u32, looks.parts.iter().copied()));
    }
    let Some(look) = index.looks.get(number) else { return };
    for rule in rules {
        let value = |part: &Part| {
            let covers = |word: &&Word| word.number == part.number && word.mask & part.mask == part.mask;
            rule.words.iter().find(covers).map_or(0, |word| word.value & part.mask)
        };
        let base = look.base(value);
        bases.push(base);
        let mut hash = fold(seed, base);
        let node = |tree: &Tree, prefix: Option<Prefix>| {
            u64::from(prefix.and_then(|prefix| tree.node(&prefix)).unwrap_or(NONE))
        };
        if looks.nets.src() {
            hash = fold(hash, node(&index.src, rule.src));
        }
        if looks.nets.dst() {
            hash = fold(hash, node(&index.dst, rule.dst));
        }
        entries.push((hash, rule.rule));
    }
    index.shapes.push(Shape { looks: number as u32, seed, nets: looks.nets, first: first.rule, last: last.rule });
}
