//! Which rows of a block have octets that any rule wants: nearly all others are left out here, several at a time.

use super::index::{fold, seed};
#[cfg(target_arch = "x86_64")]
use std::arch::is_x86_feature_detected;

/// Rows that are asked together: as many as a word has bits.
pub(super) const BLOCK: usize = 64;

/// Rows whose octets are hashed together: as many as registers of 256 bits have words. (Wider ones slow many machines down.)
const LANES: usize = 4;

type Lanes = [u64; LANES];

/// Octets of a row that a shape looks at: a word under a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) number: u32,
    pub(super) mask: u64,
}

impl Part {
    /// The octets of a row.
    #[inline(always)]
    pub(super) fn of(&self, row: &[u64]) -> u64 {
        row.get(self.number as usize).copied().unwrap_or(0) & self.mask
    }
}

/// The words of a block's rows, those of the same number side by side. A word is laid out when a look first asks for it.
#[derive(Clone, Debug, Default)]
struct Columns {
    /// By number of word.
    columns: Vec<Column>,
    /// Those that are laid out.
    filled: Vec<bool>,
}

type Column = [Lanes; BLOCK / LANES];

impl Columns {
    fn clear(&mut self) {
        self.filled.fill(false);
    }

    /// Lays out the words of that number, of rows of `size` words each.
    #[inline]
    fn fill(&mut self, number: usize, rows: &[u64], size: usize) {
        if number >= self.columns.len() {
            self.columns.resize(number + 1, [[0; LANES]; BLOCK / LANES]);
            self.filled.resize(number + 1, false);
        }
        let Some(filled) = self.filled.get_mut(number).filter(|filled| !**filled) else { return };
        let Some(column) = self.columns.get_mut(number) else { return };
        *filled = true;
        let places = column.as_flattened_mut().iter_mut();
        for (place, row) in places.zip(rows.chunks_exact(size)) {
            *place = row.get(number).copied().unwrap_or(0);
        }
    }

    #[inline(always)]
    fn lanes(&self, number: u32, at: usize) -> Lanes {
        let lanes = self.columns.get(number as usize).and_then(|column| column.get(at));
        lanes.copied().unwrap_or_default()
    }
}

/// What a block's rows ask of the sieve: where, and which bits.
#[derive(Clone, Debug, Default)]
struct Questions {
    places: Column,
    bits: Column,
}

/// Memory for [`Look::sift`].
#[derive(Clone, Debug, Default)]
pub(super) struct Sifting {
    columns: Columns,
    questions: Questions,
}

impl Sifting {
    /// Forgets the rows of the last block.
    pub(super) fn clear(&mut self) {
        self.columns.clear();
    }
}

/// Octets that shapes look at. Rows that are alike in them have one hash, the *base*, which shapes [`fold`] into hashes of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    seed: u64,
    parts: Box<[Weighed]>,
}

/// A part of a row and its factor in the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weighed {
    part: Part,
    factor: u64,
}

impl Weighed {
    /// What the part adds to the base. The upper bits of the sum of such products depend on all octets.
    #[inline(always)]
    fn weigh(&self, word: u64) -> u64 {
        let value = word & self.part.mask;
        (value ^ value >> 32).wrapping_mul(self.factor)
    }
}

impl Look {
    pub(super) fn new(number: u32, parts: impl IntoIterator<Item = Part>) -> Self {
        let factors = (1..).map(|n| fold(0x9fb2_1c65_1e98_df25, n) | 1);
        let weighed = |(part, factor)| Weighed { part, factor };
        Self { seed: seed(!number), parts: parts.into_iter().zip(factors).map(weighed).collect() }
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.parts.iter().map(|weighed| weighed.part)
    }

    /// The base of a rule, whose octets `value` gives.
    pub(super) fn base(&self, value: impl Fn(&Part) -> u64) -> u64 {
        let add = |sum: u64, weighed: &Weighed| sum.wrapping_add(weighed.weigh(value(&weighed.part)));
        self.parts.iter().fold(self.seed, add)
    }

    /// The base of a row.
    #[inline]
    pub(super) fn base_of(&self, row: &[u64]) -> u64 {
        self.base(|part| part.of(row))
    }

    /// Which of these rows the sieve lets through: a bit for each. Given are the words of at most [`BLOCK`] rows of `size` words, one
    /// after the other.
    #[inline]
    pub(super) fn sift(
        &self,
        sieve: &Sieve,
        sifting: &mut Sifting,
        rows: &[u64],
        size: usize,
        count: usize,
    ) -> u64 {
        let count = count.min(BLOCK);
        for weighed in &self.parts {
            sifting.columns.fill(weighed.part.number as usize, rows, size);
        }
        self.ask(&sifting.columns, &mut sifting.questions, count.div_ceil(LANES));
        sieve.answer(&sifting.questions, count)
    }

    /// Hashes the rows for the sieve, in as few instructions as this machine can.
    #[inline]
    fn ask(&self, columns: &Columns, questions: &mut Questions, used: usize) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
            #[expect(unsafe_code, reason = "only by asking the machine is it known what it can multiply")]
            // SAFETY: the machine has just said that it has these instructions, and what they need.
            return unsafe { self.ask_multiplying(columns, questions, used) };
        } else if is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "only by asking the machine is it known what it can shift")]
            // SAFETY: the machine has just said that it has these instructions.
            return unsafe { self.ask_shifting(columns, questions, used) };
        }
        self.ask_any(columns, questions, used);
    }

    /// The same, on machines that multiply four words at once.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512dq,avx512vl")]
    fn ask_multiplying(&self, columns: &Columns, questions: &mut Questions, used: usize) {
        self.ask_any(columns, questions, used);
    }

    /// The same, on machines that shift four words at once.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn ask_shifting(&self, columns: &Columns, questions: &mut Questions, used: usize) {
        self.ask_any(columns, questions, used);
    }

    #[inline(always)]
    fn ask_any(&self, columns: &Columns, questions: &mut Questions, used: usize) {
        // The usual numbers of parts are known to the compiler.
        match &*self.parts {
            [a] => ask(self.seed, &[*a], columns, questions, used),
            [a, b] => ask(self.seed, &[*a, *b], columns, questions, used),
            [a, b, c] => ask(self.seed, &[*a, *b, *c], columns, questions, used),
            parts => ask(self.seed, parts, columns, questions, used),
        }
    }
}

/// Loops, not closures, which would not be compiled for the lanes that the function around has.
#[inline(always)]
fn ask(seed: u64, parts: &[Weighed], columns: &Columns, questions: &mut Questions, used: usize) {
    for at in 0..used.min(BLOCK / LANES) {
        let mut bases = [seed; LANES];
        for weighed in parts {
            for (base, word) in bases.iter_mut().zip(columns.lanes(weighed.part.number, at)) {
                *base = base.wrapping_add(weighed.weigh(word));
            }
        }
        let (Some(places), Some(bits)) = (questions.places.get_mut(at), questions.bits.get_mut(at)) else {
            return;
        };
        for (place, base) in places.iter_mut().zip(bases) {
            *place = Sieve::place(base);
        }
        for (bits, base) in bits.iter_mut().zip(bases) {
            *bits = Sieve::bits(base);
        }
    }
}

/// Bits of a [`Sieve`] for each entry.
const SIEVE: usize = 16;

/// Most words of a sieve: half of a first-level cache. A hash says by its first 11 bits which one is its own.
const MOST_SIEVE: usize = 1 << 11;

/// Bits for each hash that leads anywhere, which some that do not share. It stays in the nearest cache, so that most of the hashes that
/// lead nowhere cost no look into a table. Only the upper bits of hashes count.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    /// A hash leads somewhere when its bits are 0.
    words: Box<[u64; MOST_SIEVE]>,
    /// How many of the words are in use, less one: a power of two less one.
    last: usize,
}

impl Default for Sieve {
    /// Lets nothing through.
    fn default() -> Self {
        Self { words: Box::new([u64::MAX; MOST_SIEVE]), last: 0 }
    }
}

impl Sieve {
    pub(super) fn new(hashes: impl ExactSizeIterator<Item = u64>) -> Self {
        let used = (hashes.len() * SIEVE / 64).next_power_of_two().min(MOST_SIEVE);
        let mut sieve = Self { last: used - 1, ..Self::default() };
        for hash in hashes {
            let place = Self::place(hash) as usize & sieve.last;
            if let Some(word) = sieve.words.get_mut(place) {
                *word &= !Self::bits(hash);
            }
        }
        sieve
    }

    /// Where the sieve answers for a hash, if all of it is in use.
    #[inline(always)]
    fn place(hash: u64) -> u64 {
        hash >> 53
    }

    /// Three bits of one word. One bit alone would let through six times as many in vain when the sieve is full.
    #[inline(always)]
    fn bits(hash: u64) -> u64 {
        1 << (hash >> 47 & 63) | 1 << (hash >> 41 & 63) | 1 << (hash >> 35 & 63)
    }

    #[inline(always)]
    fn passes(&self, place: u64, bits: u64) -> bool {
        self.words.get(place as usize & self.last & (MOST_SIEVE - 1)).is_some_and(|word| word & bits == 0)
    }

    /// For each row a bit: 0 for one whose hash leads nowhere, mostly. A function of its own, so that it is compiled for any machine:
    /// gathering words from memory by one instruction is slower on many than reading them one by one.
    #[inline(never)]
    fn answer(&self, questions: &Questions, count: usize) -> u64 {
        let Questions { places, bits } = questions;
        let mut passed = 0;
        for (at, (places, bits)) in places.iter().zip(bits).enumerate().take(count.div_ceil(LANES)) {
            // From the last row on, so that the bit of the first one comes to lie at the bottom. Doubled by addition, which takes the
            // bit along.
            let mut lanes = 0_u64;
            for (place, bits) in places.iter().zip(bits).rev() {
                lanes = lanes.wrapping_add(lanes).wrapping_add(u64::from(self.passes(*place, *bits)));
            }
            passed |= lanes << (at * LANES);
        }
        // Behind the last row there are words of other blocks.
        passed & u64::MAX.checked_shr((BLOCK - count) as u32).unwrap_or(0)
    }

    /// False for a hash that leads nowhere, mostly.
    #[inline(always)]
    pub(super) fn lets_through(&self, hash: u64) -> bool {
        self.passes(Self::place(hash), Self::bits(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that look like the fields of rows: few values, some of them large.
    fn rows(count: usize, size: usize) -> Vec<u64> {
        (0..(count * size) as u64).map(|n| fold(n, 7) % 50 * [1, 1 << 40, 3 << 20][n as usize % 3]).collect()
    }

    #[test]
    fn rows_are_sifted_as_one_by_one() {
        let size = 9;
        for parts in 0..=5 {
            let parts = (0..parts).map(|n| Part { number: n * 2 % 9, mask: u64::MAX >> (n * 7) });
            let look = Look::new(3, parts);
            let mut sifting = Sifting::default();
            for count in 0..=BLOCK {
                let rows = rows(count, size);
                let wanted = rows.chunks_exact(size).step_by(5).map(|row| look.base_of(row));
                let sieve = Sieve::new(wanted.collect::<Vec<_>>().into_iter());
                sifting.clear();
                let passed = look.sift(&sieve, &mut sifting, &rows, size, count);
                let passes = |(n, row)| u64::from(sieve.lets_through(look.base_of(row))) << n;
                assert_eq!(passed, rows.chunks_exact(size).enumerate().map(passes).sum::<u64>());
                assert!((0..count).step_by(5).all(|n| passed >> n & 1 == 1), "what is wanted passes");

                let mut plain = Questions::default();
                look.ask_any(&sifting.columns, &mut plain, count.div_ceil(LANES));
                let used = ..count;
                for (plain, lanes) in
                    [(&plain.places, &sifting.questions.places), (&plain.bits, &sifting.questions.bits)]
                {
                    assert_eq!(plain.as_flattened().get(used), lanes.as_flattened().get(used));
                }
            }
        }
    }

    #[test]
    fn few_pass_in_vain() {
        let hash = |n| fold(seed(1), n);
        let sieve = Sieve::new((0..8000).map(hash).collect::<Vec<_>>().into_iter());
        assert!((0..8000).all(|n| sieve.lets_through(hash(n))));
        let in_vain = (8000..108_000).filter(|n| sieve.lets_through(hash(*n))).count();
        assert!(in_vain < 2000, "{in_vain} of 100,000");
        assert!(!Sieve::default().lets_through(hash(1)));
    }
}
