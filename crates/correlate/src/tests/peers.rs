//! Which peer.

use super::world::{Collector, Flow, World, spec};
use crate::peers::AddPath;
use crate::spec::Search;

fn flow() -> Flow {
    Flow::new("10.10.0.5", "10.20.0.9")
}

/// Two peers whose routes to the same network differ.
fn two() -> World {
    let mut world = World::new();
    for (address, asn) in [("127.0.1.1", 65001), ("127.0.1.2", 65002)] {
        let peer = world.peer(address);
        world.announce(peer, "10.20.0.0/16", &format!("path {asn} {} next 10.0.0.{}", asn - 65000, asn - 65000));
    }
    world
}

#[test]
fn an_exporter_meets_the_routes_of_its_session_or_of_its_router_id() {
    let world = two();
    let mut collector = Collector::new(&world, spec());
    assert_eq!(collector.one("127.0.1.1", flow()).all("path next"), "65001 1 10.0.0.1");
    assert_eq!(collector.one("127.0.1.2", flow()).all("path next"), "65002 2 10.0.0.2");
    assert_eq!(collector.one("1.1.1.2", flow()).all("path next"), "65002 2 10.0.0.2");
    assert_eq!(collector.one("127.0.1.9", flow()).all("path next dst_as dst_net dst_mask"), "- - 0 0.0.0.0 0");
    let by_session_only = Search { by_session_only: true, ..spec().search };
    let mut collector = Collector::new(&world, crate::spec::Spec { search: by_session_only, ..spec() });
    assert_eq!(collector.one("1.1.1.2", flow()).get("path"), "");
    assert_eq!(collector.one("127.0.1.2", flow()).get("path"), "65002 2");
}

#[test]
fn a_mapped_exporter_is_the_same_as_its_ipv4_address() {
    let world = two();
    let mut collector = Collector::new(&world, spec());
    assert_eq!(collector.one("::ffff:127.0.1.2", flow()).get("path"), "65002 2");
}

#[test]
fn the_agent_map_replaces_the_exporter_and_without_a_match_it_is_the_exporter() {
    let world = two();
    let agents = "bgp_ip=127.0.1.1 ip=127.0.1.3\nbgp_ip=10.0.1.77 ip=127.0.1.4\nbgp_ip=1.1.1.2 ip=2001:db8::/32";
    let mut collector = Collector::with_maps(&world, spec(), agents, "");
    assert_eq!(collector.one("127.0.1.3", flow()).get("path"), "65001 1");
    assert_eq!(collector.one("127.0.1.4", flow()).get("path"), "");
    assert_eq!(collector.one("127.0.1.2", flow()).get("path"), "65002 2");
    assert_eq!(collector.one("2001:db8::1", flow()).get("path"), "65002 2");
}

/// pmacct remembers the last peer of an exporter, and finds none where the next flow wants another.
#[test]
fn flows_of_one_exporter_that_alternate_between_peers_all_find_theirs() {
    let world = two();
    let agents = "bgp_ip=127.0.1.1 ip=127.0.1.3 in=7\nbgp_ip=127.0.1.2 ip=127.0.1.3 in=8";
    let mut collector = Collector::with_maps(&world, spec(), agents, "");
    let flows: Vec<Flow> = (0..200).map(|number| flow().from(if number % 3 == 0 { 7 } else { 8 })).collect();
    for (number, seen) in collector.look_up("127.0.1.3", &flows).iter().enumerate() {
        assert_eq!(seen.get("path"), if number % 3 == 0 { "65001 1" } else { "65002 2" });
    }
    assert_eq!(collector.one("127.0.1.3", flow().from(9)).get("path"), "");
}

/// pmacct compares the port in the wrong byte order, and with that of the first peer only.
#[test]
fn sessions_from_one_address_are_told_apart_by_their_port() {
    let mut world = World::new();
    for (port, asn) in [(50000, 65001), (50001, 65002)] {
        let peer = world.peer_with("127.0.1.1", port, "1.1.1.1", AddPath::default());
        world.announce(peer, "10.20.0.0/16", &format!("path {asn} next 10.0.0.1"));
    }
    let agents = "bgp_ip=127.0.1.1 bgp_port=50000 ip=127.0.1.2\nbgp_ip=127.0.1.1 bgp_port=50001 ip=127.0.1.3\n\
                  bgp_ip=127.0.1.1 bgp_port=20675 ip=127.0.1.4";
    let mut collector = Collector::with_maps(&world, spec(), agents, "");
    let mut path = |exporter| collector.one(exporter, flow()).get("path").to_owned();
    assert_eq!((path("127.0.1.2"), path("127.0.1.3")), ("65001".to_owned(), "65002".to_owned()));
    assert_eq!(path("127.0.1.4"), "", "50000 with its octets swapped");
    assert_eq!(path("127.0.1.1"), "65001", "without a port the first session counts");
}

#[test]
fn the_end_of_a_session_hides_its_routes_at_once() {
    let mut world = two();
    let mut collector = Collector::new(&world, spec());
    let first = world.routes.peers().iter().next().unwrap().id;
    assert_eq!(collector.one("127.0.1.1", flow()).get("path"), "65001 1");
    // The RIB forgets it first here: whatever the order is, no flow finds its routes.
    world.writer.remove_peer(first);
    assert_eq!(collector.one("127.0.1.1", flow()).get("path"), "");
    world.routes.remove_peer(first);
    assert_eq!(collector.one("127.0.1.1", flow()).get("path"), "");
    assert_eq!(collector.one("127.0.1.2", flow()).get("path"), "65002 2");
    // Its next session has its routes alone.
    let again = world.peer_with("127.0.1.1", 179, "1.1.1.1", AddPath::default());
    world.announce(again, "10.0.0.0/8", "path 65009 next 10.0.0.9");
    assert_eq!(collector.one("127.0.1.1", flow()).all("path dst_mask"), "65009 8");
}

#[test]
fn an_ipv6_session_serves_an_ipv4_exporter() {
    let mut world = World::new();
    let peer = world.peer("fd00:1::1");
    world.announce(peer, "10.20.0.0/16", "path 65001 next 10.0.0.1");
    let mut collector = Collector::with_maps(&world, spec(), "bgp_ip=fd00:1::1 ip=127.0.1.3", "");
    assert_eq!(collector.one("127.0.1.3", flow()).get("path"), "65001");
}
