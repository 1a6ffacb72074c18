//! The memory plugin and the client that asks it.

use crate::support::{NOW, assert_rows, nfacctd, start, v5_of, web};
use serde_json::json;
use testkit::output::{self, sum};
use testkit::traffic::{Flow, Flows, Stream, Version, total};
use testkit::{Finished, Process, Setup};

const FLOWS: u64 = 3;

/// A collector with a memory table of three flows.
fn asked() -> Process {
    let process = start(&nfacctd(
        "plugins: memory[m]
         imt_path[m]: {dir}/m.sock
         aggregate[m]: src_host, dst_host, src_port, dst_port, proto, flows",
    ));
    let records = [web(1, 1024, 10, 1000), web(1, 1025, 5, 300), web(2, 53, 1, 70)];
    process.exporter("127.0.1.1").send(&v5_of(&records));
    process.wait_for_datagrams(1);
    process
}

/// What the client answers.
fn ask(process: &Process, arguments: &[&str]) -> Finished {
    let socket = process.setup().path("m.sock");
    Setup::new(env!("CARGO_BIN_EXE_pmacct"))
        .arguments(["-p", &socket.to_string_lossy()])
        .arguments(arguments)
        .run()
}

/// What it answers when all is well.
fn answer(process: &Process, arguments: &[&str]) -> String {
    let finished = ask(process, arguments);
    assert!(finished.status.success(), "{arguments:?}: {:?} {}{}", finished.status, finished.stdout, finished.log);
    finished.stdout
}

#[test]
fn the_table_is_shown_in_every_format() {
    let process = asked();
    let formatted = answer(&process, &["-s"]);
    assert!(formatted.starts_with("SRC_IP "), "{formatted}");
    assert!(formatted.ends_with("\nFor a total of: 3 entries\n"), "{formatted}");
    let rows = output::csv(&answer(&process, &["-s", "-O", "csv"]), ',');
    assert_eq!((rows.len() as u64, rows[0]["BYTES"].as_str()), (FLOWS, "1000"));
    let row = |host, port, packets, bytes| {
        json!({
            "ip_src": host, "ip_dst": "192.0.2.1", "port_src": port, "port_dst": 80, "ip_proto": "tcp",
            "flows": 1, "packets": packets, "bytes": bytes,
        })
    };
    assert_rows(
        output::json_lines(&answer(&process, &["-s", "-O", "json"])),
        [row("10.0.0.1", 1024, 10, 1000), row("10.0.0.1", 1025, 5, 300), row("10.0.0.2", 53, 1, 70)],
    );
    // A question takes nothing away.
    assert_eq!(answer(&process, &["-s"]), formatted);
    process.stop();
}

#[test]
fn counters_of_matching_entries_are_summed() {
    let process = asked();
    let counters = |arguments: &[&str]| answer(&process, arguments).trim_end().to_owned();
    assert_eq!(counters(&["-c", "src_host", "-N", "10.0.0.1"]), "1300");
    assert_eq!(counters(&["-c", "src_host", "-N", "10.0.0.1", "-n", "packets"]), "15");
    assert_eq!(counters(&["-c", "src_host", "-N", "10.0.0.1", "-n", "all"]), "15 1300 2 2");
    assert_eq!(counters(&["-c", "src_host,src_port", "-N", "10.0.0.1,1025"]), "300");
    assert_eq!(counters(&["-c", "src_host", "-N", "10.0.0.1;10.0.0.2;10.0.0.3"]), "1300\n70\n0");
    assert_eq!(counters(&["-c", "src_host", "-S", "-N", "10.0.0.1;10.0.0.2"]), "1370");
    process.stop();
}

#[test]
fn entries_are_matched_and_ranked() {
    let process = asked();
    let matched = output::json_lines(&answer(&process, &["-c", "src_host", "-M", "10.0.0.1", "-O", "json"]));
    assert_eq!((matched.len(), sum(&matched, "bytes")), (2, 1300));
    let top = answer(&process, &["-s", "-T", "packets,2", "-O", "json"]);
    let packets: Vec<u64> =
        top.lines().map(|line| output::json_lines(line)[0]["packets"].as_u64().unwrap()).collect();
    assert_eq!(packets, [10, 5]);
    process.stop();
}

#[test]
fn entries_can_be_reset_and_the_table_cleared() {
    let process = asked();
    assert_eq!(answer(&process, &["-c", "src_host", "-N", "10.0.0.1", "-r"]).trim_end(), "1300");
    assert_eq!(answer(&process, &["-c", "src_host", "-N", "10.0.0.1"]).trim_end(), "0");
    answer(&process, &["-e"]);
    assert_eq!(output::json_lines(&answer(&process, &["-s", "-O", "json"])), [json!(null); 0]);
    process.exporter("127.0.1.1").send(&v5_of(&[web(9, 1, 2, 3)]));
    process.wait_for_datagrams(2);
    assert_eq!(answer(&process, &["-c", "src_host", "-N", "10.0.0.9"]).trim_end(), "3");
    process.stop();
}

#[test]
fn the_table_of_much_traffic_adds_up() {
    let process = start(&nfacctd(
        "nfacctd_workers: 3
         plugins: memory[m]
         imt_path[m]: {dir}/m.sock
         aggregate[m]: src_host, dst_host, src_port, dst_port, proto, flows",
    ));
    let flows: Vec<Flow> = Flows::new(31).take(5000).collect();
    let mut datagrams = 0;
    for (source, flows) in ["127.0.1.1", "127.0.1.2", "127.0.1.3"].into_iter().zip(flows.chunks(1700)) {
        let all = Stream::new(Version::Ipfix, 1, NOW).datagrams(flows);
        datagrams += all.len() as u64;
        process.exporter(source).send_all(all);
    }
    process.wait_for_datagrams(datagrams).assert_all_accounted();
    let rows = output::json_lines(&answer(&process, &["-s", "-O", "json"]));
    let all = total(&flows);
    assert_eq!(
        (sum(&rows, "flows"), sum(&rows, "packets"), sum(&rows, "bytes")),
        (all.flows, all.packets, all.octets)
    );
    process.stop();
}

#[test]
fn bad_questions_are_refused_with_a_reason() {
    let process = asked();
    for (arguments, reason) in [
        (&["-c", "nonsense", "-N", "1"][..], "nonsense"),
        (&["-c", "src_host", "-N", "foo"], "foo"),
        (&["-N", "10.0.0.1"], "-c"),
        (&["-s", "-N", "10.0.0.1", "-c", "src_host"], "exclusive"),
        (&["-Q"], "Q"),
    ] {
        let finished = ask(&process, arguments);
        let said = finished.stdout.clone() + &finished.log;
        assert_eq!(finished.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(reason), "{arguments:?}: {said}");
    }
    process.stop();
}

#[test]
fn without_a_daemon_the_client_says_so() {
    let client = Setup::new(env!("CARGO_BIN_EXE_pmacct")).arguments(["-p", "{dir}/none.sock", "-s"]).run();
    assert_eq!(client.code(), Some(1));
    assert!((client.stdout + &client.log).contains("none.sock"));
}

#[test]
fn the_socket_goes_with_the_daemon_and_one_left_behind_is_replaced() {
    let process = asked();
    let setup = process.setup().clone();
    assert!(setup.path("m.sock").exists());
    process.stop();
    assert!(!setup.path("m.sock").exists());
    drop(std::os::unix::net::UnixListener::bind(setup.path("m.sock")).unwrap());
    assert!(setup.path("m.sock").exists());
    let process = start(&setup);
    assert!(answer(&process, &["-s"]).contains("0 entries"));
    process.stop();
}
