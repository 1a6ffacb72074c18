//! `bmp_rib_preference`: which RIBs are looked up, and in which order.

use super::world::{Collector, Flow, World, spec};
use crate::routers::{Monitored, Preference};
use crate::spec::{Search, Spec};
use bmp::peer::RibType::{self, AdjRibInPost, AdjRibInPre, AdjRibOutPre, LocRib};
use rib::TableKey;
use wire::Family;

fn flow() -> Flow {
    Flow::new("10.10.0.5", "10.20.0.9")
}

fn preferring(world: &World, order: &[RibType]) -> Collector {
    let search = Search { preference: Preference::new(order.iter().copied()), ..spec().search };
    Collector::new(world, Spec { search, ..spec() })
}

/// A router whose policies drop a long prefix, and whose Loc-RIB has a short one.
fn world() -> World {
    let mut world = World::new();
    let router = world.router("127.0.1.1:50000");
    for (kind, prefix, path) in [
        (AdjRibInPre, "10.20.0.0/24", 65001),
        (AdjRibInPre, "10.20.0.0/16", 65002),
        (AdjRibInPost, "10.20.0.0/16", 65003),
        (LocRib, "10.0.0.0/8", 65004),
    ] {
        let rib = world.rib(router, "192.0.2.1", kind);
        world.report(rib, prefix, &format!("path {path}"));
    }
    world
}

#[test]
fn ribs_are_tried_in_order_each_with_its_own_longest_prefix() {
    let world = world();
    let seen =
        |order: &[RibType]| preferring(&world, order).one("127.0.1.1", flow()).all("path dst_mask src_path");
    assert_eq!(seen(&[]), "65001 24 65004", "all together");
    assert_eq!(seen(&[LocRib, AdjRibInPost, AdjRibInPre]), "65004 8 65004");
    assert_eq!(seen(&[AdjRibInPost, LocRib]), "65003 16 65004");
    assert_eq!(seen(&[AdjRibInPre, AdjRibInPre]), "65001 24 -", "others do not count");
    assert_eq!(seen(&[AdjRibOutPre]), "- 0 -");
}

#[test]
fn all_tables_of_a_rib_come_before_the_next_rib() {
    let mut world = World::new();
    let router = world.router("127.0.1.1:50000");
    let pre = world.rib(router, "192.0.2.1", AdjRibInPre);
    let chosen = world.rib(router, "0.0.0.0", LocRib);
    let distinguisher = "0:65001:7".parse().unwrap();
    let inside = world.rib_with(router, |rib| Monitored { distinguisher, kind: AdjRibInPost, ..rib });
    world.report(pre, "10.20.0.0/24", "path 65001");
    world.report_in(TableKey::Labelled(Family::V4), chosen, 0, "10.20.0.0/16", "path 65002");
    world.report_in(TableKey::Vpn(Family::V4, distinguisher), pre, 0, "10.20.0.0/16", "path 65003");
    world.report_in(TableKey::Labelled(Family::V4), inside, 0, "10.20.0.0/16", "path 65004");
    let mut collector = preferring(&world, &[LocRib, AdjRibInPost, AdjRibInPre]);
    assert_eq!(collector.one("127.0.1.1", flow()).get("path"), "65002");
    assert_eq!(collector.one("127.0.1.1", flow().of("0:65001:7")).get("path"), "65004");
}
