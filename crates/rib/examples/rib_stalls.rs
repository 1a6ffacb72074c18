//! How long readers wait for the writer: `cargo run --release -p rib --features held --example rib_stalls`.
//!
//! A peer with 1,200,000 routes goes down. While its routes are removed, four peers load as many each, and then one of these withdraws all of them.
//! Meanwhile a reader looks up batches of 128 addresses without pause. For a shorter run, `RIB_RATE_SCALE=10` divides the number of prefixes
//! by 10.
//!
//! Two things make a reader wait: the work that the writer does while it holds the lock, and the system, which may take the processor from
//! the one or the other meanwhile. So the example shows
//!
//! * the longest sections for which the lock was held, in processor time, by what was done in them,
//! * the same for computations of two microseconds that touch no memory: what longer ones take is the machine's,
//! * how long readers waited, by the clock, and how many of the long waits fall together with a lost processor.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails says why")]

mod support;

use rib::{Held, Limits, PeerId, SharedRib, TableKey, Work, Writer};
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Announcements, Busy, Sets, announce, announcements, per, sets, table};
use wire::{Family, Prefix};

/// Prefixes and routes that a step of the sweep visits, as in the daemon.
const SWEEP: usize = 512;

/// Waits that are long.
const LONG: Duration = Duration::from_micros(100);

/// Context switches of this thread, asked for and not, and the time for which it was ready and no processor was free.
#[derive(Clone, Copy, Debug, Default)]
struct Scheduling {
    voluntary: u64,
    involuntary: u64,
    delay: Duration,
}

impl Scheduling {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let count = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
        };
        Self {
            voluntary: count("voluntary_ctxt_switches:"),
            involuntary: count("nonvoluntary_ctxt_switches:"),
            delay: run_delay(),
        }
    }

    fn since(self, other: Self) -> Self {
        Self {
            voluntary: self.voluntary - other.voluntary,
            involuntary: self.involuntary - other.involuntary,
            delay: self.delay - other.delay,
        }
    }
}

fn run_delay() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().nth(1).and_then(|delay| delay.parse().ok()).unwrap_or(0))
}

/// One batch of a reader.
#[derive(Clone, Copy, Debug)]
struct Batch {
    begun: Instant,
    wait: Duration,
    whole: Duration,
    /// Time for which the reader was ready and no processor was free.
    delay: Duration,
}

fn main() {
    let all = &announcements();
    let sets: &[Sets] = &(0..5).map(|peer| sets(all, peer)).collect::<Vec<_>>();
    for readers in [1, 0] {
        run(all, sets, readers);
    }
    println!("computations for comparison");
    let mut held = Held::default();
    for _ in 0..1_500_000 {
        held.compare(|| {
            black_box((0..2000_u64).fold(1, |a: u64, b| black_box(a ^ b)));
        });
    }
    show_held(&held);
}

fn run(all: &Announcements, sets: &[Sets], readers: usize) {
    println!("{readers} readers");
    let (shared, mut writer) = SharedRib::new(Limits::default());
    let peers: Vec<PeerId> = sets.iter().map(|_| writer.add_peer().unwrap()).collect();
    let (stop, addresses) =
        (AtomicBool::new(false), &*all.prefixes.iter().map(Prefix::last_address).collect::<Vec<_>>());
    let (stop, shared) = (&stop, &shared);
    thread::scope(|scope| {
        // A thread of its own, as in a daemon: the first thread of a process has another heap.
        let writer = scope.spawn(|| {
            let result = write(&mut writer, &peers, all, sets);
            stop.store(true, Ordering::Relaxed);
            result
        });
        let readers: Vec<_> =
            (0..readers).map(|_| scope.spawn(|| read(shared, peers[0], addresses, stop))).collect();
        let (held, scheduling) = writer.join().unwrap();
        show_held(&held);
        println!(
            "  writer: {} context switches that it asked for, {} others; ready without a processor for {:.0} ms",
            scheduling.voluntary,
            scheduling.involuntary,
            scheduling.delay.as_secs_f64() * 1e3,
        );
        for reader in readers {
            let (batches, scheduling) = reader.join().unwrap();
            show_batches(&batches, &held);
            println!(
                "  reader: {} context switches that it asked for, {} others; ready without a processor for {:.0} ms",
                scheduling.voluntary,
                scheduling.involuntary,
                scheduling.delay.as_secs_f64() * 1e3,
            );
        }
    });
}

/// What the writer does, and how long it held the lock meanwhile.
fn write(writer: &mut Writer, peers: &[PeerId], all: &Announcements, sets: &[Sets]) -> (Held, Scheduling) {
    let before = Scheduling::now();
    let count = all.prefixes.len();
    let start = Busy::now();
    announce(writer, peers[4], all, &sets[4], 0..all.groups.len());
    let first = start.elapsed();
    writer.remove_peer(peers[4]);
    let start = Busy::now();
    for groups in (0..all.groups.len()).step_by(50) {
        for (peer, sets) in peers.iter().zip(sets).take(4) {
            announce(writer, *peer, all, sets, groups..(groups + 50).min(all.groups.len()));
        }
        writer.sweep(SWEEP, |_, _, _, _| {});
    }
    while writer.sweep(SWEEP, |_, _, _, _| {}) {}
    let second = start.elapsed();
    let start = Busy::now();
    for group in &all.groups {
        let mut changes = writer.begin();
        for prefix in &all.prefixes[group.clone()] {
            changes.withdraw(table(*prefix), *prefix, peers[0], 0).unwrap();
        }
    }
    println!(
        "  load {:.0} ns a route, with a sweep {:.0} ns, withdraw {:.0} ns",
        per(first, count),
        per(second, 4 * count),
        per(start.elapsed(), count)
    );
    // Everything goes.
    let start = Busy::now();
    for peer in peers {
        writer.remove_peer(*peer);
    }
    while writer.sweep(SWEEP, |_, _, _, _| {}) {}
    println!("  sweep of three peers: {:.0} ns a route", per(start.elapsed(), 3 * count));
    (std::mem::take(writer.held()), Scheduling::now().since(before))
}

fn read(
    shared: &Arc<SharedRib>,
    peer: PeerId,
    addresses: &[IpAddr],
    stop: &AtomicBool,
) -> (Vec<Batch>, Scheduling) {
    let mut batches = Vec::with_capacity(1 << 22);
    let before = Scheduling::now();
    let mut delay = before.delay;
    for batch in addresses.chunks(128).cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let begun = Instant::now();
        let rib = shared.read();
        let wait = begun.elapsed();
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
        let whole = begun.elapsed();
        let now = run_delay();
        batches.push(Batch { begun, wait, whole, delay: now - delay });
        delay = now;
    }
    (batches, Scheduling::now().since(before))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn show_held(held: &Held) {
    println!(
        "  the lock was taken {} times, for {:.2} s of processor time; longer than 16 us: {}, 33 us: {}, 66 us: {}, 131 us: {}",
        held.sections(),
        held.cpu.as_secs_f64(),
        held.at_least(14),
        held.at_least(15),
        held.at_least(16),
        held.at_least(17),
    );
    println!("  in {} of them, for {} us or more, another thread had the processor", held.lost.len(), 20);
    for (work, longest) in Work::ALL.iter().zip(&held.longest) {
        for section in longest.iter().take(4) {
            println!(
                "    {work:?}: {:.1} us, {:.1} us on the clock, {:.0} us of the system: {} page faults, {} context switches; {} changes, attribute sets {:+} bytes, tables {:+} bytes",
                micros(section.cpu),
                micros(section.wall),
                micros(section.system),
                section.faults,
                section.switches,
                section.changes,
                section.attributes,
                section.tables,
            );
        }
    }
}

fn show_batches(batches: &[Batch], held: &Held) {
    for (name, time) in
        [("wait", (|batch| batch.wait) as fn(&Batch) -> Duration), ("whole batch", |batch| batch.whole)]
    {
        let mut times: Vec<Duration> = batches.iter().map(time).collect();
        times.sort_unstable();
        let at = |part: f64| micros(times[((times.len() - 1) as f64 * part) as usize]);
        println!(
            "  {name}: {} times; median {:.1} us, 99 % {:.1} us, 99.99 % {:.1} us, longest {:.1} us; {} above 100 us",
            times.len(),
            at(0.5),
            at(0.99),
            at(0.9999),
            at(1.0),
            times.iter().filter(|time| **time > LONG).count(),
        );
    }
    // What the system had to do with the long ones.
    let long: Vec<&Batch> = batches.iter().filter(|batch| batch.wait > LONG).collect();
    let unexplained: Vec<&&Batch> = long
        .iter()
        .filter(|batch| batch.wait.saturating_sub(batch.delay) > LONG)
        .filter(|batch| {
            !held
                .lost
                .iter()
                .any(|(begun, wall)| *begun < batch.begun + batch.wait && batch.begun < *begun + *wall)
        })
        .collect();
    println!(
        "  of {} waits above 100 us, {} remain without those of a reader or a writer that lost its processor; the longest: {:.1} us",
        long.len(),
        unexplained.len(),
        unexplained.iter().map(|batch| micros(batch.wait)).fold(0.0, f64::max),
    );
}
