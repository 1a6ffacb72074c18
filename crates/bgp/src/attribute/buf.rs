//! Attributes that are made, not received.

use super::{AttributeSet, Code, Flags, Origin, SegmentType};
use crate::update::canonical::Scratch;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{Asn, Community, ExtendedCommunity, LargeCommunity};

/// The attributes of a route in canonical form, and what writes them. An attribute that is added again replaces the first.
#[derive(Clone, Debug, Default)]
pub struct AttributeSetBuf {
    values: BTreeMap<Code, (Flags, Vec<u8>)>,
    octets: Vec<u8>,
}

impl PartialEq for AttributeSetBuf {
    fn eq(&self, other: &Self) -> bool {
        self.as_set() == other.as_set()
    }
}

impl Eq for AttributeSetBuf {}

impl AttributeSetBuf {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of a set.
    pub fn of(set: AttributeSet<'_>) -> Self {
        set.iter()
            .fold(Self::new(), |buf, attribute| buf.attribute(attribute.flags, attribute.code, attribute.value))
    }

    /// The attributes.
    pub fn as_set(&self) -> AttributeSet<'_> {
        AttributeSet::new(&self.octets)
    }

    /// Adds any attribute. Values of more than 65535 octets are cut, as a length cannot say more.
    #[must_use]
    pub fn attribute(mut self, flags: Flags, code: Code, value: &[u8]) -> Self {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.values.insert(code, (flags, value.to_vec()));
        self.write();
        self
    }

    /// Removes an attribute.
    #[must_use]
    pub fn without(mut self, code: Code) -> Self {
        self.values.remove(&code);
        self.write();
        self
    }

    fn write(&mut self) {
        self.octets.clear();
        for (code, (flags, value)) in &self.values {
            // The value was cut to what fits.
            _ = Scratch::default().put(&mut self.octets, *flags, *code, value);
        }
    }

    /// ORIGIN.
    #[must_use]
    pub fn origin(self, origin: Origin) -> Self {
        self.attribute(Flags::WELL_KNOWN, Code::ORIGIN, &[origin.value()])
    }

    /// AS_PATH with one sequence for each 255 numbers.
    #[must_use]
    pub fn as_path(self, asns: &[Asn]) -> Self {
        self.segments(&[(SegmentType::AS_SEQUENCE, asns)])
    }

    /// AS_PATH with these segments. Those with more than 255 numbers are split.
    #[must_use]
    pub fn segments(self, segments: &[(SegmentType, &[Asn])]) -> Self {
        let mut value = Vec::new();
        for (kind, asns) in segments {
            for asns in asns.chunks(usize::from(u8::MAX)) {
                // A chunk has at most 255.
                value.extend([kind.0, u8::try_from(asns.len()).unwrap_or(u8::MAX)]);
                value.extend(asns.iter().flat_map(|asn| asn.0.to_be_bytes()));
            }
        }
        self.attribute(Flags::WELL_KNOWN, Code::AS_PATH, &value)
    }

    /// The next hop, in any family.
    #[must_use]
    pub fn next_hop(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => self.attribute(Flags::WELL_KNOWN, Code::NEXT_HOP, &v4.octets()),
            IpAddr::V6(v6) => self.attribute(Flags::WELL_KNOWN, Code::NEXT_HOP, &v6.octets()),
        }
    }

    /// A global and a link-local next hop (RFC 2545 section 3).
    #[must_use]
    pub fn next_hops(self, global: Ipv6Addr, link_local: Ipv6Addr) -> Self {
        let value = [global.octets(), link_local.octets()];
        self.attribute(Flags::WELL_KNOWN, Code::NEXT_HOP, value.as_flattened())
    }

    /// MULTI_EXIT_DISC.
    #[must_use]
    pub fn med(self, metric: u32) -> Self {
        self.attribute(Flags::OPTIONAL_NON_TRANSITIVE, Code::MULTI_EXIT_DISC, &metric.to_be_bytes())
    }

    /// LOCAL_PREF.
    #[must_use]
    pub fn local_pref(self, preference: u32) -> Self {
        self.attribute(Flags::WELL_KNOWN, Code::LOCAL_PREF, &preference.to_be_bytes())
    }

    /// ATOMIC_AGGREGATE.
    #[must_use]
    pub fn atomic_aggregate(self) -> Self {
        self.attribute(Flags::WELL_KNOWN, Code::ATOMIC_AGGREGATE, &[])
    }

    /// AGGREGATOR.
    #[must_use]
    pub fn aggregator(self, asn: Asn, address: Ipv4Addr) -> Self {
        let value = [asn.0.to_be_bytes(), address.octets()];
        self.attribute(Flags::OPTIONAL_TRANSITIVE, Code::AGGREGATOR, value.as_flattened())
    }

    /// Communities.
    #[must_use]
    pub fn communities(self, communities: &[Community]) -> Self {
        let value: Vec<u8> = communities.iter().flat_map(|community| community.0.to_be_bytes()).collect();
        self.attribute(Flags::OPTIONAL_TRANSITIVE, Code::COMMUNITIES, &value)
    }

    /// Extended communities.
    #[must_use]
    pub fn extended_communities(self, communities: &[ExtendedCommunity]) -> Self {
        let value: Vec<u8> = communities.iter().flat_map(|community| community.0).collect();
        self.attribute(Flags::OPTIONAL_TRANSITIVE, Code::EXTENDED_COMMUNITIES, &value)
    }

    /// Large communities.
    #[must_use]
    pub fn large_communities(self, communities: &[LargeCommunity]) -> Self {
        let parts =
            communities.iter().flat_map(|community| [community.global.0, community.local1, community.local2]);
        let value: Vec<u8> = parts.flat_map(u32::to_be_bytes).collect();
        self.attribute(Flags::OPTIONAL_TRANSITIVE, Code::LARGE_COMMUNITIES, &value)
    }

    /// ORIGINATOR_ID.
    #[must_use]
    pub fn originator_id(self, router: Ipv4Addr) -> Self {
        self.attribute(Flags::OPTIONAL_NON_TRANSITIVE, Code::ORIGINATOR_ID, &router.octets())
    }

    /// CLUSTER_LIST.
    #[must_use]
    pub fn cluster_list(self, clusters: &[Ipv4Addr]) -> Self {
        let value: Vec<u8> = clusters.iter().flat_map(Ipv4Addr::octets).collect();
        self.attribute(Flags::OPTIONAL_NON_TRANSITIVE, Code::CLUSTER_LIST, &value)
    }

    /// AIGP with a metric (RFC 7311 section 3).
    #[must_use]
    pub fn aigp(self, metric: u64) -> Self {
        let mut value = vec![1, 0, 11];
        value.extend(metric.to_be_bytes());
        self.attribute(Flags::OPTIONAL_NON_TRANSITIVE, Code::AIGP, &value)
    }

    /// ONLY_TO_CUSTOMER.
    #[must_use]
    pub fn otc(self, asn: Asn) -> Self {
        self.attribute(Flags::OPTIONAL_TRANSITIVE, Code::ONLY_TO_CUSTOMER, &asn.0.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let large = LargeCommunity { global: Asn(65_536), local1: 1, local2: 2 };
        let extended = ExtendedCommunity([0, 2, 0, 1, 0, 0, 0, 7]);
        let buf = AttributeSetBuf::new()
            .otc(Asn(65_001))
            .large_communities(&[large, large])
            .aigp(u64::MAX)
            .extended_communities(&[extended])
            .cluster_list(&[Ipv4Addr::LOCALHOST])
            .originator_id(Ipv4Addr::new(10, 0, 0, 1))
            .communities(&[Community(2), Community(1), Community(2)])
            .aggregator(Asn(65_536), Ipv4Addr::LOCALHOST)
            .atomic_aggregate()
            .local_pref(100)
            .med(7)
            .next_hops("2001:db8::1".parse().unwrap(), "fe80::1".parse().unwrap())
            .as_path(&[Asn(1), Asn(2)])
            .origin(Origin::Egp);
        let set = buf.as_set();
        assert!(set.iter().is_sorted_by_key(|attribute| attribute.code));
        assert_eq!((set.origin(), set.as_path().to_string()), (Some(Origin::Egp), "1 2".into()));
        assert_eq!(
            (set.next_hop(), set.link_local_next_hop()),
            ("2001:db8::1".parse().ok(), "fe80::1".parse().ok())
        );
        assert_eq!((set.med(), set.local_pref(), set.is_atomic_aggregate()), (Some(7), Some(100), true));
        assert_eq!(set.aggregator(), Some((Asn(65_536), Ipv4Addr::LOCALHOST)));
        assert_eq!(set.communities().collect::<Vec<_>>(), [Community(1), Community(2)]);
        assert_eq!(set.extended_communities().collect::<Vec<_>>(), [extended]);
        assert_eq!(set.large_communities().collect::<Vec<_>>(), [large]);
        assert_eq!(set.originator_id(), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(set.cluster_list().collect::<Vec<_>>(), [Ipv4Addr::LOCALHOST]);
        assert_eq!((set.aigp(), set.otc()), (Some(u64::MAX), Some(Asn(65_001))));
        assert_eq!(AttributeSetBuf::of(set), buf);
        let without = buf.without(Code::MULTI_EXIT_DISC).med(8).without(Code::ORIGIN);
        assert_eq!((without.as_set().med(), without.as_set().origin()), (Some(8), None));
    }

    #[test]
    fn long_paths_have_several_segments() {
        let asns = vec![Asn(1); 600];
        let buf = AttributeSetBuf::new().as_path(&asns);
        let counts: Vec<_> = buf.as_set().as_path().segments().map(|segment| segment.len()).collect();
        assert_eq!(counts, [255, 255, 90]);
    }
}
