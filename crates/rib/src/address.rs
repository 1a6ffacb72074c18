//! The addresses of both families as unsigned numbers, left-aligned, and the positions of prefixes in a node.

use crate::trash::Trash;
use crate::tree::Node;
use std::fmt::Debug;

/// Bits that a node covers.
pub(crate) const STRIDE: u8 = 6;

/// An address: `u32` for IPv4, `u128` for IPv6.
pub(crate) trait Address: Copy + Ord + Debug + Default + 'static {
    /// An address in memory, aligned to 8 bytes at most.
    type Packed: Copy + Debug + Default;

    fn pack(self) -> Self::Packed;
    fn unpack(packed: Self::Packed) -> Self;

    /// The address of a prefix or host, from 128 left-aligned bits.
    fn of_bits(bits: u128) -> Self;

    /// Left-aligned in 128 bits.
    fn bits(self) -> u128;

    /// The six bits from bit `from` on, as a number; bits after the last are zero. `from` is below the width.
    fn slot(self, from: u8) -> u8;

    /// This address with all but its first `len` bits zero.
    fn truncated(self, len: u8) -> Self;

    /// Length of the common prefix of two addresses.
    fn common(self, other: Self) -> u8;

    /// Whether the first `len` bits of two addresses are equal. `len` is from 1 to the width.
    fn shares(self, other: Self, len: u8) -> bool;

    /// The address whose six bits from bit `from` on are `slot`, and whose other bits are zero.
    fn of_slot(slot: u8, from: u8) -> Self;

    /// Where memory of nodes waits to be freed.
    fn nodes(trash: &mut Trash) -> &mut Vec<Vec<Node<Self>>>;
}

impl Address for u32 {
    type Packed = Self;

    #[inline]
    fn pack(self) -> Self {
        self
    }

    #[inline]
    fn unpack(packed: Self) -> Self {
        packed
    }

    #[inline]
    fn of_bits(bits: u128) -> Self {
        (bits >> 96) as Self
    }

    #[inline]
    fn bits(self) -> u128 {
        u128::from(self) << 96
    }

    #[inline]
    fn slot(self, from: u8) -> u8 {
        (self.wrapping_shl(u32::from(from)) >> (32 - STRIDE)) as u8
    }

    #[inline]
    fn truncated(self, len: u8) -> Self {
        self & Self::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0)
    }

    #[inline]
    fn common(self, other: Self) -> u8 {
        (self ^ other).leading_zeros() as u8
    }

    #[inline]
    fn shares(self, other: Self, len: u8) -> bool {
        (self ^ other).wrapping_shr(32 - u32::from(len)) == 0
    }

    #[inline]
    fn of_slot(slot: u8, from: u8) -> Self {
        (Self::from(slot) << (Self::BITS - u32::from(STRIDE))).wrapping_shr(u32::from(from))
    }

    fn nodes(trash: &mut Trash) -> &mut Vec<Vec<Node<Self>>> {
        &mut trash.v4
    }
}

impl Address for u128 {
    type Packed = [u64; 2];

    #[inline]
    fn pack(self) -> [u64; 2] {
        [(self >> 64) as u64, self as u64]
    }

    #[inline]
    fn unpack([high, low]: [u64; 2]) -> Self {
        Self::from(high) << 64 | Self::from(low)
    }

    #[inline]
    fn of_bits(bits: u128) -> Self {
        bits
    }

    #[inline]
    fn bits(self) -> u128 {
        self
    }

    #[inline]
    fn slot(self, from: u8) -> u8 {
        (self.wrapping_shl(u32::from(from)) >> (128 - STRIDE)) as u8
    }

    #[inline]
    fn truncated(self, len: u8) -> Self {
        self & Self::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0)
    }

    #[inline]
    fn common(self, other: Self) -> u8 {
        (self ^ other).leading_zeros() as u8
    }

    #[inline]
    fn shares(self, other: Self, len: u8) -> bool {
        (self ^ other).wrapping_shr(128 - u32::from(len)) == 0
    }

    #[inline]
    fn of_slot(slot: u8, from: u8) -> Self {
        (Self::from(slot) << (Self::BITS - u32::from(STRIDE))).wrapping_shr(u32::from(from))
    }

    fn nodes(trash: &mut Trash) -> &mut Vec<Vec<Node<Self>>> {
        &mut trash.v6
    }
}

/// Depth of the node that has the prefixes of a length from 1 on: the largest of 1, 7, 13, ... that is not above the length.
/// So the lengths 19 to 24 lie in one node, and 43 to 48, which most prefixes of the Internet have.
#[inline]
pub(crate) const fn node_depth(len: u8) -> u8 {
    (len - 1) / STRIDE * STRIDE + 1
}

/// Position of a prefix in a node: `level` is how many bits it has beyond the depth of the node, from 0 to 5, and `slot` is the first
/// slot that it covers. Positions count the 63 possible prefixes as a dump shows them: each before those that it covers.
#[inline]
pub(crate) const fn position(slot: u8, level: u8) -> u32 {
    // Without the ones in it, `slot` is the number of prefixes that are neither before nor above.
    level as u32 + slot as u32 - slot.count_ones()
}

/// For each pair of slots: the positions of the prefixes that cover it. The higher one is the longer prefix.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
pub(crate) static COVERING: [u64; 32] = {
    let mut all = [0; 32];
    let mut pair = 0;
    while pair < 32 {
        let mut level = 0;
        while level < STRIDE {
            let first = (pair as u8) << 1 & !(0x3f >> level);
            all[pair] |= 1 << position(first, level);
            level += 1;
        }
        pair += 1;
    }
    all
};

/// For each position: the first slot and the level of its prefix.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
pub(crate) static PREFIXES: [(u8, u8); 64] = {
    let mut all = [(0, 0); 64];
    let mut level = 0;
    while level < STRIDE {
        let mut number = 0;
        while number < 1 << level {
            let slot = number << (STRIDE - level);
            all[position(slot, level) as usize] = (slot, level);
            number += 1;
        }
        level += 1;
    }
    all
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_the_order_of_prefixes() {
        let mut seen = Vec::new();
        for level in 0..STRIDE {
            for number in 0..1u8 << level {
                seen.push((number << (STRIDE - level), level));
            }
        }
        seen.sort_unstable();
        for (i, (slot, level)) in seen.into_iter().enumerate() {
            assert_eq!(position(slot, level) as usize, i);
            assert_eq!(PREFIXES[i], (slot, level));
        }
    }

    #[test]
    fn six_prefixes_cover_each_slot() {
        for slot in 0..64u8 {
            let mut covering = COVERING[usize::from(slot >> 1)];
            assert_eq!(covering.count_ones(), 6);
            while covering != 0 {
                let (first, level) = PREFIXES[covering.trailing_zeros() as usize];
                assert_eq!(slot & !(0x3f >> level), first);
                covering &= covering - 1;
            }
        }
    }

    #[test]
    fn lengths_that_are_common_share_a_node() {
        assert_eq!(
            [1, 6, 7, 18, 19, 24, 25, 32, 43, 48, 127, 128].map(node_depth),
            [1, 1, 7, 13, 19, 19, 25, 31, 43, 43, 127, 127]
        );
    }
}
