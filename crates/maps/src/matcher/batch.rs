//! Matches all rows of a datagram at once.
//!
//! For each key mask, the prefilter first tests all rows: this takes a few instructions per row and rules out most of them. The remaining
//! rows are looked up in the tuples one by one. The results are those of [`Matcher::first`].

use super::index::{Nets, Tuple, fold};
use super::prefilter::{BLOCK, KeyMask, Memory};
use super::{Frames, Lazy, Matcher, Scope, View};
use crate::prefix::{Bits, NONE, Tree};
use flow::row::{Row, Rows};
use flow::strings::Strings;

/// Rows that are skipped together if no rule matches any of them.
const SKIPPED_TOGETHER: usize = 8;

/// The packets of the rows of a batch.
pub trait BatchFrames {
    /// Returns the source of the packet of row `row`.
    fn frames(&mut self, row: usize) -> &mut dyn Frames;
}

/// Memory of [`Matcher::match_batch`], reused from batch to batch.
#[derive(Clone, Debug, Default)]
pub struct MatchBatch {
    /// The lowest matching rule so far, by row.
    best: Vec<u32>,
    state: BlockState,
}

/// Intermediate results for the rows of a block.
#[derive(Clone, Debug, Default)]
struct BlockState {
    /// By number of the key mask: a bit for each row whose key may be that of a rule.
    left: Vec<Option<u64>>,
    memory: Memory,
    src: Nodes,
    dst: Nodes,
}

/// The network nodes of rows, each looked up once.
#[derive(Clone, Debug)]
struct Nodes {
    cached: u64,
    nodes: [u32; BLOCK],
}

impl Default for Nodes {
    fn default() -> Self {
        Self { cached: 0, nodes: [NONE; BLOCK] }
    }
}

impl Nodes {
    /// The node of the longest network that covers the address at this offset of a row.
    fn node(&mut self, tree: &Tree, at: Option<usize>, number: usize, row: Row<'_>) -> u32 {
        let Some(node) = self.nodes.get_mut(number) else { return NONE };
        if self.cached >> number & 1 == 0 {
            let octets = at.and_then(|at| row.bytes().get(at..)).and_then(<[u8]>::first_chunk);
            *node = octets.and_then(Bits::of_row).map_or(NONE, |address| tree.longest(address));
            self.cached |= 1 << number;
        }
        *node
    }
}

impl BlockState {
    fn clear(&mut self, key_mask: usize) {
        self.left.clear();
        self.left.resize(key_mask, None);
        self.memory.clear();
        (self.src.cached, self.dst.cached) = (0, 0);
    }
}

impl MatchBatch {
    /// The rows of the last batch that a rule matches, counted from its first row, with these rules.
    #[inline]
    pub fn found(&self, mut each: impl FnMut(usize, u32)) {
        for (first, rules) in (0..).step_by(SKIPPED_TOGETHER).zip(self.best.chunks(SKIPPED_TOGETHER)) {
            if rules.iter().fold(NONE, |all, rule| all & rule) == NONE {
                continue;
            }
            let numbered = (first..).zip(rules).filter(|(_, rule)| **rule != NONE);
            numbered.for_each(|(number, rule)| each(number, *rule));
        }
    }
}

/// The rows of a block.
#[derive(Clone, Copy)]
struct Block<'a> {
    rows: &'a Rows,
    first: usize,
    strings: &'a Strings,
}

impl Matcher {
    /// Finds the lowest rule that matches the exporter, for each row from `first` on; `batch` holds the results.
    pub fn match_batch(
        &self,
        scope: Scope,
        (rows, first): (&Rows, usize),
        strings: &Strings,
        frames: &mut dyn BatchFrames,
        batch: &mut MatchBatch,
    ) {
        batch.best.clear();
        batch.best.resize(rows.len().saturating_sub(first), NONE);
        for (first, best) in (first..).step_by(BLOCK).zip(batch.best.chunks_mut(BLOCK)) {
            self.match_block(scope, Block { rows, first, strings }, frames, &mut batch.state, best);
        }
    }

    fn match_block(
        &self,
        scope: Scope,
        block: Block<'_>,
        frames: &mut dyn BatchFrames,
        state: &mut BlockState,
        best: &mut [u32],
    ) {
        state.clear(self.index.key_masks.len());
        let mut number = scope.group;
        while let Some(group) = self.index.groups.get(number as usize) {
            let tuples = group.tuples.start as usize..group.tuples.end as usize;
            for tuple in self.index.tuples.get(tuples).unwrap_or_default() {
                let Some(key_mask) = self.index.key_masks.get(tuple.key_mask as usize) else { continue };
                let BlockState { left, memory, .. } = &mut *state;
                let Some(left) = left.get_mut(tuple.key_mask as usize) else { continue };
                let left = *left.get_or_insert_with(|| {
                    let (words, size) = block.rows.words_from(block.first);
                    key_mask.candidates(
                        &self.index.prefilter,
                        memory,
                        words.get(..best.len() * size).unwrap_or_default(),
                        size,
                        best.len(),
                    )
                });
                if left != 0 {
                    self.match_tuple((tuple, key_mask), left, block, frames, state, best);
                }
            }
            number = group.parent;
        }
    }

    /// Looks up the rows that passed the prefilter. (A function of its own, since these are few: the caller's loop stays small.)
    #[inline(never)]
    fn match_tuple(
        &self,
        (tuple, key_mask): (&Tuple, &KeyMask),
        mut left: u64,
        block: Block<'_>,
        frames: &mut dyn BatchFrames,
        BlockState { src, dst, .. }: &mut BlockState,
        best: &mut [u32],
    ) {
        let (index, rules) = (&self.index, &self.rules);
        while left != 0 {
            let number = left.trailing_zeros() as usize;
            left &= left - 1;
            let (Some(best), Some(row)) = (best.get_mut(number), block.rows.get(block.first + number)) else {
                return;
            };
            let hash = fold(tuple.seed, key_mask.base_of(row.words()));
            let mut probe = |hash| self.probe(hash, block, (number, row), frames, best);
            match tuple.nets {
                Nets::None => probe(hash),
                Nets::Src => {
                    for node in index.src.chain(src.node(&index.src, rules.src_at, number, row)) {
                        probe(fold(hash, u64::from(node)));
                    }
                }
                Nets::Dst => {
                    for node in index.dst.chain(dst.node(&index.dst, rules.dst_at, number, row)) {
                        probe(fold(hash, u64::from(node)));
                    }
                }
                Nets::Both => {
                    let dst = dst.node(&index.dst, rules.dst_at, number, row);
                    for node in index.src.chain(src.node(&index.src, rules.src_at, number, row)) {
                        let hash = fold(hash, u64::from(node));
                        for node in index.dst.chain(dst) {
                            probe(fold(hash, u64::from(node)));
                        }
                    }
                }
            }
        }
    }

    /// Checks the rules that a hash leads to.
    #[inline]
    fn probe(
        &self,
        hash: u64,
        block: Block<'_>,
        (number, row): (usize, Row<'_>),
        frames: &mut dyn BatchFrames,
        best: &mut u32,
    ) {
        let view = View { row, strings: block.strings };
        for rule in self.index.table.find(hash).rules() {
            if *rule >= *best {
                return;
            }
            let Some(checked) = self.rules.octets_hold(*rule, row.words()) else { continue };
            let mut rest_holds = || {
                let mut frame = Lazy::new(frames.frames(block.first + number));
                self.rules.rest_holds(checked, &view, &mut frame)
            };
            if checked.is_octets() || rest_holds() {
                *best = *rule;
                return;
            }
        }
    }
}
