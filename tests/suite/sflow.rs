//! sfacctd: flow samples and counter samples.

use crate::support::{self, assert_rows, printing, v5_of, web, without_event_type};
use serde_json::{Value, json};
use sflow::encode::Datagram;
use sflow::flow::{Ethernet, HeaderProtocol, Ipv4, Ipv6, RawHeader};
use sflow::{CounterBlock, CounterHead, DataFormat, DiscardHead, FlowHead, FlowRecord, Interface, SourceId};
use std::net::Ipv4Addr;
use testkit::frames::{IPV4, TCP, UDP, ethernet, ipv4, udp};
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
fn samples_become_rows_with_their_agent() {
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
fn samples_without_packets_are_skipped_and_counted() {
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
    let counters = [
        "samples_skipped[unknown]",
        "samples_skipped[discarded_packets]",
        "samples_skipped[no_packet]",
        "records_decoded",
    ];
    assert_eq!(counters.map(|key| statistics.value(key)), [2, 2, 2, 1]);
    let errors = ["datagrams_rejected[version]", "datagrams_rejected[too_short]", "records_faulty"];
    assert_eq!(errors.map(|key| statistics.value(key)), [1, 1, 1]);
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
fn filters_match_the_sampled_header() {
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

/// Fields of the packet in [`frame`], but TCP and longer.
fn fields(port: u32) -> FlowRecord<'static> {
    FlowRecord::Ipv4(Ipv4 {
        length: 500,
        protocol: TCP.into(),
        src: [10, 0, 0, 1].into(),
        dst: [10, 0, 0, 2].into(),
        src_port: port,
        dst_port: 80,
        tcp_flags: 0x12,
        tos: 184,
    })
}

fn link(etype: u32) -> FlowRecord<'static> {
    let (src, dst) = (wire::Mac([2, 0, 0, 0, 0, 1]), wire::Mac([2, 0, 0, 0, 0, 2]));
    FlowRecord::Ethernet(Ethernet { length: 518, src, dst, etype })
}

#[test]
fn records_of_one_sample_become_one_row_in_any_order() {
    let cut = [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &frame(9)[12..20]].concat();
    let raw = |protocol, octets| {
        FlowRecord::RawHeader(RawHeader { protocol, frame_length: 518, stripped: Some(4), octets })
    };
    let v6 = FlowRecord::Ipv6(Ipv6 {
        length: 1400,
        protocol: TCP.into(),
        src: "2001:db8::1".parse().unwrap(),
        dst: "2001:db8::2".parse().unwrap(),
        src_port: 7,
        dst_port: 80,
        tcp_flags: 0x11,
        priority: 0,
    });
    let expanded = FlowHead { format: DataFormat::FLOW_EXPANDED, ..head(10) };
    let mut sent = datagram(1);
    for head in [head(10), expanded] {
        sent.flow(&head, &[link(0x800), fields(1000)]).unwrap().flow(&head, &[fields(1000), link(0x800)]).unwrap();
        sent.flow(&head, &[raw(HeaderProtocol::WIFI, &[0x88; 40]), link(0x800), fields(1000)]).unwrap();
        sent.flow(&head, &[raw(HeaderProtocol::ETHERNET, &cut), fields(1000), link(0x800)]).unwrap();
        sent.flow(&head, &[v6, link(0x86dd)]).unwrap();
        sent.flow(&head, &[link(0x806)]).unwrap();
    }
    let primitives = "src_host, src_mac, etype, src_port, tcpflags, tos";
    let setup =
        sfacctd(primitives, "aggregate_filter[p]: ether src 02:00:00:00:00:01 and tcp[tcpflags] & tcp-fin == 0");
    let process = setup.start();
    process.wait_for_log("waiting for sFlow data");
    process.exporter("127.0.1.1").send(&sent.finish());
    let statistics = process.wait_for_datagrams(1);
    statistics.assert_all_accounted();
    assert_eq!((statistics.value("records_decoded"), statistics.value("samples_skipped[no_packet]")), (10, 2));
    let finished = process.stop();
    let row = json!({
        "ip_src": "10.0.0.1", "mac_src": "02:00:00:00:00:01", "etype": "800", "port_src": 1000, "tcp_flags": 18,
        "tos": 184, "packets": 8, "bytes": 8 * 500,
    });
    assert_rows(rows(&finished), [row]);
    assert!(!finished.log.contains("WARN"), "{}", finished.log);
}

#[test]
fn the_valid_part_of_a_malformed_sample_is_kept_and_the_error_logged() {
    let one = frame(1);
    let unreadable = FlowRecord::Unknown(sflow::Unknown { format: DataFormat::new(43_874, 2), octets: &[1; 4] });
    let mut sent = datagram(1);
    sent.flow(&head(1), &[unreadable, header(&one)]).unwrap();
    let mut more = datagram(2);
    more.flow(&head(1), &[header(&one)]).unwrap();
    let mut more = more.finish();
    // The sample announces a second record.
    more[28 + 8 + 31] += 1;
    let mut padded = datagram(3);
    padded.flow(&head(1), &[header(&one[..61])]).unwrap();
    let mut padded = padded.finish();
    padded.truncate(padded.len() - 3);
    let process = sfacctd("tag, src_port", "").start();
    process.wait_for_log("waiting for sFlow data");
    process.exporter("127.0.1.1").send_all([sent.finish(), more, padded]);
    let statistics = process.wait_for_datagrams(3);
    statistics.assert_all_accounted();
    assert_eq!((statistics.value("records_decoded"), statistics.value("records_faulty")), (3, 2));
    process.wait_for_log("a sample is malformed");
    let finished = process.stop();
    assert_rows(rows(&finished), [json!({"tag": 0, "port_src": 1, "packets": 3, "bytes": 3 * 116})]);
    let line = finished.log.lines().find(|line| line.contains("a sample is malformed")).unwrap();
    assert!(line.starts_with("WARN") && line.contains("10.99.0.1"), "{line}");
}

#[test]
fn a_rate_of_0_multiplies_nothing_and_a_configured_rate_overrides_samples() {
    let one = frame(1);
    let mut sent = datagram(1);
    sent.flow(&head(0), &[header(&one)]).unwrap().flow(&head(100), &[header(&one)]).unwrap();
    let datagrams = [sent.finish()];
    let row = |rate: u32, packets: u32| json!({"sampling_rate": rate, "packets": packets, "bytes": packets * 116});
    let shown = |lines: &str| {
        let setup = sfacctd("sampling_rate", lines).file("rates", "id=7 ip=10.99.0.1 in=3\n");
        rows(&collected(&setup.file("others", "id=7 ip=10.99.0.1 in=9\n"), &datagrams))
    };
    assert_rows(shown(""), [row(0, 1), row(100, 1)]);
    assert_rows(shown("sfacctd_renormalize: true"), [row(0, 1), row(1, 100)]);
    assert_rows(shown("sfacctd_ext_sampling_rate: 1000"), [row(1000, 2)]);
    let external = "sfacctd_renormalize: true\nsfacctd_ext_sampling_rate: 1000";
    assert_rows(shown(external), [row(1, 2000)]);
    // A rule of the map applies to this agent or interface, the key to all.
    assert_rows(shown(&format!("{external}\nsampling_map: {{dir}}/rates")), [row(1, 14)]);
    assert_rows(shown(&format!("{external}\nsampling_map: {{dir}}/others")), [row(1, 2000)]);
    assert_rows(shown("sfacctd_renormalize: true\nsampling_map: {dir}/others"), [row(0, 1), row(1, 100)]);
}

#[test]
fn agents_without_flow_samples_are_logged() {
    let one = frame(1);
    let counters = CounterHead { format: DataFormat::COUNTERS, ..CounterHead::default() };
    let sent = |agent: u8, flow: bool| {
        let mut sent = Datagram::v5(Some([10, 99, 0, agent].into()), 7, 1, 1000);
        sent.counters(&counters, &[]).unwrap();
        if flow {
            sent.flow(&head(1), &[header(&one)]).unwrap();
        }
        sent.finish()
    };
    let datagrams = [sent(1, false), sent(2, true), sent(3, false)];
    let what = "counter samples only, no flow samples: no traffic is counted for 10.99.0.1, 10.99.0.3";
    let line = |lines: &str| {
        let log = collected(&sfacctd("src_port", lines), &datagrams).log;
        log.lines().find(|line| line.contains(what)).map(str::to_owned).unwrap_or_else(|| panic!("{log}"))
    };
    // One socket of one worker: one line reports both.
    assert!(line("sfacctd_workers: 1").starts_with("WARN"));
    assert!(line("sfacctd_workers: 1\nsfacctd_counter_file: {dir}/counters").starts_with("INFO"));
}

#[test]
fn datagrams_of_the_other_collectors_protocol_are_logged_at_a_limited_rate() {
    let one = frame(1);
    let netflow = v5_of(&[web(1, 1000, 1, 10)]);
    let mut ipfix = vec![0; 16];
    ipfix[..4].copy_from_slice(&[0, 10, 0, 16]);
    let mut v2 = Datagram::v2(Some(AGENT.into()), 1, 1000);
    v2.flow(&head(1), &[header(&one)]).unwrap();
    let mut v5 = datagram(1);
    v5.flow(&head(1), &[header(&one)]).unwrap();
    let (v2, v5) = (v2.finish(), v5.finish());
    let lines = |setup: &Setup, ready: &str, datagrams: &[&[u8]]| {
        let process = setup.start();
        process.wait_for_log(ready);
        process.exporter("127.0.1.1").send_all(datagrams);
        let statistics = process.wait_for_datagrams(datagrams.len() as u64);
        statistics.assert_all_accounted();
        assert_eq!(statistics.value("datagrams_rejected[version]"), datagrams.len() as u64);
        process.wait_for_log("it looks like");
        let log = process.stop().log;
        log.lines().filter(|line| line.contains("it looks like")).map(str::to_owned).collect::<Vec<_>>()
    };
    let one_line = |lines: Vec<String>, parts: &[&str]| {
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.starts_with("WARN") && line.contains("127.0.1.1"), "{line}");
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    };
    let sfacctd = sfacctd("src_port", "sfacctd_workers: 1");
    let belongs = ["nfacctd (nfacctd_port)", "(sfacctd_port)"];
    for (datagrams, name) in [([&netflow[..], &ipfix], "NetFlow v5"), ([&ipfix, &netflow], "IPFIX")] {
        one_line(lines(&sfacctd, "waiting for sFlow data", &datagrams), &[name, belongs[0], belongs[1]]);
    }
    let nfacctd = printing("src_port").more_config("nfacctd_workers: 1");
    for (datagrams, name) in [([&v5[..], &v2], "sFlow v5"), ([&v2, &v5], "sFlow v2")] {
        let lines = lines(&nfacctd, "waiting for NetFlow/IPFIX data", &datagrams);
        one_line(lines, &[name, "sfacctd (sfacctd_port)", "(nfacctd_port)"]);
    }
    // Datagrams of neither protocol are still counted as an unknown version.
    let process = support::start(&nfacctd);
    process.exporter("127.0.1.1").send(&[0, 9, 9, 9]);
    process.wait_for_log("discarding a datagram");
    assert!(!process.stop().log.contains("it looks like"));
}
