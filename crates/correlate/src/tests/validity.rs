//! Letters of route origin validation.

use super::world::{Collector, Flow, World, spec};
use crate::peers::AddPath;
use crate::spec::{Source, Spec};
use rpki::{Vrp, Vrps};
use std::sync::Arc;
use wire::{Asn, Prefix};

fn vrps(all: &[(&str, u8, u32)]) -> Arc<Vrps> {
    let vrp =
        |(prefix, length, asn): &(&str, u8, u32)| Vrp::new(prefix.parse::<Prefix>().unwrap(), *length, Asn(*asn));
    Arc::new(Vrps::new(all.iter().filter_map(vrp)))
}

fn world() -> World {
    let mut world = World::new();
    let peer = world.peer("127.0.1.1");
    for (prefix, path) in [
        ("10.20.0.0/16", "path 65001 65020"),
        ("10.20.0.0/24", "path 65001 65021"),
        ("10.10.0.0/16", "path 65001 65010"),
        ("10.0.0.0/8", "path 65001 65008"),
        ("10.60.0.0/16", "path 65001 set 65020 65021"),
        ("172.16.0.0/12", "path"),
        ("203.0.113.0/24", "path 65001"),
    ] {
        world.announce(peer, prefix, path);
    }
    world.vrps.publish(vrps(&[
        ("10.20.0.0/16", 16, 65020),
        ("10.10.0.0/16", 16, 65099),
        ("10.60.0.0/16", 16, 65021),
        ("172.16.0.0/12", 12, 64512),
        ("203.0.113.0/24", 24, 65002),
    ]));
    world
}

fn letters(collector: &mut Collector, src: &'static str, dst: &'static str) -> String {
    collector.one("127.0.1.1", Flow::new(src, dst)).all("src_roa roa")
}

#[test]
fn routes_are_judged_from_the_longest_to_the_first_that_is_not_invalid() {
    let world = world();
    let mut collector = Collector::new(&world, spec());
    // 10.20.0.0/24 is invalid, its /16 valid; 10.10.0.0/16 is invalid, its /8 unknown.
    assert_eq!(letters(&mut collector, "10.10.0.5", "10.20.0.9"), "U V");
    assert_eq!(letters(&mut collector, "10.20.1.9", "10.99.0.1"), "v u");
    assert_eq!(letters(&mut collector, "203.0.113.1", "192.0.2.1"), "i u");
}

#[test]
fn an_empty_path_is_that_of_our_own_as_and_a_set_has_no_origin() {
    let world = world();
    let mut collector = Collector::new(&world, spec());
    assert_eq!(letters(&mut collector, "172.16.0.1", "10.60.0.1"), "v U");
}

#[test]
fn routes_of_other_peers_are_not_judged() {
    let mut world = world();
    let other = world.peer_with("127.0.1.2", 179, "2.2.2.2", AddPath::default());
    world.announce(other, "10.20.0.0/24", "path 65002 65021");
    world.announce(other, "0.0.0.0/0", "path 65002");
    let mut collector = Collector::new(&world, spec());
    // Its own /0 covers, but not the other peer's valid /16.
    let seen = collector.one("127.0.1.2", Flow::new("192.0.2.1", "10.20.0.9"));
    assert_eq!(seen.all("src_roa roa"), "u U");
    assert_eq!(letters(&mut collector, "10.20.0.9", "203.0.113.9"), "V i");
}

#[test]
fn a_route_that_lost_against_the_record_is_unknown() {
    let world = world();
    let longest = Spec { ases: Source::Longest, nets: Source::Longest, ..spec() };
    let mut collector = Collector::new(&world, longest);
    let mut roa = |mask| {
        let flow = Flow::new("10.10.0.5", "10.20.1.9").masks(0, mask);
        collector.one("127.0.1.1", flow).all("src_roa roa")
    };
    assert_eq!((roa(24), roa(16)), ("U u".to_owned(), "U v".to_owned()));
}

#[test]
fn the_source_needs_its_type_and_nothing_is_known_without_vrps() {
    let world = world();
    let mut without = spec();
    without.source.roa = false;
    let mut collector = Collector::new(&world, without);
    assert_eq!(letters(&mut collector, "10.20.1.9", "10.20.1.9"), "u v");
    let mut collector = Collector::new(&world, spec());
    world.vrps.publish(vrps(&[]));
    assert_eq!(letters(&mut collector, "10.20.1.9", "10.20.1.9"), "u u");
    // Changes are seen by the next batch.
    world.vrps.publish(vrps(&[("10.20.0.0/16", 16, 1)]));
    assert_eq!(letters(&mut collector, "10.20.1.9", "10.99.0.1"), "U u");
}
