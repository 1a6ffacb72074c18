//! Prefixes of addresses, and the longest one that covers an address.
//!
//! IPv4 and IPv6 are apart: `0.0.0.0/0` covers no IPv6 address and `::/0` no IPv4 address.
//!
//! A [`Tree`] is laid out for reading: the prefixes of a family cut its addresses into intervals, each with the longest
//! prefix that covers it. A table over the first bits of an address says which few intervals to search; the prefixes around
//! the one found are its parents.

use flow::address;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The family of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Bits of an address.
    pub const fn width(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        })
    }
}

/// An address as prefixes are compared with: its family, and its bits from the top of 128 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bits {
    /// The family.
    pub family: Family,
    /// The address, its first bit on top; the bits behind an IPv4 address are zero.
    pub bits: u128,
}

impl Bits {
    /// The address that a row keeps in these octets (see [`flow::address`]), if any.
    pub fn of_row(octets: &address::Octets) -> Option<Self> {
        let bits = u128::from_be_bytes(*octets);
        match bits >> 32 {
            0xffff => Some(Self { family: Family::V4, bits: bits << 96 }),
            0 if bits == 0 => None,
            0xfffe if *octets == address::V6_ZERO => Some(Self { family: Family::V6, bits: 0 }),
            _ => Some(Self { family: Family::V6, bits }),
        }
    }
}

impl From<IpAddr> for Bits {
    /// An IPv6 address that maps an IPv4 one is that IPv4 address.
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self { family: Family::V4, bits: u128::from(u32::from(v4)) << 96 },
            IpAddr::V6(v6) => Self { family: Family::V6, bits: v6.into() },
        }
    }
}

/// A prefix; its host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    family: Family,
    bits: u128,
    length: u8,
}

impl Prefix {
    /// The first `length` bits of an address; the length is counted in the address's own family and limited to it.
    pub fn new(address: IpAddr, length: u8) -> Self {
        let Bits { family, bits } = address.into();
        let length = length.min(family.width());
        Self { family, bits: bits & mask(length), length }
    }

    /// All addresses of a family.
    pub const fn whole(family: Family) -> Self {
        Self { family, bits: 0, length: 0 }
    }

    /// From a row's octets and a length over all 128 of their bits; `None` where that is no prefix of one family.
    pub fn of_row(octets: &address::Octets, length: u8) -> Option<Self> {
        let Bits { family, bits } = Bits::of_row(octets)?;
        match family {
            Family::V4 => Some(Self::cut(family, bits, length.checked_sub(96)?.min(32))),
            // One whose first half is zero may cover the octets of IPv4 addresses and of absent ones too.
            Family::V6 if (bits & mask(length)) >> 64 == 0 || length > 128 => None,
            Family::V6 => Some(Self::cut(family, bits, length)),
        }
    }

    fn cut(family: Family, bits: u128, length: u8) -> Self {
        Self { family, bits: bits & mask(length), length }
    }

    /// Reads `address` or `address/length`.
    ///
    /// # Errors
    /// What is wrong, a part of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let parsed: IpAddr = address.parse().map_err(|_| format!("'{address}' is not an IP address"))?;
        let width = if parsed.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => width,
            Some(length) => {
                let digits = length.len() <= 3 && length.bytes().all(|b| b.is_ascii_digit());
                let number = length.parse().ok().filter(|number| digits && *number <= width);
                number.ok_or_else(|| format!("'/{length}' is not a mask from /0 to /{width}"))?
            }
        };
        match (parsed, parsed.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(v4)) if length >= 96 => Ok(Self::new(v4.into(), length - 96)),
            (IpAddr::V6(v6), _) => Ok(Self::cut(Family::V6, v6.into(), length)),
            (v4, _) => Ok(Self::new(v4, length)),
        }
    }

    /// The family.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// Bits of the prefix, in its family.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// The bits, the first on top of 128.
    pub const fn bits(&self) -> u128 {
        self.bits
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::from((self.bits >> 96) as u32).into(),
            Family::V6 => Ipv6Addr::from(self.bits).into(),
        }
    }

    /// True when the address is in.
    pub fn covers(&self, address: Bits) -> bool {
        self.family == address.family && address.bits & mask(self.length) == self.bits
    }

    /// True when all addresses of `other` are in.
    pub fn contains(&self, other: &Self) -> bool {
        self.length <= other.length && self.covers(Bits { family: other.family, bits: other.bits })
    }

    fn last(&self) -> u128 {
        self.bits | !mask(self.length) & mask(self.family.width())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.length)
    }
}

/// The first `length` of 128 bits.
pub(crate) fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0)
}

/// No node.
pub const NONE: u32 = u32::MAX;

/// Bits of the table over the first bits, at most.
const ROOT_BITS: u32 = 16;

/// A set of prefixes; each is a node, numbered from 0.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    v4: Intervals<u32>,
    v6: Intervals<u128>,
    depth: usize,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    prefix: Prefix,
    parent: u32,
}

impl Tree {
    /// The tree of these prefixes, in any order, some perhaps twice.
    pub fn new(prefixes: impl IntoIterator<Item = Prefix>) -> Self {
        let mut all: Vec<Prefix> = prefixes.into_iter().collect();
        // By address, and at the same one the short before the long: a prefix comes before all that it contains.
        all.sort_unstable();
        all.dedup();
        let mut tree = Self { nodes: Vec::with_capacity(all.len()), ..Self::default() };
        let (mut v4, mut v6) = (vec![(0, NONE)], vec![(0, NONE)]);
        let mut open: Vec<(u32, Prefix)> = Vec::new();
        for prefix in all {
            let number = tree.nodes.len() as u32;
            while let Some((_, inner)) = open.last().copied().filter(|(_, outer)| !outer.contains(&prefix)) {
                open.pop();
                let cuts = if inner.family == Family::V4 { &mut v4 } else { &mut v6 };
                close(cuts, &inner, open.last());
            }
            let parent = open.last().map_or(NONE, |(number, _)| *number);
            cut(if prefix.family == Family::V4 { &mut v4 } else { &mut v6 }, prefix.bits, number);
            tree.nodes.push(Node { prefix, parent });
            open.push((number, prefix));
            tree.depth = tree.depth.max(open.len());
        }
        while let Some((_, inner)) = open.pop() {
            close(if inner.family == Family::V4 { &mut v4 } else { &mut v6 }, &inner, open.last());
        }
        tree.v4 = Intervals::new(v4.into_iter().map(|(start, node)| ((start >> 96) as u32, node)));
        tree.v6 = Intervals::new(v6.into_iter());
        tree
    }

    /// The longest prefix that covers the address, or [`NONE`].
    #[inline]
    pub fn longest(&self, address: Bits) -> u32 {
        match address.family {
            Family::V4 => self.v4.find((address.bits >> 96) as u32),
            Family::V6 => self.v6.find(address.bits),
        }
    }

    /// The longest prefix around that of a node, or [`NONE`].
    #[inline]
    pub fn parent(&self, node: u32) -> u32 {
        self.nodes.get(node as usize).map_or(NONE, |node| node.parent)
    }

    /// A node and those around it, from the longest to the shortest.
    #[inline]
    pub fn chain(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let some = |node| (node != NONE).then_some(node);
        std::iter::successors(some(node), move |node| some(self.parent(*node)))
    }

    /// The node of exactly this prefix.
    pub fn node(&self, prefix: &Prefix) -> Option<u32> {
        let found = self.nodes.binary_search_by(|node| node.prefix.cmp(prefix)).ok()?;
        Some(found as u32)
    }

    /// The prefix of a node.
    pub fn prefix(&self, node: u32) -> Option<Prefix> {
        self.nodes.get(node as usize).map(|node| node.prefix)
    }

    /// How many prefixes lie in each other, at most.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True without prefixes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// From `start` on, `node` is the longest.
fn cut(cuts: &mut Vec<(u128, u32)>, start: u128, node: u32) {
    match cuts.last_mut() {
        Some(last) if last.0 == start => last.1 = node,
        _ => cuts.push((start, node)),
    }
}

/// Behind the end of `inner`, the prefix around it goes on.
fn close(cuts: &mut Vec<(u128, u32)>, inner: &Prefix, outer: Option<&(u32, Prefix)>) {
    let step = 1 << (128 - u32::from(inner.family.width()));
    if let Some(start) = inner.last().checked_add(step) {
        let outer = outer.filter(|(_, outer)| outer.family == inner.family);
        cut(cuts, start, outer.map_or(NONE, |(number, _)| *number));
    }
}

/// Unsigned integers as addresses.
trait Address: Copy + Ord {
    /// The first `bits` bits, as a number.
    fn top(self, bits: u32) -> usize;
}

impl Address for u32 {
    #[inline]
    fn top(self, bits: u32) -> usize {
        self.checked_shr(32 - bits).unwrap_or(0) as usize
    }
}

impl Address for u128 {
    #[inline]
    fn top(self, bits: u32) -> usize {
        self.checked_shr(128 - bits).unwrap_or(0) as usize
    }
}

#[derive(Clone, Debug, Default)]
struct Intervals<A> {
    starts: Vec<A>,
    nodes: Vec<u32>,
    /// For each value of the first `root_bits` bits, the number of intervals that start below it.
    root: Vec<u32>,
    root_bits: u32,
}

impl<A: Address> Intervals<A> {
    fn new(cuts: impl Iterator<Item = (A, u32)>) -> Self {
        let (starts, nodes): (Vec<A>, Vec<u32>) = cuts.unzip();
        let root_bits = (starts.len().ilog2() + 2).min(ROOT_BITS);
        let mut root = vec![0; (1 << root_bits) + 1];
        for start in &starts {
            if let Some(count) = root.get_mut(start.top(root_bits) + 1) {
                *count += 1;
            }
        }
        let mut below = 0;
        for count in &mut root {
            below += *count;
            *count = below;
        }
        Self { starts, nodes, root, root_bits }
    }

    #[inline]
    fn find(&self, address: A) -> u32 {
        let cell = address.top(self.root_bits);
        let (Some(&from), Some(&to)) = (self.root.get(cell), self.root.get(cell + 1)) else {
            return NONE;
        };
        let Some(starts) = self.starts.get(from as usize..to as usize) else {
            return NONE;
        };
        // The interval that the address lies in may have started in a cell before.
        let number = from as usize + starts.partition_point(|start| *start <= address);
        self.nodes.get(number.wrapping_sub(1)).copied().unwrap_or(NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(text: &str) -> Prefix {
        Prefix::parse(text).unwrap()
    }

    fn bits(text: &str) -> Bits {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn prefixes_are_read_and_shown() {
        for (text, shown) in [
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(prefix(text).to_string(), shown);
        }
        for text in ["300.1.2.3", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "", "/8", "10.0.0.0/0008"] {
            assert!(Prefix::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn families_are_apart() {
        assert!(!prefix("::/0").covers(bits("10.0.0.1")));
        assert!(!prefix("0.0.0.0/0").covers(bits("2001:db8::1")));
        let tree = Tree::new(["::/0", "0.0.0.0/0"].map(prefix));
        let found = |text| tree.prefix(tree.longest(bits(text))).unwrap().to_string();
        assert_eq!((found("1.2.3.4"), found("::")), ("0.0.0.0/0".into(), "::/0".into()));
    }

    #[test]
    fn octets_of_rows_are_addresses_of_their_family() {
        let row = |text: &str| Bits::of_row(&address::octets(text.parse().unwrap()));
        for text in ["0.0.0.0", "10.0.0.1", "::", "::1", "2001:db8::1"] {
            assert_eq!(row(text), Some(bits(text)), "{text}");
        }
        assert_eq!(Bits::of_row(&address::ABSENT), None);
        let octets = address::octets("10.1.2.3".parse().unwrap());
        assert_eq!(Prefix::of_row(&octets, 104).unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(Prefix::of_row(&octets, 90), None);
        assert_eq!(Prefix::of_row(&address::V6_ZERO, 128), None);
    }

    fn prefixes() -> impl Strategy<Value = Prefix> {
        prop_oneof![
            (0u32..64, 0u8..=32).prop_map(|(top, length)| {
                let address = Ipv4Addr::from((top << 26) | (top * 0x0004_0101));
                Prefix::new(address.into(), length)
            }),
            (0u128..64, 0u8..=128).prop_map(|(top, length)| Prefix {
                family: Family::V6,
                bits: ((top << 122) | (top * 0x0101)) & mask(length),
                length
            }),
        ]
    }

    proptest! {
        #[test]
        fn the_longest_is_what_a_search_of_all_finds(
            all in proptest::collection::vec(prefixes(), 0..60),
            more in proptest::collection::vec(prefixes(), 0..20),
        ) {
            let tree = Tree::new(all.iter().copied());
            for probe in all.iter().chain(&more) {
                for bits in [probe.bits, probe.last()] {
                    let address = Bits { family: probe.family, bits };
                    let covering = all.iter().filter(|prefix| prefix.covers(address));
                    let mut wanted: Vec<Prefix> = covering.copied().collect();
                    wanted.sort_unstable_by_key(|prefix| std::cmp::Reverse(prefix.length));
                    wanted.dedup();
                    let found: Vec<Prefix> =
                        tree.chain(tree.longest(address)).filter_map(|node| tree.prefix(node)).collect();
                    prop_assert_eq!(&found, &wanted);
                    prop_assert!(found.len() <= tree.depth());
                }
                prop_assert_eq!(tree.node(probe).is_some(), all.contains(probe));
            }
        }
    }
}
