//! Measures snapshots: how much processor time one takes to build, its memory, and the time of a look-up.
//!
//!     cargo run --release -p rpki --example measure -- [VRPS]
//!
//! The VRPs are like those of the Internet: one in five is for IPv6, lengths from /16 to /24 and /32 to /48, and some prefixes cover others.

use rpki::{Validity, Vrp, Vrps, roas_file};
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::{Asn, Prefix};

/// A generator of numbers (SplitMix64): always the same ones.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % u64::from(below)) as u32
    }

    fn prefix(&mut self) -> Prefix {
        let prefix = if self.next(5) == 4 {
            let bits = 0x2000_u128 << 112 | u128::from(self.next(u32::MAX)) << 80;
            Prefix::new(Ipv6Addr::from_bits(bits).into(), 32 + self.next(17) as u8)
        } else {
            let length = 24 - self.next(9).min(self.next(9)) as u8;
            Prefix::new(Ipv4Addr::from_bits(0x0100_0000 + self.next(0xdf00_0000)).into(), length)
        };
        prefix.unwrap_or_default()
    }
}

/// Processor time of this process, which other processes disturb less than they do the clock.
struct Stopwatch(u64);

impl Stopwatch {
    fn start() -> Self {
        let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
        Self(text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(Self::start().0.saturating_sub(self.0))
    }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) << 10
}

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(500_000);
    let mut numbers = Numbers(1);
    let vrps: Vec<Vrp> = (0..count)
        .filter_map(|_| {
            let prefix = numbers.prefix();
            let max = prefix.length() + numbers.next(3) as u8;
            Vrp::new(prefix, max.min(prefix.family().width()), Asn(1 + numbers.next(80_000)))
        })
        .collect();
    let before = resident();
    let start = Stopwatch::start();
    let snapshot = Vrps::new(vrps.iter().copied());
    let time = start.elapsed();
    println!("{} VRPs: built in {time:?}, {:.1} MB", snapshot.len(), snapshot.size() as f64 / 1e6);
    println!("resident memory: {:.1} MB more after the build", resident().saturating_sub(before) as f64 / 1e6);

    // Half of the routes are those of VRPs, the others are random: mostly unknown or invalid.
    let routes: Vec<(Prefix, Option<Asn>)> = (0..1_000_000)
        .map(|number| match vrps.get(numbers.next(count) as usize) {
            Some(vrp) if number % 2 == 0 => (vrp.prefix(), Some(vrp.asn())),
            _ => (numbers.prefix(), Some(Asn(1))),
        })
        .collect();
    for round in 0..3 {
        let mut found = [0; 3];
        let start = Stopwatch::start();
        for (prefix, origin) in &routes {
            found[black_box(snapshot.validity(prefix, *origin)) as usize] += 1;
        }
        let each = start.elapsed().as_nanos() as f64 / routes.len() as f64;
        let [valid, invalid, unknown] = found;
        println!("round {round}: {each:.0} ns a look-up ({valid} valid, {invalid} invalid, {unknown} unknown)");
        assert_eq!(found[Validity::Valid as usize], valid);
    }

    let mut text = "{\"roas\": [\n".to_owned();
    for vrp in &vrps {
        let (prefix, max, asn) = (vrp.prefix(), vrp.max_length(), vrp.asn());
        _ = writeln!(
            text,
            "{{ \"asn\": \"AS{asn}\", \"prefix\": \"{prefix}\", \"maxLength\": {max}, \"ta\": \"ripe\" }},"
        );
    }
    text.truncate(text.len().saturating_sub(2));
    text.push_str("]}");
    let start = Stopwatch::start();
    let read =
        roas_file::read_from("rpki_roas_file", text.as_bytes(), "roas.json", &mut config::Diagnostics::new());
    let read = read.map_or(0, |vrps| vrps.len());
    println!("ROA file of {:.1} MB: {read} VRPs read in {:?}", text.len() as f64 / 1e6, start.elapsed());
}
