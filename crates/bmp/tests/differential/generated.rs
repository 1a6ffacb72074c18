//! Generated messages.

use super::{ours, theirs};
use bgp::attribute::{AttributeSetBuf, Origin, SegmentType};
use bgp::message::{self, Message as BgpMessage, MessageType as BgpType};
use bgp::nlri::Nlri;
use bgp::update::{Encoder, Entry, Session};
use bgp::{capability, open};
use bmp::code::{DownReason, MessageType, PeerType};
use bmp::frame::Version;
use bmp::information::{Initiation, Termination};
use bmp::message::Message;
use bmp::mirroring::RouteMirroring;
use bmp::peer::{PeerFlags, PeerHeader, Timestamp};
use bmp::peer_down::PeerDown;
use bmp::peer_up::PeerUp;
use bmp::route_monitoring::RouteMonitoring;
use bmp::statistics::{CounterBuf, Form, StatisticType, Statistics};
use bmp::tlv::{Tlv, TlvBuf, Tlvs};
use bmp::v4::CodePoints;
use netgauze_bmp_pkt::wire::deserializer::BmpParsingContext;
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{Afi, Asn, Prefix, RouteDistinguisher, Safi};

fn peers() -> impl Strategy<Value = PeerHeader> {
    let address = prop_oneof![
        (1u32..0xe000_0000).prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))),
        any::<u64>().prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(bits)))),
    ];
    // A time that is 0 is absent, and floating-point numbers have no more than 53 bits.
    let time = (1u32..u32::MAX, 0u32..1_000_000);
    (0u8..4, 0u8..16, any::<(u16, u32)>(), address, 1u32.., 1u32.., time).prop_map(
        |(kind, flags, (asn, number), address, peer_as, id, (seconds, microseconds))| {
            let [a, b] = asn.to_be_bytes();
            let [c, d, e, f] = number.to_be_bytes();
            let is_loc_rib = kind == PeerType::LOC_RIB.0;
            // Type 0 of the distinguisher. One of the others keeps that of global peers only if it is 0.
            let distinguisher = if kind == 0 { [0; 8] } else { [0, 0, a, b, c, d, e, f] };
            let flags = if is_loc_rib { flags << 7 } else { flags << 4 & 0x70 | u8::from(address.is_ipv6()) << 7 };
            PeerHeader {
                peer_type: PeerType(kind),
                flags: PeerFlags(flags),
                distinguisher: RouteDistinguisher(distinguisher),
                address: if is_loc_rib { Ipv4Addr::UNSPECIFIED.into() } else { address },
                asn: Asn(peer_as),
                bgp_id: id.into(),
                time: Timestamp { seconds, microseconds },
            }
        },
    )
}

/// Text, in ASCII, since one of the others takes each octet for a character.
fn texts(kinds: &'static [u16]) -> impl Strategy<Value = TlvBuf> {
    vec((prop::sample::select(kinds), "[a-z ]{1,20}"), 0..4).prop_map(|all| {
        let mut tlvs = TlvBuf::new(false);
        for (kind, text) in &all {
            tlvs.text(*kind, text).unwrap();
        }
        tlvs
    })
}

fn bgp(kind: BgpType, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(message::write(&mut out, kind, body));
    out
}

fn opens() -> impl Strategy<Value = Vec<u8>> {
    (1u16..23_000, 3u16.., 1u32..0xe000_0000, any::<bool>()).prop_map(|(asn, hold_time, id, asn4)| {
        let mut open = open::Builder::new(Asn(asn.into()), hold_time, id.into());
        open.capabilities(|w| {
            capability::write_multiprotocol(w, Afi::IPV4, Safi::UNICAST);
            if asn4 {
                capability::write_four_octet_as(w, Asn(asn.into()));
            }
        });
        open.finish().unwrap()
    })
}

/// An UPDATE with routes of IPv4 and AS numbers of two or four octets.
fn update(asn4: bool, prefixes: &[u32], is_withdrawal: bool) -> Vec<u8> {
    let session = Session { asn4, ..Session::default() };
    let attributes = AttributeSetBuf::new()
        .origin(Origin::Igp)
        .segments(&[(SegmentType::AS_SEQUENCE, &[Asn(65_001), Asn(65_002)])])
        .next_hop([192, 0, 2, 1].into());
    let prefix = |bits: &u32| Prefix::new(Ipv4Addr::from_bits(0x0a00_0000 | bits >> 8).into(), 24).unwrap();
    let entries = prefixes.iter().map(|bits| Entry { path_id: None, nlri: Nlri::Unicast(prefix(bits)) });
    let encoder = Encoder::new(&session);
    let (afi, safi) = (Afi::IPV4, Safi::UNICAST);
    let bodies = if is_withdrawal {
        encoder.withdraw(afi, safi, entries)
    } else {
        encoder.announce(afi, safi, attributes.as_set(), entries)
    };
    bgp(BgpType::UPDATE, bodies.unwrap().first().map_or(&[0, 0, 0, 0], |body| &body[..]))
}

/// The UPDATE in a message of its peer.
fn update_of(peer: &PeerHeader, prefixes: &[u32], is_withdrawal: bool) -> Vec<u8> {
    update(!peer.is_two_octet_as(), prefixes, is_withdrawal)
}

/// Compares the readings of a message with TLVs and messages as the others know them.
fn check(message: &Message<'_>, version: Version) -> Result<(), TestCaseError> {
    let mut octets = Vec::new();
    message.write(&mut octets, version, &CodePoints::default()).unwrap();
    let (_, ours) = ours(&octets, true).map_err(TestCaseError::fail)?;
    let mut context = BmpParsingContext::default();
    prop_assert_eq!(theirs::netgauze(&octets, true, &mut context), Ok(ours.clone()));
    if version == Version::V3 {
        let mut ours = ours;
        if let Some(peer) = ours.peer.as_mut().filter(|peer| peer.kind != 3 && peer.flags & 0x20 != 0) {
            // It takes the A flag for one about the AS number in the header as well.
            peer.asn &= 0xffff;
        }
        prop_assert_eq!(theirs::bgpkit(&octets), Ok(ours));
    }
    Ok(())
}

fn versions() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V3), Just(Version::V4)]
}

proptest! {
    #[test]
    fn route_monitoring_reads_the_same(
        version in versions(), peer in peers(), prefixes in vec(any::<u32>(), 0..20), is_withdrawal: bool, name in "[a-z]{1,20}", status: u32,
    ) {
        let update = update_of(&peer, &prefixes, is_withdrawal);
        let mut tlvs = TlvBuf::new(true);
        if version == Version::V4 {
            let types = CodePoints::default();
            tlvs.add(Tlv::new(types.vrf_table_name, name.as_bytes())).unwrap();
            tlvs.add(Tlv::new(5, &status.to_be_bytes())).unwrap();
            tlvs.add(Tlv { index: 0x8001, ..Tlv::new(types.group, &[0, 1, 0, 2]) }).unwrap();
        }
        let update = BgpMessage::first(&update, true).unwrap().unwrap();
        check(&Message::RouteMonitoring(RouteMonitoring { tlvs: tlvs.tlvs(), ..RouteMonitoring::new(peer, update) }), version)?;
    }

    #[test]
    fn peer_up_reads_the_same(
        version in versions(), peer in peers(), sent in opens(), received in opens(), ports in any::<(u16, u16)>(), tlvs in texts(&[0, 3, 4]),
    ) {
        let whole = |octets| BgpMessage::first(octets, true).unwrap().unwrap();
        let local_address: IpAddr = if peer.peer_type == PeerType::LOC_RIB {
            Ipv4Addr::UNSPECIFIED.into()
        } else if peer.address.is_ipv6() { Ipv6Addr::from_bits(0x2001_0db8 << 96 | 9).into() } else { Ipv4Addr::new(192, 0, 2, 9).into() };
        check(&Message::PeerUp(PeerUp {
            peer,
            local_address,
            local_port: ports.0,
            remote_port: ports.1,
            sent_open: whole(&sent),
            received_open: whole(&received),
            tlvs: tlvs.tlvs(),
            fault: None,
        }), version)?;
    }

    #[test]
    fn peer_down_reads_the_same(peer in peers(), reason in 1u8..7, event: u16, name in "[a-z]{1,20}") {
        let mut tlvs = TlvBuf::new(false);
        tlvs.text(3, &name).unwrap();
        let data = match reason {
            1 | 3 => bgp(BgpType::NOTIFICATION, &[6, 4]),
            2 => event.to_be_bytes().to_vec(),
            6 => tlvs.tlvs().octets().to_vec(),
            _ => Vec::new(),
        };
        check(&Message::PeerDown(PeerDown::new(peer, DownReason(reason), &data, Version::V3)), Version::V3)?;
    }

    #[test]
    fn statistics_read_the_same(peer in peers(), numbers in vec((0u16..44, any::<u64>(), any::<bool>()), 0..12)) {
        let mut counters = CounterBuf::new();
        for (kind, number, v6) in numbers {
            let kind = StatisticType(kind);
            match kind.form() {
                Some(Form::Counter) => counters.counter(kind, number as u32),
                Some(Form::Gauge) => counters.gauge(kind, number),
                Some(Form::FamilyGauge) => {
                    counters.family_gauge(kind, if v6 { Afi::IPV6 } else { Afi::IPV4 }, Safi::UNICAST, number)
                }
                None => &mut counters,
            };
        }
        let (counters, tlvs) = (counters.counters(), Tlvs::of(&[], false));
        check(&Message::Statistics(Statistics { peer, counters, tlvs, fault: None }), Version::V3)?;
    }

    #[test]
    fn information_reads_the_same(version in versions(), tlvs in texts(&[0, 1, 2]), text in texts(&[0]), reason in 0u16..5) {
        check(&Message::Initiation(Initiation { tlvs: tlvs.tlvs() }), version)?;
        let mut text = text;
        text.add(Tlv::new(1, &reason.to_be_bytes())).unwrap();
        check(&Message::Termination(Termination { tlvs: text.tlvs(), fault: None }), version)?;
    }

    #[test]
    fn route_mirroring_reads_the_same(peer in peers(), prefixes in vec(any::<u32>(), 0..20), code in 0u16..2) {
        let mut tlvs = TlvBuf::new(false);
        tlvs.add(Tlv::new(1, &code.to_be_bytes())).unwrap();
        // As the peer sent it; the width of AS numbers is that of its session, for which the others take the A flag.
        let peer = PeerHeader { flags: PeerFlags(peer.flags.0 & !PeerFlags::TWO_OCTET_AS.0), ..peer };
        let update = update(true, &prefixes, false);
        tlvs.add(Tlv::new(0, &update)).unwrap();
        check(&Message::RouteMirroring(RouteMirroring { peer, tlvs: tlvs.tlvs(), fault: None }), Version::V3)?;
    }
}

#[test]
fn the_types_of_messages_are_those_of_the_others() {
    for kind in MessageType::NAMED {
        assert!(netgauze_bmp_pkt::iana::BmpMessageType::try_from(kind.0).is_ok());
    }
}
