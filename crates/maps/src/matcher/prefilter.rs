//! The prefilter: finds the rows of a block whose key may be that of a rule. It rules out nearly all others, several at a time.

use super::index::{fold, seed};
#[cfg(target_arch = "x86_64")]
use std::arch::is_x86_feature_detected;

/// Rows that are tested together: the bits of a word.
pub(super) const BLOCK: usize = 64;

/// Rows whose octets are hashed together: the words of a 256-bit register. (Wider registers slow many processors down.)
const LANES: usize = 4;

type Lanes = [u64; LANES];

/// A part of a key: a word of a row under a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) number: u32,
    pub(super) mask: u64,
}

impl Part {
    /// Returns the octets of a row under the mask.
    #[inline(always)]
    pub(super) fn of(&self, row: &[u64]) -> u64 {
        row.get(self.number as usize).copied().unwrap_or(0) & self.mask
    }
}

/// The words of a block's rows, transposed: words with the same number are adjacent. A word is transposed when a mask first needs it.
#[derive(Clone, Debug, Default)]
struct Columns {
    /// By word number.
    columns: Vec<Column>,
    /// Which words are transposed.
    filled: Vec<bool>,
}

type Column = [Lanes; BLOCK / LANES];

impl Columns {
    fn clear(&mut self) {
        self.filled.fill(false);
    }

    /// Transposes this word of rows of `size` words each.
    #[inline]
    fn fill(&mut self, number: usize, rows: &[u64], size: usize) {
        if number >= self.columns.len() {
            self.columns.resize(number + 1, [[0; LANES]; BLOCK / LANES]);
            self.filled.resize(number + 1, false);
        }
        let Some(filled) = self.filled.get_mut(number).filter(|filled| !**filled) else { return };
        let Some(column) = self.columns.get_mut(number) else { return };
        *filled = true;
        for (to, row) in column.as_flattened_mut().iter_mut().zip(rows.chunks_exact(size)) {
            *to = row.get(number).copied().unwrap_or(0);
        }
    }

    #[inline(always)]
    fn lanes(&self, number: u32, at: usize) -> Lanes {
        let lanes = self.columns.get(number as usize).and_then(|column| column.get(at));
        lanes.copied().unwrap_or_default()
    }
}

/// The filter probes of a block's rows: which word, and which of its bits.
#[derive(Clone, Debug, Default)]
struct Probes {
    indexes: Column,
    bits: Column,
}

/// Memory of [`KeyMask::candidates`].
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    columns: Columns,
    probes: Probes,
}

impl Memory {
    /// Discards the rows of the last block.
    pub(super) fn clear(&mut self) {
        self.columns.clear();
    }
}

/// The bits of rows that form the keys of tuples. Rows that agree in them have one hash, the *base*, which tuples [`fold`] into
/// hashes of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyMask {
    seed: u64,
    parts: Box<[WeightedPart]>,
}

/// A part of a row, and its factor in the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WeightedPart {
    part: Part,
    factor: u64,
}

impl WeightedPart {
    /// The part's contribution to the base. The upper bits of the sum of such products depend on all octets.
    #[inline(always)]
    fn weighted(&self, word: u64) -> u64 {
        let value = word & self.part.mask;
        (value ^ value >> 32).wrapping_mul(self.factor)
    }
}

impl KeyMask {
    pub(super) fn new(number: u32, parts: impl IntoIterator<Item = Part>) -> Self {
        let factors = (1..).map(|n| fold(0x9fb2_1c65_1e98_df25, n) | 1);
        let weighed = |(part, factor)| WeightedPart { part, factor };
        Self { seed: seed(!number), parts: parts.into_iter().zip(factors).map(weighed).collect() }
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.parts.iter().map(|weighed| weighed.part)
    }

    /// The base of a rule, whose octets `value` returns.
    pub(super) fn base(&self, value: impl Fn(&Part) -> u64) -> u64 {
        let add = |sum: u64, weighed: &WeightedPart| sum.wrapping_add(weighed.weighted(value(&weighed.part)));
        self.parts.iter().fold(self.seed, add)
    }

    /// The base of a row.
    #[inline]
    pub(super) fn base_of(&self, row: &[u64]) -> u64 {
        self.base(|part| part.of(row))
    }

    /// Returns a bit for each row that passes the filter. The input is the words of at most [`BLOCK`] rows of `size` words, one
    /// row after the other.
    #[inline]
    pub(super) fn candidates(
        &self,
        filter: &BloomFilter,
        memory: &mut Memory,
        rows: &[u64],
        size: usize,
        count: usize,
    ) -> u64 {
        let count = count.min(BLOCK);
        for weighed in &self.parts {
            memory.columns.fill(weighed.part.number as usize, rows, size);
        }
        self.hash(&memory.columns, &mut memory.probes, count.div_ceil(LANES));
        filter.test(&memory.probes, count)
    }

    /// Hashes the rows for the filter, with the best instructions of this processor.
    #[inline]
    fn hash(&self, columns: &Columns, probes: &mut Probes, used: usize) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
            #[expect(unsafe_code, reason = "the processor has just reported these instructions")]
            // SAFETY: the processor has just reported these instructions and their prerequisites.
            return unsafe { self.hash_avx512(columns, probes, used) };
        } else if is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "the processor has just reported these instructions")]
            // SAFETY: the processor has just reported these instructions.
            return unsafe { self.hash_avx2(columns, probes, used) };
        }
        self.hash_any(columns, probes, used);
    }

    /// As `hash_any`, for processors that multiply four words at once.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512dq,avx512vl")]
    fn hash_avx512(&self, columns: &Columns, probes: &mut Probes, used: usize) {
        self.hash_any(columns, probes, used);
    }

    /// As `hash_any`, for processors that shift four words at once.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn hash_avx2(&self, columns: &Columns, probes: &mut Probes, used: usize) {
        self.hash_any(columns, probes, used);
    }

    #[inline(always)]
    fn hash_any(&self, columns: &Columns, probes: &mut Probes, used: usize) {
        // The compiler knows the usual numbers of parts.
        match &*self.parts {
            [a] => hash(self.seed, &[*a], columns, probes, used),
            [a, b] => hash(self.seed, &[*a, *b], columns, probes, used),
            [a, b, c] => hash(self.seed, &[*a, *b, *c], columns, probes, used),
            parts => hash(self.seed, parts, columns, probes, used),
        }
    }
}

/// Loops, not closures: closures would not be compiled for the vector instructions of the enclosing function.
#[inline(always)]
fn hash(seed: u64, parts: &[WeightedPart], columns: &Columns, probes: &mut Probes, used: usize) {
    for at in 0..used.min(BLOCK / LANES) {
        let mut bases = [seed; LANES];
        for weighed in parts {
            for (base, word) in bases.iter_mut().zip(columns.lanes(weighed.part.number, at)) {
                *base = base.wrapping_add(weighed.weighted(word));
            }
        }
        let (Some(indexes), Some(bits)) = (probes.indexes.get_mut(at), probes.bits.get_mut(at)) else {
            return;
        };
        for (index, base) in indexes.iter_mut().zip(bases) {
            *index = BloomFilter::index(base);
        }
        for (bits, base) in bits.iter_mut().zip(bases) {
            *bits = BloomFilter::bits(base);
        }
    }
}

/// Bits of a [`BloomFilter`] for each entry.
const BITS_PER_HASH: usize = 16;

/// Limit on the words of a filter: half of a first-level cache. The first 11 bits of a hash select its word.
const MAX_WORDS: usize = 1 << 11;

/// Bits for each hash that has an entry, some of them shared. The filter stays in the first-level cache, so most of the hashes without
/// an entry cost no table lookup. Only the upper bits of hashes count.
#[derive(Clone, Debug)]
pub(super) struct BloomFilter {
    /// A hash may have an entry if its bits are 0.
    words: Box<[u64; MAX_WORDS]>,
    /// Number of words in use, minus one: a power of two minus one.
    last: usize,
}

impl Default for BloomFilter {
    /// Lets no hash pass.
    fn default() -> Self {
        Self { words: Box::new([u64::MAX; MAX_WORDS]), last: 0 }
    }
}

impl BloomFilter {
    pub(super) fn new(hashes: impl ExactSizeIterator<Item = u64>) -> Self {
        let used = (hashes.len() * BITS_PER_HASH / 64).next_power_of_two().min(MAX_WORDS);
        let mut filter = Self { last: used - 1, ..Self::default() };
        for hash in hashes {
            let index = Self::index(hash) as usize & filter.last;
            if let Some(word) = filter.words.get_mut(index) {
                *word &= !Self::bits(hash);
            }
        }
        filter
    }

    /// Index of the word for a hash, if the whole filter is in use.
    #[inline(always)]
    fn index(hash: u64) -> u64 {
        hash >> 53
    }

    /// Three bits of one word. With a single bit, a full filter would have six times as many false positives.
    #[inline(always)]
    fn bits(hash: u64) -> u64 {
        1 << (hash >> 47 & 63) | 1 << (hash >> 41 & 63) | 1 << (hash >> 35 & 63)
    }

    #[inline(always)]
    fn passes(&self, index: u64, bits: u64) -> bool {
        self.words.get(index as usize & self.last & (MAX_WORDS - 1)).is_some_and(|word| word & bits == 0)
    }

    /// Returns a bit for each row: 0 for most hashes without an entry. A function of its own, compiled for any processor:
    /// on many, a gather instruction is slower than single loads.
    #[inline(never)]
    fn test(&self, probes: &Probes, count: usize) -> u64 {
        let Probes { indexes, bits } = probes;
        let mut passed = 0;
        for (at, (indexes, bits)) in indexes.iter().zip(bits).enumerate().take(count.div_ceil(LANES)) {
            // From the last row on, so that the bit of the first row ends up lowest. The addition doubles the result and adds the carry
            // bit.
            let mut lanes = 0_u64;
            for (index, bits) in indexes.iter().zip(bits).rev() {
                lanes = lanes.wrapping_add(lanes).wrapping_add(u64::from(self.passes(*index, *bits)));
            }
            passed |= lanes << (at * LANES);
        }
        // The words after the last row belong to other blocks.
        passed & u64::MAX.checked_shr((BLOCK - count) as u32).unwrap_or(0)
    }

    /// False for most hashes without an entry.
    #[inline(always)]
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        self.passes(Self::index(hash), Self::bits(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that resemble the fields of rows: few values, some of them large.
    fn rows(count: usize, size: usize) -> Vec<u64> {
        (0..(count * size) as u64).map(|n| fold(n, 7) % 50 * [1, 1 << 40, 3 << 20][n as usize % 3]).collect()
    }

    #[test]
    fn testing_a_block_agrees_with_testing_single_rows() {
        let size = 9;
        for parts in 0..=5 {
            let parts = (0..parts).map(|n| Part { number: n * 2 % 9, mask: u64::MAX >> (n * 7) });
            let key_mask = KeyMask::new(3, parts);
            let mut memory = Memory::default();
            for count in 0..=BLOCK {
                let rows = rows(count, size);
                let wanted = rows.chunks_exact(size).step_by(5).map(|row| key_mask.base_of(row));
                let filter = BloomFilter::new(wanted.collect::<Vec<_>>().into_iter());
                memory.clear();
                let passed = key_mask.candidates(&filter, &mut memory, &rows, size, count);
                let passes = |(n, row)| u64::from(filter.may_contain(key_mask.base_of(row))) << n;
                assert_eq!(passed, rows.chunks_exact(size).enumerate().map(passes).sum::<u64>());
                assert!((0..count).step_by(5).all(|n| passed >> n & 1 == 1), "what is wanted passes");

                let mut plain = Probes::default();
                key_mask.hash_any(&memory.columns, &mut plain, count.div_ceil(LANES));
                let used = ..count;
                for (plain, lanes) in
                    [(&plain.indexes, &memory.probes.indexes), (&plain.bits, &memory.probes.bits)]
                {
                    assert_eq!(plain.as_flattened().get(used), lanes.as_flattened().get(used));
                }
            }
        }
    }

    #[test]
    fn false_positives_are_few() {
        let hash = |n| fold(seed(1), n);
        let filter = BloomFilter::new((0..8000).map(hash).collect::<Vec<_>>().into_iter());
        assert!((0..8000).all(|n| filter.may_contain(hash(n))));
        let false_positives = (8000..108_000).filter(|n| filter.may_contain(hash(*n))).count();
        assert!(false_positives < 2000, "{false_positives} of 100,000");
        assert!(!BloomFilter::default().may_contain(hash(1)));
    }
}
