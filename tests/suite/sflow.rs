//! sfacctd: samples and counters of agents.

use crate::support::{assert_rows, without_event_type};
use serde_json::{Value, json};
use sflow::encode::Datagram;
use sflow::flow::{HeaderProtocol, RawHeader};
use sflow::{CounterBlock, CounterHead, DataFormat, DiscardHead, FlowHead, FlowRecord, Interface, SourceId};
use std::net::Ipv4Addr;
use testkit::frames::{IPV4, UDP, ethernet, ipv4, udp};
use testkit::{Finished, Setup};

const AGENT: [u8; 4] = [10, 99, 0, 1];

pub(crate) fn sfacctd(aggregate: &str, lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_sfacctd"))
        .config(&format!(
            "sfacctd_ip: {{ip}}
             sfacctd_port: {{port}}
             plugins: print[p]
             aggregate[p]: {aggregate}
             print_output[p]: json
             print_output_file[p]: {{dir}}/out.json
             print_refresh_time: 86400"
        ))
        .more_config(lines)
}

pub(crate) fn collected(setup: &Setup, datagrams: &[Vec<u8>]) -> Finished {
    let process = setup.start();
    process.wait_for_log("waiting for sFlow data");
    process.exporter("127.0.1.1").send_all(datagrams);
    process.wait_for_datagrams(datagrams.len() as u64).assert_all_accounted();
    process.stop()
}

pub(crate) fn rows(finished: &Finished) -> Vec<Value> {
    without_event_type(finished.json("out.json"))
}

fn frame(port: u16) -> Vec<u8> {
    ethernet(IPV4, &ipv4(UDP, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), &udp(port, 53, &[1; 70])))
}

pub(crate) fn head(rate: u32) -> FlowHead {
    FlowHead {
        format: DataFormat::FLOW,
        sequence: 1,
        source: SourceId { class: 0, index: 3 },
        sampling_rate: rate,
        input: Interface::index(3),
        output: Interface::index(4),
        ..FlowHead::default()
    }
}

pub(crate) fn header(octets: &[u8]) -> FlowRecord<'_> {
    FlowRecord::RawHeader(RawHeader {
        protocol: HeaderProtocol::ETHERNET,
        frame_length: 116,
        stripped: Some(4),
        octets,
    })
}

pub(crate) fn datagram(sequence: u32) -> Datagram {
    Datagram::v5(Some(AGENT.into()), 7, sequence, 1000)
}

#[test]
fn samples_become_rows_of_their_agent() {
    let (one, two) = (frame(1), frame(2));
    let mut first = datagram(1);
    first.flow(&head(100), &[header(&one)]).unwrap().flow(&head(100), &[header(&two)]).unwrap();
    let mut second = datagram(2);
    second.flow(&head(10), &[header(&one)]).unwrap();
    let datagrams = [first.finish(), second.finish()];
    let primitives = "peer_src_ip, src_port, in_iface, out_iface, sampling_direction, export_proto_sysid";
    let row = |port: u16, packets: u32| {
        json!({
            "peer_ip_src": "10.99.0.1", "port_src": port, "iface_in": 3, "iface_out": 4, "sampling_direction": "i",
            "export_proto_sysid": 7, "packets": packets, "bytes": packets * 116,
        })
    };
    assert_rows(rows(&collected(&sfacctd(primitives, ""), &datagrams)), [row(1, 2), row(2, 1)]);
    let renormalized = sfacctd(primitives, "sfacctd_renormalize: true");
    assert_rows(rows(&collected(&renormalized, &datagrams)), [row(1, 110), row(2, 100)]);
}

#[test]
fn samples_that_are_no_packets_are_passed_over_and_counted() {
    let one = frame(1);
    let discarded = DiscardHead { sequence: 1, ..DiscardHead::default() };
    let mut mixed = datagram(1);
    mixed.other(DataFormat::new(0, 77), &[1; 12]).unwrap();
    mixed.discarded(&discarded, &[header(&one)]).unwrap();
    mixed.flow(&head(1), &[]).unwrap();
    mixed.flow(&head(1), &[header(&one)]).unwrap();
    let mixed = mixed.finish();
    let cut = mixed[..mixed.len() - 9].to_vec();
    let setup = sfacctd("src_port", "");
    let process = setup.start();
    process.wait_for_log("waiting for sFlow data");
    process.exporter("127.0.1.1").send_all([mixed, cut, vec![0, 0, 0, 9], vec![1, 2, 3]]);
    let statistics = process.wait_for_datagrams(4);
    statistics.assert_all_accounted();
    let told = [
        "samples_skipped[unknown]",
        "samples_skipped[discarded_packets]",
        "samples_skipped[no_packet]",
        "records_decoded",
    ];
    assert_eq!(told.map(|key| statistics.value(key)), [2, 2, 2, 1]);
    let refused = ["datagrams_rejected[version]", "datagrams_rejected[too_short]", "records_faulty"];
    assert_eq!(refused.map(|key| statistics.value(key)), [1, 1, 1]);
    assert_rows(rows(&process.stop()), [json!({"port_src": 1, "packets": 1, "bytes": 116})]);
}

#[test]
fn counters_go_to_a_file_for_each_agent() {
    let kind = sflow::counters::kind(DataFormat::new(0, 5)).expect("VLAN counters");
    let values = [6, 1 << 40, 5, 6, 7, 8].map(sflow::Value::Number);
    let octets = sflow::counters::contents(kind, values);
    let block = CounterBlock { format: kind.format, kind: Some(kind), octets: &octets };
    let head = CounterHead {
        format: DataFormat::COUNTERS,
        sequence: 11,
        source: SourceId { class: 0, index: 55 },
        interval_secs: None,
    };
    let mut sent = datagram(4);
    sent.counters(&head, &[block]).unwrap();
    let setup = sfacctd("src_port", "sfacctd_counter_file: {dir}/counters-$peer_src_ip.json");
    let finished = collected(&setup, &[sent.finish()]);
    let mut lines = finished.json("counters-10_99_0_1.json");
    for line in &mut lines {
        assert!(line.as_object_mut().and_then(|line| line.remove("timestamp")).is_some());
    }
    assert_eq!(
        lines,
        [
            json!({
                "seq": 1, "peer_ip_src": "10.99.0.1", "event_type": "log", "source_id_index": 55, "sflow_seq": 4,
                "sflow_cnt_seq": 11, "sf_cnt_type": "sflow_cnt_vlan", "vlan": 6, "octets": 1u64 << 40, "ucastPkts": 5,
                "multicastPkts": 6, "broadcastPkts": 7, "discards": 8,
            }),
            json!({"seq": 0, "peer_src_ip": "10.99.0.1", "event_type": "log_init"}),
        ]
    );
}

#[test]
fn filters_see_the_copied_header() {
    let (one, two) = (frame(1), frame(2));
    let mut sent = datagram(1);
    sent.flow(&head(1), &[header(&one)]).unwrap().flow(&head(1), &[header(&two)]).unwrap();
    let setup = sfacctd("tag, src_port", "pre_tag_map: {dir}/tags.map\naggregate_filter[p]: udp[8] == 1")
        .file("tags.map", "set_tag=5 ip=10.99.0.1 filter='src port 2'\n");
    assert_rows(
        rows(&collected(&setup, &[sent.finish()])),
        [
            json!({"tag": 0, "port_src": 1, "packets": 1, "bytes": 116}),
            json!({"tag": 5, "port_src": 2, "packets": 1, "bytes": 116}),
        ],
    );
}
