//! The question for all rows of a datagram at once.
//!
//! Going shape by shape over the rows, and not row by row over the shapes, spares what is the same for all rows, and no hash waits
//! for the one before. The answers are those of [`Matcher::first`].

use super::index::{Nets, Shape, fold, mix};
use super::{Frames, Lazy, Matcher, Scope, View};
use crate::prefix::{Bits, NONE, Tree};
use flow::row::Rows;
use flow::strings::Strings;

/// The packets of the rows of a batch.
pub trait FramesOf {
    /// Where the packet of the row of that number comes from.
    fn frames(&mut self, row: usize) -> &mut dyn Frames;
}

/// Memory for [`Matcher::sweep`], kept from batch to batch.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// For each row the lowest rule so far.
    best: Vec<u32>,
    /// By number of looks: the hash of each row, where it is known.
    bases: Vec<Vec<u64>>,
    /// For each row the nodes of its networks, where they are known.
    src: Vec<u32>,
    dst: Vec<u32>,
}

impl Sweep {
    fn start(&mut self, rows: usize, looks: usize) {
        self.best.clear();
        self.best.resize(rows, NONE);
        self.bases.resize_with(looks, Vec::new);
        self.bases.iter_mut().for_each(Vec::clear);
        self.src.clear();
        self.dst.clear();
    }

    /// The rule of each row of the last sweep.
    pub fn rules(&self) -> impl Iterator<Item = Option<u32>> + '_ {
        self.best.iter().map(|rule| (*rule != NONE).then_some(*rule))
    }

    /// The rule of the row of that number, counted from the first of the sweep.
    #[inline]
    pub fn rule(&self, row: usize) -> Option<u32> {
        self.best.get(row).copied().filter(|rule| *rule != NONE)
    }
}

/// The rows of a sweep.
#[derive(Clone, Copy)]
struct Batch<'a> {
    rows: &'a Rows,
    first: usize,
    strings: &'a Strings,
}

impl Matcher {
    /// Finds the lowest rule that matches the exporter for each row from number `first` on; `sweep` has the answers.
    pub fn sweep(
        &self,
        scope: Scope,
        (rows, first): (&Rows, usize),
        strings: &Strings,
        frames: &mut dyn FramesOf,
        sweep: &mut Sweep,
    ) {
        let batch = Batch { rows, first, strings };
        sweep.start(rows.len().saturating_sub(first), self.index.looks.len());
        let mut number = scope.group;
        while let Some(group) = self.index.groups.get(number as usize) {
            let shapes = group.shapes.start as usize..group.shapes.end as usize;
            for shape in self.index.shapes.get(shapes).unwrap_or_default() {
                self.sweep_shape(shape, batch, frames, sweep);
            }
            number = group.parent;
        }
    }

    fn sweep_shape(&self, shape: &Shape, batch: Batch<'_>, frames: &mut dyn FramesOf, sweep: &mut Sweep) {
        let Sweep { best, bases, src, dst } = sweep;
        let Some(bases) = bases.get_mut(shape.looks as usize) else { return };
        if bases.is_empty() {
            self.hash(shape.looks, batch, bases);
        }
        if shape.nets.src() && src.is_empty() {
            nodes(&self.index.src, self.rules.src_at, batch, src);
        }
        if shape.nets.dst() && dst.is_empty() {
            nodes(&self.index.dst, self.rules.dst_at, batch, dst);
        }
        let table = &self.index.table;
        let rows = bases.iter().zip(best).enumerate();
        match shape.nets {
            Nets::None => {
                for (row, (base, best)) in rows {
                    let hash = fold(shape.seed, *base);
                    if table.lets_through(hash) {
                        self.probe(hash, batch, row, frames, best);
                    }
                }
            }
            Nets::Src | Nets::Dst => {
                let (tree, nodes) = if shape.nets.src() { (&self.index.src, src) } else { (&self.index.dst, dst) };
                for ((row, (base, best)), node) in rows.zip(nodes) {
                    for node in tree.chain(*node) {
                        let hash = fold(fold(shape.seed, *base), u64::from(node));
                        if table.lets_through(hash) {
                            self.probe(hash, batch, row, frames, best);
                        }
                    }
                }
            }
            Nets::Both => {
                for (((row, (base, best)), src), dst) in rows.zip(src).zip(dst) {
                    for node in self.index.src.chain(*src) {
                        let hash = fold(fold(shape.seed, *base), u64::from(node));
                        for node in self.index.dst.chain(*dst) {
                            let hash = fold(hash, u64::from(node));
                            if table.lets_through(hash) {
                                self.probe(hash, batch, row, frames, best);
                            }
                        }
                    }
                }
            }
        }
    }

    /// The hash of the octets of that number, of each row.
    fn hash(&self, looks: u32, batch: Batch<'_>, hashes: &mut Vec<u64>) {
        hashes.resize(batch.rows.len().saturating_sub(batch.first), 0);
        for part in self.index.looks.get(looks as usize).into_iter().flatten() {
            for (hash, row) in hashes.iter_mut().zip(batch.rows.iter_from(batch.first)) {
                let word = row.words().get(part.number as usize).copied().unwrap_or(0);
                *hash = mix(*hash, word & part.mask);
            }
        }
    }

    /// Checks the rules to which a hash leads. Few hashes get here.
    #[inline(never)]
    fn probe(&self, hash: u64, batch: Batch<'_>, row: usize, frames: &mut dyn FramesOf, best: &mut u32) {
        let number = batch.first + row;
        let Some(row) = batch.rows.get(number) else { return };
        let view = View { row, strings: batch.strings };
        for rule in self.index.table.find(hash).rules() {
            if *rule >= *best {
                return;
            }
            if self.rules.check(*rule, &view, &mut Lazy::new(frames.frames(number))) {
                *best = *rule;
                return;
            }
        }
    }
}

/// The longest network of the address at that offset, of each row.
fn nodes(tree: &Tree, at: Option<usize>, batch: Batch<'_>, nodes: &mut Vec<u32>) {
    let node = |octets: &[u8]| {
        let octets = octets.get(at?..)?.first_chunk()?;
        Bits::of_row(octets).map(|address| tree.longest(address))
    };
    nodes.extend(batch.rows.iter_from(batch.first).map(|row| node(row.octets()).unwrap_or(NONE)));
}
