//! Start, signals, persistent files, and shutdown.

use crate::support::{
    NOW, UPTIME, assert_rows, collected, nfacctd, printing, start, template, v5_of, web, without_event_type,
};
use netflow::encode::{Message, field};
use serde_json::json;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};
use testkit::output::sum;
use testkit::process::Signal;
use testkit::traffic::{Flow, Flows, Stream, Version, total};
use testkit::{capture_file, eventually};

/// A shutdown or an answer that takes longer waits for something unnecessary. It takes milliseconds, but other processes may
/// occupy the CPUs.
const AT_ONCE: Duration = Duration::from_secs(30);

#[test]
fn an_idle_daemon_exits_at_once() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let process = start(&printing("src_host"));
        let asked = Instant::now();
        let finished = process.stop_with(signal);
        assert!(asked.elapsed() < AT_ONCE, "{signal}: {:?}", asked.elapsed());
        assert!(finished.log.contains(&format!("{signal} received")), "{}", finished.log);
    }
}

#[test]
fn datagrams_sent_before_shutdown_are_written() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let process = start(&printing("src_port"));
        let exporter = process.exporter("127.0.1.1");
        for port in 0..20 {
            exporter.send(&v5_of(&[web(1, port, 1, 1)]));
        }
        assert_eq!(process.stop_with(signal).json("out.json").len(), 20);
    }
}

#[test]
fn statistics_are_printed_at_once_and_add_up() {
    let process = start(&printing("src_host"));
    let asked = Instant::now();
    let idle = process.statistics();
    assert!(asked.elapsed() < AT_ONCE);
    assert_eq!(idle.value("datagrams_received"), 0);
    let flows: Vec<Flow> = Flows::new(3).take(500).collect();
    let (mut one, mut two) = (Stream::new(Version::V9, 1, NOW), Stream::new(Version::Ipfix, 9, NOW));
    let [first, second] = ["127.0.1.1", "127.0.1.2"].map(|source| process.exporter(source));
    let (ones, twos) = (one.datagrams(&flows), two.datagrams(&flows));
    first.send_all(&ones);
    second.send_all(&twos);
    // Thirty flows are lost in transit.
    two.lose(&flows[..30]);
    let more = two.datagrams(&flows);
    second.send_all(&more);
    let report = process.wait_for_datagrams((ones.len() + twos.len() + more.len()) as u64);
    report.assert_all_accounted();
    assert_eq!(report.value("records_decoded"), 1500);
    assert_eq!(report.value_of("agent=127.0.1.1:1 ", "packets"), ones.len() as u64);
    assert_eq!(report.value_of("agent=127.0.1.2:9 ", "seq_jmp_fwd"), 1);
    assert_eq!((report.value("sequence_gaps"), report.value("sequence_lost")), (1, 30));
    assert_eq!(report.value_of("plugin=p/print ", "records_received"), 1500);
    process.stop();
}

#[test]
fn the_pid_file_exists_as_long_as_the_daemon_runs() {
    let process = start(&printing("src_host").more_config("pidfile: {dir}/pid"));
    assert_eq!(process.text("pid").trim(), process.id().to_string());
    let setup = process.stop().setup().clone();
    assert!(!setup.path("pid").exists());
}

#[test]
fn a_log_file_is_reopened_on_sighup() {
    let setup = printing("src_host").more_config("logfile: {dir}/log");
    let process = setup.start();
    eventually("the log file", || process.text("log").contains("waiting for NetFlow").then_some(()));
    fs::rename(setup.path("log"), setup.path("log.1")).unwrap();
    process.signal(Signal::SIGHUP);
    eventually("a new log file", || setup.path("log").exists().then_some(()));
    process.signal(Signal::SIGUSR1);
    eventually("a line in it", || process.text("log").contains("---").then_some(()));
    assert!(!process.text("log.1").contains("---"));
    process.stop();
}

#[test]
fn templates_outlive_the_daemon() {
    let setup = printing("src_port").more_config("nfacctd_templates_file: {dir}/templates");
    let template = template(1, 256, vec![field(7, 2), field(2, 4), field(1, 4)]);
    let message = || Message::v9(1, 0, NOW, UPTIME);
    collected(&setup, [message().templates(&[&template]).finish()]);
    assert!(setup.path("templates").exists());
    let data = message().data(256, |w| _ = w.u16(7).u32(1).u32(10)).finish();
    let process = start(&setup);
    process.exporter("127.0.1.2").send(&data);
    process.exporter("127.0.1.1").send(&data);
    let report = process.wait_for_datagrams(2);
    // The other exporter has announced no template.
    assert_eq!((report.value("records_decoded"), report.value("sets_pending")), (1, 1));
    let rows = without_event_type(process.stop().json("out.json"));
    assert_rows(rows, [json!({"port_src": 7, "packets": 1, "bytes": 10})]);
}

#[test]
fn a_templates_file_is_written_while_the_daemon_runs() {
    let setup = printing("src_port").more_config("nfacctd_templates_file: {dir}/templates");
    let process = start(&setup);
    let template = template(1, 256, vec![field(7, 2)]);
    process.exporter("127.0.1.1").send(&Message::ipfix(1, 0, NOW).templates(&[&template]).finish());
    eventually("the file", || process.text("templates").contains("127.0.1.1").then_some(()));
    process.stop();
}

#[test]
fn an_invalid_templates_file_is_ignored() {
    let setup = printing("src_port").more_config("nfacctd_templates_file: {dir}/templates");
    let setup = setup.file("templates", b"{\"foo\": 1}\n\xff\xfe\n".as_slice());
    let finished = start(&setup).stop();
    assert!(finished.log.contains("templates"), "{}", finished.log);
}

/// A capture file with these flows from one exporter.
pub(crate) fn capture(version: Version, flows: &[Flow]) -> Vec<u8> {
    let source = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 7), 999);
    let target = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 2055);
    let datagrams = Stream::new(version, 1, NOW).datagrams(flows).into_iter();
    let datagrams: Vec<_> = datagrams.map(|datagram| (source, target, datagram)).collect();
    capture_file::pcap(NOW, &datagrams)
}

#[test]
fn a_capture_file_is_read_to_its_end() {
    let flows: Vec<Flow> = Flows::new(17).take(400).collect();
    let setup = testkit::Setup::new(env!("CARGO_BIN_EXE_nfacctd"))
        .config(
            "pcap_savefile: {dir}/flows.pcap
             plugins: print[p]
             aggregate: peer_src_ip, flows
             print_output: json
             print_output_file: {dir}/out.json",
        )
        .file("flows.pcap", capture(Version::Ipfix, &flows));
    let all = total(&flows);
    for rounds in [1, 3] {
        let finished = setup.clone().more_config(&format!("pcap_savefile_replay: {rounds}")).run();
        assert_eq!(finished.code(), Some(0), "{}", finished.log);
        let rows = without_event_type(finished.json("out.json"));
        let row = json!({
            "peer_ip_src": "198.51.100.7", "flows": rounds * all.flows, "packets": rounds * all.packets,
            "bytes": rounds * all.octets,
        });
        assert_rows(rows, [row]);
    }
    let finished = setup.more_config("pcap_savefile: {dir}/none.pcap").run();
    assert_eq!(finished.code(), Some(1));
    assert!(finished.log.contains("none.pcap"), "{}", finished.log);
}

#[test]
fn reading_a_capture_file_waits_for_slow_plugins() {
    let flows: Vec<Flow> = Flows::new(19).take(20_000).collect();
    // Ten aggregates per table, so that tables fill far faster than they are written.
    let setup = testkit::Setup::new(env!("CARGO_BIN_EXE_nfacctd"))
        .config(
            "pcap_savefile: {dir}/flows.pcap
             plugins: print[p]
             aggregate: src_host, dst_host, src_port, dst_port, flows
             print_output: json
             print_cache_entries: 1
             print_output_file: {dir}/out.json",
        )
        .file("flows.pcap", capture(Version::V9, &flows));
    let finished = setup.run();
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
    let rows = finished.json("out.json");
    let all = total(&flows);
    assert_eq!((sum(&rows, "flows"), sum(&rows, "packets")), (all.flows, all.packets));
}

#[test]
fn the_allow_list_is_enforced_and_reloaded() {
    let setup = printing("peer_src_ip").more_config("nfacctd_allow_file: {dir}/allow");
    let setup = setup.file("allow", "! a comment\n127.0.1.1\n127.0.2.0/24\n");
    let process = start(&setup);
    let exporters = ["127.0.1.1", "127.0.2.9", "127.0.3.1"].map(|source| process.exporter(source));
    exporters.iter().for_each(|exporter| exporter.send(&v5_of(&[web(1, 1, 1, 10)])));
    let report = process.wait_for_datagrams(3);
    assert_eq!(report.value("datagrams_rejected[not_allowed]"), 1);
    report.assert_all_accounted();
    let setup = process.setup().clone().file("allow", "127.0.3.1\n");
    process.wait_for_new_log("maps, lists and networks: reloaded", || process.signal(Signal::SIGUSR2));
    // Workers apply the new list within a second or so; until then the first exporter is still accepted.
    let mut sent = 3;
    eventually("the new list", || {
        exporters[0].send(&v5_of(&[web(1, 1, 0, 0)]));
        sent += 1;
        (process.wait_for_datagrams(sent).value("datagrams_rejected[not_allowed]") >= 2).then_some(())
    });
    exporters[2].send(&v5_of(&[web(1, 1, 5, 50)]));
    process.wait_for_datagrams(sent + 1).assert_all_accounted();
    let rows = process.stop().json("out.json");
    assert_eq!((rows.len(), sum(&rows, "bytes")), (3, 70), "{rows:?}");
    drop(setup);
}

#[test]
fn an_invalid_allow_list_prevents_the_start_but_not_operation() {
    let setup =
        printing("peer_src_ip").more_config("nfacctd_allow_file: {dir}/allow").file("allow", "127.0.1.1\nfoo\n");
    let refused = setup.run();
    assert_eq!(refused.code(), Some(1));
    assert!(refused.log.contains("allow:2"), "{}", refused.log);
    let setup = setup.file("allow", "127.0.1.1\n");
    let process = start(&setup);
    let setup = setup.file("allow", "127.0.1.1/99\n");
    process.wait_for_new_log("stays in force", || process.signal(Signal::SIGUSR2));
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 1, 1, 10)]));
    assert_eq!(process.wait_for_datagrams(1).value("datagrams_decoded"), 1);
    process.stop();
    drop(setup);
}

#[test]
fn a_listen_error_names_its_key() {
    let log = |lines: &str| {
        let refused = printing("src_host").more_config(lines).run();
        assert_eq!(refused.code(), Some(1), "{}", refused.log);
        refused.log.clone()
    };
    let of_interface = log("nfacctd_interface: nowhere0");
    assert!(of_interface.contains("nfacctd_interface: cannot listen on 'nowhere0'"), "{of_interface}");
    let of_address = log("nfacctd_ip: 192.0.2.1");
    assert!(of_address.contains("nfacctd_ip, nfacctd_port: cannot listen on 192.0.2.1"), "{of_address}");
}

#[test]
fn without_plugins_a_memory_table_is_kept() {
    let setup = nfacctd("imt_path: {dir}/m.sock");
    let process = start(&setup);
    assert!(process.log().contains("defaulting to in-memory table"), "{}", process.log());
    eventually("the socket", || setup.path("m.sock").exists().then_some(()));
    process.stop();
}
