//! Which peers are up.

use super::*;
use crate::PeerNumber;
use bmp::code::PeerType;
use bmp::peer::{PeerFlags, RibType};
use wire::RouteDistinguisher;

#[test]
fn routes_belong_to_peers_that_are_up() {
    let stream = [routes(peer(1)), up(peer(1)), routes(peer(1)), routes(peer(2)), down(peer(1)), routes(peer(1))];
    let expected = [
        Seen::UnknownPeer,
        Seen::Up(0, PeerChange::New),
        Seen::Routes(0),
        Seen::UnknownPeer,
        Seen::Down(Some(0)),
        Seen::UnknownPeer,
    ];
    let mut session = Session::new(Config::default());
    assert_eq!(seen_by(&mut session, &stream.concat()), expected);
    assert_eq!((session.counts().unknown_peer, session.counts().total(), session.peer_count()), (3, 6, 0));
}

#[test]
fn other_messages_do_not_need_a_peer_that_is_up() {
    let stream = [
        statistics(peer(1)),
        mirroring(peer(1)),
        down(peer(1)),
        up(peer(1)),
        statistics(peer(1)),
        mirroring(peer(1)),
    ];
    let expected = [
        Seen::Statistics(None),
        Seen::Mirroring(None),
        Seen::Down(None),
        Seen::Up(0, PeerChange::New),
        Seen::Statistics(Some(0)),
        Seen::Mirroring(Some(0)),
    ];
    assert_eq!(seen(&stream.concat()), expected);
}

#[test]
fn one_peer_up_is_for_all_ribs() {
    let flags = [PeerFlags::default(), PeerFlags::POST_POLICY, PeerFlags::ADJ_RIB_OUT];
    let messages = flags.map(|flags| routes(peer(1).with_flags(flags)));
    let expected = [Seen::Up(0, PeerChange::New), Seen::Routes(0), Seen::Routes(0), Seen::Routes(0)];
    assert_eq!(seen(&[up(peer(1)), messages.concat()].concat()), expected);
}

#[test]
fn peers_with_one_address_differ_by_type_and_distinguisher() {
    let vrf = |n| PeerHeader { peer_type: PeerType::RD, distinguisher: RouteDistinguisher([n; 8]), ..peer(1) };
    let loc_rib =
        |n| PeerHeader { distinguisher: RouteDistinguisher([n; 8]), ..PeerHeader::loc_rib(Asn(1), ROUTER_ID) };
    let all = [peer(1), vrf(1), vrf(2), loc_rib(0), loc_rib(1)];
    let mut session = Session::new(Config::default());
    let new = |n| Seen::Up(n, PeerChange::New);
    assert_eq!(seen_by(&mut session, &all.map(up).concat()), [0, 1, 2, 3, 4].map(new));
    assert_eq!(seen_by(&mut session, &all.map(routes).concat()), [0, 1, 2, 3, 4].map(Seen::Routes));
    assert_eq!(seen_by(&mut session, &down(vrf(1))), [Seen::Down(Some(1))]);
    assert_eq!(session.peers().map(|peer| peer.number.0).collect::<Vec<_>>(), [0, 2, 3, 4]);
    assert_eq!(session.peer(PeerNumber(2)).map(|peer| peer.key), Some(vrf(2).key()));
    // A number that is free is used again.
    assert_eq!(seen_by(&mut session, &up(peer(9))), [new(1)]);
}

#[test]
fn a_peer_up_again_replaces_the_peer_or_is_for_another_rib() {
    let post = peer(1).with_flags(PeerFlags::POST_POLICY);
    let mut session = Session::new(Config::default());
    assert_eq!(seen_by(&mut session, &up(peer(1))), [Seen::Up(0, PeerChange::New)]);
    assert_eq!(seen_by(&mut session, &up(post)), [Seen::Up(0, PeerChange::FurtherRib)]);
    let ribs = session.peer(PeerNumber(0)).unwrap().announced_ribs;
    assert!(ribs.contains(RibType::AdjRibInPre) && ribs.contains(RibType::AdjRibInPost));
    assert!(!ribs.contains(RibType::AdjRibOutPre));
    // For the same RIB: the session was down meanwhile.
    assert_eq!(seen_by(&mut session, &up(post)), [Seen::Up(0, PeerChange::Replaced)]);
    assert!(!session.peer(PeerNumber(0)).unwrap().announced_ribs.contains(RibType::AdjRibInPre));
    // For another one, but the OPENs agree on something else.
    let offer = Offer { asn4: true, receives: &[V4], sends: &[V4], ..Offer::default() };
    let other = up_with(peer(1), offer, offer, Tlvs::of(&[], false));
    assert_eq!(seen_by(&mut session, &other), [Seen::Up(0, PeerChange::Replaced)]);
    assert_eq!(session.peer_count(), 1);
}

#[test]
fn a_loc_rib_may_be_announced_as_a_global_peer() {
    let loc_rib = PeerHeader::loc_rib(Asn(1), ROUTER_ID);
    let global = PeerHeader { peer_type: PeerType::GLOBAL, ..loc_rib };
    let mut session = Session::new(Config::default());
    assert_eq!(seen_by(&mut session, &routes(loc_rib)), [Seen::UnknownPeer]);
    let stream = [up(global), routes(loc_rib), up(loc_rib), routes(loc_rib), down(loc_rib), routes(loc_rib)];
    let new = |number| Seen::Up(number, PeerChange::New);
    // Its own peer up comes first.
    let expected = [new(0), Seen::Routes(0), new(1), Seen::Routes(1), Seen::Down(Some(1)), Seen::Routes(0)];
    assert_eq!(seen_by(&mut session, &stream.concat()), expected);
    assert_eq!(seen_by(&mut session, &down(global)), [Seen::Down(Some(0))]);
    assert_eq!(seen_by(&mut session, &routes(loc_rib)), [Seen::UnknownPeer]);
}

#[test]
fn a_loc_rib_may_be_announced_family_by_family() {
    let family = |family, peer| {
        let families = [family];
        let offer = Offer { asn4: true, sends: &families, families: &families, ..Offer::default() };
        up_with(peer, offer, offer, Tlvs::of(&[], false))
    };
    let loc_rib = PeerHeader::loc_rib(Asn(1), ROUTER_ID);
    let mut session = Session::new(Config::default());
    assert_eq!(seen_by(&mut session, &family(V4, loc_rib)), [Seen::Up(0, PeerChange::New)]);
    assert_eq!(seen_by(&mut session, &family(V6, loc_rib)), [Seen::Up(0, PeerChange::FurtherRib)]);
    let add_path = &session.peer(PeerNumber(0)).unwrap().decoding(RibType::LocRib).add_path;
    assert!([V4, V6].iter().all(|&(afi, safi)| add_path.contains(afi, safi)));
    // Labeled routes are like the others until a peer up names them.
    let labeled = (Afi::IPV4, Safi::LABELED_UNICAST);
    assert!(add_path.contains(labeled.0, labeled.1));
    let offer = Offer { asn4: true, families: &[labeled], ..Offer::default() };
    let octets = up_with(loc_rib, offer, offer, Tlvs::of(&[], false));
    assert_eq!(seen_by(&mut session, &octets), [Seen::Up(0, PeerChange::FurtherRib)]);
    let add_path = &session.peer(PeerNumber(0)).unwrap().decoding(RibType::LocRib).add_path;
    assert_eq!([V4, V6, labeled].map(|(afi, safi)| add_path.contains(afi, safi)), [true, true, false]);
    // The same family again: the Loc-RIB was down meanwhile.
    assert_eq!(seen_by(&mut session, &family(V6, loc_rib)), [Seen::Up(0, PeerChange::Replaced)]);
    // A peer has one session for all families.
    assert_eq!(seen_by(&mut session, &family(V4, peer(1))), [Seen::Up(1, PeerChange::New)]);
    assert_eq!(seen_by(&mut session, &family(V6, peer(1))), [Seen::Up(1, PeerChange::Replaced)]);
}

#[test]
fn peers_are_bounded() {
    let mut session = Session::new(Config { max_peers: 2, ..Config::default() });
    let stream = [up(peer(1)), up(peer(2)), up(peer(3)), routes(peer(3)), up(peer(2)), down(peer(1)), up(peer(3))];
    let expected = [
        Seen::Up(0, PeerChange::New),
        Seen::Up(1, PeerChange::New),
        Seen::Rejected("peer up of 192.0.2.3: too many peers".into()),
        Seen::UnknownPeer,
        Seen::Up(1, PeerChange::Replaced),
        Seen::Down(Some(0)),
        Seen::Up(0, PeerChange::New),
    ];
    assert_eq!(seen_by(&mut session, &stream.concat()), expected);
    assert_eq!(session.counts().rejected, 1);
}

#[test]
fn a_peer_has_what_its_peer_up_says() {
    let mut tlvs = TlvBuf::new(false);
    tlvs.text(3, "blue").unwrap().text(4, &"x".repeat(300)).unwrap();
    let mut session = Session::new(Config::default());
    feed(&mut session, &up_with(peer(1), Offer::default(), Offer::default(), tlvs.tlvs()));
    let found = session.peer(PeerNumber(0)).unwrap();
    assert_eq!((found.asn, found.bgp_id, found.local_as), (Asn(65_001), Ipv4Addr::new(10, 0, 0, 1), Asn(64_512)));
    assert_eq!((found.local_bgp_id, found.local_address), (ROUTER_ID, Ipv4Addr::new(192, 0, 2, 254).into()));
    assert_eq!((found.local_port, found.remote_port), (179, 33_333));
    assert_eq!(found.vrf_table_name.as_deref(), Some(&b"blue"[..]));
    assert_eq!(found.admin_label.as_deref().map(<[u8]>::len), Some(255));
}

#[test]
fn an_open_that_is_malformed_costs_the_peer_up_alone() {
    let mut message = up(peer(1));
    // The version in the OPEN that the router sent.
    let at = 6 + 42 + 20 + 19;
    assert_eq!(message[at], 4);
    message[at] = 3;
    let expected = [
        Seen::Up(0, PeerChange::New),
        Seen::Rejected("peer up of 192.0.2.1: sent OPEN: BGP version 3 instead of 4".into()),
        Seen::Routes(0),
    ];
    assert_eq!(seen(&[up(peer(1)), message, routes(peer(1))].concat()), expected);
}
