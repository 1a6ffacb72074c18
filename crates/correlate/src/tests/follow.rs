//! Default routes and next hops that are followed to other peers.

use super::world::{Collector, Flow, World, spec};
use crate::spec::{Search, Spec};

fn flow() -> Flow {
    Flow::new("10.10.0.5", "10.20.0.9")
}

fn following(times: u32) -> Spec {
    Spec { search: Search { follow_default: times, ..spec().search }, ..spec() }
}

#[test]
fn a_default_route_leads_to_the_routes_of_the_peer_at_its_next_hop() {
    let mut world = World::new();
    let (first, second) = (world.peer("127.0.1.1"), world.peer("127.0.1.2"));
    world.announce(first, "0.0.0.0/0", "path 65001 next 127.0.1.2");
    world.announce(second, "10.20.0.0/16", "path 65002 65050 next 10.0.0.2");
    world.announce(second, "0.0.0.0/1", "path 65002 next 10.0.0.1");
    let mut collector = Collector::new(&world, following(1));
    assert_eq!(collector.one("127.0.1.1", flow()).all("path next dst_mask"), "65002 65050 10.0.0.2 16");
    // The next peer has no route: there is none.
    let seen = collector.one("127.0.1.1", Flow::new("10.10.0.5", "198.51.100.1"));
    assert_eq!(seen.all("path next dst_net src_path"), "- - 0.0.0.0 65002");
    let mut collector = Collector::new(&world, following(0));
    assert_eq!(collector.one("127.0.1.1", flow()).all("path next dst_mask"), "65001 127.0.1.2 0");
}

/// pmacct follows it for every other flow of the first peer, and never for others.
#[test]
fn defaults_of_all_peers_and_of_all_flows_are_followed() {
    let mut world = World::new();
    let (second, first) = (world.peer("127.0.1.2"), world.peer("127.0.1.1"));
    world.announce(first, "0.0.0.0/0", "path 65001 next 1.1.1.1");
    world.announce(second, "10.20.0.0/16", "path 65002 65050 next 10.0.0.2");
    let mut collector = Collector::new(&world, following(1));
    for seen in collector.look_up("127.0.1.1", &vec![flow(); 50]) {
        assert_eq!(seen.get("path"), "65002 65050");
    }
}

/// pmacct follows the destination's next hop for both ends.
#[test]
fn each_end_follows_its_own_default() {
    let mut world = World::new();
    let peers = ["127.0.1.1", "127.0.1.2", "127.0.1.3"].map(|address| world.peer(address));
    world.announce(peers[0], "0.0.0.0/0", "path 65001 next 127.0.1.2");
    world.announce(peers[0], "10.20.0.0/16", "path 65001 65099 next 127.0.1.3");
    world.announce(peers[1], "10.10.0.0/16", "path 65002 65010 next 10.0.0.2");
    world.announce(peers[2], "10.10.0.0/16", "path 65003 65010 next 10.0.0.3");
    let mut collector = Collector::new(&world, following(1));
    let seen = collector.one("127.0.1.1", flow());
    // What was found already stays.
    assert_eq!(seen.all("path src_path"), "65001 65099 65002 65010");
}

#[test]
fn the_last_default_of_a_chain_is_an_ordinary_route() {
    let mut world = World::new();
    let peers = ["127.0.1.1", "127.0.1.2", "127.0.1.3"].map(|address| world.peer(address));
    world.announce(peers[0], "0.0.0.0/0", "path 65001 next 127.0.1.2");
    world.announce(peers[1], "0.0.0.0/0", "path 65002 next 127.0.1.3");
    world.announce(peers[2], "10.20.0.0/16", "path 65003 65050 next 10.0.0.3");
    for (times, expected) in
        [(1, "65002 127.0.1.3 0"), (2, "65003 65050 10.0.0.3 16"), (9, "65003 65050 10.0.0.3 16")]
    {
        let mut collector = Collector::new(&world, following(times));
        assert_eq!(collector.one("127.0.1.1", flow()).all("path next dst_mask"), expected, "{times}");
    }
}

#[test]
fn defaults_without_a_peer_or_in_a_circle_end() {
    let mut world = World::new();
    let peers = ["127.0.1.1", "127.0.1.2"].map(|address| world.peer(address));
    world.announce(peers[0], "0.0.0.0/0", "path 65001 next 127.0.1.2");
    world.announce(peers[1], "0.0.0.0/0", "path 65002 next 127.0.1.1");
    let mut collector = Collector::new(&world, following(u32::MAX));
    assert_eq!(collector.one("127.0.1.1", flow()).all("path dst_mask"), "65001 0", "after 20 steps");
    world.announce(peers[0], "0.0.0.0/0", "path 65001 next 192.0.2.1");
    assert_eq!(collector.one("127.0.1.1", flow()).all("path next dst_mask"), "- - 0");
}

#[test]
fn defaults_of_vpns_are_not_followed() {
    let mut world = World::new();
    let peers = ["127.0.1.1", "127.0.1.2"].map(|address| world.peer(address));
    let vpn = rib::TableKey::Vpn(wire::Family::V4, "0:65001:1".parse().unwrap());
    world.announce_in(vpn, peers[0], 0, "0.0.0.0/0", "path 65001 next 127.0.1.2");
    world.announce(peers[1], "10.20.0.0/16", "path 65002 next 10.0.0.2");
    let mut collector = Collector::new(&world, following(1));
    assert_eq!(collector.one("127.0.1.1", flow().of("0:65001:1")).all("path next"), "65001 127.0.1.2");
}

fn following_next_hops(prefix: &str, external: bool) -> Spec {
    let follow_next_hop = vec![prefix.parse().unwrap()];
    Spec { search: Search { follow_next_hop, follow_external: external, ..spec().search }, ..spec() }
}

/// pmacct looks for the same prefix from the second router on; the last one has a longer one here.
#[test]
fn next_hops_are_followed_over_several_routers() {
    let mut world = World::new();
    let peers = ["127.0.1.1", "127.0.1.2", "127.0.1.3"].map(|address| world.peer(address));
    world.announce(peers[0], "10.20.0.0/16", "path 65001 next 127.0.1.2");
    world.announce(peers[1], "10.20.0.0/16", "path 65001 next 127.0.1.3");
    world.announce(peers[2], "10.20.0.0/24", "path 65001 next 10.99.0.9");
    let mut collector = Collector::new(&world, following_next_hops("127.0.0.0/8", true));
    let seen = collector.one("127.0.1.1", flow());
    // Nothing but the next hop changes.
    assert_eq!(seen.all("next dst_mask path"), "10.99.0.9 16 65001");
    let mut collector = Collector::new(&world, following_next_hops("127.0.0.0/8", false));
    assert_eq!(collector.one("127.0.1.1", flow()).get("next"), "127.0.1.3");
    let mut collector = Collector::new(&world, following_next_hops("192.0.2.0/24", true));
    assert_eq!(collector.one("127.0.1.1", flow()).get("next"), "127.0.1.2", "outside of these networks");
    assert_eq!(collector.one("127.0.1.1", Flow::new("10.10.0.5", "192.0.2.1")).get("next"), "");
}

#[test]
fn next_hops_in_a_circle_end() {
    let mut world = World::new();
    let peers = ["127.0.1.1", "127.0.1.2"].map(|address| world.peer(address));
    world.announce(peers[0], "10.20.0.0/16", "path 65001 next 127.0.1.2");
    world.announce(peers[1], "10.20.0.0/16", "path 65001 next 127.0.1.1");
    world.announce(peers[1], "10.10.0.0/16", "path 65001 next 127.0.1.2");
    let mut collector = Collector::new(&world, following_next_hops("127.0.0.0/8", true));
    assert_eq!(collector.one("127.0.1.1", flow()).get("next"), "127.0.1.2", "after 20 steps");
    let own = collector.one("127.0.1.2", Flow::new("10.20.0.9", "10.10.0.5"));
    assert_eq!(own.get("next"), "127.0.1.2", "the peer itself");
}

#[test]
fn the_agent_map_names_the_session_of_a_next_hop() {
    let mut world = World::new();
    let peers = ["127.0.1.1", "127.0.1.2"].map(|address| world.peer(address));
    world.announce(peers[0], "10.20.0.0/16", "path 65001 next 10.77.0.2");
    world.announce(peers[1], "10.20.0.0/16", "path 65001 next 10.88.0.9");
    let agents = "bgp_ip=127.0.1.2 ip=10.77.0.2\nbgp_ip=127.0.1.1 ip=127.0.1.9";
    let spec = following_next_hops("10.77.0.0/16", true);
    let mut collector = Collector::with_maps(&world, spec, agents, "");
    assert_eq!(collector.one("127.0.1.9", flow()).get("next"), "10.88.0.9");
}
