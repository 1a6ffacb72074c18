//! Attacks on the memory and CPU time of a decoder, and the bounds against them.

use super::*;
use crate::bound::Bound;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::time::Duration;

fn bench(settings: Settings) -> Bench {
    Bench::new(&["src_port"], settings)
}

fn address(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + n).into()
}

impl Bench {
    fn send_from(&mut self, source: IpAddr, datagram: &[u8]) {
        self.decoder.datagram(source, datagram, ARRIVAL, &mut self.rows, &mut self.strings).unwrap();
        self.rows.clear();
    }

    fn knows(&self, source: IpAddr) -> bool {
        self.decoder.exporters().any(|exporter| exporter.address == source)
    }
}

fn one_record() -> Vec<u8> {
    v5(0, NOW, 0, 0, &[V5Record::default()])
}

fn template(domain: u32, id: u16, fields: usize) -> Template {
    Template::new(domain, id, Kind::Data, (0..fields).map(|_| field(ie::SOURCE_TRANSPORT_PORT, 2)).collect())
}

/// Announces templates `256..256 + count` of a domain.
fn announce(bench: &mut Bench, source: IpAddr, domain: u32, count: u16, fields: usize) {
    for id in 256..256 + count {
        bench.send_from(
            source,
            &Message::ipfix(domain, 0, NOW).templates(&[&template(domain, id, fields)]).finish(),
        );
    }
}

/// Sends sets of `octets` octets, each without its template.
fn send_pending(bench: &mut Bench, source: IpAddr, count: u32, octets: usize) {
    for n in 0..count {
        let id = 40_000 + (n % 20_000) as u16;
        let message = Message::ipfix(7 + n / 20_000, 0, NOW);
        bench.send_from(source, &message.data(id, |w| _ = w.put(&vec![1; octets])).finish());
    }
}

/// Encodes a datagram of interface names, with the options template 256 of domain 3.
fn names(first: u32, count: u32, length: u16) -> Vec<u8> {
    Message::ipfix(3, 0, NOW)
        .records(256, count as usize, |w| {
            for id in first..first + count {
                w.u32(id).put(&vec![b'a' + (id % 26) as u8; length.into()]);
            }
        })
        .finish()
}

fn name_interfaces(bench: &mut Bench, source: IpAddr, count: u32, length: u16) {
    let template = Template::new(
        3,
        256,
        Kind::Options { scopes: 1 },
        vec![field(ie::INGRESS_INTERFACE, 4), field(82, length)],
    );
    bench.send_from(source, &Message::ipfix(3, 0, NOW).templates(&[&template]).finish());
    (0..count).step_by(100).for_each(|first| bench.send_from(source, &names(first, 100, length)));
}

#[test]
fn the_least_recently_active_exporter_is_evicted_and_counted() {
    let mut bench = bench(Settings { max_exporters: 100, ..Settings::default() });
    let live = address(0);
    bench.send_from(live, &one_record());
    for n in 1..1000 {
        bench.send_from(address(n), &one_record());
        bench.send_from(live, &one_record());
    }
    assert!(bench.knows(live) && bench.knows(address(999)) && !bench.knows(address(900)));
    let exporters: Vec<u64> = bench.decoder.exporters().map(|exporter| exporter.datagrams).collect();
    assert_eq!((exporters.len(), exporters.iter().max()), (100, Some(&1000)), "its state is kept");
    let counts = bench.decoder.take_counts();
    assert_eq!((counts.records, counts.exporters_evicted_number), (1999, 900), "evictions lose no datagrams");
    let notices = bench.decoder.take_notices();
    assert!(
        matches!(notices[0], Notice::ExporterEvicted { exporter, bound: Bound::Exporters, .. } if exporter == address(1))
    );
}

#[test]
fn empty_datagrams_create_no_state() {
    let mut bench = bench(Settings { max_exporters: 2, ..Settings::default() });
    bench.send_from(address(1), &one_record());
    bench.send_from(address(2), &one_record());
    let memory = bench.decoder.memory();
    let unusable = Template::new(1, 300, Kind::Data, vec![field(ie::SOURCE_TRANSPORT_PORT, 0)]);
    let ipfix = || Message::ipfix(1, 0, NOW);
    for (n, empty) in [
        v5(0, NOW, 0, 0, &[]),
        Message::v9(1, 0, NOW, 0).finish(),
        ipfix().finish(),
        ipfix().withdraw(300, false).finish(),
        ipfix().templates(&[&unusable]).finish(),
        ipfix().data(300, |_| ()).finish(),
    ]
    .iter()
    .enumerate()
    {
        bench.send_from(address(100 + n as u32), empty);
    }
    assert!(bench.knows(address(1)) && bench.knows(address(2)));
    let counts = bench.decoder.take_counts();
    assert_eq!((counts.exporters_evicted_number, counts.templates_invalid), (0, 1));
    assert_eq!((counts.sets_kept, counts.sets_of_evicted), (1, 1), "every set is accounted for");
    assert_eq!(bench.decoder.memory(), memory);
    // Nor do they create domains of known exporters.
    for domain in 0..5000 {
        bench.send_from(address(1), &Message::ipfix(domain, 0, NOW).finish());
    }
    assert_eq!((bench.decoder.take_counts().sequences_evicted, bench.decoder.memory()), (0, memory));
}

#[test]
fn the_state_of_all_exporters_stays_below_the_memory_bound() {
    const BOUND: usize = 4 << 20;
    let mut bench = bench(Settings { max_memory: BOUND, ..Settings::default() });
    let live = address(0);
    announce(&mut bench, live, 1, 10, 5);
    let data = Message::ipfix(1, 0, NOW).data(256, |w| _ = w.put(&[0; 10])).finish();
    let kinds: [fn(&mut Bench, IpAddr); 4] = [
        |bench, source| announce(bench, source, 1, 1500, 10),
        |bench, source| send_pending(bench, source, 300, 500),
        |bench, source| name_interfaces(bench, source, 1000, 200),
        |bench, source| {
            (0..1000).for_each(|n| {
                bench.send_from(source, &Message::ipfix(n, 0, NOW).data(9, |w| _ = w.u8(1)).finish())
            })
        },
    ];
    let mut kept = 0;
    for n in 1..=60 {
        kinds[n as usize % kinds.len()](&mut bench, address(n));
        assert!(bench.decoder.memory() <= BOUND);
        bench.send_from(live, &data);
        kept = kept.max(bench.decoder.memory());
    }
    assert!(kept > BOUND * 3 / 4, "{kept}");
    let counts = bench.decoder.take_counts();
    assert_eq!(counts.records, 60, "the templates of an active exporter are kept");
    assert!(counts.exporters_evicted_memory > 20 && counts.sets_of_evicted > 1000, "{counts:?}");
    let waiting: u64 = counts.sets_kept - counts.sets_of_evicted;
    // The capacity of hash tables changes when slots are freed.
    let is_accounted = |exporter: &Exporter| {
        exporter.accounted_memory.abs_diff(exporter.memory()) <= exporter.accounted_memory / 50
    };
    assert!(bench.decoder.exporters().all(is_accounted));
    bench.decoder.drop_pending();
    assert_eq!(bench.decoder.take_counts().sets_dropped_at_exit, waiting);
    let accounted: usize = bench.decoder.exporters().map(|exporter| exporter.accounted_memory).sum();
    assert_eq!(accounted + bench.decoder.scratch.plans.memory(), bench.decoder.memory());
}

#[test]
fn an_exporter_that_takes_most_of_the_memory_evicts_no_others() {
    let mut bench = bench(Settings { max_memory: 1 << 20, ..Settings::default() });
    (1..=100).for_each(|n| announce(&mut bench, address(n), 1, 1, 5));
    let quiet = bench.decoder.len();
    announce(&mut bench, address(0), 1, 6000, 20);
    let counts = bench.decoder.take_counts();
    assert!(counts.exporters_evicted_memory > 0);
    assert!((1..=100).all(|n| bench.knows(address(n))), "{quiet} {}", bench.decoder.len());
}

#[test]
fn options_entries_beyond_their_bound_are_counted_and_reported() {
    let mut bench = bench(Settings::default());
    let max = options_cache::MAX_ENTRIES as u32;
    name_interfaces(&mut bench, address(1), max + 1000 - max % 100, 8);
    let counts = bench.decoder.take_counts();
    assert_eq!(counts.options_entries_dropped, u64::from(1000 - max % 100));
    let notices = bench.decoder.take_notices();
    assert!(notices.iter().any(|notice| matches!(notice, Notice::OptionsFull { domain: 3, id: 256, .. })));
    // Existing entries are updated, and take no additional memory.
    let memory = bench.decoder.memory();
    bench.send_from(address(1), &names(0, 100, 8));
    assert_eq!((bench.decoder.take_counts().options_entries_dropped, bench.decoder.memory()), (0, memory));
}

#[test]
fn domains_beyond_their_bound_are_counted_and_reported() {
    let mut bench = bench(Settings::default());
    let max = netflow::sequence::MAX_DOMAINS as u32;
    for domain in 0..max + 10 {
        bench.send_from(address(1), &Message::v9(domain, 0, NOW, 0).data(300, |w| _ = w.u8(1)).finish());
    }
    assert_eq!(bench.decoder.take_counts().sequences_evicted, 10);
    bench.decoder.take_notices();
    bench.send_from(address(1), &Message::v9(1 << 20, 0, NOW, 0).data(300, |w| _ = w.u8(1)).finish());
    let notices = bench.decoder.take_notices();
    assert!(notices.iter().any(|notice| matches!(notice, Notice::Domains { .. })), "{notices:?}");
}

/// Returns the CPU time of the thread, which the load of other processes does not affect.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Returns the shortest time to decode the datagrams in several rounds.
fn cost(bench: &mut Bench, source: IpAddr, datagrams: &[Vec<u8>]) -> Duration {
    let round = |_| {
        let begun = cpu_time();
        datagrams.iter().for_each(|datagram| bench.send_from(source, datagram));
        cpu_time() - begun
    };
    (0..12).map(round).min().unwrap_or_default()
}

fn with_high_limits() -> Bench {
    bench(Settings { max_templates: 8192, pending_bytes: 8_000_000, ..Settings::default() })
}

/// Maximum cost of 1,000 octets in a release build, regardless of earlier datagrams.
const COST_PER_KB: Duration = Duration::from_micros(20);

/// Asserts the absolute cost in a release build, and prints it (`--nocapture`). Does nothing in a debug build, where the
/// cost means nothing.
fn assert_bounded(what: &str, octets: usize, cost: impl FnMut() -> Duration) {
    assert_below(COST_PER_KB, what, octets, cost);
}

fn assert_below(limit: Duration, what: &str, octets: usize, cost: impl FnMut() -> Duration) {
    if cfg!(debug_assertions) {
        return;
    }
    let per_kb = |cost: Duration| cost.mul_f64(1000.0 / octets as f64);
    // Other processes may disturb one measurement, but not all.
    let least = std::iter::repeat_with(cost).map(per_kb).take(5).min().unwrap_or_default();
    println!("{what}: {:.1} us for 1,000 octets", least.as_secs_f64() * 1e6);
    assert!(least < limit, "{what}: {least:?} for 1,000 octets");
}

fn octets(datagrams: &[Vec<u8>]) -> usize {
    datagrams.iter().map(Vec::len).sum()
}

/// Decodes the same datagrams with and without existing state. The times are similar, apart from CPU cache misses; a scan
/// of all state would take hundreds of times as long.
fn assert_cheap(what: &str, loaded: &mut Bench, source: IpAddr, datagrams: &[Vec<u8>]) {
    let mut fresh = with_high_limits();
    // Other processes may disturb one measurement, but not all.
    let is_cheap = (0..5).any(|_| {
        let without = cost(&mut fresh, source, datagrams);
        cost(loaded, source, datagrams).as_secs_f64() / without.as_secs_f64() < 5.0
    });
    assert!(is_cheap, "{what}: the cost depends on existing state");
    assert_bounded(what, octets(datagrams), || cost(loaded, source, datagrams));
}

#[test]
fn the_cost_of_a_datagram_does_not_depend_on_existing_state() {
    let attacker = address(1);
    let mut loaded = with_high_limits();
    announce(&mut loaded, attacker, 1, 8000, 3);
    send_pending(&mut loaded, attacker, 15_000, 100);
    name_interfaces(&mut loaded, attacker, 10_000, 20);
    for domain in 0..4096 {
        loaded.send_from(attacker, &Message::v9(domain, 0, NOW, 0).data(300, |w| _ = w.u8(1)).finish());
    }
    (10..3000).for_each(|n| loaded.send_from(address(n), &one_record()));
    let mut withdrawals = Message::ipfix(9, 0, NOW);
    for options in [false, true].into_iter().cycle().take(160) {
        withdrawals = withdrawals.withdraw(if options { 3 } else { 2 }, options);
    }
    assert_cheap("withdrawal of all templates", &mut loaded, attacker, &[withdrawals.finish()]);
    // The templates change each time, so that pending sets are looked up.
    let changes = |fields| {
        let templates: Vec<Template> = (300..360).map(|id| template(9, id, fields)).collect();
        Message::ipfix(9, 0, NOW).templates(&templates.iter().collect::<Vec<_>>()).finish()
    };
    assert_cheap("changed templates", &mut loaded, attacker, &[changes(2), changes(3)]);
    let waiting =
        (0..80).fold(Message::v9(9, 0, NOW, 0), |message, n| message.data(301 + n, |w| _ = w.put(&[1; 8])));
    assert_cheap("pending sets", &mut loaded, attacker, &[waiting.finish()]);
    let options = Template::new(
        3,
        256,
        Kind::Options { scopes: 1 },
        vec![field(ie::INGRESS_INTERFACE, 4), field(ie::INTERFACE_NAME, 20)],
    );
    let named = [Message::ipfix(3, 0, NOW).templates(&[&options]).finish(), names(0, 50, 20), names(50, 50, 20)];
    assert_cheap("names", &mut loaded, attacker, &named);
    let domain = |n: u32| Message::v9((1 << 20) + n, 0, NOW, 0).data(300, |w| _ = w.u8(1)).finish();
    assert_cheap("domains", &mut loaded, attacker, &(0..20).map(domain).collect::<Vec<_>>());
    assert_cheap("records", &mut loaded, attacker, &[v5(0, NOW, 0, 0, &[V5Record::default(); 24])]);
    assert!(loaded.decoder.exporters().map(|exporter| exporter.templates().count()).max() >= Some(8000));
}

#[test]
fn the_cost_of_a_new_exporter_does_not_depend_on_evictions() {
    let with_max = |max_exporters| bench(Settings { max_exporters, ..Settings::default() });
    let (mut few, mut many) = (with_max(100), with_max(20_000));
    (0..20_000).for_each(|n| many.send_from(address(n), &one_record()));
    let datagram = one_record();
    let mut next = 1 << 20;
    let mut cost = |bench: &mut Bench| {
        let mut round = || {
            let begun = cpu_time();
            for _ in 0..500 {
                next += 1;
                bench.send_from(address(next), &datagram);
            }
            cpu_time() - begun
        };
        (0..8).map(|_| round()).min().unwrap_or_default().as_secs_f64()
    };
    assert!((0..5).any(|_| cost(&mut few) * 5.0 > cost(&mut many)));
    assert_eq!(many.decoder.len(), 20_000);
}

/// Templates that are compiled each time, because each differs from the previous one with its id.
#[test]
fn the_cost_of_templates_is_bounded() {
    for fields in [1, 2, 10, 100, 340] {
        for domains in [1, 50] {
            let mut bench = with_high_limits();
            let datagrams: Vec<Vec<u8>> = (0..200_u32)
                .map(|n| {
                    let per_datagram = (340 / fields).max(1) as u16;
                    let templates: Vec<Template> = (0..per_datagram)
                        .map(|id| {
                            let fields = (0..fields as u32).map(|at| match (n + at) % 5 {
                                0 => field(ie::SOURCE_TRANSPORT_PORT, 2),
                                1 => field(ie::SOURCE_IPV4_ADDRESS, 4),
                                2 => field(ie::OCTET_DELTA_COUNT, 8),
                                3 => field(ie::INTERFACE_NAME, u16::MAX),
                                _ => field(40_000 % 32_768 + at as u16 % 100, 3),
                            });
                            Template::new(n % domains, 256 + id, Kind::Data, fields.collect())
                        })
                        .collect();
                    Message::ipfix(n % domains, 0, NOW).templates(&templates.iter().collect::<Vec<_>>()).finish()
                })
                .collect();
            assert_bounded(
                &format!("templates of {fields} fields, {domains} domains"),
                octets(&datagrams),
                || cost(&mut bench, address(1), &datagrams),
            );
        }
    }
}

/// Encodes messages of `per` items each. The items have distinct numbers.
fn messages(count: u32, per: usize, add: impl Fn(Message, Range<u32>) -> Message) -> Vec<Vec<u8>> {
    let per = per.max(1) as u32;
    (0..count).map(|n| add(Message::ipfix(9, 0, NOW), n * per..(n + 1) * per).finish()).collect()
}

/// Each template has its own shape, and data, so no plan is compiled before.
#[test]
fn the_cost_of_new_templates_with_data_is_bounded() {
    for fields in [1, 2, 5, 20] {
        for options in [false, true] {
            let known = [2, 1, 8, 12, 7, 11, 4, 10, 14, 152, 153, 56, 80, 225, 226, 29, 30, 16, 17];
            let id = |n: u32| 256 + (n % 8000) as u16;
            let template = |n: u32| {
                let own = field((n % 30_000) as u16 + 600, 1);
                let specifiers = [own].into_iter().chain(known.map(|element| field(element, 1))).take(fields);
                let kind = if options { Kind::Options { scopes: 1 } } else { Kind::Data };
                Template::new(9, id(n), kind, specifiers.collect())
            };
            let pairs = |message: Message, numbers: Range<u32>| {
                let templates: Vec<Template> = numbers.clone().map(template).collect();
                let message = message.templates(&templates.iter().collect::<Vec<_>>());
                numbers.fold(message, |message, n| message.data(id(n), |w| _ = w.put(&vec![1; fields])))
            };
            // More than the caches hold: each round finds nothing of the previous one.
            let in_message = 1300 / (8 + 5 * fields);
            let datagrams = messages((20_000 / in_message) as u32, in_message, pairs);
            let mut bench = with_high_limits();
            let what = format!("new templates of {fields} fields, options: {options}");
            assert_bounded(&what, octets(&datagrams), || {
                let begun = cpu_time();
                datagrams.iter().for_each(|datagram| bench.send_from(address(1), datagram));
                cpu_time() - begun
            });
            let counts = bench.decoder.take_counts();
            println!("  of these {} sets over budget, {} records", counts.sets_over_budget, counts.records);
        }
    }
}

/// The shortest possible records, and sets of one such record.
#[test]
fn the_cost_of_short_records_is_bounded() {
    let mut variants: Vec<(&str, Vec<Template>)> = Vec::new();
    let data = |id, fields: &[Specifier]| Template::new(9, id, Kind::Data, fields.to_vec());
    let options = |id, fields: &[Specifier]| Template::new(9, id, Kind::Options { scopes: 1 }, fields.to_vec());
    variants.push(("records of one octet", vec![data(256, &[field(ie::PACKET_DELTA_COUNT, 1)])]));
    variants.push(("records of a variable field", vec![data(256, &[field(ie::INTERFACE_NAME, VARIABLE)])]));
    variants.push((
        "bidirectional records",
        vec![data(256, &[field(ie::PACKET_DELTA_COUNT, 1), enterprise(sources::REVERSE, 2, 1)])],
    ));
    variants.push(("options of one octet", vec![options(256, &[field(ie::INGRESS_INTERFACE, 1)])]));
    variants.push((
        "names of interfaces",
        vec![options(256, &[field(ie::INGRESS_INTERFACE, 1), field(ie::INTERFACE_NAME, 1)])],
    ));
    variants.push((
        "rates of interfaces",
        vec![options(256, &[field(ie::INGRESS_INTERFACE, 1), field(ie::SAMPLING_INTERVAL, 1)])],
    ));
    variants.push((
        "rates of samplers",
        vec![options(256, &[field(ie::SELECTOR_ID, 1), field(ie::SAMPLING_INTERVAL, 1)])],
    ));
    variants.push((
        "rates of the system",
        vec![options(256, &[field(ie::EXPORTING_PROCESS_ID, 1), field(ie::SAMPLING_INTERVAL, 1)])],
    ));
    variants.push((
        "sets of many templates",
        (256..8000).map(|id| data(id, &[field(ie::PACKET_DELTA_COUNT, 1)])).collect(),
    ));
    for (what, templates) in variants {
        for in_set in [1, 100] {
            let mut bench = with_high_limits();
            for templates in templates.chunks(50) {
                bench.send_from(
                    address(1),
                    &Message::ipfix(9, 0, NOW).templates(&templates.iter().collect::<Vec<_>>()).finish(),
                );
            }
            let length = templates[0].min_length;
            let set = |message: Message, n: u32| {
                let id = 256 + (n.wrapping_mul(2_654_435_761) as usize % templates.len()) as u16;
                message.data(id, |w| (0..in_set * length).for_each(|at| _ = w.u8((n as usize + at) as u8)))
            };
            let datagrams =
                messages(100, 1300 / (4 + in_set * length), |message, numbers| numbers.fold(message, set));
            assert_bounded(&format!("{what}, {in_set} in a set"), octets(&datagrams), || {
                cost(&mut bench, address(1), &datagrams)
            });
        }
    }
}

/// Each exporter sends only one datagram, and evicts another one.
#[test]
fn the_cost_of_new_exporters_is_bounded() {
    let with_template = |n: u32| Message::ipfix(n, 0, NOW).templates(&[&template(n, 256, 1)]).finish();
    let with_data = |n: u32| {
        let template = template(n, 256, 1);
        Message::ipfix(n, 0, NOW).templates(&[&template]).data(256, |w| _ = w.u8(1).u8(1)).finish()
    };
    let waiting = |n: u32| Message::ipfix(n, 0, NOW).data(256, |w| _ = w.u8(1)).finish();
    let kinds: [(&str, Vec<Vec<u8>>); 4] = [
        ("v5", (0..20_000).map(|_| one_record()).collect()),
        ("a template", (0..20_000).map(with_template).collect()),
        ("a template and a record", (0..20_000).map(with_data).collect()),
        ("a pending set", (0..20_000).map(waiting).collect()),
    ];
    for (what, datagrams) in kinds {
        let mut bench = bench(Settings::default());
        let mut next = 0;
        // A pending set takes 25 octets here, and about 0.6 us to insert and to drop with its exporter.
        let limit = if what == "a pending set" { 2 * COST_PER_KB } else { COST_PER_KB };
        assert_below(limit, &format!("new exporters with {what}"), octets(&datagrams), || {
            let begun = cpu_time();
            for datagram in &datagrams {
                next += 1;
                bench.send_from(address(next), datagram);
            }
            cpu_time() - begun
        });
    }
}

/// The workload in which the state of each datagram's exporter is not in the CPU cache.
#[test]
fn the_cost_of_datagrams_of_thousands_of_exporters_is_bounded() {
    const EXPORTERS: u32 = 5000;
    let fields = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (2, 4), (1, 4)];
    let fields = fields.map(|(element, length)| field(element, length)).to_vec();
    let template = Template { ipfix: false, ..Template::new(0, 256, Kind::Data, fields) };
    let mut bench = Bench::new(&["proto", "src_port"], Settings::default());
    let mut sequences = vec![0; EXPORTERS as usize];
    for (n, sequence) in sequences.iter_mut().enumerate() {
        bench.send_from(address(n as u32), &Message::v9(0, 0, NOW, 1000).templates(&[&template]).finish());
        *sequence = 1;
    }
    let mut datagram = |n: u32| {
        let exporter = (n.wrapping_mul(2_654_435_761) >> 7) % EXPORTERS;
        let sequence = &mut sequences[exporter as usize];
        let message = Message::v9(0, *sequence, NOW, 1000).data(256, |w| _ = w.u32(n).u32(n).put(&[n as u8; 13]));
        *sequence += 1;
        (address(exporter), message.finish())
    };
    let mut next = 0;
    let octets = 20_000 * datagram(0).1.len();
    let mut round = || {
        let datagrams: Vec<(IpAddr, Vec<u8>)> = (0..20_000).map(|n| datagram(next + n)).collect();
        next += 20_000;
        let begun = cpu_time();
        datagrams.iter().for_each(|(source, datagram)| bench.send_from(*source, datagram));
        cpu_time() - begun
    };
    assert_bounded("datagrams of 5,000 exporters", octets, || (0..8).map(|_| round()).min().unwrap_or_default());
}
