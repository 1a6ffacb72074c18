//! Checks the daemons of each primitive in the table of primitives, by decoders that get input with all fields.

use crate::{from_netflow, from_packet, from_sflow};
use flow::field::Field;
use flow::kind::Kind;
use flow::needs::Needs;
use flow::output::Output;
use flow::primitive::{Daemons, PRIMITIVES, Primitive, showing};
use flow::row::{self, FieldSet, Layout, Rows};
use netflow::encode::{Message, enterprise, field};
use netflow::template::{self, Template};
use packet::LinkType;
use sflow::encode::Datagram;
use sflow::flow::{Gateway, HeaderProtocol, Mpls, MplsVc, RawHeader, Router, Switch, Tag, Vni};
use sflow::{FlowHead, FlowRecord, Interface, SourceId, Words};
use std::collections::HashSet;
use std::sync::Arc;

/// Fields that all daemons fill after decoding: by maps, networks_file, the GeoIP database, classification, sampling_rate
/// and routes.
const LATER: &[Field] = &[
    Field::Tag,
    Field::Tag2,
    Field::Label,
    Field::SrcNet,
    Field::DstNet,
    Field::SrcMask,
    Field::DstMask,
    Field::SrcAs,
    Field::DstAs,
    Field::PeerSrcAs,
    Field::PeerDstAs,
    Field::PeerDstIp,
    Field::SrcCountry,
    Field::DstCountry,
    Field::SrcPocode,
    Field::DstPocode,
    Field::SrcCoords,
    Field::DstCoords,
    Field::Class,
    Field::SamplingRate,
    Field::AsPath,
    Field::Comms,
    Field::Ecomms,
    Field::Lcomms,
    Field::LocalPref,
    Field::Med,
    Field::SrcAsPath,
    Field::SrcComms,
    Field::SrcEcomms,
    Field::SrcLcomms,
    Field::SrcLocalPref,
    Field::SrcMed,
    Field::SrcRoa,
    Field::DstRoa,
];

/// Fields that only collectors fill after decoding: `flow_to_rd_map`.
const LATER_IN_COLLECTORS: &[Field] = &[Field::MplsVpnRd];

fn needs() -> Needs {
    let mut fields = FieldSet::default();
    Field::ALL.iter().for_each(|field| fields.insert(*field));
    Needs { layout: Arc::new(Layout::new(&fields, &[])), customs: [].into(), bin_times: false }
}

/// Fields that a decoder has filled in at least one row.
struct Filled {
    fields: HashSet<Field>,
    flows: bool,
}

impl Filled {
    fn of(needs: &Needs, rows: &Rows) -> Self {
        let is_filled = |field: &&Field| {
            let at = needs.layout.offset(**field).unwrap();
            rows.iter().any(|row| row.bytes()[at..at + field.size()].iter().any(|octet| *octet != 0))
        };
        Self {
            fields: Field::ALL.iter().filter(is_filled).copied().collect(),
            flows: rows.iter().any(|row| row.head(row::FLOWS) != 0),
        }
    }

    /// Returns true if the decoder or `later` steps fill the primitive.
    fn has(&self, primitive: &Primitive, later: &[Field]) -> bool {
        match primitive.kind() {
            Kind::None => true,
            Kind::Counter => self.flows,
            _ => primitive.fields.iter().any(|field| self.fields.contains(field) || later.contains(field)),
        }
    }
}

fn ethernet(etype: [u8; 2], contents: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa], &etype[..], contents].concat()
}

fn ipv4(protocol: u8, contents: &[u8]) -> Vec<u8> {
    let header =
        [0x45, 0xb8, 0, 20 + contents.len() as u8, 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&header[..], contents].concat()
}

/// TCP over IPv6, with a traffic class and a flow label.
fn ipv6() -> Vec<u8> {
    let tcp = [3, 232, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 1, 0, 0, 0, 0];
    [&[0x6b, 0x81, 2, 3, 0, 20, 6, 64][..], &[0x20; 32], &tcp].concat()
}

/// Tags and labels; VXLAN; NVGRE.
fn frames() -> [Vec<u8>; 3] {
    let inside = ethernet([0x86, 0xdd], &ipv6());
    let labelled = [&[0x60, 5, 0x81, 0, 0, 6, 0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64][..], &ipv6()].concat();
    let vxlan = [&[0xc0, 0, 0x12, 0xb5, 0, 100, 0, 0, 8, 0, 0, 0, 0, 0, 9, 0][..], &inside].concat();
    let nvgre = [&[0x20, 0, 0x65, 0x58, 0, 0, 9, 0][..], &inside].concat();
    [ethernet([0x81, 0], &labelled), ethernet([8, 0], &ipv4(17, &vxlan)), ethernet([8, 0], &ipv4(47, &nvgre))]
}

/// Decodes packets of a link type, which start at an offset of the frames above.
fn by_packets(link: LinkType, start: usize, macs: [Option<[u8; 6]>; 2]) -> Filled {
    let needs = needs();
    let flows = from_packet::flows::Settings { bound: 1 << 20, lifetime: std::time::Duration::from_secs(60) };
    let settings = from_packet::Settings { flows: Some(flows), ..from_packet::Settings::default() };
    let mut decoder = from_packet::Decoder::new(&needs, settings);
    let mut output = Output::new(&needs.layout);
    // A plain IPv6 packet too, as netfilter logs bridged and MPLS traffic without its headers.
    let frames = frames().into_iter().chain([ethernet([0x86, 0xdd], &ipv6())]);
    for (number, octets) in
        (0..).zip(frames.filter(|frame| start == 0 || matches!(frame[12..14], [8, 0] | [0x86, 0xdd])))
    {
        let octets = &octets[start..];
        let frame = from_packet::Frame {
            number,
            link,
            time_us: 1,
            length: octets.len() as u32,
            octets,
            ingress: 1,
            egress: 2,
            macs,
        };
        assert_eq!(decoder.frame(&frame, &mut output), from_packet::Outcome::Row);
    }
    Filled::of(&needs, &output.rows)
}

fn by_samples() -> Filled {
    let needs = needs();
    let numbers = sflow::encode::words(&[0x0100_0001, 0x0200_0101]);
    let ases = sflow::encode::words(&[65_001, 65_002]);
    let gateway = Gateway {
        next_hop: Some([192, 0, 2, 9].into()),
        src_as: 65_003,
        src_peer_as: 65_004,
        path: sflow::AsPath::plain(Words::new(&ases)),
        communities: Words::new(&numbers),
        local_pref: Some(100),
        ..Gateway::default()
    };
    let head = FlowHead {
        format: sflow::DataFormat::FLOW,
        sampling_rate: 100,
        source: SourceId { class: 0, index: 4 },
        input: Interface::index(3),
        output: Interface::index(4),
        ..FlowHead::default()
    };
    let mut datagram = Datagram::v5(Some([10, 99, 0, 1].into()), 7, 1, 1000);
    for octets in &frames() {
        let raw = RawHeader { protocol: HeaderProtocol::ETHERNET, frame_length: 200, stripped: Some(4), octets };
        datagram.flow(&head, &[FlowRecord::RawHeader(raw)]).unwrap();
    }
    let frame = &frames()[0];
    let raw =
        RawHeader { protocol: HeaderProtocol::ETHERNET, frame_length: 200, stripped: Some(4), octets: frame };
    let records = [
        FlowRecord::RawHeader(raw),
        FlowRecord::Switch(Switch { in_vlan: 10, in_priority: 3, out_vlan: 20, out_priority: 1 }),
        FlowRecord::Router(Router { next_hop: Some([192, 0, 2, 9].into()), src_mask: 8, dst_mask: 24 }),
        FlowRecord::Gateway(gateway),
        FlowRecord::Mpls(Mpls { next_hop: None, in_stack: Words::new(&numbers), out_stack: Words::new(&[]) }),
        FlowRecord::MplsVc(MplsVc { name: b"", id: 7, cos: 0 }),
        FlowRecord::VniIngress(Vni { vni: 9 }),
        FlowRecord::Tag(Tag { tag: 1, tag2: 2 }),
    ];
    datagram.flow(&head, &records).unwrap();
    let mut decoder = from_sflow::Decoder::new(&needs, from_sflow::Settings::default());
    let mut output = Output::new(&needs.layout);
    let source = [192, 0, 2, 1].into();
    decoder.datagram((0, source), &datagram.finish(), 55, &mut output, &mut from_sflow::NoCounters).unwrap();
    assert_eq!(output.rows.len(), 4);
    Filled::of(&needs, &output.rows)
}

fn by_netflow() -> Filled {
    // Elements and their lengths. Those of the inner packet occur twice. All octets of the record are 1.
    const ELEMENTS: &[(u16, u16)] = &[
        (1, 4),
        (2, 4),
        (3, 4),
        (4, 1),
        (5, 1),
        (6, 1),
        (7, 2),
        (8, 4),
        (9, 1),
        (10, 4),
        (11, 2),
        (12, 4),
        (13, 1),
        (14, 4),
        (16, 4),
        (17, 4),
        (18, 4),
        (31, 4),
        (34, 4),
        (56, 6),
        (58, 2),
        (59, 2),
        (61, 1),
        (70, 3),
        (71, 3),
        (80, 6),
        (89, 1),
        (90, 8),
        (95, 4),
        (128, 4),
        (129, 4),
        (152, 8),
        (153, 8),
        (225, 4),
        (226, 4),
        (227, 2),
        (228, 2),
        (230, 1),
        (233, 1),
        (234, 4),
        (235, 4),
        (244, 1),
        (245, 2),
        (249, 4),
        (255, 2),
        (256, 2),
        (497, 16),
        (600, 4),
        (601, 4),
        (602, 4),
        (4, 1),
        (5, 1),
        (6, 1),
        (7, 2),
        (8, 4),
        (11, 2),
        (12, 4),
    ];
    let needs = needs();
    let data = |id, fields: &[(u16, u16)]| {
        let mut fields: Vec<_> = fields.iter().map(|(element, length)| field(*element, *length)).collect();
        fields.extend((1..=2).map(|number| enterprise(43_874, number, 8)));
        fields.push(enterprise(43_874, 3, 8));
        Template::new(1, id, template::Kind::Data, fields)
    };
    let length = |fields: &[(u16, u16)]| fields.iter().map(|(_, length)| usize::from(*length)).sum::<usize>() + 24;
    let options = |id, element, name| {
        Template::new(1, id, template::Kind::Options { scopes: 1 }, vec![field(element, 4), field(name, 4)])
    };
    let names = [(400, 10, 82), (401, 234, 236), (402, 95, 96)];
    let templates = names.map(|(id, element, name)| options(id, element, name));
    let (everything, segment) = (data(256, ELEMENTS), data(257, &[(351, 8)]));
    let mut message = Message::ipfix(1, 1, 1_700_000_000).templates(&templates.each_ref());
    for (id, ..) in names {
        message = message.data(id, |w| _ = w.put(&[1; 8]));
    }
    message = message
        .templates(&[&everything, &segment])
        .data(256, |w| _ = w.put(&vec![1; length(ELEMENTS)]))
        // VXLAN and NVGRE by the first octet.
        .data(257, |w| _ = w.put(&[&[1; 8][..], &[1; 24]].concat()))
        .data(257, |w| _ = w.put(&[&[2; 8][..], &[1; 24]].concat()));
    let mut decoder = from_netflow::Decoder::new(needs.clone(), from_netflow::Settings::default());
    let mut output = Output::new(&needs.layout);
    let Output { rows, strings, .. } = &mut output;
    decoder.datagram([192, 0, 2, 1].into(), &message.finish(), 55, rows, strings).unwrap();
    assert_eq!(rows.len(), 3);
    Filled::of(&needs, rows)
}

#[test]
fn the_table_names_the_daemons_that_fill_a_primitive() {
    const ETHERNET_HEADER: usize = 14;
    let collectors: Vec<Field> = LATER.iter().chain(LATER_IN_COLLECTORS).copied().collect();
    let daemons = [
        (Daemons::PMACCTD, by_packets(LinkType::ETHERNET, 0, [None; 2]), LATER),
        // Netfilter logs packets from the IP header on, and MAC addresses separately.
        (Daemons::UACCTD, by_packets(LinkType::RAW_BSD, ETHERNET_HEADER, [Some([2; 6]); 2]), LATER),
        (Daemons::SFACCTD, by_samples(), &collectors),
        (Daemons::NFACCTD, by_netflow(), &collectors),
    ];
    let mut mismatches = Vec::new();
    // Aliases of a column (`sum_host`, `class_frame`) are the same as the first name.
    let first = |primitive: &Primitive| {
        primitive.column().and_then(showing).is_none_or(|first| first.name == primitive.name)
    };
    for primitive in PRIMITIVES.iter().filter(|primitive| first(primitive)) {
        for (daemon, filled, later) in &daemons {
            if primitive.daemons.has(*daemon) != filled.has(primitive, later) {
                mismatches.push((primitive.name, *daemon));
            }
        }
    }
    assert!(mismatches.is_empty(), "{mismatches:?}");
}
