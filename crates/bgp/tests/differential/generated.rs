//! Generated messages.

use super::{Outcome, compare, theirs};
use bgp::attribute::{AttributeSetBuf, Origin, SegmentType};
use bgp::nlri::evpn::Evpn;
use bgp::nlri::fields::{Esi, LabelField};
use bgp::nlri::link_state::{Body, LinkState, NlriType, Object, Protocol};
use bgp::nlri::route_target::RouteTarget;
use bgp::nlri::{Label, Labels, Nlri, Opaque};
use bgp::update::{Encoder, Entry, Families, Session};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{
    Afi, Asn, Community, ExtendedCommunity, LargeCommunity, Mac, Prefix, RouteDistinguisher, Safi, Writer,
};

/// Families that are generated.
const FAMILIES: &[(Afi, Safi)] = &[
    (Afi::IPV4, Safi::UNICAST),
    (Afi::IPV6, Safi::UNICAST),
    (Afi::IPV4, Safi::LABELED_UNICAST),
    (Afi::IPV6, Safi::LABELED_UNICAST),
    (Afi::IPV4, Safi::MPLS_VPN),
    (Afi::IPV6, Safi::MPLS_VPN),
    (Afi::L2VPN, Safi::EVPN),
    (Afi::IPV4, Safi::ROUTE_TARGET),
    (Afi::BGP_LS, Safi::BGP_LS),
];

/// What a route is made of.
#[derive(Clone, Debug)]
struct Numbers {
    id: u32,
    address: u128,
    length: u8,
    rd: (u16, u32),
    label: u32,
}

fn numbers() -> impl Strategy<Value = Numbers> {
    (any::<u32>(), any::<u128>(), 8u8..=32, any::<(u16, u32)>(), 0u32..1 << 20)
        .prop_map(|(id, address, length, rd, label)| Numbers { id, address, length, rd, label })
}

impl Numbers {
    /// A unicast prefix, since the others refuse multicast addresses: 10.0.0.0/8 or 2001:db8::/32 or more specific.
    fn prefix(&self, afi: Afi) -> Prefix {
        if afi == Afi::IPV6 {
            let address = Ipv6Addr::from_bits(0x2001_0db8 << 96 | self.address >> 32);
            Prefix::new(address.into(), self.length + 32).unwrap()
        } else {
            let address = Ipv4Addr::from_bits(0x0a00_0000 | (self.address as u32) >> 8);
            Prefix::new(address.into(), self.length).unwrap()
        }
    }

    fn rd(&self) -> RouteDistinguisher {
        let ([a, b], [c, d, e, f]) = (self.rd.0.to_be_bytes(), self.rd.1.to_be_bytes());
        RouteDistinguisher([0, 0, a, b, c, d, e, f])
    }

    /// The octets of an NLRI that the encoder takes as they are, or of labels.
    fn octets(&self, afi: Afi, safi: Safi) -> Vec<u8> {
        let mut w = Writer::new();
        match safi {
            Safi::EVPN => {
                let [a, b, c, d, e, g, h, ..] = self.address.to_be_bytes();
                let (rd, tag, esi) = (self.rd(), self.id, Esi([0, a, b, c, d, e, g, h, 1, 2]));
                let label = LabelField::of_label(self.label);
                let ip = self.prefix(afi).address();
                match self.length % 5 {
                    0 => Evpn::EthernetAd { rd, esi, tag, label },
                    1 => Evpn::MacIp {
                        rd,
                        esi,
                        tag,
                        mac: Mac([a, b, c, d, e, g]),
                        ip: Some(ip),
                        label,
                        label2: None,
                    },
                    2 => Evpn::InclusiveMulticast { rd, tag, originator: ip },
                    3 => Evpn::EthernetSegment { rd, esi, originator: ip },
                    _ => Evpn::IpPrefix { rd, esi, tag, prefix: self.prefix(afi), gateway: ip, label },
                }
                .write(&mut w);
            }
            Safi::ROUTE_TARGET => {
                let community = ExtendedCommunity([0, 2, 0, 1, 0, 0, 0, self.length]);
                RouteTarget::new(Asn(self.id), community).write(&mut w);
            }
            Safi::BGP_LS => {
                let [a, b, c, d] = self.id.to_be_bytes();
                let node = [2, 0, 0, 4, a, b, c, d, 2, 3, 0, 6, 0, 0, a, b, c, d];
                let mut descriptors = vec![1, 0, 0, 18];
                descriptors.extend(node);
                let nlri_type = if self.length.is_multiple_of(2) {
                    NlriType::NODE
                } else {
                    descriptors.extend([1, 9, 0, 4, 24, a, b, c]);
                    NlriType::IPV4_PREFIX
                };
                let object =
                    Object { protocol: Protocol(2), identifier: self.id.into(), descriptors: &descriptors };
                LinkState { nlri_type, rd: None, body: Body::Object(object) }.write(&mut w);
            }
            _ => {
                let [_, a, b, c] = Label::bottom(self.label).0.to_be_bytes();
                w.put(&[a, b, c]);
            }
        }
        w.finish()
    }
}

/// An UPDATE of one family, and the session that it belongs to.
fn message() -> impl Strategy<Value = (Session, Vec<Vec<u8>>)> {
    let path = prop::collection::vec((1u8..=4, prop::collection::vec(1u32..65_536, 1..5)), 0..4);
    let attributes = (
        (0u8..3, path, prop::option::of(any::<u32>()), prop::option::of(any::<u32>())),
        prop::collection::vec(any::<u32>(), 0..4),
        prop::collection::vec(any::<(u16, u32)>(), 0..3),
        prop::collection::vec(any::<[u32; 3]>(), 0..3),
    );
    let session = (0..FAMILIES.len(), any::<bool>(), any::<bool>(), any::<bool>());
    (session, attributes, prop::collection::vec(numbers(), 1..6)).prop_map(
        |(
            (family, asn4, has_ids, withdraw),
            ((origin, path, med, preference), standard, extended, large),
            all,
        )| {
            let (afi, safi) = FAMILIES[family];
            let add_path: Families = has_ids.then_some((afi, safi)).into_iter().collect();
            let session = Session { asn4, add_path, ..Session::default() };
            let paths: Vec<_> = path
                .iter()
                .map(|(kind, all)| (SegmentType(*kind), all.iter().copied().map(Asn).collect::<Vec<_>>()))
                .collect();
            let segments: Vec<_> = paths.iter().map(|(kind, all)| (*kind, &all[..])).collect();
            let next_hop: IpAddr =
                if afi == Afi::IPV6 { Ipv6Addr::LOCALHOST.into() } else { [10, 0, 0, 1].into() };
            let origin = [Origin::Igp, Origin::Egp, Origin::Incomplete][usize::from(origin)];
            let standard: Vec<_> = standard.into_iter().map(Community).collect();
            let extended: Vec<_> = extended
                .into_iter()
                .map(|(asn, value)| ExtendedCommunity::new(2, wire::community::Administrator::As2(asn, value)))
                .collect();
            let large: Vec<_> = large
                .into_iter()
                .map(|[global, local1, local2]| LargeCommunity { global: Asn(global), local1, local2 })
                .collect();
            let mut set = AttributeSetBuf::new().origin(origin).segments(&segments).next_hop(next_hop);
            set = med.into_iter().fold(set, AttributeSetBuf::med);
            set = preference.into_iter().fold(set, AttributeSetBuf::local_pref);
            // Empty attributes are malformed.
            if !standard.is_empty() {
                set = set.communities(&standard);
            }
            if !extended.is_empty() {
                set = set.extended_communities(&extended);
            }
            if !large.is_empty() {
                set = set.large_communities(&large);
            }
            let octets: Vec<_> = all.iter().map(|numbers| numbers.octets(afi, safi)).collect();
            let entries: Vec<_> = all
                .iter()
                .zip(&octets)
                .map(|(numbers, octets)| {
                    let labels = Labels::new(octets);
                    let prefix = numbers.prefix(afi);
                    let nlri = match safi {
                        Safi::UNICAST => Nlri::Unicast(prefix),
                        Safi::LABELED_UNICAST => Nlri::Labelled { labels, prefix },
                        Safi::MPLS_VPN => Nlri::Vpn { rd: numbers.rd(), labels, prefix },
                        _ => Nlri::Other(Opaque::new(octets)),
                    };
                    Entry { path_id: has_ids.then_some(numbers.id), nlri }
                })
                .collect();
            let encoder = Encoder::new(&session);
            let bodies = if withdraw {
                encoder.withdraw(afi, safi, entries)
            } else {
                encoder.announce(afi, safi, set.as_set(), entries)
            };
            let bodies = bodies.unwrap();
            (session, bodies)
        },
    )
}

/// Panics unless both read the same, or they do not read the message at all, for a known reason.
fn check(outcome: Outcome, body: &[u8]) {
    match outcome {
        Outcome::Same => {}
        Outcome::Theirs(reason) => {
            // One does not know segments of confederations, the other not all families.
            let is_known = reason.contains("is not decoded") || reason.contains("UndefinedAsPathSegmentType");
            assert!(is_known, "{reason}: {body:02x?}");
        }
        Outcome::Fault { ours, .. } => panic!("{ours}: {body:02x?}"),
        Outcome::Different { ours, theirs } => panic!("{ours:#?}\n{theirs:#?}\n{body:02x?}"),
    }
}

proptest! {
    #[test]
    fn generated_messages_read_the_same((session, bodies) in message()) {
        for body in bodies {
            check(compare(&body, &session, theirs::netgauze), &body);
            check(compare(&body, &session, theirs::bgpkit), &body);
        }
    }
}
