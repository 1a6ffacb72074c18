//! Which of several paths (ADD-PATH).

use super::world::{Collector, Flow, World, family, spec};
use crate::peers::AddPath;
use rib::{PeerId, TableKey};
use wire::{Afi, Safi};

fn with_paths() -> (World, PeerId) {
    let mut world = World::new();
    let add_path = [(Afi::IPV4, Safi(1)), (Afi::IPV6, Safi(1))].into_iter().collect::<AddPath>();
    let peer = world.peer_with("127.0.1.1", 179, "1.1.1.1", add_path);
    (world, peer)
}

fn announce(world: &mut World, peer: PeerId, path_id: u32, prefix: &str, text: &str) {
    world.announce_in(TableKey::Unicast(family(prefix)), peer, path_id, prefix, text);
}

#[test]
fn the_next_hop_of_the_record_chooses_the_path_of_the_destination() {
    let (mut world, peer) = with_paths();
    announce(&mut world, peer, 1, "10.20.0.0/16", "path 65001 1 next 10.0.0.1");
    announce(&mut world, peer, 2, "10.20.0.0/16", "path 65001 2 next 10.0.0.2");
    let mut collector = Collector::new(&world, spec());
    let flow = || Flow::new("10.20.0.1", "10.20.0.9");
    let mut via = |next_hop| collector.one("127.0.1.1", flow().via(next_hop)).all("path src_path");
    assert_eq!(via("10.0.0.1"), "65001 1 65001 1");
    assert_eq!(via("10.0.0.2"), "65001 2 65001 1");
    // The source may have any path; the destination none.
    assert_eq!(via("10.0.0.9"), "- 65001 1");
    assert_eq!(via(""), "- 65001 1");
}

#[test]
fn a_shorter_prefix_is_used_where_no_path_of_the_longer_one_fits() {
    let (mut world, peer) = with_paths();
    announce(&mut world, peer, 1, "10.20.0.0/16", "path 65001 1 next 10.0.0.1");
    announce(&mut world, peer, 1, "10.0.0.0/8", "path 65001 8 next 10.0.0.8");
    let mut collector = Collector::new(&world, spec());
    let seen = collector.one("127.0.1.1", Flow::new("10.20.0.1", "10.20.0.9").via("10.0.0.8"));
    assert_eq!(seen.all("path dst_mask src_path src_mask"), "65001 8 8 65001 1 16");
}

#[test]
fn of_several_paths_with_that_next_hop_the_oldest_counts_and_of_hosts_the_newest() {
    let (mut world, peer) = with_paths();
    for (path_id, asn) in [(1, 1), (2, 2), (3, 3)] {
        announce(&mut world, peer, path_id, "10.20.0.0/16", &format!("path 65001 {asn} next 10.0.0.1"));
        announce(&mut world, peer, path_id, "10.30.0.1/32", &format!("path 65001 {asn} next 10.0.0.1"));
    }
    // An update in place keeps its age.
    announce(&mut world, peer, 1, "10.20.0.0/16", "path 65001 7 next 10.0.0.1");
    let mut collector = Collector::new(&world, spec());
    let mut path = |dst| collector.one("127.0.1.1", Flow::new(dst, dst).via("10.0.0.1")).all("path src_path");
    assert_eq!(path("10.20.0.9"), "65001 7 65001 7");
    assert_eq!(path("10.30.0.1"), "65001 3 65001 3");
}

#[test]
fn next_hops_of_flows_may_stand_for_those_of_routes() {
    let (mut world, peer) = with_paths();
    announce(&mut world, peer, 1, "10.20.0.0/16", "path 65001 1 next 10.0.0.1");
    announce(&mut world, peer, 2, "10.20.0.0/16", "path 65001 2 next 10.0.0.2");
    let map = "id=10.55.0.1 ip=0.0.0.0/0 bgp_nexthop=10.0.0.1\nid=10.55.0.2 ip=0.0.0.0/0 bgp_nexthop=10.0.0.2";
    let mut collector = Collector::with_maps(&world, spec(), "", map);
    let flow = || Flow::new("10.20.0.1", "10.20.0.9");
    let mut via = |next_hop| collector.one("127.0.1.1", flow().via(next_hop)).all("path next");
    assert_eq!(via("10.55.0.2"), "65001 2 10.0.0.2");
    assert_eq!(via("10.0.0.1"), "65001 1 10.0.0.1");
    assert_eq!(via("10.55.0.3"), "- -");
}

#[test]
fn without_add_path_next_hops_of_records_do_not_matter() {
    let mut world = World::new();
    let peer = world.peer("127.0.1.1");
    world.announce(peer, "10.20.0.0/16", "path 65001 1 next 10.0.0.1");
    let mut collector = Collector::new(&world, spec());
    assert_eq!(
        collector.one("127.0.1.1", Flow::new("10.20.0.1", "10.20.0.9").via("10.0.0.9")).get("path"),
        "65001 1"
    );
}

#[test]
fn add_path_is_agreed_on_by_family() {
    let mut world = World::new();
    let add_path = [(Afi::IPV6, Safi(1))].into_iter().collect::<AddPath>();
    let peer = world.peer_with("127.0.1.1", 179, "1.1.1.1", add_path);
    world.announce(peer, "10.20.0.0/16", "path 65001 1 next 10.0.0.1");
    announce(&mut world, peer, 1, "2001:db8::/32", "path 65001 6 next 2001:db8::1");
    let mut collector = Collector::new(&world, spec());
    assert_eq!(collector.one("127.0.1.1", Flow::new("10.20.0.1", "10.20.0.9")).get("path"), "65001 1");
    let flow = || Flow::new("2001:db8::5", "2001:db8::9");
    assert_eq!(collector.one("127.0.1.1", flow()).get("path"), "");
    assert_eq!(collector.one("127.0.1.1", flow().via("2001:db8::1")).get("path"), "65001 6");
}
