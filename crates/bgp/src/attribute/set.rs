//! A view of the attributes of a route.

use super::{AsPath, Attribute, Code, Flags, Origin};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{Asn, Community, ExtendedCommunity, LargeCommunity, Reader};

/// The attributes of a route in the canonical form that the [module](super) describes.
///
/// The view accepts any octets: an accessor returns `None` or nothing for what is malformed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttributeSet<'a> {
    octets: &'a [u8],
}

/// The attributes of a set, in the order of their codes.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    r: Reader<'a>,
}

impl<'a> Attributes<'a> {
    /// The attributes in octets that need not be canonical. They end before the first one that is not whole.
    pub fn new(octets: &'a [u8]) -> Self {
        Self { r: Reader::new(octets) }
    }

    /// True if no octets are left: after the last attribute, this tells whether all were whole.
    pub fn is_at_end(&self) -> bool {
        self.r.is_empty()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    #[inline]
    fn next(&mut self) -> Option<Attribute<'a>> {
        let mut r = self.r;
        let [flags, code] = r.array().ok()?;
        let flags = Flags(flags);
        let len = match flags.has_extended_length() {
            true => r.u16().ok()?.into(),
            false => r.u8().ok()?.into(),
        };
        let value = r.take(len).ok()?;
        self.r = r;
        Some(Attribute { flags, code: Code(code), value })
    }
}

impl<'a> AttributeSet<'a> {
    /// A view of the octets of attributes.
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// The octets.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.octets
    }

    /// True if there are no attributes, as in withdrawals.
    pub const fn is_empty(self) -> bool {
        self.octets.is_empty()
    }

    /// The attributes, in the order of their codes.
    pub fn iter(self) -> Attributes<'a> {
        Attributes::new(self.octets)
    }

    /// The value of an attribute.
    pub fn get(self, code: Code) -> Option<&'a [u8]> {
        // Sorted, so that codes above end the search.
        let found = self.iter().find(|attribute| attribute.code >= code)?;
        (found.code == code).then_some(found.value)
    }

    fn array<const N: usize>(self, code: Code) -> Option<[u8; N]> {
        self.get(code)?.try_into().ok()
    }

    /// ORIGIN.
    pub fn origin(self) -> Option<Origin> {
        self.array(Code::ORIGIN).and_then(|[value]| Origin::new(value))
    }

    /// AS_PATH; an empty path if there is none.
    pub fn as_path(self) -> AsPath<'a> {
        AsPath::new(self.get(Code::AS_PATH).unwrap_or_default())
    }

    /// The next hop, in any family; of two IPv6 addresses the first, which is the global one (RFC 2545 section 3).
    pub fn next_hop(self) -> Option<IpAddr> {
        let value = self.get(Code::NEXT_HOP)?;
        match value.len() {
            4 => value.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
            16 | 32 => value.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into()),
            _ => None,
        }
    }

    /// The link-local address that follows the global next hop (RFC 2545 section 3).
    pub fn link_local_next_hop(self) -> Option<Ipv6Addr> {
        let [_, second] = self.get(Code::NEXT_HOP)?.as_chunks::<16>().0 else { return None };
        Some(Ipv6Addr::from(*second))
    }

    /// MULTI_EXIT_DISC.
    pub fn med(self) -> Option<u32> {
        self.array(Code::MULTI_EXIT_DISC).map(u32::from_be_bytes)
    }

    /// LOCAL_PREF.
    pub fn local_pref(self) -> Option<u32> {
        self.array(Code::LOCAL_PREF).map(u32::from_be_bytes)
    }

    /// True if the path omits ASes of aggregated routes (ATOMIC_AGGREGATE).
    pub fn is_atomic_aggregate(self) -> bool {
        self.get(Code::ATOMIC_AGGREGATE).is_some()
    }

    /// AGGREGATOR: AS and address of the router that aggregated the route.
    pub fn aggregator(self) -> Option<(Asn, Ipv4Addr)> {
        let [a, b, c, d, address @ ..] = self.array::<8>(Code::AGGREGATOR)?;
        Some((Asn(u32::from_be_bytes([a, b, c, d])), Ipv4Addr::from(address)))
    }

    /// ORIGINATOR_ID (RFC 4456).
    pub fn originator_id(self) -> Option<Ipv4Addr> {
        self.array::<4>(Code::ORIGINATOR_ID).map(Ipv4Addr::from)
    }

    /// CLUSTER_LIST (RFC 4456), the last reflector first.
    pub fn cluster_list(self) -> impl ExactSizeIterator<Item = Ipv4Addr> + Clone + 'a {
        self.chunks::<4>(Code::CLUSTER_LIST).map(|octets| Ipv4Addr::from(*octets))
    }

    /// Communities, sorted.
    pub fn communities(self) -> impl ExactSizeIterator<Item = Community> + Clone + 'a {
        self.chunks(Code::COMMUNITIES).map(|octets| Community(u32::from_be_bytes(*octets)))
    }

    /// Extended communities, sorted.
    pub fn extended_communities(self) -> impl ExactSizeIterator<Item = ExtendedCommunity> + Clone + 'a {
        self.chunks(Code::EXTENDED_COMMUNITIES).map(|octets| ExtendedCommunity(*octets))
    }

    /// Extended communities with an IPv6 address (RFC 5701), sorted.
    pub fn ipv6_extended_communities(self) -> impl ExactSizeIterator<Item = [u8; 20]> + Clone + 'a {
        self.chunks(Code::IPV6_EXTENDED_COMMUNITIES).copied()
    }

    /// Large communities, sorted.
    pub fn large_communities(self) -> impl ExactSizeIterator<Item = LargeCommunity> + Clone + 'a {
        self.chunks::<12>(Code::LARGE_COMMUNITIES).map(|&[a, b, c, d, e, f, g, h, i, j, k, l]| LargeCommunity {
            global: Asn(u32::from_be_bytes([a, b, c, d])),
            local1: u32::from_be_bytes([e, f, g, h]),
            local2: u32::from_be_bytes([i, j, k, l]),
        })
    }

    fn chunks<const N: usize>(self, code: Code) -> std::slice::Iter<'a, [u8; N]> {
        self.get(code).unwrap_or_default().as_chunks::<N>().0.iter()
    }

    /// The accumulated IGP metric: the value of the first AIGP TLV (RFC 7311 section 3).
    pub fn aigp(self) -> Option<u64> {
        let mut r = Reader::new(self.get(Code::AIGP)?);
        loop {
            let (kind, len) = (r.u8().ok()?, r.u16().ok()?);
            let value = r.take(usize::from(len).checked_sub(3)?).ok()?;
            if kind == 1 {
                return value.try_into().ok().map(u64::from_be_bytes);
            }
        }
    }

    /// ONLY_TO_CUSTOMER (RFC 9234).
    pub fn otc(self) -> Option<Asn> {
        self.array(Code::ONLY_TO_CUSTOMER).map(|octets| Asn(u32::from_be_bytes(octets)))
    }
}

impl<'a> IntoIterator for AttributeSet<'a> {
    type Item = Attribute<'a>;
    type IntoIter = Attributes<'a>;

    fn into_iter(self) -> Attributes<'a> {
        self.iter()
    }
}
