//! Snapshots of VRPs, by which routes are validated (RFC 6811).

use crate::records::{Collector, Packed, Records};
use crate::validity::Validity;
use lpm::{Address, Entry, NONE, Sorted, Trie};
use std::fmt;
use wire::{Asn, Family, Prefix};

/// The bound of VRPs of one source, several times what the whole RPKI has. Real ones have some hundred thousand; a cache that
/// sends without end is broken or hostile.
pub const MAX_VRPS: usize = 4_000_000;

/// A validated ROA payload (RFC 6811 section 2): an AS may originate a prefix, and longer ones inside it up to a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vrp {
    prefix: Prefix,
    max_length: u8,
    asn: Asn,
}

impl Vrp {
    /// A VRP; `None` if the maximum length is shorter than the prefix or longer than an address.
    pub fn new(prefix: Prefix, max_length: u8, asn: Asn) -> Option<Self> {
        let lengths = prefix.length()..=prefix.family().width();
        lengths.contains(&max_length).then_some(Self { prefix, max_length, asn })
    }

    /// The prefix.
    pub const fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// The maximum length in bits: at least that of the prefix, at most that of an address.
    pub const fn max_length(&self) -> u8 {
        self.max_length
    }

    /// The AS. With 0 the VRP matches no route: nobody may originate the prefix (RFC 7607, RFC 9582).
    pub const fn asn(&self) -> Asn {
        self.asn
    }
}

impl fmt::Display for Vrp {
    /// `prefix-length AS`, as in `192.0.2.0/24-25 AS64496`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{} AS{}", self.prefix, self.max_length, self.asn)
    }
}

/// An immutable set of VRPs that threads share.
///
/// ```
/// use rpki::{Validity, Vrp, Vrps};
/// use wire::Asn;
///
/// let vrps = Vrps::new([Vrp::new("192.0.2.0/24".parse().unwrap(), 25, Asn(64_496)).unwrap()]);
/// let validity = |prefix: &str, origin| vrps.validity(&prefix.parse().unwrap(), origin);
/// assert_eq!(validity("192.0.2.128/25", Some(Asn(64_496))), Validity::Valid);
/// assert_eq!(validity("192.0.2.128/26", Some(Asn(64_496))), Validity::Invalid);
/// assert_eq!(validity("192.0.2.0/24", Some(Asn(64_497))), Validity::Invalid);
/// assert_eq!(validity("192.0.2.0/24", None), Validity::Invalid);
/// assert_eq!(validity("192.0.0.0/16", Some(Asn(64_496))), Validity::Unknown);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Vrps {
    v4: Table<u32>,
    v6: Table<u128>,
    count: usize,
}

impl Vrps {
    /// Builds a snapshot. Equal VRPs count once.
    pub fn new(vrps: impl IntoIterator<Item = Vrp>) -> Self {
        let mut collector = Collector::default();
        vrps.into_iter().for_each(|vrp| collector.push(&vrp));
        Self::of(&collector.finish().0)
    }

    pub(crate) fn of(records: &Records) -> Self {
        let (v4, v6) = records.families();
        Self {
            v4: Table::new(v4, u32::from_be_bytes),
            v6: Table::new(v6, u128::from_be_bytes),
            count: records.len(),
        }
    }

    /// Validates a route (RFC 6811).
    ///
    /// `origin` is the origin AS: the last AS of the path, if its last segment is an AS_SEQUENCE. A path that ends in an AS_SET has
    /// none, and cannot be valid. For an empty path, RFC 6811 takes the AS of the router itself, which the caller knows.
    pub fn validity(&self, prefix: &Prefix, origin: Option<Asn>) -> Validity {
        match prefix.family() {
            // An IPv4 address takes the first four octets.
            Family::V4 => self.v4.validity((prefix.bits() >> 96) as u32, prefix.length(), origin),
            Family::V6 => self.v6.validity(prefix.bits(), prefix.length(), origin),
        }
    }

    /// Number of VRPs.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Bytes of memory.
    pub fn size(&self) -> usize {
        self.v4.size() + self.v6.size()
    }

    /// True if there are no VRPs: all routes are unknown.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The VRPs of a family.
///
/// A look-up costs what it misses in the caches of the processor: some words of the trie, and one node, which has the parent, and the only VRP of
/// nearly all prefixes.
#[derive(Clone, Debug)]
struct Table<A> {
    /// Finds the node of the longest prefix that covers an address.
    trie: Trie<A>,
    /// One for each prefix, in the order of addresses, and one at the end.
    nodes: Box<[Node]>,
    /// AS numbers beyond the first of each prefix, ascending for each.
    more_asns: Box<[u32]>,
    /// Their maximum lengths.
    more_max_lengths: Box<[u8]>,
}

/// A prefix with its VRPs: of those with one AS, the one with the largest maximum length.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The node of the longest other prefix that covers this one, or [`NONE`].
    parent: u32,
    /// The lowest AS number.
    asn: u32,
    /// The index of the second one, if there is one; those up to the index of the next node are of this prefix.
    more: u32,
    /// The maximum length of the lowest AS number.
    max_length: u8,
    /// The prefix length.
    length: u8,
}

impl<A: Address> Table<A> {
    fn new<const N: usize>(records: &[Packed<N>], address: impl Fn([u8; N]) -> A) -> Self {
        let (mut nodes, mut prefixes): (Vec<Node>, Vec<Entry<A, u32>>) = (Vec::new(), Vec::new());
        let (mut more_asns, mut more_max_lengths) = (Vec::new(), Vec::new());
        // The prefixes that cover the current one, from the shortest to the longest.
        let mut open: Vec<Entry<A, u32>> = Vec::new();
        for records in records.chunk_by(|a, b| (a.address, a.length) == (b.address, b.length)) {
            // Sorted by AS number, then by maximum length, so the last of each has the largest one.
            let mut by_asn = records.chunk_by(|a, b| a.asn() == b.asn()).filter_map(<[_]>::last);
            let Some(first) = by_asn.next() else { continue };
            // Numbers are below 2^32, since sources are bounded.
            let entry = Entry::new(address(first.address), first.length, nodes.len() as u32);
            while open.pop_if(|outer| !outer.covers(entry.bits())).is_some() {}
            nodes.push(Node {
                parent: open.last().map_or(NONE, |outer| *outer.value()),
                asn: first.asn(),
                more: more_asns.len() as u32,
                max_length: first.max_length,
                length: first.length,
            });
            open.push(entry);
            prefixes.push(entry);
            for record in by_asn {
                more_asns.push(record.asn());
                more_max_lengths.push(record.max_length);
            }
        }
        nodes.push(Node { more: more_asns.len() as u32, ..Node::END });
        Self {
            // The bound of a trie is far above that of VRPs.
            trie: Trie::new(&Sorted::new(prefixes)).unwrap_or_default(),
            nodes: nodes.into(),
            more_asns: more_asns.into(),
            more_max_lengths: more_max_lengths.into(),
        }
    }

    fn validity(&self, address: A, length: u8, origin: Option<Asn>) -> Validity {
        let mut validity = Validity::Unknown;
        let mut next = self.trie.lookup(address).unwrap_or(NONE);
        while let Some(node) = self.nodes.get(next as usize) {
            // Otherwise it covers the first address of the route, but not the route.
            if node.length <= length {
                match origin {
                    Some(Asn(asn)) if asn != 0 => {
                        if self.max_length(next, node, asn).is_some_and(|max| length <= max) {
                            return Validity::Valid;
                        }
                        validity = Validity::Invalid;
                    }
                    _ => return Validity::Invalid,
                }
            }
            next = node.parent;
        }
        validity
    }

    /// The maximum length for an AS below a prefix.
    #[inline]
    fn max_length(&self, index: u32, node: &Node, asn: u32) -> Option<u8> {
        if node.asn == asn {
            return Some(node.max_length);
        }
        let (first, end) = (node.more as usize, self.nodes.get(index as usize + 1)?.more as usize);
        let found = self.more_asns.get(first..end)?.binary_search(&asn).ok()?;
        self.more_max_lengths.get(first + found).copied()
    }

    fn size(&self) -> usize {
        self.trie.size()
            + size_of_val(&*self.nodes)
            + size_of_val(&*self.more_asns)
            + size_of_val(&*self.more_max_lengths)
    }
}

impl Node {
    /// The one after the last prefix.
    const END: Self = Self { parent: NONE, asn: 0, more: 0, max_length: 0, length: 0 };
}

impl<A: Address> Default for Table<A> {
    fn default() -> Self {
        Self {
            trie: Trie::default(),
            nodes: Box::default(),
            more_asns: Box::default(),
            more_max_lengths: Box::default(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    /// Prefixes that often cover each other.
    pub(crate) fn any_prefix() -> impl Strategy<Value = Prefix> {
        let few = || prop_oneof![Just(0u32), Just(0x0a00_0000), Just(0x0a14_0000), 0x0a14_0000..0x0a14_ffffu32];
        prop_oneof![
            (few(), 0u8..=32).prop_map(|(bits, length)| Prefix::new(Ipv4Addr::from_bits(bits).into(), length)),
            (few(), 0u8..=128).prop_map(|(bits, length)| {
                Prefix::new(Ipv6Addr::from_bits(u128::from(bits) << 96 | u128::from(bits)).into(), length)
            }),
        ]
        .prop_map(Option::unwrap_or_default)
    }

    pub(crate) fn any_vrp() -> impl Strategy<Value = Vrp> {
        (any_prefix(), 0u8..=128, prop_oneof![0u32..4, any::<u32>()]).prop_map(|(prefix, extra, asn)| {
            let max = prefix.length().saturating_add(extra % 9).min(prefix.family().width());
            Vrp::new(prefix, max, Asn(asn)).unwrap()
        })
    }

    fn vrp(prefix: &str, max: u8, asn: u32) -> Vrp {
        Vrp::new(prefix.parse().unwrap(), max, Asn(asn)).unwrap()
    }

    /// RFC 6811 section 2, to the letter.
    fn naive(vrps: &[Vrp], prefix: &Prefix, origin: Option<Asn>) -> Validity {
        let covering = || vrps.iter().filter(|vrp| vrp.prefix().covers(prefix));
        let matches =
            |vrp: &Vrp| origin == Some(vrp.asn()) && vrp.asn() != Asn(0) && prefix.length() <= vrp.max_length();
        match (covering().next(), covering().any(matches)) {
            (None, _) => Validity::Unknown,
            (Some(_), true) => Validity::Valid,
            (Some(_), false) => Validity::Invalid,
        }
    }

    #[test]
    fn routes_are_valid_up_to_the_maximum_length_and_with_the_right_as() {
        let vrps = Vrps::new([
            vrp("10.0.0.0/8", 12, 65001),
            vrp("10.16.0.0/12", 20, 65002),
            vrp("10.20.0.0/16", 24, 65003),
            vrp("10.20.30.0/24", 32, 65004),
            vrp("0.0.0.0/0", 0, 65009),
            vrp("192.0.2.1/32", 32, 65001),
            vrp("2001:db8::/32", 48, 65001),
            vrp("2001:db8:1:2::/64", 128, 65003),
        ]);
        assert_eq!(vrps.len(), 8);
        for (prefix, origin, letter) in [
            ("10.0.0.0/8", 65001, 'v'),
            ("10.16.0.0/12", 65001, 'v'),
            ("10.16.0.0/13", 65001, 'i'),
            ("10.20.16.0/20", 65002, 'v'),
            ("10.20.16.0/21", 65002, 'i'),
            ("10.20.40.128/25", 65003, 'i'),
            ("10.20.30.7/32", 65004, 'v'),
            ("10.20.31.0/24", 65004, 'i'),
            // Longer VRPs at the same address do not matter.
            ("10.20.30.0/23", 65004, 'i'),
            ("0.0.0.0/0", 65009, 'v'),
            ("128.0.0.0/1", 65009, 'i'),
            ("192.0.2.1/32", 65001, 'v'),
            ("2001:db8:5::/48", 65001, 'v'),
            ("2001:db8:5::/49", 65001, 'i'),
            ("2001:db8:1:2::1/128", 65003, 'v'),
            ("2001:db9::/32", 65001, 'u'),
        ] {
            let validity = vrps.validity(&prefix.parse().unwrap(), Some(Asn(origin)));
            assert_eq!(validity.to_string(), letter.to_string(), "{prefix} AS{origin}");
        }
    }

    #[test]
    fn as_0_and_routes_without_an_origin_are_never_valid() {
        let vrps = Vrps::new([vrp("203.0.113.0/24", 32, 0), vrp("192.0.2.0/24", 24, 65001)]);
        let validity = |prefix: &str, origin| vrps.validity(&prefix.parse().unwrap(), origin);
        assert_eq!(validity("203.0.113.0/24", Some(Asn(0))), Validity::Invalid);
        assert_eq!(validity("203.0.113.0/24", Some(Asn(65001))), Validity::Invalid);
        assert_eq!(validity("192.0.2.0/24", None), Validity::Invalid);
        assert_eq!(validity("198.51.100.0/24", None), Validity::Unknown);
    }

    #[test]
    fn lengths_must_fit() {
        let prefix: Prefix = "10.0.0.0/8".parse().unwrap();
        assert_eq!((Vrp::new(prefix, 7, Asn(1)), Vrp::new(prefix, 33, Asn(1))), (None, None));
        assert_eq!(Vrp::new(prefix, 8, Asn(1)).unwrap().to_string(), "10.0.0.0/8-8 AS1");
    }

    proptest! {
        #[test]
        fn a_snapshot_judges_as_a_naive_search(
            vrps in prop::collection::vec(any_vrp(), 0..60),
            routes in prop::collection::vec((any_prefix(), prop::option::of(0u32..4)), 1..60),
        ) {
            let snapshot = Vrps::new(vrps.iter().copied());
            let origins = vrps.iter().map(|vrp| (vrp.prefix(), Some(vrp.asn().0)));
            for (prefix, origin) in routes.iter().copied().chain(origins) {
                let origin = origin.map(Asn);
                prop_assert_eq!(snapshot.validity(&prefix, origin), naive(&vrps, &prefix, origin));
            }
        }
    }
}
