//! The state of a session that decoding of UPDATEs depends on.

use super::*;
use bgp::update::{Families, Session as Decoding};
use bmp::peer::PeerFlags;

const LABELED: (Afi, Safi) = (Afi::IPV4, Safi::LABELED_UNICAST);
const OUT: PeerFlags = PeerFlags::ADJ_RIB_OUT;

/// What applies to the last message of a stream.
fn decoding(stream: &[Vec<u8>]) -> Decoding {
    let (mut session, octets) = (Session::new(Config::default()), stream.concat());
    let (mut input, mut last) = (&octets[..], None);
    while let Some(received) = session.next(&mut input) {
        if let Event::Routes { decoding, .. } = received.event {
            last = Some(decoding.into_owned());
        }
    }
    last.unwrap()
}

fn paths(peer: PeerHeader, router: Offer<'_>, other: Offer<'_>) -> Families {
    decoding(&[up_with(peer, router, other, Tlvs::of(&[], false)), routes(peer)]).add_path
}

fn families(all: &[(Afi, Safi)]) -> Families {
    all.iter().copied().collect()
}

#[test]
fn path_identifiers_are_for_families_that_one_side_sends_and_the_other_receives() {
    let none = Offer::default();
    let (sends, receives) = (Offer { sends: &[V4, V6], ..none }, Offer { receives: &[V4], ..none });
    let (incoming, outgoing) = (peer(1), peer(1).with_flags(OUT));
    // The peer sends and the router receives, or the reverse.
    assert_eq!(paths(incoming, receives, sends), families(&[V4]));
    assert_eq!(paths(outgoing, receives, sends), families(&[]));
    assert_eq!(paths(incoming, sends, receives), families(&[]));
    assert_eq!(paths(outgoing, sends, receives), families(&[V4]));
    // One side only.
    for offer in [sends, receives] {
        for peer in [incoming, outgoing] {
            assert_eq!(paths(peer, none, offer), families(&[]));
            assert_eq!(paths(peer, offer, none), families(&[]));
            assert_eq!(paths(peer, offer, offer), families(&[]));
        }
    }
}

#[test]
fn of_a_loc_rib_both_opens_name_the_family() {
    let peer = PeerHeader::loc_rib(Asn(64_512), ROUTER_ID);
    let none = Offer::default();
    for offer in [Offer { sends: &[V4], ..none }, Offer { receives: &[V4], ..none }] {
        // Labeled routes are like the others, unless the OPENs name them.
        assert_eq!(paths(peer, offer, offer), families(&[V4, LABELED]));
        assert_eq!(paths(peer, offer, none), families(&[]));
        let named = Offer { families: &[V4, LABELED], ..offer };
        assert_eq!(paths(peer, named, named), families(&[V4]));
    }
    // Whatever the OPENs say: the router made them.
    assert!(decoding(&[up_with(peer, none, none, Tlvs::of(&[], false)), routes(peer)]).asn4);
}

#[test]
fn several_labels_need_both_sides() {
    let none = Offer::default();
    let (both, one) = (Offer { labels: &[V4, V6], ..none }, Offer { labels: &[V6], ..none });
    let labels = |router, other| {
        decoding(&[up_with(peer(1), router, other, Tlvs::of(&[], false)), routes(peer(1))]).multiple_labels
    };
    assert_eq!(labels(both, one), families(&[V6]));
    assert_eq!(labels(none, both), families(&[]));
}

/// The body of an UPDATE with an AS_PATH of these octets.
fn with_path(path: &[u8]) -> Vec<u8> {
    let len = u8::try_from(path.len()).unwrap();
    let attributes = [&[0x40, 1, 1, 0, 0x40, 2, len], path].concat();
    [&[0, 0, 0, u8::try_from(attributes.len()).unwrap()], &attributes[..]].concat()
}

#[test]
fn the_a_flag_decides_about_as_numbers_and_then_the_path_itself() {
    let (new, old) = (Offer { asn4: true, ..Offer::default() }, Offer::default());
    let flagged = peer(1).with_flags(PeerFlags::TWO_OCTET_AS);
    let asn4 = |header: PeerHeader, router, other, path: &[u8]| {
        let message = routes_with(Version::V3, header, &with_path(path), Tlvs::of(&[], true));
        decoding(&[up_with(peer(1), router, other, Tlvs::of(&[], false)), message]).asn4
    };
    let (two, four) = (&[2, 2, 0xfd, 0xe9, 0xfd, 0xea][..], &[2, 2, 0, 0, 0xfd, 0xe9, 0, 0, 0xfd, 0xea][..]);
    assert!(!asn4(flagged, new, new, two) && !asn4(flagged, old, old, two) && !asn4(flagged, new, new, four));
    assert!(asn4(peer(1), new, new, four) && !asn4(peer(1), new, new, two));
    // The router made four octets of two, as RFC 7854 permits, or left the flag out.
    for (router, other) in [(old, old), (new, old), (old, new)] {
        assert!(asn4(peer(1), router, other, four));
        assert!(!asn4(peer(1), router, other, two));
        // Neither fits, or both do.
        assert!(asn4(peer(1), router, other, &[2, 9, 0, 0]) && asn4(peer(1), router, other, &[]));
    }
    // Two segments of two octets each; a wrong type; no path.
    assert!(!asn4(peer(1), old, old, &[2, 1, 0, 1, 1, 1, 0, 2]));
    assert!(asn4(peer(1), old, old, &[5, 1, 0, 1]));
    let message = routes_with(Version::V3, peer(1), &[0, 0, 0, 2, 0x40, 2], Tlvs::of(&[], true));
    assert!(decoding(&[up_with(peer(1), old, old, Tlvs::of(&[], false)), message]).asn4);
}

#[test]
fn stateless_parsing_applies_to_its_message_alone() {
    let family = AddPath { afi: Afi::IPV4, safi: Safi::UNICAST, receive: true, send: false };
    let mut w = Writer::new();
    capability::write_four_octet_as(&mut w, Asn(1));
    capability::write_list(&mut w, Code::ADD_PATH, &[family]).unwrap();
    let (types, value) = (CodePoints::default(), w.finish());
    let mut tlvs = TlvBuf::new(true);
    tlvs.add(Tlv::new(types.stateless_parsing, &value)).unwrap();
    let old = up_with(peer(1), Offer::default(), Offer::default(), Tlvs::of(&[], false));
    let path = with_path(&[2, 1, 0, 1]);
    let marked = routes_with(Version::V4, peer(1), &path, tlvs.tlvs());
    let plain = routes_with(Version::V4, peer(1), &path, Tlvs::of(&[], true));
    let found = decoding(&[old.clone(), plain.clone(), marked.clone()]);
    assert_eq!((found.asn4, found.add_path), (true, families(&[V4])));
    let found = decoding(&[old.clone(), marked, plain]);
    assert_eq!((found.asn4, found.add_path), (false, families(&[])));
    // The router receives path identifiers, and does not send them.
    let out = routes_with(Version::V4, peer(1).with_flags(OUT), &path, tlvs.tlvs());
    assert_eq!(decoding(&[old.clone(), out]).add_path, families(&[]));
    // In version 3 the type means something else.
    let mut tlvs = TlvBuf::new(false);
    tlvs.add(Tlv::new(types.stateless_parsing, &value)).unwrap();
    let found = decoding(&[old, routes_with(Version::V3, peer(1), &path, tlvs.tlvs())]);
    assert_eq!((found.asn4, found.add_path), (false, families(&[])));
}

#[test]
fn a_message_with_many_families_costs_a_bounded_search() {
    let many: Vec<_> =
        (0..60_000u16).map(|n| AddPath { afi: Afi(n), safi: Safi(1), receive: true, send: true }).collect();
    let mut tlvs = TlvBuf::new(true);
    for part in many.chunks(60) {
        let mut w = Writer::new();
        capability::write_list(&mut w, Code::ADD_PATH, part).unwrap();
        tlvs.add(Tlv::new(CodePoints::default().stateless_parsing, &w.finish())).unwrap();
    }
    let message = routes_with(Version::V4, peer(1), &[0; 4], tlvs.tlvs());
    assert_eq!(decoding(&[up(peer(1)), message]).add_path.iter().len(), 64);
}
