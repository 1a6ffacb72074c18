//! Longest-prefix match: of all prefixes that cover an address, the longest, as routers choose routes.
//!
//! * [`Trie`] finds a number for an address: 3 to 30 ns each in a table of a million prefixes, less when many addresses are
//!   looked up at once ([`Trie::lookup_many`]).
//! * [`PrefixMap`] finds values of any type, also by the exact prefix, and the shorter prefixes around the longest one.
//!
//! Both are built once, from a [`Sorted`] list, and never change, so threads share them without locks. To follow changes, build
//! another one and swap. An address is a number with its first bit on top: `u32` for IPv4, `u128` for IPv6; families are
//! apart.
//!
//! ```
//! use lpm::{Entry, PrefixMap, Sorted};
//! use std::net::Ipv4Addr;
//!
//! let entry = |address: [u8; 4], length, value| Entry::new(u32::from_be_bytes(address), length, value);
//! let routes = Sorted::new(vec![entry([10, 0, 0, 0], 8, "core"), entry([10, 1, 0, 0], 16, "branch")]);
//! let routes = PrefixMap::new(routes)?;
//! let found = routes.longest(Ipv4Addr::new(10, 1, 2, 3).to_bits()).unwrap();
//! assert_eq!((*found.value(), found.len()), ("branch", 16));
//! # Ok::<(), lpm::TooLarge>(())
//! ```
//!
//! # The data structure
//!
//! The trie is a *Poptrie*: H. Asai and Y. Ohara, "Poptrie: A Compressed Trie with Population Count for Fast and Scalable
//! Software IP Routing Table Lookup", SIGCOMM 2015.
//!
//! ```text
//!  address   0              18      24      30 32
//!            ├── root table ─┼─ node ┼─ node ┼─ node
//!                                    └ leaves
//! ```
//!
//! The first bits of an address index a table (18 of them in a large trie: then most IPv4 prefixes of the Internet, the
//! /24, end with the first node). An entry of the table is either an answer or a node. A node looks at 6 bits more: of its 64
//! slots some lead to further nodes and the others to answers, and since neighbours mostly have the same answer, only the first of
//! each run of equal answers is stored. Two words of 64 bits say which slots are which; counting their ones below a slot gives
//! the index of its node or answer.
//!
//! Prefixes of IPv6 are few for so many bits, and most paths through its trie would have long stretches without a branch. There
//! a node of another kind compares up to 64 bits at once, as in a path-compressed (Patricia) trie: addresses that match go on
//! behind them, all others have one answer.
//!
//! Answers are numbers below [`LIMIT`], such as the index of a record. The trie does not store how long the prefix was.
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unwrap_used))]

mod address;
mod build;
mod list;
mod map;
#[cfg(test)]
mod tests;

pub use address::Address;
pub use list::{Entry, Sorted};
pub use map::PrefixMap;

use std::fmt;
use std::marker::PhantomData;

/// What [`Trie::lookup_many`] writes where no prefix covers the address.
pub const NONE: u32 = u32::MAX;

/// Values are below this number, and so are the nodes of a trie.
pub const LIMIT: u32 = 1 << 30;

/// Bits that a node looks at.
const STRIDE: u32 = 6;

/// Mark of an answer in the root table and among the leaves; [`NONE`] has it too.
const ANSWER: u32 = 1 << 31;

/// Mark in [`Node::nodes`] of a node that compares bits.
const COMPARES: u32 = 1 << 31;

/// Mark in [`Node::nodes`] of a node that compares bits, and then is at an answer.
const ENDS: u32 = 1 << 30;

/// How many lookups run side by side.
const LANES: usize = 16;

/// A value was not below [`LIMIT`], or there are more prefixes than nodes can be numbered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {LIMIT} prefixes")
    }
}

impl std::error::Error for TooLarge {}

/// A step of the way from the root table to an answer.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The slots that lead to nodes; or the bits to compare, from the top on.
    inner: u64,
    /// The slots where a run of equal answers starts; or a one for each bit to compare.
    starts: u64,
    /// Number of the node of the first slot that leads to one; or, marked, of the one behind equal bits.
    nodes: u32,
    /// Index of the first run's answer; or the answer where bits differ.
    leaves: u32,
}

/// Prefixes of one family, each with a number.
#[derive(Clone, Debug)]
pub struct Trie<A> {
    root: Box<[u32]>,
    /// Bits that index `root`.
    root_bits: u32,
    nodes: Box<[Node]>,
    leaves: Box<[u32]>,
    family: PhantomData<A>,
}

/// How far a lookup has come: to a node, or to the answer.
#[derive(Clone, Copy, Default)]
struct Cursor {
    /// Marked with [`ANSWER`], or a node.
    at: u32,
    /// Bits of the address that led there.
    depth: u32,
}

impl<A: Address> Trie<A> {
    /// The trie of these prefixes.
    ///
    /// # Errors
    /// When a number exceeds what a trie can hold.
    pub fn new(prefixes: &Sorted<A, u32>) -> Result<Self, TooLarge> {
        build::trie(prefixes.entries())
    }

    /// The number of the longest prefix that covers the address.
    #[inline]
    pub fn lookup(&self, address: A) -> Option<u32> {
        let mut cursor = self.start(address);
        while cursor.at & ANSWER == 0 {
            cursor = self.step(address, cursor);
        }
        (cursor.at != NONE).then_some(cursor.at & !ANSWER)
    }

    /// Looks up many addresses: writes to each element of `out` the number for the element of `addresses` with the same
    /// index, or [`NONE`]. Where one slice is longer, the rest of it is ignored. Lookups run side by side, so that their
    /// memory accesses overlap.
    pub fn lookup_many(&self, addresses: &[A], out: &mut [u32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("popcnt") && std::arch::is_x86_feature_detected!("bmi2") {
            #[expect(unsafe_code, reason = "the processor is asked for these instructions just before")]
            // SAFETY: the processor has just reported these instructions.
            return unsafe { self.lookup_many_counting(addresses, out) };
        }
        self.lookup_all(addresses, out);
    }

    /// As `lookup_all`, for processors that count ones and shift by any register in one instruction: half of the work of a
    /// step.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "popcnt,bmi2")]
    fn lookup_many_counting(&self, addresses: &[A], out: &mut [u32]) {
        self.lookup_all(addresses, out);
    }

    #[inline(always)]
    fn lookup_all(&self, addresses: &[A], out: &mut [u32]) {
        for (addresses, out) in addresses.chunks(LANES).zip(out.chunks_mut(LANES)) {
            let mut cursors = [Cursor::default(); LANES];
            let mut going = false;
            for (cursor, address) in cursors.iter_mut().zip(addresses) {
                *cursor = self.start(*address);
                going |= cursor.at & ANSWER == 0;
            }
            while going {
                going = false;
                for (cursor, address) in cursors.iter_mut().zip(addresses) {
                    if cursor.at & ANSWER == 0 {
                        *cursor = self.step(*address, *cursor);
                        going |= cursor.at & ANSWER == 0;
                    }
                }
            }
            for ((out, cursor), _) in out.iter_mut().zip(cursors).zip(addresses) {
                *out = if cursor.at == NONE { NONE } else { cursor.at & !ANSWER };
            }
        }
    }

    /// Bytes of memory.
    pub fn size(&self) -> usize {
        size_of_val(&*self.root) + size_of_val(&*self.nodes) + size_of_val(&*self.leaves)
    }

    #[inline(always)]
    fn start(&self, address: A) -> Cursor {
        let at = self.root.get(address.slice(0, self.root_bits)).copied().unwrap_or(NONE);
        Cursor { at, depth: self.root_bits }
    }

    #[inline(always)]
    fn step(&self, address: A, cursor: Cursor) -> Cursor {
        let Some(node) = self.nodes.get(cursor.at as usize) else {
            return Cursor { at: NONE, ..cursor };
        };
        if A::SKIPS && node.nodes & COMPARES != 0 {
            return node.compare(address, cursor.depth);
        }
        let slot = address.slice(cursor.depth, STRIDE);
        let below = u64::MAX >> (63 - slot);
        let depth = cursor.depth + STRIDE;
        if node.inner >> slot & 1 == 1 {
            // One too many is counted: the slot itself.
            return Cursor { at: (node.nodes + (node.inner & below).count_ones()).wrapping_sub(1), depth };
        }
        let leaf = (node.leaves + (node.starts & below).count_ones()).wrapping_sub(1);
        Cursor { at: self.leaves.get(leaf as usize).copied().unwrap_or(NONE), depth }
    }
}

impl Node {
    #[inline(always)]
    fn compare<A: Address>(&self, address: A, depth: u32) -> Cursor {
        let at = if (address.window(depth) ^ self.inner) & self.starts != 0 {
            self.leaves
        } else if self.nodes & ENDS != 0 {
            self.nodes & !(COMPARES | ENDS) | ANSWER
        } else {
            self.nodes & !COMPARES
        };
        Cursor { at, depth: depth + self.starts.leading_ones() }
    }
}

impl<A: Address> Default for Trie<A> {
    /// A trie without prefixes.
    fn default() -> Self {
        Self {
            root: Box::new([NONE; 2]),
            root_bits: 1,
            nodes: Box::default(),
            leaves: Box::default(),
            family: PhantomData,
        }
    }
}
