//! The question, for each row.

use super::index::{Found, Nets, Shape, fold};
use super::sieve::Look;
use super::{Lazy, Matcher, Scope, View};
use crate::prefix::{Bits, NONE, Tree};

/// Hashes that a search keeps.
const BASES: usize = 8;

/// A search under way.
struct Search<'s, 'v, 'f> {
    matcher: &'s Matcher,
    view: &'s View<'v>,
    frame: &'s mut Lazy<'f>,
    from: u32,
    /// The lowest rule so far.
    best: u32,
    /// Hashes of octets that several shapes look at, and which of them are known.
    bases: [u64; BASES],
    known: u32,
    /// Nodes of the row's networks, once they were asked for.
    src: Option<u32>,
    dst: Option<u32>,
}

impl Matcher {
    /// The lowest rule from number `from` on that matches the exporter and the row.
    #[inline]
    pub fn first(&self, scope: Scope, from: u32, view: &View<'_>, frame: &mut Lazy<'_>) -> Option<u32> {
        let mut search = Search {
            matcher: self,
            view,
            frame,
            from,
            best: NONE,
            bases: [0; BASES],
            known: 0,
            src: None,
            dst: None,
        };
        let mut number = scope.group;
        while let Some(group) = self.index.groups.get(number as usize) {
            if group.first < search.best && group.last >= from {
                let shapes = group.shapes.start as usize..group.shapes.end as usize;
                for shape in self.index.shapes.get(shapes).unwrap_or_default() {
                    // Shapes are in the order of their first rules.
                    if shape.first >= search.best {
                        break;
                    }
                    if shape.last >= from {
                        search.shape(shape);
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
    fn shape(&mut self, shape: &Shape) {
        let hash = fold(shape.seed, self.base(shape.looks));
        match shape.nets {
            Nets::None => self.probe(hash),
            nets => self.networks(nets, hash),
        }
    }

    /// The hash of the octets of that number, which is worked out once for a row.
    #[inline]
    fn base(&mut self, looks: u32) -> u64 {
        let kept = self
            .bases
            .get(looks as usize)
            .copied()
            .filter(|_| looks < BASES as u32 && self.known >> looks & 1 == 1);
        kept.unwrap_or_else(|| {
            let look = self.matcher.index.looks.get(looks as usize);
            let hash = look.map_or(0, |look: &Look| look.base_of(self.view.row.words()));
            if let Some(place) = self.bases.get_mut(looks as usize) {
                *place = hash;
                self.known |= 1 << looks;
            }
            hash
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

    /// True when no later candidate can be better.
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

/// The longest network of the address at that offset.
fn node(tree: &Tree, at: Option<usize>, view: &View<'_>) -> u32 {
    let octets = at.and_then(|at| view.row.octets().get(at..)).and_then(<[u8]>::first_chunk);
    octets.and_then(Bits::of_row).map_or(NONE, |address| tree.longest(address))
}
