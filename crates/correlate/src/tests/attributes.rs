//! What is shown of attributes.

use super::world::{Collector, Flow, World, spec};
use crate::Shaping;
use crate::patterns::Patterns;
use crate::spec::Spec;

fn seen(attributes: &str, shaping: Shaping, names: &str) -> String {
    let mut world = World::new();
    let peer = world.peer("127.0.1.1");
    world.announce(peer, "10.0.0.0/8", attributes);
    let mut collector = Collector::new(&world, Spec { shaping, ..spec() });
    collector.one("127.0.1.1", Flow::new("10.10.0.5", "10.20.0.9")).all(names)
}

#[test]
fn the_first_and_the_last_number_of_a_path_are_as_numbers() {
    let plain = |attributes| seen(attributes, Shaping::default(), "peer_dst_as dst_as path");
    assert_eq!(plain("path 65001 set 1 2 3"), "65001 3 65001 {1,2,3}");
    assert_eq!(plain("set 1 2"), "0 2 {1,2}");
    assert_eq!(plain("path"), "0 0 -");
    assert_eq!(plain("confed 64600 64601 path 65010 65020"), "64600 65020 (64600 64601) 65010 65020");
    let skip = Shaping { skip_confederations: true, ..Shaping::default() };
    assert_eq!(seen("confed 64600 64601 path 65010 65020", skip, "peer_dst_as"), "65010");
}

#[test]
fn a_radius_cuts_the_text_of_a_path_alone() {
    let cut = |radius, attributes| {
        let shaping = Shaping { radius: Some(radius), ..Shaping::default() };
        seen(attributes, shaping, "path src_path dst_as")
    };
    assert_eq!(cut(2, "path 65001 65010 65020"), "65001 65010 65001 65010 65020");
    assert_eq!(cut(5, "path 65001 65010"), "65001 65010 65001 65010 65010");
    assert_eq!(cut(2, "path 65001 set 1 2 3"), "65001 {1,2,3} 65001 {1,2,3} 3");
    assert_eq!(cut(1, "path 65001 set 1 2 3"), "65001 65001 3");
    assert_eq!(cut(1, "confed 64600 64601 path 65010"), "(64600) (64600) 65010");
}

#[test]
fn patterns_select_communities_of_both_ends() {
    let patterns = |text: &str| Patterns::new(text.split(','));
    let shaping = Shaping {
        communities: patterns("65001:.00,no-export"),
        extended: patterns("RT:65001:."),
        large: patterns("65001:1:."),
        ..Shaping::default()
    };
    let all =
        "comm 65001:100 65001:200 65001:1000 no-export ext RT:65001:1 SoO:65001:2 large 65001:1:2 65001:11:2";
    assert_eq!(
        seen(all, shaping, "comms ecomms lcomms src_comms"),
        "65001:100 65001:200 no-export RT:65001:1 65001:1:2 65001:100 65001:200 no-export"
    );
}

/// pmacct shows `4998:77`.
#[test]
fn a_community_that_contains_a_pattern_is_shown_whole() {
    let shaping = Shaping { communities: Patterns::new(["4998:"]), ..Shaping::default() };
    assert_eq!(seen("comm 64998:77 64999:1", shaping, "comms"), "64998:77");
}

#[test]
fn communities_give_as_numbers_where_the_path_has_none() {
    let shaping = || Shaping { community_to_asn: Patterns::new(["64998:.."]), ..Shaping::default() };
    let names = "peer_dst_as dst_as peer_src_as src_as";
    assert_eq!(seen("path comm 64997:11 64998:77 64998:88", shaping(), names), "64998 77 64998 77");
    assert_eq!(seen("path 65001 comm 64998:77", shaping(), names), "65001 65001 65001 65001");
    assert_eq!(seen("set 5 comm 64998:77", shaping(), names), "64998 5 64998 5", "each number on its own");
    let large = Shaping { large_to_asn: Patterns::new(["64991:.:."]), ..Shaping::default() };
    assert_eq!(seen("path large 64991:7:8", large, names), "64991 7 64991 7");
}

#[test]
fn well_known_communities_may_be_numbers() {
    let shaping = Shaping { numbers: true, ..Shaping::default() };
    assert_eq!(seen("comm 1:2 no-export", shaping, "comms"), "1:2 65535:65281");
}

#[test]
fn texts_are_made_once_and_again_after_strings_were_cleared() {
    let mut world = World::new();
    let peer = world.peer("127.0.1.1");
    let flow = || Flow::new("10.10.0.5", "10.20.0.9");
    world.announce(peer, "10.0.0.0/8", "path 65001 comm 1:2");
    let mut collector = Collector::new(&world, spec());
    assert_eq!(collector.one("127.0.1.1", flow()).all("path comms"), "65001 1:2");
    let before = collector.strings();
    collector.look_up("127.0.1.1", &vec![flow(); 100]);
    assert_eq!(collector.strings(), before);
    collector.clear_strings();
    assert_eq!(collector.one("127.0.1.1", flow()).all("path comms"), "65001 1:2");
}

#[test]
fn a_number_of_attributes_that_is_used_again_shows_the_new_ones() {
    let mut world = World::new();
    let peer = world.peer("127.0.1.1");
    let mut collector = Collector::new(&world, spec());
    for round in 1..500 {
        world.announce(peer, "10.0.0.0/8", &format!("path {round} next 10.0.0.1"));
        let seen = collector.one("127.0.1.1", Flow::new("10.10.0.5", "10.20.0.9"));
        assert_eq!(seen.all("path dst_as"), format!("{round} {round}"));
    }
}

#[test]
fn more_sets_than_the_cache_starts_with_are_shown() {
    let mut world = World::new();
    let peer = world.peer("127.0.1.1");
    for number in 0..20_000u32 {
        let [.., a, b] = number.to_be_bytes();
        world.announce(peer, &format!("10.{a}.{b}.0/24"), &format!("path {} next 10.0.0.1", 100_000 + number));
    }
    let mut collector = Collector::new(&world, spec());
    for round in 0..3 {
        for number in (0..20_000u32).step_by(7) {
            let [.., a, b] = number.to_be_bytes();
            let dst: &'static str = Box::leak(format!("10.{a}.{b}.9").into_boxed_str());
            let seen = collector.one("127.0.1.1", Flow::new("192.0.2.1", dst));
            assert_eq!(seen.get("path"), (100_000 + number).to_string(), "round {round}");
        }
    }
}
