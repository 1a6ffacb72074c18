//! Bidirectional records (RFC 5103).

use super::*;
use crate::from_netflow::sources;
use flow::primitive::{Daemons, PRIMITIVES};
use proptest::prelude::*;

const PACKETS: [Specifier; 2] = [field(ie::PACKET_DELTA_COUNT, 1), enterprise(sources::REVERSE, 2, 1)];

/// Encodes a record with 3 packets, and 5 in the reverse direction.
fn bidirectional(fields: &[Specifier], octets: &[u8]) -> Vec<u8> {
    one(&[&PACKETS[..], fields].concat(), &[&[3, 5], octets].concat())
}

#[test]
fn a_source_field_needs_no_destination_field() {
    /// Primitive, elements, their octets, and the expected value of each direction.
    type Case<'a> = (&'a str, &'a [Specifier], &'a [u8], [&'a str; 2]);
    let cases: &[Case<'_>] = &[
        (
            "src_host",
            &[field(ie::SOURCE_IPV4_ADDRESS, 4), field(ie::DESTINATION_IPV4_ADDRESS, 4)],
            &[10, 0, 0, 1, 10, 0, 0, 2],
            ["10.0.0.1", "10.0.0.2"],
        ),
        (
            "dst_host",
            &[field(ie::SOURCE_IPV4_ADDRESS, 4), field(ie::DESTINATION_IPV4_ADDRESS, 4)],
            &[10, 0, 0, 1, 10, 0, 0, 2],
            ["10.0.0.2", "10.0.0.1"],
        ),
        (
            "src_port",
            &[field(ie::SOURCE_TRANSPORT_PORT, 2), field(ie::DESTINATION_TRANSPORT_PORT, 2)],
            &[0, 1, 0, 2],
            ["1", "2"],
        ),
        (
            "dst_port",
            &[
                field(ie::PROTOCOL_IDENTIFIER, 1),
                field(ie::UDP_SOURCE_PORT, 2),
                field(ie::UDP_DESTINATION_PORT, 2),
            ],
            &[17, 0, 1, 0, 2],
            ["2", "1"],
        ),
        (
            "src_as",
            &[field(ie::BGP_SOURCE_AS_NUMBER, 2), field(ie::BGP_DESTINATION_AS_NUMBER, 2)],
            &[0, 1, 0, 2],
            ["1", "2"],
        ),
        (
            "peer_src_as",
            &[field(ie::BGP_NEXT_ADJACENT_AS_NUMBER, 2), field(ie::BGP_PREV_ADJACENT_AS_NUMBER, 2)],
            &[0, 1, 0, 2],
            ["2", "1"],
        ),
        ("in_iface", &[field(ie::INGRESS_INTERFACE, 1), field(ie::EGRESS_INTERFACE, 1)], &[1, 2], ["1", "2"]),
        (
            "out_iface",
            &[field(ie::INGRESS_PHYSICAL_INTERFACE, 1), field(ie::EGRESS_PHYSICAL_INTERFACE, 1)],
            &[1, 2],
            ["2", "1"],
        ),
        (
            "src_mac",
            &[field(ie::SOURCE_MAC_ADDRESS, 6), field(ie::DESTINATION_MAC_ADDRESS, 6)],
            &[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2],
            ["1", "2"],
        ),
        (
            "src_mac",
            &[field(ie::SOURCE_MAC_ADDRESS, 6), field(ie::POST_DESTINATION_MAC_ADDRESS, 6)],
            &[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2],
            ["1", "2"],
        ),
        (
            "src_mask",
            &[field(ie::SOURCE_IPV4_PREFIX_LENGTH, 1), field(ie::DESTINATION_IPV4_PREFIX_LENGTH, 1)],
            &[24, 16],
            ["24", "16"],
        ),
        (
            "dst_net",
            &[
                field(ie::SOURCE_IPV4_ADDRESS, 4),
                field(ie::SOURCE_IPV4_PREFIX_LENGTH, 1),
                field(ie::DESTINATION_IPV4_ADDRESS, 4),
                field(ie::DESTINATION_IPV4_PREFIX_LENGTH, 1),
            ],
            &[10, 1, 2, 3, 24, 10, 4, 5, 6, 16],
            ["10.4.0.0", "10.1.2.0"],
        ),
        ("in_vlan", &[field(ie::VLAN_ID, 2), field(ie::POST_VLAN_ID, 2)], &[0, 1, 0, 2], ["1", "2"]),
        ("out_vlan", &[field(ie::DOT1Q_VLAN_ID, 2), field(ie::POST_DOT1Q_VLAN_ID, 2)], &[0, 1, 0, 2], ["2", "1"]),
        ("vlan", &[field(ie::VLAN_ID, 2)], &[0, 1], ["1", "1"]),
        (
            "in_cvlan",
            &[field(ie::DOT1Q_CUSTOMER_VLAN_ID, 2), field(ie::POST_DOT1Q_CUSTOMER_VLAN_ID, 2)],
            &[0, 1, 0, 2],
            ["1", "2"],
        ),
        (
            "post_nat_src_port",
            &[field(ie::POST_NAPT_SOURCE_TRANSPORT_PORT, 2), field(ie::POST_NAPT_DESTINATION_TRANSPORT_PORT, 2)],
            &[0, 1, 0, 2],
            ["1", "2"],
        ),
        (
            "post_nat_dst_host",
            &[field(ie::POST_NAT_SOURCE_IPV4_ADDRESS, 4), field(ie::POST_NAT_DESTINATION_IPV4_ADDRESS, 4)],
            &[10, 0, 0, 1, 10, 0, 0, 2],
            ["10.0.0.2", "10.0.0.1"],
        ),
        // Only one endpoint is present.
        ("src_host", &[field(ie::SOURCE_IPV4_ADDRESS, 4)], &[10, 0, 0, 1], ["10.0.0.1", "-"]),
        ("dst_host", &[field(ie::SOURCE_IPV4_ADDRESS, 4)], &[10, 0, 0, 1], ["-", "10.0.0.1"]),
        ("etype", &[field(ie::SOURCE_IPV4_ADDRESS, 4)], &[10, 0, 0, 1], ["2048", "2048"]),
        ("etype", &[field(ie::DESTINATION_IPV6_ADDRESS, 16)], &[1; 16], ["34525", "34525"]),
        // Elements of both endpoints.
        ("proto", &[field(ie::PROTOCOL_IDENTIFIER, 1)], &[6], ["6", "6"]),
        ("tos", &[field(ie::IP_CLASS_OF_SERVICE, 1)], &[8], ["8", "8"]),
        ("tcpflags", &[field(ie::TCP_CONTROL_BITS, 1)], &[2], ["2", "2"]),
        // The reverse element has the value of the reverse direction.
        ("tcpflags", &[field(ie::TCP_CONTROL_BITS, 1), enterprise(29305, 6, 1)], &[2, 18], ["2", "18"]),
        ("tos", &[enterprise(29305, 5, 1), field(ie::IP_CLASS_OF_SERVICE, 1)], &[8, 0], ["0", "8"]),
        (
            "in_iface",
            &[field(ie::INGRESS_INTERFACE, 1), field(ie::EGRESS_INTERFACE, 1), enterprise(29305, 10, 1)],
            &[1, 2, 3],
            ["1", "3"],
        ),
        (
            "timestamp_start",
            &[field(ie::FLOW_START_SECONDS, 4), enterprise(29305, 150, 4)],
            &[0, 0, 0, 1, 0, 0, 0, 2],
            ["1000000", "2000000"],
        ),
        (
            "timestamp_start",
            &[field(ie::FLOW_START_SECONDS, 4), enterprise(29305, 150, 4)],
            &[0, 0, 0, 1, 0, 0, 0, 0],
            ["1000000", "1000000"],
        ),
        // The path of the forward direction is not that of the reverse direction.
        ("peer_dst_ip", &[field(ie::BGP_NEXT_HOP_IPV4_ADDRESS, 4)], &[10, 0, 0, 1], ["10.0.0.1", "-"]),
        ("mpls_label_top", &[field(ie::MPLS_TOP_LABEL_STACK_SECTION, 3)], &[0, 0, 0x11], ["1", "0"]),
        ("path_delay_avg_usec", &[field(603, 2)], &[0, 30], ["10", "0"]),
        ("path_delay_avg_usec", &[field(603, 2), enterprise(29305, 603, 2)], &[0, 30, 0, 100], ["10", "20"]),
    ];
    for (word, fields, octets, expected) in cases {
        for variable in [false, true] {
            let mut bench = Bench::new(&[word], Settings::default());
            let (mut fields, mut octets) = (fields.to_vec(), octets.to_vec());
            if variable {
                fields.push(field(ie::INTERFACE_NAME, VARIABLE));
                octets.push(0);
            }
            bench.send(&bidirectional(&fields, &octets));
            assert_eq!(bench.column(word), *expected, "{word} {fields:?}");
            assert_eq!(bench.counters(), [(3, 0), (5, 0)]);
        }
    }
}

#[test]
fn names_of_options_data_depend_on_the_direction() {
    let mut bench = Bench::new(&["in_iface_name", "egress_vrf_name"], Settings::default());
    let options = |id, fields| Template::new(1, id, Kind::Options { scopes: 1 }, fields);
    let interfaces = options(400, vec![field(ie::INGRESS_INTERFACE, 1), field(ie::INTERFACE_NAME, VARIABLE)]);
    let vrfs = options(401, vec![field(ie::INGRESS_VRF_ID, 1), field(ie::VRF_NAME, VARIABLE)]);
    let fields = [
        &PACKETS[..],
        &[
            field(ie::INGRESS_INTERFACE, 1),
            field(ie::EGRESS_INTERFACE, 1),
            field(ie::INGRESS_VRF_ID, 1),
            field(ie::EGRESS_VRF_ID, 1),
        ],
    ]
    .concat();
    let data = Template::new(1, 256, Kind::Data, fields);
    bench.send(
        &Message::ipfix(1, 0, NOW)
            .templates(&[&interfaces, &vrfs])
            .records(400, 2, |w| {
                variable(w.u8(1), b"one");
                variable(w.u8(2), b"two");
            })
            .records(401, 2, |w| {
                variable(w.u8(1), b"red");
                variable(w.u8(2), b"blue");
            })
            .templates(&[&data])
            .data(256, |w| _ = w.put(&[3, 5, 1, 2, 1, 2]))
            .finish(),
    );
    assert_eq!(bench.column("in_iface_name"), ["one", "two"]);
    assert_eq!(bench.column("egress_vrf_name"), ["blue", "red"]);
}

#[test]
fn custom_primitives_depend_on_the_direction() {
    let lines = "name=from field_type=7 len=2 semantics=u_int
        name=reverse_flags field_type=29305:6 len=1 semantics=u_int
        name=app field_type=9:1 len=1 semantics=u_int
        name=bytes_there field_type=1 len=1 semantics=u_int";
    let mut bench = Bench::with_customs(&["proto"], lines, Settings::default());
    let fields = [
        field(ie::SOURCE_TRANSPORT_PORT, 2),
        field(ie::DESTINATION_TRANSPORT_PORT, 2),
        field(ie::TCP_CONTROL_BITS, 1),
        enterprise(29305, 6, 1),
        enterprise(9, 1, 1),
        field(ie::OCTET_DELTA_COUNT, 1),
    ];
    bench.send(&bidirectional(&fields, &[0, 1, 0, 2, 3, 4, 5, 6]));
    let found: Vec<Vec<u64>> = (0..4)
        .map(|n| {
            let at = bench.layout.custom(n).unwrap();
            bench.rows.iter().map(|row| netflow::record::number(&row.bytes()[at..at + 8])).collect()
        })
        .collect();
    assert_eq!(found, [[1, 2], [4, 3], [5, 5], [6, 0]]);
}

#[test]
fn both_directions_are_renormalized() {
    let settings = || Settings { renormalize: true, ..Settings::default() };
    for (fields, octets) in [
        (&[field(ie::SAMPLING_INTERVAL, 1)] as &[Specifier], vec![100]),
        (&[field(ie::SAMPLING_PROBABILITY, 4)], 0.01f32.to_be_bytes().to_vec()),
        (&[field(ie::SELECTOR_ID, 1)], vec![7]),
    ] {
        let mut bench = Bench::new(&["sampling_rate"], settings());
        let selectors = vec![
            field(ie::SELECTOR_ID, 1),
            field(ie::SAMPLING_PACKET_INTERVAL, 1),
            field(ie::SAMPLING_PACKET_SPACE, 1),
        ];
        let selectors = Template::new(1, 400, Kind::Options { scopes: 1 }, selectors);
        let message = Message::ipfix(1, 0, NOW).templates(&[&selectors]);
        bench.send(&message.data(400, |w| _ = w.put(&[7, 1, 99])).finish());
        bench.send(&bidirectional(fields, &octets));
        assert_eq!(bench.counters(), [(300, 0), (500, 0)]);
        assert_eq!(bench.column("sampling_rate"), ["1", "1"]);
    }
}

#[test]
fn an_empty_direction_has_no_row() {
    let (initiator, responder) = (
        [field(ie::INITIATOR_PACKETS, 1), field(ie::INITIATOR_OCTETS, 1)],
        [field(ie::RESPONDER_PACKETS, 1), field(ie::RESPONDER_OCTETS, 1)],
    );
    let reverse = [enterprise(29305, 2, 1), enterprise(29305, 1, 1)];
    let reverse_total = [enterprise(29305, 86, 1), enterprise(29305, 85, 1)];
    let delta = [field(ie::PACKET_DELTA_COUNT, 1), field(ie::OCTET_DELTA_COUNT, 1)];
    for (forward, reverse_counters) in [
        (initiator, responder),
        (delta, responder),
        (delta, reverse),
        (delta, reverse_total),
        (initiator, reverse),
    ] {
        for (counters, rows) in [
            ([3, 30, 5, 50], vec![(3, 30), (5, 50)]),
            ([0, 0, 5, 50], vec![(5, 50)]),
            ([0, 0, 0, 50], vec![(0, 50)]),
            ([3, 30, 0, 0], vec![(3, 30)]),
            // An empty record is not lost.
            ([0, 0, 0, 0], vec![(0, 0)]),
        ] {
            let mut bench = Bench::new(&["src_host"], Settings::default());
            let fields = [
                &[field(ie::SOURCE_IPV4_ADDRESS, 4), field(ie::DESTINATION_IPV4_ADDRESS, 4)][..],
                &forward,
                &reverse_counters,
            ]
            .concat();
            bench.send(&one(&fields, &[&[10, 0, 0, 1, 10, 0, 0, 2][..], &counters].concat()));
            assert_eq!(bench.counters(), rows);
            let hosts = if rows[0] == (5, 50) || rows[0] == (0, 50) { vec!["10.0.0.2"] } else { vec!["10.0.0.1"] };
            assert_eq!(bench.column("src_host")[..1], hosts);
            assert_eq!(bench.decoder.take_counts().rows, rows.len() as u64);
        }
        // The template counts only one direction.
        let mut bench = Bench::new(&["src_host"], Settings::default());
        let fields =
            [&[field(ie::SOURCE_IPV4_ADDRESS, 4), field(ie::DESTINATION_IPV4_ADDRESS, 4)][..], &reverse_counters]
                .concat();
        bench.send(&one(&fields, &[10, 0, 0, 1, 10, 0, 0, 2, 5, 50]));
        bench.send(&one(&fields, &[10, 0, 0, 1, 10, 0, 0, 2, 6, 60]));
        assert_eq!(bench.counters(), [(5, 50), (6, 60)]);
        assert_eq!(bench.column("src_host"), ["10.0.0.2", "10.0.0.2"]);
    }
}

#[test]
fn a_frame_belongs_to_the_forward_direction() {
    let ip = [0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 53, 0, 54, 0, 40, 0, 0];
    for octets in [&ip[..], &[], &ip[..9]] {
        let mut bench = Bench::new(&["src_host", "dst_port"], Settings::default());
        let mut w = wire::Writer::new();
        variable(w.u8(5), octets);
        bench.send(&one(&[enterprise(29305, 2, 1), field(ie::IP_HEADER_PACKET_SECTION, VARIABLE)], &w.finish()));
        if octets.len() == ip.len() {
            assert_eq!(bench.counters(), [(1, 60), (5, 0)]);
            assert_eq!(bench.column("src_host"), ["192.0.2.1", "192.0.2.2"]);
            assert_eq!(bench.column("dst_port"), ["54", "53"]);
        } else {
            assert_eq!(bench.counters().last(), Some(&(5, 0)));
        }
    }
}

/// Returns the element of the other endpoint. Elements of no endpoint stay the same.
fn other_end(specifier: Specifier) -> Specifier {
    match (specifier.enterprise, sources::counterparts(specifier.element).as_slice()) {
        (0, [0, ..]) => Specifier { enterprise: sources::REVERSE, ..specifier },
        (0, [other, ..]) => Specifier { element: *other, ..specifier },
        _ => Specifier { enterprise: 0, ..specifier },
    }
}

fn any_fields() -> impl Strategy<Value = Vec<Specifier>> {
    let elements: Vec<(u16, u16)> = vec![
        (7, 2),
        (11, 2),
        (8, 4),
        (12, 4),
        (27, 16),
        (28, 16),
        (9, 1),
        (13, 1),
        (29, 1),
        (30, 1),
        (10, 4),
        (14, 4),
        (16, 4),
        (17, 4),
        (128, 4),
        (129, 4),
        (58, 2),
        (59, 2),
        (243, 2),
        (254, 2),
        (245, 2),
        (255, 2),
        (180, 2),
        (181, 2),
        (182, 2),
        (183, 2),
        (225, 4),
        (226, 4),
        (227, 2),
        (228, 2),
        (234, 4),
        (235, 4),
        (252, 4),
        (253, 4),
        (281, 16),
        (282, 16),
        (44, 4),
        (45, 4),
        (169, 16),
        (170, 16),
        (4, 1),
        (5, 1),
        (6, 1),
        (34, 2),
        (61, 1),
        (152, 8),
        (153, 8),
        (95, 4),
        (82, VARIABLE),
        (70, 3),
        (18, 4),
        (1, 4),
    ];
    prop::sample::subsequence(elements, 0..20).prop_shuffle().prop_map(|elements| {
        let fields = elements.into_iter().map(|(element, length)| field(element, length));
        fields.chain(PACKETS).collect()
    })
}

proptest! {
    /// The reverse direction of a record equals the forward direction of the mirrored one.
    #[test]
    fn the_directions_mirror_each_other(fields in any_fields(), seed in any::<u64>(), renormalize in any::<bool>()) {
        let mut octets = Vec::new();
        let mut random = seed;
        for specifier in &fields {
            let length = if specifier.length == VARIABLE { octets.push(3); 3 } else { specifier.length };
            for _ in 0..length {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                octets.push((random >> 56) as u8 | 1);
            }
        }
        let words: Vec<&str> = (PRIMITIVES.iter())
            .filter(|primitive| primitive.daemons.has(Daemons::NFACCTD) && primitive.field().is_some())
            .map(|primitive| primitive.name)
            .collect();
        let settings = Settings { renormalize, ..Settings::default() };
        let mut rows = Vec::new();
        let mirrored: Vec<Specifier> = fields.iter().map(|specifier| other_end(*specifier)).collect();
        for fields in [fields, mirrored] {
            let mut bench = Bench::new(&words, settings.clone());
            bench.send(&one(&fields, &octets));
            let of = |row: row::Row<'_>| ([row::PACKETS, row::BYTES].map(|word| row.head(word)), row.bytes()[row::HEAD * 8..].to_vec());
            rows.push(bench.rows.iter().map(of).collect::<Vec<_>>());
        }
        rows[1].reverse();
        prop_assert_eq!(&rows[0], &rows[1]);
    }
}
