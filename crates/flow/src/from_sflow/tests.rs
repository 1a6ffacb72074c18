use super::*;
use crate::row::{self, Layout, Row};
use sflow::encode::{self, Datagram};
use sflow::flow::{Gateway, HeaderProtocol, Ipv4, RawHeader, Router, Switch};
use sflow::{FlowHead, FlowRecord, Interface, SourceId, Words};
use std::sync::Arc;

const AGENT: [u8; 4] = [10, 99, 0, 1];

fn layout(fields: &[Field]) -> Needs {
    let mut set = FieldSet::default();
    fields.iter().for_each(|field| set.insert(*field));
    require(&mut set, false);
    Needs { layout: Arc::new(Layout::new(&set, &[])), customs: [].into(), stamps: false }
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

/// The rows of a sample with these records.
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
    row.octets()[at..at + field.size()].iter().fold(0, |number, octet| number << 8 | u64::from(*octet))
}

#[test]
fn a_copied_header_becomes_a_row_with_the_place_of_its_frame() {
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
    assert_eq!((row.head(row::PACKETS), row.head(row::OCTETS), row.head(row::STAMP)), (1, 142, 55));
    let told =
        [Field::DstPort, Field::Vlan, Field::InIface, Field::OutIface, Field::Direction, Field::SamplingRate];
    assert_eq!(told.map(|field| number(&needs, row, field)), [53, 5, 3, 4, 0, 100]);
    assert_eq!(counts, Counts { samples: 1, ..Counts::default() });
    let place = output.places[0];
    assert_eq!((place.unit, place.captured, place.length, place.link), (3, frame.len() as u32, 142, 1));
}

#[test]
fn what_the_agent_adds_wins_and_counters_are_multiplied() {
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
    assert_eq!((row.head(row::PACKETS), row.head(row::OCTETS)), (100, 14_200));
    let told = [Field::Vlan, Field::OutVlan, Field::SrcAs, Field::DstAs];
    assert_eq!(told.map(|field| number(&needs, row, field)), [10, 20, 65_001, 65_021]);
    let text = |field| {
        let id = number(&needs, row, field) as u32;
        String::from_utf8_lossy(output.strings.get(id)).into_owned()
    };
    assert_eq!((text(Field::AsPath), text(Field::Comms)), ("65020 65021".into(), "65000:100 no-export".into()));
    let address = |field| {
        let at = needs.layout.offset(field).unwrap();
        address::address(row.octets()[at..].first_chunk().unwrap())
    };
    assert_eq!(address(Field::SrcNet), Some([10, 0, 0, 0].into()));
    assert_eq!(address(Field::PeerDstIp), Some([192, 0, 2, 9].into()));
}

#[test]
fn fields_that_the_agent_read_are_as_good_and_others_make_no_row() {
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
    assert_eq!((row.head(row::OCTETS), number(&needs, row, Field::SrcPort)), (500, 1111));
    let arp = [&[2; 12][..], &[8, 6], &[1; 28]].concat();
    for records in [&[][..], &[raw(&arp)]] {
        let (output, counts) = rows(&needs, Settings::default(), records);
        assert_eq!((output.rows.len(), output.places.len(), counts.without_packet), (0, 0, 1));
    }
    let (output, counts) = rows(&needs, Settings { unknown_etypes: true, ..Settings::default() }, &[raw(&arp)]);
    assert_eq!((output.rows.len(), counts.samples), (1, 1));
    // A header that ends within the addresses: the family is known.
    let frame = frame();
    let (output, _) = rows(&needs, Settings::default(), &[raw(&frame[..30])]);
    let row = output.rows.get(0).unwrap();
    let at = needs.layout.offset(Field::SrcHost).unwrap();
    assert_eq!(row.octets()[at..at + 16], address::V4_ZERO);
}
