//! The fast path gives the same rows as the general decoder.

use super::*;
use flow::row::Layout;
use proptest::prelude::*;
use proptest::sample::Index;
use sflow::encode::Datagram;
use sflow::flow::{Ethernet, HeaderProtocol, Ipv4, RawHeader, Router, Switch, Vni};
use sflow::{FlowHead, FlowRecord, Interface, SourceId, Unknown};
use std::sync::Arc;

/// All fields that samples can fill, and some others.
const FIELDS: &[Field] = &[
    Field::SrcHost,
    Field::DstHost,
    Field::PeerDstIp,
    Field::InIface,
    Field::OutIface,
    Field::SrcPort,
    Field::DstPort,
    Field::TcpFlags,
    Field::Proto,
    Field::Tos,
    Field::Cos,
    Field::Etype,
    Field::SrcMac,
    Field::DstMac,
    Field::Vlan,
    Field::InVlan,
    Field::OutVlan,
    Field::SrcNet,
    Field::DstNet,
    Field::FlowLabel,
    Field::NextHop,
    Field::PeerSrcIp,
    Field::SamplingRate,
    Field::Direction,
    Field::Template,
    Field::MplsLabelTop,
    Field::InCvlan,
    Field::Vxlan,
    Field::TunnelSrcHost,
    Field::Presence,
];

/// The parts of a sample's frame.
#[derive(Clone, Debug)]
struct FrameParts {
    tags: Vec<u16>,
    v6: bool,
    tcp: bool,
    addresses: [u8; 32],
    numbers: [u8; 16],
}

impl FrameParts {
    fn any() -> impl Strategy<Value = Self> {
        (prop::collection::vec(any::<u16>(), 0..3), any::<(bool, bool, [u8; 32], [u8; 16])>())
            .prop_map(|(tags, (v6, tcp, addresses, numbers))| Self { tags, v6, tcp, addresses, numbers })
    }

    fn frame(&self) -> Vec<u8> {
        let [a, b, c, d, e, f, g, h, ..] = self.numbers;
        let protocol = if self.tcp { 6 } else { 17 };
        let mut frame = self.numbers[..12].to_vec();
        for tag in &self.tags {
            frame.extend([[0x81, 0], tag.to_be_bytes()].concat());
        }
        if self.v6 {
            frame.extend([0x86, 0xdd, 0x60 | a & 15, b, c, d, 0, 30, protocol, 64]);
            frame.extend(self.addresses);
        } else {
            frame.extend([8, 0, 0x45, a, 0, 60, b, c, 0x40, 0, 64, protocol, d, e]);
            frame.extend(&self.addresses[..8]);
        }
        frame.extend([e, f, g, h, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, a, 0, 0, 0, 0, 0, 0]);
        frame
    }
}

/// One sample: its header, its frame, and its records in order.
#[derive(Clone, Debug)]
struct SampleParts {
    expanded: bool,
    numbers: [u32; 8],
    frame: FrameParts,
    records: Vec<u8>,
}

impl SampleParts {
    fn any() -> impl Strategy<Value = Self> {
        // Mostly as agents send it: the packet first, then extended data.
        let records = prop_oneof![
            Just(vec![0]),
            Just(vec![0, 1]),
            Just(vec![0, 1, 2]),
            Just(vec![1, 0, 2]),
            prop::collection::vec(0u8..8, 0..5),
        ];
        (any::<(bool, [u32; 8])>(), FrameParts::any(), records)
            .prop_map(|((expanded, numbers), frame, records)| Self { expanded, numbers, frame, records })
    }

    fn write(&self, datagram: &mut Datagram) {
        let [a, b, c, d, e, f, g, h] = self.numbers;
        let (format, limit) = match self.expanded {
            true => (DataFormat::FLOW_EXPANDED, u32::MAX),
            false => (DataFormat::FLOW, 0xff_ffff),
        };
        let head = FlowHead {
            format,
            sequence: a,
            source: SourceId { class: 0, index: b % 4 },
            sampling_rate: c,
            input: Interface::index((b ^ d) % 4),
            output: Interface::index(e & limit),
            ..FlowHead::default()
        };
        let frame = self.frame.frame();
        let record = |number: &u8| match number {
            0 => {
                let protocol = if f % 9 == 0 { HeaderProtocol(g % 16) } else { HeaderProtocol::ETHERNET };
                let header = RawHeader { protocol, frame_length: h, stripped: Some(4), octets: &frame };
                FlowRecord::RawHeader(header)
            }
            1 => FlowRecord::Switch(Switch { in_vlan: f, in_priority: g, out_vlan: h, out_priority: a }),
            2 => {
                let next_hop = match f % 3 {
                    0 => None,
                    1 => Some(IpAddr::from(g.to_be_bytes())),
                    _ => Some(IpAddr::from([h as u8; 16])),
                };
                FlowRecord::Router(Router { next_hop, src_mask: g % 33, dst_mask: h % 130 })
            }
            3 => FlowRecord::VniIngress(Vni { vni: f }),
            4 => {
                let (src, dst) = (f.to_be_bytes().into(), g.to_be_bytes().into());
                let (protocol, length) = (6, 100);
                FlowRecord::Ipv4(Ipv4 {
                    length,
                    protocol,
                    src,
                    dst,
                    src_port: a,
                    dst_port: b,
                    tcp_flags: 0,
                    tos: c,
                })
            }
            5 => FlowRecord::Unknown(Unknown { format: DataFormat::new(9, 9), octets: &frame[..5] }),
            6 => {
                let (src, dst) = (wire::Mac([f as u8; 6]), wire::Mac([g as u8; 6]));
                let etype = if h % 2 == 0 { 0x800 } else { h };
                FlowRecord::Ethernet(Ethernet { length: a, src, dst, etype })
            }
            _ => FlowRecord::Unknown(Unknown { format: DataFormat(1001), octets: &frame[..12] }),
        };
        let records: Vec<_> = self.records.iter().map(record).collect();
        datagram.flow(&head, &records).unwrap();
    }
}

/// Decodes a datagram. Returns its rows, and its packet references and counters as text.
fn read(needs: &Needs, settings: &Settings, fast_path: bool, octets: &[u8]) -> (Vec<Vec<u64>>, String) {
    let mut decoder = Decoder::new(needs, settings.clone());
    if !fast_path {
        decoder.wanted_records = None;
    }
    let mut output = Output::new(&needs.layout);
    let agent = decoder.datagram((3, [192, 0, 2, 1].into()), octets, 55, &mut output, &mut NoCounters);
    let records: Vec<_> = decoder.agents().map(|agent| (agent.address, agent.records)).collect();
    let rows = output.rows.iter().map(|row| row.words().to_vec()).collect();
    let error = decoder.take_error();
    (rows, format!("{agent:?} {:?} {records:?} {:?} {error:?}", output.packets, decoder.take_counts()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]
    #[test]
    fn the_fast_path_gives_the_same_row(
        samples in prop::collection::vec(SampleParts::any(), 1..4),
        fields in prop::collection::vec(prop::sample::select(FIELDS), 1..10),
        (renormalize, use_ip_next_hop, networks, unknown_etypes) in any::<(bool, bool, bool, bool)>(),
        wrong in prop::collection::vec((any::<Index>(), prop_oneof![0u8..8, any::<u8>()]), 0..3),
        cut in any::<Option<Index>>(),
    ) {
        let mut set = FieldSet::default();
        fields.iter().for_each(|field| set.insert(*field));
        require(&mut set, false);
        let needs = Needs { layout: Arc::new(Layout::new(&set, &[])), customs: [].into(), bin_times: false };
        let settings = Settings { renormalize, use_ip_next_hop, networks, unknown_etypes, ..Settings::default() };
        let mut datagram = Datagram::v5(Some([10, 99, 0, 1].into()), 7, 1, 1000);
        samples.iter().for_each(|sample| sample.write(&mut datagram));
        let mut octets = datagram.finish();
        for (at, octet) in wrong {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        if let Some(cut) = cut {
            octets.truncate(cut.index(octets.len()));
        }
        prop_assert_eq!(read(&needs, &settings, true, &octets), read(&needs, &settings, false, &octets));
    }
}

#[test]
fn duplicate_records_must_all_be_valid() {
    let frame = FrameParts { tags: vec![], v6: false, tcp: false, addresses: [0; 32], numbers: [0; 16] };
    let sample = SampleParts { expanded: false, numbers: [0, 0, 0, 0, 0, 1, 0, 0], frame, records: vec![0, 7, 1] };
    let mut set = FieldSet::default();
    set.insert(Field::Vlan);
    let needs = Needs { layout: Arc::new(Layout::new(&set, &[])), customs: [].into(), bin_times: false };
    let mut datagram = Datagram::v5(None, 7, 1, 1000);
    sample.write(&mut datagram);
    let octets = datagram.finish();
    let settings = Settings::default();
    assert_eq!(read(&needs, &settings, true, &octets), read(&needs, &settings, false, &octets));
}

#[test]
fn common_samples_take_the_fast_path() {
    let frame = FrameParts { tags: vec![5], v6: true, tcp: true, addresses: [7; 32], numbers: [1; 16] };
    let sample =
        SampleParts { expanded: true, numbers: [1, 2, 3, 4, 5, 1, 7, 8], frame, records: vec![0, 1, 2, 5] };
    let mut set = FieldSet::default();
    [Field::SrcHost, Field::Vlan, Field::NextHop].iter().for_each(|field| set.insert(*field));
    let needs = Needs { layout: Arc::new(Layout::new(&set, &[])), customs: [].into(), bin_times: false };
    let mut datagram = Datagram::v5(None, 7, 1, 1000);
    sample.write(&mut datagram);
    let octets = datagram.finish();
    let mut decoder = Decoder::new(&needs, Settings::default());
    let mut output = Output::new(&needs.layout);
    let datagram = sflow::open(&octets).unwrap();
    let frame = datagram.samples().next_flow_frame().unwrap();
    let mut reader = sample::Reader {
        settings: &decoder.settings,
        headers: &decoder.headers,
        offsets: &decoder.offsets,
        base: &decoder.base,
        counts: &mut decoder.counts,
        agent: IpAddr::from([192, 0, 2, 1]),
        error: &mut decoder.error,
        is_legacy: false,
        wanted: &decoder.wanted,
        wanted_records: decoder.wanted_records,
    };
    assert!(reader.fast_path(0, &octets, &frame, &mut output));
    assert_eq!((output.rows.len(), decoder.counts.unknown_records), (1, 1));
}
