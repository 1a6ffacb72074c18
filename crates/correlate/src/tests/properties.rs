//! Random routes of several peers: the look-up agrees with its definition, a search through all routes.

use super::world::{Collector, Flow, World, spec};
use crate::peers::AddPath;
use crate::spec::Search;
use proptest::prelude::*;
use rib::TableKey;
use std::net::{IpAddr, Ipv4Addr};
use wire::{Afi, Family, Prefix, Safi};

#[derive(Clone, Debug)]
struct Announcement {
    peer: usize,
    path_id: u32,
    labelled: bool,
    prefix: Prefix,
    next_hop: u8,
    /// Position in the order of announcements; an update in place keeps the first.
    asn: u32,
}

/// Three peers: the second one with ADD-PATH.
const PEERS: [&str; 3] = ["127.0.1.1", "127.0.1.2", "127.0.1.3"];

fn announcement() -> impl Strategy<Value = Announcement> {
    let length = prop_oneof![Just(0u8), 1..=4u8, Just(32)];
    (0..3usize, 0..3u32, any::<bool>(), 0..16u32, length, 0..5u8, 1..1000u32).prop_map(
        |(peer, path_id, labelled, bits, length, next_hop, asn)| {
            let address = if length == 32 { bits << 28 | 1 } else { bits << 28 };
            let prefix = Prefix::new(Ipv4Addr::from_bits(address).into(), length).unwrap();
            Announcement { peer, path_id: if peer == 1 { path_id } else { 0 }, labelled, prefix, next_hop, asn }
        },
    )
}

fn next_hop(number: u8) -> String {
    match number {
        // Of a peer.
        0..=2 => PEERS[usize::from(number)].to_owned(),
        _ => format!("10.0.0.{number}"),
    }
}

/// The definition: the routes that are left after all announcements, oldest first.
fn left(announcements: &[Announcement]) -> Vec<Announcement> {
    let mut left: Vec<Announcement> = Vec::new();
    for new in announcements {
        let is_same = |old: &&mut Announcement| {
            (old.peer, old.path_id, old.labelled, old.prefix) == (new.peer, new.path_id, new.labelled, new.prefix)
        };
        match left.iter_mut().find(is_same) {
            Some(old) => *old = new.clone(),
            None => left.push(new.clone()),
        }
    }
    left
}

fn find<'a>(
    left: &'a [Announcement],
    peer: usize,
    address: IpAddr,
    record: Option<&str>,
) -> Option<&'a Announcement> {
    [false, true].into_iter().find_map(|labelled| {
        let fits = |route: &&Announcement| {
            let chosen = peer != 1 || labelled || record.is_none_or(|record| record == next_hop(route.next_hop));
            route.peer == peer && route.labelled == labelled && route.prefix.contains(address) && chosen
        };
        let longest = left.iter().filter(fits).map(|route| route.prefix.length()).max()?;
        let mut all = left.iter().filter(fits).filter(|route| route.prefix.length() == longest);
        let is_host = longest == 32 && peer == 1 && !labelled;
        if is_host { all.next_back() } else { all.next() }
    })
}

fn follow<'a>(
    left: &'a [Announcement],
    (mut peer, address): (usize, IpAddr),
    record: Option<&str>,
    times: u32,
) -> Option<&'a Announcement> {
    let mut found = find(left, peer, address, record)?;
    for _ in 0..times {
        if found.prefix.length() > 0 {
            break;
        }
        peer = usize::from(found.next_hop);
        if peer > 2 {
            return None;
        }
        found = find(left, peer, address, None)?;
    }
    Some(found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 256 }))]

    #[test]
    fn the_look_up_agrees_with_a_search_through_all_routes(
        announcements in prop::collection::vec(announcement(), 0..40),
        flows in prop::collection::vec((0..16u32, 0..16u32, any::<bool>(), 0..6u8, 0..3usize), 1..200),
        times in 0..4u32,
    ) {
        let mut world = World::new();
        let add_path = [(Afi::IPV4, Safi(1))].into_iter().collect::<AddPath>();
        let peers: Vec<_> = PEERS.iter().enumerate().map(|(number, address)| {
            let add_path = if number == 1 { add_path } else { AddPath::default() };
            world.peer_with(address, 179, &format!("1.1.1.{}", number + 1), add_path)
        }).collect();
        for route in &announcements {
            let table = match route.labelled {
                true => TableKey::Labelled(Family::V4),
                false => TableKey::Unicast(Family::V4),
            };
            let text = format!("path {} next {}", route.asn, next_hop(route.next_hop));
            world.announce_in(table, peers[route.peer], route.path_id, &route.prefix.to_string(), &text);
        }
        let left = left(&announcements);
        let search = Search { follow_default: times, ..spec().search };
        // The peer depends on the row, so that batches contain all of them.
        let agents = "bgp_ip=127.0.1.1 ip=0.0.0.0/0 in=0\nbgp_ip=127.0.1.2 ip=0.0.0.0/0 in=1\nbgp_ip=127.0.1.3 ip=0.0.0.0/0 in=2";
        let mut collector = Collector::with_maps(&world, crate::spec::Spec { search, ..spec() }, agents, "");
        let address = |bits: u32, host: bool| Ipv4Addr::from_bits(bits << 28 | if host { 1 } else { 2 });
        let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let rows: Vec<Flow> = flows.iter().map(|(src, dst, host, hop, peer)| {
            let via = if *hop == 5 { String::new() } else { next_hop(*hop) };
            Flow::new(leak(address(*src, *host).to_string()), leak(address(*dst, *host).to_string()))
                .via(leak(via)).from(*peer as u32)
        }).collect();
        let seen = collector.look_up("192.0.2.1", &rows);
        for ((seen, row), (src, dst, host, _, peer)) in seen.iter().zip(&rows).zip(&flows) {
            let of = |found: Option<&Announcement>| match found {
                Some(route) => format!("{} {}", route.asn, route.prefix.length()),
                None => "0 0".to_owned(),
            };
            let source = follow(&left, (*peer, address(*src, *host).into()), None, times);
            let destination = follow(&left, (*peer, address(*dst, *host).into()), Some(row.next_hop), times);
            prop_assert_eq!(seen.all("src_as src_mask"), of(source), "{:?}", row);
            prop_assert_eq!(seen.all("dst_as dst_mask"), of(destination), "{:?}", row);
            let hop = destination.map_or("-".to_owned(), |route| next_hop(route.next_hop));
            prop_assert_eq!(seen.all("next"), hop);
        }
    }
}
