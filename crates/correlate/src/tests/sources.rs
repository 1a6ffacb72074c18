//! Where each value comes from.

use super::world::{Collector, Flow, World, spec};
use crate::spec::{PeerSource, Source, SourceAttribute, SourceAttributes, Spec};

fn world() -> World {
    let mut world = World::new();
    let peer = world.peer("127.0.1.1");
    world.announce(
        peer,
        "10.20.0.0/16",
        "path 65001 65010 65020 next 10.0.0.1 med 50 pref 200 comm 65001:100 no-export ext RT:65001:1 large 65001:1:2",
    );
    world.announce(
        peer,
        "10.10.0.0/16",
        "path 65002 65030 next 10.0.0.2 med 7 pref 90 comm 65003:1 ext RT:65003:9 large 65003:3:3",
    );
    world
}

const DST: &str = "dst_as peer_dst_as path comms ecomms lcomms pref med dst_net dst_mask next";
const SRC: &str = "src_as peer_src_as src_path src_comms src_ecomms src_lcomms src_pref src_med src_net src_mask";

fn flow() -> Flow {
    Flow::new("10.10.0.5", "10.20.0.9").via("10.99.0.1")
}

#[test]
fn each_end_has_the_values_of_its_own_route() {
    let world = world();
    let mut collector = Collector::new(&world, spec());
    let seen = collector.one("127.0.1.1", flow());
    assert_eq!(
        seen.all(DST),
        "65020 65001 65001 65010 65020 65001:100 no-export RT:65001:1 65001:1:2 200 50 10.20.0.0 16 10.0.0.1"
    );
    assert_eq!(seen.all(SRC), "65030 65002 65002 65030 65003:1 RT:65003:9 65003:3:3 90 7 10.10.0.0 16");
    assert_eq!(seen.all("map_next map_peer"), "10.0.0.2 65002");
    let back = collector.one("127.0.1.1", Flow::new("10.20.0.9", "10.10.0.5"));
    assert_eq!(back.all("src_as dst_as"), "65020 65030");
    let nowhere = collector.one("127.0.1.1", Flow::new("192.0.2.1", "192.0.2.2").masks(24, 24));
    assert_eq!(nowhere.all(DST), "0 0 - - - - 0 0 0.0.0.0 0 -");
    assert_eq!(nowhere.all(SRC), "0 0 - - - - 0 0 0.0.0.0 0");
}

#[test]
fn without_source_types_the_source_gets_its_as_and_network_alone() {
    let world = world();
    let mut collector = Collector::new(&world, Spec { source: SourceAttributes::default(), ..spec() });
    let seen = collector.one("127.0.1.1", flow());
    assert_eq!(seen.all(SRC), "65030 0 - - - - 0 0 10.10.0.0 16");
    assert_eq!(seen.get("dst_as"), "65020");
}

#[test]
fn as_numbers_of_records_leave_out_attributes_of_routes() {
    let world = world();
    let mut collector = Collector::new(&world, Spec { ases: Source::Other, ..spec() });
    let seen = collector.one("127.0.1.1", flow().masks(24, 24));
    assert_eq!(seen.all(DST), "64902 64903 - - - - 0 0 10.20.0.0 16 10.0.0.1");
    assert_eq!(seen.all(SRC), "64901 0 - - - - 0 0 10.10.0.0 16");
}

#[test]
fn networks_of_records_leave_the_next_hop_of_the_record() {
    let world = world();
    let mut collector = Collector::new(&world, Spec { nets: Source::Other, ..spec() });
    let seen = collector.one("127.0.1.1", flow().masks(0, 24));
    assert_eq!(
        seen.all("dst_as path dst_net dst_mask next src_mask"),
        "65020 65001 65010 65020 10.20.0.0 24 10.99.0.1 0"
    );
}

#[test]
fn the_longer_prefix_wins_for_each_end_and_the_route_if_both_are_equal() {
    let world = world();
    let longest = Spec { ases: Source::Longest, nets: Source::Longest, ..spec() };
    let mut collector = Collector::new(&world, longest);
    let lost = collector.one("127.0.1.1", flow().masks(0, 24));
    assert_eq!(lost.all(DST), "64902 64903 - - - - 0 0 10.20.0.0 24 10.99.0.1");
    assert_eq!(lost.all("src_as src_path src_mask"), "65030 65002 65030 16");
    for mask in [16, 8, 0] {
        let won = collector.one("127.0.1.1", flow().masks(24, mask));
        assert_eq!(won.all("dst_as path dst_mask next"), "65020 65001 65010 65020 16 10.0.0.1");
        assert_eq!(won.all("src_as src_path src_mask peer_src_as"), "64901 - 24 0");
    }
    let none = collector.one("127.0.1.1", Flow::new("192.0.2.1", "192.0.2.2").via("10.99.0.1"));
    assert_eq!(none.all("src_as dst_as next dst_mask"), "64901 64902 10.99.0.1 0");
}

#[test]
fn the_peer_of_the_source_follows_its_type() {
    let world = world();
    let peer = |ases, peer| {
        let spec = Spec { ases, source: SourceAttributes { peer, ..spec().source }, ..spec() };
        Collector::new(&world, spec).one("127.0.1.1", flow()).get("peer_src_as").to_owned()
    };
    for (kind, of_record, of_route, longest) in [
        (PeerSource::Record, "64904", "0", "0"),
        (PeerSource::Route, "0", "65002", "65002"),
        (PeerSource::Longest, "64904", "65002", "65002"),
        // The map decides; it may leave the value to the route.
        (PeerSource::Map, "65002", "65002", "65002"),
    ] {
        let all = [Source::Other, Source::Routes, Source::Longest].map(|ases| peer(ases, kind));
        assert_eq!(all, [of_record, of_route, longest], "{kind:?}");
    }
}

#[test]
fn maps_get_the_values_of_the_route_to_the_source() {
    let world = world();
    let attributes = SourceAttributes {
        local_pref: SourceAttribute::Map,
        med: SourceAttribute::Map,
        ..SourceAttributes::default()
    };
    let mut collector = Collector::new(&world, Spec { source: attributes, ..spec() });
    assert_eq!(collector.one("127.0.1.1", flow()).all("src_pref src_med"), "90 7");
    let mut collector = Collector::new(&world, Spec { source: SourceAttributes::default(), ..spec() });
    assert_eq!(collector.one("127.0.1.1", flow()).all("src_pref src_med"), "0 0");
}

#[test]
fn ipv6_flows_meet_ipv6_routes() {
    let mut world = world();
    let peer = world.routes.peers().iter().next().unwrap().id;
    world.announce(peer, "2001:db8:20::/48", "path 65001 65010 next 2001:db8::1");
    let mut collector = Collector::new(&world, spec());
    let seen = collector.one("127.0.1.1", Flow::new("2001:db8:10::5", "2001:db8:20::9"));
    assert_eq!(seen.all("dst_as dst_net dst_mask next"), "65010 2001:db8:20:: 48 2001:db8::1");
    assert_eq!(seen.all("src_as src_net src_mask"), "0 :: 0");
}
