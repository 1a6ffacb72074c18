//! Datagrams as hexadecimal vectors: valid ones of each kind, and malformed ones with the error and its offset.

use crate::flow::*;
use crate::*;
use std::net::{IpAddr, Ipv4Addr};
use wire::Mac;

/// Octets of hexadecimal digits; what follows `//` on a line is a comment.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .lines()
        .flat_map(|line| line.split("//").next().unwrap_or_default().chars())
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

const V5: &str = "
    00000005          // version
    00000001 c0000201 // agent 192.0.2.1
    00000007          // sub-agent
    0000002a          // sequence 42
    000003e8          // uptime 1000 ms
";

const FLOW: &str = "
    00000001 00000070 // compact flow sample, 112 octets
    00000009          // sequence
    02000003          // source: class 2, index 3
    00000200          // one of 512
    00010000 00000005 // pool, drops
    00000003          // input 3
    80000007          // output: 7 interfaces
    00000003          // three records
    00000001 0000001c // raw header, 28 octets
    00000001 00000040 00000004 // Ethernet, frame of 64, 4 stripped
    00000009 010203040506070809 000000 // 9 octets, padding
    000003e9 00000010 // switch
    00000064 00000003 000000c8 00000005
    0000100c 0000000c // enterprise 1, format 12
    0000000a 0000000b 0000000c
";

const DISCARDED: &str = "
    00000005 00000030 // discarded packet, 48 octets
    00000001          // sequence
    00000000 00000004 // source: class 0, index 4
    00000000          // drops
    00000004 00000000 // input 4, output unknown
    00000102          // reason: acl
    00000001          // one record
    0000040e 00000008 // function
    00000003 666f6f 00 // foo
";

fn v5(samples: u32, body: &str) -> Vec<u8> {
    [hex(V5), samples.to_be_bytes().to_vec(), hex(body)].concat()
}

/// The samples and the errors.
fn read(octets: &[u8]) -> (Vec<Sample<'_>>, Vec<DecodeError>) {
    let mut found = (Vec::new(), Vec::new());
    for sample in open(octets).unwrap().samples() {
        match sample {
            Ok(sample) => found.0.push(sample),
            Err(error) => found.1.push(error),
        }
    }
    found
}

fn truncated(at: usize, wanted: usize, left: usize) -> DecodeError {
    DecodeError { at, kind: DecodeErrorKind::Truncated { wanted, left } }
}

#[test]
fn a_flow_sample() {
    let octets = v5(1, FLOW);
    let datagram = open(&octets).unwrap();
    let header = Header {
        version: 5,
        agent: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        sub_agent: Some(7),
        sequence: 42,
        uptime_ms: 1000,
        samples: 1,
    };
    assert_eq!(datagram.header, header);
    let (samples, errors) = read(&octets);
    assert_eq!(errors, []);
    let [Sample::Flow(sample)] = &samples[..] else { panic!("{samples:?}") };
    let head = FlowHead {
        format: DataFormat::FLOW,
        sequence: 9,
        source: SourceId { class: 2, index: 3 },
        sampling_rate: 512,
        pool: 0x1_0000,
        drops: 5,
        input: Interface { format: 0, value: 3 },
        output: Interface { format: 2, value: 7 },
    };
    assert_eq!(sample.head, head);
    assert_eq!((head.input_number(), head.output_number()), (3, 0x8000_0007));
    assert_eq!((head.input.kind(), head.output.kind()), (InterfaceKind::Index(3), InterfaceKind::Multiple(7)));
    let records: Vec<_> = sample.records().map(Result::unwrap).collect();
    let raw = RawHeader {
        protocol: HeaderProtocol::ETHERNET,
        frame_length: 64,
        stripped: Some(4),
        octets: &[1, 2, 3, 4, 5, 6, 7, 8, 9],
    };
    let switch = Switch { in_vlan: 100, in_priority: 3, out_vlan: 200, out_priority: 5 };
    let unknown = Unknown { format: DataFormat::new(1, 12), octets: &hex("0000000a 0000000b 0000000c") };
    let expected = [FlowRecord::RawHeader(raw), FlowRecord::Switch(switch), FlowRecord::Unknown(unknown)];
    assert_eq!(records, expected);
    assert_eq!((unknown.format.enterprise(), unknown.format.format()), (1, 12));
}

#[test]
fn a_discarded_packet_between_others() {
    let octets = v5(3, &[FLOW, DISCARDED, "ffffffff 00000004 01020304"].concat());
    let (samples, errors) = read(&octets);
    assert_eq!(errors, []);
    let [Sample::Flow(_), Sample::Discarded(sample), Sample::Unknown(unknown)] = &samples[..] else {
        panic!("{samples:?}")
    };
    assert_eq!(sample.head.reason.name(), Some("acl"));
    assert_eq!((sample.head.input, sample.head.output, sample.head.source.index), (4, 0, 4));
    let function = Function { symbol: b"foo" };
    assert_eq!(sample.records().collect::<Vec<_>>(), [Ok(FlowRecord::Function(function))]);
    assert_eq!((unknown.format.0, unknown.octets), (u32::MAX, &[1, 2, 3, 4][..]));
}

#[test]
fn an_expanded_flow_sample_has_32_bits_for_indexes() {
    let octets = v5(
        1,
        "00000003 0000002c 00000001 00000000 ffffffff 00000001 00000000 00000000
         00000001 00000102 00000000 3fffffff 00000000",
    );
    let (samples, _) = read(&octets);
    let [Sample::Flow(sample)] = &samples[..] else { panic!("{samples:?}") };
    assert_eq!(sample.head.source, SourceId { class: 0, index: u32::MAX });
    assert_eq!(sample.head.input.kind(), InterfaceKind::Discarded(Reason(0x102)));
    assert_eq!(sample.head.output.kind(), InterfaceKind::Internal);
    assert_eq!((sample.head.input_number(), sample.head.output_number()), (0x102, 0x3fff_ffff));
    assert_eq!(sample.records().count(), 0);
}

const GATEWAY: &str = "
    0000fde8 0000fde9 0000fdf2 // AS 65000, source 65001, peer 65010
    00000002                   // two segments
    00000002 00000002 0000fe00 0000fe01
    00000001 00000001 0000fe02
    00000001 fde80064          // community 65000:100
    00000096                   // preference 150
";

#[test]
fn versions_2_and_4() {
    let body = "
        00000002                   // two samples
        00000001 00000001 00000003 00000064 000003e8 00000000 00000003 80000002
        00000001 0000000b 00000040 // a header: IPv4, 64 octets
        00000005 4500000000 000000 // of which 5 are here
    ";
    let counters = "
        00000002 00000004 00000009 0000001e // a counter sample: number 4 of source 9, each 30 seconds
        00000007 00000037 0000000000000100 00000001 00000002 00000003 00000004
    ";
    let header = "00000001 c0000201 0000002a 000003e8";
    let v4 = hex(&[
        "00000004",
        header,
        body,
        "00000002 00000005 00000001 00000002 2f78 0000 00000003",
        GATEWAY,
        counters,
    ]
    .concat());
    let (samples, errors) = read(&v4);
    assert_eq!(errors, []);
    let [Sample::Flow(flow), Sample::Counters(counter)] = &samples[..] else { panic!("{samples:?}") };
    assert_eq!(flow.head.output, Interface { format: 2, value: 2 });
    let records: Vec<_> = flow.records().map(Result::unwrap).collect();
    let [FlowRecord::RawHeader(raw), FlowRecord::Url(url), FlowRecord::Gateway(gateway)] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!((raw.protocol, raw.stripped, raw.octets), (HeaderProtocol::IPV4, None, &[0x45, 0, 0, 0, 0][..]));
    assert_eq!((url.direction, url.url, url.host), (1, &b"/x"[..], &b""[..]));
    assert_eq!(gateway.path.ases().collect::<Vec<_>>(), [0xfe00, 0xfe01, 0xfe02]);
    assert_eq!(
        (gateway.next_hop, gateway.local_pref, gateway.communities.first()),
        (None, Some(150), Some(0xfde8_0064))
    );
    assert_eq!((counter.head.sequence, counter.head.source.index, counter.head.interval_secs), (4, 9, Some(30)));
    let block = counter.blocks().next().unwrap().unwrap();
    let fields: Vec<_> = block.fields().collect();
    let vlan = [
        ("vlan", 55),
        ("octets", 256),
        ("ucastPkts", 1),
        ("multicastPkts", 2),
        ("broadcastPkts", 3),
        ("discards", 4),
    ];
    assert_eq!((block.name(), &fields[..]), (Some("vlan"), &vlan[..]));

    let v2 = hex(&[
        "00000002",
        header,
        body,
        "00000001 00000003 00000001 00000002 00000003 00000002 00000004 00000005",
        counters,
    ]
    .concat());
    let (samples, errors) = read(&v2);
    assert_eq!((samples.len(), errors), (2, vec![]));
    let Sample::Flow(flow) = &samples[0] else { panic!("flow") };
    let Some(Ok(FlowRecord::Gateway(gateway))) = flow.records().nth(1) else { panic!("gateway") };
    assert_eq!((gateway.path.first(), gateway.path.last(), gateway.local_pref), (Some(4), Some(5), None));
}

#[test]
fn the_ethernet_block_of_version_4_includes_the_generic_counters() {
    let generic =
        "00000003 00000006 0000000000000001 00000001 00000003 0000000000000002 00000000 00000000 00000000
        00000000 00000000 00000000 0000000000000003 00000000 00000000 00000000 00000000 00000000 00000001";
    let dot3 = "0000002a".repeat(13);
    let head =
        "00000004 00000001 c0000201 00000001 00000001 00000001 00000002 00000001 00000003 00000014 00000002";
    let octets = hex(&[head, generic, &dot3].concat());
    let (samples, errors) = read(&octets);
    assert_eq!(errors, []);
    let [Sample::Counters(sample)] = &samples[..] else { panic!("{samples:?}") };
    let blocks: Vec<_> = sample.blocks().map(Result::unwrap).collect();
    assert_eq!(blocks.len(), 1);
    assert_eq!((blocks[0].name(), blocks[0].fields().count()), (Some("ethernet"), 32));
    assert_eq!(blocks[0].field("ifOutOctets"), Some(3));
    assert_eq!(blocks[0].field("dot3StatsSymbolErrors"), Some(42));
}

#[test]
fn counter_blocks_with_texts_and_lists() {
    let octets = v5(
        1,
        "00000002 00000080 00000001 00000000 00000004
         000007d0 0000002c 00000003 61626300 000102030405060708090a0b0c0d0e0f 00000003 00000002 00000005 362e31302e 000000
         000007d1 00000024 00000002 00000001 00000001 020000000001 0000 00000002 00000001 020000000002 0000
         000007d3 00000004 3f800000
         0000fff0 00000000",
    );
    let (samples, errors) = read(&octets);
    assert_eq!(errors, []);
    let [Sample::Counters(sample)] = &samples[..] else { panic!("{samples:?}") };
    let blocks: Vec<_> = sample.blocks().collect();
    let host: Vec<_> = blocks[0].unwrap().values().collect();
    assert_eq!(host[0], ("hostname", Value::Text(b"abc")));
    assert_eq!(host[2], ("machine_type", Value::Number(3)));
    assert_eq!(host[4], ("os_release", Value::Text(b"6.10.")));
    let adapters: Vec<_> = blocks[1].unwrap().values().collect();
    let mac = |last| ("mac_address", Value::Mac(Mac([2, 0, 0, 0, 0, last])));
    let number = |name, number| (name, Value::Number(number));
    assert_eq!(
        adapters,
        [
            number("adapters", 2),
            number("ifIndex", 1),
            number("mac_addresses", 1),
            mac(1),
            number("ifIndex", 2),
            number("mac_addresses", 1),
            mac(2)
        ]
    );
    assert_eq!(blocks[2].unwrap_err(), truncated(156, 4, 0), "one load of three");
    let unknown = blocks[3].unwrap();
    assert_eq!((unknown.name(), unknown.fields().count(), unknown.format.enterprise()), (None, 0, 15));
}

#[test]
fn ethernet_addresses_with_and_without_padding() {
    let records = "
        00000002 00000018 00000040 020000000001 0000 020000000002 0000 00000800
        00000002 00000014 00000040 020000000001 020000000002 00000800";
    let records = hex(records);
    let found: Vec<_> = Records::framed(wire::Reader::new(&records), 2).collect();
    let ethernet =
        Ethernet { length: 64, src: Mac([2, 0, 0, 0, 0, 1]), dst: Mac([2, 0, 0, 0, 0, 2]), etype: 0x800 };
    assert_eq!(found, [Ok(FlowRecord::Ethernet(ethernet)); 2]);
}

#[test]
fn malformed_headers_are_rejected() {
    assert_eq!(open(&[]).unwrap_err(), truncated(0, 4, 0));
    assert_eq!(open(&hex("00000005")).unwrap_err(), truncated(4, 4, 0));
    assert_eq!(
        open(&hex("00000003 00000001")).unwrap_err(),
        DecodeError { at: 0, kind: DecodeErrorKind::Version(3) }
    );
    let other_family = hex("00000005 00000003 00000000 00000000 00000000");
    assert_eq!(open(&other_family).unwrap_err(), DecodeError { at: 4, kind: DecodeErrorKind::AddressType(3) });
    assert_eq!(open(&hex("00000005 00000002 20010db8")).unwrap_err(), truncated(8, 16, 4));
    let nameless = hex("00000005 00000000 00000000 00000001 00000002 00000000");
    assert_eq!(open(&nameless).unwrap().header.agent, None);
}

#[test]
fn an_invalid_length_ends_the_datagram() {
    let cut = v5(2, &[FLOW, "00000001 00000100 00000000"].concat());
    let (samples, errors) = read(&cut);
    assert_eq!((samples.len(), errors), (1, vec![truncated(156, 256, 4)]));
    let missing = v5(9, FLOW);
    let (samples, errors) = read(&missing);
    assert_eq!((samples.len(), errors), (1, vec![truncated(148, 8, 0)]));
    let more = v5(1, &[FLOW, FLOW].concat());
    assert_eq!(read(&more).0.len(), 1, "what is not announced is not looked at");
}

#[test]
fn only_padding_may_be_missing_at_the_end_of_a_datagram() {
    let head = "00000001 0000003c 00000009 00000003 00000200 00000000 00000000 00000003 00000004 00000001";
    let raw = "00000001 00000014 00000001 00000040 00000004 00000001 61";
    let octets = v5(1, &[head, raw].concat());
    let (samples, errors) = read(&octets);
    assert_eq!(errors, []);
    let [Sample::Flow(sample)] = &samples[..] else { panic!("{samples:?}") };
    let records: Vec<_> = sample.records().collect();
    assert!(matches!(records[..], [Ok(FlowRecord::RawHeader(RawHeader { octets: b"a", .. }))]), "{records:?}");
    let switch = "000003e9 00000010 00000001 00000002 00000003 000000";
    let octets = v5(1, &[&head.replace("0000003c", "00000038"), switch].concat());
    let (samples, errors) = read(&octets);
    assert_eq!(errors, []);
    let [Sample::Flow(sample)] = &samples[..] else { panic!("{samples:?}") };
    assert_eq!(sample.records().collect::<Vec<_>>(), [Err(truncated(88, 4, 3))]);
}

#[test]
fn a_truncated_sample_keeps_its_complete_records() {
    let switch = "000003e9 00000010 00000064 00000003 000000c8 00000005";
    let records = |length: &str, count: &str, records: &str| {
        let head = "00000009 00000003 00000200 00000000 00000000 00000003 00000004";
        let octets = v5(9, &["00000001", length, head, count, records].concat());
        let (samples, errors) = read(&octets);
        assert_eq!(errors, []);
        let [Sample::Flow(sample)] = &samples[..] else { panic!("{samples:?}") };
        sample.records().map(|record| record.map(|it| it.format().0)).collect::<Vec<_>>()
    };
    let cut = &switch[..36];
    for (length, count, octets, left) in
        [("00000050", "00000002", [switch, cut].concat(), 72), ("00000100", "00000001", switch.to_owned(), 56)]
    {
        let wanted = usize::from_str_radix(length, 16).unwrap();
        assert_eq!(records(length, count, &octets), [Ok(1001), Err(truncated(36, wanted, left))]);
    }
}

#[test]
fn a_malformed_sample_does_not_affect_others() {
    let short = v5(2, &["00000001 00000008 00000001 00000002", FLOW].concat());
    let (samples, errors) = read(&short);
    assert_eq!((samples.len(), errors), (1, vec![truncated(36, 32, 8)]));
}

#[test]
fn a_malformed_record_does_not_affect_others_but_an_invalid_length_ends_the_sample() {
    let records = |text: &str| {
        let octets = hex(text);
        Records::framed(wire::Reader::new(&octets), 3)
            .map(|record| record.map(|it| it.format().0))
            .collect::<Vec<_>>()
    };
    let vni = "00000405 00000004 00000001";
    // The gateway announces 2^32 - 1 segments.
    let gateway = "000003eb 00000014 00000000 00000001 00000002 00000003 ffffffff";
    assert_eq!(records(&[gateway, vni, vni].concat()), [Err(truncated(28, 4, 0)), Ok(1029), Ok(1029)]);
    // 2^30 labels.
    let mpls = "000003ee 00000008 00000000 40000000";
    assert_eq!(records(&[mpls, vni, vni].concat()), [Err(truncated(16, 1 << 32, 0)), Ok(1029), Ok(1029)]);
    let family = "000003ea 0000000c 00000009 00000000 00000000";
    let error = DecodeError { at: 8, kind: DecodeErrorKind::AddressType(9) };
    assert_eq!(records(&[family, vni, vni].concat()), [Err(error), Ok(1029), Ok(1029)]);
    let long = "00000405 00000040 00000001";
    assert_eq!(records(&[vni, long, vni].concat()), [Ok(1029), Err(truncated(20, 64, 16))]);
    assert_eq!(records(vni), [Ok(1029), Err(truncated(12, 4, 0))]);
}

#[test]
fn unknown_types_end_a_datagram_of_version_4() {
    let head = "00000004 00000001 c0000201 0000002a 000003e8 00000002";
    let flow = "00000001 00000001 00000003 00000064 000003e8 00000000 00000003 00000004";
    let packet = "00000002 00000040 00000006 c0000201 c0000202 00000001 00000002 00000000 00000000";
    let error = |body: &[&str]| {
        let octets = hex(&[&[head], body].concat().concat());
        let (samples, errors) = read(&octets);
        assert!(samples.is_empty());
        let [error] = errors[..] else { panic!("{errors:?}") };
        (error.at, error.kind)
    };
    assert_eq!(error(&["00000003", "00000000"]), (24, DecodeErrorKind::SampleType(3)));
    assert_eq!(error(&[flow, "00000004 00000000"]), (56, DecodeErrorKind::PacketData(4)));
    // The packet and the records before the error are valid.
    let router = "00000002 00000001 c0000209 00000018 00000010";
    for (extended, at, what) in [
        (["00000003", router, "00000006 00000000"], 116, DecodeErrorKind::ExtendedData(6)),
        (["00000002", router, ""], 116, DecodeErrorKind::Truncated { wanted: 4, left: 0 }),
    ] {
        let octets = hex(&[&[head, flow, packet], &extended[..]].concat().concat());
        let (samples, errors) = read(&octets);
        let [Sample::Flow(sample)] = &samples[..] else { panic!("{samples:?}") };
        let records: Vec<_> = sample.records().collect();
        let [Ok(FlowRecord::Ipv4(_)), Ok(FlowRecord::Router(_)), Err(error)] = records[..] else {
            panic!("{records:?}")
        };
        assert_eq!((error, errors), (DecodeError { at, kind: what }, vec![]));
    }
    assert_eq!(error(&["00000002 00000001 00000003 0000001e 00000008"]), (40, DecodeErrorKind::CounterBlock(8)));
}
