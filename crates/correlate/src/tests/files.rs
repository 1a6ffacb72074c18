//! Routes together with the operator's files, which are applied before and after them.

use super::world::{Collector, Flow, World, core, spec};
use crate::spec::{PeerSource, Source, SourceAttribute, SourceAttributes, Spec};
use config::keys::aggregation::{AsSource, NetSource};
use enrich::networks::Sources;
use enrich::spec::{NetworksSpec, RouteMaps, SourceMapSpec};
use std::path::PathBuf;
use tempfile::TempDir;

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn world() -> World {
    let mut world = World::new();
    let peer = world.peer("127.0.1.1");
    world.announce(peer, "10.20.0.0/16", "path 65001 65020 next 10.0.0.1 pref 200 comm 65001:100");
    world.announce(peer, "10.10.0.0/16", "path 65002 65030 next 10.0.0.2 pref 90 med 7");
    world
}

fn flow() -> Flow {
    Flow::new("10.10.0.5", "10.20.0.9")
}

#[test]
fn maps_about_the_source_compare_its_route_and_may_leave_the_value_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let map = |name, text| SourceMapSpec { file: Some(file(&folder, name, text)), is_used: true };
    let peers = "id=34567 ip=127.0.1.1 in=1\nid=45678 ip=127.0.1.1 in=2 bgp_nexthop=10.0.0.2\nid=bgp ip=127.0.1.1 in=3\n\
                 id=5 ip=127.0.1.1 in=4 peer_dst_as=65002\nid=6 ip=127.0.1.1 in=5 peer_dst_as=65001\n\
                 id=7 ip=127.0.1.1 src_net=10.20.0.0/16\n";
    let routes = RouteMaps {
        correlated: true,
        peer_src_as: map("peers.map", peers),
        src_local_pref: map("pref.map", "id=150 ip=127.0.1.1 in=1\nid=bgp ip=127.0.0.0/8 in=2\n"),
        src_med: map("med.map", "id=bgp ip=0.0.0.0/0\n"),
        ..RouteMaps::default()
    };
    let source = SourceAttributes {
        peer: PeerSource::Map,
        local_pref: SourceAttribute::Map,
        med: SourceAttribute::Map,
        ..SourceAttributes::default()
    };
    let core = enrich::spec::CoreSpec { routes, ..core() };
    let mut collector = Collector::with_files(&world(), Spec { source, ..spec() }, core);
    let mut seen = |input| collector.one("127.0.1.1", flow().from(input)).all("peer_src_as src_pref src_med");
    assert_eq!(seen(1), "34567 150 7");
    assert_eq!(seen(2), "45678 90 7");
    assert_eq!(seen(3), "65002 0 7");
    assert_eq!(seen(4), "5 0 7");
    assert_eq!(seen(5), "0 0 7", "no rule matches");
    let back = collector.one("127.0.1.1", Flow::new("10.20.0.9", "10.10.0.5").from(9));
    assert_eq!(back.get("peer_src_as"), "7");
}

#[test]
fn a_network_of_the_file_competes_with_the_winner_of_record_and_route() {
    let folder = tempfile::tempdir().unwrap();
    let networks = "192.0.2.7,64510_64500,10.20.0.0/24\n192.0.2.8,64520,10.10.0.0/16\n64530,10.0.0.0/8\n";
    let core = enrich::spec::CoreSpec {
        networks: NetworksSpec {
            sources: Sources {
                nets: NetSource::Longest,
                ases: AsSource::Longest,
                mask: None,
                file_wins: false,
                keep_unmasked: false,
            },
            file: Some(file(&folder, "networks.lst", networks)),
            zero_outside: false,
        },
        ..core()
    };
    let longest = Spec { ases: Source::Longest, nets: Source::Longest, ..spec() };
    let mut collector = Collector::with_files(&world(), longest, core);
    let names = "dst_as peer_dst_as dst_net dst_mask next path pref";
    // Longer than the route: what the file does not say stays beside it.
    let longer = collector.one("127.0.1.1", flow().via("10.99.0.1"));
    assert_eq!(longer.all(names), "64500 64510 10.20.0.0 24 192.0.2.7 65001 65020 200");
    // As long as the route: AS numbers and next hop.
    let equal = collector.one("127.0.1.1", Flow::new("10.20.0.9", "10.10.0.5"));
    assert_eq!(equal.all("dst_as dst_net dst_mask next"), "64520 10.10.0.0 16 192.0.2.8");
    // Shorter than the route, and than the record.
    let shorter = collector.one("127.0.1.1", Flow::new("10.10.0.5", "10.20.7.7"));
    assert_eq!(shorter.all("dst_as dst_mask next"), "65020 16 10.0.0.1");
    let record = collector.one("127.0.1.1", Flow::new("10.10.0.5", "10.99.0.1").masks(0, 24).via("10.99.0.1"));
    assert_eq!(record.all("dst_as dst_mask next"), "64902 24 10.99.0.1");
}

#[test]
fn pre_tag_map_sees_routes() {
    let folder = tempfile::tempdir().unwrap();
    let map = "set_tag=1 ip=127.0.1.1 dst_as=65020 bgp_nexthop=10.0.0.9\nset_tag=2 comms=65001:1..\nset_tag=3 peer_dst_as=65002 local_pref=90\n\
               set_tag=4 dst_roa=unknown bgp_nexthop=-10.0.0.1\n";
    let core = enrich::spec::CoreSpec { tags: Some(file(&folder, "pretag.map", map)), ..core() };
    let mut collector = Collector::with_files(&world(), spec(), core);
    let mut tag = |flow| collector.one("127.0.1.1", flow).get("tag").to_owned();
    assert_eq!(tag(flow()), "2");
    assert_eq!(tag(Flow::new("10.20.0.9", "10.10.0.5")), "3");
    assert_eq!(tag(Flow::new("10.20.0.9", "192.0.2.1")), "4");
}

#[test]
fn maps_of_agents_and_next_hops_come_with_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let routes = RouteMaps {
        correlated: true,
        agent: Some(file(&folder, "agents.map", "bgp_ip=127.0.1.1 ip=192.0.2.0/24\n")),
        peer_dst_ip: Some(file(&folder, "tunnels.map", "id=10.55.0.1 ip=0.0.0.0/0\n")),
        ..RouteMaps::default()
    };
    let core = enrich::spec::CoreSpec { routes, ..core() };
    let mut collector = Collector::with_files(&world(), spec(), core);
    assert_eq!(collector.one("192.0.2.9", flow()).get("dst_as"), "65020");
}

#[test]
fn as_numbers_of_records_may_be_those_of_peers() {
    let core = enrich::spec::CoreSpec { peer_ases: true, ..core() };
    let records = Spec { ases: Source::Other, source: SourceAttributes::default(), ..spec() };
    let mut collector = Collector::with_files(&world(), records, core);
    assert_eq!(collector.one("127.0.1.1", flow()).all("peer_src_as peer_dst_as"), "64901 64902");
}
