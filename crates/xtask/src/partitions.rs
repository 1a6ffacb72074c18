//! A simulation of exporters behind a Kafka topic: how evenly they spread over partitions and processes, and what moves when a process is
//! added or dies. It depends on nothing but its seed; docs/scale-out.md shows its output.
//!
//! Exporters have rates with a heavy tail: a Pareto distribution, cut off at what one large router exports. Their keys are their IPv4
//! addresses, as the plugin `tee` writes them. Processes own partitions as the assignors of Kafka's clients distribute them: by number, not
//! by load.

use std::collections::BTreeMap;

const SEED: u64 = 20_260_101;
const EXPORTERS: usize = 10_000;
/// Flows per second of all exporters, and of the largest one at most.
const TOTAL: f64 = 20e6;
const LARGEST: f64 = 200e3;
/// The exponent of the tail: a fifth of the exporters has about four fifths of the flows.
const ALPHA: f64 = 1.16;
/// Partitions of the topic.
const PARTITIONS: [u32; 5] = [50, 64, 200, 256, 1024];
/// Processes of the group.
const PROCESSES: [usize; 3] = [10, 20, 50];

/// An address, and flows per second.
type Exporter = ([u8; 4], f64);
/// The hash of a key.
type Hash = fn(&[u8]) -> u32;

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in (0, 1].
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }
}

/// The address of the exporter with a number.
type Plan = fn(u32, &mut Random) -> u32;

/// How the addresses of exporters are chosen.
const PLANS: [(&str, Plan); 3] = [
    ("10.0.0.0/16, in sequence", |number, _| 0x0a00_0000 + number),
    ("the first address of each /24", |number, _| 0x0a00_0001 + (number << 8)),
    ("at random", |_, random| random.next() as u32),
];

/// librdkafka's `consistent` and `consistent_random` (its default): CRC-32 (IEEE 802.3).
fn crc32(key: &[u8]) -> u32 {
    !key.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// `murmur2_random`, which is also the default of Kafka's Java client: MurmurHash2 with Kafka's seed, without its highest bit.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, octet| tail << 8 | u32::from(*octet));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    (hash ^ (hash >> 15)) & 0x7fff_ffff
}

/// `fnv1a_random`.
fn fnv1a(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash: u32, octet| (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193))
}

const HASHES: [(&str, Hash); 3] = [("crc32", crc32), ("murmur2", murmur2), ("fnv1a", fnv1a)];

fn exporters(plan: Plan) -> Vec<Exporter> {
    let mut random = Random(SEED);
    let mut exporters: Vec<Exporter> = (0..EXPORTERS as u32)
        .map(|number| (plan(number, &mut random).to_be_bytes(), random.unit().powf(-1.0 / ALPHA)))
        .collect();
    // The cut changes the sum, and the sum the cut: a few rounds suffice.
    for _ in 0..50 {
        let sum: f64 = exporters.iter().map(|(_, rate)| rate).sum();
        exporters.iter_mut().for_each(|(_, rate)| *rate = (*rate * TOTAL / sum).min(LARGEST));
    }
    exporters
}

/// The load of each partition.
fn load(exporters: &[Exporter], hash: Hash, partitions: u32) -> Vec<f64> {
    let mut load = vec![0.0_f64; partitions as usize];
    for (address, rate) in exporters {
        if let Some(load) = load.get_mut((hash(address) % partitions) as usize) {
            *load += rate;
        }
    }
    load
}

/// The least maximum, about: the largest exporters first, each to the partition with the least load.
fn best(exporters: &[Exporter], partitions: u32) -> Vec<f64> {
    let mut rates: Vec<f64> = exporters.iter().map(|(_, rate)| *rate).collect();
    rates.sort_by(|a, b| b.total_cmp(a));
    let mut load = vec![0.0_f64; partitions as usize];
    for rate in rates {
        if let Some(least) = load.iter_mut().min_by(|a, b| f64::total_cmp(a, b)) {
            *least += rate;
        }
    }
    load
}

fn largest(load: &[f64]) -> f64 {
    load.iter().copied().fold(0.0, f64::max)
}

/// The maximum in multiples of the mean.
fn skew(load: &[f64]) -> f64 {
    largest(load) * load.len() as f64 / load.iter().sum::<f64>()
}

/// The owner of each partition.
type Owners = Vec<usize>;

/// `range`: consecutive partitions, the first processes one more.
fn range(partitions: usize, processes: &[usize]) -> Owners {
    let count = processes.len();
    let of = |(at, process): (usize, &usize)| {
        std::iter::repeat_n(*process, partitions / count + usize::from(at < partitions % count))
    };
    processes.iter().enumerate().flat_map(of).collect()
}

/// `cooperative-sticky`: as few partitions move as possible, until the numbers differ by one at most.
fn sticky(before: &Owners, processes: &[usize]) -> Owners {
    let mut owners: Vec<Option<usize>> =
        before.iter().map(|owner| processes.contains(owner).then_some(*owner)).collect();
    let mut counts: BTreeMap<usize, usize> = processes.iter().map(|process| (*process, 0)).collect();
    owners.iter().flatten().for_each(|owner| *counts.entry(*owner).or_default() += 1);
    let extreme = |counts: &BTreeMap<usize, usize>| {
        let least = counts.iter().min_by_key(|(_, count)| **count).map(|(process, count)| (*process, *count));
        let most = counts.iter().max_by_key(|(_, count)| **count).map(|(process, count)| (*process, *count));
        (least.unwrap_or_default(), most.unwrap_or_default())
    };
    for owner in &mut owners {
        if owner.is_none() {
            let ((least, _), _) = extreme(&counts);
            *owner = Some(least);
            *counts.entry(least).or_default() += 1;
        }
    }
    loop {
        let ((least, few), (most, many)) = extreme(&counts);
        let Some(owner) = owners.iter_mut().find(|owner| **owner == Some(most)).filter(|_| many > few + 1) else {
            return owners.into_iter().flatten().collect();
        };
        *owner = Some(least);
        *counts.entry(most).or_default() -= 1;
        *counts.entry(least).or_default() += 1;
    }
}

/// The load of each process.
fn of_processes(load: &[f64], owners: &Owners) -> Vec<f64> {
    let mut sums: BTreeMap<usize, f64> = BTreeMap::new();
    owners.iter().zip(load).for_each(|(owner, load)| *sums.entry(*owner).or_default() += load);
    sums.into_values().collect()
}

/// The share of all flows, in percent, whose partition has another owner.
fn moved(load: &[f64], before: &Owners, after: &Owners) -> f64 {
    let moves = before.iter().zip(after).zip(load).filter(|((before, after), _)| before != after);
    // An empty sum is -0.0.
    100.0 * moves.fold(0.0, |sum, (_, load)| sum + load) / load.iter().sum::<f64>()
}

/// The tables, in Markdown.
pub(crate) fn report() -> String {
    let mut out = format!(
        "{EXPORTERS} exporters, {} M flows/s, the largest {} k flows/s, seed {SEED}\n",
        TOTAL / 1e6,
        LARGEST / 1e3
    );
    out += "\nLoad of the busiest partition, in multiples of the mean:\n\n| addresses | partitions |";
    HASHES.iter().for_each(|(name, _)| out += &format!(" {name} |"));
    out += " best possible | k flows/s (murmur2) |\n|---|---|---|---|---|---|---|\n";
    for (name, plan) in PLANS {
        let exporters = exporters(plan);
        for partitions in PARTITIONS {
            out += &format!("| {name} | {partitions} |");
            for (_, hash) in HASHES {
                out += &format!(" {:.2} |", skew(&load(&exporters, hash, partitions)));
            }
            let busiest = largest(&load(&exporters, murmur2, partitions)) / 1e3;
            out += &format!(" {:.2} | {busiest:.0} |\n", skew(&best(&exporters, partitions)));
        }
    }
    out += "\nLoad of the busiest process, in multiples of the mean, and flows that move, in percent (murmur2, addresses in sequence):\n\n\
        | partitions | processes | max/mean | k flows/s | one dies: sticky | range | one is added: sticky | range |\n\
        |---|---|---|---|---|---|---|---|\n";
    let exporters = exporters(PLANS[0].1);
    for partitions in PARTITIONS {
        let load = load(&exporters, murmur2, partitions);
        for count in PROCESSES {
            let processes: Vec<usize> = (0..count).collect();
            let before = range(load.len(), &processes);
            let busiest = of_processes(&load, &before);
            let died: Vec<usize> = (0..count).filter(|process| *process != count / 2).collect();
            let added: Vec<usize> = (0..=count).collect();
            out += &format!("| {partitions} | {count} | {:.2} | {:.0} |", skew(&busiest), largest(&busiest) / 1e3);
            for processes in [&died, &added] {
                let by_stickiness = moved(&load, &before, &sticky(&before, processes));
                let by_range = moved(&load, &before, &range(load.len(), processes));
                out += &format!(" {by_stickiness:.1} | {by_range:.1} |");
            }
            out += "\n";
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_clients() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(fnv1a(b"a"), 0xe40c_292c);
        // From the tests of Kafka's Java client, as positive numbers.
        for (key, hash) in
            [("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)]
        {
            let hash: i32 = hash;
            assert_eq!(murmur2(key.as_bytes()), hash as u32 & 0x7fff_ffff, "{key}");
        }
    }

    #[test]
    fn only_the_partitions_of_a_dead_process_move() {
        let before = range(10, &[0, 1, 2]);
        assert_eq!(before, [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]);
        let after = sticky(&before, &[0, 2]);
        assert_eq!(after, [0, 0, 0, 0, 2, 0, 2, 2, 2, 2]);
        let added = sticky(&before, &[0, 1, 2, 3]);
        assert_eq!(added.iter().filter(|owner| **owner == 3).count(), 2);
        assert_eq!(before.iter().zip(&added).filter(|(before, after)| before != after).count(), 2);
    }
}
