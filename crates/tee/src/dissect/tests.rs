use super::*;
use decode::from_netflow::{Decoder, Settings, require};
use flow::field::Field;
use flow::needs::Needs;
use flow::row::{FieldSet, Layout, Rows};
use flow::strings::Strings;
use netflow::datagram::{Body, Set, open};
use netflow::elements as ie;
use netflow::encode::{Message, V5Record, field, v5, variable};
use netflow::template::{Kind, Template, VARIABLE};
use proptest::prelude::*;

const EXPORTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// A decoder of NetFlow that reads the input interface of each record.
struct Bench {
    decoder: Decoder,
    rows: Rows,
    strings: Strings,
    at: usize,
}

impl Bench {
    fn new() -> Self {
        let mut fields = FieldSet::default();
        fields.insert(Field::InIface);
        require(&mut fields, false);
        let layout = std::sync::Arc::new(Layout::new(&fields, &[]));
        let needs = Needs { layout: layout.clone(), customs: [].into(), bin_times: false };
        let mut decoder = Decoder::new(needs, Settings::default());
        decoder.want_parts(true);
        let at = layout.offset(Field::InIface).unwrap();
        Self { decoder, rows: Rows::new(&layout), strings: Strings::default(), at }
    }

    /// Decodes a datagram, and returns the input interfaces of its rows.
    fn decode(&mut self, octets: &[u8]) -> Vec<u32> {
        self.rows.clear();
        self.decoder.datagram(EXPORTER, octets, 1, &mut self.rows, &mut self.strings).unwrap();
        let number = |octets: &[u8]| u32::from_be_bytes(octets[self.at..self.at + 4].try_into().unwrap());
        self.rows.iter().map(|row| number(row.bytes())).collect()
    }

    /// What a lane gets of a datagram if it wants the records of some interfaces.
    fn rebuild(
        &mut self,
        dissector: &mut Dissector,
        lane: u32,
        octets: &[u8],
        wanted: impl Fn(u32) -> bool,
    ) -> Option<Vec<u8>> {
        let interfaces = self.decode(octets);
        let dissected = Dissected { octets, parts: self.decoder.parts(), exporter: EXPORTER };
        let mut arena = vec![0xee; 3];
        let any = |rows: Range<usize>| rows.into_iter().any(|row| wanted(interfaces[row]));
        match dissector.rebuild(&dissected, lane, &mut arena, any).0 {
            Rebuilt::Nothing => None,
            Rebuilt::Unchanged => Some(octets.to_vec()),
            Rebuilt::Changed(place) => Some(arena[place].to_vec()),
        }
    }
}

fn v5_of(sequence: u32, interfaces: &[u16]) -> Vec<u8> {
    let record =
        |input: &u16| V5Record { interfaces: [*input, 0], packets: 1, octets: 100, ..V5Record::default() };
    v5(sequence, 1_700_000_000, 1000, 0, &interfaces.iter().map(record).collect::<Vec<_>>())
}

fn template(domain: u32, id: u16) -> Template {
    let fields =
        vec![field(ie::INGRESS_INTERFACE, 4), field(ie::OCTET_DELTA_COUNT, 1), field(ie::PACKET_DELTA_COUNT, 1)];
    Template::new(domain, id, Kind::Data, fields)
}

fn named(domain: u32, id: u16) -> Template {
    let fields = vec![
        field(ie::INGRESS_INTERFACE, 4),
        field(ie::INTERFACE_NAME, VARIABLE),
        field(ie::PACKET_DELTA_COUNT, 1),
    ];
    Template::new(domain, id, Kind::Data, fields)
}

fn records(message: Message, interfaces: &[u32]) -> Message {
    message.records(256, interfaces.len(), |w| {
        interfaces.iter().for_each(|interface| _ = w.u32(*interface).u8(9).u8(1))
    })
}

#[test]
fn a_v5_datagram_has_count_and_sequence_of_what_is_left() {
    let (mut bench, mut dissector) = (Bench::new(), Dissector::default());
    let header = |octets: &[u8]| {
        let header = open(octets).unwrap().header;
        (header.count, header.sequence)
    };
    let mut get =
        |octets: &[u8], wanted: u32| bench.rebuild(&mut dissector, wanted, octets, |input| input == wanted);
    let first = get(&v5_of(100, &[1, 2, 1, 3]), 1).unwrap();
    assert_eq!((header(&first), first.len()), ((2, 100), 24 + 2 * 48));
    // Two flows were left out before.
    assert_eq!(get(&v5_of(104, &[2, 2]), 1), None);
    assert_eq!(header(&get(&v5_of(106, &[1, 1]), 1).unwrap()), (2, 102));
    // A gap of the exporter remains a gap: ten flows were lost.
    assert_eq!(header(&get(&v5_of(118, &[1]), 1).unwrap()), (1, 114));
    // Other receivers have other sequence numbers, and one that gets everything gets the same octets.
    assert_eq!(header(&get(&v5_of(104, &[2, 3]), 2).unwrap()), (1, 104));
    assert_eq!(get(&v5_of(100, &[9, 9]), 9).unwrap(), v5_of(100, &[9, 9]));
}

#[test]
fn templates_and_options_data_go_to_everyone() {
    let (mut bench, mut dissector) = (Bench::new(), Dissector::default());
    let fields = vec![field(ie::INGRESS_INTERFACE, 4), field(ie::INTERFACE_NAME, 4)];
    let options = Template::new(7, 300, Kind::Options { scopes: 1 }, fields);
    let message = Message::v9(7, 1, 1_700_000_000, 5).templates(&[&template(7, 256)]).templates(&[&options]);
    let message = message.data(300, |w| _ = w.u32(1).put(b"eth1"));
    let datagram = records(message, &[1, 2, 2]).finish();
    let rebuilt = bench.rebuild(&mut dissector, 0, &datagram, |input| input == 1).unwrap();
    let header = open(&rebuilt).unwrap().header;
    // Two templates, one options record and one data record.
    assert_eq!((header.count, header.sequence), (4, 1));
    let Body::Sets(sets) = open(&rebuilt).unwrap().body else { panic!() };
    let kinds: Vec<_> = sets.map(|set| matches!(set, Ok(Set::Data { .. }))).collect();
    assert_eq!(kinds, [false, false, true, true]);
    // Without any of the records, templates and options data are left.
    let rebuilt = bench.rebuild(&mut dissector, 1, &datagram, |_| false).unwrap();
    assert_eq!(open(&rebuilt).unwrap().header.count, 3);
    // A receiver that gets nothing of a datagram misses no sequence number.
    let next = |sequence| records(Message::v9(7, sequence, 1_700_000_001, 5), &[1]).finish();
    assert_eq!(bench.rebuild(&mut dissector, 1, &next(2), |input| input == 3), None);
    let rebuilt = bench.rebuild(&mut dissector, 1, &next(3), |_| true).unwrap();
    assert_eq!(open(&rebuilt).unwrap().header.sequence, 2);
}

#[test]
fn ipfix_counts_data_records_in_sequence_numbers_and_octets_in_the_length() {
    let (mut bench, mut dissector) = (Bench::new(), Dissector::default());
    let first = records(Message::ipfix(1, 50, 1_700_000_000).templates(&[&template(1, 256)]), &[1, 2, 3]).finish();
    let second = records(Message::ipfix(1, 53, 1_700_000_000), &[1]).finish();
    let rebuilt = bench.rebuild(&mut dissector, 0, &first, |input| input != 2).unwrap();
    let header = open(&rebuilt).unwrap().header;
    assert_eq!((usize::from(header.count), header.sequence), (rebuilt.len(), 50));
    let rebuilt = bench.rebuild(&mut dissector, 0, &second, |_| true).unwrap();
    assert_eq!(open(&rebuilt).unwrap().header.sequence, 52);
    assert_eq!(bench.decode(&rebuilt), [1]);
}

#[test]
fn sets_without_a_template_are_left_out_and_counted() {
    let (mut bench, mut dissector) = (Bench::new(), Dissector::default());
    let datagram = records(Message::ipfix(1, 0, 1_700_000_000), &[1, 2]).finish();
    let interfaces = bench.decode(&datagram);
    assert!(interfaces.is_empty());
    let dissected = Dissected { octets: &datagram, parts: bench.decoder.parts(), exporter: EXPORTER };
    let rebuilt = dissector.rebuild(&dissected, 0, &mut Vec::new(), |_| true);
    assert_eq!(rebuilt, (Rebuilt::Nothing, LeftOut { records: 0, unreadable: 1 }));
    // When the template arrives, rows of the earlier datagram come first, and the right ones are found nevertheless.
    let datagram = records(Message::ipfix(1, 2, 1_700_000_000).templates(&[&template(1, 256)]), &[7, 8]).finish();
    let rebuilt = bench.rebuild(&mut dissector, 0, &datagram, |input| input == 8).unwrap();
    assert_eq!(bench.decode(&rebuilt), [8]);
}

#[test]
fn an_sflow_datagram_keeps_its_counter_samples() {
    use sflow::encode::Datagram;
    let mut encoder = Datagram::v5(Some(EXPORTER), 3, 20, 1000);
    let head = |source| sflow::FlowHead {
        format: sflow::DataFormat::FLOW,
        source: sflow::SourceId { class: 0, index: source },
        ..Default::default()
    };
    encoder.flow(&head(1), &[]).unwrap();
    encoder
        .counters(&sflow::CounterHead { format: sflow::DataFormat::COUNTERS, ..Default::default() }, &[])
        .unwrap();
    encoder.flow(&head(2), &[]).unwrap();
    let octets = encoder.finish();
    let mut samples = sflow::open(&octets).unwrap().samples();
    let mut parts = Vec::new();
    loop {
        let at = samples.at() as u32;
        let Some(sample) = samples.next() else { break };
        let len = samples.at() as u32 - at;
        parts.push(match sample.unwrap() {
            sflow::Sample::Flow(_) => Part::Records { at, size: len, count: 1, rows: 1 },
            _ => Part::Common { at, len, records: 1, is_data: false },
        });
    }
    let dissected = Dissected { octets: &octets, parts: &parts, exporter: EXPORTER };
    let mut arena = Vec::new();
    let rebuilt = Dissector::default().rebuild(&dissected, 0, &mut arena, |rows| rows.start == 1).0;
    assert!(matches!(rebuilt, Rebuilt::Changed(_)));
    let datagram = sflow::open(&arena).unwrap();
    assert_eq!((datagram.header.samples, datagram.header.sequence), (2, 20));
    let kinds: Vec<_> = datagram.samples().map(|sample| matches!(sample, Ok(sflow::Sample::Flow(_)))).collect();
    assert_eq!(kinds, [false, true]);
}

proptest! {
    /// Whatever two receivers share between them adds up to the original, in order.
    #[test]
    fn two_receivers_get_all_records_between_them(
        messages in proptest::collection::vec((proptest::collection::vec(1u32..6, 0..12), proptest::collection::vec((1u32..6, 0usize..5), 0..6)), 1..6),
        is_ipfix: bool,
    ) {
        let (mut bench, mut dissector) = (Bench::new(), Dissector::default());
        let (mut odd_bench, mut even_bench) = (Bench::new(), Bench::new());
        let mut sequence = 0;
        for (fixed, long) in &messages {
            let message = match is_ipfix {
                true => Message::ipfix(1, sequence, 1_700_000_000),
                false => Message::v9(1, sequence, 1_700_000_000, 1),
            };
            sequence += if is_ipfix { (fixed.len() + long.len()) as u32 } else { 1 };
            let mut message = records(message.templates(&[&template(1, 256)]), fixed);
            if is_ipfix {
                message = message.templates(&[&named(1, 257)]).records(257, long.len(), |w| {
                    for (interface, name) in long {
                        w.u32(*interface);
                        variable(w, &vec![b'x'; *name]);
                        w.u8(1);
                    }
                });
            }
            let datagram = message.finish();
            let all = bench.decode(&datagram);
            let odd = bench.rebuild(&mut dissector, 0, &datagram, |input| input % 2 == 1).unwrap();
            let even = bench.rebuild(&mut dissector, 1, &datagram, |input| input % 2 == 0).unwrap();
            prop_assert_eq!(odd_bench.decode(&odd), all.iter().copied().filter(|input| input % 2 == 1).collect::<Vec<_>>());
            prop_assert_eq!(even_bench.decode(&even), all.iter().copied().filter(|input| input % 2 == 0).collect::<Vec<_>>());
        }
        for bench in [&mut odd_bench, &mut even_bench] {
            let counts = bench.decoder.take_counts();
            prop_assert_eq!((counts.sequence_gaps, counts.sequence_out_of_order, counts.sets_invalid), (0, 0, 0));
        }
    }

    /// Any octets and any parts: no panic, and no datagram that is longer than the parts allow.
    #[test]
    fn octets_and_parts_that_do_not_agree_do_no_harm(
        mut octets in proptest::collection::vec(any::<u8>(), 0..200),
        version in prop_oneof![Just(1u16), Just(5), Just(7), Just(9), Just(10), Just(0), any::<u16>()],
        numbers in proptest::collection::vec((0u8..5, 0u32..300, 0u32..60, 0u32..5, 0u32..3), 0..12),
    ) {
        if let Some(start) = octets.first_chunk_mut() {
            *start = version.to_be_bytes();
        }
        let parts: Vec<Part> = numbers.iter().map(|&(kind, at, size, count, rows)| match kind {
            0 => Part::Common { at, len: size, records: count, is_data: rows > 0 },
            1 => Part::Set { at, len: size },
            2 => Part::Records { at, size, count, rows },
            3 => Part::Unreadable { at, len: size },
            _ => Part::Rows { count },
        }).collect();
        let dissected = Dissected { octets: &octets, parts: &parts, exporter: EXPORTER };
        let mut arena = Vec::new();
        let mut dissector = Dissector::default();
        for lane in [0, 0, 1] {
            let before = arena.len();
            let (rebuilt, _) = dissector.rebuild(&dissected, lane, &mut arena, |rows| rows.start % 2 == 0);
            match rebuilt {
                Rebuilt::Changed(place) => prop_assert_eq!(place, before..arena.len()),
                Rebuilt::Nothing | Rebuilt::Unchanged => prop_assert_eq!(arena.len(), before),
            }
            prop_assert!(arena.len() - before <= octets.len() * (1 + 5 * parts.len()) + 8 * parts.len());
        }
    }
}

/// A sFlow datagram whose samples have these sources and numbers, and its parts.
fn samples_of(samples: &[(u32, u32, bool)]) -> (Vec<u8>, Vec<Part>) {
    use sflow::encode::Datagram;
    use sflow::{DataFormat, FlowHead, SourceId};
    let mut datagram = Datagram::v5("192.0.2.9".parse().ok(), 3, 50, 1000);
    let mut parts = Vec::new();
    for (index, sequence, is_expanded) in samples {
        let at = datagram.len();
        let format = if *is_expanded { DataFormat::FLOW_EXPANDED } else { DataFormat::FLOW };
        let source = SourceId { class: 0, index: *index };
        datagram.flow(&FlowHead { format, source, sequence: *sequence, ..FlowHead::default() }, &[]).unwrap();
        parts.push(Part::Records { at: at as u32, size: (datagram.len() - at) as u32, count: 1, rows: 1 });
    }
    (datagram.finish(), parts)
}

#[test]
fn numbers_of_sflow_samples_leave_out_what_a_pool_does_not_get() {
    let mut dissector = Dissector::default();
    let mut get = |samples: &[(u32, u32, bool)], wanted: &[usize]| {
        let (octets, parts) = samples_of(samples);
        let dissected = Dissected { octets: &octets, parts: &parts, exporter: EXPORTER };
        let mut arena = vec![0xee; 5];
        let octets = match dissector.rebuild(&dissected, 0, &mut arena, |rows| wanted.contains(&rows.start)).0 {
            Rebuilt::Nothing => return Vec::new(),
            Rebuilt::Unchanged => octets,
            Rebuilt::Changed(place) => arena[place].to_vec(),
        };
        let samples = sflow::open(&octets).unwrap().samples();
        let flow = |sample| match sample {
            Ok(sflow::Sample::Flow(flow)) => (flow.head.source.index, flow.head.sequence),
            other => panic!("{other:?}"),
        };
        samples.map(flow).collect()
    };
    // Two of source 1 and one of source 2 are left out.
    let first = [(1, 10, false), (1, 11, false), (2, 90, true), (1, 12, false), (2, 91, true)];
    assert_eq!(get(&first, &[0, 4]), [(1, 10), (2, 90)]);
    // Everything is wanted now, but the numbers of before are missing.
    assert_eq!(get(&[(1, 13, false), (2, 92, true), (3, 5, false)], &[0, 1, 2]), [(1, 11), (2, 91), (3, 5)]);
    // What the agent lost remains lost.
    assert_eq!(get(&[(1, 20, false)], &[0]), [(1, 18)]);
    assert!(get(&[(1, 21, false)], &[]).is_empty());
    assert_eq!(get(&[(1, 22, false), (3, 6, false)], &[0, 1]), [(1, 19), (3, 6)]);
}
