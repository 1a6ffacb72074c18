//! Which table.

use super::world::{Collector, Flow, World, spec};
use rib::TableKey;
use wire::{Family, RouteDistinguisher};

fn vpn(rd: &str) -> TableKey {
    TableKey::Vpn(Family::V4, rd.parse().unwrap())
}

fn flow() -> Flow {
    Flow::new("10.10.0.5", "10.20.0.9")
}

#[test]
fn flows_of_a_vpn_meet_its_routes_and_not_the_global_ones() {
    let mut world = World::new();
    let peer = world.peer("127.0.1.1");
    world.announce_in(vpn("0:65001:1"), peer, 0, "10.20.0.0/16", "path 65001 10 next 10.0.0.1");
    world.announce_in(vpn("0:65001:2"), peer, 0, "10.20.0.0/16", "path 65001 20 next 10.0.0.2");
    world.announce(peer, "10.20.0.0/16", "path 65001 30 next 10.0.0.3");
    let mut collector = Collector::new(&world, spec());
    let flows =
        [flow().of("0:65001:1"), flow().of("0:65001:2"), flow().of("0:65001:9"), flow(), flow().of("0:0:0")];
    let seen = collector.look_up("127.0.1.1", &flows);
    let paths: Vec<&str> = seen.iter().map(|seen| seen.get("path")).collect();
    assert_eq!(paths, ["65001 10", "65001 20", "", "65001 30", "65001 30"]);
}

#[test]
fn labelled_routes_serve_what_other_tables_lack() {
    let mut world = World::new();
    let peer = world.peer("127.0.1.1");
    world.announce_in(TableKey::Labelled(Family::V4), peer, 0, "10.0.0.0/8", "path 65001 4 next 10.0.0.4");
    world.announce(peer, "10.20.0.0/16", "path 65001 1 next 10.0.0.1");
    world.announce_in(vpn("0:65001:1"), peer, 0, "10.20.0.0/16", "path 65001 10 next 10.0.0.1");
    let mut collector = Collector::new(&world, spec());
    assert_eq!(collector.one("127.0.1.1", flow()).all("path src_path"), "65001 1 65001 4");
    assert_eq!(collector.one("127.0.1.1", flow().of("0:65001:1")).all("path src_path"), "65001 10 65001 4");
    assert_eq!(collector.one("127.0.1.1", flow().of("0:65001:7")).get("path"), "65001 4");
}

#[test]
fn a_vrf_without_a_route_distinguisher_has_no_routes() {
    let mut world = World::new();
    let peer = world.peer("127.0.1.1");
    world.announce(peer, "10.0.0.0/8", "path 65001 1 next 10.0.0.1");
    world.announce_in(TableKey::Labelled(Family::V4), peer, 0, "10.0.0.0/8", "path 65001 4 next 10.0.0.4");
    let mut collector = Collector::new(&world, spec());
    let unknown = Flow { distinguisher: RouteDistinguisher::of_vrf(9), ..flow() };
    assert_eq!(collector.one("127.0.1.1", unknown).all("path src_path dst_as"), "- - 0");
}
