//! NetFlow and IPFIX records that describe more or less than one flow, and their way through maps, networks, filters and time bins.

use crate::support::{NOW, UPTIME, assert_rows, collected, printing, rows, start, template, without_event_type};
use netflow::encode::{Message, enterprise, field, variable};
use netflow::template::{Field, VARIABLE};
use serde_json::json;
use testkit::Setup;

/// 10 packets from 10.0.0.1 port 1000, interface 3, AS 65001, VLAN 7 to 10.0.0.2 port 80, interface 4, AS 65002, and 20 back:
/// as IPFIX with reverse elements, and as IPFIX and v9 with counters of initiator and responder.
fn bidirectional() -> [Vec<u8>; 3] {
    let ends =
        [(8, 4), (12, 4), (7, 2), (11, 2), (10, 4), (14, 4), (16, 4), (17, 4), (58, 2), (4, 1), (6, 1), (34, 1)];
    let fields = |counters: [Field; 4]| {
        let ends = ends.iter().map(|(element, length)| field(*element, *length));
        template(1, 256, ends.chain(counters).collect())
    };
    let reverse = fields([field(2, 4), field(1, 4), enterprise(29305, 2, 4), enterprise(29305, 1, 4)]);
    let responder = fields([field(298, 4), field(231, 4), field(299, 4), field(232, 4)]);
    let mut record = vec![10, 0, 0, 1, 10, 0, 0, 2];
    for port in [1000u16, 80] {
        record.extend(port.to_be_bytes());
    }
    for number in [3u32, 4, 65_001, 65_002] {
        record.extend(number.to_be_bytes());
    }
    // VLAN, protocol, flags, sampling interval.
    record.extend([0, 7, 6, 2, 100]);
    for counter in [10u32, 1000, 20, 2000] {
        record.extend(counter.to_be_bytes());
    }
    [
        Message::ipfix(1, 0, NOW).templates(&[&reverse]).data(256, |w| _ = w.put(&record)).finish(),
        Message::ipfix(1, 1, NOW).templates(&[&responder]).data(256, |w| _ = w.put(&record)).finish(),
        Message::v9(1, 0, NOW, UPTIME).templates(&[&responder]).data(256, |w| _ = w.put(&record)).finish(),
    ]
}

/// Checks the rows of each datagram separately.
#[track_caller]
fn assert_each<const N: usize>(setup: &Setup, expected: [serde_json::Value; N]) {
    for datagram in bidirectional() {
        assert_rows(without_event_type(collected(setup, [datagram]).json("out.json")), expected.clone());
    }
}

#[test]
fn maps_filters_and_networks_see_reversed_endpoints_in_the_reverse_flow() {
    let there = |mut row: serde_json::Value| {
        row["packets"] = json!(10);
        row["bytes"] = json!(1000);
        row
    };
    let back = |mut row: serde_json::Value| {
        row["packets"] = json!(20);
        row["bytes"] = json!(2000);
        row
    };
    let tagging = |map: &str| printing("tag").more_config("pre_tag_map: {dir}/tags").file("tags", map);
    for map in [
        "set_tag=1 in=3\nset_tag=2 in=4",
        "set_tag=1 out=4\nset_tag=2 out=3",
        "set_tag=1 src_as=65001\nset_tag=2 src_as=65002",
        "set_tag=2 src_net=10.0.0.2/32\nset_tag=1",
        "set_tag=1 src_port=1000\nset_tag=2 dst_port=1000",
        "set_tag=1 in=3 vlan=7\nset_tag=2 in=4 vlan=7",
        "set_tag=1 filter='vlan 7 and dst port 80'\nset_tag=2 filter='vlan 7 and src host 10.0.0.2'",
    ] {
        assert_each(&tagging(map), [there(json!({"tag": 1})), back(json!({"tag": 2}))]);
    }
    let networks = printing("src_net, src_as")
        .more_config("nfacctd_net: file\nnfacctd_as: file\nnetworks_file: {dir}/networks")
        .file("networks", "1,10.0.0.0/31\n2,10.0.0.2/31\n");
    let row = |net: &str, asn: u32| json!({"net_src": net, "as_src": asn});
    assert_each(&networks, [there(row("10.0.0.0", 1)), back(row("10.0.0.2", 2))]);
    let chosen = printing("dst_host").more_config("aggregate_filter[p]: vlan 7 and src port 80");
    assert_each(&chosen, [back(json!({"ip_dst": "10.0.0.1"}))]);
    let custom = printing("from").more_config("aggregate_primitives: {dir}/primitives");
    let custom = custom.file("primitives", "name=from field_type=8 len=4 semantics=ip");
    assert_each(&custom, [there(json!({"from": "10.0.0.1"})), back(json!({"from": "10.0.0.2"}))]);
    let summed = printing("sum_host");
    let both = |host: &str| json!({"ip_src": host, "packets": 30, "bytes": 3000});
    assert_each(&summed, [both("10.0.0.1"), both("10.0.0.2")]);
}

#[test]
fn the_reverse_flow_is_renormalized() {
    let renormalized = printing("src_port, sampling_rate").more_config("nfacctd_renormalize: true");
    let row = |port: u16, packets: u32| json!({"port_src": port, "sampling_rate": 1, "packets": packets * 100, "bytes": packets * 10_000});
    assert_each(&renormalized, [row(1000, 10), row(80, 20)]);
}

#[test]
fn a_start_time_of_zero_uses_the_export_time() {
    let config = "print_history[p]: 1m\nprint_history_roundoff[p]: m\ntimestamps_since_epoch: true";
    let setup = printing("timestamp_start").more_config(config);
    for (element, length) in [(150, 4), (152, 8), (154, 8), (156, 8), (323, 8)] {
        let fields = template(1, 256, vec![field(element, length), field(2, 4)]);
        let record = [&[0; 8][..usize::from(length)], &[0, 0, 0, 1]].concat();
        let ipfix = Message::ipfix(1, 0, NOW).templates(&[&fields]).data(256, |w| _ = w.put(&record)).finish();
        let v9 = Message::v9(1, 0, NOW, UPTIME).templates(&[&fields]).data(256, |w| _ = w.put(&record)).finish();
        let rows = collected(&setup, [ipfix, v9]).json("out.json");
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0]["timestamp_start"], format!("{NOW}.000000"), "element {element}");
        assert_eq!(
            (&rows[0]["stamp_inserted"], &rows[0]["packets"]),
            (&json!((NOW / 60 * 60).to_string()), &json!(2))
        );
    }
}

#[test]
fn repeated_elements_of_a_tunnelled_packet_use_the_inner_one() {
    let fields = [(8, 4), (12, 4), (7, 2), (8, 4), (12, 4), (7, 2), (4, 1), (2, 4)];
    let fields = template(1, 256, fields.iter().map(|(element, length)| field(*element, *length)).collect());
    let record = [192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 10, 0, 0, 1, 10, 0, 0, 2, 0, 2, 6, 0, 0, 0, 5];
    let ipfix = Message::ipfix(1, 0, NOW).templates(&[&fields]).data(256, |w| _ = w.put(&record)).finish();
    let v9 = Message::v9(1, 0, NOW, UPTIME).templates(&[&fields]).data(256, |w| _ = w.put(&record)).finish();
    assert_rows(
        rows("src_host, dst_host, src_port, tunnel_src_host", [ipfix, v9]),
        [json!({
            "ip_src": "10.0.0.1", "ip_dst": "10.0.0.2", "port_src": 2, "tunnel_ip_src": "192.0.2.1", "packets": 10,
            "bytes": 0,
        })],
    );
}

#[test]
fn a_record_with_an_unusable_frame_keeps_its_counters() {
    let arp = [&[2; 12][..], &[8, 6], &[0; 28]].concat();
    let cut = [&[2; 12][..], &[8, 0, 0x45, 0, 0, 28]].concat();
    let own = template(1, 256, vec![field(8, 4), field(2, 4), field(315, VARIABLE)]);
    let frames = template(1, 257, vec![field(8, 4), field(315, VARIABLE)]);
    let process = start(&printing("src_host"));
    let message = Message::ipfix(1, 0, NOW).templates(&[&own, &frames]).records(256, 3, |w| {
        for frame in [&[], &arp[..], &cut[..]] {
            variable(w.put(&[10, 0, 0, 1]).u32(5), frame);
        }
    });
    let message = message.records(257, 2, |w| {
        for frame in [&[], &arp[..]] {
            variable(w.put(&[10, 0, 0, 2]), frame);
        }
    });
    process.exporter("127.0.1.1").send(&message.finish());
    let report = process.wait_for_datagrams(1);
    assert_eq!((report.value("records_decoded"), report.value("records_faulty")), (3, 2));
    report.assert_all_accounted();
    process.wait_for_log("records without a flow: no counters, and no complete IP header in the frames");
    assert_rows(
        without_event_type(process.stop().json("out.json")),
        [json!({"ip_src": "10.0.0.1", "packets": 15, "bytes": 0})],
    );
}
