//! How fast the table is, and how much memory it takes: `cargo run --release -p rib --example rib_rate [PEERS ...]`.
//!
//! Each number of peers runs in a process of its own. All peers announce the same 1,000,000 IPv4 and 200,000 IPv6 prefixes, in groups of
//! about 5.5 that share an attribute set; no two peers have equal sets. For a shorter run, `RIB_RATE_SCALE=10` divides
//! the number of prefixes by 10.
//!
//! Rates are in processor time of the thread, as other programs may run.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails says why")]

mod support;

use fastrand::Rng;
use rib::{AttributesId, Cursor, Limits, PeerId, Rib, Route, SharedRib, TableKey, Writer};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Announcements, Busy, Sets, announce, announcements, per, sets, table};
use wire::{Family, Prefix};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let counts = if args.is_empty() { ["1", "4", "20"].map(String::from).into() } else { args };
    match &*counts {
        [one] => run(one.parse().unwrap()),
        all => {
            for count in all {
                assert!(Command::new(std::env::current_exe().unwrap()).arg(count).status().unwrap().success());
            }
        }
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Announces the routes of all peers, in turns.
fn load(writer: &mut Writer, peers: &[PeerId], all: &Announcements, sets: &[Sets]) {
    for first in (0..all.groups.len()).step_by(50) {
        for (peer, sets) in peers.iter().zip(sets) {
            announce(writer, *peer, all, sets, first..(first + 50).min(all.groups.len()));
        }
    }
}

/// Time of a memory access that the next one depends on, in an array of 64 MB.
fn latency() -> f64 {
    let mut next: Vec<u32> = (0..1 << 24).collect();
    // A single cycle through all elements (Sattolo).
    let mut rng = Rng::with_seed(9);
    for i in (1..next.len()).rev() {
        next.swap(i, rng.usize(..i));
    }
    let start = Busy::now();
    let mut at = 0;
    for _ in 0..1 << 20 {
        at = next[at as usize];
    }
    black_box(at);
    per(start.elapsed(), 1 << 20)
}

fn run(count: u32) {
    let all = announcements();
    let peers_sets: Vec<Sets> = (0..count).map(|peer| sets(&all, peer)).collect();
    println!("a memory access takes {:.0} ns", latency());
    let (shared, mut writer) = SharedRib::new(Limits::default());
    let peers: Vec<PeerId> = (0..count).map(|_| writer.add_peer().unwrap()).collect();
    let routes = all.prefixes.len() * peers.len();

    let before = resident();
    let start = Busy::now();
    load(&mut writer, &peers, &all, &peers_sets);
    let loading = per(start.elapsed(), routes);
    let memory = shared.read().memory();
    let used = resident() - before;
    let estimate = memory.tables + memory.attributes;
    println!(
        "{count} peers: {routes} routes, {} prefixes, {} attribute sets of {} octets; load {loading:.0} ns a route",
        memory.prefixes,
        memory.attribute_sets,
        peers_sets.iter().map(|sets| sets.octets.len()).sum::<usize>() / memory.attribute_sets,
    );
    println!(
        "  memory: resident {} MB, {:.1} bytes a route; estimate {} MB (tables {}, attributes {})",
        used >> 20,
        used as f64 / routes as f64,
        estimate >> 20,
        memory.tables >> 20,
        memory.attributes >> 20,
    );
    lookups(&shared.read(), &all, *peers.last().unwrap());
    dump(&shared, *peers.last().unwrap());

    // Routes that are announced again with the same attributes, then with others.
    let start = Busy::now();
    announce(&mut writer, peers[0], &all, &peers_sets[0], 0..all.groups.len());
    let same = per(start.elapsed(), all.prefixes.len());
    let others = sets(&all, count);
    let start = Busy::now();
    announce(&mut writer, peers[0], &all, &others, 0..all.groups.len());
    println!(
        "  announced again: {same:.0} ns; with other attributes {:.0} ns",
        per(start.elapsed(), all.prefixes.len())
    );

    let start = Busy::now();
    for group in &all.groups {
        let mut changes = writer.begin();
        for prefix in &all.prefixes[group.clone()] {
            changes.withdraw(table(*prefix), *prefix, peers[0], 0).unwrap();
        }
    }
    println!("  withdraw: {:.0} ns a route", per(start.elapsed(), all.prefixes.len()));

    for peer in peers.iter().skip(1) {
        writer.remove_peer(*peer);
    }
    let start = Busy::now();
    while writer.sweep(256, |_, _, _, _| {}) {}
    drop(writer.begin());
    let left = shared.read().memory();
    println!(
        "  sweep of the others: {:.0} ns a route; resident {} MB then, estimate {} kB",
        per(start.elapsed(), (routes - all.prefixes.len()).max(1)),
        (resident().saturating_sub(before)) >> 20,
        (left.tables + left.attributes) >> 10,
    );
}

/// Look-ups of random addresses that have routes.
fn lookups(rib: &Rib, all: &Announcements, peer: PeerId) {
    let mut rng = Rng::with_seed(3);
    for family in Family::ALL {
        let of_family: Vec<&Prefix> = all.prefixes.iter().filter(|prefix| prefix.family() == family).collect();
        let addresses: Vec<IpAddr> = (0..1 << 20)
            .map(|_| {
                let prefix = of_family[rng.usize(..of_family.len())];
                match (prefix.address(), prefix.last_address()) {
                    (IpAddr::V4(first), IpAddr::V4(last)) => {
                        IpAddr::V4(Ipv4Addr::from_bits(rng.u32(first.to_bits()..=last.to_bits())))
                    }
                    (IpAddr::V6(first), IpAddr::V6(last)) => {
                        IpAddr::V6(Ipv6Addr::from_bits(rng.u128(first.to_bits()..=last.to_bits())))
                    }
                    _ => unreachable!(),
                }
            })
            .collect();
        let table = rib.table(TableKey::Unicast(family)).unwrap();
        let accept = |route: &Route| route.peer == peer;
        let (mut single, mut batch, mut with_attributes) = (f64::MAX, f64::MAX, f64::MAX);
        for _ in 0..3 {
            let start = Busy::now();
            for address in &addresses {
                black_box(table.longest(*address, accept)).unwrap();
            }
            single = single.min(per(start.elapsed(), addresses.len()));
            let start = Busy::now();
            for addresses in addresses.chunks(128) {
                table.longest_many(
                    addresses,
                    |_, route| accept(route),
                    |_, found| {
                        black_box(found).unwrap();
                    },
                );
            }
            batch = batch.min(per(start.elapsed(), addresses.len()));
            let start = Busy::now();
            let mut ids = [None::<AttributesId>; 128];
            for addresses in addresses.chunks(128) {
                table.longest_many(
                    addresses,
                    |_, route| accept(route),
                    |i, found| {
                        ids[i] = found.map(|found| found.route.attributes);
                    },
                );
                for id in ids.iter().flatten() {
                    black_box(rib.attributes_key(*id));
                }
            }
            with_attributes = with_attributes.min(per(start.elapsed(), addresses.len()));
        }
        println!(
            "  look-up {family}: {single:.0} ns, in batches of 128 {batch:.0} ns, and with the key of the attribute set \
             {with_attributes:.0} ns"
        );
    }
}

fn dump(shared: &SharedRib, peer: PeerId) {
    let mut cursor = Cursor::all();
    let (mut routes, mut longest) = (0, Duration::ZERO);
    let start = Busy::now();
    loop {
        let entered = Instant::now();
        let more = shared.read().visit_peer(&mut cursor, 256, peer, |_, nlri, route| {
            black_box((nlri, route));
            routes += 1;
        });
        longest = longest.max(entered.elapsed());
        if !more {
            break;
        }
    }
    println!(
        "  dump of a peer: {:.0} ns a route; longest step {} us",
        per(start.elapsed(), routes),
        longest.as_micros()
    );
}
