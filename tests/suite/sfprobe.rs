//! sfprobe: what was captured arrives at sFlow collectors.

use crate::nfprobe::{traffic, tshark};
use crate::packets::{B, reading, web};
use crate::sflow::sfacctd;
use crate::support::{by_fields, without_event_type};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use testkit::frames::{IPV4, UDP, ethernet, part};
use testkit::process::Signal;
use testkit::sockets::own_address;
use testkit::{Process, eventually};

const TUPLE: &str = "src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, vlan, cos";
const FIELDS: [&str; 9] =
    ["ip_src", "ip_dst", "port_src", "port_dst", "ip_proto", "tos", "tcp_flags", "vlan", "cos"];
/// What frames have besides IP packets: the Ethernet header, and the FCS that captures lack.
const FRAMING: u64 = 14 + 4;

fn collector(aggregate: &str, lines: &str) -> Process {
    // A loaded machine may not run the collector for a while.
    let collector = sfacctd(aggregate, lines).more_config("sfacctd_pipe_size: 8000000").start();
    collector.wait_for_log("waiting for sFlow data");
    collector
}

fn counted(rows: Vec<Value>) -> BTreeMap<Vec<String>, (u64, u64, u64)> {
    by_fields(&without_event_type(rows), &FIELDS)
}

#[test]
fn every_packet_is_a_sample() {
    let collector = collector(TUPLE, "");
    let to = collector.setup().address();
    let lines = format!("plugins: print[p], sfprobe[s]\naggregate[s]: src_host\nsfprobe_receiver[s]: {to}");
    let probe = reading(TUPLE, &lines, traffic(5000, false)).run();
    assert_eq!(probe.code(), Some(0), "{}", probe.log);
    let captured = counted(probe.json("out.json"));
    let framed = captured.clone().into_iter().map(|(key, (packets, bytes, flows))| {
        let tags = if key[7] == "0" { 0 } else { 4 };
        (key, (packets, bytes + packets * (FRAMING + tags), flows))
    });
    let collected = counted(collector.stop().json("out.json"));
    let packets = |rows: &BTreeMap<_, (u64, u64, u64)>| rows.values().map(|row| row.0).sum::<u64>();
    assert_eq!((packets(&collected), collected.len()), (5000, captured.len()));
    assert_eq!(framed.collect::<BTreeMap<_, _>>(), collected);
}

#[test]
fn tags_as_numbers_and_interfaces_arrive() {
    let collector = collector(
        "tag, tag2, src_as, dst_as, in_iface, peer_src_ip, export_proto_sysid, sampling_rate",
        "sfacctd_as: sflow",
    );
    let to = collector.setup().address();
    let lines = format!(
        "plugins: sfprobe[p]
         sfprobe_receiver: {to}
         sfprobe_agentip: 192.0.2.9
         sfprobe_agentsubid: 7
         sfprobe_direction[p]: in
         sfprobe_ifindex[p]: 2000000000
         pre_tag_map: {{dir}}/tags.map
         networks_file: {{dir}}/networks.lst
         pmacctd_as: file"
    );
    let probe = reading("tag, tag2, src_as, dst_as", &lines, [web(1, 2), web(2, 2)])
        .file("tags.map", "set_tag=5000000000 set_tag2=2 filter='tcp'")
        .file("networks.lst", "4200000001,10.0.0.1/32\n65002,10.0.0.2/32\n");
    let probe = probe.run();
    assert_eq!(probe.code(), Some(0), "{}", probe.log);
    let rows = without_event_type(collector.stop().json("out.json"));
    let expected = serde_json::json!({
        "tag": 5_000_000_000_u64, "tag2": 2, "as_src": 4_200_000_001_u32, "as_dst": 65002, "iface_in": 2_000_000_000,
        "peer_ip_src": "192.0.2.9", "export_proto_sysid": 7, "sampling_rate": 1, "packets": 2, "bytes": 236,
    });
    assert_eq!(rows, [expected]);
}

#[test]
fn the_sampling_rate_is_exported() {
    let collector = collector("sampling_rate", "sfacctd_renormalize: false");
    let to = collector.setup().address();
    let lines = format!("plugins: sfprobe[p]\nsfprobe_receiver: {to}\nsampling_rate: 10");
    let frames: Vec<_> = (0..20_000).map(|_| web(1, 2)).collect();
    let probe = reading("src_host", &lines, &frames).run();
    assert_eq!(probe.code(), Some(0), "{}", probe.log);
    let rows = collector.stop().json("out.json");
    assert_eq!((rows.len(), rows[0]["sampling_rate"].as_u64()), (1, Some(10)), "{rows:?}");
    let packets = rows[0]["packets"].as_u64().unwrap();
    // Ten standard deviations.
    assert!((1576..=2424).contains(&packets), "{packets}");
}

#[test]
fn tshark_decodes_the_samples() {
    let receiver = UdpSocket::bind(own_address()).unwrap();
    let address = receiver.local_addr().unwrap();
    let lines = format!("plugins: sfprobe[p]\nsfprobe_receiver: {address}");
    let frames = traffic(200, false);
    assert_eq!(reading("src_host, tag", &lines, &frames).run().code(), Some(0));
    receiver.set_nonblocking(true).unwrap();
    let mut octets = [0; 2000];
    let datagrams: Vec<Vec<u8>> =
        std::iter::from_fn(|| receiver.recv(&mut octets).ok().map(|length| octets[..length].to_vec())).collect();
    let Some(numbers) = tshark(&datagrams, address.port(), "sflow", "sflow.flow_sample.sequence_number") else {
        return;
    };
    let expected: Vec<String> = (1..=200).map(|number: u32| number.to_string()).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn fragments_whose_octets_are_gone_are_counted() {
    let collector = collector("src_host", "");
    let to = collector.setup().address();
    // Ports make the later fragment wait for the first one, which does not come.
    let late = ethernet(IPV4, &part(UDP, Ipv4Addr::new(10, 0, 0, 1), B, (7, 1480, false), &[7; 100]));
    let lines = format!(
        "plugins: print[p], sfprobe[s]\naggregate[s]: src_host\nsfprobe_receiver[s]: {to}\npcap_savefile_wait: true"
    );
    let probe = reading("src_port", &lines, [late]).spawn();
    probe.wait_for_log("finished reading");
    eventually("the fragment", || (probe.statistics().value("fragments_waiting") == 1).then_some(()));
    probe.signal(Signal::SIGINT);
    let finished = probe.wait();
    assert!(finished.log.contains("records_dropped[no_packet]"), "{}", finished.log);
    collector.stop();
}

#[test]
fn a_collector_that_does_not_exist_costs_counted_samples() {
    let lines = "plugins: sfprobe[p]\nsfprobe_receiver: collector.invalid:6343\npcap_savefile_wait: true";
    let probe = reading("src_host", lines, traffic(100, true)).spawn();
    probe.wait_for_log("finished reading");
    let statistics = eventually("lost samples", || {
        Some(probe.statistics()).filter(|statistics| statistics.value("aggregates_dropped[refused]") == 100)
    });
    statistics.assert_all_accounted();
    assert_eq!(statistics.value("records_sampled"), 100);
    probe.signal(Signal::SIGINT);
    assert_eq!(probe.wait().code(), Some(1));
}
