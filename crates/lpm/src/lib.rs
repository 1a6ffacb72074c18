//! Longest-prefix match: finds the longest of all prefixes that cover an address, as routers do.
//!
//! * [`Trie`] maps an address to a number: in 3 to 30 ns with a million prefixes, less if many addresses are
//!   looked up at once ([`Trie::lookup_many`]).
//! * [`PrefixMap`] maps an address or an exact prefix to a value of any type, and finds the shorter prefixes that cover the longest one.
//!
//! Both are built once, from a [`Sorted`] list, and never change, so threads share them without locks. To apply changes, build
//! a new one and swap. An address is a left-aligned number: `u32` for IPv4, `u128` for IPv6; the families are
//! separate.
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
//! The first bits of an address index a table (18 of them in a large trie: then most IPv4 prefixes of the Internet, which are
//! /24, end in the first node). An entry of the table is either an answer or a node. A node covers 6 further bits: of its 64
//! slots, some lead to further nodes and the others to answers. Neighbours mostly have the same answer, so only the first of
//! each run of equal answers is stored. Two 64-bit words mark these slots; counting their ones below a slot gives
//! the index of its node or answer.
//!
//! IPv6 prefixes are sparse, and most paths through the trie would have long stretches without a branch. There,
//! a node of another kind compares up to 64 bits at once, as in a path-compressed (Patricia) trie: addresses that match continue
//! after these bits, all others have one answer.
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

/// Written by [`Trie::lookup_many`] if no prefix covers the address.
pub const NONE: u32 = u32::MAX;

/// Values are below this number, and so are the nodes of a trie.
pub const LIMIT: u32 = 1 << 30;

/// Bits covered by a node.
const STRIDE: u32 = 6;

/// Marks an answer in the root table and among the leaves; [`NONE`] has this bit too.
const ANSWER: u32 = 1 << 31;

/// Marks in [`Node::nodes`] a node that compares bits.
const COMPARES: u32 = 1 << 31;

/// Marks in [`Node::nodes`] a node that compares bits and then leads to an answer.
const ENDS: u32 = 1 << 30;

/// How many lookups are interleaved.
const LANES: usize = 16;

/// A value was not below [`LIMIT`], or there are more prefixes than node numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {LIMIT} prefixes")
    }
}

impl std::error::Error for TooLarge {}

/// A node on the path from the root table to an answer.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The slots that lead to nodes; or the bits to compare, left-aligned.
    inner: u64,
    /// The slots where a run of equal answers starts; or a one for each bit to compare.
    starts: u64,
    /// Number of the node of the first slot that leads to one; or, marked, of the node after equal bits.
    nodes: u32,
    /// Index of the first run's answer; or the answer where bits differ.
    leaves: u32,
}

/// Prefixes of one family, each mapped to a number.
#[derive(Clone, Debug)]
pub struct Trie<A> {
    root: Box<[u32]>,
    /// Bits that index `root`.
    root_bits: u32,
    nodes: Box<[Node]>,
    leaves: Box<[u32]>,
    family: PhantomData<A>,
}

/// The state of a lookup: at a node, or at the answer.
#[derive(Clone, Copy, Default)]
struct Cursor {
    /// An answer, if marked with [`ANSWER`]; otherwise a node.
    at: u32,
    /// Bits of the address consumed so far.
    depth: u32,
}

impl<A: Address> Trie<A> {
    /// Builds the trie of these prefixes.
    ///
    /// # Errors
    /// If a number exceeds the limits of a trie.
    pub fn new(prefixes: &Sorted<A, u32>) -> Result<Self, TooLarge> {
        build::trie(prefixes.entries())
    }

    /// Returns the number of the longest prefix that covers the address.
    #[inline]
    pub fn lookup(&self, address: A) -> Option<u32> {
        let mut cursor = self.start(address);
        while cursor.at & ANSWER == 0 {
            cursor = self.step(address, cursor);
        }
        (cursor.at != NONE).then_some(cursor.at & !ANSWER)
    }

    /// Looks up many addresses: writes the number for each element of `addresses` to the element of `out` with the same
    /// index, or [`NONE`]. If one slice is longer, its rest is ignored. Lookups are interleaved, so that their
    /// memory accesses overlap.
    pub fn lookup_many(&self, addresses: &[A], out: &mut [u32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("popcnt") && std::arch::is_x86_feature_detected!("bmi2") {
            #[expect(unsafe_code, reason = "the processor has just reported these instructions")]
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
            // The count includes the slot itself.
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
