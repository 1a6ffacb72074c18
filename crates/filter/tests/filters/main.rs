//! Expressions applied to packets and rows.
#![cfg(feature = "pcap")]

mod properties;
mod record;

use filter::{Filter, MAX_LEN};
use record::{Record, WEB, matches};

fn check(cases: &[(&str, &Record, bool)]) {
    for (text, record, expected) in cases {
        assert_eq!(matches(text, record), *expected, "{text}: {record:?}");
    }
}

#[test]
fn flows_match_by_addresses_protocol_ports_and_flags() {
    for (text, expected) in [
        ("", true),
        ("tcp", true),
        ("src net 10.1.0.0/16 and tcp", true),
        ("dst net 10.1.0.0/16", false),
        ("host 192.0.2.1", true),
        ("dst port 80", true),
        ("src port 80", false),
        ("portrange 79-81", true),
        ("ip proto 6", true),
        ("tcp[tcpflags] & tcp-syn != 0", true),
        ("tcp[tcpflags] & tcp-ack != 0", false),
        ("ip[1] = 184", true),
        ("ether src 02:00:00:00:00:01", true),
        ("vlan", false),
        ("mpls", false),
        ("ip6", false),
    ] {
        assert_eq!(matches(text, &WEB), expected, "{text}");
    }
}

#[test]
fn flows_of_ipv6_match() {
    let dns = Record { hosts: ["2001:db8::1", "2001:db8:1::2"], proto: 17, ports: [1024, 53], tos: 184, ..WEB };
    check(&[
        ("ip6", &dns, true),
        ("ip", &dns, false),
        ("udp dst port 53", &dns, true),
        ("dst net 2001:db8:1::/48", &dns, true),
        ("src host 2001:db8::1 and ip6 proto 17", &dns, true),
        ("ip6[0:4] & 0x0ff00000 = 0x0b800000", &dns, true),
    ]);
}

#[test]
fn tags_and_labels_are_layers_of_the_packet() {
    let tagged = Record { vlan: 1000, ..WEB };
    let labelled = Record { labels: &[100, 200], ..WEB };
    let both = Record { vlan: 1000, ..labelled.clone() };
    check(&[
        ("vlan", &tagged, true),
        ("vlan 1000 and tcp", &tagged, true),
        ("vlan and ip and dst port 80", &tagged, true),
        ("vlan 11", &tagged, false),
        ("tcp", &tagged, false),
        ("mpls 100", &labelled, true),
        ("mpls 100 and mpls 200 and tcp", &labelled, true),
        ("mpls 200", &labelled, false),
        ("mpls 100 and ip", &labelled, false),
        ("mpls 100 and ip", &Record { labels: &[100], ..WEB }, true),
        ("vlan 1000 and mpls 100 and mpls 200 and dst port 80", &both, true),
    ]);
}

#[test]
fn only_expressions_that_name_vlans_match_the_tag_of_a_small_vlan_id() {
    for (vlan, plain) in [(0, true), (1, true), (10, true), (255, true), (256, false), (4095, false)] {
        let web = Record { vlan, ..WEB };
        let labelled = Record { labels: &[100], ..web.clone() };
        let is_tagged = vlan != 0;
        check(&[
            ("net 10.0.0.0/8", &web, plain),
            ("ip", &web, plain),
            ("tcp dst port 80 and ether src 02:00:00:00:00:01", &web, plain),
            ("not udp", &web, true),
            ("ether proto 0x8100", &web, !plain),
            ("mpls 100 and tcp", &labelled, plain),
            ("vlan", &web, is_tagged),
            ("not(vlan)", &web, !is_tagged),
            ("vlan and net 10.0.0.0/8", &web, is_tagged),
            ("tcp or (vlan and tcp)", &web, true),
            (&format!("vlan {vlan} and tcp"), &web, is_tagged),
            ("vlan and mpls 100 and tcp", &labelled, is_tagged),
        ]);
    }
}

#[test]
fn the_label_stack_is_complete() {
    let stack = Record { labels: &[100, 0, 300, 300], ..WEB };
    check(&[
        ("mpls 100 and mpls 0 and mpls 300 and mpls 300 and dst port 80", &stack, true),
        ("mpls 100 and mpls 300", &stack, false),
        ("mpls 100 and mpls and mpls and mpls and tcp", &stack, true),
        ("mpls 100 and mpls and mpls and tcp", &stack, false),
    ]);
}

#[test]
fn a_vlan_id_of_more_than_12_bits_is_ignored() {
    let odd = Record { vlan: 4106, ..WEB };
    check(&[("vlan", &odd, true), ("vlan 10", &odd, false), ("vlan and tcp", &odd, true)]);
}

#[test]
fn types_and_codes_of_icmp_are_the_destination_port_of_netflow() {
    let unreachable = Record { proto: 1, ports: [0, 0x0301], ..WEB };
    check(&[
        ("icmp[icmptype] = icmp-unreach and icmp[icmpcode] = 1", &unreachable, true),
        ("icmp[icmptype] = icmp-echo", &unreachable, false),
    ]);
}

#[test]
fn flows_without_addresses_match_by_their_other_fields() {
    let bare = Record { hosts: ["", ""], ..WEB };
    check(&[
        ("tcp dst port 80", &bare, true),
        ("ip", &bare, true),
        ("net 10.0.0.0/8", &bare, false),
        ("arp", &Record { etype: 0x0806, proto: 0, ..bare.clone() }, true),
        ("ip6 and tcp", &Record { etype: 0x86dd, ..bare.clone() }, true),
        ("ip or ip6", &Record { proto: 0, ..bare.clone() }, false),
    ]);
}

#[test]
fn rejects_invalid_expressions_with_advice() {
    let error_of = |text: &str| Filter::compile(text).unwrap_err().to_string();
    assert_eq!(
        error_of("src net 10.0.0.1/8"),
        "non-network bits set in \"10.0.0.1/8\"; the network is 10.0.0.0/8"
    );
    assert_eq!(
        error_of("src 10.0.0.0/8"),
        "Mask syntax for networks only; write 'net' before a network: net 10.0.0.0/8"
    );
    assert!(error_of("(tcp").ends_with("; 1 parentheses are opened, but 0 closed"));
    assert!(error_of("src_net=10.0.0.0/8").ends_with("; use 'src net', without '='"));
    assert_eq!(error_of("port 70000"), "illegal port number 70000 > 65535");
    assert_eq!(error_of("tcp\0"), "it contains a zero byte");
}

#[test]
fn compiles_long_expressions_and_rejects_excessive_ones() {
    let networks = |count: usize| {
        let networks: Vec<_> = (0..count).map(|n| format!("src net 10.{}.{}.0/24", n / 256, n % 256)).collect();
        networks.join(" or ")
    };
    let many = Filter::compile(&networks(300)).unwrap();
    let layout = record::layout(&[("", many.clone())]);
    for (host, expected) in [("10.0.7.1", true), ("10.1.43.1", true), ("10.1.44.1", false)] {
        let frame = Record { hosts: [host, "192.0.2.1"], ..WEB }.frame(&layout);
        assert_eq!(many.matches(&frame), expected, "{host}");
    }
    let long = networks(MAX_LEN / 20);
    let error = Filter::compile(&long).unwrap_err().to_string();
    assert_eq!(error, format!("it has {} bytes, but only {MAX_LEN} are allowed", long.len()));
}

#[test]
fn expressions_compile_in_many_threads_at_once() {
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for port in 0..50 {
                    let port = thread * 100 + port;
                    let filter = Filter::compile(&format!("udp port {port}")).unwrap();
                    assert!(matches(&format!("dst port {port}"), &Record { ports: [1, port], ..WEB }));
                    assert!(!filter.matches(&[0; 60]));
                }
            });
        }
    });
}
