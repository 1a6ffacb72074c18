//! The addresses of both families as unsigned numbers, left-aligned.

use std::fmt::Debug;
use std::hash::Hash;

/// An address: `u32` for IPv4, `u128` for IPv6. The trait is sealed.
pub trait Address: Copy + Ord + Hash + Debug + Default + sealed::Bits + 'static {
    /// Bits of an address.
    const WIDTH: u8;
}

impl Address for u32 {
    const WIDTH: u8 = 32;
}

impl Address for u128 {
    const WIDTH: u8 = 128;
}

pub(crate) mod sealed {
    /// The bit operations of a trie.
    pub trait Bits: Sized {
        /// Whether paths without branches are compressed. An IPv4 trie has too few of them to justify the test.
        const SKIPS: bool;

        /// The `count` bits from bit `from` on, as a number; bits after the last are zero.
        /// `from` is below the width, and `count` is from 1 to 18.
        fn slice(self, from: u32, count: u32) -> usize;

        /// The 64 bits from bit `from` on, left-aligned; bits after the last are zero. `from` is below the width.
        fn window(self, from: u32) -> u64;

        /// This address with all but its first `len` bits zero.
        fn truncated(self, len: u8) -> Self;

        /// Length of the common prefix of two addresses.
        fn common(self, other: Self) -> u32;
    }

    impl Bits for u32 {
        const SKIPS: bool = false;

        #[inline]
        fn slice(self, from: u32, count: u32) -> usize {
            (self.wrapping_shl(from) >> (32 - count)) as usize
        }

        #[inline]
        fn window(self, from: u32) -> u64 {
            u64::from(self.wrapping_shl(from)) << 32
        }

        #[inline]
        fn truncated(self, len: u8) -> Self {
            self & Self::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0)
        }

        #[inline]
        fn common(self, other: Self) -> u32 {
            (self ^ other).leading_zeros()
        }
    }

    impl Bits for u128 {
        const SKIPS: bool = true;

        #[inline]
        fn slice(self, from: u32, count: u32) -> usize {
            (self.window(from) >> (64 - count)) as usize
        }

        #[inline]
        fn window(self, from: u32) -> u64 {
            (self.wrapping_shl(from) >> 64) as u64
        }

        #[inline]
        fn truncated(self, len: u8) -> Self {
            self & Self::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0)
        }

        #[inline]
        fn common(self, other: Self) -> u32 {
            (self ^ other).leading_zeros()
        }
    }
}
