//! Times, frames, repeated elements and layer 2 counters of records.

use super::*;

#[test]
fn elements_of_the_record_take_precedence_over_those_of_a_frame() {
    let ip = [0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 53, 0, 54, 0, 40, 0, 0];
    let link = [2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa];
    let frame = |etype: [u8; 2], payload: &[u8]| [&link[..], &etype, payload].concat();
    let arp = frame([8, 6], &[0; 28]);
    let whole = frame([8, 0], &ip);
    // The frame, and the resulting EtherType and MAC address.
    let frames: [(&[u8], [&str; 2]); 5] = [
        (&[], ["2048", "0"]),
        (&whole[..9], ["2048", "0"]),
        (&whole[..20], ["2048", "2199023255562"]),
        (&arp, ["2054", "2199023255562"]),
        (&whole, ["2048", "2199023255562"]),
    ];
    let own = [10, 0, 0, 9, 0, 80, 0x12, 0, 0, 0, 7, 0, 0, 3, 0xe8];
    for section in [315, 104] {
        for (octets, [etype, mac]) in frames {
            let mut bench =
                Bench::new(&["src_host", "src_port", "tcpflags", "etype", "src_mac"], Settings::default());
            let mut fields = vec![
                field(ie::SOURCE_IPV4_ADDRESS, 4),
                field(ie::SOURCE_TRANSPORT_PORT, 2),
                field(ie::TCP_CONTROL_BITS, 1),
                field(ie::PACKET_DELTA_COUNT, 4),
                field(ie::OCTET_DELTA_COUNT, 4),
            ];
            let mut variable_fields = fields.clone();
            variable_fields.push(field(section, VARIABLE));
            let mut w = wire::Writer::new();
            variable(w.put(&own), octets);
            bench.send(&one(&variable_fields, &w.finish()));
            if !octets.is_empty() {
                fields.push(field(section, octets.len() as u16));
                bench.send(&one(&fields, &[&own[..], octets].concat()));
            }
            let rows = bench.rows.len();
            assert_eq!(bench.counters(), vec![(7, 1000); rows], "{octets:?}");
            for (word, value) in [
                ("src_host", "10.0.0.9"),
                ("src_port", "80"),
                ("tcpflags", "18"),
                ("etype", etype),
                ("src_mac", mac),
            ] {
                assert_eq!(bench.column(word), vec![value; rows], "{word} {octets:?}");
            }
            let counts = bench.decoder.take_counts();
            assert_eq!((counts.records, counts.records_without_flow), (rows as u64, 0));
        }
    }
}

#[test]
fn a_frame_replaces_a_missing_counter() {
    let arp = [&[0; 12][..], &[8, 6], &[0; 28]].concat();
    let mut bench = Bench::new(&["src_host"], Settings::default());
    for frame in [&arp[..], &[]] {
        let mut w = wire::Writer::new();
        variable(w.u8(60), frame);
        bench.send(&one(
            &[field(ie::OCTET_DELTA_COUNT, 1), field(ie::DATA_LINK_FRAME_SECTION, VARIABLE)],
            &w.finish(),
        ));
    }
    assert_eq!(bench.counters(), [(1, 60), (0, 60)]);
}

#[test]
fn records_without_a_flow_are_counted_once_and_reported() {
    let mut bench = Bench::new(&["src_host"], Settings::default());
    let template = Template::new(
        1,
        256,
        Kind::Data,
        vec![field(ie::SOURCE_IPV4_ADDRESS, 4), field(ie::DATA_LINK_FRAME_SECTION, VARIABLE)],
    );
    let unknown = Template::new(1, 257, Kind::Data, vec![enterprise(99_999, 1, 4)]);
    bench.send(
        &Message::ipfix(1, 0, NOW)
            .templates(&[&template, &unknown])
            .records(256, 2, |w| {
                variable(w.put(&[10, 0, 0, 1]), &[]);
                variable(w.put(&[10, 0, 0, 1]), &[1, 2, 3]);
            })
            .data(257, |w| _ = w.u32(1))
            .finish(),
    );
    // The exporter's sequence numbers still count them.
    bench.send(&Message::ipfix(1, 3, NOW).finish());
    assert!(bench.rows.is_empty());
    let counts = bench.decoder.take_counts();
    assert_eq!((counts.records, counts.records_without_flow, counts.sequence_gaps), (0, 3, 0));
    let reasons: Vec<_> = (bench.decoder.take_notices().into_iter())
        .filter_map(|notice| match notice {
            Notice::NoFlow { id, records, reason, .. } => Some((id, records, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, [(256, 2, NoFlow::Frame), (257, 1, NoFlow::Elements)]);
}

#[test]
fn the_last_occurrence_of_an_element_counts() {
    /// Primitive, element, the octets of both occurrences, and the expected value.
    type Case<'a> = (&'a str, Specifier, &'a [u8], &'a [u8], &'a str);
    let cases: &[Case<'_>] = &[
        ("src_host", field(ie::SOURCE_IPV4_ADDRESS, 4), &[192, 0, 2, 1], &[10, 0, 0, 1], "10.0.0.1"),
        ("dst_host", field(ie::DESTINATION_IPV4_ADDRESS, 4), &[192, 0, 2, 1], &[10, 0, 0, 1], "10.0.0.1"),
        ("src_port", field(ie::SOURCE_TRANSPORT_PORT, 2), &[0, 1], &[0, 2], "2"),
        ("dst_port", field(ie::TCP_DESTINATION_PORT, 2), &[0, 1], &[0, 2], "2"),
        ("tos", field(ie::IP_CLASS_OF_SERVICE, 1), &[1], &[2], "2"),
        ("tcpflags", field(ie::TCP_CONTROL_BITS, 1), &[1], &[2], "2"),
        ("proto", field(ie::PROTOCOL_IDENTIFIER, 1), &[4], &[6], "6"),
        ("src_as", field(ie::BGP_SOURCE_AS_NUMBER, 2), &[0, 1], &[0, 2], "2"),
        ("in_iface", field(ie::INGRESS_INTERFACE, 2), &[0, 1], &[0, 2], "2"),
        ("src_mask", field(ie::SOURCE_IPV4_PREFIX_LENGTH, 1), &[8], &[24], "24"),
        ("peer_dst_ip", field(ie::BGP_NEXT_HOP_IPV4_ADDRESS, 4), &[192, 0, 2, 1], &[10, 0, 0, 1], "10.0.0.1"),
        ("src_mac", field(ie::SOURCE_MAC_ADDRESS, 6), &[0, 0, 0, 0, 0, 1], &[0, 0, 0, 0, 0, 2], "2"),
        ("vlan", field(ie::VLAN_ID, 2), &[0, 1], &[0, 2], "2"),
        ("timestamp_start", field(ie::FLOW_START_SECONDS, 4), &[0, 0, 0, 1], &[0, 0, 0, 2], "2000000"),
        (
            "post_nat_src_host",
            field(ie::POST_NAT_SOURCE_IPV4_ADDRESS, 4),
            &[192, 0, 2, 1],
            &[10, 0, 0, 1],
            "10.0.0.1",
        ),
    ];
    for (word, specifier, first, last, expected) in cases {
        for (more, octets) in [(vec![], vec![]), (vec![field(ie::INTERFACE_NAME, VARIABLE)], vec![0])] {
            let mut bench = Bench::new(&[word], Settings::default());
            let fields = [
                &[field(ie::PACKET_DELTA_COUNT, 1), *specifier, *specifier, field(ie::PACKET_DELTA_COUNT, 1)][..],
                &more,
            ]
            .concat();
            bench.send(&one(&fields, &[&[1], *first, last, &[7], &octets].concat()));
            assert_eq!(
                (bench.column(word), bench.counters()),
                (vec![(*expected).to_owned()], vec![(7, 0)]),
                "{word}"
            );
        }
    }
}

#[test]
fn both_packets_of_a_tunnel_are_decoded() {
    let words = ["src_host", "dst_host", "tunnel_src_host", "tunnel_dst_host", "tunnel_src_port", "tunnel_proto"];
    let v6 = |last: u8| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let v4 = |last: u8| [10, 0, 0, last];
    // Addresses that occur twice, with one protocol; of both families, with two protocols; and once.
    let twice = [
        field(ie::SOURCE_IPV4_ADDRESS, 4),
        field(ie::DESTINATION_IPV4_ADDRESS, 4),
        field(ie::SOURCE_IPV4_ADDRESS, 4),
        field(ie::DESTINATION_IPV4_ADDRESS, 4),
        field(ie::PROTOCOL_IDENTIFIER, 1),
        field(ie::SOURCE_TRANSPORT_PORT, 2),
        field(ie::PACKET_DELTA_COUNT, 1),
    ];
    let twice_v6 = [
        field(ie::SOURCE_IPV6_ADDRESS, 16),
        field(ie::DESTINATION_IPV6_ADDRESS, 16),
        field(ie::SOURCE_IPV6_ADDRESS, 16),
        field(ie::DESTINATION_IPV6_ADDRESS, 16),
        field(ie::PROTOCOL_IDENTIFIER, 1),
        field(ie::SOURCE_TRANSPORT_PORT, 2),
        field(ie::PACKET_DELTA_COUNT, 1),
    ];
    let families = [
        field(ie::SOURCE_IPV4_ADDRESS, 4),
        field(ie::DESTINATION_IPV4_ADDRESS, 4),
        field(ie::PROTOCOL_IDENTIFIER, 1),
        field(ie::SOURCE_IPV6_ADDRESS, 16),
        field(ie::DESTINATION_IPV6_ADDRESS, 16),
        field(ie::PROTOCOL_IDENTIFIER, 1),
        field(ie::PACKET_DELTA_COUNT, 1),
    ];
    let once = [
        field(ie::SOURCE_IPV4_ADDRESS, 4),
        field(ie::DESTINATION_IPV4_ADDRESS, 4),
        field(ie::SOURCE_IPV6_ADDRESS, 16),
        field(ie::DESTINATION_IPV6_ADDRESS, 16),
        field(ie::PROTOCOL_IDENTIFIER, 1),
        field(ie::SOURCE_TRANSPORT_PORT, 2),
        field(ie::PACKET_DELTA_COUNT, 1),
    ];
    let tail = [6, 0, 80, 1];
    let cases: [(&[Specifier], Vec<u8>, [&str; 6]); 4] = [
        (
            &twice,
            [&v4(1)[..], &v4(2), &v4(3), &v4(4), &tail].concat(),
            ["10.0.0.3", "10.0.0.4", "10.0.0.1", "10.0.0.2", "0", "0"],
        ),
        (
            &twice_v6,
            [&v6(1)[..], &v6(2), &v6(3), &v6(4), &tail].concat(),
            ["2001:db8::3", "2001:db8::4", "2001:db8::1", "2001:db8::2", "0", "0"],
        ),
        (
            &families,
            [&v4(1)[..], &v4(2), &[41], &v6(3), &v6(4), &[6, 1]].concat(),
            ["2001:db8::3", "2001:db8::4", "10.0.0.1", "10.0.0.2", "0", "41"],
        ),
        (&once, [&v4(1)[..], &v4(2), &[0; 32], &tail].concat(), ["10.0.0.1", "10.0.0.2", "-", "-", "0", "0"]),
    ];
    for (fields, record, expected) in cases {
        let mut bench = Bench::new(&words, Settings::default());
        bench.send(&one(fields, &record));
        let found: Vec<String> = words.iter().flat_map(|word| bench.column(word)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn layer_2_octets_count_if_there_are_no_others() {
    let mut bench = Bench::new(&["src_host"], Settings::default());
    bench.send(&one(&[field(ie::LAYER2_OCTET_TOTAL_COUNT, 2), field(ie::PACKET_TOTAL_COUNT, 1)], &[5, 0xee, 1]));
    bench.send(&one(
        &[
            field(ie::LAYER2_OCTET_TOTAL_COUNT, 2),
            field(ie::OCTET_TOTAL_COUNT, 2),
            field(ie::PACKET_TOTAL_COUNT, 1),
        ],
        &[5, 0xee, 5, 0xdc, 1],
    ));
    assert_eq!(bench.counters(), [(1, 1518), (1, 1500)]);
}

#[test]
fn a_sampling_probability_becomes_an_interval() {
    for (probability, rate, packets) in [
        (0.01f64.to_be_bytes().to_vec(), "1", 500),
        (0.01f32.to_be_bytes().to_vec(), "1", 500),
        (1f64.to_be_bytes().to_vec(), "1", 5),
        (0f64.to_be_bytes().to_vec(), "0", 5),
        (vec![0; 3], "0", 5),
    ] {
        let settings = Settings { renormalize: true, ..Settings::default() };
        let mut bench = Bench::new(&["sampling_rate"], settings);
        bench.send(&one(
            &[field(311, probability.len() as u16), field(ie::PACKET_DELTA_COUNT, 1)],
            &[&probability[..], &[5]].concat(),
        ));
        assert_eq!((bench.counters(), bench.column("sampling_rate")), (vec![(packets, 0)], vec![rate.to_owned()]));
    }
}

#[test]
fn an_absolute_time_of_zero_is_absent() {
    let export = u64::from(NOW) * 1_000_000;
    let later = 1_700_000_100_000u64;
    let starts = [(150, 4), (152, 8), (154, 8), (156, 8), (322, 4), (323, 8), (324, 8), (325, 8)];
    let ends = [(151, 4), (153, 8), (155, 8), (157, 8)];
    let elements = starts.iter().map(|e| (e, "timestamp_start", export, 323)).chain(
        // Without an end time there is none, whereas the start time is then the export time.
        ends.iter().map(|e| (e, "timestamp_end", 0, 159)),
    );
    for ((element, length), word, none, other) in elements {
        let zero = &[0; 8][..usize::from(*length)];
        for variable in [false, true] {
            let mut fields = vec![field(*element, *length), field(ie::PACKET_DELTA_COUNT, 1)];
            let mut record = [zero, &[1]].concat();
            if variable {
                fields.push(field(ie::INTERFACE_NAME, VARIABLE));
                record.push(0);
            }
            let mut bench = Bench::new(&[word], Settings::default());
            bench.send(&one(&fields, &record));
            assert_eq!(bench.column(word), [none.to_string()], "element {element}");
        }
        // Another time element of the record is used.
        let (octets, time) = match other {
            323 if *element == 323 => continue,
            323 if [322, 324, 325].contains(element) => continue,
            323 => (later.to_be_bytes().to_vec(), later * 1000),
            _ => (vec![0, 0, 0, 0], export),
        };
        let mut bench = Bench::new(&[word], Settings::default());
        let fields =
            [field(*element, *length), field(other, octets.len() as u16), field(ie::PACKET_DELTA_COUNT, 1)];
        bench.send(&one(&fields, &[zero, &octets, &[1]].concat()));
        assert_eq!(bench.column(word), [time.to_string()], "element {element}");
    }
}

#[test]
fn an_exporter_start_time_of_zero_is_absent() {
    let fields = [
        field(ie::FLOW_START_SYS_UP_TIME, 4),
        field(ie::FLOW_END_SYS_UP_TIME, 4),
        field(ie::SYSTEM_INIT_TIME_MILLISECONDS, 8),
        field(ie::PACKET_DELTA_COUNT, 1),
    ];
    let record = |start: u64| [&[0, 0, 0, 0, 0, 0, 0x27, 0x10][..], &start.to_be_bytes(), &[1]].concat();
    let mut bench = Bench::new(&["timestamp_start", "timestamp_end"], Settings::default());
    bench.send(&one(&fields, &record(0)));
    bench.send(&one(&fields, &record(1_699_999_000_000)));
    // An uptime of 0 is the start time itself.
    assert_eq!(bench.column("timestamp_start"), ["1700000000000000", "1699999000000000"]);
    assert_eq!(bench.column("timestamp_end"), ["0", "1699999010000000"]);
}
