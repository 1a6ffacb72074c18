//! BMP: which router, and which of its RIBs.

use super::world::{Collector, Flow, World, ip, spec};
use crate::peers::AddPath;
use crate::routers::Monitored;
use bmp::peer::RibType::{AdjRibInPost, AdjRibInPre, AdjRibOutPost, LocRib};
use rib::TableKey;
use rpki::{Vrp, Vrps};
use std::sync::Arc;
use wire::{Afi, Asn, Family, Prefix, RouteDistinguisher, Safi};

fn flow() -> Flow {
    Flow::new("10.10.0.5", "10.20.0.9")
}

const NET: &str = "10.20.0.0/16";

/// Two routers with a peer each, and one route to the same network.
fn two() -> World {
    let mut world = World::new();
    for (session, peer, asn) in [("127.0.1.1:50000", "192.0.2.1", 65001), ("127.0.1.2:50000", "192.0.2.2", 65002)]
    {
        let router = world.router(session);
        let rib = world.rib(router, peer, AdjRibInPre);
        world.report(rib, NET, &format!("path {asn} {} next {peer}", asn - 65000));
    }
    world
}

#[test]
fn an_exporter_meets_the_routes_that_it_reports() {
    let world = two();
    let mut collector = Collector::new(&world, spec());
    let mut all = |exporter| collector.one(exporter, flow()).all("path next dst_as peer_dst_as dst_net dst_mask");
    assert_eq!(all("127.0.1.1"), "65001 1 192.0.2.1 1 65001 10.20.0.0 16");
    assert_eq!(all("::ffff:127.0.1.2"), "65002 2 192.0.2.2 2 65002 10.20.0.0 16");
    assert_eq!(all("127.0.1.9"), "- - 0 0 0.0.0.0 0");
}

#[test]
fn the_exporter_may_be_a_peer_of_a_router_and_meets_its_own_routes_alone() {
    let mut world = World::new();
    let first = world.router("127.0.1.1:50000");
    let second = world.router("127.0.1.2:50000");
    for (router, peer, text) in [
        (second, "127.0.1.3", "path 65023 next 10.0.0.3"),
        (first, "127.0.1.4", "path 65014 next 10.0.0.4"),
        (first, "127.0.1.3", "path 65013 next 10.0.0.3"),
        (first, "127.0.1.2", "path 65012 next 10.0.0.2"),
        (second, "127.0.1.4", "path 65024 next 10.0.0.4"),
    ] {
        let rib = world.rib(router, peer, AdjRibInPre);
        world.report(rib, NET, text);
    }
    let mut collector = Collector::new(&world, spec());
    assert_eq!(collector.one("127.0.1.3", flow()).get("path"), "65013", "the first router");
    assert_eq!(collector.one("127.0.1.4", flow()).get("path"), "65014");
    // It is a router itself: all of its routes, the oldest first.
    assert_eq!(collector.one("127.0.1.2", flow()).get("path"), "65023");
    world.reported.remove_router(first);
    assert_eq!(collector.one("127.0.1.4", flow()).get("path"), "65024", "the next router");
    assert_eq!(collector.one("127.0.1.1", flow()).get("path"), "");
}

#[test]
fn a_router_without_peers_has_no_routes_even_if_others_have_it_as_a_peer() {
    let mut world = two();
    world.router("192.0.2.1:50000");
    let mut collector = Collector::new(&world, spec());
    assert_eq!(collector.one("192.0.2.1", flow()).get("path"), "");
    assert_eq!(collector.one("192.0.2.2", flow()).get("path"), "65002 2");
}

#[test]
fn the_agent_map_names_routers_and_their_peers_and_ports() {
    let mut world = two();
    let behind_the_same = world.router("127.0.1.1:50001");
    let rib = world.rib(behind_the_same, "192.0.2.3", AdjRibInPre);
    world.report(rib, NET, "path 65003 next 192.0.2.3");
    let agents = "bmp_ip=127.0.1.2 ip=10.0.0.1\nid=192.0.2.3 ip=10.0.0.2\nbmp_ip=127.0.1.1 bgp_port=50001 ip=10.0.0.3\n\
                  bmp_ip=127.0.1.1 bgp_port=50009 ip=10.0.0.4\nbmp_ip=127.0.1.1 ip=10.0.0.5 in=7\nbmp_ip=127.0.1.2 ip=10.0.0.5 in=8";
    let mut collector = Collector::with_maps(&world, spec(), agents, "");
    let mut path = |exporter, input| collector.one(exporter, flow().from(input)).get("path").to_owned();
    let seen = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "127.0.1.1"].map(|exporter| path(exporter, 1));
    assert_eq!(seen, ["65002 2", "65003", "65003", "", "65001 1"]);
    assert_eq!([7, 8, 9].map(|input| path("10.0.0.5", input)), ["65001 1", "65002 2", ""]);
}

#[test]
fn the_oldest_route_of_all_ribs_and_peers_counts_and_the_newest_to_a_host() {
    let mut world = World::new();
    let router = world.router("127.0.1.1:50000");
    let ribs = [
        ("192.0.2.1", AdjRibInPost),
        ("0.0.0.0", LocRib),
        ("192.0.2.2", AdjRibInPre),
        ("192.0.2.2", AdjRibOutPost),
    ];
    let ribs = ribs.map(|(peer, kind)| world.rib(router, peer, kind));
    for (prefix, order) in [(NET, [2, 0, 1, 3]), ("10.20.0.0/24", [3, 1, 2, 0]), ("10.20.0.1/32", [1, 0, 2, 3])] {
        for number in order {
            world.report(ribs[number], prefix, &format!("path 6500{number} next 10.0.0.{number}"));
        }
    }
    // An update keeps the age of a route.
    world.report(ribs[2], NET, "path 65099 next 10.0.0.9");
    let mut collector = Collector::new(&world, spec());
    let mut path = |to| collector.one("127.0.1.1", Flow::new("10.20.9.9", to)).all("path src_path");
    assert_eq!(path("10.20.9.9"), "65099 65099");
    assert_eq!(path("10.20.0.9"), "65003 65099");
    assert_eq!(path("10.20.0.1"), "65003 65099");
    world.reported.remove_rib(ribs[3]);
    assert_eq!(
        collector.one("127.0.1.1", Flow::new("10.20.0.9", "10.20.0.1")).all("path src_path"),
        "65002 65001"
    );
}

#[test]
fn a_peer_that_is_down_and_a_router_that_has_left_have_no_routes() {
    let mut world = World::new();
    let router = world.router("127.0.1.1:50000");
    let [first, second] = ["192.0.2.1", "192.0.2.2"].map(|peer| world.rib(router, peer, AdjRibInPre));
    world.report(first, NET, "path 65001 next 10.0.0.1");
    world.report(second, "10.0.0.0/8", "path 65002 next 10.0.0.2");
    let mut collector = Collector::new(&world, spec());
    assert_eq!(collector.one("127.0.1.1", flow()).all("path src_path"), "65001 65002");
    world.reported.remove_rib(first);
    assert_eq!(collector.one("127.0.1.1", flow()).all("path src_path"), "65002 65002");
    assert_eq!(collector.one("192.0.2.1", flow()).get("path"), "");
    // The RIB forgets it first here: whatever the order is, no flow finds its routes.
    world.reporter.remove_peer(second);
    assert_eq!(collector.one("127.0.1.1", flow()).all("path src_path"), "- -");
    world.reported.remove_router(router);
    // The router comes back, with the old number of its slot.
    let again = world.router("127.0.1.1:50001");
    let rib = world.rib(again, "192.0.2.1", AdjRibInPre);
    world.report(rib, "10.0.0.0/8", "path 65009 next 10.0.0.9");
    assert_eq!(collector.one("127.0.1.1", flow()).get("path"), "65009");
    // Nothing that belongs to the old session changes it.
    world.rib(router, "192.0.2.7", AdjRibInPre);
    world.reported.remove_router(router);
    assert_eq!(collector.one("127.0.1.1", flow()).get("path"), "65009");
    assert_eq!(collector.one("192.0.2.7", flow()).get("path"), "");
    assert_eq!(world.reported.routers().len(), 1);
}

fn rd(text: &str) -> RouteDistinguisher {
    text.parse().unwrap()
}

/// A router with a peer in the global table, and one in a VPN.
fn vpns() -> (World, rib::PeerId, rib::PeerId) {
    let mut world = World::new();
    let router = world.router("127.0.1.1:50000");
    let global = world.rib(router, "192.0.2.1", AdjRibInPre);
    let inside = world.rib_with(router, |rib| Monitored {
        address: ip("192.0.2.3"),
        distinguisher: rd("0:65001:7"),
        ..rib
    });
    (world, global, inside)
}

#[test]
fn a_vpn_is_that_of_the_route_or_that_of_the_peer() {
    let (mut world, global, inside) = vpns();
    let vpn = |text| TableKey::Vpn(Family::V4, rd(text));
    world.report(inside, NET, "path 65001 7 next 10.0.0.7");
    world.report(global, NET, "path 65001 1 next 10.0.0.1");
    world.report_in(vpn("0:65001:8"), global, 0, NET, "path 65001 18 next 10.0.0.8");
    let mut collector = Collector::new(&world, spec());
    let flows = ["0:65001:7", "0:65001:8", "0:65001:9"].map(|rd| flow().of(rd));
    let path = |seen: &super::world::Seen| seen.get("path").to_owned();
    let seen: Vec<_> = collector.look_up("127.0.1.1", &flows).iter().map(path).collect();
    assert_eq!(seen, ["65001 7", "65001 18", ""]);
    // A flow without a route distinguisher meets the oldest of all, as in pmacct.
    assert_eq!(path(&collector.one("127.0.1.1", flow())), "65001 7");
    // VPN routes come first.
    world.report_in(vpn("0:65001:7"), global, 0, "10.0.0.0/8", "path 65001 17 next 10.0.0.7");
    assert_eq!(collector.one("127.0.1.1", flow().of("0:65001:7")).all("path src_path"), "65001 17 65001 17");
}

#[test]
fn labelled_routes_of_a_vpn_are_those_of_its_peers() {
    let (mut world, global, inside) = vpns();
    let labelled = TableKey::Labelled(Family::V4);
    world.report_in(labelled, global, 0, NET, "path 65001 30 next 10.0.0.1");
    world.report_in(labelled, inside, 0, NET, "path 65001 37 next 10.0.0.7");
    world.report(inside, "10.10.0.0/16", "path 65001 7 next 10.0.0.7");
    let mut collector = Collector::new(&world, spec());
    let mut paths = |flow| collector.one("127.0.1.1", flow).all("path src_path");
    assert_eq!(paths(flow()), "65001 30 65001 7");
    assert_eq!(paths(flow().of("0:65001:7")), "65001 37 65001 7");
    assert_eq!(paths(flow().of("0:65001:8")), "- -");
    assert_eq!(paths(Flow { distinguisher: RouteDistinguisher::of_vrf(9), ..flow() }), "- -");
}

#[test]
fn among_several_paths_that_with_the_next_hop_of_the_record_is_preferred() {
    let mut world = World::new();
    let router = world.router("127.0.1.1:50000");
    let plain = world.rib(router, "192.0.2.1", AdjRibInPre);
    let add_path: AddPath = [(Afi::IPV4, Safi(1))].into_iter().collect();
    let chosen = world.rib_with(router, |rib| Monitored { kind: LocRib, address: ip("0.0.0.0"), add_path, ..rib });
    let unicast = TableKey::Unicast(Family::V4);
    world.report(plain, NET, "path 65000 next 10.0.0.3");
    for path in [1, 2] {
        world.report_in(unicast, chosen, path, NET, &format!("path 6500{path} next 10.0.0.{path}"));
    }
    let mut collector = Collector::with_maps(&world, spec(), "", "id=10.55.0.1 ip=0.0.0.0/0 bgp_nexthop=10.0.0.2");
    let mut path = |next_hop| collector.one("127.0.1.1", flow().via(next_hop)).get("path").to_owned();
    assert_eq!((path("10.0.0.1"), path("10.0.0.2")), ("65001".to_owned(), "65002".to_owned()));
    assert_eq!(path("10.55.0.1"), "65002", "bgp_peer_dst_ip_map");
    // Without such a path the oldest route counts, whatever its RIB.
    assert_eq!((path("10.0.0.3"), path("")), ("65000".to_owned(), "65000".to_owned()));
}

#[test]
fn bgp_counts_where_the_exporter_has_a_peer_and_bmp_for_others() {
    let mut world = two();
    let peer = world.peer("127.0.1.2");
    let mapped = world.peer("127.0.1.7");
    world.announce(peer, "10.10.0.0/16", "path 64999 next 10.0.0.1");
    world.announce(mapped, NET, "path 64998 next 10.0.0.1");
    let agents = "bgp_ip=127.0.1.7 ip=127.0.1.3 in=1\nbmp_ip=127.0.1.1 ip=127.0.1.3 in=2";
    let mut collector = Collector::with_maps(&world, spec(), agents, "");
    assert_eq!(collector.one("127.0.1.1", flow()).all("path src_path"), "65001 1 -");
    // No route of its peer: that of BMP does not count.
    assert_eq!(collector.one("127.0.1.2", flow()).all("path src_path"), "- 64999");
    // Rows of one batch, and attribute sets with the same numbers in both tables.
    let flows: Vec<Flow> = (0..300).map(|number| flow().from(number % 3)).collect();
    for (number, seen) in collector.look_up("127.0.1.3", &flows).iter().enumerate() {
        assert_eq!(seen.get("path"), ["", "64998", "65001 1"][number % 3]);
    }
}

#[test]
fn defaults_and_next_hops_are_followed_to_other_routers() {
    let mut world = World::new();
    let [first, second] = ["127.0.1.1:50000", "127.0.1.2:50000"].map(|session| world.router(session));
    let first = world.rib(first, "192.0.2.1", AdjRibInPre);
    let second = world.rib(second, "192.0.2.2", AdjRibInPre);
    world.report(first, "0.0.0.0/0", "path 65001 next 127.0.1.2");
    world.report(second, NET, "path 65002 65050 next 10.0.0.2");
    let search = crate::spec::Search { follow_default: 1, ..spec().search };
    let mut collector = Collector::new(&world, crate::spec::Spec { search, ..spec() });
    assert_eq!(collector.one("127.0.1.1", flow()).all("path next src_path"), "65002 65050 10.0.0.2 -");
    let follow_next_hop = vec!["127.0.0.0/8".parse().unwrap()];
    let search = crate::spec::Search { follow_next_hop, follow_external: true, ..spec().search };
    let mut collector = Collector::new(&world, crate::spec::Spec { search, ..spec() });
    assert_eq!(collector.one("127.0.1.1", flow()).all("path next"), "65001 10.0.0.2");
}

#[test]
fn routes_are_judged_by_the_as_of_the_router_and_by_shorter_routes_of_all_its_ribs() {
    let mut world = World::new();
    let router = world.router("127.0.1.1:50000");
    let pre = world.rib(router, "192.0.2.1", AdjRibInPre);
    let chosen = world.rib_with(router, |rib| Monitored { kind: LocRib, local_as: Asn(65100), ..rib });
    let elsewhere = world.router("127.0.1.2:50000");
    let elsewhere = world.rib(elsewhere, "192.0.2.1", AdjRibInPre);
    world.report(pre, "10.20.0.0/24", "path 65001 65021");
    world.report(elsewhere, "10.20.0.0/20", "path 65001 65020");
    world.report(chosen, NET, "path 65001 65020");
    world.report(chosen, "172.16.0.0/12", "path");
    world.report(pre, "172.20.0.0/16", "path");
    let vrp =
        |(prefix, length, asn): (&str, u8, u32)| Vrp::new(prefix.parse::<Prefix>().unwrap(), length, Asn(asn));
    let vrps = [("10.20.0.0/16", 16, 65020), ("172.16.0.0/12", 16, 65100)];
    world.vrps.publish(Arc::new(Vrps::new(vrps.into_iter().filter_map(vrp))));
    let mut collector = Collector::new(&world, spec());
    let mut letters = |src, dst| collector.one("127.0.1.1", Flow::new(src, dst)).all("src_roa roa");
    assert_eq!(letters("10.20.9.9", "10.20.0.9"), "v V");
    assert_eq!(letters("172.16.0.1", "172.20.0.1"), "v V");
}
