//! How fast the table is, and how much memory it takes: `cargo run --release -p rib --example rib_rate [PEERS ...] [waits]`.
//!
//! Each number of peers runs in a process of its own. All peers announce the same 1,000,000 IPv4 and 200,000 IPv6 prefixes, in groups of
//! about 5.5 that share an attribute set; no two peers have equal sets. `waits` measures how long a reader waits for the writer. For a shorter run, `RIB_RATE_SCALE=10` divides
//! the number of prefixes by 10.
//!
//! Rates are in processor time of the thread, as other programs may run; those of waits are in wall time.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails says why")]

use fastrand::Rng;
use rib::{AttributesId, Cursor, Limits, NO_LABEL, PeerId, Rib, Route, SharedRib, TableKey, Writer};
use std::collections::HashSet;
use std::hint::{black_box, spin_loop};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use wire::{Family, Prefix};

/// Prefix lengths and their weights, as in the Internet's table.
const V4: &[(u8, u32)] = &[(24, 60), (23, 8), (22, 11), (21, 5), (20, 5), (19, 4), (18, 2), (17, 1), (16, 4)];
const V6: &[(u8, u32)] = &[(48, 47), (32, 12), (44, 9), (40, 9), (36, 5), (47, 4), (46, 4), (64, 2), (33, 8)];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let counts = if args.is_empty() { ["1", "4", "20", "waits"].map(String::from).into() } else { args };
    match &*counts {
        [one] if one == "waits" => waits(),
        [one] => run(one.parse().unwrap()),
        all => {
            for count in all {
                assert!(Command::new(std::env::current_exe().unwrap()).arg(count).status().unwrap().success());
            }
        }
    }
}

/// What all peers announce: prefixes, and which of them share attributes.
struct Announcements {
    prefixes: Vec<Prefix>,
    groups: Vec<Range<usize>>,
}

/// What one peer announces: the attribute sets of the groups.
struct Sets {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

fn pick(rng: &mut Rng, weights: &[(u8, u32)]) -> u8 {
    let mut at = rng.u32(..weights.iter().map(|(_, weight)| weight).sum::<u32>());
    for (length, weight) in weights {
        if at < *weight {
            return *length;
        }
        at -= weight;
    }
    0
}

/// Distinct prefixes in runs of neighbours.
fn prefixes(rng: &mut Rng, family: Family, count: usize, out: &mut Vec<Prefix>) {
    let mut seen = HashSet::new();
    let (weights, run) = if family == Family::V4 { (V4, 8) } else { (V6, 4) };
    while seen.len() < count {
        let length = pick(rng, weights);
        let base = match family {
            Family::V4 => u128::from(rng.u32(1 << 24..224 << 24)) << 96,
            Family::V6 => 0x2 << 124 | rng.u128(..) >> 3,
        };
        let base = base >> (128 - length) << (128 - length);
        for neighbour in 0..rng.u128(1..=run) {
            let bits = base.wrapping_add(neighbour << (128 - length));
            let address = match family {
                Family::V4 => IpAddr::V4(Ipv4Addr::from_bits((bits >> 96) as u32)),
                Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(bits)),
            };
            let prefix = Prefix::new(address, length).unwrap();
            if seen.len() < count && seen.insert(prefix) {
                out.push(prefix);
            }
        }
    }
}

fn announcements() -> Announcements {
    let scale = std::env::var("RIB_RATE_SCALE").map_or(1, |scale| scale.parse().unwrap());
    let mut rng = Rng::with_seed(1);
    let mut all = Announcements { prefixes: Vec::new(), groups: Vec::new() };
    for (family, count) in [(Family::V4, 1_000_000 / scale), (Family::V6, 200_000 / scale)] {
        prefixes(&mut rng, family, count, &mut all.prefixes);
        let mut at = all.groups.last().map_or(0, |group| group.end);
        while at < all.prefixes.len() {
            let size = 1 + ((-5.0 * (1.0 - rng.f64()).ln()) as usize).min(59);
            let end = (at + size).min(all.prefixes.len());
            all.groups.push(at..end);
            at = end;
        }
    }
    all
}

/// Attribute sets of 30 to 150 octets: ORIGIN, AS_PATH, NEXT_HOP, LOCAL_PREF, and often MULTI_EXIT_DISC, COMMUNITIES and LARGE_COMMUNITY.
fn sets(announcements: &Announcements, peer: u32) -> Sets {
    let mut rng = Rng::with_seed(7);
    let mut sets = Sets { octets: Vec::new(), ends: Vec::new() };
    for group in &announcements.groups {
        let out = &mut sets.octets;
        out.extend([0x40, 1, 1, u8::from(rng.u8(..10) == 0) * 2]);
        let hops = 1 + [2, 2, 3, 3, 3, 4, 4, 5, 6][rng.usize(..9)];
        out.extend([0x40, 2, 2 + 4 * hops, 2, hops]);
        out.extend((65001 + peer).to_be_bytes());
        (1..hops).for_each(|_| out.extend(rng.u32(1000..400_000).to_be_bytes()));
        if announcements.prefixes[group.start].family() == Family::V4 {
            out.extend([0x40, 3, 4, 10, 100, peer as u8, 1]);
        } else {
            out.extend([0x40, 3, 16, 0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, peer as u8 + 1]);
        }
        if rng.u8(..10) < 3 {
            out.extend([0x80, 4, 4, 0, 0, 0, rng.u8(..)]);
        }
        out.extend([0x40, 5, 4, 0, 0, 0, 100 + peer as u8]);
        let communities = [0, 1, 2, 3, 4, 6, 8, 12][rng.usize(..8)];
        out.extend([0xc0, 8, 4 + 4 * communities]);
        (0..communities).for_each(|_| out.extend(rng.u32(..).to_be_bytes()));
        out.extend((64500 << 16 | peer).to_be_bytes());
        if rng.u8(..100) < 15 {
            let count = rng.u8(1..=3);
            out.extend([0xc0, 32, 12 * count]);
            (0..3 * count).for_each(|_| out.extend(rng.u32(..).to_be_bytes()));
        }
        sets.ends.push(sets.octets.len());
    }
    sets
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn table(prefix: Prefix) -> TableKey {
    TableKey::Unicast(prefix.family())
}

/// Announces some groups, each as the routes of one UPDATE message.
fn announce(writer: &mut Writer, peer: PeerId, all: &Announcements, sets: &Sets, groups: Range<usize>) {
    for i in groups {
        let octets = &sets.octets[if i == 0 { 0 } else { sets.ends[i - 1] }..sets.ends[i]];
        let mut changes = writer.begin();
        let attributes = changes.intern(octets).unwrap();
        let route = Route { peer, path_id: 0, attributes, label: NO_LABEL };
        for prefix in &all.prefixes[all.groups[i].clone()] {
            changes.announce(table(*prefix), *prefix, route).unwrap();
        }
    }
}

/// Announces the routes of all peers, in turns.
fn load(writer: &mut Writer, peers: &[PeerId], all: &Announcements, sets: &[Sets]) {
    for first in (0..all.groups.len()).step_by(50) {
        for (peer, sets) in peers.iter().zip(sets) {
            announce(writer, *peer, all, sets, first..(first + 50).min(all.groups.len()));
        }
    }
}

/// Processor time of this thread.
struct Busy(Duration);

impl Busy {
    fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Self(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }

    fn elapsed(&self) -> Duration {
        Self::now().0 - self.0
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

fn per(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count as f64
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

/// Time that this thread was ready to run, but no processor was free, in nanoseconds.
fn run_delay() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|delay| delay.parse().ok()).unwrap_or(0)
}

#[derive(Default)]
struct Pauses {
    longest: Duration,
    long: u32,
}

impl Pauses {
    fn push(&mut self, pause: Duration) {
        self.longest = self.longest.max(pause);
        self.long += u32::from(pause.as_micros() > 100);
    }
}

/// The longest wait of a reader that enters every 50 us for a batch of look-ups, while 4 peers load, one of them is removed, and one
/// withdraws its routes.
fn waits() {
    let all = &announcements();
    let sets: &[Sets] = &(0..4).map(|peer| sets(all, peer)).collect::<Vec<_>>();
    let (shared, mut writer) = SharedRib::new(Limits::default());
    let peers: Vec<PeerId> = sets.iter().map(|_| writer.add_peer().unwrap()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let (stop, peer) = (Arc::clone(&stop), peers[0]);
        let addresses: Vec<IpAddr> = all.prefixes.iter().map(Prefix::last_address).collect();
        move || {
            let mut waits = Vec::with_capacity(1 << 22);
            let mut pauses = Pauses::default();
            let mut next = Instant::now();
            let mut delay = run_delay();
            for batch in addresses.chunks(128).cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // Pauses outside the table are what other programs and the machine cause.
                let mut start = Instant::now();
                while start < next {
                    spin_loop();
                    let now = Instant::now();
                    pauses.push(now - start);
                    start = now;
                }
                let rib = shared.read();
                let wait = start.elapsed();
                if let Some(table) = rib.table(TableKey::Unicast(Family::V4)) {
                    table.longest_many(
                        batch,
                        |_, route| route.peer == peer,
                        |_, found| {
                            black_box(found);
                        },
                    );
                }
                drop(rib);
                let now = run_delay();
                waits.push((wait, Duration::from_nanos(now - delay)));
                delay = now;
                next = start + Duration::from_micros(50);
            }
            (waits, pauses)
        }
    });
    let start = Busy::now();
    load(&mut writer, &peers, all, sets);
    let loading = start.elapsed();
    writer.remove_peer(peers[1]);
    while writer.sweep(256, |_, _, _, _| {}) {}
    let swept = start.elapsed() - loading;
    for group in &all.groups {
        let mut changes = writer.begin();
        for prefix in &all.prefixes[group.clone()] {
            changes.withdraw(table(*prefix), *prefix, peers[2], 0).unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let (waits, pauses) = reader.join().unwrap();
    let mut plain: Vec<Duration> = waits.iter().map(|(wait, _)| *wait).collect();
    let mut running: Vec<Duration> = waits.iter().map(|(wait, delay)| wait.saturating_sub(*delay)).collect();
    for (name, waits) in
        [("waits", &mut plain), ("waits, without time for which no processor was free", &mut running)]
    {
        waits.sort_unstable();
        let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize].as_nanos() as f64 / 1000.0;
        println!(
            "{name}: {} entries; median {:.1} us, 99 % {:.1} us, 99.99 % {:.1} us, longest {:.1} us; {} above 100 us",
            waits.len(),
            at(0.5),
            at(0.99),
            at(0.9999),
            at(1.0),
            waits.iter().filter(|wait| wait.as_micros() > 100).count(),
        );
    }
    println!(
        "pauses of the reader outside the table: longest {:.1} us; {} above 100 us",
        pauses.longest.as_nanos() as f64 / 1000.0,
        pauses.long,
    );
    println!(
        "meanwhile: load {:.0} ns a route, sweep {:.0} ns a route",
        per(loading, all.prefixes.len() * peers.len()),
        per(swept, all.prefixes.len()),
    );
}
