//! The memory plugin and its client.

use crate::malformed::resident;
use crate::support::{NOW, assert_rows, collected, nfacctd, one, start, template, v5_of, web};
use netflow::encode::{Message, field, variable};
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

/// Runs the client.
fn ask(process: &Process, arguments: &[&str]) -> Finished {
    let socket = process.setup().path("m.sock");
    Setup::new(env!("CARGO_BIN_EXE_pmacct"))
        .arguments(["-p", &socket.to_string_lossy()])
        .arguments(arguments)
        .run()
}

/// The client's output; it must succeed.
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
    // A query removes nothing.
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
fn a_large_table_adds_up() {
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

/// A flow with many fields, some of which (next hop, AS path, communities) are absent.
fn rich() -> Vec<u8> {
    let fields = [
        field(8, 4),
        field(10, 4),
        field(14, 4),
        field(6, 1),
        field(16, 4),
        field(17, 4),
        field(56, 6),
        field(58, 2),
        field(245, 2),
        field(89, 1),
        field(152, 8),
        field(94, 4),
        field(2, 4),
        field(1, 4),
    ];
    let mut record = vec![10, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 8, 0x12, 0, 0, 0xfb, 0xf4, 0, 0, 0xfb, 0xf5];
    record.extend([2, 0, 0, 0, 0, 0x0a, 0, 100, 0, 200, 0x40]);
    record.extend(1_700_000_000_123_u64.to_be_bytes());
    record.extend(*b"abc\0\0\0\0\x0a\0\0\x03\xe8");
    one(&fields, &record)
}

#[test]
fn answers_have_the_order_names_and_types_of_pmacct() {
    // Output settings of other plugins do not affect the client.
    let setup = nfacctd(
        "plugins: memory[m]
         imt_path[m]: {dir}/m.sock
         aggregate_primitives: {dir}/primitives.list
         tcpflags_encode_as_array: true
         fwd_status_encode_as_string: true
         timestamps_since_epoch: true
         print_num_protos: true
         aggregate[m]: timestamp_start, src_host, peer_dst_ip, appName, tcpflags, fwd_status, in_cvlan, vlan, src_mac, \
                       src_as, dst_as, as_path, std_comm, src_as_path, src_std_comm, src_local_pref, in_iface, out_iface",
    )
    .file("primitives.list", "name=appName field_type=94 len=4 semantics=str\n");
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&rich());
    process.wait_for_datagrams(1);
    let csv = answer(&process, &["-s", "-0", "-O", "csv"]);
    let titles = "IN_IFACE,OUT_IFACE,SRC_MAC,VLAN,IN_CVLAN,SRC_AS,DST_AS,COMMS,SRC_COMMS,AS_PATH,SRC_AS_PATH,SRC_PREF,\
                  PEER_DST_IP,SRC_IP,TCP_FLAGS,FWD_STATUS,TIMESTAMP_START,appname,PACKETS,BYTES";
    assert_eq!(
        csv,
        format!(
            "{titles}\n7,8,02:00:00:00:00:0a,100,200,64500,64501,,,,,0,,10.0.0.1,18,64,2023-11-14T22:13:20.123000Z,abc,\
             10,1000\n"
        )
    );
    // In formatted output no column is empty, so splitting at blanks keeps values and titles aligned.
    let formatted = answer(&process, &["-s", "-0"]);
    let lines: Vec<Vec<&str>> = formatted.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0].join(","), titles);
    assert_eq!(
        lines[1].join(","),
        "7,8,02:00:00:00:00:0a,100,200,64500,64501,0,0,^$,^$,0,0,10.0.0.1,18,64,2023-11-14T22:13:20.123000Z,abc,10,1000"
    );
    let object = json!({
        "mac_src": "02:00:00:00:00:0a", "vlan": 100, "in_cvlan": 200, "as_src": 64500, "as_dst": 64501, "comms": "",
        "as_path": "", "peer_ip_dst": "", "src_comms": "", "src_as_path": "", "src_local_pref": 0, "iface_in": 7,
        "iface_out": 8, "ip_src": "10.0.0.1", "tcp_flags": "18", "fwd_status": 64,
        "timestamp_start": "2023-11-14T22:13:20.123000Z", "appname": "abc", "packets": 10, "bytes": 1000,
    });
    let answered = answer(&process, &["-s", "-0", "-O", "json"]);
    assert_eq!(output::json_lines(&answered), [object]);
    let epoch = answer(&process, &["-s", "-I", "-O", "json"]);
    assert_eq!(output::json_lines(&epoch)[0]["timestamp_start"], "1700000000.123000");
    // -a adds columns, to CSV as well.
    let all = answer(&process, &["-s", "-a", "-0", "-O", "csv"]);
    let all = output::csv(&all, ',');
    for (row, known) in all.iter().zip(output::csv(&csv, ',')) {
        assert!(known.iter().all(|(title, value)| row.get(title) == Some(value)), "{row:?}");
        assert_eq!((row["TAG"].as_str(), row["CLASS"].as_str(), row["DST_IP"].as_str()), ("0", "unknown", ""));
    }
    process.stop();
}

#[test]
fn names_of_custom_primitives_are_in_lower_case_in_every_output() {
    let setup = nfacctd(
        "plugins: print[j], print[c], print[f]
         aggregate_primitives: {dir}/primitives.list
         aggregate: src_host, APPNAME, Flags
         print_output[j]: json
         print_output_file[j]: {dir}/out.json
         print_output[c]: csv
         print_output_file[c]: {dir}/out.csv
         print_output[f]: formatted
         print_output_file[f]: {dir}/out.txt",
    )
    .file(
        "primitives.list",
        "name=appName field_type=94 len=4 semantics=str\nname=FLAGS field_type=6 len=1 semantics=hex\n",
    );
    let finished = collected(&setup, [rich()]);
    assert_eq!(finished.text("out.csv"), "SRC_IP,appname,flags,PACKETS,BYTES\n10.0.0.1,abc,12,10,1000\n");
    let line =
        |address, name, flags, packets, octets| format!("{address:47}{name:9}{flags:7}{packets:22}{octets}\n");
    let title = line("SRC_IP", "appname", "flags", "PACKETS", "BYTES");
    assert_eq!(finished.text("out.txt"), title + &line("10.0.0.1", "abc", "12", "10", "1000"));
    let row = &finished.json("out.json")[0];
    assert_eq!((&row["appname"], &row["flags"]), (&json!("abc"), &json!("12")));
}

#[test]
fn a_table_is_shown_and_cleared_in_one_query() {
    let process = asked();
    let shown = answer(&process, &["-s", "-e", "-O", "json"]);
    assert_eq!(sum(&output::json_lines(&shown), "bytes"), 1370);
    assert_eq!(output::json_lines(&answer(&process, &["-s", "-O", "json"])), [json!(null); 0]);
    assert_ne!(answer(&process, &["-i"]).trim_end(), "never");
    process.stop();
}

#[test]
fn options_without_effect_give_a_warning() {
    let process = asked();
    let finished = ask(&process, &["-s", "-c", "src_host", "-O", "csv"]);
    assert_eq!((finished.code(), finished.stdout), (Some(0), answer(&process, &["-s", "-O", "csv"])));
    assert!(finished.log.contains("WARN: -c has no effect"), "{}", finished.log);
    process.stop();
}

#[test]
fn invalid_queries_are_rejected_with_a_reason() {
    let process = asked();
    for (arguments, reason) in [
        (&["-c", "nonsense", "-N", "1"][..], "nonsense"),
        (&["-c", "src_host", "-N", "foo"], "foo"),
        (&["-N", "10.0.0.1"], "-c"),
        (&["-s", "-N", "10.0.0.1", "-c", "src_host"], "exclusive"),
        (&["-Q"], "Q"),
        (&["-s", "-r"], "-r needs -N or -M"),
        (&["-s", "-S"], "-S needs -N"),
        (&["-c", "src_host", "-N", "10.0.0.1", "-T", "bytes"], "-T needs -s or -M"),
        (&["-c", "src_host", "-M", "10.0.0.1", "-e"], "Use -r to remove"),
    ] {
        let finished = ask(&process, arguments);
        let output = finished.stdout.clone() + &finished.log;
        assert_eq!(finished.code(), Some(1), "{arguments:?}: {output}");
        assert!(output.contains(reason), "{arguments:?}: {output}");
    }
    process.stop();
}

#[test]
fn without_a_daemon_the_client_reports_an_error() {
    let client = Setup::new(env!("CARGO_BIN_EXE_pmacct")).arguments(["-p", "{dir}/none.sock", "-s"]).run();
    assert_eq!(client.code(), Some(1));
    assert!((client.stdout + &client.log).contains("none.sock"));
}

#[test]
fn the_socket_is_removed_at_exit_and_a_stale_one_replaced() {
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

#[test]
fn strings_count_towards_the_memory_of_the_table() {
    const TEXT: usize = 1500;
    const TEXTS: usize = 60_000;
    let setup = nfacctd(
        "plugins: memory[m]
         plugin_memory: 4M
         imt_memory: 8M
         imt_path[m]: {dir}/m.sock
         aggregate_primitives: {dir}/primitives.list
         aggregate[m]: user",
    )
    .file("primitives.list", "name=user field_type=371 len=vlen semantics=str\n");
    let process = start(&setup);
    let exporter = process.exporter("127.0.1.1");
    let announced = Message::ipfix(1, 0, NOW)
        .templates(&[&template(1, 256, vec![field(371, 0xffff), field(2, 4), field(1, 4)])])
        .finish();
    exporter.send(&announced);
    process.wait_for_datagrams(1);
    let before = resident(&process);
    let datagram = |number: usize| {
        Message::ipfix(1, 0, NOW)
            .data(256, |w| {
                for text in number * 5..(number + 1) * 5 {
                    variable(w, format!("{text:0TEXT$}").as_bytes());
                    w.u32(2).u32(20);
                }
            })
            .finish()
    };
    exporter.send_all((0..TEXTS / 5).map(datagram));
    let report = process.wait_for_datagrams(TEXTS as u64 / 5 + 1);
    // The query collects what the workers hold.
    let state = answer(&process, &["-t"]);
    let bytes: u64 = state.lines().find_map(|line| line.strip_prefix("octets\t")).unwrap().parse().unwrap();
    let grown = resident(&process).saturating_sub(before);
    // The table, two tables in transit, a worker's table of up to twice its bound, and strings of rows: not the 90 MB received.
    assert!(bytes < 9 << 20 && grown < 40 << 20, "{bytes} in the table, {grown} more in all");
    assert_eq!(report.value("records_decoded"), TEXTS as u64);
    let report = process.statistics();
    assert!(report.value_of("m", "aggregates_dropped[refused]") > TEXTS as u64 / 2, "{}", report.lines.join("\n"));
    report.assert_all_accounted();
    process.stop();
}

#[test]
fn stalled_clients_block_neither_others_nor_shutdown() {
    let process = start(&nfacctd(
        "plugins: memory[m]
         imt_path[m]: {dir}/m.sock
         imt_clients_user_max: 9
         aggregate[m]: src_host, dst_host, src_port, dst_port, proto, flows",
    ));
    let exporter = process.exporter("127.0.1.1");
    let flows: Vec<Flow> = Flows::new(7).take(30_000).collect();
    let datagrams = Stream::new(Version::Ipfix, 1, NOW).datagrams(&flows);
    let sent = datagrams.len() as u64;
    exporter.send_all(datagrams);
    process.wait_for_datagrams(sent);
    let stall = || {
        let mut stream = std::os::unix::net::UnixStream::connect(process.setup().path("m.sock")).unwrap();
        query::Request { query: query::Query::All, ..query::Request::default() }.write(&mut stream).unwrap();
        stream
    };
    let stalled: Vec<_> = (0..8).map(|_| stall()).collect();
    let lines = vec!["10.0.0.1"; 20_000].join("\n");
    std::fs::write(process.setup().path("lines"), lines).unwrap();
    let file = format!("file:{}", process.setup().path("lines").display());
    for round in 1..4 {
        let counters = answer(&process, &["-c", "src_host", "-N", &file]);
        assert_eq!(counters.lines().count(), 20_000);
        exporter.send(&v5_of(&[web(9, 1, 2, 3)]));
        process.wait_for_datagrams(sent + round);
    }
    let one_more = stall();
    // The connection may be accepted before the limit of clients is updated.
    let refused = testkit::eventually("a client to be rejected", || {
        let finished = ask(&process, &["-s"]);
        (finished.code() == Some(1)).then_some(finished.log)
    });
    assert!(refused.contains("ERROR: too many clients of user id"), "{refused}");
    drop(one_more);
    assert!(
        testkit::eventually("a free slot", || Some(ask(&process, &["-t"])).filter(|f| f.code() == Some(0)))
            .stdout
            .contains("octets")
    );
    let report = process.statistics();
    assert!(report.value_of("m", "queries_refused[clients]") >= 1, "{}", report.lines.join("\n"));
    process.wait_for_log("clients were refused");
    let begun = std::time::Instant::now();
    process.stop();
    // Two seconds on an idle machine; a query alone may take a minute.
    assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
    drop(stalled);
}

#[test]
fn exceeded_query_limits_are_reported() {
    let process = start(&nfacctd(
        "plugins: memory[m]
         imt_path[m]: {dir}/m.sock
         imt_query_lines: 2
         aggregate[m]: src_host",
    ));
    assert_eq!(answer(&process, &["-c", "src_host", "-N", "10.0.0.1;10.0.0.2"]), "0\n0\n");
    let finished = ask(&process, &["-c", "src_host", "-N", "10.0.0.1;10.0.0.2;10.0.0.3"]);
    assert_eq!(
        (finished.code(), finished.log.trim()),
        (Some(1), "ERROR: 3 lines of values: imt_query_lines allows 2")
    );
    process.wait_for_log("queries were refused: they had more lines than imt_query_lines allows");
    process.stop();
}

#[test]
fn the_socket_has_the_configured_mode() {
    use std::os::unix::fs::PermissionsExt;
    for (lines, expected) in [("", 0o777), ("imt_path_mode[m]: 660", 0o660)] {
        let process = start(
            &nfacctd("plugins: memory[m]\naggregate[m]: src_host\nimt_path[m]: {dir}/m.sock").more_config(lines),
        );
        let mode = std::fs::metadata(process.setup().path("m.sock")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{mode:o}");
        process.stop();
    }
}
