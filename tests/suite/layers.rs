//! pmacctd's decoding of frames, compared with tshark's.
//!
//! Each packet has its own addresses and is sent with every link layer and tag. Addresses, ports, protocol and length of the packet,
//! and of the packet inside a tunnel, must equal tshark's. Without tshark these tests report that they are skipped.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::Command;
use testkit::Setup;
use testkit::frames::{
    ETHERNET, IPV4, IPV6, TCP, UDP, capture, ethernet, ipv4, ipv6, labels, part, tag, tcp, udp,
};

const ICMP: u8 = 1;
const IP_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;
const ICMP_V6: u8 = 58;
const SCTP: u8 = 132;

/// The fields that are compared: source, destination, ports, protocol.
type Key = (String, String, u64, u64, u64);
/// Packets and octets.
type Sums = BTreeMap<Key, (u64, u64)>;

fn v4(n: u16) -> (Ipv4Addr, Ipv4Addr) {
    let [a, b] = n.to_be_bytes();
    (Ipv4Addr::new(10, 1, a, b), Ipv4Addr::new(10, 2, a, b))
}

fn v6(n: u16) -> (Ipv6Addr, Ipv6Addr) {
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, n), Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, n))
}

fn over_v4(n: u16, protocol: u8, contents: &[u8]) -> Vec<u8> {
    let (source, destination) = v4(n);
    ipv4(protocol, source, destination, contents)
}

fn over_v6(n: u16, protocol: u8, contents: &[u8]) -> Vec<u8> {
    let (source, destination) = v6(n);
    ipv6(protocol, source, destination, contents)
}

fn over_udp(n: u16, port: u16, head: &[u8], contents: &[u8]) -> Vec<u8> {
    over_v4(n, UDP, &udp(40_000, port, &[head, contents].concat()))
}

/// An IPv4 packet with options: record route and end of list.
fn with_options(n: u16) -> Vec<u8> {
    let mut packet = over_v4(n, TCP, &[&[7, 7, 4, 0, 0, 0, 0, 0][..], &tcp(n, 80, 2, &[])].concat());
    packet[0] = 0x47;
    packet
}

/// Every tunnel type: the outer packet has number `n`, the inner one `n + 1`.
fn tunnels(n: u16) -> Vec<Vec<u8>> {
    let inner = || over_v4(n + 1, UDP, &udp(5353, 1234, &[3; 20]));
    let frame = || ethernet(IPV4, &inner());
    let octets = inner().len() as u16;
    let [high, low] = octets.to_be_bytes();
    vec![
        over_v4(n, GRE, &[&[0, 0, 8, 0][..], &inner()].concat()),
        over_v4(n, GRE, &[&[0x20, 0, 0x65, 0x58, 0, 0, 7, 0][..], &frame()].concat()),
        over_udp(n, 4789, &[8, 0, 0, 0, 0, 0x13, 0x88, 0], &frame()),
        over_udp(n, 6081, &[0, 0, 0x65, 0x58, 0, 0, 3, 0], &frame()),
        over_udp(n, 2152, &[0x30, 255, high, low, 0, 0, 0, 1], &inner()),
        over_v4(n, IP_IN_IP, &inner()),
        over_v4(n, IPV6_IN_IP, &over_v6(n + 1, TCP, &tcp(5, 6, 2, &[1; 5]))),
        over_v6(n, IP_IN_IP, &inner()),
        over_v6(n, IPV6_IN_IP, &over_v6(n + 1, UDP, &udp(5353, 1234, &[3; 20]))),
    ]
}

/// Packets without a link layer, numbered from `n` on.
fn packets(n: u16) -> Vec<Vec<u8>> {
    let hop_by_hop = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    let routing = |next: u8| [&[next, 2, 4, 0, 0, 0, 0, 0][..], &[0x20; 16]].concat();
    let (source, destination) = v4(n + 8);
    let datagram = udp(5000, 6000, &[9; 64]);
    let piece = |offset: u16, more: bool, from: usize, to: usize| {
        part(UDP, source, destination, (n, offset, more), &datagram[from..to])
    };
    let piece_v6 = |offset: u16, more: bool, from: usize, to: usize| {
        let [high, low] = (offset | u16::from(more)).to_be_bytes();
        over_v6(n + 9, 44, &[&[UDP, 0, high, low, 0, 0, 0, 5][..], &datagram[from..to]].concat())
    };
    vec![
        over_v4(n, UDP, &udp(n, 53, &[1; 30])),
        over_v4(n + 1, TCP, &tcp(n, 443, 0x18, &[1; 30])),
        over_v4(n + 2, ICMP, &[8, 0, 0, 0, 0, 1, 0, 1, 5, 5]),
        over_v4(n + 3, SCTP, &[0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]),
        with_options(n + 4),
        over_v6(n, UDP, &udp(n, 53, &[1; 30])),
        over_v6(n + 1, TCP, &tcp(n, 443, 0x18, &[1; 30])),
        over_v6(n + 2, ICMP_V6, &[128, 0, 0, 0, 0, 1, 0, 1, 5, 5]),
        over_v6(n + 3, 0, &[&hop_by_hop(UDP)[..], &udp(n, 53, &[])].concat()),
        over_v6(n + 4, 0, &[&hop_by_hop(43)[..], &routing(60), &hop_by_hop(TCP), &tcp(n, 22, 2, &[])].concat()),
        piece(0, true, 0, 32),
        piece(32, false, 32, 72),
        piece_v6(0, true, 0, 40),
        piece_v6(40, false, 40, 72),
    ]
}

fn etype(packet: &[u8]) -> u16 {
    if packet[0] >> 4 == 4 { IPV4 } else { IPV6 }
}

/// The PPP protocol number of a packet.
fn ppp(packet: &[u8]) -> u8 {
    if packet[0] >> 4 == 4 { 0x21 } else { 0x57 }
}

/// Puts a link layer in front of a packet.
type Wrap = fn(&[u8]) -> Vec<u8>;

/// Link types, and the tags between link layer and packet.
const LINKS: &[(&str, u32, Wrap)] = &[
    ("Ethernet", ETHERNET, |packet| ethernet(etype(packet), packet)),
    ("802.1Q", ETHERNET, |packet| ethernet(0x8100, &tag(5, 3, etype(packet), packet))),
    ("802.1ad", ETHERNET, |packet| ethernet(0x88a8, &tag(9, 0, 0x8100, &tag(5, 3, etype(packet), packet)))),
    ("three tags", ETHERNET, |packet| {
        ethernet(0x88a8, &tag(1, 0, 0x8100, &tag(2, 0, 0x8100, &tag(3, 0, etype(packet), packet))))
    }),
    ("MPLS", ETHERNET, |packet| ethernet(0x8847, &labels(&[100], packet))),
    ("MPLS labels after a tag", ETHERNET, |packet| {
        ethernet(0x8100, &tag(7, 0, 0x8847, &labels(&[100, 200, 300], packet)))
    }),
    ("PPPoE", ETHERNET, |packet| {
        let [high, low] = (packet.len() as u16 + 2).to_be_bytes();
        ethernet(0x8864, &[&[0x11, 0, 0, 1, high, low, 0, ppp(packet)][..], packet].concat())
    }),
    ("SNAP", ETHERNET, |packet| {
        let head = [&[0xaa, 0xaa, 3, 0, 0, 0][..], &etype(packet).to_be_bytes()].concat();
        ethernet((head.len() + packet.len()) as u16, &[&head, packet].concat())
    }),
    ("a padded frame", ETHERNET, |packet| ethernet(etype(packet), &[packet, &[0; 30]].concat())),
    ("raw IP", 101, <[u8]>::to_vec),
    ("OpenBSD loopback", 108, |packet| {
        let family = if packet[0] >> 4 == 4 { 2 } else { 24 };
        [&[0, 0, 0, family][..], packet].concat()
    }),
    ("Linux cooked", 113, |packet| {
        [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0xa, 0, 0][..], &etype(packet).to_be_bytes(), packet].concat()
    }),
    ("Linux cooked v2", 276, |packet| {
        let rest = [0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0xa, 0, 0];
        [&etype(packet).to_be_bytes()[..], &rest, packet].concat()
    }),
    ("PPP", 9, |packet| [&[0xff, 3, 0, ppp(packet)][..], packet].concat()),
    ("Cisco HDLC", 104, |packet| [&[0x0f, 0][..], &etype(packet).to_be_bytes(), packet].concat()),
];

/// An IP header as tshark reports it, and the ports after it.
#[derive(Clone, Debug)]
struct Layer {
    source: IpAddr,
    destination: IpAddr,
    protocol: u64,
    ports: (u64, u64),
    octets: u64,
    /// Identification and offset of a fragment; all fragments here are UDP.
    part: Option<(u64, u64)>,
}

/// The fields requested from tshark, in this order; each has a value for every occurrence in the frame.
const TSHARK_FIELDS: [&str; 17] = [
    "frame.protocols",
    "ip.src",
    "ip.dst",
    "ip.proto",
    "ip.len",
    "ip.id",
    "ip.frag_offset",
    "ip.flags.mf",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.plen",
    "ipv6.fraghdr.ident",
    "ipv6.fraghdr.offset",
    "udp.srcport",
    "udp.dstport",
    "tcp.srcport",
    "tcp.dstport",
];

/// Decimal, or hexadecimal after 0x.
fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no address"))
}

/// The IP headers of one frame, outermost first.
fn layers(line: &str) -> Vec<Layer> {
    let mut fields: Vec<_> = line.split('\t').map(|field| field.split(',')).collect();
    let protocols: Vec<&str> = line.split('\t').next().unwrap_or_default().split(':').collect();
    let mut next = |name: &str| {
        let field = TSHARK_FIELDS.iter().position(|question| *question == name).expect("a requested field");
        fields[field].next().filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{name}: {line}"))
    };
    let mut layers: Vec<Layer> = Vec::new();
    for protocol in protocols {
        // The next header of IPv6 need not be the protocol, which the following fields show.
        let following = match protocol {
            "ip" => Some(IP_IN_IP),
            "ipv6" => Some(IPV6_IN_IP),
            "udp" | "ipv6.fraghdr" => Some(UDP),
            "tcp" => Some(TCP),
            "icmpv6" => Some(ICMP_V6),
            _ => None,
        };
        if let (Some(layer), Some(following)) = (layers.last_mut().filter(|layer| layer.protocol == 0), following)
        {
            layer.protocol = following.into();
        }
        let last = layers.last_mut();
        match protocol {
            "ip" => {
                let (id, offset) = (number(next("ip.id")), number(next("ip.frag_offset")));
                let more = matches!(next("ip.flags.mf"), "1" | "True");
                layers.push(Layer {
                    source: address(next("ip.src")),
                    destination: address(next("ip.dst")),
                    protocol: number(next("ip.proto")),
                    ports: (0, 0),
                    octets: number(next("ip.len")),
                    part: (more || offset > 0).then_some((id, offset)),
                });
            }
            "ipv6" => {
                layers.push(Layer {
                    source: address(next("ipv6.src")),
                    destination: address(next("ipv6.dst")),
                    protocol: 0,
                    ports: (0, 0),
                    octets: number(next("ipv6.plen")) + 40,
                    part: None,
                });
            }
            "ipv6.fraghdr" => {
                let part = (number(next("ipv6.fraghdr.ident")), number(next("ipv6.fraghdr.offset")) * 8);
                if let Some(layer) = last {
                    layer.part = Some(part);
                }
            }
            "udp" | "tcp" => {
                let ports = ["srcport", "dstport"].map(|port| number(next(&format!("{protocol}.{port}"))));
                if let Some(layer) = last {
                    layer.ports = ports.into();
                }
            }
            _ => {}
        }
    }
    layers
}

/// tshark's layers of each frame of a file; `None` if tshark is not installed.
fn tshark(path: &Path) -> Option<Vec<Vec<Layer>>> {
    let mut command = Command::new("tshark");
    for preference in ["ip.defragment", "ipv6.defragment", "ip.check_checksum", "tcp.desegment_tcp_streams"] {
        command.args(["-o", &format!("{preference}:FALSE")]);
    }
    command.args(["-n", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,", "-r"]).arg(path);
    TSHARK_FIELDS.iter().for_each(|question| _ = command.args(["-e", question]));
    let Ok(output) = command.output() else {
        eprintln!("skipped: tshark is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).lines().map(layers).collect())
}

/// Rows of pmacctd, by the JSON names of these fields.
fn counted(setup: &Setup, names: [&str; 5]) -> Sums {
    let finished = setup.run();
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
    let mut sums = Sums::new();
    for row in finished.json("out.json") {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| row[name].as_u64().unwrap_or_else(|| number(row[name].as_str().unwrap_or("0")));
        let [source, destination, source_port, destination_port, protocol] = names;
        let key =
            (text(source), text(destination), number(source_port), number(destination_port), number(protocol));
        let sum = sums.entry(key).or_default();
        *sum = (sum.0 + number("packets"), sum.1 + number("bytes"));
    }
    sums
}

fn pmacctd(link: u32, frames: &[Vec<u8>], aggregate: &str) -> Setup {
    let timed = (0..).zip(frames).map(|(number, frame)| (1_700_000_000_000_000 + number * 1000, frame));
    Setup::new(env!("CARGO_BIN_EXE_pmacctd"))
        .config(&format!(
            "pcap_savefile: {{dir}}/in.pcap
             plugins: print
             aggregate: {aggregate}
             print_num_protos: true
             print_output: json
             print_output_file: {{dir}}/out.json
             print_refresh_time: 86400"
        ))
        .file("in.pcap", capture(link, timed))
}

/// The expected sums: the key comes from one IP header of each frame, the octets from another.
fn sums<'a>(frames: impl IntoIterator<Item = (&'a Layer, u64)>) -> Sums {
    // Fragments have the ports of the first one.
    let mut first: BTreeMap<(IpAddr, IpAddr, u64), (u64, u64)> = BTreeMap::new();
    let mut sums = Sums::new();
    for (layer, octets) in frames {
        let mut ports = layer.ports;
        match layer.part {
            Some((id, 0)) => _ = first.insert((layer.source, layer.destination, id), ports),
            Some((id, _)) => ports = first[&(layer.source, layer.destination, id)],
            None => {}
        }
        let key = (layer.source.to_string(), layer.destination.to_string(), ports.0, ports.1, layer.protocol);
        let sum = sums.entry(key).or_default();
        *sum = (sum.0 + 1, sum.1 + octets);
    }
    sums
}

#[test]
fn packets_of_every_link_type_match_tshark() {
    let frames = [packets(1000), tunnels(2000)].concat();
    for (name, link, wrap) in LINKS {
        let wrapped: Vec<_> = frames.iter().map(|packet| wrap(packet)).collect();
        let setup = pmacctd(*link, &wrapped, "src_host, dst_host, src_port, dst_port, proto");
        let Some(frames) = tshark(&setup.path("in.pcap")) else { return };
        let outermost: Vec<_> = frames
            .iter()
            .map(|layers| layers.first().unwrap_or_else(|| panic!("{name}: a frame without IP")))
            .collect();
        assert_eq!(outermost.len(), wrapped.len(), "{name}");
        let expected = sums(outermost.into_iter().map(|layer| (layer, layer.octets)));
        let counted = counted(&setup, ["ip_src", "ip_dst", "port_src", "port_dst", "ip_proto"]);
        assert_eq!(counted, expected, "{name}");
    }
}

#[test]
fn packets_inside_tunnels_match_tshark() {
    // One tunnel at a time, since all carry the same inner packet.
    for number in 0..tunnels(1).len() {
        for (name, link, wrap) in &LINKS[..2] {
            let frames = [wrap(&tunnels(3000)[number]), wrap(&tunnels(3010)[number])];
            let primitives = "tunnel_src_host, tunnel_dst_host, tunnel_src_port, tunnel_dst_port, tunnel_proto";
            let setup = pmacctd(*link, &frames, primitives);
            let Some(frames) = tshark(&setup.path("in.pcap")) else { return };
            let expected = sums(frames.iter().map(|layers| match layers.as_slice() {
                [outer, inner] => (inner, outer.octets),
                other => panic!("{name}, tunnel {number}: {other:?}"),
            }));
            let names =
                ["tunnel_ip_src", "tunnel_ip_dst", "tunnel_port_src", "tunnel_port_dst", "tunnel_ip_proto"];
            assert_eq!(counted(&setup, names), expected, "{name}, tunnel {number}");
        }
    }
}
