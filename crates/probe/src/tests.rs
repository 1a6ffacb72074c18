//! What is exported is decoded again, and counts the same.

use crate::interfaces::{self, Direction};
use crate::options::About;
use crate::{Cache, Contents, Exporter, Precision, Settings, Timeouts, Version};
use aggregate::Table;
use flow::address;
use flow::column::Id;
use flow::custom;
use flow::row::{FieldSet, Layout};
use flow::schema::{At, ICMP_TYPE_CODE, Options, Schema, Selection};
use foldhash::fast::RandomState;
use netflow::datagram::{self, Body, Header, Set};
use netflow::record;
use netflow::template::{Kind, Record, Template};
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// 2026-11-30 08:53:20 UTC, in microseconds.
const NOW: u64 = 1_796_028_800_000_000;
const FIVE_TUPLE: &str = "src_host,dst_host,src_port,dst_port,proto,tos,tcpflags,in_iface,out_iface";

fn settings(version: Version) -> Settings {
    Settings {
        version,
        domain: 42,
        precision: Precision::default(),
        interfaces: interfaces::Settings::default(),
        peer_as: false,
        sampling: None,
        started_us: NOW - 10_000_000,
    }
}

fn schema(words: &str, customs: &str) -> Arc<Schema> {
    let (customs, problems) = custom::parse(customs);
    assert!(problems.is_empty(), "{problems:?}");
    let selection = Selection::parse(words.split(','), &customs).unwrap();
    let options = Options { first_and_last: true, icmp: true, ..Options::default() };
    let mut fields = FieldSet::default();
    selection.require(&options, &mut fields);
    let sizes: Vec<usize> = customs.iter().map(|custom| custom.semantics.kind().size()).collect();
    Arc::new(Schema::new(&selection, &customs, &Layout::new(&fields, &sizes), &options))
}

/// A table under construction.
struct Flows {
    schema: Arc<Schema>,
    table: Table,
}

impl Flows {
    fn new(schema: &Arc<Schema>) -> Self {
        Self { schema: Arc::clone(schema), table: Table::new(Arc::clone(schema), RandomState::default(), 0) }
    }

    /// Adds a flow: octets of columns by their name in JSON, and packets, bytes, first and last time.
    fn add(&mut self, fields: &[(&str, &[u8])], [packets, bytes, first, last]: [u64; 4]) {
        let mut key = vec![0u64; self.schema.key_words];
        let mut values: Vec<u64> = self.schema.values.iter().map(|_| 0).collect();
        values[0] = packets;
        values[1] = bytes;
        for column in &self.schema.columns {
            let field = fields.iter().find(|(name, _)| *name == column.json).map(|(_, octets)| *octets);
            match column.at {
                At::Key(at) => {
                    let octets = match field {
                        Some(text) if column.kind.is_interned() => {
                            self.table.strings_mut().intern(text).to_be_bytes().to_vec()
                        }
                        Some(octets) => octets.to_vec(),
                        None => continue,
                    };
                    let size = column.kind.size();
                    let key: &mut [u8] = bytemuck::cast_slice_mut(&mut key);
                    key[at + size - octets.len()..at + size].copy_from_slice(&octets);
                }
                At::Value(index) if column.id == Id::TimestampMin => values[index] = first,
                At::Value(index) if column.id == Id::TimestampMax => values[index] = last,
                At::Value(index) if column.id == Id::TcpFlags => values[index] = field.map_or(0, |f| f[0].into()),
                _ => {}
            }
        }
        self.table.add(&key, &values);
    }
}

fn ip(text: &str) -> [u8; 16] {
    address::octets(text.parse::<IpAddr>().unwrap())
}

/// Sends a table, and returns the datagrams.
fn export(settings: &Settings, flows: &Flows, limit: usize, about: &About) -> (Vec<Vec<u8>>, Contents) {
    let mut exporter = Exporter::new(settings.clone(), &flows.schema, limit);
    exporter.set_about(about.clone());
    let mut datagrams = Vec::new();
    let mut sum = Contents::default();
    let mut send = |datagram: crate::Datagram<'_>| {
        assert!(datagram.octets.len() <= limit);
        sum.flows += datagram.contents.flows;
        sum.packets += datagram.contents.packets;
        sum.bytes += datagram.contents.bytes;
        datagrams.push(datagram.octets.to_vec());
    };
    for flow in flows.table.iter() {
        exporter.add(flow.key, flow.values, flows.table.strings(), NOW, &mut send);
    }
    exporter.flush(NOW, &mut send);
    (datagrams, sum)
}

/// The octets of a record's elements, by enterprise and number.
type Decoded = HashMap<(u32, u16), Vec<u8>>;

#[derive(Default)]
struct Collector {
    templates: HashMap<u16, Template>,
    headers: Vec<Header>,
    flows: Vec<(u16, Decoded)>,
    options: Vec<Decoded>,
}

impl Collector {
    fn read(datagrams: &[Vec<u8>]) -> Self {
        let mut collector = Self::default();
        datagrams.iter().for_each(|octets| collector.datagram(octets));
        collector
    }

    fn datagram(&mut self, octets: &[u8]) {
        let datagram = datagram::open(octets).unwrap();
        self.headers.push(datagram.header);
        let Body::Sets(sets) = datagram.body else { panic!("sets") };
        for set in sets {
            self.set(set.unwrap());
        }
    }

    fn set(&mut self, set: Set<'_>) {
        match set {
            Set::Templates(templates) => {
                for template in templates {
                    let Record::Define(template) = template.unwrap() else { panic!("withdrawn") };
                    self.templates.insert(template.id, template);
                }
            }
            Set::Data { id, body, .. } => {
                let template = &self.templates[&id];
                for record in record::records(template, body) {
                    let fields = record::fields(template, record.unwrap());
                    let fields = fields.map(|(f, octets)| ((f.enterprise, f.element), octets.to_vec())).collect();
                    match template.kind {
                        Kind::Data => self.flows.push((id, fields)),
                        Kind::Options { .. } => self.options.push(fields),
                    }
                }
            }
        }
    }
}

fn a_tcp_flow(flows: &mut Flows, port: u16) {
    flows.add(
        &[
            ("ip_src", &ip("10.0.0.1")),
            ("ip_dst", &ip("10.0.0.2")),
            ("port_src", &port.to_be_bytes()),
            ("port_dst", &80u16.to_be_bytes()),
            ("ip_proto", &[6]),
            ("tos", &[8]),
            ("tcp_flags", &[27]),
        ],
        [4, 200, NOW - 5_000_123, NOW - 4_000_000],
    );
}

#[test]
fn a_flow_is_decoded_as_it_was_counted() {
    for version in [Version::V9, Version::Ipfix] {
        let mut flows = Flows::new(&schema(FIVE_TUPLE, ""));
        a_tcp_flow(&mut flows, 1000);
        let (datagrams, sum) = export(&settings(version), &flows, 1400, &About::default());
        assert_eq!(sum, Contents { flows: 1, packets: 4, bytes: 200 });
        let collector = Collector::read(&datagrams);
        let (template, flow) = &collector.flows[0];
        assert_eq!((*template, collector.headers[0].domain), (1024, 42));
        let number = |element| record::number(&flow[&(0, element)]);
        assert_eq!(
            [number(1), number(2), number(60), number(61), number(4), number(5), number(6)],
            [200, 4, 4, 0, 6, 8, 27]
        );
        assert_eq!(
            (flow[&(0, 8)].as_slice(), flow[&(0, 12)].as_slice()),
            (&[10, 0, 0, 1][..], &[10, 0, 0, 2][..])
        );
        assert_eq!((number(7), number(11)), (1000, 80));
        assert_eq!((number(152), number(153)), ((NOW - 5_000_123) / 1000, (NOW - 4_000_000) / 1000));
    }
}

#[test]
fn the_families_and_directions_have_templates_of_their_own() {
    let schema = schema("src_host,dst_host,src_mac,vlan,in_iface,out_iface", "");
    let mut flows = Flows::new(&schema);
    flows.add(
        &[("ip_src", &ip("2001:db8::1")), ("mac_src", &[1, 2, 3, 4, 5, 6]), ("vlan", &[0, 7])],
        [1, 57, NOW, NOW],
    );
    let ingress = export(&settings(Version::Ipfix), &flows, 1400, &About::default()).0;
    let (template, flow) = &Collector::read(&ingress).flows[0];
    assert_eq!((*template, record::number(&flow[&(0, 58)]), flow[&(0, 56)].len()), (2048, 7, 6));
    assert_eq!(flow[&(0, 27)], ip("2001:db8::1"));
    assert_eq!(flow[&(0, 28)], [0; 16]);
    let mut settings = settings(Version::Ipfix);
    settings.interfaces = interfaces::Settings {
        direction: Some(Direction::Out),
        ifindex: Some(interfaces::Ifindex::Fixed(12)),
        overrides: false,
    };
    let (template, flow) = &Collector::read(&export(&settings, &flows, 1400, &About::default()).0).flows[0];
    let number = |element| record::number(&flow[&(0, element)]);
    assert_eq!((*template, number(59), number(61), number(10), number(14)), (2049, 7, 1, 0, 12));
}

#[test]
fn type_and_code_of_icmp_are_the_destination_port() {
    let mut flows = Flows::new(&schema(FIVE_TUPLE, ""));
    flows.add(&[("ip_src", &ip("10.2.0.1")), ("ip_proto", &[1]), (ICMP_TYPE_CODE, &[8, 0])], [1, 36, NOW, NOW]);
    let (datagrams, _) = export(&settings(Version::V9), &flows, 1400, &About::default());
    assert_eq!(record::number(&Collector::read(&datagrams).flows[0].1[&(0, 11)]), 2048);
    let (datagrams, _) = export(&settings(Version::V5), &flows, 1400, &About::default());
    let Body::Records(records) = datagram::open(&datagrams[0]).unwrap().body else { panic!("records") };
    assert_eq!(records.octets[34..36], [8, 0]);
}

#[test]
fn tags_labels_and_custom_primitives_have_their_enterprise_numbers() {
    let customs = "name=ttl packet_ptr=l3:0x800+8 len=1 semantics=u_int field_type=192\n\
                   name=other packet_ptr=mac+0 len=6 semantics=raw field_type=43874:900";
    let mut flows = Flows::new(&schema("src_host,tag,tag2,label,ttl,other,mpls_label_top", customs));
    let fields: &[(&str, &[u8])] = &[
        ("ip_src", &ip("10.2.0.1")),
        ("tag", &[77]),
        ("tag2", &[88]),
        ("label", b"edge"),
        ("ttl", &[64]),
        ("other", &[2, 0, 0, 0, 0, 11]),
        ("mpls_label_top", &[0, 0, 1, 0]),
    ];
    flows.add(fields, [1, 36, NOW, NOW]);
    let (datagrams, _) = export(&settings(Version::Ipfix), &flows, 1400, &About::default());
    let flow = &Collector::read(&datagrams).flows[0].1;
    assert_eq!((record::number(&flow[&(43874, 1)]), record::number(&flow[&(43874, 2)])), (77, 88));
    assert_eq!((flow[&(43874, 3)].as_slice(), flow[&(0, 192)].as_slice()), (&b"edge"[..], &[64][..]));
    assert_eq!(flow[&(43874, 900)], [2, 0, 0, 0, 0, 11]);
    assert_eq!(flow[&(0, 70)], [0, 0x10, 0]);
    // v9 has neither enterprise numbers nor fields of variable length.
    let (datagrams, _) = export(&settings(Version::V9), &flows, 1400, &About::default());
    let flow = &Collector::read(&datagrams).flows[0].1;
    assert_eq!(record::number(&flow[&(0, 0x8001)]), 77);
    assert_eq!((flow[&(0, 0x8003)].len(), &flow[&(0, 0x8003)][..5]), (64, &b"edge\0"[..]));
}

#[test]
fn primitives_without_an_element_are_named() {
    let schema = schema("src_host,as_path,label", "");
    let exporter = Exporter::new(settings(Version::Ipfix), &schema, 1400);
    assert_eq!(exporter.unsupported(), ["as_path"]);
    let exporter = Exporter::new(settings(Version::V9), &schema, 1400);
    assert_eq!(exporter.unsupported(), ["as_path"]);
    let columns =
        self::schema("src_host,src_as,peer_dst_as,src_std_comm,class,tag,tag2,dst_port,timestamp_start", "");
    let by_tag = interfaces::Settings {
        direction: Some(Direction::By(interfaces::Tag::First)),
        ..interfaces::Settings::default()
    };
    let v5 = Settings { interfaces: by_tag, ..settings(Version::V5) };
    let exporter = Exporter::new(v5.clone(), &columns, 1400);
    assert_eq!(exporter.unsupported(), ["tag2", "class", "peer_dst_as", "src_std_comm", "timestamp_start"]);
    let exporter = Exporter::new(Settings { peer_as: true, ..v5 }, &columns, 1400);
    assert!(!exporter.unsupported().contains(&"peer_dst_as".to_owned()));
    let unsupported: Vec<&str> = crate::samples::unsupported(&columns).collect();
    assert_eq!(unsupported, ["class", "src_std_comm"]);
}

#[test]
fn applications_are_numbers_whose_names_precede_them() {
    let names: Vec<String> = (0..60).map(|number| format!("TLS/Application{number}")).collect();
    for version in [Version::V9, Version::Ipfix] {
        let mut flows = Flows::new(&schema("src_host,class,src_port", ""));
        for (number, name) in names.iter().chain(&names).enumerate() {
            let port = (number as u16).to_be_bytes();
            let fields: &[(&str, &[u8])] =
                &[("ip_src", &ip("10.2.0.1")), ("class", name.as_bytes()), ("port_src", &port)];
            flows.add(fields, [1, 36, NOW, NOW]);
        }
        let (datagrams, sum) = export(&settings(version), &flows, 1400, &About::default());
        assert_eq!(sum.flows, 120);
        // Datagram by datagram, so that a number without a name is seen.
        let (mut collector, mut known, mut seen) = (Collector::default(), HashMap::new(), 0);
        for octets in &datagrams {
            collector.datagram(octets);
            for options in collector.options.drain(..) {
                let name = options[&(0, 96)].split(|octet| *octet == 0).next().unwrap().to_vec();
                assert!(known.insert(options[&(0, 95)].clone(), name).is_none());
            }
            for (_, flow) in collector.flows.drain(..) {
                let number = usize::from(u16::from_be_bytes([flow[&(0, 7)][0], flow[&(0, 7)][1]]));
                assert_eq!(known[&flow[&(0, 95)]], names[number % 60].as_bytes());
                seen += 1;
            }
        }
        assert_eq!((seen, known.len()), (120, 60));
        // Every template and record is counted.
        let header = collector.headers.last().unwrap();
        if version == Version::V9 {
            assert_eq!(header.sequence as usize, datagrams.len());
        }
    }
}

#[test]
fn names_of_applications_are_repeated_after_a_time() {
    let mut flows = Flows::new(&schema("src_host,class", ""));
    flows.add(&[("ip_src", &ip("10.2.0.1")), ("class", b"DNS")], [1, 36, NOW, NOW]);
    let mut exporter = Exporter::new(settings(Version::Ipfix), &flows.schema, 1400);
    let mut collector = Collector::default();
    let mut names = |now: u64| {
        let mut send = |datagram: crate::Datagram<'_>| collector.datagram(datagram.octets);
        let flow = flows.table.iter().next().unwrap();
        exporter.add(flow.key, flow.values, flows.table.strings(), now, &mut send);
        exporter.flush(now, &mut send);
        collector.options.drain(..).filter(|options| options.contains_key(&(0, 96))).count()
    };
    assert_eq!([NOW, NOW + 1, NOW + 61_000_000].map(&mut names), [1, 0, 1]);
}

#[test]
fn communities_are_lists() {
    let words = "src_host,src_std_comm,std_comm,src_ext_comm,ext_comm,src_lrg_comm,lrg_comm";
    let mut flows = Flows::new(&schema(words, ""));
    let many: Vec<String> = (0..100).map(|number| format!("65000:{number}")).collect();
    let many = many.join(" ");
    let fields: &[(&str, &[u8])] = &[
        ("ip_src", &ip("10.2.0.1")),
        ("comms_src", b"65000:1"),
        ("comms", many.as_bytes()),
        ("ecomms", b"RT:65000:7"),
        ("lcomms_src", b"65000:2:3"),
    ];
    flows.add(fields, [1, 36, NOW, NOW]);
    let (datagrams, _) = export(&settings(Version::Ipfix), &flows, 1400, &About::default());
    let flow = &Collector::read(&datagrams).flows[0].1;
    let list = |element| flow[&(0, element)].as_slice();
    assert_eq!(list(484), [3, 1, 0xe3, 0, 4, 0xfd, 0xe8, 0, 1]);
    assert_eq!((list(485).len(), &list(485)[5..9]), (101, &[0xfd, 0xe8, 0, 0][..]));
    assert_eq!((list(487).len(), &list(488)[..5]), (5, &[3, 1, 0xe6, 0, 8][..]));
    assert_eq!(list(490), [3, 1, 0xe9, 0, 12, 0, 0, 0xfd, 0xe8, 0, 0, 0, 2, 0, 0, 0, 3]);
    assert_eq!(list(491), [3, 1, 0xe9, 0, 12]);
}

#[test]
fn options_data_tell_address_sampling_and_names() {
    let about = About { address: Some("192.0.2.7".parse().unwrap()), interfaces: vec![(3, "eth0".to_owned())] };
    for version in [Version::V9, Version::Ipfix] {
        let mut flows = Flows::new(&schema(FIVE_TUPLE, ""));
        a_tcp_flow(&mut flows, 1);
        let settings = Settings { sampling: Some(100), ..settings(version) };
        let (datagrams, _) = export(&settings, &flows, 1400, &about);
        let collector = Collector::read(&datagrams);
        let values = |element: u16| -> Vec<&[u8]> {
            collector.options.iter().filter_map(|o| o.get(&(0, element))).map(Vec::as_slice).collect()
        };
        assert_eq!(values(130), [&[192, 0, 2, 7]]);
        assert_eq!(values(34), [&[0, 0, 0, 100]]);
        assert!(values(82)[0].starts_with(b"eth0\0"));
        // Every template, options record and flow is counted in v9.
        let count = collector.templates.len() + collector.options.len() + collector.flows.len();
        if version == Version::V9 {
            assert_eq!(usize::from(collector.headers[0].count), count);
        }
    }
}

#[test]
fn sequence_numbers_count_what_the_version_counts() {
    let mut flows = Flows::new(&schema(FIVE_TUPLE, ""));
    (0..100).for_each(|port| a_tcp_flow(&mut flows, port));
    let sequences = |version| -> Vec<(u32, u16)> {
        let (datagrams, sum) = export(&settings(version), &flows, 1472, &About::default());
        assert_eq!(sum, Contents { flows: 100, packets: 400, bytes: 20_000 });
        let headers = datagrams.iter().map(|octets| datagram::open(octets).unwrap().header);
        headers.map(|header| (header.sequence, header.count)).collect()
    };
    assert_eq!(
        sequences(Version::V5),
        [(0, 30), (30, 30), (60, 30), (90, 10)].map(|(n, count)| (n, count as u16))
    );
    assert!(
        sequences(Version::V9).iter().map(|(sequence, _)| *sequence).eq(1..=sequences(Version::V9).len() as u32)
    );
    let (datagrams, _) = export(&settings(Version::Ipfix), &flows, 1400, &About::default());
    let mut collector = Collector::default();
    for octets in &datagrams {
        let before = collector.flows.len() as u32;
        collector.datagram(octets);
        assert_eq!(collector.headers.last().unwrap().sequence, before);
    }
}

#[test]
fn templates_are_repeated() {
    let mut flows = Flows::new(&schema(FIVE_TUPLE, ""));
    (0..1000).for_each(|port| a_tcp_flow(&mut flows, port));
    let (datagrams, _) = export(&settings(Version::Ipfix), &flows, 1400, &About::default());
    let with: Vec<usize> = (0..datagrams.len()).filter(|at| datagrams[*at][16..18] == [0, 2]).collect();
    assert_eq!(with[..2], [0, 20]);
}

#[test]
fn v5_times_are_right_for_recent_and_for_old_flows() {
    let schema = schema(FIVE_TUPLE, "");
    // Before the daemon started; and years before, as in a capture file.
    for age in [20_000_000, 1_000_000_000 * 86_400] {
        let mut flows = Flows::new(&schema);
        let (first, last) = (NOW - age, NOW - age + 1_234_000);
        flows.add(&[("ip_src", &ip("10.0.0.1")), ("ip_proto", &[17])], [2, 100, first, last]);
        let (datagrams, _) = export(&settings(Version::V5), &flows, 1400, &About::default());
        let datagram = datagram::open(&datagrams[0]).unwrap();
        let Header { export_secs, export_nanos, uptime_ms, .. } = datagram.header;
        let Body::Records(records) = datagram.body else { panic!("records") };
        let boot =
            u64::from(export_secs) * 1000 + u64::from(export_nanos) / 1_000_000 - u64::from(uptime_ms.unwrap());
        let time = |at: usize| boot + record::number(&records.octets[at..at + 4]);
        assert_eq!((time(24), time(28)), (first / 1000, last / 1000));
    }
}

#[test]
fn v5_leaves_out_ipv6() {
    let mut flows = Flows::new(&schema(FIVE_TUPLE, ""));
    flows.add(&[("ip_src", &ip("2001:db8::1"))], [1, 57, NOW, NOW]);
    a_tcp_flow(&mut flows, 1);
    let (datagrams, sum) = export(&settings(Version::V5), &flows, 1400, &About::default());
    assert_eq!((datagrams.len(), sum.flows), (1, 1));
}

#[test]
fn microseconds_survive() {
    for micros in [0, 1, 499_999, 999_999] {
        let mut flows = Flows::new(&schema(FIVE_TUPLE, ""));
        flows.add(&[("ip_src", &ip("10.0.0.1"))], [1, 57, NOW + micros, NOW + micros]);
        let settings = Settings { precision: Precision::Microseconds, ..settings(Version::Ipfix) };
        let (datagrams, _) = export(&settings, &flows, 1400, &About::default());
        let ntp = record::number(&Collector::read(&datagrams).flows[0].1[&(0, 154)]);
        let fraction = ((ntp & 0xffff_ffff) * 1_000_000) >> 32;
        assert_eq!((ntp >> 32) * 1_000_000 + fraction, NOW + micros + 2_208_988_800 * 1_000_000);
    }
}

fn cache(max_flows: usize, timeouts: &str) -> (Cache, Arc<Schema>) {
    let schema = schema(FIVE_TUPLE, "");
    (Cache::new(&schema, Timeouts::parse(timeouts).unwrap(), max_flows), schema)
}

#[test]
fn timeouts_depend_on_protocol_and_flags() {
    let (mut cache, schema) = cache(100, "tcp=100:tcp.fin=10:tcp.rst=5:udp=20:icmp=30:general=40:maxlife=1000");
    let mut flows = Flows::new(&schema);
    for (protocol, flags, idle) in [(6u8, 2u8, 100), (6, 3, 10), (6, 6, 5), (17, 0, 20), (1, 0, 30), (47, 0, 40)] {
        let port = u16::from(protocol) << 8 | u16::from(flags);
        let fields: &[(&str, &[u8])] =
            &[("ip_proto", &[protocol]), ("tcp_flags", &[flags]), ("port_src", &port.to_be_bytes())];
        flows.add(fields, [1, idle, NOW, NOW]);
    }
    cache.add(flows.table, &mut |_, _, _| panic!("none ends"));
    for (age, left) in [(4, 6), (5, 5), (10, 4), (20, 3), (30, 2), (40, 1), (100, 0)] {
        cache.expire(NOW + age * 1_000_000, &mut |_, values, _| assert_eq!(values[1], age));
        assert_eq!(cache.len(), left, "{age}");
    }
    assert!(Timeouts::parse("tcp=1:foo=2").is_err() && Timeouts::parse("tcp").is_err());
}

#[test]
fn a_flow_that_does_not_end_is_reported_at_its_maximum_age() {
    let (mut cache, schema) = cache(100, "maxlife=60");
    let mut flows = Flows::new(&schema);
    flows.add(&[("ip_proto", &[17])], [9, 900, NOW - 59_000_000, NOW]);
    cache.add(flows.table, &mut |_, _, _| panic!("none ends"));
    cache.expire(NOW, &mut |_, _, _| panic!("none ends"));
    let mut ended = 0;
    cache.expire(NOW + 1_000_000, &mut |_, values, _| ended += values[0]);
    assert_eq!((ended, cache.len()), (9, 0));
}

proptest! {
    #[test]
    fn the_bound_of_flows_costs_records_and_never_packets(
        rounds in prop::collection::vec(prop::collection::vec((0u16..200, 1u64..9, 0u64..50), 0..80), 1..8),
        max in 1usize..100,
    ) {
        let (mut cache, schema) = cache(max, "");
        let state = RandomState::default();
        let (mut given, mut ended) = ((0, 0), (0, 0));
        for round in &rounds {
            let mut flows = Flows::new(&schema);
            flows.table = Table::new(schema.clone(), state.clone(), 0);
            for (port, packets, time) in round {
                let fields: &[(&str, &[u8])] = &[("ip_proto", &[17]), ("port_src", &port.to_be_bytes())];
                flows.add(fields, [*packets, packets * 100, NOW + time, NOW + time]);
                given = (given.0 + packets, given.1 + packets * 100);
            }
            cache.add(flows.table, &mut |_, values, _| ended = (ended.0 + values[0], ended.1 + values[1]));
            prop_assert!(cache.len() <= max);
        }
        cache.drain(&mut |_, values, _| ended = (ended.0 + values[0], ended.1 + values[1]));
        prop_assert_eq!(ended, given);
    }

    #[test]
    fn any_limit_gives_datagrams_that_are_whole(count in 1u16..300, limit in 512usize..2000, v9: bool) {
        let version = if v9 { Version::V9 } else { Version::Ipfix };
        let mut flows = Flows::new(&schema(FIVE_TUPLE, ""));
        (0..count).for_each(|port| a_tcp_flow(&mut flows, port));
        let about = About { address: Some("2001:db8::1".parse().unwrap()), interfaces: vec![(1, "lo".to_owned())] };
        let (datagrams, sum) = export(&settings(version), &flows, limit, &about);
        let collector = Collector::read(&datagrams);
        prop_assert_eq!((collector.flows.len() as u64, sum.flows), (count.into(), count.into()));
        let bytes: u64 = collector.flows.iter().map(|(_, flow)| record::number(&flow[&(0, 1)])).sum();
        prop_assert_eq!(bytes, u64::from(count) * 200);
    }
}

#[test]
fn in_sessions_templates_are_in_the_announcement_alone() {
    let mut flows = Flows::new(&schema(FIVE_TUPLE, ""));
    a_tcp_flow(&mut flows, 1000);
    let mut exporter = Exporter::new(settings(Version::Ipfix), &flows.schema, 1400);
    exporter.leave_out_templates();
    let mut data = Vec::new();
    for flow in flows.table.iter() {
        let mut send = |datagram: crate::Datagram<'_>| data.push((datagram.octets.to_vec(), datagram.units));
        exporter.add(flow.key, flow.values, flows.table.strings(), NOW, &mut send);
        exporter.flush(NOW, &mut send);
    }
    let messages = |exporter: &mut Exporter, changes: bool| {
        let mut messages = Vec::new();
        let mut send = |datagram: crate::Datagram<'_>| messages.push(datagram.octets.to_vec());
        match changes {
            true => exporter.changes(NOW, &mut send),
            false => exporter.announcement(NOW, &mut send),
        }
        Collector::read(&messages)
    };
    let first = messages(&mut exporter, false);
    assert_eq!((first.templates.len(), first.options.len()), (2, 0));
    // An address becomes known: its options template is new, and the others are not repeated.
    let address = Some("192.0.2.1".parse().unwrap());
    assert!(exporter.set_about(About { address, interfaces: Vec::new() }));
    let changes = messages(&mut exporter, true);
    assert_eq!((changes.templates.len(), changes.options.len()), (1, 1));
    assert!(!exporter.set_about(About { address, interfaces: Vec::new() }));
    let second = messages(&mut exporter, false);
    assert_eq!((second.templates.len(), second.options.len()), (3, 1));
    // The message of data is read with the templates of the announcement.
    let (mut octets, units) = data.remove(0);
    crate::exporter::renumber(Version::Ipfix, &mut octets, 4711);
    let mut collector = second;
    collector.datagram(&octets);
    assert_eq!((data.len(), units, collector.flows.len()), (0, 1, 1));
    assert_eq!(collector.headers.last().map(|header| header.sequence), Some(4711));
}

#[test]
fn sequence_numbers_are_overwritten_in_every_version() {
    for (version, expected) in [(Version::V5, 1), (Version::V9, 1), (Version::Ipfix, 1)] {
        let mut flows = Flows::new(&schema(FIVE_TUPLE, ""));
        a_tcp_flow(&mut flows, 1000);
        let (mut datagrams, _) = export(&settings(version), &flows, 1400, &About::default());
        crate::exporter::renumber(version, &mut datagrams[0], 77);
        let header = datagram::open(&datagrams[0]).unwrap().header;
        assert_eq!((header.sequence, datagrams.len()), (77, expected));
    }
}
