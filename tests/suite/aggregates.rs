//! Datagrams in, aggregates out.

use crate::support::{
    NOW, UPTIME, assert_rows, by_fields, collected, model, nfacctd, one, printing, rows, start, template, v5_of,
    web, without_event_type,
};
use netflow::encode::{Message, enterprise, field};
use serde_json::json;
use testkit::output::sum;
use testkit::sockets;
use testkit::traffic::{Flow, Flows, Stream, Version, total};

const FIVE_TUPLE: [&str; 5] = ["ip_src", "ip_dst", "port_src", "port_dst", "ip_proto"];

fn five_tuple(flow: &Flow) -> Vec<String> {
    vec![
        flow.source.to_string(),
        flow.destination.to_string(),
        flow.source_port.to_string(),
        flow.destination_port.to_string(),
        flow.protocol.to_string(),
    ]
}

#[test]
fn flows_with_one_key_become_one_aggregate() {
    let datagram = v5_of(&[web(1, 1024, 1, 100), web(2, 1025, 5, 500), web(1, 1026, 2, 50)]);
    assert_rows(
        rows("src_host, flows", [datagram]),
        [
            json!({"ip_src": "10.0.0.1", "flows": 2, "packets": 3, "bytes": 150}),
            json!({"ip_src": "10.0.0.2", "flows": 1, "packets": 5, "bytes": 500}),
        ],
    );
}

#[test]
fn every_version_matches_the_model() {
    let flows: Vec<Flow> = Flows::new(11).take(3000).collect();
    for version in [Version::V5, Version::V9, Version::Ipfix] {
        let setup = nfacctd(
            "plugins: print[five], print[as]
             print_num_protos: true
             print_output: json
             aggregate[five]: src_host, dst_host, src_port, dst_port, proto, flows
             print_output_file[five]: {dir}/five.json
             aggregate[as]: src_as, dst_as, in_iface, out_iface, tos, src_mask, dst_mask, flows
             print_output_file[as]: {dir}/as.json",
        );
        let finished = collected(&setup, Stream::new(version, 1, NOW).datagrams(&flows));
        let carried = flows.iter().filter(|flow| version != Version::V5 || flow.source.is_ipv4());
        let five = by_fields(&finished.json("five.json"), &FIVE_TUPLE);
        assert_eq!(five, model(carried.clone(), five_tuple), "{version:?}");
        let fields = ["as_src", "as_dst", "iface_in", "iface_out", "tos", "mask_src", "mask_dst"];
        let ases = by_fields(&finished.json("as.json"), &fields);
        let expected = model(carried, |flow| {
            let [[a, b], [c, d], [e, f]] = [flow.ases, flow.interfaces, flow.masks.map(u16::from)];
            [a, b, c, d, flow.tos.into(), e, f].map(|number| number.to_string()).to_vec()
        });
        assert_eq!(ases, expected, "{version:?}");
    }
}

#[test]
fn datagrams_over_ipv6_are_received() {
    if !sockets::has_ipv6() {
        return;
    }
    let flows: Vec<Flow> = Flows::new(5).take(300).collect();
    let process = start(&printing("peer_src_ip, flows").on_ipv6());
    process.exporter("::1").send_all(Stream::new(Version::Ipfix, 1, NOW).datagrams(&flows));
    let rows = without_event_type(process.stop().json("out.json"));
    let all = total(&flows);
    assert_rows(
        rows,
        [json!({"peer_ip_src": "::1", "flows": all.flows, "packets": all.packets, "bytes": all.octets})],
    );
}

#[test]
fn templates_with_equal_ids_are_separate_for_each_exporter_and_domain() {
    let process = start(&printing("peer_src_ip, export_proto_sysid, src_port"));
    let wide = |domain| template(domain, 256, vec![field(7, 2), field(2, 8), field(1, 8)]);
    let narrow = |domain| template(domain, 256, vec![field(2, 2), field(1, 2), field(7, 2)]);
    let message = |domain| Message::ipfix(domain, 0, NOW);
    let [first, second] = ["127.0.1.1", "127.0.1.2"].map(|source| process.exporter(source));
    first.send(&message(1).templates(&[&wide(1)]).finish());
    first.send(&message(2).templates(&[&narrow(2)]).finish());
    second.send(&message(1).templates(&[&narrow(1)]).finish());
    first.send(&message(1).data(256, |w| _ = w.u16(11).u64(1).u64(10)).finish());
    first.send(&message(2).data(256, |w| _ = w.u16(2).u16(20).u16(12)).finish());
    second.send(&message(1).data(256, |w| _ = w.u16(3).u16(30).u16(21)).finish());
    let row = |peer, domain, port, packets, bytes| {
        json!({
            "peer_ip_src": peer, "export_proto_sysid": domain, "port_src": port, "packets": packets, "bytes": bytes,
        })
    };
    assert_rows(
        without_event_type(process.stop().json("out.json")),
        [row("127.0.1.1", 1, 11, 1, 10), row("127.0.1.1", 2, 12, 2, 20), row("127.0.1.2", 1, 21, 3, 30)],
    );
}

#[test]
fn data_before_their_template_are_decoded_when_it_arrives() {
    for message in [|| Message::ipfix(1, 0, NOW), || Message::v9(1, 0, NOW, UPTIME)] {
        let process = start(&printing("src_port"));
        let exporter = process.exporter("127.0.1.1");
        exporter.send(&message().data(300, |w| _ = w.u16(7).u32(1).u32(10)).finish());
        exporter.send(&message().data(300, |w| _ = w.u16(7).u32(2).u32(20)).finish());
        let waiting = process.wait_for_datagrams(2);
        assert_eq!((waiting.value("sets_pending"), waiting.value("records_decoded")), (2, 0));
        waiting.assert_all_accounted();
        let template = template(1, 300, vec![field(7, 2), field(2, 4), field(1, 4)]);
        exporter.send(&message().templates(&[&template]).finish());
        let found = process.wait_for_datagrams(3);
        assert_eq!((found.value("sets_pending"), found.value("sets_recovered")), (0, 2));
        found.assert_all_accounted();
        let rows = without_event_type(process.stop().json("out.json"));
        assert_rows(rows, [json!({"port_src": 7, "packets": 3, "bytes": 30})]);
    }
}

#[test]
fn data_without_a_template_are_counted_as_dropped() {
    let process = start(&printing("src_port"));
    process.exporter("127.0.1.1").send(&Message::ipfix(1, 0, NOW).data(300, |w| _ = w.u32(1)).finish());
    assert_eq!(process.wait_for_datagrams(1).value("sets_pending"), 1);
    let finished = process.stop();
    assert!(finished.json("out.json").is_empty());
    assert!(finished.log.contains("template"), "{}", finished.log);
}

#[test]
fn a_changed_template_applies_to_later_data() {
    let before = template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)]);
    let after = template(1, 256, vec![field(1, 4), field(2, 4), field(7, 2)]);
    let message = Message::v9(1, 0, NOW, UPTIME)
        .templates(&[&before])
        .data(256, |w| _ = w.u16(1).u32(2).u32(3))
        .templates(&[&after])
        .data(256, |w| _ = w.u32(3).u32(2).u16(1))
        .finish();
    assert_rows(rows("src_port", [message]), [json!({"port_src": 1, "packets": 4, "bytes": 6})]);
}

#[test]
fn a_bidirectional_record_becomes_two_aggregates() {
    const REVERSE: u32 = 29305;
    let ends = [field(8, 4), field(12, 4), field(7, 2), field(11, 2)];
    let counters = [
        // RFC 5103.
        [field(2, 4), field(1, 4), enterprise(REVERSE, 2, 4), enterprise(REVERSE, 1, 4)],
        // Initiator and responder.
        [field(298, 4), field(231, 4), field(299, 4), field(232, 4)],
    ];
    let record = [10, 0, 0, 1, 10, 0, 0, 2, 4, 0, 0, 80, 0, 0, 0, 3, 0, 0, 0, 30, 0, 0, 0, 5, 0, 0, 0, 50];
    for counters in counters {
        assert_rows(
            rows("src_host, dst_host, src_port, dst_port", [one(&[ends, counters].concat(), &record)]),
            [
                json!({
                    "ip_src": "10.0.0.1", "ip_dst": "10.0.0.2", "port_src": 1024, "port_dst": 80,
                    "packets": 3, "bytes": 30,
                }),
                json!({
                    "ip_src": "10.0.0.2", "ip_dst": "10.0.0.1", "port_src": 80, "port_dst": 1024,
                    "packets": 5, "bytes": 50,
                }),
            ],
        );
    }
}

#[test]
fn nat_events_have_no_counters() {
    let fields = [field(8, 4), field(225, 4), field(227, 2), field(230, 1), field(323, 8)];
    let mut record = vec![10, 0, 0, 1, 198, 51, 100, 1, 0x9c, 0x41, 1];
    record.extend(1_699_999_999_500u64.to_be_bytes());
    let setup = printing("src_host, nat_event, post_nat_src_host, post_nat_src_port, timestamp_start")
        .more_config("timestamps_since_epoch: true");
    assert_rows(
        without_event_type(collected(&setup, [one(&fields, &record)]).json("out.json")),
        [json!({
            "ip_src": "10.0.0.1", "post_nat_ip_src": "198.51.100.1", "post_nat_port_src": 40001, "nat_event": 1,
            "timestamp_start": "1699999999.500000",
        })],
    );
}

#[test]
fn each_plugin_aggregates_the_same_flows_by_its_own_key() {
    let flows: Vec<Flow> = Flows::new(23).take(1000).collect();
    let setup = nfacctd(
        "plugins: print[a], print[b], print[none]
         print_output: json
         aggregate[a]: src_as, flows
         print_output_file[a]: {dir}/a.json
         aggregate[b]: dst_port, flows
         print_output_file[b]: {dir}/b.json
         aggregate[none]: none
         print_output_file[none]: {dir}/none.json",
    );
    let finished = collected(&setup, Stream::new(Version::V9, 1, NOW).datagrams(&flows));
    let all = total(&flows);
    for name in ["a.json", "b.json", "none.json"] {
        let rows = finished.json(name);
        assert_eq!((sum(&rows, "packets"), sum(&rows, "bytes")), (all.packets, all.octets), "{name}");
    }
    assert_eq!(sum(&finished.json("a.json"), "flows"), all.flows);
    assert_eq!(finished.json("none.json").len(), 1);
}

#[test]
fn flows_belong_to_the_time_bin_of_their_start() {
    let setup = printing("src_port").more_config(
        "print_history: 1m
         print_history_roundoff: m
         timestamps_since_epoch: true",
    );
    // 1,700,000,000 is 20 s into a minute. A start on the border counts to the minute that it ends.
    let flow = |start_before_s: u32, packets| {
        let mut record = web(1, 1024, packets, 100);
        record.switched = [UPTIME - start_before_s * 1000, UPTIME];
        record
    };
    let rows = collected(&setup, [v5_of(&[flow(10, 1), flow(15, 2), flow(30, 4), flow(79, 8), flow(80, 16)])]);
    let bins: Vec<_> = rows
        .json("out.json")
        .iter()
        .map(|row| (row["stamp_inserted"].to_string(), row["packets"].as_u64().unwrap()))
        .collect();
    let mut expected = [("1699999980", 3), ("1699999920", 12), ("1699999860", 16)]
        .map(|(bin, packets)| (format!("{:?}", bin), packets));
    expected.sort();
    let mut bins = bins;
    bins.sort();
    assert_eq!(bins, expected);
}
