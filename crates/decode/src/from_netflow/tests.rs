//! Each test sends datagrams as an exporter would, and checks columns of the rows by their primitive.

mod bounds;
mod lengths;
mod sampling;

use super::*;
use flow::address;
use flow::kind::Kind as ValueKind;
use flow::row::{self, FieldSet, Layout, Rows};
use flow::strings::Strings;
use netflow::elements as ie;
use netflow::encode::{Message, V5Record, enterprise, field, v5, variable};
use netflow::template::{Field as Specifier, Kind, VARIABLE};
use std::sync::Arc;

mod biflow;
mod records;
mod sessions;
mod sharing;
mod takeover;

const NOW: u32 = 1_700_000_000;
const ARRIVAL: u64 = 1_700_000_005_000_000;

/// A decoder with its output.
struct Bench {
    decoder: Decoder,
    strings: Strings,
    rows: Rows,
    layout: Arc<Layout>,
}

impl Bench {
    fn new(words: &[&str], settings: Settings) -> Self {
        Self::with_customs(words, "", settings)
    }

    /// Creates a decoder for rows with the template id.
    fn with_template_ids() -> Self {
        Self::with_fields(&[Field::SrcPort, Field::Template], "", Settings::default())
    }

    /// Creates a decoder with custom primitives, given as lines of a file.
    fn with_customs(words: &[&str], lines: &str, settings: Settings) -> Self {
        let field = |word: &&str| flow::primitive::find(word).unwrap().field().unwrap();
        Self::with_fields(&words.iter().map(field).collect::<Vec<_>>(), lines, settings)
    }

    fn with_fields(wanted: &[Field], lines: &str, settings: Settings) -> Self {
        let (customs, problems) = flow::custom::parse(lines);
        assert_eq!(problems, []);
        let mut fields = FieldSet::default();
        wanted.iter().for_each(|field| fields.insert(*field));
        require(&mut fields, false);
        fields.insert(Field::Presence);
        let sizes: Vec<usize> = customs.iter().map(|custom| custom.semantics.kind().size()).collect();
        let layout = Arc::new(Layout::new(&fields, &sizes));
        let needs = Needs { layout: Arc::clone(&layout), customs: customs.into(), bin_times: false };
        Self {
            decoder: Decoder::new(needs, settings),
            strings: Strings::default(),
            rows: Rows::new(&layout),
            layout,
        }
    }

    fn send(&mut self, datagram: &[u8]) {
        self.decoder
            .datagram([192, 0, 2, 1].into(), datagram, ARRIVAL, &mut self.rows, &mut self.strings)
            .unwrap();
    }

    /// Returns packets and octets of each row.
    fn counters(&self) -> Vec<(u64, u64)> {
        self.rows.iter().map(|r| (r.head(row::PACKETS), r.head(row::BYTES))).collect()
    }

    /// Returns a primitive's value in each row, as text.
    fn column(&self, word: &str) -> Vec<String> {
        let primitive = flow::primitive::find(word).unwrap();
        let at = self.layout.offset(primitive.field().unwrap()).unwrap();
        let text = |octets: &[u8]| match primitive.kind() {
            ValueKind::Ip => {
                address::address(octets.try_into().unwrap()).map_or("-".to_owned(), |address| address.to_string())
            }
            ValueKind::Rd => wire::RouteDistinguisher(octets.try_into().unwrap()).to_string(),
            kind if kind.is_interned() => {
                let id = u32::from_be_bytes(octets.try_into().unwrap());
                String::from_utf8_lossy(self.strings.get(id)).into_owned()
            }
            _ => netflow::record::number(octets).to_string(),
        };
        self.rows.iter().map(|r| text(&r.bytes()[at..at + primitive.kind().size()])).collect()
    }
}

/// Encodes an IPFIX message with a template of these fields and one record.
fn one(fields: &[Specifier], record: &[u8]) -> Vec<u8> {
    let template = Template::new(1, 256, Kind::Data, fields.to_vec());
    Message::ipfix(1, 0, NOW).templates(&[&template]).data(256, |w| _ = w.put(record)).finish()
}

#[test]
fn numbers_of_any_size_are_right_aligned() {
    let mut bench = Bench::new(&["src_as", "dst_as", "in_iface"], Settings::default());
    let fields = [
        field(ie::BGP_SOURCE_AS_NUMBER, 2),
        field(ie::BGP_DESTINATION_AS_NUMBER, 4),
        field(ie::INGRESS_INTERFACE, 8),
        field(ie::PACKET_DELTA_COUNT, 1),
        field(ie::OCTET_DELTA_COUNT, 3),
    ];
    bench.send(&one(&fields, &[0xfd, 0xe8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 7, 1, 0, 0]));
    assert_eq!(bench.counters(), [(7, 65536)]);
    assert_eq!(bench.column("src_as"), ["65000"]);
    assert_eq!(bench.column("dst_as"), ["65536"]);
    assert_eq!(bench.column("in_iface"), ["513"]);
}

#[test]
fn of_two_families_the_non_zero_address_counts() {
    let mut bench = Bench::new(&["src_host"], Settings::default());
    let fields =
        [field(ie::SOURCE_IPV4_ADDRESS, 4), field(ie::SOURCE_IPV6_ADDRESS, 16), field(ie::PACKET_DELTA_COUNT, 4)];
    let v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    bench.send(&one(&fields, &[&[10, 0, 0, 1][..], &[0; 16], &[0, 0, 0, 1]].concat()));
    bench.send(&one(&fields, &[&[0; 4][..], &v6, &[0, 0, 0, 1]].concat()));
    bench.send(&one(&fields, &[&[0; 4][..], &[0; 16], &[0, 0, 0, 1]].concat()));
    assert_eq!(bench.column("src_host"), ["10.0.0.1", "2001:db8::1", "0.0.0.0"]);
}

#[test]
fn times_of_all_encodings_become_microseconds() {
    let cases: &[(u16, &[u8], u64)] = &[
        (150, &NOW.to_be_bytes(), 1_700_000_000_000_000),
        (152, &1_700_000_000_123u64.to_be_bytes(), 1_700_000_000_123_000),
        // NTP: 2,208,988,800 seconds more, and half a second.
        (154, &[0xe8, 0xfe, 0x6f, 0x80, 0x80, 0, 0, 0], 1_700_000_000_500_000),
        (156, &[0xe8, 0xfe, 0x6f, 0x80, 0x40, 0, 0, 0], 1_700_000_000_250_000),
        (158, &5_000u32.to_be_bytes(), 1_699_999_999_995_000),
        (323, &1_700_000_000_001u64.to_be_bytes(), 1_700_000_000_001_000),
    ];
    for (element, octets, time) in cases {
        let mut bench = Bench::new(&["timestamp_start"], Settings::default());
        bench.send(&one(
            &[field(*element, octets.len() as u16), field(ie::PACKET_DELTA_COUNT, 1)],
            &[octets, &[1][..]].concat(),
        ));
        assert_eq!(bench.column("timestamp_start"), [time.to_string()], "element {element}");
    }
}

#[test]
fn uptimes_have_whole_seconds_unless_fractions_are_enabled() {
    let record = V5Record { packets: 1, switched: [9_998_766, 9_999_999], ..V5Record::default() };
    for (fractions, start) in [(false, 1_699_999_999_000_000u64), (true, 1_699_999_998_766_000)] {
        let settings = Settings { uptime_fractions: fractions, ..Settings::default() };
        let mut bench = Bench::new(&["timestamp_start"], settings);
        bench.send(&v5(0, NOW, 10_000_000, 0, &[record]));
        assert_eq!(bench.column("timestamp_start"), [start.to_string()]);
    }
    // The uptime wrapped around between the flow's start and the export.
    let record = V5Record { switched: [u32::MAX - 4095, 500], ..record };
    let mut bench = Bench::new(&["timestamp_start"], Settings::default());
    bench.send(&v5(0, NOW, 1000, 0, &[record]));
    assert_eq!(bench.column("timestamp_start"), ["1699999995000000"]);
}

#[test]
fn a_bidirectional_record_becomes_two_rows() {
    let mut bench = Bench::new(&["src_host", "dst_host", "src_port", "dst_port"], Settings::default());
    let fields = [
        field(ie::SOURCE_IPV4_ADDRESS, 4),
        field(ie::DESTINATION_IPV4_ADDRESS, 4),
        field(ie::SOURCE_TRANSPORT_PORT, 2),
        field(ie::DESTINATION_TRANSPORT_PORT, 2),
        field(ie::PACKET_DELTA_COUNT, 4),
        field(ie::OCTET_DELTA_COUNT, 4),
        enterprise(29305, 2, 4),
        enterprise(29305, 1, 4),
    ];
    let record = [10, 0, 0, 1, 10, 0, 0, 2, 4, 0, 0, 80, 0, 0, 0, 3, 0, 0, 0, 30, 0, 0, 0, 5, 0, 0, 0, 50];
    bench.send(&one(&fields, &record));
    assert_eq!(bench.counters(), [(3, 30), (5, 50)]);
    assert_eq!(bench.column("src_host"), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(bench.column("dst_port"), ["80", "1024"]);
}

#[test]
fn data_are_kept_until_their_template_arrives() {
    let mut bench = Bench::new(&["src_port"], Settings::default());
    let template = Template::new(
        1,
        300,
        Kind::Data,
        vec![field(ie::SOURCE_TRANSPORT_PORT, 2), field(ie::PACKET_DELTA_COUNT, 4)],
    );
    bench.send(&Message::ipfix(1, 0, NOW).data(300, |w| _ = w.u16(7).u32(9)).finish());
    assert!(bench.rows.is_empty());
    bench.send(&Message::ipfix(1, 1, NOW).templates(&[&template]).finish());
    assert_eq!(bench.column("src_port"), ["7"]);
    let counts = bench.decoder.take_counts();
    assert_eq!((counts.sets_kept, counts.sets_recovered, counts.sequence_gaps), (1, 1, 0));
    assert!(matches!(bench.decoder.take_notices()[0], Notice::NoTemplate { id: 300, .. }));
}

#[test]
fn of_a_forwarded_datagram_only_the_templates_count() {
    let mut bench = Bench::new(&["src_port"], Settings::default());
    let fields = vec![field(ie::SOURCE_TRANSPORT_PORT, 2), field(ie::PACKET_DELTA_COUNT, 4)];
    let template = Template::new(1, 300, Kind::Data, fields);
    let exporter = [192, 0, 2, 1].into();
    let learn = |bench: &mut Bench, datagram: &[u8]| {
        bench.decoder.learn(exporter, datagram, &mut bench.rows, &mut bench.strings)
    };
    // An exporter without templates is not remembered.
    learn(&mut bench, &Message::ipfix(1, 70, NOW).data(300, |w| _ = w.u16(8).u32(9)).finish()).unwrap();
    learn(&mut bench, &Message::ipfix(1, 70, NOW).withdraw(300, false).finish()).unwrap();
    assert!(bench.decoder.is_empty());
    assert!(learn(&mut bench, &[0, 8]).is_err());
    bench.send(&Message::ipfix(1, 0, NOW).data(300, |w| _ = w.u16(7).u32(9)).finish());
    let both = Message::ipfix(1, 70, NOW).templates(&[&template]).data(300, |w| _ = w.u16(8).u32(9)).finish();
    learn(&mut bench, &both).unwrap();
    bench.send(&Message::ipfix(1, 1, NOW).data(300, |w| _ = w.u16(9).u32(9)).finish());
    assert_eq!(bench.column("src_port"), ["7", "9"]);
    let counts = bench.decoder.take_counts();
    assert_eq!((counts.sets_recovered, counts.sequence_gaps, counts.templates_new), (1, 0, 1));
    // A template of an exporter that was not heard of yet is kept.
    let other = [192, 0, 2, 2].into();
    bench.decoder.learn(other, &both, &mut bench.rows, &mut bench.strings).unwrap();
    assert_eq!((bench.decoder.len(), bench.decoder.templates(), bench.rows.len()), (2, 2, 2));
}

/// The templates file needs it to learn which templates are still in use.
#[test]
fn a_template_is_reported_once_a_day() {
    let mut bench = Bench::new(&["src_port"], Settings::default());
    let template = Template::new(
        1,
        300,
        Kind::Data,
        vec![field(ie::SOURCE_TRANSPORT_PORT, 2), field(ie::PACKET_DELTA_COUNT, 4)],
    );
    bench.decoder.restore_template("192.0.2.1".parse().unwrap(), template.clone());
    let mut reported = |days: u64| {
        bench.decoder.expire((20_000 + days) * 86_400_000_000);
        for _ in 0..3 {
            bench.send(&Message::ipfix(1, 0, NOW).templates(&[&template]).finish());
        }
        let counts = bench.decoder.take_counts();
        assert_eq!((counts.templates_new, counts.templates_changed), (0, 0));
        bench.decoder.take_notices().iter().filter(|notice| matches!(notice, Notice::Template { .. })).count()
    };
    assert_eq!([0, 0, 1, 1, 2].map(&mut reported), [1, 0, 1, 0, 1]);
}

#[test]
fn options_data_supply_names_and_sampling_rates() {
    let settings = Settings { renormalize: true, ..Settings::default() };
    let words = ["in_iface_name", "sampling_rate", "vrf_name", "mpls_vpn_rd", "class"];
    let mut bench = Bench::new(&words, settings);
    let options = |id, fields| Template::new(1, id, Kind::Options { scopes: 1 }, fields);
    let interfaces = options(400, vec![field(ie::INGRESS_INTERFACE, 4), field(ie::INTERFACE_NAME, VARIABLE)]);
    let samplers = options(
        401,
        vec![
            field(ie::SELECTOR_ID, 2),
            field(ie::SAMPLING_PACKET_INTERVAL, 4),
            field(ie::SAMPLING_PACKET_SPACE, 4),
        ],
    );
    let vrfs = options(402, vec![field(ie::INGRESS_VRF_ID, 4), field(ie::VRF_NAME, 8)]);
    let applications = options(403, vec![field(ie::APPLICATION_ID, 4), field(ie::APPLICATION_NAME, 8)]);
    let data = vec![
        field(ie::INGRESS_INTERFACE, 4),
        field(ie::SELECTOR_ID, 2),
        field(ie::INGRESS_VRF_ID, 4),
        field(ie::APPLICATION_ID, 4),
        field(ie::PACKET_DELTA_COUNT, 4),
        field(ie::OCTET_DELTA_COUNT, 4),
    ];
    let data = Template::new(1, 256, Kind::Data, data);
    bench.send(
        &Message::ipfix(1, 0, NOW)
            .templates(&[&interfaces, &samplers, &vrfs, &applications])
            .data(400, |w| variable(w.u32(7), b"xe-0/0/7"))
            .data(401, |w| _ = w.u16(3).u32(1).u32(99))
            .data(402, |w| _ = w.u32(20).put(b"red\0\0\0\0\0"))
            .data(403, |w| _ = w.u32(0x0300_0050).put(b"http\0\0\0\0"))
            .templates(&[&data])
            .data(256, |w| _ = w.u32(7).u16(3).u32(20).u32(0x0300_0050).u32(10).u32(1000))
            .finish(),
    );
    assert_eq!(bench.column("in_iface_name"), ["xe-0/0/7"]);
    assert_eq!((bench.counters(), bench.column("sampling_rate")), (vec![(1000, 100_000)], vec!["1".into()]));
    assert_eq!(bench.column("vrf_name"), ["red"]);
    assert_eq!(bench.column("mpls_vpn_rd"), ["vrfid:20"]);
    assert_eq!(bench.column("class"), ["http"]);
    assert_eq!(bench.decoder.take_counts().options_records, 4);
}

#[test]
fn the_vrf_is_that_of_the_observed_direction_and_the_global_table_leaves_it_to_the_other() {
    let mut bench = Bench::new(&["mpls_vpn_rd", "vrf_name"], Settings::default());
    let options = vec![
        field(ie::INGRESS_VRF_ID, 4),
        field(ie::EGRESS_VRF_ID, 4),
        field(ie::MPLS_VPN_ROUTE_DISTINGUISHER, 8),
        field(ie::VRF_NAME, 4),
    ];
    let vrfs = Template::new(1, 400, Kind::Options { scopes: 1 }, options);
    let data = vec![
        field(ie::INGRESS_VRF_ID, 4),
        field(ie::EGRESS_VRF_ID, 4),
        field(ie::FLOW_DIRECTION, 1),
        field(ie::PACKET_DELTA_COUNT, 4),
    ];
    let data = Template::new(1, 256, Kind::Data, data);
    let rd = |number: u8| [0, 0, 0, 1, 0, 0, 0, number];
    bench.send(
        &Message::ipfix(1, 0, NOW)
            .templates(&[&vrfs])
            .templates(&[&data])
            // One VRF may have two ids.
            .data(400, |w| _ = w.u32(7).u32(17).put(&rd(7)).put(b"red\0"))
            .data(400, |w| _ = w.u32(8).u32(18).put(&rd(8)).put(b"blue"))
            .data(400, |w| _ = w.u32(1).u32(1).put(&[0; 8]).put(b"dflt"))
            .finish(),
    );
    let mut vrf = |ingress: u32, egress: u32, direction: u8| {
        let record = Message::ipfix(1, 0, NOW).data(256, |w| _ = w.u32(ingress).u32(egress).u8(direction).u32(1));
        bench.send(&record.finish());
        (bench.column("mpls_vpn_rd").pop().unwrap(), bench.column("vrf_name").pop().unwrap())
    };
    let is = |rd: &str, name: &str| (rd.to_owned(), name.to_owned());
    assert_eq!(vrf(7, 8, 0), is("0:1:7", "red"));
    assert_eq!(vrf(7, 18, 1), is("0:1:8", "blue"));
    assert_eq!(vrf(7, 0, 1), is("0:1:7", "red"));
    assert_eq!(vrf(0, 17, 0), is("0:1:7", "red"));
    assert_eq!(vrf(1, 8, 0), is("0:1:8", "blue"));
    assert_eq!(vrf(1, 0, 0), is("0:0:0", "dflt"));
    assert_eq!(vrf(9, 0, 0), is("vrfid:9", ""));
}

#[test]
fn the_next_hop_is_that_of_bgp_or_of_the_top_label_or_of_ip() {
    let next_hop = |elements: &[u16], settings: Settings| {
        let mut bench = Bench::new(&["peer_dst_ip"], settings);
        let mut fields: Vec<_> = elements.iter().map(|element| field(*element, 4)).collect();
        fields.push(field(ie::PACKET_DELTA_COUNT, 4));
        let data = Template::new(1, 256, Kind::Data, fields);
        let elements = elements.to_vec();
        let fill = move |w: &mut wire::Writer| {
            elements.iter().for_each(|element| _ = w.put(&[10, 0, 0, *element as u8]));
            _ = w.u32(1);
        };
        bench.send(&Message::ipfix(1, 0, NOW).templates(&[&data]).data(256, fill).finish());
        bench.column("peer_dst_ip").pop().unwrap()
    };
    let (bgp, label, ip) =
        (ie::BGP_NEXT_HOP_IPV4_ADDRESS, ie::MPLS_TOP_LABEL_IPV4_ADDRESS, ie::IP_NEXT_HOP_IPV4_ADDRESS);
    assert_eq!(next_hop(&[ip, label, bgp], Settings::default()), "10.0.0.18");
    assert_eq!(next_hop(&[ip, label], Settings::default()), "10.0.0.47");
    assert_eq!(next_hop(&[ip], Settings::default()), "-");
    let with_ip = || Settings { use_ip_next_hop: true, ..Settings::default() };
    assert_eq!(next_hop(&[ip, label], with_ip()), "10.0.0.47");
    assert_eq!(next_hop(&[ip], with_ip()), "10.0.0.15");
}

#[test]
fn an_interval_of_zero_is_unknown_and_multiplies_nothing() {
    let settings = Settings { renormalize: true, ..Settings::default() };
    let mut bench = Bench::new(&["sampling_rate"], settings);
    bench.send(&one(
        &[field(ie::SAMPLING_INTERVAL, 4), field(ie::PACKET_DELTA_COUNT, 4), field(ie::OCTET_DELTA_COUNT, 4)],
        &[0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 50],
    ));
    assert_eq!((bench.counters(), bench.column("sampling_rate")), (vec![(5, 50)], vec!["0".into()]));
}

#[test]
fn records_without_counters_are_events() {
    let mut bench = Bench::new(&["nat_event"], Settings::default());
    bench.send(&one(&[field(ie::NAT_EVENT, 1)], &[4]));
    bench.send(&one(&[field(ie::NAT_EVENT, 1), field(ie::OCTET_DELTA_COUNT, 4)], &[4, 0, 0, 0, 9]));
    let event = bench.layout.offset(Field::Event).unwrap();
    assert_eq!(bench.rows.iter().map(|r| r.bytes()[event]).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(bench.counters(), [(0, 0), (0, 9)]);
}

#[test]
fn a_truncated_frame_needs_a_complete_ip_header() {
    let mut bench = Bench::new(&["src_host", "src_port"], Settings::default());
    let mut frame = vec![2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 8, 0];
    frame
        .extend([0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 53, 0, 54, 0, 40, 0, 0]);
    for cut in 0..=frame.len() {
        let mut octets = wire::Writer::new();
        variable(&mut octets, &frame[..cut]);
        bench.send(&one(&[field(ie::DATA_LINK_FRAME_SECTION, VARIABLE)], &octets.finish()));
    }
    // The IP header ends at octet 34, the ports at octet 38.
    assert_eq!(bench.rows.len(), frame.len() - 33);
    assert!(bench.column("src_host").iter().all(|host| host == "192.0.2.1"));
    assert_eq!(bench.column("src_port").iter().filter(|port| *port == "53").count(), frame.len() - 37);
    assert!(bench.counters().iter().all(|counters| *counters == (1, 60)));
}

#[test]
fn label_stacks_end_at_the_bottom_bit() {
    let words = ["mpls_label_top", "mpls_label_bottom", "mpls_label_stack"];
    let mut bench = Bench::new(&words, Settings::default());
    let fields = [
        field(ie::MPLS_TOP_LABEL_STACK_SECTION, 3),
        field(ie::MPLS_LABEL_STACK_SECTION2, 3),
        field(ie::MPLS_LABEL_STACK_SECTION3, 3),
        field(ie::PACKET_DELTA_COUNT, 1),
    ];
    bench.send(&one(&fields, &[0x03, 0xe8, 0x10, 0, 1, 0x81, 0, 0, 0xff, 1]));
    assert_eq!(bench.column("mpls_label_top"), ["16001"]);
    assert_eq!(bench.column("mpls_label_bottom"), ["24"]);
    let at = bench.layout.offset(Field::MplsLabelStack).unwrap();
    let id = bench.rows.iter().next().unwrap().bytes()[at..at + 4].try_into().unwrap();
    assert_eq!(bench.strings.get(u32::from_be_bytes(id)), [0x03, 0xe8, 0x10, 0, 1, 0x81]);
}
