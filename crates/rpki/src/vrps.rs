//! Snapshots of VRPs, by which routes are validated (RFC 6811).

use crate::records::{Collector, Packed, Records};
use crate::validity::Validity;
use lpm::{Address, Entry, PrefixMap, Sorted};
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
#[derive(Clone, Debug)]
struct Table<A> {
    /// By prefix, the index of its first AS number; those of the next prefix follow.
    prefixes: PrefixMap<A, u32>,
    /// AS numbers, ascending for each prefix, without repeats.
    asns: Box<[u32]>,
    /// By AS number, the maximum length; the largest one if there were several VRPs.
    max_lengths: Box<[u8]>,
}

impl<A: Address> Table<A> {
    fn new<const N: usize>(records: &[Packed<N>], address: impl Fn([u8; N]) -> A) -> Self {
        let (mut prefixes, mut asns, mut max_lengths) = (Vec::new(), Vec::new(), Vec::new());
        let mut last: Option<&Packed<N>> = None;
        for record in records {
            let is_same = |other: &&Packed<N>| (other.address, other.length) == (record.address, record.length);
            let same = last.filter(is_same);
            if same.is_none() {
                // Fewer than 2^32: a source is bounded.
                prefixes.push(Entry::new(address(record.address), record.length, asns.len() as u32));
            }
            match max_lengths.last_mut() {
                // Records are sorted, so this maximum length is the largest so far.
                Some(max) if same.is_some_and(|other| other.asn() == record.asn()) => *max = record.max_length,
                _ => {
                    asns.push(record.asn());
                    max_lengths.push(record.max_length);
                }
            }
            last = Some(record);
        }
        // The bound of a map is far above that of VRPs.
        let prefixes = PrefixMap::new(Sorted::new(prefixes)).unwrap_or_default();
        Self { prefixes, asns: asns.into(), max_lengths: max_lengths.into() }
    }

    fn validity(&self, address: A, length: u8, origin: Option<Asn>) -> Validity {
        let mut validity = Validity::Unknown;
        let mut next = self.prefixes.longest_index(address);
        while let Some(index) = next {
            next = self.prefixes.parent(index);
            let Some(entry) = self.prefixes.entry(index) else { break };
            // It covers the first address of the route, but perhaps not the route.
            if entry.len() > length {
                continue;
            }
            match origin {
                Some(Asn(asn)) if asn != 0 => {
                    if self.max_length(index, *entry.value(), asn).is_some_and(|max| length <= max) {
                        return Validity::Valid;
                    }
                    validity = Validity::Invalid;
                }
                _ => return Validity::Invalid,
            }
        }
        validity
    }

    fn size(&self) -> usize {
        self.prefixes.size() + size_of_val(&*self.asns) + size_of_val(&*self.max_lengths)
    }

    /// The maximum length for an AS below a prefix.
    fn max_length(&self, index: u32, first: u32, asn: u32) -> Option<u8> {
        let first = first as usize;
        let end = self.prefixes.entry(index + 1).map_or(self.asns.len(), |next| *next.value() as usize);
        let found = self.asns.get(first..end)?.binary_search(&asn).ok()?;
        self.max_lengths.get(first + found).copied()
    }
}

impl<A: Address> Default for Table<A> {
    fn default() -> Self {
        Self { prefixes: PrefixMap::default(), asns: Box::default(), max_lengths: Box::default() }
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
