//! Input that the C implementation loses, misreads or hangs on, and the correct result. Each test covers one such case from
//! outside; docs/DIFFERENCES.md lists them for users who migrate.

use crate::support::without_event_type;
use crate::support::{NOW, UPTIME, assert_rows, collected, one, printing, rows, start, template, v5_of, web};
use netflow::encode::{Message, field, v5, variable};
use netflow::template::VARIABLE;
use serde_json::json;

#[test]
fn counters_of_64_bits_are_exact() {
    for size in 1..=8u16 {
        let record = [&[0, 7][..], &[0u8; 8][8 - usize::from(size) + 1..], &[200], &[0, 0, 0, 1]].concat();
        assert_rows(
            rows("src_port", [one(&[field(7, 2), field(1, size), field(2, 4)], &record)]),
            [json!({"port_src": 7, "packets": 1, "bytes": 200})],
        );
    }
}

#[test]
fn flow_times_keep_their_microseconds() {
    let ntp = |secs: u64, fraction: u32| ((secs + 2_208_988_800) << 32 | u64::from(fraction)).to_be_bytes();
    let record = [&ntp(1_700_000_000, 1 << 31)[..], &ntp(1_700_000_001, 1 << 30), &[0, 0, 0, 1]].concat();
    let setup = printing("timestamp_start, timestamp_end").more_config("timestamps_since_epoch: true");
    let message = one(&[field(154, 8), field(155, 8), field(2, 4)], &record);
    assert_rows(
        without_event_type(collected(&setup, [message]).json("out.json")),
        [json!({
            "timestamp_start": "1700000000.500000", "timestamp_end": "1700000001.250000", "packets": 1, "bytes": 0,
        })],
    );
}

#[test]
fn a_sampling_interval_of_zero_multiplies_nothing() {
    let setup = printing("src_port").more_config("nfacctd_renormalize: true");
    let record = [0, 7, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 50];
    let inline = one(&[field(7, 2), field(34, 4), field(2, 4), field(1, 4)], &record);
    let header = v5(0, NOW, UPTIME, 0x4000, &[web(1, 7, 5, 50)]);
    for datagram in [inline, header] {
        assert_rows(
            without_event_type(collected(&setup, [datagram]).json("out.json")),
            [json!({"port_src": 7, "packets": 5, "bytes": 50})],
        );
    }
}

#[test]
fn trailing_octets_do_not_invalidate_a_datagram() {
    let mut datagram = v5_of(&[web(1, 1, 2, 20), web(1, 2, 2, 20)]);
    datagram[3] = 1;
    datagram.extend([0; 7]);
    assert_rows(rows("src_port", [datagram]), [json!({"port_src": 1, "packets": 2, "bytes": 20})]);
}

#[test]
fn an_ipfix_message_ends_where_its_header_says() {
    let mut message = one(&[field(7, 2), field(2, 4), field(1, 4)], &[0, 7, 0, 0, 0, 2, 0, 0, 0, 20]);
    // A second data set after the end of the message.
    message.extend([1, 0, 0, 14, 0, 8, 0, 0, 0, 2, 0, 0, 0, 20]);
    assert_rows(rows("src_port", [message]), [json!({"port_src": 7, "packets": 2, "bytes": 20})]);
}

#[test]
fn data_of_a_withdrawn_template_are_dropped_and_counted() {
    let first = template(1, 256, vec![field(7, 2), field(2, 4)]);
    let second = template(1, 256, vec![field(2, 4), field(7, 2)]);
    let message = || Message::ipfix(1, 0, NOW);
    let process = start(&printing("src_port"));
    let exporter = process.exporter("127.0.1.1");
    exporter.send(&message().templates(&[&first]).data(256, |w| _ = w.u16(1).u32(10)).finish());
    exporter.send(&message().withdraw(256, false).finish());
    exporter.send(&message().data(256, |w| _ = w.u16(2).u32(20)).finish());
    let report = process.wait_for_datagrams(3);
    assert_eq!((report.value("templates_withdrawn"), report.value("sets_withdrawn")), (1, 1));
    exporter.send(&message().templates(&[&second]).data(256, |w| _ = w.u32(30).u16(3)).finish());
    process.wait_for_datagrams(4).assert_all_accounted();
    assert_rows(
        without_event_type(process.stop().json("out.json")),
        [(1, 10), (3, 30)].map(|(port, packets)| json!({"port_src": port, "packets": packets, "bytes": 0})),
    );
}

#[test]
fn a_template_of_zero_length_does_not_loop() {
    let nothing = template(1, 256, vec![field(7, 0), field(2, 0)]);
    let message = Message::v9(1, 0, NOW, UPTIME)
        .templates(&[&nothing])
        .data(256, |w| _ = w.put(&[1; 400]))
        .templates(&[&template(1, 257, vec![field(7, 2), field(2, 4)])])
        .data(257, |w| _ = w.u16(7).u32(3))
        .finish();
    assert_rows(rows("src_port", [message]), [json!({"port_src": 7, "packets": 3, "bytes": 0})]);
}

#[test]
fn long_variable_length_fields_are_decoded() {
    let long = template(1, 256, vec![field(82, VARIABLE), field(7, 2), field(2, 4)]);
    let message = Message::ipfix(1, 0, NOW)
        .templates(&[&long])
        .data(256, |w| {
            variable(w, &[b'x'; 40_000]);
            w.u16(7).u32(3);
        })
        .finish();
    assert_rows(rows("src_port", [message]), [json!({"port_src": 7, "packets": 3, "bytes": 0})]);
}

#[test]
fn a_truncated_frame_is_not_read_beyond_its_end() {
    let frames = template(1, 256, vec![field(315, VARIABLE)]);
    let mut frame = vec![2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 8, 0];
    frame
        .extend([0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 53, 0, 54, 0, 40, 0, 0]);
    let message = Message::ipfix(1, 0, NOW)
        .templates(&[&frames])
        .records(256, 3, |w| {
            variable(w, &frame[..20]);
            variable(w, &frame);
            variable(w, &frame[..33]);
        })
        .finish();
    let rows = rows("src_host, dst_host, src_port", [message]);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((rows[0]["ip_src"].as_str(), rows[0]["port_src"].as_u64()), (Some("192.0.2.1"), Some(53)));
}
