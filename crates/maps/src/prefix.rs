//! Prefixes of both families in one numbering, and addresses as rows store them.
//!
//! The families are separate: `0.0.0.0/0` covers no IPv6 address and `::/0` no IPv4 address.

use flow::address;
use lpm::{Entry, PrefixMap, Sorted};
use std::net::IpAddr;
use wire::{Family, Prefix, PrefixError};

/// An address to compare with prefixes: its family, and its bits, left-aligned in 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bits {
    /// The family.
    pub family: Family,
    /// The address, left-aligned; the bits after an IPv4 address are zero.
    pub bits: u128,
}

impl Bits {
    /// The address that a row stores in these octets (see [`flow::address`]), if any.
    pub fn of_row(octets: &address::Octets) -> Option<Self> {
        let bits = u128::from_be_bytes(*octets);
        match bits >> 32 {
            0xffff => Some(Self { family: Family::V4, bits: bits << 96 }),
            0 if bits == 0 => None,
            0xfffe if *octets == address::V6_ZERO => Some(Self { family: Family::V6, bits: 0 }),
            _ => Some(Self { family: Family::V6, bits }),
        }
    }

    /// True if the address is in the prefix.
    #[inline]
    pub fn is_in(self, prefix: &Prefix) -> bool {
        self.family == prefix.family() && self.bits & mask(prefix.length()) == prefix.bits()
    }
}

impl From<IpAddr> for Bits {
    /// An IPv4-mapped IPv6 address counts as the IPv4 address.
    fn from(address: IpAddr) -> Self {
        let prefix = Prefix::host(address.to_canonical());
        Self { family: prefix.family(), bits: prefix.bits() }
    }
}

/// Parses a prefix or an address. Prefixes of mapped addresses (`::ffff:192.0.2.0/120`) become those of the IPv4 addresses.
///
/// # Errors
/// Part of a sentence that says what is invalid.
pub fn parse(text: &str) -> Result<Prefix, String> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    text.parse().map(Prefix::to_canonical).map_err(|error| match error {
        PrefixError::Length(width) => format!("'/{length}' is not a mask from /0 to /{width}"),
        PrefixError::Address | PrefixError::Truncated(_) => format!("'{address}' is not an IP address"),
    })
}

/// The prefix of a row's octets with a length over all of their 128 bits; `None` if that is not a prefix of one family.
pub fn of_row(octets: &address::Octets, length: u8) -> Option<Prefix> {
    let address = address::address(octets)?;
    match address {
        IpAddr::V4(_) => Prefix::new(address, length.checked_sub(96)?.min(32)),
        // A prefix with a zero first half may also cover the octets of IPv4 addresses and of absent addresses.
        IpAddr::V6(_) => Prefix::new(address, length).filter(|prefix| prefix.bits() >> 64 != 0),
    }
}

/// The first `length` of 128 bits.
pub(crate) fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0)
}

/// No node.
pub const NONE: u32 = u32::MAX;

/// A set of prefixes; each is a node, numbered from 0 in order.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    v4: PrefixMap<u32, Prefix>,
    /// Their numbers follow those of IPv4.
    v6: PrefixMap<u128, Prefix>,
}

impl Tree {
    /// Builds the tree of these prefixes, which may be in any order and repeated.
    pub fn new(prefixes: impl IntoIterator<Item = Prefix>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for prefix in prefixes {
            match prefix.family() {
                Family::V4 => v4.push(Entry::new((prefix.bits() >> 96) as u32, prefix.length(), prefix)),
                Family::V6 => v6.push(Entry::new(prefix.bits(), prefix.length(), prefix)),
            }
        }
        // The size limit of map files keeps the number of rules below that of prefixes in a trie, 2^30.
        let (v4, v6) = (PrefixMap::new(Sorted::new(v4)), PrefixMap::new(Sorted::new(v6)));
        Self { v4: v4.unwrap_or_default(), v6: v6.unwrap_or_default() }
    }

    /// The number of an IPv6 node.
    #[inline]
    fn v6_node(&self, index: u32) -> u32 {
        self.v4.len() as u32 + index
    }

    /// Returns the longest prefix that covers the address, or [`NONE`].
    #[inline]
    pub fn longest(&self, address: Bits) -> u32 {
        let node = match address.family {
            Family::V4 => self.v4.longest_index((address.bits >> 96) as u32),
            Family::V6 => self.v6.longest_index(address.bits).map(|index| self.v6_node(index)),
        };
        node.unwrap_or(NONE)
    }

    /// Returns the longest other prefix that covers that of a node, or [`NONE`].
    #[inline]
    pub fn parent(&self, node: u32) -> u32 {
        let parent = match node.checked_sub(self.v4.len() as u32) {
            None => self.v4.parent(node),
            Some(index) => self.v6.parent(index).map(|index| self.v6_node(index)),
        };
        parent.unwrap_or(NONE)
    }

    /// A node and those whose prefixes cover it, from the longest to the shortest.
    #[inline]
    pub fn chain(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let some = |node| (node != NONE).then_some(node);
        std::iter::successors(some(node), move |node| some(self.parent(*node)))
    }

    /// Returns the node of exactly this prefix.
    pub fn node(&self, prefix: &Prefix) -> Option<u32> {
        match prefix.family() {
            Family::V4 => self.v4.index_of((prefix.bits() >> 96) as u32, prefix.length()),
            Family::V6 => self.v6.index_of(prefix.bits(), prefix.length()).map(|index| self.v6_node(index)),
        }
    }

    /// The prefix of a node.
    pub fn prefix(&self, node: u32) -> Option<Prefix> {
        match node.checked_sub(self.v4.len() as u32) {
            None => self.v4.entry(node).map(|entry| *entry.value()),
            Some(index) => self.v6.entry(index).map(|entry| *entry.value()),
        }
    }

    /// Maximum nesting depth of the prefixes.
    pub fn depth(&self) -> usize {
        self.v4.depth().max(self.v6.depth())
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// True if there are no prefixes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn prefix(text: &str) -> Prefix {
        parse(text).unwrap()
    }

    fn bits(text: &str) -> Bits {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn mapped_prefixes_become_ipv4_and_errors_name_the_invalid_part() {
        for (text, shown) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(prefix(text).to_string(), shown);
        }
        for (text, error) in [
            ("300.1.2.3", "'300.1.2.3' is not an IP address"),
            ("/8", "'' is not an IP address"),
            ("10.0.0.0/33", "'/33' is not a mask from /0 to /32"),
            ("::/x", "'/x' is not a mask from /0 to /128"),
        ] {
            assert_eq!(parse(text).unwrap_err(), error);
        }
    }

    #[test]
    fn families_are_separate() {
        assert!(!bits("10.0.0.1").is_in(&prefix("::/0")) && !bits("2001:db8::1").is_in(&prefix("0.0.0.0/0")));
        let tree = Tree::new(["::/0", "0.0.0.0/0"].map(prefix));
        let found = |text| tree.prefix(tree.longest(bits(text))).unwrap().to_string();
        assert_eq!((found("1.2.3.4"), found("::")), ("0.0.0.0/0".into(), "::/0".into()));
    }

    #[test]
    fn row_octets_convert_to_addresses_of_their_family() {
        let row = |text: &str| Bits::of_row(&address::octets(text.parse().unwrap()));
        for text in ["0.0.0.0", "10.0.0.1", "::", "::1", "2001:db8::1"] {
            assert_eq!(row(text), Some(bits(text)), "{text}");
        }
        assert_eq!(Bits::of_row(&address::ABSENT), None);
        let octets = address::octets("10.1.2.3".parse().unwrap());
        assert_eq!(of_row(&octets, 104).unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(of_row(&octets, 90), None);
        assert_eq!(of_row(&address::V6_ZERO, 128), None);
    }

    fn prefixes() -> impl Strategy<Value = Prefix> {
        prop_oneof![
            (0u32..64, 0u8..=32).prop_map(|(top, length)| {
                let address = Ipv4Addr::from((top << 26) | (top * 0x0004_0101));
                Prefix::new(address.into(), length)
            }),
            (0u128..64, 0u8..=128).prop_map(|(top, length)| {
                Prefix::new(Ipv6Addr::from_bits((top << 122) | (top * 0x0101)).into(), length)
            }),
        ]
        .prop_map(Option::unwrap_or_default)
    }

    proptest! {
        #[test]
        fn finds_the_same_longest_prefix_as_a_linear_search(
            all in proptest::collection::vec(prefixes(), 0..60),
            more in proptest::collection::vec(prefixes(), 0..20),
        ) {
            let tree = Tree::new(all.iter().copied());
            for probe in all.iter().chain(&more) {
                for address in [probe.address(), probe.last_address()] {
                    // Not canonical: a mapped address counts as IPv6 here.
                    let host = Prefix::host(address);
                    let address = Bits { family: host.family(), bits: host.bits() };
                    let covering = all.iter().filter(|prefix| address.is_in(prefix));
                    let mut wanted: Vec<Prefix> = covering.copied().collect();
                    wanted.sort_unstable_by_key(|prefix| std::cmp::Reverse(prefix.length()));
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
