//! Round trips, truncated datagrams, and arbitrary octets.

use crate::counters::{self, CounterBlock, CounterField, CounterKind, KINDS, OLD_KINDS, Value, Width};
use crate::encode::{self, EncodeError};
use crate::flow::{FlowRecord, Gateway, HeaderProtocol, RawHeader, Switch, Url, User};
use crate::tests::Generate;
use crate::*;
use proptest::prelude::*;
use std::net::IpAddr;
use wire::Reader;

/// Octets from which values are generated.
fn entropy() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..3000)
}

fn flow_head(r: &mut Reader<'_>, expanded: bool) -> FlowHead {
    let interface = |r: &mut Reader<'_>| Interface { format: u32::generate(r), value: u32::generate(r) };
    let mut head = FlowHead {
        format: if expanded { DataFormat::FLOW_EXPANDED } else { DataFormat::FLOW },
        sequence: u32::generate(r),
        source: SourceId { class: u32::generate(r), index: u32::generate(r) },
        sampling_rate: u32::generate(r),
        pool: u32::generate(r),
        drops: u32::generate(r),
        input: interface(r),
        output: interface(r),
    };
    if !expanded {
        head.source = SourceId::compact(head.source.index);
        head.input = Interface::compact(head.input.value);
        head.output = Interface::compact(head.output.value);
    }
    head
}

fn discard_head(r: &mut Reader<'_>) -> DiscardHead {
    DiscardHead {
        sequence: u32::generate(r),
        source: SourceId { class: u32::generate(r), index: u32::generate(r) },
        drops: u32::generate(r),
        input: u32::generate(r),
        output: u32::generate(r),
        reason: Reason(u32::generate(r)),
    }
}

/// Contents of a block, with lists of one or two groups.
fn block_contents(kind: &CounterKind, r: &mut Reader<'_>) -> Vec<u8> {
    fn values<'a>(fields: &[CounterField], r: &mut Reader<'a>, all: &mut Vec<Value<'a>>) {
        for field in fields {
            match field.width {
                Width::Four => all.push(Value::Number(u32::generate(r).into())),
                Width::Eight => all.push(Value::Number(u64::generate(r))),
                Width::Float => all.push(Value::Float(u32::generate(r) as f32)),
                Width::Mac => all.push(Value::Mac(wire::Mac::generate(r))),
                Width::Uuid => all.push(Value::Octets(&[7; 16])),
                Width::Text => all.push(Value::Text(<&[u8]>::generate(r))),
                Width::List(group) => {
                    let groups = 1 + u32::generate(r) % 2;
                    all.push(Value::Number(groups.into()));
                    for _ in 0..groups {
                        values(group, r, all);
                    }
                }
            }
        }
    }
    let mut all = Vec::new();
    values(kind.base, r, &mut all);
    values(kind.fields, r, &mut all);
    let octets = counters::contents(kind, all.iter().copied());
    let block = CounterBlock { format: kind.format, kind: Some(kind_of(kind)), octets: &octets };
    assert_eq!(block.values().map(|(_, value)| value).collect::<Vec<_>>(), all, "{}", kind.name);
    octets
}

fn kind_of(kind: &CounterKind) -> &'static CounterKind {
    KINDS.iter().chain(OLD_KINDS).find(|other| *other == kind).unwrap()
}

/// A sample as a list of values that can be compared.
#[derive(Debug, PartialEq)]
enum Flat<'a> {
    Flow(FlowHead, Vec<FlowRecord<'a>>),
    Counters(CounterHead, Vec<(DataFormat, &'a [u8])>),
    Discarded(DiscardHead, Vec<FlowRecord<'a>>),
    Unknown(DataFormat, &'a [u8]),
}

fn flat<'a>(sample: &Sample<'a>) -> Flat<'a> {
    match sample {
        Sample::Flow(sample) => Flat::Flow(sample.head, sample.records().map(Result::unwrap).collect()),
        Sample::Counters(sample) => {
            let blocks = sample.blocks().map(|block| block.map(|block| (block.format, block.octets)).unwrap());
            Flat::Counters(sample.head, blocks.collect())
        }
        Sample::Discarded(sample) => Flat::Discarded(sample.head, sample.records().map(Result::unwrap).collect()),
        Sample::Unknown(sample) => Flat::Unknown(sample.format, sample.octets),
    }
}

fn samples(octets: &[u8]) -> (Vec<Sample<'_>>, Option<DecodeError>) {
    let mut whole = Vec::new();
    let mut error = None;
    for sample in open(octets).unwrap().samples() {
        assert_eq!(error, None, "no item follows an error in these datagrams");
        match sample {
            Ok(sample) => whole.push(sample),
            Err(other) => error = Some(other),
        }
    }
    (whole, error)
}

/// A datagram of version 5 with samples of all kinds and all records and blocks, and the end of each sample.
fn everything(entropy: &[u8]) -> (encode::Datagram, Vec<usize>) {
    let mut r = Reader::new(entropy);
    let mut datagram = encode::Datagram::v5(Option::generate(&mut r), 1, 2, 3);
    let mut ends = Vec::new();
    let records = FlowRecord::each_made(&mut r);
    for (number, some) in records.chunks(5).enumerate() {
        datagram.flow(&flow_head(&mut r, number % 2 == 1), some).unwrap();
        ends.push(datagram.len());
    }
    datagram.discarded(&discard_head(&mut r), &records).unwrap();
    ends.push(datagram.len());
    let other = <&[u8]>::generate(&mut r);
    datagram.other(DataFormat::new(4300, 1003), other).unwrap();
    ends.push(datagram.len());
    for (number, kinds) in KINDS.chunks(9).enumerate() {
        let contents: Vec<_> = kinds.iter().map(|kind| block_contents(kind, &mut r)).collect();
        let blocks: Vec<_> =
            (kinds.iter().zip(&contents)).map(|(kind, octets)| CounterBlock::new(kind.format, octets)).collect();
        let index = u32::generate(&mut r);
        let head = if number % 2 == 0 {
            let source = SourceId::compact(index);
            CounterHead { format: DataFormat::COUNTERS, sequence: 1, source, interval_secs: None }
        } else {
            let source = SourceId { class: 300, index };
            CounterHead { format: DataFormat::COUNTERS_EXPANDED, sequence: 1, source, interval_secs: None }
        };
        datagram.counters(&head, &blocks).unwrap();
        ends.push(datagram.len());
    }
    (datagram, ends)
}

/// The records of versions 2 and 4, with values that these versions can encode.
fn old_records<'a>(r: &mut Reader<'a>, version: u32) -> (FlowRecord<'a>, Vec<FlowRecord<'a>>) {
    let each = FlowRecord::each_made(r);
    let packet = match (each[u32::generate(r) as usize % 3], version) {
        (FlowRecord::RawHeader(raw), _) => FlowRecord::RawHeader(flow::RawHeader { stripped: None, ..raw }),
        (FlowRecord::Ethernet(_), _) => each[3],
        (other, _) => other,
    };
    let extended = each.iter().filter_map(|record| match *record {
        record @ (FlowRecord::Switch(_) | FlowRecord::Router(_)) => Some(record),
        FlowRecord::Gateway(gateway) if version == 4 => {
            Some(FlowRecord::Gateway(Gateway { next_hop: None, ..gateway }))
        }
        FlowRecord::Gateway(gateway) => {
            let path = AsPath::plain(gateway.communities);
            let communities = Words::default();
            Some(FlowRecord::Gateway(Gateway { next_hop: None, path, communities, local_pref: None, ..gateway }))
        }
        FlowRecord::User(user) => Some(FlowRecord::User(User { src_charset: 0, dst_charset: 0, ..user })),
        FlowRecord::Url(url) => Some(FlowRecord::Url(Url { host: &[], ..url })),
        _ => None,
    });
    (packet, extended.collect())
}

/// The flow samples of a datagram.
type Flows<'a> = Vec<(FlowHead, Vec<FlowRecord<'a>>)>;

/// A datagram of version 2 or 4, and the end of each sample.
fn old_everything<'a>(version: u32, entropy: &'a [u8]) -> (Vec<u8>, Vec<usize>, Flows<'a>) {
    let mut r = Reader::new(entropy);
    let agent = Option::<IpAddr>::generate(&mut r);
    let mut datagram =
        if version == 2 { encode::Datagram::v2(agent, 2, 3) } else { encode::Datagram::v4(agent, 2, 3) };
    let mut ends = Vec::new();
    let mut flows = Vec::new();
    for number in 0..4 {
        let mut head = flow_head(&mut r, false);
        head.input.format = 0;
        head.output.format &= 2;
        let (packet, extended) = old_records(&mut r, version);
        let mut records = vec![packet];
        records.extend(extended.into_iter().take(number + 2));
        datagram.flow(&head, &records).unwrap();
        ends.push(datagram.len());
        flows.push((head, records));
    }
    for kind in OLD_KINDS {
        let octets = block_contents(kind, &mut r);
        let source = SourceId::compact(u32::generate(&mut r));
        let head = CounterHead { format: DataFormat::COUNTERS, sequence: 9, source, interval_secs: Some(30) };
        let block = CounterBlock { format: kind.format, kind: None, octets: &octets };
        datagram.counters(&head, &[block]).unwrap();
        ends.push(datagram.len());
    }
    (datagram.finish(), ends, flows)
}

fn cuts(octets: &[u8], ends: &[usize], cut: usize) -> Result<(), TestCaseError> {
    frames_agree(octets);
    let (all, error) = samples(octets);
    prop_assert_eq!((all.len(), error), (ends.len(), None));
    // Anywhere, and where only padding may be missing.
    [cut % octets.len(), octets.len() - 1, octets.len() - 2, octets.len() - 3]
        .into_iter()
        .try_for_each(|cut| cut_at(octets, &all, ends, cut))
}

fn cut_at(octets: &[u8], all: &[Sample<'_>], ends: &[usize], cut: usize) -> Result<(), TestCaseError> {
    if open(&octets[..cut]).is_err() {
        return Ok(());
    }
    frames_agree(&octets[..cut]);
    let (some, error) = samples(&octets[..cut]);
    let whole = ends.iter().filter(|end| **end <= cut).count();
    // The sample after them may have some records, and padding at the end of a datagram is optional.
    prop_assert!((whole..=whole + 1).contains(&some.len()), "{} of {}", some.len(), whole);
    prop_assert!(error.is_none_or(|error| error.at <= cut), "{:?}", error);
    for (one, other) in all.iter().zip(&some).take(whole) {
        prop_assert_eq!(flat(one), flat(other));
    }
    let is_reported = match (all.get(whole), some.get(whole)) {
        (Some(one), Some(other)) => is_start(one, other),
        _ => false,
    };
    prop_assert!(error.is_some() || is_reported || whole == all.len());
    Ok(())
}

/// Returns true if `other` has the first records of `one`, with an error unless it has all.
fn is_start(one: &Sample<'_>, other: &Sample<'_>) -> bool {
    fn starts<T: PartialEq + std::fmt::Debug>(
        mut all: impl Iterator<Item = Result<T, DecodeError>>,
        some: impl Iterator<Item = Result<T, DecodeError>>,
    ) -> bool {
        for item in some {
            let whole = all.next();
            if item.is_err() {
                return true;
            }
            assert_eq!(whole, Some(item));
        }
        all.next().is_none()
    }
    match (one, other) {
        (Sample::Flow(one), Sample::Flow(other)) => {
            one.head == other.head && starts(one.records(), other.records())
        }
        (Sample::Discarded(one), Sample::Discarded(other)) => {
            one.head == other.head && starts(one.records(), other.records())
        }
        (Sample::Counters(one), Sample::Counters(other)) => {
            // Compares values, because the padding after the last one may be missing.
            let values =
                |block: CounterBlock<'_>| format!("{:?} {:?}", block.format, block.values().collect::<Vec<_>>());
            let blocks =
                |sample: &CounterSample<'_>| sample.blocks().map(|block| block.map(values)).collect::<Vec<_>>();
            one.head == other.head && starts(blocks(one).into_iter(), blocks(other).into_iter())
        }
        (Sample::Unknown(one), Sample::Unknown(other)) => one.octets.starts_with(other.octets),
        _ => false,
    }
}

/// The fast path returns the same as the general decoder, and leaves the reader at the same offset.
fn frames_agree(octets: &[u8]) {
    let Ok(datagram) = open(octets) else { return };
    let mut samples = datagram.samples();
    loop {
        let mut ahead = samples.clone();
        let frame = ahead.next_flow_frame();
        let sample = samples.next();
        let Some(frame) = frame else {
            // The general decoder handles other samples, other versions and truncated samples.
            let is_whole = |sample: &FlowSample<'_>| sample.records().all(|record| record.is_ok());
            let is_flow = matches!(&sample, Some(Ok(Sample::Flow(sample))) if is_whole(sample));
            assert!(datagram.header.version != 5 || !is_flow);
            if sample.is_none() {
                return;
            }
            continue;
        };
        let Some(Ok(Sample::Flow(sample))) = sample else { panic!("{frame:?} {sample:?}") };
        let FlowHead { format, sampling_rate, source, .. } = sample.head;
        assert_eq!((frame.format, frame.sampling_rate, frame.source_index), (format, sampling_rate, source.index));
        assert_eq!((frame.input, frame.output), (sample.head.input_number(), sample.head.output_number()));
        assert_eq!((ahead.r.at(), ahead.left), (samples.r.at(), samples.left));
        let (mut frames, mut records) = (frame.records, sample.records());
        while let Some((format, contents)) = frames.next_frame() {
            match records.next() {
                Some(Ok(FlowRecord::RawHeader(header))) => assert_eq!(contents.raw_header(), Some(header)),
                Some(Ok(FlowRecord::Switch(switch))) => assert_eq!(contents.switch(), Some(switch)),
                Some(Ok(FlowRecord::Router(router))) => assert_eq!(contents.router(), Some(router)),
                Some(Ok(record)) => assert_eq!(record.format(), format),
                Some(Err(_)) => assert!(flow::is_known(format)),
                None => panic!("a record too many: {format}"),
            }
        }
        assert_eq!(frames.is_at_end(), records.next().is_none());
    }
}

/// Decodes everything; it terminates, and there are no more items than octets.
fn read_all(octets: &[u8]) {
    frames_agree(octets);
    let Ok(datagram) = open(octets) else { return };
    let mut sequence = sequence::Sequence::new(100);
    sequence.datagram(&datagram.header, || true);
    let mut items = 0;
    for sample in datagram.samples() {
        items += 1;
        let Ok(sample) = sample else { continue };
        sequence.sample(&datagram.header, &sample);
        match &sample {
            Sample::Flow(sample) => items += sample.records().count(),
            Sample::Discarded(sample) => items += sample.records().count(),
            Sample::Counters(sample) => {
                items += sample.blocks().flatten().map(|block| 1 + block.values().count()).sum::<usize>();
            }
            Sample::Unknown(sample) => items += sample.octets.len() / octets.len(),
        }
    }
    assert!(items <= octets.len() / 4 + 1, "{items} items of {} octets", octets.len());
}

proptest! {
    #[test]
    fn samples_of_switched_packets_have_the_octets_of_others(
        entropy in entropy(),
        octets in prop::collection::vec(any::<u8>(), 0..200),
        expanded in any::<bool>(),
    ) {
        let mut r = Reader::new(&entropy);
        let head = flow_head(&mut r, expanded);
        let (mut general, mut special) = (wire::Writer::new(), wire::Writer::new());
        let mut number = || u32::generate(&mut r);
        let switch =
            Switch { in_vlan: number(), in_priority: number(), out_vlan: number(), out_priority: number() };
        let (protocol, frame_length, stripped) = (HeaderProtocol(number()), number(), Some(number()));
        let raw = RawHeader { protocol, frame_length, stripped, octets: &octets };
        let records = [FlowRecord::Switch(switch), FlowRecord::RawHeader(raw)];
        let expected = encode::flow_sample(&mut general, &head, &records);
        match encode::switched_packet(&mut special, &head, &switch, &raw) {
            Err(EncodeError::NoSuch(_)) => prop_assert!(expanded),
            result => prop_assert_eq!((result, special.octets()), (expected, general.octets())),
        }
    }

    #[test]
    fn flow_samples_round_trip(entropy in entropy(), expanded in any::<bool>()) {
        let mut r = Reader::new(&entropy);
        let mut records = FlowRecord::each_made(&mut r);
        records.push(FlowRecord::Unknown(Unknown { format: DataFormat::new(9, 3), octets: Generate::generate(&mut r) }));
        let (head, discard) = (flow_head(&mut r, expanded), discard_head(&mut r));
        let agent = Generate::generate(&mut r);
        let mut datagram = encode::Datagram::v5(agent, 7, 8, 9);
        datagram.flow(&head, &records).unwrap().discarded(&discard, &records).unwrap();
        let octets = datagram.finish();
        let header =
            Header { version: 5, agent, sub_agent: Some(7), sequence: 8, uptime_ms: 9, samples: 2 };
        prop_assert_eq!(open(&octets).unwrap().header, header);
        let (all, error) = samples(&octets);
        prop_assert_eq!(error, None);
        let all: Vec<_> = all.iter().map(flat).collect();
        prop_assert_eq!(all, [Flat::Flow(head, records.clone()), Flat::Discarded(discard, records)]);
    }

    #[test]
    fn samples_of_versions_2_and_4_round_trip(
        entropy in entropy(), version in prop_oneof![Just(2u32), Just(4)],
    ) {
        let (octets, _, flows) = old_everything(version, &entropy);
        let header = open(&octets).unwrap().header;
        prop_assert_eq!((header.version, header.sub_agent, header.sequence), (version, None, 2));
        let (all, error) = samples(&octets);
        prop_assert_eq!(error, None);
        for (sample, (head, records)) in all.iter().zip(flows) {
            prop_assert_eq!(flat(sample), Flat::Flow(head, records));
        }
        for (sample, kind) in all[4..].iter().zip(OLD_KINDS) {
            let Sample::Counters(sample) = sample else { panic!("counters") };
            prop_assert_eq!(sample.head.interval_secs, Some(30));
            let block = sample.blocks().next().unwrap().unwrap();
            prop_assert_eq!(block.name(), Some(kind.name));
            prop_assert_eq!(block.fields().count(), kind.base.len() + kind.fields.len());
        }
    }

    #[test]
    fn a_truncated_datagram_keeps_its_complete_samples(entropy in entropy(), cut in any::<usize>()) {
        let (datagram, ends) = everything(&entropy);
        cuts(&datagram.finish(), &ends, cut)?;
        for version in [2, 4] {
            let (octets, ends, _) = old_everything(version, &entropy);
            cuts(&octets, &ends, cut)?;
        }
    }

    #[test]
    fn a_truncated_record_does_not_affect_others(
        entropy in entropy(), which in any::<usize>(), less in 1u32..64,
    ) {
        let mut r = Reader::new(&entropy);
        let records = FlowRecord::each_made(&mut r);
        let which = which % records.len();
        let mut w = wire::Writer::new();
        for (number, record) in records.iter().enumerate() {
            let at = w.len();
            record.write_framed(&mut w);
            if number == which {
                let octets = std::mem::take(&mut w).finish();
                let len = u32::try_from(octets.len() - at - 8).unwrap().saturating_sub(less);
                w.put(&octets[..at + 8 + len.next_multiple_of(4) as usize]);
                w.overwrite(at + 4, &len.to_be_bytes());
            }
        }
        let octets = w.finish();
        let found: Vec<_> = Records::framed(Reader::new(&octets), records.len() as u32).collect();
        prop_assert_eq!(found.len(), records.len());
        for (number, record) in records.iter().enumerate() {
            if number == which {
                use FlowRecord::{Ethernet, L2TunnelEgress, L2TunnelIngress};
                // A truncated Ethernet header may be taken for one without padding; missing padding after text is accepted.
                let may_be_read = matches!(record, Ethernet(_) | L2TunnelEgress(_) | L2TunnelIngress(_));
                prop_assert!(found[number].is_err() || found[number] == Ok(*record) || may_be_read);
            } else {
                prop_assert_eq!(found[number], Ok(*record));
            }
        }
    }

    #[test]
    fn arbitrary_octets_terminate(
        version in prop_oneof![Just(2u8), Just(4), Just(5)], octets in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        read_all(&[&[0, 0, 0, version], &octets[..]].concat());
    }

    #[test]
    fn modified_datagrams_terminate(
        entropy in entropy(), changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8),
    ) {
        let mut all = vec![everything(&entropy).0.finish()];
        all.extend([2, 4].map(|version| old_everything(version, &entropy).0));
        for mut octets in all {
            for (at, octet) in &changes {
                let at = at % octets.len();
                octets[at] = *octet;
            }
            read_all(&octets);
        }
    }
}

#[test]
fn rejects_what_a_version_lacks_and_leaves_the_datagram_unchanged() {
    let mut datagram = encode::Datagram::v5(None, 0, 0, 0);
    let empty = datagram.len();
    let great = FlowHead {
        format: DataFormat::FLOW,
        source: SourceId { class: 0, index: 1 << 24 },
        ..FlowHead::default()
    };
    assert_eq!(datagram.flow(&great, &[]).unwrap_err(), EncodeError::TooGreat);
    let great = FlowHead { format: DataFormat::FLOW, input: Interface::index(1 << 30), ..FlowHead::default() };
    assert_eq!(datagram.flow(&great, &[]).unwrap_err(), EncodeError::TooGreat);
    let odd = FlowHead { format: DataFormat::COUNTERS, ..FlowHead::default() };
    assert_eq!(datagram.flow(&odd, &[]).unwrap_err(), EncodeError::NoSuch(DataFormat::COUNTERS));
    assert_eq!(datagram.other(DataFormat(9), &[0; 70_000]).unwrap_err(), EncodeError::TooLong);
    assert_eq!((datagram.len(), datagram.is_empty()), (empty, true));

    let mut datagram = encode::Datagram::v4(None, 0, 0);
    let head = FlowHead { format: DataFormat::FLOW, ..FlowHead::default() };
    let vni = FlowRecord::VniIngress(flow::Vni { vni: 1 });
    let switch = FlowRecord::Switch(flow::Switch { in_vlan: 1, in_priority: 0, out_vlan: 0, out_priority: 0 });
    let raw =
        flow::RawHeader { protocol: flow::HeaderProtocol::IPV4, frame_length: 9, stripped: None, octets: &[] };
    assert_eq!(datagram.flow(&head, &[]).unwrap_err(), EncodeError::Shape);
    assert_eq!(datagram.flow(&head, &[switch]).unwrap_err(), EncodeError::Shape);
    let error = datagram.flow(&head, &[FlowRecord::RawHeader(raw), vni]).unwrap_err();
    assert_eq!(error, EncodeError::NoSuch(DataFormat(1030)));
    let error = datagram.discarded(&DiscardHead::default(), &[]).unwrap_err();
    assert_eq!(error, EncodeError::NoSuch(DataFormat::DISCARDED));
    assert!(datagram.is_empty());
    datagram.flow(&head, &[FlowRecord::RawHeader(raw), switch]).unwrap();
    assert_eq!(datagram.samples(), 1);
}
