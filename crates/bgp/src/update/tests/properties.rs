//! Properties of the decoder and the encoder.

use super::*;
use crate::attribute::{AttributeSetBuf, Flags, Origin, SegmentType};
use crate::nlri::{Labels, Opaque};
use proptest::collection::vec;
use proptest::prelude::*;
use wire::{Asn, Community, ExtendedCommunity, Family, LargeCommunity, Prefix, RouteDistinguisher};

fn prefix(family: Family) -> impl Strategy<Value = Prefix> {
    (any::<u128>(), 0..=family.width()).prop_map(move |(bits, length)| {
        let address = match family {
            Family::V4 => std::net::Ipv4Addr::from_bits(bits as u32).into(),
            Family::V6 => std::net::Ipv6Addr::from_bits(bits).into(),
        };
        Prefix::new(address, length).unwrap()
    })
}

/// An NLRI without borrows: prefix, labels, distinguisher, other octets.
type Owned = (Prefix, Vec<u8>, [u8; 8], Vec<u8>);

fn nlri<'a>((prefix, labels, rd, other): &'a Owned, afi: Afi, safi: Safi) -> Nlri<'a> {
    let (rd, labels) = (RouteDistinguisher(*rd), Labels::new(labels));
    match (afi, safi) {
        (Afi::L2VPN, _) => Nlri::Other(Opaque::new(other)),
        (_, Safi::LABELED_UNICAST) => Nlri::Labelled { labels, prefix: *prefix },
        (_, Safi::MPLS_VPN) => Nlri::Vpn { rd, labels, prefix: *prefix },
        (_, Safi::MULTICAST_MPLS_VPN) => Nlri::Vpn { rd, labels: Labels::default(), prefix: *prefix },
        _ => Nlri::Unicast(*prefix),
    }
}

fn family() -> impl Strategy<Value = (Afi, Safi)> {
    let safis =
        vec![Safi::UNICAST, Safi::MULTICAST, Safi::LABELED_UNICAST, Safi::MPLS_VPN, Safi::MULTICAST_MPLS_VPN];
    prop_oneof![
        4 => (prop::sample::select(vec![Afi::IPV4, Afi::IPV6]), prop::sample::select(safis)),
        1 => Just((Afi::L2VPN, Safi::EVPN)),
    ]
}

fn routes_of(afi: Afi) -> impl Strategy<Value = Vec<(u32, Owned)>> {
    let family = Family::of_afi(afi).unwrap_or_default();
    let evpn = (any::<u8>(), vec(any::<u8>(), 0..40)).prop_map(|(kind, value)| {
        let mut octets = vec![kind, value.len() as u8];
        octets.extend(value);
        octets
    });
    vec((any::<u32>(), (prefix(family), vec(any::<u8>(), 3), any::<[u8; 8]>(), evpn)), 1..400)
}

fn path() -> impl Strategy<Value = Vec<(u8, Vec<u32>)>> {
    vec((1u8..=4, vec(prop_oneof![1u32..70_000, 1..=u32::MAX], 1..6)), 0..5)
}

/// Attributes of any kind, with a next hop.
fn attribute_set() -> impl Strategy<Value = AttributeSetBuf> {
    let required = (0u8..3, path(), any::<bool>(), any::<[u8; 16]>());
    let numbers = (any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<(u32, u32)>>(), any::<Option<u64>>());
    let lists = (
        vec(any::<u32>(), 0..5),
        vec(any::<[u8; 8]>(), 0..5),
        vec(any::<[u32; 3]>(), 0..5),
        vec(any::<u32>(), 0..5),
    );
    let unknown = vec((200u8..=255, any::<bool>(), vec(any::<u8>(), 0..300)), 0..3);
    (required, numbers, lists, unknown).prop_map(|((origin, path, is_v6, hop), numbers, lists, unknown)| {
        let path: Vec<(SegmentType, Vec<Asn>)> = path
            .into_iter()
            .map(|(kind, asns)| (SegmentType(kind), asns.into_iter().map(Asn).collect()))
            .collect();
        let segments: Vec<_> = path.iter().map(|(kind, asns)| (*kind, &asns[..])).collect();
        let [a, b, c, d, ..] = hop;
        let mut set = AttributeSetBuf::new()
            .origin(Origin::new(origin).unwrap())
            .segments(&segments)
            .next_hop(if is_v6 { hop.into() } else { [a, b, c, d].into() });
        let (med, local_pref, aggregator, aigp) = numbers;
        set = med.into_iter().fold(set, AttributeSetBuf::med);
        set = local_pref.into_iter().fold(set, AttributeSetBuf::local_pref);
        set = aggregator.into_iter().fold(set, |set, (asn, at)| set.aggregator(Asn(asn.max(1)), at.into()));
        set = aigp.into_iter().fold(set, AttributeSetBuf::aigp);
        let (standard, extended, large, clusters) = lists;
        if !standard.is_empty() {
            set = set.communities(&standard.into_iter().map(Community).collect::<Vec<_>>());
        }
        if !extended.is_empty() {
            set = set.extended_communities(&extended.into_iter().map(ExtendedCommunity).collect::<Vec<_>>());
        }
        if !large.is_empty() {
            let large = large.into_iter().map(|[global, local1, local2]| LargeCommunity {
                global: Asn(global),
                local1,
                local2,
            });
            set = set.large_communities(&large.collect::<Vec<_>>());
        }
        if !clusters.is_empty() {
            set = set.cluster_list(&clusters.into_iter().map(Into::into).collect::<Vec<_>>());
        }
        for (code, is_transitive, value) in unknown {
            let flags = if is_transitive { Flags::OPTIONAL_TRANSITIVE } else { Flags::OPTIONAL_NON_TRANSITIVE };
            set = set.attribute(flags, Code(code), &value);
        }
        set
    })
}

/// True if a path survives AS numbers of two octets: numbers of confederations that need four are lost, and those behind other
/// segments have no place in AS4_PATH.
fn survives(path: crate::attribute::AsPath<'_>) -> bool {
    let kinds: Vec<_> = path.segments().map(|segment| segment.kind).collect();
    let is_wide = |segment: crate::attribute::Segment<'_>| segment.asns().any(|asn| asn.to_u16().is_none());
    !path.segments().any(is_wide) || kinds.iter().all(|kind| !kind.is_confederation())
}

proptest! {
    #[test]
    fn what_is_announced_is_read_back(
        ((afi, safi), routes) in family().prop_flat_map(|family| (Just(family), routes_of(family.0))),
        set in attribute_set(),
        (asn4, add_path, multiprotocol) in any::<(bool, bool, bool)>(),
        extended: bool,
    ) {
        let families: Families = [(afi, safi)].into_iter().filter(|_| add_path).collect();
        let session = Session { asn4, add_path: families, ..Session::default() };
        let max_len = if extended { 65_535 } else { 4096 };
        let encoder = Encoder { max_len, ipv4_as_multiprotocol: multiprotocol, ..Encoder::new(&session) };
        let entries: Vec<_> = routes
            .iter()
            .map(|(id, owned)| Entry { path_id: add_path.then_some(*id), nlri: nlri(owned, afi, safi) })
            .collect();
        let bodies = encoder.announce(afi, safi, set.as_set(), entries.iter().copied()).unwrap();
        let mut decoders = vec![Decoder::new(); bodies.len()];
        let mut back = Vec::new();
        for (body, decoder) in bodies.iter().zip(&mut decoders) {
            prop_assert!(body.len() + 19 <= max_len);
            let update = decoder.decode(body, &session).unwrap();
            prop_assert_eq!(update.faults, &[]);
            for block in update.blocks() {
                prop_assert_eq!((block.afi, block.safi, block.action), (afi, safi, Action::Announce));
                if asn4 || survives(set.as_set().as_path()) {
                    prop_assert_eq!(block.attributes, set.as_set());
                }
                back.extend(block.entries());
            }
        }
        prop_assert_eq!(&back, &entries);

        let bodies = encoder.withdraw(afi, safi, entries.iter().copied()).unwrap();
        let mut decoders = vec![Decoder::new(); bodies.len()];
        let mut back = Vec::new();
        for (body, decoder) in bodies.iter().zip(&mut decoders) {
            prop_assert!(body.len() + 19 <= max_len);
            let update = decoder.decode(body, &session).unwrap();
            prop_assert_eq!(update.faults, &[]);
            prop_assert!(update.blocks().all(|block| block.action == Action::Withdraw));
            back.extend(update.blocks().flat_map(Block::entries));
        }
        prop_assert_eq!(&back, &entries);
        let body = encoder.end_of_rib(afi, safi);
        let mut decoder = Decoder::new();
        prop_assert_eq!(decoder.decode(&body, &session).unwrap().end_of_rib, Some((afi, safi)));
    }

    #[test]
    fn the_canonical_form_does_not_depend_on_the_order(
        set in attribute_set(),
        order in vec(any::<u32>(), 32),
    ) {
        let mut attributes: Vec<_> = set.as_set().iter().collect();
        let keys: Vec<_> = attributes.iter().map(|attribute| order[usize::from(attribute.code.0) % 32]).collect();
        attributes.sort_by_key(|attribute| keys[usize::from(attribute.code.0) % keys.len()]);
        let mut octets = Vec::new();
        for attribute in &attributes {
            // With extended lengths, needed or not.
            octets.extend([attribute.flags.0 | Flags::EXTENDED_LENGTH, attribute.code.0]);
            octets.extend((attribute.value.len() as u16).to_be_bytes());
            octets.extend(attribute.value);
        }
        let mut body = vec![0, 0];
        body.extend((octets.len() as u16).to_be_bytes());
        body.extend(&octets);
        body.extend([8, 10]);
        let mut decoder = Decoder::new();
        let update = decoder.decode(&body, &asn4()).unwrap();
        match set.as_set().next_hop() {
            Some(std::net::IpAddr::V4(_)) => {
                prop_assert_eq!(update.faults, &[]);
                prop_assert_eq!(update.blocks().next().unwrap().attributes, set.as_set());
            }
            // NEXT_HOP outside of MP_REACH_NLRI is of IPv4.
            _ => prop_assert!(update.blocks().all(|block| block.is_treated_as_withdraw)),
        }
    }

    #[test]
    fn any_octets_are_routes_that_are_there_or_an_error(
        octets in prop_oneof![
            vec(any::<u8>(), 0..200),
            // Attributes that may be good, and NLRI.
            (vec((any::<u8>(), 0u8..42, vec(any::<u8>(), 0..24)), 0..8), vec(any::<u8>(), 0..20)).prop_map(
                |(attributes, nlri)| {
                    let mut octets = hex(MANDATORY);
                    for (flags, code, value) in attributes {
                        octets.extend([flags & 0xe0, code, value.len() as u8]);
                        octets.extend(value);
                    }
                    let mut body = vec![0, 0];
                    body.extend((octets.len() as u16).to_be_bytes());
                    body.extend(octets);
                    body.extend(nlri);
                    body
                }
            ),
        ],
        asn4: bool,
        add_path: bool,
    ) {
        let families = [(Afi::IPV4, Safi::UNICAST), (Afi::IPV6, Safi::UNICAST)].into_iter().filter(|_| add_path);
        let session = Session { asn4, add_path: families.collect(), ..Session::default() };
        let mut decoder = Decoder::new();
        match decoder.decode(&octets, &session) {
            Ok(update) => {
                let entries: usize = update.blocks().map(|block| block.entries().count()).sum();
                prop_assert!(entries <= octets.len());
                let withdrawn = update.faults.iter().any(|fault| fault.outcome == Outcome::TreatedAsWithdraw);
                for block in update.blocks() {
                    prop_assert!(block.entries().count() > 0);
                    prop_assert_eq!(block.attributes.is_empty(), block.action == Action::Withdraw);
                    prop_assert!(!withdrawn || block.action == Action::Withdraw);
                    for attribute in block.attributes {
                        prop_assert!(attribute.value.len() <= 2 * octets.len());
                    }
                    _ = block.attributes.as_path().to_string();
                }
                for fault in update.faults {
                    prop_assert!((19..=19 + octets.len()).contains(&fault.offset));
                }
            }
            Err(error) => {
                prop_assert!((19..=19 + octets.len()).contains(&error.offset));
                prop_assert!(octets.is_empty() || error.data(&octets).len() <= octets.len());
            }
        }
    }

    #[test]
    fn any_octets_can_be_viewed_as_attributes(octets in vec(any::<u8>(), 0..100)) {
        let set = AttributeSet::new(&octets);
        let shown = (set.origin(), set.as_path().to_string(), set.next_hop(), set.link_local_next_hop(), set.med());
        _ = (shown, set.local_pref(), set.aggregator(), set.originator_id(), set.aigp(), set.otc());
        let lists = (set.communities().len(), set.extended_communities().len(), set.large_communities().len());
        _ = (lists, set.cluster_list().len(), set.ipv6_extended_communities().len(), set.is_atomic_aggregate());
        let path = crate::attribute::AsPath::new(&octets);
        prop_assert!(path.asns().count() * 4 <= octets.len());
        _ = (path.first_asn(true), path.first_asn(false), path.last_asn(), path.origin_asn(), path.hops());
    }

    #[test]
    fn any_cut_of_a_message_is_an_error_or_has_fewer_routes(
        routes in routes_of(Afi::IPV4),
        set in attribute_set(),
        cut: prop::sample::Index,
    ) {
        let session = asn4();
        let entries = routes.iter().map(|(_, owned)| Entry { path_id: None, nlri: nlri(owned, Afi::IPV4, Safi::UNICAST) });
        let bodies = Encoder::new(&session).announce(Afi::IPV4, Safi::UNICAST, set.as_set(), entries.clone()).unwrap();
        let body = &bodies[0];
        let all: Vec<_> = entries.collect();
        let mut decoder = Decoder::new();
        if let Ok(update) = decoder.decode(&body[..cut.index(body.len())], &session) {
            let left: Vec<_> = update.blocks().flat_map(Block::entries).collect();
            prop_assert!(all.starts_with(&left) && left.len() < all.len());
        }
    }
}
