//! The longest prefix that covers an address.
//!
//! A [`Trie`] is built once from a [`Sorted`] list and never changes; who has newer prefixes builds another one and swaps.
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
//! each run of equal answers is stored. Two words of 64 bits say which slots are which; counting their ones below a slot tells where
//! its node or answer lies. The scheme is that of Asai and Ohara, "Poptrie" (SIGCOMM 2015).
//!
//! Prefixes of IPv6 are few for so many bits, and most paths through its trie would have long stretches without a branch. There
//! a node of another kind compares up to 64 bits at once: those that match go on behind them, all others have one answer.
//!
//! Answers are numbers below [`LIMIT`], the place of a record, say. That record also knows how long the prefix was: the trie does
//! not. Who wants the shorter prefixes around the longest one takes [`Covers`].

mod address;
mod build;
mod covers;
mod list;
#[cfg(test)]
mod tests;

pub use address::Address;
pub use covers::Covers;
pub use list::{Entry, Sorted};

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

/// How many lookups go side by side.
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
    /// Place of the first run's answer; or the answer where bits differ.
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

/// Where a lookup is: at a node, or at the answer.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Marked with [`ANSWER`], or a node.
    at: u32,
    /// Bits that were looked at.
    seen: u32,
}

impl<A: Address> Trie<A> {
    /// The trie of these prefixes.
    ///
    /// # Errors
    /// When a number exceeds what a trie can hold.
    pub fn new(prefixes: &Sorted<A>) -> Result<Self, TooLarge> {
        build::trie(prefixes.entries())
    }

    /// The number of the longest prefix that covers the address.
    #[inline]
    pub fn lookup(&self, address: A) -> Option<u32> {
        let mut place = self.start(address);
        while place.at & ANSWER == 0 {
            place = self.step(address, place);
        }
        (place.at != NONE).then_some(place.at & !ANSWER)
    }

    /// The same for many addresses: each answer, or [`NONE`], is written to the place of `out` that its address has in
    /// `addresses`; what one of the slices has more is left alone. Lookups go side by side, so that they
    /// wait for memory together.
    pub fn lookup_many(&self, addresses: &[A], out: &mut [u32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("popcnt") && std::arch::is_x86_feature_detected!("bmi2") {
            #[expect(unsafe_code, reason = "only by asking the machine is it known to count ones by itself")]
            // SAFETY: the machine has just said that it has these instructions.
            return unsafe { self.lookup_many_counting(addresses, out) };
        }
        self.lookup_all(addresses, out);
    }

    /// The same, on machines that count ones and shift by any register in one instruction: half of the work of a step.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "popcnt,bmi2")]
    fn lookup_many_counting(&self, addresses: &[A], out: &mut [u32]) {
        self.lookup_all(addresses, out);
    }

    #[inline(always)]
    fn lookup_all(&self, addresses: &[A], out: &mut [u32]) {
        for (addresses, out) in addresses.chunks(LANES).zip(out.chunks_mut(LANES)) {
            let mut places = [Place::default(); LANES];
            let mut going = false;
            for (place, address) in places.iter_mut().zip(addresses) {
                *place = self.start(*address);
                going |= place.at & ANSWER == 0;
            }
            while going {
                going = false;
                for (place, address) in places.iter_mut().zip(addresses) {
                    if place.at & ANSWER == 0 {
                        *place = self.step(*address, *place);
                        going |= place.at & ANSWER == 0;
                    }
                }
            }
            for ((out, place), _) in out.iter_mut().zip(places).zip(addresses) {
                *out = if place.at == NONE { NONE } else { place.at & !ANSWER };
            }
        }
    }

    /// Octets of memory.
    pub fn size(&self) -> usize {
        size_of_val(&*self.root) + size_of_val(&*self.nodes) + size_of_val(&*self.leaves)
    }

    #[inline(always)]
    fn start(&self, address: A) -> Place {
        let at = self.root.get(address.slice(0, self.root_bits)).copied().unwrap_or(NONE);
        Place { at, seen: self.root_bits }
    }

    #[inline(always)]
    fn step(&self, address: A, place: Place) -> Place {
        let Some(node) = self.nodes.get(place.at as usize) else {
            return Place { at: NONE, ..place };
        };
        if A::SKIPS && node.nodes & COMPARES != 0 {
            return node.compare(address, place.seen);
        }
        let slot = address.slice(place.seen, STRIDE);
        let below = u64::MAX >> (63 - slot);
        let seen = place.seen + STRIDE;
        if node.inner >> slot & 1 == 1 {
            // One too many is counted: the slot itself.
            return Place { at: (node.nodes + (node.inner & below).count_ones()).wrapping_sub(1), seen };
        }
        let leaf = (node.leaves + (node.starts & below).count_ones()).wrapping_sub(1);
        Place { at: self.leaves.get(leaf as usize).copied().unwrap_or(NONE), seen }
    }
}

impl Node {
    #[inline(always)]
    fn compare<A: Address>(&self, address: A, seen: u32) -> Place {
        let at = if (address.window(seen) ^ self.inner) & self.starts != 0 {
            self.leaves
        } else if self.nodes & ENDS != 0 {
            self.nodes & !(COMPARES | ENDS) | ANSWER
        } else {
            self.nodes & !COMPARES
        };
        Place { at, seen: seen + self.starts.leading_ones() }
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
