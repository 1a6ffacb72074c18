//! Routes like those of the Internet, for measurements.

use fastrand::Rng;
use rib::{NO_LABEL, PeerId, Route, TableKey, Writer};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::time::Duration;
use wire::{Family, Prefix};

/// Prefix lengths and their weights, as in the Internet's table.
const V4: &[(u8, u32)] = &[(24, 60), (23, 8), (22, 11), (21, 5), (20, 5), (19, 4), (18, 2), (17, 1), (16, 4)];
const V6: &[(u8, u32)] = &[(48, 47), (32, 12), (44, 9), (40, 9), (36, 5), (47, 4), (46, 4), (64, 2), (33, 8)];

/// What all peers announce: prefixes, and which of them share attributes.
pub(crate) struct Announcements {
    pub(crate) prefixes: Vec<Prefix>,
    pub(crate) groups: Vec<Range<usize>>,
}

/// What one peer announces: the attribute sets of the groups.
pub(crate) struct Sets {
    pub(crate) octets: Vec<u8>,
    pub(crate) ends: Vec<usize>,
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

pub(crate) fn announcements() -> Announcements {
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
pub(crate) fn sets(announcements: &Announcements, peer: u32) -> Sets {
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

pub(crate) fn table(prefix: Prefix) -> TableKey {
    TableKey::Unicast(prefix.family())
}

/// Announces some groups, each as the routes of one UPDATE message.
pub(crate) fn announce(writer: &mut Writer, peer: PeerId, all: &Announcements, sets: &Sets, groups: Range<usize>) {
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

/// Processor time of this thread.
pub(crate) struct Busy(Duration);

impl Busy {
    pub(crate) fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Self(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Self::now().0 - self.0
    }
}

pub(crate) fn per(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count as f64
}
