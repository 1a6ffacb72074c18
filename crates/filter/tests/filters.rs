//! Expressions over packets and rows, against libpcap's own evaluation.
#![cfg(feature = "pcap")]

use filter::{Filter, Hint, Synthetic};
use flow::address;
use flow::field::Field;
use flow::row::{FieldSet, Layout, Rows};
use proptest::prelude::*;
use std::net::IpAddr;

const EXPRESSIONS: &[&str] = &[
    "tcp",
    "udp port 53",
    "src net 10.1.0.0/16 and tcp",
    "icmp",
    "ip proto 47",
    "host 10.0.0.1",
    "dst net 10.0.0.0/8 and dst port 80",
    "ip6",
    "ip6 and udp and src port 53",
    "src host 2001:db8::1",
    "dst net 2001:db8::/32 and tcp",
    "vlan",
    "vlan 10 and tcp",
    "vlan and ip and src net 10.0.0.0/8",
    "vlan 10 and ip6",
    "mpls",
    "mpls 100 and ip",
    "mpls 100 and mpls 200 and host 10.0.0.1",
    "vlan 10 and mpls and tcp",
    "tcp[tcpflags] & tcp-syn != 0",
    "ether src 02:00:00:00:00:01",
    "ether[0] & 1 != 0",
    "portrange 50-60",
    "not tcp and not udp",
    "tcp and (port 80 or port 443)",
    "ip[1] = 184",
    "icmp[icmptype] = icmp-echo",
    "ip6 protochain 6",
    "greater 40",
    "sctp dst port 80",
    "src net 0.0.0.0/0",
];

fn filters() -> Vec<(&'static str, Filter)> {
    EXPRESSIONS
        .iter()
        .map(|text| (*text, Filter::compile(text).unwrap_or_else(|e| panic!("{text}: {e}"))))
        .collect()
}

/// A record in a few values, so that expressions match some.
#[derive(Clone, Debug)]
struct Record {
    hosts: [&'static str; 2],
    proto: u8,
    ports: [u16; 2],
    vlan: u16,
    labels: [u32; 2],
    mac: u8,
    tos: u8,
    flags: u8,
}

fn record() -> impl Strategy<Value = Record> {
    let v4 = prop::sample::select(vec!["10.0.0.1", "10.1.2.3", "192.0.2.1", "0.0.0.0"]);
    let v6 = prop::sample::select(vec!["2001:db8::1", "2001:db9::1", "::"]);
    let hosts =
        prop_oneof![(v4.clone(), v4).prop_map(|(a, b)| [a, b]), (v6.clone(), v6).prop_map(|(a, b)| [a, b])];
    let port = prop::sample::select(vec![0u16, 53, 80, 443, 2048]);
    (
        hosts,
        prop::sample::select(vec![1u8, 6, 17, 47, 58, 132]),
        [port.clone(), port],
        prop::sample::select(vec![0u16, 10, 20]),
        prop::sample::select(vec![[0u32, 0], [100, 100], [100, 200]]),
        0u8..4,
        prop::sample::select(vec![0u8, 184]),
        prop::sample::select(vec![0u8, 2, 18]),
    )
        .prop_map(|(hosts, proto, ports, vlan, labels, mac, tos, flags)| Record {
            hosts,
            proto,
            ports,
            vlan,
            labels,
            mac,
            tos,
            flags,
        })
}

fn layout(filters: &[(&str, Filter)]) -> Layout {
    let mut fields = FieldSet::default();
    filters.iter().for_each(|(_, filter)| filter.require(&mut fields));
    Layout::new(&fields, &[])
}

fn row(record: &Record, layout: &Layout) -> Rows {
    let mut rows = Rows::new(layout);
    let mut row = rows.push(&vec![0; layout.words()]);
    let host = |n: usize| address::octets(record.hosts[n].parse::<IpAddr>().unwrap());
    let mac = [2, 0, 0, 0, 0, record.mac];
    let group = [3, 0, 0, 0, 0, record.mac];
    for (field, octets) in [
        (Field::SrcHost, host(0).as_slice()),
        (Field::DstHost, &host(1)),
        (Field::Proto, &[record.proto]),
        (Field::SrcPort, &record.ports[0].to_be_bytes()),
        (Field::DstPort, &record.ports[1].to_be_bytes()),
        (Field::Vlan, &record.vlan.to_be_bytes()),
        (Field::MplsLabelTop, &record.labels[0].to_be_bytes()),
        (Field::MplsLabelBottom, &record.labels[1].to_be_bytes()),
        (Field::SrcMac, &mac),
        (Field::DstMac, if record.mac == 0 { &group } else { &mac }),
        (Field::Tos, &[record.tos]),
        (Field::TcpFlags, &[record.flags]),
    ] {
        if let Some(at) = layout.offset(field) {
            row.octets()[at..at + octets.len()].copy_from_slice(octets);
        }
    }
    rows
}

fn matches(text: &str, record: &Record) -> bool {
    let filter = Filter::compile(text).unwrap();
    let layout = layout(&[(text, filter.clone())]);
    let rows = row(record, &layout);
    let matches = filter.matches(Synthetic::new(&layout).frame(rows.iter().next().unwrap()));
    matches
}

/// libpcap's own run of its program.
fn by_libpcap(text: &str, frame: &[u8]) -> bool {
    pcap::Capture::dead(pcap::Linktype::ETHERNET).unwrap().compile(text, true).unwrap().filter(frame)
}

const WEB: Record = Record {
    hosts: ["10.1.2.3", "192.0.2.1"],
    proto: 6,
    ports: [1024, 80],
    vlan: 0,
    labels: [0, 0],
    mac: 1,
    tos: 184,
    flags: 2,
};

#[test]
fn flows_match_by_addresses_protocol_ports_and_flags() {
    for (text, expected) in [
        ("tcp", true),
        ("src net 10.1.0.0/16 and tcp", true),
        ("dst net 10.1.0.0/16", false),
        ("dst port 80", true),
        ("src port 80", false),
        ("tcp[tcpflags] & tcp-syn != 0", true),
        ("tcp[tcpflags] & tcp-ack != 0", false),
        ("ip[1] = 184", true),
        ("ether src 02:00:00:00:00:01", true),
        ("vlan", false),
        ("ip6", false),
    ] {
        assert_eq!(matches(text, &WEB), expected, "{text}");
    }
}

#[test]
fn tags_and_labels_are_layers_as_in_a_packet() {
    let tagged = Record { vlan: 10, ..WEB };
    let labelled = Record { labels: [100, 200], ..WEB };
    for (text, record, expected) in [
        ("vlan 10 and tcp", &tagged, true),
        ("vlan 11", &tagged, false),
        ("tcp", &tagged, false),
        ("mpls 100 and mpls 200 and tcp", &labelled, true),
        ("mpls 200", &labelled, false),
        ("mpls 100 and ip", &labelled, false),
        ("vlan 10 and mpls 100 and mpls 200 and dst port 80", &Record { vlan: 10, ..labelled.clone() }, true),
    ] {
        assert_eq!(matches(text, record), expected, "{text}");
    }
}

#[test]
fn a_bad_expression_is_refused_with_the_words_of_libpcap() {
    assert!(Filter::compile("tcp and nonsense foo").is_err());
    assert_eq!(
        Filter::compile("src net 10.0.0.1/8").unwrap_err().to_string(),
        "non-network bits set in \"10.0.0.1/8\""
    );
}

proptest! {
    #[test]
    fn the_program_decides_as_libpcap_does(octets in proptest::collection::vec(any::<u8>(), 0..120), record in record()) {
        let filters = filters();
        let layout = layout(&filters);
        let rows = row(&record, &layout);
        let mut synthetic = Synthetic::new(&layout);
        let frame = synthetic.frame(rows.iter().next().unwrap()).to_vec();
        for (text, filter) in &filters {
            prop_assert_eq!(filter.matches(&octets), by_libpcap(text, &octets), "{}", text);
            prop_assert_eq!(filter.matches(&frame), by_libpcap(text, &frame), "{}", text);
            let cut = &frame[..frame.len() / 2];
            prop_assert_eq!(filter.matches(cut), by_libpcap(text, cut), "{}", text);
        }
    }

    #[test]
    fn what_an_expression_requires_is_all_that_it_needs(record in record()) {
        let filters = filters();
        let all = layout(&filters);
        let rows = row(&record, &all);
        let mut synthetic = Synthetic::new(&all);
        let frame = synthetic.frame(rows.iter().next().unwrap()).to_vec();
        for (text, filter) in &filters {
            prop_assert_eq!(matches(text, &record), filter.matches(&frame), "{}", text);
        }
    }

    #[test]
    fn each_match_fulfils_the_hints(record in record()) {
        let bits = |octets: [u8; 16], len: u8| u128::from_be_bytes(octets) >> (128 - u32::from(len));
        let host = |n: usize| address::octets(record.hosts[n].parse::<IpAddr>().unwrap());
        for (text, filter) in filters() {
            if !matches(text, &record) {
                continue;
            }
            for hint in filter.hints() {
                let holds = match *hint {
                    Hint::SrcNet { octets, len } => bits(octets, len) == bits(host(0), len),
                    Hint::DstNet { octets, len } => bits(octets, len) == bits(host(1), len),
                    Hint::Proto(proto) => proto == record.proto,
                    Hint::SrcPort(port) => port == record.ports[0],
                    Hint::DstPort(port) => port == record.ports[1],
                    Hint::Vlan(vlan) => vlan == record.vlan,
                };
                prop_assert!(holds, "{}: {:?}", text, hint);
            }
        }
    }
}
