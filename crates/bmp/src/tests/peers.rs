use super::*;
use crate::code::PeerType;
use crate::peer::{PEER_HEADER_LEN, PeerFlags, PeerHeader, RibType, Timestamp};
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::{Asn, Reader, RouteDistinguisher, Truncated, Writer};

fn read(octets: &[u8]) -> Result<PeerHeader, Truncated> {
    PeerHeader::read(&mut Reader::new(octets))
}

#[test]
fn all_fields_are_read() {
    let octets = hex(PEER);
    let peer = read(&octets).unwrap();
    let id = Ipv4Addr::new(10, 0, 0, 1);
    let time = Timestamp { seconds: 1_700_000_000, microseconds: 123_456 };
    let expected = PeerHeader { time, ..PeerHeader::global(Ipv4Addr::new(192, 0, 2, 1).into(), Asn(65_001), id) };
    assert_eq!(peer, expected);
    assert_eq!(peer.time.since_epoch(), Some(Duration::new(1_700_000_000, 123_456_000)));
    assert_eq!(Timestamp::default().since_epoch(), None);
    assert_eq!(octets.len(), PEER_HEADER_LEN);
    for cut in 0..octets.len() {
        assert_eq!(read(&octets[..cut]), Err(Truncated { at: 0, wanted: PEER_HEADER_LEN, left: cut }));
    }
}

#[test]
fn flags_choose_the_rib() {
    let rib = |kind: u8, flags: u8| {
        let mut octets = hex(PEER);
        (octets[0], octets[1]) = (kind, flags);
        let peer = read(&octets).unwrap();
        (peer.rib_type(), peer.is_two_octet_as(), peer.is_filtered())
    };
    for kind in [0, 1, 2, 7] {
        assert_eq!(rib(kind, 0x00), (RibType::AdjRibInPre, false, false));
        assert_eq!(rib(kind, 0x40), (RibType::AdjRibInPost, false, false));
        assert_eq!(rib(kind, 0x30), (RibType::AdjRibOutPre, true, false));
        assert_eq!(rib(kind, 0x50), (RibType::AdjRibOutPost, false, false));
    }
    assert_eq!(rib(3, 0x00), (RibType::LocRib, false, false));
    assert_eq!(rib(3, 0xf0), (RibType::LocRib, false, true));
    for rib in RibType::ALL {
        assert_eq!(RibType::ALL[rib.index()], rib);
    }
}

#[test]
fn the_v_flag_chooses_the_family_except_of_a_loc_rib() {
    let mut octets = hex(PEER);
    octets[10..12].copy_from_slice(&[0x20, 0x01]);
    octets[1] = 0x80;
    assert_eq!(read(&octets).unwrap().address.to_string(), "2001::c000:201");
    // F.
    octets[0] = 3;
    assert_eq!(read(&octets).unwrap().address.to_string(), "192.0.2.1");
    // What is before an address of IPv4 means nothing.
    (octets[0], octets[1]) = (0, 0);
    assert_eq!(read(&octets).unwrap().address.to_string(), "192.0.2.1");
}

#[test]
fn the_v_flag_is_written_as_the_address_wants_it() {
    let mut peer = PeerHeader::global("2001:db8::1".parse().unwrap(), Asn(1), Ipv4Addr::LOCALHOST);
    peer.flags = PeerFlags::default();
    let mut w = Writer::new();
    peer.write(&mut w);
    let again = read(&w.finish()).unwrap();
    assert_eq!((again.flags, again.address), (PeerFlags::IPV6, peer.address));
}

#[test]
fn type_distinguisher_and_address_tell_peers_apart() {
    let peer = read(&hex(PEER)).unwrap();
    assert_eq!(peer.key(), peer.with_flags(PeerFlags::POST_POLICY).key());
    let other = PeerHeader { peer_type: PeerType::RD, ..peer };
    assert_ne!(peer.key(), other.key());
    assert_ne!(other.key(), PeerHeader { distinguisher: RouteDistinguisher([1; 8]), ..other }.key());
}
