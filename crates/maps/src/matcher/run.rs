//! The search for a single row.

use super::index::{Found, Nets, Tuple, fold};
use super::prefilter::KeyMask;
use super::{Lazy, Matcher, Scope, View};
use crate::prefix::{Bits, NONE, Tree};

/// Base hashes that a search caches.
const CACHED_BASES: usize = 8;

/// A search in progress.
struct Search<'s, 'v, 'f> {
    matcher: &'s Matcher,
    view: &'s View<'v>,
    frame: &'s mut Lazy<'f>,
    from: u32,
    /// The lowest matching rule so far.
    best: u32,
    /// Base hashes that several tuples share, and which of them are cached.
    bases: [u64; CACHED_BASES],
    cached: u32,
    /// Nodes of the row's networks, once they are looked up.
    src: Option<u32>,
    dst: Option<u32>,
}

impl Matcher {
    /// Returns the lowest rule from `from` on that matches the exporter and the row.
    #[inline]
    pub fn first(&self, scope: Scope, from: u32, view: &View<'_>, frame: &mut Lazy<'_>) -> Option<u32> {
        let mut search = Search {
            matcher: self,
            view,
            frame,
            from,
            best: NONE,
            bases: [0; CACHED_BASES],
            cached: 0,
            src: None,
            dst: None,
        };
        let mut number = scope.group;
        while let Some(group) = self.index.groups.get(number as usize) {
            if group.first < search.best && group.last >= from {
                let tuples = group.tuples.start as usize..group.tuples.end as usize;
                for tuple in self.index.tuples.get(tuples).unwrap_or_default() {
                    // Tuples are in the order of their first rules.
                    if tuple.first >= search.best {
                        break;
                    }
                    if tuple.last >= from {
                        search.tuple(tuple);
                    }
                }
            }
            number = group.parent;
        }
        (search.best != NONE).then_some(search.best)
    }
}

impl Search<'_, '_, '_> {
    #[inline]
    fn tuple(&mut self, tuple: &Tuple) {
        let hash = fold(tuple.seed, self.base(tuple.key_mask));
        match tuple.nets {
            Nets::None => self.probe(hash),
            nets => self.networks(nets, hash),
        }
    }

    /// The base hash of the row under this key mask, computed once per row.
    #[inline]
    fn base(&mut self, number: u32) -> u64 {
        let is_kept = number < CACHED_BASES as u32 && self.cached >> number & 1 == 1;
        let kept = self.bases.get(number as usize).copied().filter(|_| is_kept);
        kept.unwrap_or_else(|| {
            let key_mask = self.matcher.index.key_masks.get(number as usize);
            let base = key_mask.map_or(0, |key_mask: &KeyMask| key_mask.base_of(self.view.row.words()));
            if let Some(kept) = self.bases.get_mut(number as usize) {
                *kept = base;
                self.cached |= 1 << number;
            }
            base
        })
    }

    fn networks(&mut self, nets: Nets, hash: u64) {
        let index = &self.matcher.index;
        match nets {
            Nets::None => self.probe(hash),
            Nets::Src => {
                for src in index.src.chain(self.src()) {
                    self.probe(fold(hash, u64::from(src)));
                }
            }
            Nets::Dst => {
                for dst in index.dst.chain(self.dst()) {
                    self.probe(fold(hash, u64::from(dst)));
                }
            }
            Nets::Both => {
                let dst = self.dst();
                for src in index.src.chain(self.src()) {
                    let hash = fold(hash, u64::from(src));
                    for dst in index.dst.chain(dst) {
                        self.probe(fold(hash, u64::from(dst)));
                    }
                }
            }
        }
    }

    fn src(&mut self) -> u32 {
        let (matcher, view) = (self.matcher, self.view);
        *self.src.get_or_insert_with(|| node(&matcher.index.src, matcher.rules.src_at, view))
    }

    fn dst(&mut self) -> u32 {
        let (matcher, view) = (self.matcher, self.view);
        *self.dst.get_or_insert_with(|| node(&matcher.index.dst, matcher.rules.dst_at, view))
    }

    #[inline]
    fn probe(&mut self, hash: u64) {
        match self.matcher.index.table.find(hash) {
            Found::None => {}
            Found::One(rule) => _ = self.candidate(rule),
            Found::List(rules) => {
                let start = rules.partition_point(|rule| *rule < self.from);
                for rule in rules.get(start..).unwrap_or_default() {
                    if self.candidate(*rule) {
                        break;
                    }
                }
            }
        }
    }

    /// True if no later candidate can be lower.
    #[inline]
    fn candidate(&mut self, rule: u32) -> bool {
        if rule >= self.best {
            return true;
        }
        if rule >= self.from && self.matcher.rules.check(rule, self.view, self.frame) {
            self.best = rule;
            return true;
        }
        false
    }
}

/// The node of the longest network that covers the address at this offset.
fn node(tree: &Tree, at: Option<usize>, view: &View<'_>) -> u32 {
    let octets = at.and_then(|at| view.row.bytes().get(at..)).and_then(<[u8]>::first_chunk);
    octets.and_then(Bits::of_row).map_or(NONE, |address| tree.longest(address))
}
