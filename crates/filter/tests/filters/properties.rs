//! Properties of any expression and any packet or row.

use crate::record::{Record, layout, matches, record};
use filter::{Filter, Hint};
use proptest::prelude::*;

const EXPRESSIONS: &[&str] = &[
    "",
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
    "mpls 100 and mpls 200 and mpls 100 and tcp",
    "vlan 10 and mpls and tcp",
    "tcp[tcpflags] & tcp-syn != 0",
    "ether src 02:00:00:00:00:01",
    "ether dst 0200.0000.0001",
    "ether[0] & 1 != 0",
    "ether multicast",
    "arp or rarp",
    "portrange 50-60",
    "not tcp and not udp",
    "tcp and (port 80 or port 443)",
    "port domain or port http",
    "ip[1] = 184",
    "ip[2:2] / 7 * 3 % 5 = 2",
    "ip[0] << 2 >> 1 ^ 3 | 4 = len - 1",
    "icmp[icmptype] = icmp-echo",
    "ip6 protochain 6",
    "ip protochain 6",
    "greater 40",
    "less 60",
    "sctp dst port 80",
    "src net 0.0.0.0/0",
    "gateway 10.0.0.1 or ip multicast",
    "ip broadcast or ip6 multicast",
    "pppoes and ip",
    "geneve and tcp",
];

fn filters() -> Vec<(&'static str, Filter)> {
    let compile = |text: &&'static str| Filter::compile(text).ok().map(|filter| (*text, filter));
    let filters: Vec<_> = EXPRESSIONS.iter().filter_map(compile).collect();
    // Keywords that a build of libpcap lacks (gateway) may be missing.
    assert!(filters.len() + 2 > EXPRESSIONS.len());
    filters
}

/// The result of libpcap's own interpreter.
fn by_libpcap(text: &str, frame: &[u8]) -> bool {
    let capture = pcap::Capture::dead(pcap::Linktype::ETHERNET).expect("a handle");
    capture.compile(text, true).expect(text).filter(frame)
}

/// One term of a conjunction, of all forms that yield hints, and some that must not.
fn term() -> impl Strategy<Value = String> {
    let side = prop::sample::select(vec!["src", "dst", "", "src or dst", "src and dst"]);
    let family = prop::sample::select(vec!["", "", "ip", "ip6"]);
    let address = prop::sample::select(vec![
        "host 10.0.0.1",
        "host 10.1.2.3",
        "10.0.0.1",
        "net 10.0.0.0/8",
        "net 10",
        "net 10.1.0.0 mask 255.255.0.0",
        "net 0.0.0.0/0",
        "net 0.0.0.0/4",
        "host 0.0.0.0",
        "host 2001:db8::1",
        "net 2001:db8::/32",
        "net ::/64",
        "net ::/0",
        "host ::",
        "::1",
        "net ::4:0:0/78",
    ]);
    let transport = prop::sample::select(vec!["", "", "tcp", "udp", "sctp"]);
    let port = prop::sample::select(vec![
        "port 53",
        "port 80",
        "port 010",
        "port 8",
        "port 0",
        "port 0x50",
        "port domain",
        "portrange 50-90",
        "portrange 53",
    ]);
    let alone = prop::sample::select(vec![
        "tcp",
        "udp",
        "icmp",
        "icmp6",
        "igmp",
        "sctp",
        "ip",
        "ip6",
        "vlan",
        "vlan 10",
        "vlan 010",
        "vlan 8",
        "vlan 20",
        "vlan 0",
        "mpls",
        "mpls 100",
        "mpls 200",
        "not tcp",
        "not vlan",
        "proto 6",
        "proto 44",
        "ip proto 017",
        "ip proto 17",
        "ip proto 0",
        "ip6 proto 0x11",
        "ip6 proto 6",
        "ip6 proto 44",
        r"ip proto \udp",
        r"ip6 proto \tcp",
        "ether proto 0x0800",
        "arp",
        "(tcp or udp)",
        "len > 20",
        "10.0.0.1",
        "80",
    ]);
    prop_oneof![
        (family, side.clone(), address).prop_map(|(family, side, address)| format!("{family} {side} {address}")),
        (transport, side, port).prop_map(|(transport, side, port)| format!("{transport} {side} {port}")),
        alone.prop_map(str::to_owned),
    ]
}

/// Terms with connectives, mostly `and`.
fn expression() -> impl Strategy<Value = String> {
    let between = prop::sample::select(vec![" and ", " and ", " && ", "&&", " or ", "||", " and not "]);
    (term(), proptest::collection::vec((between, term()), 0..3)).prop_map(|(first, more)| {
        more.iter().fold(first, |text, (between, term)| format!("{text}{between}{term}"))
    })
}

fn holds(hint: Hint, record: &Record) -> bool {
    let starts = |host: [u8; 16], octets: [u8; 16], len: u8| {
        let first = |octets| u128::from_be_bytes(octets).checked_shr(128 - u32::from(len)).unwrap_or(0);
        first(host) == first(octets)
    };
    match hint {
        Hint::SrcNet { octets, len } => starts(record.host(0), octets, len),
        Hint::DstNet { octets, len } => starts(record.host(1), octets, len),
        Hint::Proto(proto) => proto == record.proto,
        Hint::SrcPort(port) => port == record.ports[0],
        Hint::DstPort(port) => port == record.ports[1],
        Hint::Vlan(vlan) => vlan == record.vlan,
    }
}

proptest! {
    #[test]
    fn the_program_agrees_with_libpcap(
        octets in proptest::collection::vec(any::<u8>(), 0..120),
        record in record(),
        changed in any::<(prop::sample::Index, u8)>(),
    ) {
        let filters = filters();
        let mut frame = record.frame(&layout(&filters));
        for (text, filter) in &filters {
            prop_assert_eq!(filter.matches(&octets), by_libpcap(text, &octets), "{}", text);
            prop_assert_eq!(filter.matches(&frame), by_libpcap(text, &frame), "{}", text);
            let cut = &frame[..frame.len() / 2];
            prop_assert_eq!(filter.matches(cut), by_libpcap(text, cut), "{}", text);
        }
        let (place, octet) = changed;
        *place.get_mut(&mut frame) = octet;
        for (text, filter) in &filters {
            prop_assert_eq!(filter.matches(&frame), by_libpcap(text, &frame), "{}", text);
        }
    }

    #[test]
    fn an_expression_depends_only_on_the_fields_it_requires(record in record(), text in expression()) {
        let all = layout(&filters());
        let accepts = |filter: &Filter| record.look(&all, |view| filter.matches_view(view));
        for (text, filter) in filters() {
            prop_assert_eq!(matches(text, &record), accepts(&filter), "{}", text);
        }
        if let Ok(filter) = Filter::compile(&text) {
            prop_assert_eq!(matches(&text, &record), accepts(&filter), "{}", text);
        }
    }

    #[test]
    fn each_match_fulfils_the_hints(
        records in proptest::collection::vec(record(), 200),
        texts in proptest::collection::vec(expression(), 40),
    ) {
        let all = layout(&filters());
        let compiled: Vec<_> = texts.iter().filter_map(|text| Some((text, Filter::compile(text).ok()?))).collect();
        for record in records {
            for (text, filter) in &compiled {
                let broken = || filter.hints().iter().find(|hint| !holds(**hint, &record));
                let accepts = record.look(&all, |view| filter.matches_view(view));
                prop_assert!(!accepts || broken().is_none(), "{}: {:?}, {:?}", text, broken(), record);
            }
        }
    }
}
