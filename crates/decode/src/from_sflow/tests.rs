use super::*;
use flow::packet_ref::PacketRef;
use flow::row::{self, Layout, Row};
use sflow::encode::{self, Datagram};
use sflow::flow::{Ethernet, Gateway, HeaderProtocol, Ipv4, Ipv6, RawHeader, Router, Switch};
use sflow::{FlowHead, FlowRecord, Interface, SourceId, Words};
use std::sync::Arc;

const AGENT: [u8; 4] = [10, 99, 0, 1];

fn layout(fields: &[Field]) -> Needs {
    let mut set = FieldSet::default();
    fields.iter().for_each(|field| set.insert(*field));
    require(&mut set, false);
    Needs { layout: Arc::new(Layout::new(&set, &[])), customs: [].into(), bin_times: false }
}

/// Ethernet, tag 5, UDP from 10.0.0.1 port 1000 to 10.0.0.2 port 53.
fn frame() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 0x81, 0, 0, 5, 8, 0];
    frame.extend([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 232, 0, 53, 0, 8, 0, 0]);
    frame
}

fn head() -> FlowHead {
    FlowHead {
        format: sflow::DataFormat::FLOW,
        sampling_rate: 100,
        source: SourceId { class: 0, index: 3 },
        input: Interface::index(3),
        output: Interface::index(4),
        ..FlowHead::default()
    }
}

fn raw(octets: &[u8]) -> FlowRecord<'_> {
    let (protocol, frame_length) = (HeaderProtocol::ETHERNET, 142);
    FlowRecord::RawHeader(RawHeader { protocol, frame_length, stripped: Some(4), octets })
}

/// Decodes a sample with these records.
fn rows(needs: &Needs, settings: Settings, records: &[FlowRecord<'_>]) -> (Output, Counts) {
    let mut datagram = Datagram::v5(Some(AGENT.into()), 7, 1, 1000);
    datagram.flow(&head(), records).unwrap();
    let mut decoder = Decoder::new(needs, settings);
    let mut output = Output::new(&needs.layout);
    let octets = datagram.finish();
    let agent = decoder.datagram((3, [192, 0, 2, 1].into()), &octets, 55, &mut output, &mut NoCounters);
    assert_eq!(agent, Ok(AGENT.into()));
    (output, decoder.take_counts())
}

fn number(needs: &Needs, row: Row<'_>, field: Field) -> u64 {
    let at = needs.layout.offset(field).unwrap();
    row.bytes()[at..at + field.size()].iter().fold(0, |number, octet| number << 8 | u64::from(*octet))
}

#[test]
fn a_copied_header_becomes_a_row_with_a_reference_to_its_frame() {
    let needs = layout(&[
        Field::SrcHost,
        Field::DstPort,
        Field::Vlan,
        Field::InIface,
        Field::OutIface,
        Field::Direction,
        Field::SamplingRate,
    ]);
    let frame = frame();
    let (output, counts) = rows(&needs, Settings::default(), &[raw(&frame)]);
    let row = output.rows.get(0).unwrap();
    assert_eq!((row.head(row::PACKETS), row.head(row::BYTES), row.head(row::BIN_TIME)), (1, 142, 55));
    let shown =
        [Field::DstPort, Field::Vlan, Field::InIface, Field::OutIface, Field::Direction, Field::SamplingRate];
    assert_eq!(shown.map(|field| number(&needs, row, field)), [53, 5, 3, 4, 0, 100]);
    assert_eq!(counts, Counts { samples: 1, ..Counts::default() });
    let packet = output.packets[0];
    assert_eq!((packet.unit, packet.captured, packet.length, packet.link), (3, frame.len() as u32, 142, 1));
}

#[test]
fn extended_data_takes_precedence_and_counters_are_renormalized() {
    let needs = layout(&[
        Field::Vlan,
        Field::OutVlan,
        Field::SrcNet,
        Field::PeerDstIp,
        Field::SrcAs,
        Field::DstAs,
        Field::AsPath,
        Field::Comms,
    ]);
    let (path, communities) = (encode::words(&[65_020, 65_021]), encode::words(&[0xfde8_0064, 0xffff_ff01]));
    let gateway = Gateway {
        src_as: 65_001,
        path: sflow::AsPath::plain(Words::new(&path)),
        communities: Words::new(&communities),
        ..Gateway::default()
    };
    let frame = frame();
    let records = [
        FlowRecord::Switch(Switch { in_vlan: 10, in_priority: 3, out_vlan: 20, out_priority: 0 }),
        raw(&frame),
        FlowRecord::Router(Router { next_hop: Some([192, 0, 2, 9].into()), src_mask: 8, dst_mask: 24 }),
        FlowRecord::Gateway(gateway),
    ];
    let settings = Settings { renormalize: true, use_ip_next_hop: true, ..Settings::default() };
    let (output, _) = rows(&needs, settings, &records);
    let row = output.rows.get(0).unwrap();
    assert_eq!((row.head(row::PACKETS), row.head(row::BYTES)), (100, 14_200));
    let shown = [Field::Vlan, Field::OutVlan, Field::SrcAs, Field::DstAs];
    assert_eq!(shown.map(|field| number(&needs, row, field)), [10, 20, 65_001, 65_021]);
    let text = |field| {
        let id = number(&needs, row, field) as u32;
        String::from_utf8_lossy(output.strings.get(id)).into_owned()
    };
    assert_eq!((text(Field::AsPath), text(Field::Comms)), ("65020 65021".into(), "65000:100 no-export".into()));
    let address = |field| {
        let at = needs.layout.offset(field).unwrap();
        address::address(row.bytes()[at..].first_chunk().unwrap())
    };
    assert_eq!(address(Field::SrcNet), Some([10, 0, 0, 0].into()));
    assert_eq!(address(Field::PeerDstIp), Some([192, 0, 2, 9].into()));
}

#[test]
fn fields_decoded_by_the_agent_make_a_row_and_non_ip_frames_do_not() {
    let needs = layout(&[Field::SrcHost, Field::SrcPort, Field::Proto]);
    let ip = Ipv4 {
        length: 500,
        protocol: 6,
        src: [10, 1, 0, 1].into(),
        dst: [10, 1, 0, 2].into(),
        src_port: 1111,
        dst_port: 80,
        tcp_flags: 2,
        tos: 184,
    };
    let (output, _) = rows(&needs, Settings::default(), &[FlowRecord::Ipv4(ip)]);
    let row = output.rows.get(0).unwrap();
    assert_eq!((row.head(row::BYTES), number(&needs, row, Field::SrcPort)), (500, 1111));
    let arp = [&[2; 12][..], &[8, 6], &[1; 28]].concat();
    for records in [&[][..], &[raw(&arp)]] {
        let (output, counts) = rows(&needs, Settings::default(), records);
        assert_eq!((output.rows.len(), output.packets.len(), counts.without_packet), (0, 0, 1));
    }
    let (output, counts) = rows(&needs, Settings { unknown_etypes: true, ..Settings::default() }, &[raw(&arp)]);
    assert_eq!((output.rows.len(), counts.samples), (1, 1));
    // A header that ends within the addresses: only the address family is known.
    let frame = frame();
    let (output, _) = rows(&needs, Settings::default(), &[raw(&frame[..30])]);
    let row = output.rows.get(0).unwrap();
    let at = needs.layout.offset(Field::SrcHost).unwrap();
    assert_eq!(row.bytes()[at..at + 16], address::V4_ZERO);
}

/// Fields of the packet of [`frame`], with another length and TCP flags.
fn fields(protocol: u32) -> Ipv4 {
    Ipv4 {
        length: 124,
        protocol,
        src: [10, 0, 0, 1].into(),
        dst: [10, 0, 0, 2].into(),
        src_port: 1000,
        dst_port: 53,
        tcp_flags: 0x12,
        tos: 184,
    }
}

fn ethernet(etype: u32) -> FlowRecord<'static> {
    let (src, dst) = (wire::Mac([2, 0, 0, 0, 0, 0xa]), wire::Mac([2, 0, 0, 0, 0, 0xb]));
    FlowRecord::Ethernet(Ethernet { length: 142, src, dst, etype })
}

fn raw_of(protocol: HeaderProtocol, octets: &[u8]) -> FlowRecord<'_> {
    FlowRecord::RawHeader(RawHeader { protocol, frame_length: 142, stripped: Some(4), octets })
}

/// Values of a row: octets, MAC address, EtherType, source, protocol, port, flags.
type Shown = (u64, u64, u64, Option<IpAddr>, u64, u64, u64);

/// Returns the row of a sample with these records, which does not depend on their order.
fn shown(settings: &Settings, records: &[FlowRecord<'_>]) -> Option<Shown> {
    let needs = layout(&[
        Field::SrcMac,
        Field::Etype,
        Field::SrcHost,
        Field::Proto,
        Field::DstPort,
        Field::TcpFlags,
        Field::Vlan,
        Field::Presence,
    ]);
    let shown = |records: &[FlowRecord<'_>]| {
        let (output, counts) = rows(&needs, settings.clone(), records);
        assert_eq!(counts.samples + counts.without_packet, 1);
        let row = output.rows.get(0)?;
        let at = needs.layout.offset(Field::SrcHost).unwrap();
        let address = address::address(row.bytes()[at..].first_chunk().unwrap());
        let number = |field| number(&needs, row, field);
        let [mac, etype, proto, port, flags] =
            [Field::SrcMac, Field::Etype, Field::Proto, Field::DstPort, Field::TcpFlags].map(number);
        Some((row.head(row::BYTES), mac, etype, address, proto, port, flags))
    };
    let first = shown(records);
    let mut others = records.to_vec();
    for _ in 1..records.len() {
        others.rotate_left(1);
        assert_eq!(shown(&others), first, "{others:?}");
    }
    others.reverse();
    assert_eq!(shown(&others), first, "{others:?}");
    first
}

const MAC: u64 = 0x0200_0000_000a;

#[test]
fn records_of_one_packet_complement_each_other_in_any_order() {
    let (settings, v4) = (Settings::default(), Some(IpAddr::from([10, 0, 0, 1])));
    let shown = |records: &[FlowRecord<'_>]| shown(&settings, records);
    let tcp = FlowRecord::Ipv4(fields(6));
    let tagged = frame();
    let packet = &tagged[18..];
    let arp = [&tagged[..12], &[8, 6], &[1; 28]].concat();
    let by_fields = Some((124, 0, 0, v4, 6, 53, 0x12));
    let by_both = Some((124, MAC, 0x800, v4, 6, 53, 0x12));
    assert_eq!(shown(&[tcp]), by_fields);
    assert_eq!(shown(&[tcp, ethernet(0x800)]), by_both);
    // Headers without addresses: empty; truncated in the tag, type, or addresses; of other protocols.
    for (header, expected) in [
        (raw(&[]), by_fields),
        (raw(&tagged[..14]), Some((124, MAC, 0, v4, 6, 53, 0x12))),
        (raw(&tagged[..18]), by_both),
        (raw(&tagged[..30]), by_both),
        (raw(&arp), Some((124, MAC, 0x806, v4, 6, 53, 0x12))),
        (raw_of(HeaderProtocol::WIFI, &[0x88; 40]), by_fields),
        (raw_of(HeaderProtocol::PPP, &[0xff, 3, 0xc0, 0x21, 1, 1, 0, 4]), by_fields),
        (raw_of(HeaderProtocol(99), packet), by_fields),
        (raw_of(HeaderProtocol::IPV4, &packet[..9]), by_fields),
    ] {
        assert_eq!(shown(&[header, tcp]), expected, "{header:?}");
        let (octets, _, etype, ..) = expected.unwrap();
        let with_frame = shown(&[header, tcp, ethernet(0x800)]).unwrap();
        assert_eq!((with_frame.0, with_frame.1), (octets, MAC));
        assert_eq!(with_frame.2, if etype == 0 { 0x800 } else { etype });
    }
    // A header with addresses takes precedence, and fields of the same packet supply what was not copied.
    assert_eq!(shown(&[raw(&tagged), FlowRecord::Ipv4(fields(17))]), Some((142, MAC, 0x800, v4, 17, 53, 0)));
    assert_eq!(shown(&[raw(&tagged[..38]), FlowRecord::Ipv4(fields(17))]), Some((142, MAC, 0x800, v4, 17, 53, 0)));
    assert_eq!(shown(&[raw(&tagged[..38])]), Some((142, MAC, 0x800, v4, 17, 0, 0)));
    let other = FlowRecord::Ipv4(Ipv4 { src: [192, 0, 2, 1].into(), ..fields(17) });
    assert_eq!(shown(&[raw(&tagged[..38]), other]), Some((142, MAC, 0x800, v4, 17, 0, 0)));
    // A copied IP header has no link layer, but the Ethernet record has.
    let ip = raw_of(HeaderProtocol::IPV4, packet);
    assert_eq!(shown(&[ip]), Some((142, 0, 0, v4, 17, 53, 0)));
    assert_eq!(shown(&[ip, ethernet(0x800)]), Some((142, MAC, 0x800, v4, 17, 53, 0)));
    let v6 = Ipv6 {
        length: 164,
        protocol: 6,
        src: [7; 16].into(),
        dst: [8; 16].into(),
        src_port: 1,
        dst_port: 80,
        tcp_flags: 0x11,
        priority: 0,
    };
    let expected = Some((164, MAC, 0x86dd, Some(IpAddr::from([7; 16])), 6, 80, 0x11));
    assert_eq!(shown(&[FlowRecord::Ipv6(v6), ethernet(0x86dd)]), expected);
    // IPv6 truncated before its transport header: the record has the protocol after the extension headers.
    let mut octets = [&[0x60, 0, 0, 0, 0, 40, 0, 64][..], &[7; 16], &[8; 16]].concat();
    assert_eq!(shown(&[raw_of(HeaderProtocol::IPV6, &octets), FlowRecord::Ipv6(v6)]).unwrap().4, 6);
    octets[6] = 6;
    octets.extend([0, 1, 0, 81, 0, 0]);
    let cut = raw_of(HeaderProtocol::IPV6, &octets);
    assert_eq!(
        shown(&[cut, FlowRecord::Ipv6(v6)]).map(|shown| (shown.0, shown.5, shown.6)),
        Some((142, 81, 0x11))
    );
}

#[test]
fn a_frame_without_addresses_is_counted_if_its_type_is_ip_or_unknown_types_are_enabled() {
    let unknown = Settings { unknown_etypes: true, ..Settings::default() };
    let zero = |address: [u8; 4]| Some(IpAddr::from(address));
    for settings in [&Settings::default(), &unknown] {
        assert_eq!(shown(settings, &[ethernet(0x800)]), Some((142, MAC, 0x800, zero([0; 4]), 0, 0, 0)));
        let v6 = shown(settings, &[ethernet(0x86dd), raw_of(HeaderProtocol::WIFI, &[1; 30])]);
        assert_eq!(v6, Some((142, MAC, 0x86dd, Some([0; 16].into()), 0, 0, 0)));
    }
    assert_eq!(shown(&Settings::default(), &[ethernet(0x806)]), None);
    assert_eq!(shown(&unknown, &[ethernet(0x806)]), Some((142, MAC, 0x806, None, 0, 0, 0)));
    assert_eq!(shown(&unknown, &[raw_of(HeaderProtocol::WIFI, &[1; 30])]), None);
    assert_eq!(shown(&unknown, &[]), None);
}

#[test]
fn filters_use_the_copied_header_only_if_it_has_all_that_the_row_has() {
    let needs = layout(&[Field::SrcHost]);
    let packets = |records: &[FlowRecord<'_>]| rows(&needs, Settings::default(), records).0.packets;
    let octets = frame();
    let (ip, ethernet) = (FlowRecord::Ipv4(fields(17)), ethernet(0x800));
    let whole = packets(&[raw(&octets)]);
    assert_ne!(whole, [PacketRef::NONE]);
    assert_eq!(packets(&[ethernet, raw(&octets), ip]).len(), 1);
    assert_ne!(packets(&[ethernet, raw(&octets), ip]), [PacketRef::NONE]);
    for records in [
        &[ip][..],
        &[ethernet],
        &[raw(&octets[..30]), ip],
        &[raw(&octets[..38]), ip],
        &[raw_of(HeaderProtocol::IPV4, &octets[18..]), ethernet],
    ] {
        assert_eq!(packets(records), [PacketRef::NONE], "{records:?}");
    }
}

#[test]
fn an_invalid_record_is_skipped_and_a_rate_of_0_multiplies_nothing() {
    let needs = layout(&[Field::SrcHost, Field::Tag, Field::Vlan]);
    let octets = frame();
    let switch = FlowRecord::Switch(Switch { in_vlan: 7, in_priority: 0, out_vlan: 0, out_priority: 0 });
    let tag = FlowRecord::Unknown(sflow::Unknown { format: sflow::DataFormat::new(43_874, 2), octets: &[1; 4] });
    let short = FlowRecord::Unknown(sflow::Unknown { format: sflow::DataFormat(1), octets: &[1; 4] });
    let read = |head: &FlowHead, records: &[FlowRecord<'_>], change: fn(&mut Vec<u8>)| {
        let mut datagram = Datagram::v5(Some(AGENT.into()), 7, 1, 1000);
        datagram.flow(head, records).unwrap();
        let mut octets = datagram.finish();
        change(&mut octets);
        let settings = Settings { renormalize: true, ..Settings::default() };
        let mut decoder = Decoder::new(&needs, settings);
        let mut output = Output::new(&needs.layout);
        let from = (0, [192, 0, 2, 1].into());
        decoder.datagram(from, &octets, 55, &mut output, &mut NoCounters).unwrap();
        let counts = decoder.take_counts();
        let vlan = output.rows.get(0).map(|row| (row.head(row::PACKETS), number(&needs, row, Field::Vlan)));
        let error = decoder.take_error().map(|(agent, _)| agent);
        (vlan, [counts.samples, counts.invalid, counts.without_packet], error)
    };
    let keep = |_: &mut Vec<u8>| {};
    // The number of records follows the header of the sample.
    let announce = |octets: &mut Vec<u8>| octets[28 + 8 + 31] += 3;
    let agent = Some(IpAddr::from(AGENT));
    let counted = |packets| Some((packets, 7));
    assert_eq!(read(&head(), &[raw(&octets), switch], keep), (counted(100), [1, 0, 0], None));
    for (records, change) in [
        (&[tag, raw(&octets), switch][..], keep as fn(&mut Vec<u8>)),
        (&[raw(&octets), switch, tag], keep),
        (&[raw(&octets), switch], announce),
    ] {
        assert_eq!(read(&head(), records, change), (counted(100), [1, 1, 0], agent), "{records:?}");
    }
    // The datagram ends within the second record: the packet is complete, and its VLAN is that of its tag.
    let cut = |octets: &mut Vec<u8>| octets.truncate(octets.len() - 6);
    assert_eq!(read(&head(), &[raw(&octets), switch], cut), (Some((100, 5)), [1, 1, 0], agent));
    assert_eq!(read(&head(), &[switch, raw(&octets)], cut), (None, [0, 1, 0], agent));
    // Invalid records are not counted twice.
    assert_eq!(read(&head(), &[short, switch], keep), (None, [0, 1, 0], agent));
    let unknown = FlowHead { sampling_rate: 0, ..head() };
    assert_eq!(read(&unknown, &[raw(&octets), switch], keep), (counted(1), [1, 0, 0], None));
    let ip = FlowRecord::Ipv4(fields(6));
    assert_eq!(read(&unknown, &[ip, switch], keep), (counted(1), [1, 0, 0], None));
    let expanded = FlowHead { format: sflow::DataFormat::FLOW_EXPANDED, ..unknown };
    assert_eq!(read(&expanded, &[raw(&octets), switch], keep), (counted(1), [1, 0, 0], None));
}

#[test]
fn samples_of_versions_2_and_4_keep_what_precedes_an_error() {
    let needs = layout(&[Field::SrcHost, Field::Vlan]);
    let switch = FlowRecord::Switch(Switch { in_vlan: 7, in_priority: 0, out_vlan: 0, out_priority: 0 });
    for mut datagram in [Datagram::v2(Some(AGENT.into()), 1, 1000), Datagram::v4(Some(AGENT.into()), 1, 1000)] {
        datagram.flow(&head(), &[FlowRecord::Ipv4(fields(6)), switch]).unwrap();
        let mut octets = datagram.finish();
        // The sample announces one more item of extended data than it has.
        let count = octets.len() - 5 * 4 - 1;
        octets[count] += 1;
        let mut decoder = Decoder::new(&needs, Settings::default());
        let mut output = Output::new(&needs.layout);
        decoder.datagram((0, AGENT.into()), &octets, 55, &mut output, &mut NoCounters).unwrap();
        assert_eq!(number(&needs, output.rows.get(0).unwrap(), Field::Vlan), 7);
        let counts = decoder.take_counts();
        assert_eq!((counts.samples, counts.invalid, decoder.take_error().is_some()), (1, 1, true));
    }
}

#[test]
fn agents_that_send_only_counters_are_reported_once() {
    let needs = layout(&[Field::SrcHost]);
    let mut decoder = Decoder::new(&needs, Settings::default());
    let mut output = Output::new(&needs.layout);
    let octets = frame();
    let mut send = |decoder: &mut Decoder, agent: u8, arrival: u64, flow: bool| {
        let mut datagram = Datagram::v5(Some([10, 0, 0, agent].into()), 7, 1, 1000);
        if flow {
            datagram.flow(&head(), &[raw(&octets)]).unwrap();
        }
        let head = sflow::CounterHead { format: sflow::DataFormat::COUNTERS, ..sflow::CounterHead::default() };
        datagram.counters(&head, &[]).unwrap();
        decoder.datagram((0, AGENT.into()), &datagram.finish(), arrival, &mut output, &mut NoCounters).unwrap();
    };
    for arrival in [1000, 1500, 2000] {
        send(&mut decoder, 1, arrival, false);
        send(&mut decoder, 2, arrival, arrival == 1500);
    }
    send(&mut decoder, 3, 2000, false);
    assert_eq!(decoder.take_agents_without_flows(1001), [] as [IpAddr; 0]);
    assert_eq!(decoder.take_agents_without_flows(1000), [IpAddr::from([10, 0, 0, 1])]);
    send(&mut decoder, 1, 3000, false);
    assert_eq!(decoder.take_agents_without_flows(0), [IpAddr::from([10, 0, 0, 3])]);
    assert_eq!(decoder.take_agents_without_flows(0), [] as [IpAddr; 0]);
}

/// A datagram with one flow sample or none.
fn datagram(agent: u32, sub_agent: u32, number: u32, samples: bool) -> Vec<u8> {
    let mut datagram = Datagram::v5(Some(std::net::Ipv4Addr::from_bits(agent).into()), sub_agent, number, 1000);
    if samples {
        datagram.flow(&head(), &[raw(&frame())]).unwrap();
    }
    datagram.finish()
}

struct Bench {
    decoder: Decoder,
    output: Output,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let needs = layout(&[Field::SrcPort]);
        Self { decoder: Decoder::new(&needs, settings), output: Output::new(&needs.layout) }
    }

    fn send(&mut self, datagram: &[u8]) {
        self.decoder
            .datagram((0, [192, 0, 2, 1].into()), datagram, 55, &mut self.output, &mut NoCounters)
            .unwrap();
        self.output.clear();
    }
}

#[test]
fn the_least_recently_active_agent_is_evicted_and_counted() {
    let mut bench = Bench::new(Settings { max_agents: 100, ..Settings::default() });
    for n in 1..1000 {
        bench.send(&datagram(n, 0, 1, true));
        bench.send(&datagram(0, 0, n + n / 500 * 7, true));
    }
    let live: Vec<_> = bench.decoder.agents().filter(|agent| agent.datagrams == 999).collect();
    assert_eq!((bench.decoder.len(), live.len(), live[0].lost), (100, 1, 7));
    let forgotten = bench.decoder.take_forgotten();
    assert!(matches!(forgotten, Some((_, Bound::Exporters))));
    let counts = bench.decoder.take_counts();
    assert_eq!((counts.samples, counts.agents_evicted), (2 * 999, 900), "evictions lose no datagrams");
}

#[test]
fn datagrams_without_samples_create_no_state() {
    let mut bench = Bench::new(Settings { max_agents: 2, ..Settings::default() });
    bench.send(&datagram(1, 0, 1, true));
    bench.send(&datagram(2, 0, 1, true));
    (3..100).for_each(|agent| bench.send(&datagram(agent, 0, 1, false)));
    (1..20_000).for_each(|sub_agent| bench.send(&datagram(1, sub_agent, 1, false)));
    bench.send(&datagram(1, 0, 4, true));
    bench.send(&datagram(2, 0, 4, false));
    let counts = bench.decoder.take_counts();
    assert_eq!((bench.decoder.len(), counts.agents_evicted, counts.sequences_evicted), (2, 0, 0));
    assert_eq!(counts.lost, 4, "the sequence numbers of known agents are tracked");
}

#[test]
fn losses_of_many_sub_agents_are_detected_and_evictions_are_counted() {
    let mut bench = Bench::new(Settings { max_agents: 2000, ..Settings::default() });
    for number in [1, 5] {
        (0..8000).for_each(|sub_agent| bench.send(&datagram(1, sub_agent, number, true)));
    }
    let counts = bench.decoder.take_counts();
    assert_eq!((counts.lost, counts.sequences_evicted), (8000 * 3, 0));
    (8000..20_000).for_each(|sub_agent| bench.send(&datagram(1, sub_agent, 1, true)));
    assert_eq!(bench.decoder.take_counts().sequences_evicted, 12_000);
}

#[test]
fn state_of_agents_stays_below_the_bound() {
    const BOUND: usize = 1 << 20;
    let mut bench = Bench::new(Settings { max_memory: BOUND, ..Settings::default() });
    (0..20_000).for_each(|n| bench.send(&datagram(n, n % 7, 1, true)));
    let counts = bench.decoder.take_counts();
    assert!((BOUND / 4..=BOUND).contains(&bench.decoder.memory()), "{}", bench.decoder.memory());
    assert!(counts.agents_evicted > 10_000);
    assert!(matches!(bench.decoder.take_forgotten(), Some((_, Bound::Memory))));
}

#[test]
fn the_cost_of_a_datagram_does_not_depend_on_the_number_of_agents() {
    let settings = |max_agents| Settings { max_agents, ..Settings::default() };
    let (mut few, mut many) = (Bench::new(settings(50)), Bench::new(settings(20_000)));
    (0..20_000).for_each(|n| many.send(&datagram(n, 0, 1, true)));
    (0..80_000).for_each(|n| many.send(&datagram(1, n, 1, true)));
    let mut next = 1 << 20;
    // New agents and sub-agents evict others.
    let mut cost = |bench: &mut Bench| {
        let mut round = || {
            let datagrams: Vec<_> = (next..next + 300).map(|n| datagram(n, n, 1, true)).collect();
            next += 300;
            let begun = std::time::Instant::now();
            datagrams.iter().for_each(|datagram| bench.send(datagram));
            begun.elapsed()
        };
        (0..8).map(|_| round()).min().unwrap_or_default()
    };
    assert!((0..5).any(|_| cost(&mut few) * 5 > cost(&mut many)));
    assert_eq!(many.decoder.len(), 20_000);
}

/// A layout of the fields that are the most expensive to fill.
fn whole() -> Needs {
    layout(&[
        Field::SrcMac,
        Field::DstMac,
        Field::Vlan,
        Field::SrcHost,
        Field::DstHost,
        Field::SrcPort,
        Field::DstPort,
        Field::Proto,
        Field::SrcAs,
        Field::DstAs,
        Field::AsPath,
        Field::Comms,
        Field::PeerDstIp,
        Field::PeerSrcAs,
        Field::MplsLabelStack,
    ])
}

/// Prints the absolute cost (`--nocapture`), and asserts it in a release build.
#[test]
fn the_cost_of_samples_is_proportional_to_their_length() {
    let frame = frame();
    let tagged: Vec<u8> = [2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa]
        .into_iter()
        .chain([0x81, 0, 0, 5].repeat(8))
        .chain([0x88, 0x47])
        .chain([0, 1, 0, 64].repeat(14))
        .chain([0, 1, 1, 64])
        .chain(frame[18..].iter().copied())
        .collect();
    let ases: Vec<u32> = (0..300).collect();
    let path = encode::segments(&[(sflow::SegmentType::SEQUENCE, &ases)]);
    let communities = encode::words(&ases);
    let gateway = FlowRecord::Gateway(Gateway {
        path: encode::as_path(&path).unwrap(),
        communities: Words::new(&communities),
        ..Gateway::default()
    });
    let one = |n: u32| Gateway {
        router_as: n,
        src_as: n,
        communities: Words::new(&communities[..16]),
        ..Gateway::default()
    };
    let unknown = FlowRecord::Unknown(sflow::Unknown { format: sflow::DataFormat(4000), octets: &[] });
    let kinds: [(&str, Vec<FlowRecord<'_>>); 7] = [
        ("samples without records", vec![]),
        ("empty records", vec![unknown; 100]),
        ("short headers", vec![raw(&frame[..14])]),
        ("headers", vec![raw(&frame)]),
        ("tags and labels", vec![raw(&tagged)]),
        ("long paths", vec![gateway]),
        ("gateways", (0..20).map(|n| FlowRecord::Gateway(one(n))).collect()),
    ];
    let needs = whole();
    for (what, records) in kinds {
        let mut datagram = Datagram::v5(Some(AGENT.into()), 7, 1, 1000);
        while datagram.len() < 1300 && datagram.flow(&head(), &records).is_ok() {}
        let octets = datagram.finish();
        let mut bench =
            Bench { decoder: Decoder::new(&needs, Settings::default()), output: Output::new(&needs.layout) };
        let mut round = || {
            let begun = std::time::Instant::now();
            (0..200).for_each(|_| bench.send(&octets));
            begun.elapsed().mul_f64(1000.0 / (200 * octets.len()) as f64)
        };
        let least = (0..20).map(|_| round()).min().unwrap_or_default();
        println!("{what}: {:.1} us for 1,000 octets", least.as_secs_f64() * 1e6);
        assert!(cfg!(debug_assertions) || least.as_micros() < 20, "{what}: {least:?} for 1,000 octets");
    }
}
