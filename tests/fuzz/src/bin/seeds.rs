//! Writes seeds for the targets: valid traffic, frames and configurations.

use bgp::attribute::{AttributeSetBuf, Origin, SegmentType};
use bgp::nlri::{Labels, Nlri, Opaque};
use bgp::update::{Encoder, Entry, Families, Session};
use bgp::{capability, message, open};
use bmp::code::{DownReason, MessageType};
use bmp::frame::Version as BmpVersion;
use bmp::information::{Initiation, Termination};
use bmp::message::Message as Bmp;
use bmp::mirroring::RouteMirroring;
use bmp::peer::{PeerFlags, PeerHeader};
use bmp::peer_down::PeerDown;
use bmp::peer_up::PeerUp;
use bmp::route_monitoring::RouteMonitoring;
use bmp::statistics::{CounterBuf, StatisticType, Statistics};
use bmp::tlv::{Tlv, TlvBuf, Tlvs};
use bmp::v4::CodePoints;
use netflow::encode::{Message, field, variable};
use netflow::template::{Kind, Template, VARIABLE};
use prost::Message as _;
use query::Request;
use rpki::Vrp;
use rpki::rtr::{Aspa, Pdu, Providers, Version};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::{fs, io};
use telemetry::Encoding;
use telemetry::udp_notif::{Datagram, Segment};
use dtls::hello::ClientHello;
use dtls::{Client, ClientContext, Peer};
use telemetry_gpb::messages::cisco::TelemetryField;
use telemetry_gpb::messages::cisco::telemetry::NodeId;
use telemetry_gpb::messages::cisco::telemetry_field::ValueByType;
use telemetry_gpb::messages::gnmi::typed_value::Value as Typed;
use telemetry_gpb::messages::{cisco, gnmi, huawei, openconfig};
use testkit::capture_file;
use testkit::frames::{self, ETHERNET, IPV4, TCP, UDP, capture};
use testkit::traffic::{self, Flows, Stream};
use wire::{Afi, Asn, Community, ExtendedCommunity, LargeCommunity, Prefix, RouteDistinguisher, Safi, Writer};

const NOW: u32 = 1_700_000_000;
/// Bytes of a capture file before its first frame.
const PCAP_HEAD: usize = 24 + 16;

fn options() -> Vec<u8> {
    let template = |id, fields| Template::new(1, id, Kind::Options { scopes: 1 }, fields);
    let interfaces = template(400, vec![field(10, 4), field(82, VARIABLE)]);
    let samplers = template(401, vec![field(302, 2), field(305, 4), field(306, 4)]);
    Message::ipfix(1, 0, NOW)
        .templates(&[&interfaces, &samplers])
        .data(400, |w| {
            w.u32(7);
            variable(w, b"xe-0/0/7");
        })
        .data(401, |w| _ = w.u16(3).u32(1).u32(99))
        .withdraw(400, true)
        .finish()
}

/// What the target `bgp_families` decodes, in hexadecimal: the octet that selects the decoder, and an NLRI or the value of an attribute.
const BGP_FAMILIES: &[(&str, &str)] = &[
    ("evpn-1", "00011900010a000001006400112233445566778899ffffffff000641"),
    ("evpn-2", "00022800010a000001006400112233445566778899000000053002005e10000120c0000201002710000321"),
    ("evpn-5", "00052200010a0000010064001122334455667788990000000018c00002000a000009000641"),
    ("evpn-7", "00072600010a0000010064001122334455667788990000000720c000020120ef010101200a00000104"),
    ("evpn-11", "000b18031100010a000001006400000000200a000001200a000002"),
    ("vpls", "0100110000fde900000001000700010008000641"),
    ("mcast-vpn", "0207160000fde9000000010000fde920c000020120ef010101"),
    ("flowspec-v4", "03120118c000020218cb0071040389458b911f90"),
    ("flowspec-v6", "040f016840123456789a02200020010db8"),
    ("route-target", "07600000fde90002fde900000005"),
    ("sr-policy", "086000000001000000640a000009"),
    ("link-state", "09000100270200000000000000000100001a020000040000fde9020100040000000002030006000000000001"),
    ("pmsi", "400002000641060001040a000001000701000400000009"),
    (
        "tunnel",
        "41000f002c0c060000000000640d06000003e8000081000500706174688000110009060000000000010106000003e81000",
    ),
    ("link-state-attribute", "42044b0007300a0000003e80048600086000000000000001040f000c800100640411000400000001"),
    ("prefix-sid", "430500220001001e0020010db800010000000000000000000000001300010006281810001040"),
];

fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn write(folder: &Path, target: &str, name: &str, octets: &[u8]) -> io::Result<()> {
    let folder = folder.join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), octets)
}

/// Announcements and withdrawals of each kind of NLRI, with most attributes, after the octet of the target `bgp_update`.
fn updates() -> Vec<(String, Vec<u8>)> {
    let attributes = AttributeSetBuf::new()
        .origin(Origin::Egp)
        .segments(&[
            (SegmentType::AS_CONFED_SEQUENCE, &[Asn(65_100)]),
            (SegmentType::AS_SEQUENCE, &[Asn(65_001), Asn(4_200_000_001)]),
            (SegmentType::AS_SET, &[Asn(65_010), Asn(65_011)]),
        ])
        .next_hop([10, 0, 0, 1].into())
        .med(50)
        .local_pref(200)
        .atomic_aggregate()
        .aggregator(Asn(4_200_000_001), [10, 0, 0, 2].into())
        .communities(&[Community(1), Community::NO_EXPORT])
        .originator_id([10, 0, 0, 3].into())
        .cluster_list(&[[10, 0, 0, 4].into()])
        .extended_communities(&[ExtendedCommunity([0, 2, 0xfd, 0xe9, 0, 0, 0, 5])])
        .large_communities(&[LargeCommunity { global: Asn(65_536), local1: 1, local2: 2 }])
        .aigp(77)
        .otc(Asn(65_001));
    let (v4, v6) = (Prefix::host([192, 0, 2, 1].into()), Prefix::host([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()));
    let (rd, labels) = (RouteDistinguisher([0, 0, 0xfd, 0xe9, 0, 0, 0, 1]), Labels::new(&[0, 6, 0x41]));
    let mut updates = Vec::new();
    for agreed in 0..4 {
        for (afi, safi, nlri) in [
            (Afi::IPV4, Safi::UNICAST, Nlri::Unicast(v4)),
            (Afi::IPV6, Safi::UNICAST, Nlri::Unicast(v6)),
            (Afi::IPV4, Safi::LABELED_UNICAST, Nlri::Labelled { labels, prefix: v4 }),
            (Afi::IPV6, Safi::MPLS_VPN, Nlri::Vpn { rd, labels, prefix: v6 }),
            (Afi::L2VPN, Safi::EVPN, Nlri::Other(Opaque::new(&[3, 2, 1, 2]))),
            (Afi::IPV4, Safi::FLOWSPEC, Nlri::Other(Opaque::new(&[3, 1, 8, 10]))),
            (Afi::BGP_LS, Safi::BGP_LS, Nlri::Other(Opaque::new(&[0, 1, 0, 1, 7]))),
        ] {
            let families = [(afi, safi)].into_iter().filter(|_| agreed & 2 != 0).collect::<Families>();
            let session = Session { asn4: agreed & 1 != 0, add_path: families, ..Session::default() };
            let encoder = Encoder::new(&session);
            let entries = || (1..4).map(|id| Entry { path_id: Some(id), nlri });
            let bodies = [
                encoder.announce(afi, safi, attributes.as_set(), entries()),
                encoder.withdraw(afi, safi, entries()),
            ];
            for (kind, body) in ["announce", "withdraw"].into_iter().zip(bodies.into_iter().flatten().flatten()) {
                updates.push((format!("{afi}-{safi}-{kind}-{agreed}"), [&[agreed], &body[..]].concat()));
            }
        }
    }
    updates
}

/// Messages of each vendor after the octet of the target `telemetry_gpb` that selects the decoder.
fn telemetry_gpb_messages() -> Vec<(&'static str, Vec<u8>)> {
    let leaf = |name: &str, value| TelemetryField {
        name: name.to_owned(),
        value_by_type: Some(value),
        ..TelemetryField::default()
    };
    let leaves = vec![
        leaf("text", ValueByType::StringValue("a\"b".to_owned())),
        leaf("octets", ValueByType::BytesValue(vec![0xff])),
        leaf("counter", ValueByType::Uint64Value(u64::MAX)),
        leaf("offset", ValueByType::Sint64Value(-1)),
        leaf("ratio", ValueByType::DoubleValue(0.5)),
        leaf("power", ValueByType::FloatValue(f32::NAN)),
    ];
    let content = TelemetryField { name: "content".to_owned(), fields: leaves, ..TelemetryField::default() };
    let row = TelemetryField { timestamp: 1, fields: vec![content], ..TelemetryField::default() };
    let key_value = cisco::Telemetry {
        node_id: Some(NodeId::NodeIdStr("r".to_owned())),
        encoding_path: "a:b".to_owned(),
        collection_id: 1,
        data_gpbkv: vec![row],
        ..cisco::Telemetry::default()
    };
    let compact = cisco::TelemetryRowGpb { timestamp: 1, keys: vec![1], content: vec![2] };
    let compact = cisco::Telemetry {
        data_gpb: Some(cisco::TelemetryGpbTable { row: vec![compact] }),
        ..cisco::Telemetry::default()
    };
    let key = [("name".to_owned(), "x]".to_owned())].into();
    let elem = vec![gnmi::PathElem { name: "a".to_owned(), key }];
    let path = gnmi::Path { elem: elem.clone(), origin: "o".to_owned(), ..gnmi::Path::default() };
    let counters = openconfig::Counters { in_octets: 1, out_octets: 2 };
    let state = openconfig::State { admin_status: 2, counters: Some(counters), ..openconfig::State::default() };
    let interface = openconfig::Interface { name: "e".to_owned(), state: Some(state) };
    let content = openconfig::Interfaces { interface: vec![interface] }.encode_to_vec();
    let table = huawei::TelemetryGpbTable {
        row: vec![huawei::TelemetryRowGpb { timestamp: 1, content }],
        delete: vec![huawei::DataPath { timestamp: 1, path: Some(huawei::Path { node: elem }) }],
        generator: Some(huawei::Generator { generator_id: 1, generator_sn: 2, generator_sync: true }),
    };
    let huawei = |proto_path: &str| huawei::Telemetry {
        proto_path: proto_path.to_owned(),
        data_str: "{}".to_owned(),
        data_gpb: Some(table.clone()),
        ..huawei::Telemetry::default()
    };
    let value = |value| Some(gnmi::TypedValue { value: Some(value) });
    let array = gnmi::ScalarArray { element: value(Typed::IntVal(-1)).into_iter().collect() };
    let values = [
        Typed::JsonIetfVal(b"{\"a\": [1]}".to_vec()),
        Typed::LeaflistVal(array),
        Typed::DecimalVal(gnmi::Decimal64 { digits: -12, precision: 1 }),
        Typed::AnyVal(gnmi::Any { type_url: "t".to_owned(), value: vec![1] }),
        Typed::DoubleVal(1e300),
    ];
    let update = |typed| gnmi::Update { path: Some(path.clone()), val: value(typed), ..gnmi::Update::default() };
    let notification = gnmi::Notification {
        timestamp: 1,
        prefix: Some(path.clone()),
        update: values.into_iter().map(update).collect(),
        delete: vec![path.clone()],
        atomic: true,
        ..gnmi::Notification::default()
    };
    let header = gnmi::JuniperHeader { system_id: "r".to_owned(), eom: true, ..gnmi::JuniperHeader::default() };
    let registered_ext = Some(gnmi::RegisteredExtension { id: 1, msg: header.encode_to_vec() });
    let response = gnmi::SubscribeResponse {
        response: Some(gnmi::subscribe_response::Response::Update(notification)),
        extension: vec![gnmi::Extension { registered_ext }],
    };
    vec![
        ("cisco-key-value", [&[0], &key_value.encode_to_vec()[..]].concat()),
        ("cisco-compact", [&[1], &compact.encode_to_vec()[..]].concat()),
        ("huawei-decoded", [&[2], &huawei("openconfig_interfaces.Interfaces").encode_to_vec()[..]].concat()),
        ("huawei-compact", [&[2], &huawei("x").encode_to_vec()[..]].concat()),
        ("gnmi-juniper", [&[3], &response.encode_to_vec()[..]].concat()),
        ("gnmi-nokia", [&[4], &response.encode_to_vec()[..]].concat()),
        ("gnmi-notification", [&[5], &response.encode_to_vec()[..]].concat()),
        ("json", b"\x06{\"a\": [1, true, null, \"\\u0000\"]}".to_vec()),
    ]
}

/// The first hello of a client, and the second, which has a cookie.
fn dtls_hellos() -> [(&'static str, Vec<u8>); 2] {
    let context = ClientContext::new(None, None).expect("a context");
    let mut client = Client::new(&context, &Peer::Anyone).expect("a client");
    let hello = |client: &mut Client| {
        let mut hello = Vec::new();
        client.flush(|datagram| hello.extend_from_slice(datagram));
        hello
    };
    let first = hello(&mut client);
    let mut answer = Vec::new();
    ClientHello::read(&first).expect("a hello").write_verify_request(&[7; 32], &mut answer);
    client.receive(&answer);
    let second = hello(&mut client);
    [("first", first), ("second", second)]
}

/// Frames with a datagram, fragments of one, and segments of two connections, of which some are out of order, repeated or missing.
fn captured() -> Vec<Vec<u8>> {
    let ends = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
    let ip = |protocol, contents: &[u8]| frames::ethernet(IPV4, &frames::ipv4(protocol, ends[0], ends[1], contents));
    let segment =
        |port, sequence, flags, octets: &[u8]| ip(TCP, &frames::tcp_at(port, 4739, sequence, flags, octets));
    let datagram = frames::udp(9, 2055, &[7; 40]);
    let part =
        |offset, more, octets: &[u8]| frames::ethernet(IPV4, &frames::part(UDP, ends[0], ends[1], (5, offset, more), octets));
    vec![
        ip(UDP, &datagram),
        part(24, false, &datagram[24..]),
        part(0, true, &datagram[..24]),
        segment(1, u32::MAX, 2, &[]),
        segment(1, 4, 0, b"efgh"),
        segment(1, 0, 0, b"abcd"),
        segment(1, 4, 0, b"efgh"),
        segment(1, 12, 1, b"end"),
        segment(2, 1, 0, b"no begin"),
        segment(2, 9, 4, &[]),
        segment(2, 50, 2, b"again"),
    ]
}

/// A file in the format pcapng, in big-endian byte order.
fn pcapng(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u32(0x0a0d_0d0a).u32(28).u32(0x1a2b_3c4d).u16(1).u16(0).u64(u64::MAX).u32(28);
    w.u32(1).u32(20).u16(ETHERNET as u16).u16(0).u32(65_535).u32(20);
    for frame in frames {
        let padded = frame.len().next_multiple_of(4);
        let (length, total) = (frame.len() as u32, 32 + padded as u32);
        w.u32(6).u32(total).u32(0).u64(1_700_000_000_000_000).u32(length).u32(length).put(frame);
        w.put(&[0; 4][..padded - frame.len()]).u32(total);
    }
    w.finish()
}

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let ends: [SocketAddrV4; 2] =
        [([192, 0, 2, 1], 9), ([192, 0, 2, 2], 2055)].map(|(ip, port)| SocketAddrV4::new(ip.into(), port));
    for (name, message) in telemetry_gpb_messages() {
        write(&folder, "telemetry_gpb", name, &message)?;
    }
    for (name, version) in
        [("v5", traffic::Version::V5), ("v9", traffic::Version::V9), ("ipfix", traffic::Version::Ipfix)]
    {
        let flows: Vec<_> = Flows::new(1).take(12).collect();
        let mut datagrams = Stream::new(version, 1, NOW).datagrams(&flows);
        datagrams.push(options());
        let mut sequence = Vec::new();
        for (number, datagram) in datagrams.iter().enumerate() {
            let head = datagram.len() as u16 | (number as u16 % 2) << 15;
            sequence.extend(head.to_be_bytes());
            sequence.extend(datagram);
            write(&folder, "template", &format!("{name}-{number}"), datagram)?;
            let file = capture_file::pcap(NOW, &[(ends[0], ends[1], datagram)]);
            write(&folder, "packet", &format!("{name}-{number}"), &[&[1], &file[PCAP_HEAD..]].concat())?;
        }
        write(&folder, "netflow", name, &sequence)?;
        write(&folder, "tee", name, &[&[0], &sequence[..]].concat())?;
        if name == "ipfix" {
            write(&folder, "ipfix_stream", name, &[&[100, 7], &datagrams.concat()[..]].concat())?;
        }
    }
    let frames = captured();
    write(&folder, "capture_file", "pcap", &capture(ETHERNET, (0..).zip(&frames)))?;
    write(&folder, "capture_file", "pcapng", &pcapng(&frames))?;
    for (name, datagram) in dtls_hellos() {
        write(&folder, "dtls_hello", name, &datagram)?;
    }
    for (name, text) in BGP_FAMILIES {
        write(&folder, "bgp_families", name, &octets(text))?;
    }
    let lines = "\0! seed\nplugins: print[p], memory[m]\naggregate[p]: src_host, dst_host, proto\n\
        print_output[p]: json\nprint_refresh_time[p]: 10\nprint_history[p]: 5m\nimt_path[m]: /tmp/m\nnfacctd_port: 2055\n";
    write(&folder, "config", "seed", lines.as_bytes())?;
    for (name, octets) in updates() {
        write(&folder, "bgp_update", &name, &octets)?;
    }
    let streams = bmp().map_err(|error| io::Error::other(error.to_string()))?;
    for (number, (name, octets)) in streams.iter().enumerate() {
        write(&folder, "bmp", &format!("{name}-{number}"), octets)?;
    }
    for (name, octets) in openbmp(&streams) {
        write(&folder, "openbmp", name, &octets)?;
    }
    for (name, exporter) in [("v4", "192.0.2.1:1024"), ("v6", "[2001:db8::1]:1024")] {
        let header =
            exporter.parse().ok().and_then(|exporter| tee::header::Header::message(exporter, b"datagram"));
        let header = header.ok_or_else(|| io::Error::other("no headers"))?;
        write(&folder, "broker_message", name, &[header.octets(), b"datagram"].concat())?;
    }
    let mut request = Vec::new();
    Request::default().write(&mut request)?;
    write(&folder, "query", "seed", &request)?;
    let replies = b"\x80+OK\r\n-NOAUTH Authentication required.\r\n:1\r\n$2\r\n42\r\n$-1\r\n\
        *2\r\n$1\r\n0\r\n*2\r\n$3\r\na+1\r\n$3\r\nb+1\r\n*-1\r\n";
    write(&folder, "redis", "seed", replies)?;
    for version in 0..=2 {
        write(&folder, "rtr", &format!("v{version}"), &rtr(version))?;
    }
    let roas = r#"{"metadata": {"vrps": 2}, "roas": [{"asn": 64496, "prefix": "192.0.2.0/24", "maxLength": 25, "expires": 1},
        {"asn": "AS64497", "prefix": "2001:db8::/32", "maxLength": 48, "ta": "t"}, {"asn": -1}, []]}"#;
    write(&folder, "roas", "seed", roas.as_bytes())?;
    for (target, name, octets) in telemetry() {
        write(&folder, target, name, &octets)?;
    }
    Ok(())
}

/// Inputs of the three targets for telemetry: target, name and octets.
fn telemetry() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let started = r#"{"ietf-yp-notification:envelope":{"hostname":"r","contents":{
        "ietf-subscribed-notifications:subscription-started":{"id":7,"x":[-1.5e3,true,null,"\ud83d\ude00\n"]}}}}"#;
    let updated =
        r#"{"ietf-yp-notification:envelope":{"hostname":"r","contents":{"ietf-yang-push:push-update":{"id":7}}}}"#;
    let sids = r#"{"ietf-sid-file:sid-file":{"module-name":"m","item":[
        {"namespace":"data","identifier":"/m:a/n:b","sid":"1"},{"namespace":"identity","identifier":"i","sid":2}]}}"#;
    let framed = |head: &[u8], text: &str| [head, &(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
    let v0 = [framed(&[0, 0, 0, 3], started), framed(&[0, 0, 0, 1], ""), framed(&[0, 0, 0, 4], updated)].concat();
    let v1 = [framed(&[0, 1, 0, 2, 0, 1, 0, 0], started), framed(&[0, 1, 0, 9, 0, 1, 0, 0], updated)].concat();
    // "{}" twice in one zlib stream.
    let zlib = octets("7801aaae05000000ffffaaae05000000ffff");
    let (first, second) = zlib.split_at(10);
    let compressed = [&[0, 0, 0, 2, 0, 0, 0, 10][..], first, &[0, 0, 0, 2, 0, 0, 0, 8], second].concat();
    let stream = |framing: u8, octets: &[u8]| [&[framing, 255, 7, 40], octets].concat();
    let datagram = |message, segment: Option<(u16, bool)>, payload: &str| {
        let segment = segment.map(|(number, is_last)| Segment { number, is_last });
        let payload = payload.as_bytes();
        let mut octets = vec![0, 1, 0];
        Datagram { encoding: Encoding::Json, publisher: 1, message, segment, payload }.write(&mut octets);
        octets[2] = (octets.len() - 3) as u8;
        octets
    };
    let segments = [
        datagram(1, None, updated),
        datagram(2, Some((1, false)), "bc"),
        datagram(3, Some((0, false)), "AB"),
        datagram(2, Some((2, true)), "de"),
        datagram(2, Some((0, false)), "a"),
        datagram(3, Some((0, false)), "AB"),
    ];
    let legacy = [&[2, 200, 14, 0, 2, 0, 14, 0, 0, 0, 1, 0, 0, 0, 1][..], b"{}"].concat();
    let payload = |kind: u8, octets: &[u8]| [&[kind], octets].concat();
    let cbor = "bf6161a2016174208201c48221190101d82d036162fb3ff199999999999a61635f4201024103ff61647f6161ffff";
    vec![
        ("telemetry_stream", "json", stream(0, [started, updated].join("\n").as_bytes())),
        ("telemetry_stream", "cisco_v0", stream(1, &v0)),
        ("telemetry_stream", "cisco_v0_compressed", stream(1, &compressed)),
        ("telemetry_stream", "cisco_v1", stream(2, &v1)),
        ("telemetry_udp_notif", "segments", segments.concat()),
        ("telemetry_udp_notif", "legacy", legacy),
        ("telemetry_payload", "started", payload(0, started.as_bytes())),
        ("telemetry_payload", "updated", payload(0, updated.as_bytes())),
        ("telemetry_payload", "text", payload(1, b"{\"a\" : 1}\n")),
        ("telemetry_payload", "xml", payload(2, b"<a b=\"1\"/>")),
        ("telemetry_payload", "gpb", payload(3, &[7; 60])),
        ("telemetry_payload", "cbor", payload(4, &octets(cbor))),
        ("telemetry_payload", "sids", payload(5, sids.as_bytes())),
    ]
}

/// A full transfer, a notification, and changes, after the three octets that the target takes.
fn rtr(number: u8) -> Vec<u8> {
    let version = Version::of_number(number).unwrap_or(Version::V0);
    let session = 77;
    let vrp = |prefix: &str, max, asn| Vrp::new(prefix.parse().unwrap_or_default(), max, Asn(asn));
    let records = [vrp("192.0.2.0/24", 24, 64_496), vrp("2001:db8::/32", 48, 64_497)];
    let prefix = |announce| move |vrp: Vrp| Pdu::Prefix { announce, vrp };
    let mut pdus = vec![Pdu::CacheResponse { session }];
    pdus.extend(records.into_iter().flatten().map(prefix(true)));
    if version >= Version::V1 {
        pdus.push(Pdu::RouterKey { announce: true, identifier: [7; 20], asn: Asn(64_496), key: &[1, 2, 3] });
    }
    if version >= Version::V2 {
        let providers = Providers::new(&[0, 0, 0, 1, 0, 0, 0, 2]);
        let aspa = Aspa { announce: true, family: None, customer: Asn(64_496), providers };
        pdus.push(Pdu::Aspa(aspa));
        pdus.push(Pdu::Aspa(Aspa { family: Some(Afi::IPV4), ..aspa }));
    }
    pdus.push(Pdu::EndOfData { session, serial: 5, intervals: None });
    pdus.push(Pdu::SerialNotify { session, serial: 6 });
    pdus.push(Pdu::CacheResponse { session });
    pdus.extend(records.into_iter().flatten().take(1).map(prefix(false)));
    pdus.push(Pdu::EndOfData { session, serial: 6, intervals: None });
    let mut w = Writer::new();
    w.u8(number).u8(200).u8(0);
    pdus.iter().for_each(|pdu| pdu.write(version, &mut w));
    w.finish()
}

/// Streams of routers, after the two octets that the target takes: all messages in both versions, and PROXY headers.
fn bmp() -> Result<Vec<(&'static str, Vec<u8>)>, wire::TooLong> {
    let id = Ipv4Addr::new(10, 0, 0, 1);
    let open = |asn: u32| {
        let add_path = capability::AddPath { afi: Afi::IPV4, safi: Safi::UNICAST, receive: true, send: true };
        let mut open = open::Builder::new(Asn(asn), 180, id);
        open.capabilities(|w| {
            capability::write_four_octet_as(w, Asn(asn));
            _ = capability::write_list(w, capability::Code::ADD_PATH, &[add_path]);
        });
        open.finish()
    };
    let (sent, received) = (open(64_512)?, open(65_001)?);
    let whole = |octets| message::Message::first(octets, true).ok().flatten();
    // 198.51.100.0/24 with path identifier 1 by AS 65001, 192.0.2.1.
    let body = b"\0\0\0\x14\x40\x01\x01\0\x40\x02\x06\x02\x01\0\0\xfd\xe9\x40\x03\x04\xc0\0\x02\x01\0\0\0\x01\x18\xc6\x33\x64";
    let (mut update, mut notification) = (Vec::new(), Vec::new());
    message::write(&mut update, message::MessageType::UPDATE, body);
    message::write(&mut notification, message::MessageType::NOTIFICATION, &[6, 2]);
    let (Some(sent), Some(received), Some(update)) = (whole(&sent), whole(&received), whole(&update)) else {
        return Ok(Vec::new());
    };
    let mut information = TlvBuf::new(false);
    information.text(0, "free text")?.text(1, "a router")?.text(2, "r1")?.text(3, "blue")?;
    information.add(Tlv { enterprise: Some(32_473), ..Tlv::new(77, b"x") })?;
    let mut reason = TlvBuf::new(false);
    reason.add(Tlv::new(1, &[0, 4]))?.text(0, "bye")?;
    let mut mirrored = TlvBuf::new(false);
    mirrored.add(Tlv::new(1, &[0, 1]))?.add(Tlv::new(0, update.octets()))?;
    let mut marks = TlvBuf::new(true);
    marks.add(Tlv::new(1, &[65, 4, 0, 0, 0xfd, 0xe9]))?.add(Tlv::new(3, b"blue"))?;
    marks.add(Tlv { index: 0x8001, ..Tlv::new(2, &[0, 1, 0, 2]) })?;
    marks.add(Tlv { index: 1, ..Tlv::new(5, &[0, 0, 0, 2, 0, 1]) })?;
    let mut counters = CounterBuf::new();
    counters.counter(StatisticType(0), 7).gauge(StatisticType(7), 8);
    counters.family_gauge(StatisticType(9), Afi::IPV4, Safi::UNICAST, 9);
    let peer = PeerHeader::global(Ipv4Addr::new(192, 0, 2, 1).into(), Asn(65_001), id);
    let loc_rib = PeerHeader::loc_rib(Asn(64_512), id);
    let up = |peer: PeerHeader| PeerUp {
        peer,
        local_address: Ipv4Addr::new(192, 0, 2, 254).into(),
        local_port: 179,
        remote_port: 33_333,
        sent_open: sent,
        received_open: received,
        tlvs: information.tlvs(),
        fault: None,
    };
    let routes = |peer| RouteMonitoring { tlvs: marks.tlvs(), ..RouteMonitoring::new(peer, update) };
    let mut streams = Vec::new();
    for (name, version) in [("v3", BmpVersion::V3), ("v4", BmpVersion::V4)] {
        let down = |reason, data| PeerDown::new(peer, DownReason(reason), data, version);
        let messages = [
            Bmp::Initiation(Initiation { tlvs: information.tlvs() }),
            Bmp::PeerUp(up(peer)),
            Bmp::PeerUp(up(loc_rib)),
            Bmp::RouteMonitoring(routes(peer)),
            Bmp::RouteMonitoring(routes(peer.with_flags(PeerFlags::ADJ_RIB_OUT))),
            Bmp::RouteMonitoring(routes(loc_rib)),
            Bmp::Statistics(Statistics {
                peer,
                counters: counters.counters(),
                tlvs: Tlvs::of(&[], false),
                fault: None,
            }),
            Bmp::RouteMirroring(RouteMirroring { peer, tlvs: mirrored.tlvs(), fault: None }),
            Bmp::PeerDown(down(1, &notification)),
            Bmp::PeerDown(down(2, &[0, 7])),
            Bmp::PeerDown(down(6, information.tlvs().octets())),
            Bmp::Unknown { kind: MessageType(99), body: b"abc" },
            Bmp::Termination(Termination { tlvs: reason.tlvs(), fault: None }),
        ];
        let mut stream = vec![2, 7];
        for message in &messages {
            message.write(&mut stream, version, &CodePoints::REVISION_13)?;
            let mut alone = vec![6, 3];
            message.write(&mut alone, version, &CodePoints::REVISION_13)?;
            streams.push((if version == BmpVersion::V3 { "v3-part" } else { "v4-part" }, alone));
        }
        streams.push((name, stream));
    }
    let line = b"\x03\x05PROXY TCP4 203.0.113.9 10.0.0.1 5555 1790\r\n\x03\0\0\0\x06\x04";
    streams.push(("proxy-1", line.to_vec()));
    let binary =
        b"\x03\x05\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x01\x15\xb3\x06\xfe\x04\0\0\0\x06\x04";
    streams.push(("proxy-2", binary.to_vec()));
    Ok(streams)
}

/// Messages in the format of OpenBMP: of routers at addresses of both families, of the collector itself, and several after each other.
/// Their data are the messages of BMP in `streams`, without the two octets before them.
fn openbmp(streams: &[(&'static str, Vec<u8>)]) -> [(&'static str, Vec<u8>); 4] {
    let admin_id = b"collector";
    let hash = openbmp::collector_hash(admin_id);
    let message = |address: Option<IpAddr>, group, data| openbmp::Message {
        object: openbmp::ObjectType::BMP_RAW,
        time: openbmp::Time { seconds: NOW, micros: 5 },
        collector: openbmp::Collector { hash, admin_id },
        router: address.map(|address| openbmp::Router {
            hash: openbmp::router_hash(address, &hash),
            address,
            group,
        }),
        rows: 1,
        data,
    };
    let written = |message: openbmp::Message<'_>| {
        let mut out = Vec::new();
        // What does not fit is no seed.
        message.write(&mut out).map_or_else(|_| Vec::new(), |()| out)
    };
    let data = |name| streams.iter().find(|(stream, _)| *stream == name).and_then(|(_, octets)| octets.get(2..));
    let (v3, v4) = (data("v3-part").unwrap_or_default(), data("v4").unwrap_or_default());
    let v4_router = written(message(Some(Ipv4Addr::new(192, 0, 2, 1).into()), &[], v3));
    let v6_router = written(message(Some(Ipv6Addr::from_bits(0x2001_0db8 << 96 | 1).into()), b"site", v4));
    let collector = written(message(None, &[], b"heartbeat"));
    let several = [&v4_router[..], &collector, &v6_router].concat();
    [("v4", v4_router), ("v6", v6_router), ("collector", collector), ("several", several)]
}
