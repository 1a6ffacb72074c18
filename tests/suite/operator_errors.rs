//! Operator mistakes: files of the wrong type, reloads of long maps, second daemons, failing starts.

use crate::support::{NOW, clock, nfacctd, printing, start, template, v5_of, web};
use netflow::encode::{Message, field};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::output::sum;
use testkit::process::Signal;
use testkit::{Finished, Setup, eventually};

/// Longer than anything takes that does not hang.
const PROMPT: Duration = Duration::from_secs(60);

/// Replaces a file by a named pipe without a writer.
fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success()));
}

fn check(setup: &Setup) -> Finished {
    let began = Instant::now();
    let finished = setup.clone().arguments(["--check"]).run();
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    finished
}

/// Configuration lines that name a file, and the program that reads it.
const NAMED: &[(&str, &str)] = &[
    ("nfacctd", "pre_tag_map: {file}"),
    ("nfacctd", "pre_tag_map[p]: {file}"),
    ("nfacctd", "sampling_map: {file}"),
    ("nfacctd", "flow_to_rd_map: {file}"),
    ("nfacctd", "networks_file: {file}"),
    ("nfacctd", "ports_file: {file}"),
    ("nfacctd", "geoipv2_file: {file}"),
    ("nfacctd", "nfacctd_allow_file: {file}"),
    ("nfacctd", "aggregate_primitives: {file}"),
    ("nfacctd", "nfacctd_templates_file: {file}"),
    ("nfacctd", "plugins: kafka[k]\nkafka_config_file: {file}"),
    ("nfacctd", "plugins: kafka[k]\nlandlock: true\nkafka_config_file: {file}"),
    ("nfacctd", "plugins: amqp[a]\namqp_conn_ca_file: {file}"),
    ("nfacctd", "plugins: pgsql[s]\nsql_conn_ca_file: {file}"),
    ("nfacctd", "plugins: sqlite3[s]\nsql_table_schema: {file}"),
    ("sfacctd", "sampling_map: {file}"),
    ("pmacctd", "pcap_interfaces_map: {file}"),
    ("pmacctd", "pre_tag_map: {file}"),
];

#[test]
fn pipes_and_devices_are_rejected_as_files_at_once() {
    let program = |name| match name {
        "nfacctd" => env!("CARGO_BIN_EXE_nfacctd"),
        "sfacctd" => env!("CARGO_BIN_EXE_sfacctd"),
        _ => env!("CARGO_BIN_EXE_pmacctd"),
    };
    for (name, lines) in NAMED {
        let setup = Setup::new(program(name));
        pipe(&setup.path("pipe"));
        fs::create_dir(setup.path("folder")).unwrap_or_default();
        for (file, what) in
            [("{dir}/pipe", "a named pipe"), ("{dir}/folder", "a directory"), ("/dev/zero", "a device")]
        {
            let plugins = if lines.starts_with("plugins") { "" } else { "plugins: print[p]\n" };
            let text = format!("{plugins}{}\naggregate: src_host\n", lines.replace("{file}", file));
            let checked = check(&setup.clone().config(&text));
            assert_eq!(checked.code(), Some(1), "{text}: {}", checked.log);
            assert!(checked.log.contains(&format!("not a regular file, but {what}")), "{text}: {}", checked.log);
        }
    }
}

#[test]
fn a_configuration_that_is_a_pipe_is_rejected_at_once() {
    let setup = Setup::new(env!("CARGO_BIN_EXE_nfacctd"));
    pipe(&setup.path("pipe"));
    let refused = check(&setup.arguments(["-f", "{dir}/pipe"]));
    assert_eq!(refused.code(), Some(1));
    assert!(refused.log.contains("path is not a regular file."), "{}", refused.log);
}

#[test]
fn a_reload_of_a_pipe_fails_without_blocking() {
    let setup = printing("tag, src_host").more_config("pre_tag_map: {dir}/map").file("map", "set_tag=7\n");
    let process = start(&setup);
    process.wait_for_new_log("the previous state stays in force", || {
        pipe(&setup.path("map"));
        process.signal(Signal::SIGUSR2);
    });
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 1, 1, 10)]));
    process.wait_for_datagrams(1);
    let finished = process.stop();
    assert!(finished.log.contains("pre_tag_map: path is not a regular file"), "{}", finished.log);
    assert_eq!(finished.json("out.json")[0]["tag"], 7);
}

#[test]
fn an_idle_capture_pipe_does_not_delay_shutdown() {
    for (program, ready) in
        [(env!("CARGO_BIN_EXE_nfacctd"), "reading NetFlow"), (env!("CARGO_BIN_EXE_pmacctd"), "link type is")]
    {
        let setup =
            Setup::new(program).config("pcap_savefile: {dir}/pipe\nplugins: print[p]\naggregate: src_host");
        pipe(&setup.path("pipe"));
        let process = setup.spawn();
        // The header of a capture file and nothing more, from a writer that keeps the pipe open.
        let writer = fs::File::options().write(true).open(setup.path("pipe"));
        let frames: [(u64, Vec<u8>); 0] = [];
        let head = testkit::frames::capture(1, frames);
        assert!(writer.as_ref().is_ok_and(|mut writer| writer.write_all(&head).is_ok()));
        process.wait_for_log(ready);
        let asked = Instant::now();
        process.stop_with(Signal::SIGTERM);
        assert!(asked.elapsed() < PROMPT);
        drop(writer);
    }
}

/// A map of `rules` rules, each for another host.
fn long_map(rules: u32) -> String {
    (1..=rules)
        .map(|n| format!("set_tag={n} ip=127.0.1.1 src_net=10.{}.{}.{}/32\n", n >> 16, n >> 8 & 255, n & 255))
        .collect()
}

#[test]
fn a_long_reload_delays_no_signal() {
    const RELOADED: &str = "maps, lists and networks: reloaded";
    let setup = printing("tag, src_host").more_config("pre_tag_map: {dir}/map").file("map", "set_tag=1\n");
    let process = start(&setup);
    let reloads = || process.log().matches(RELOADED).count();
    let wait_for = |count| eventually("reloads", || (reloads() == count).then_some(()));
    let _ = setup.clone().file("map", long_map(50_000));
    process.signal(Signal::SIGUSR2);
    let exporter = process.exporter("127.0.1.1");
    exporter.send(&v5_of(&[web(1, 1, 1, 10)]));
    process.wait_for_datagrams(1);
    // Two more requests while it runs cause one reload after it.
    for _ in 0..2 {
        process.signal(Signal::SIGUSR2);
        process.statistics();
    }
    assert_eq!(reloads(), 0, "the map is too short to show anything");
    wait_for(2);
    let _ = setup.clone().file("map", "set_tag=3\n");
    process.signal(Signal::SIGUSR2);
    wait_for(3);
    exporter.send(&v5_of(&[web(1, 1, 100, 1000)]));
    process.wait_for_datagrams(2);
    // Shutdown during a reload.
    let _ = setup.clone().file("map", long_map(50_000));
    process.signal(Signal::SIGUSR2);
    process.statistics();
    let finished = process.stop();
    assert_eq!(finished.log.matches(RELOADED).count(), 3, "{}", finished.log);
    let packets = |tag: u32| {
        let rows: Vec<_> = finished.json("out.json").into_iter().filter(|row| row["tag"] == tag).collect();
        sum(&rows, "packets")
    };
    assert_eq!((packets(1), packets(3)), (1, 100));
}

#[test]
fn the_templates_file_is_bounded_at_the_cost_of_the_largest_exporter() {
    let setup = printing("src_port")
        .more_config("nfacctd_templates_file: {dir}/templates\nnfacctd_templates_file_size: 64K");
    let process = start(&setup);
    let message = |ids: std::ops::Range<u16>| {
        let templates: Vec<_> = ids.map(|id| template(1, id, vec![field(7, 2); 20])).collect();
        Message::ipfix(1, 0, NOW).templates(&templates.iter().collect::<Vec<_>>()).finish()
    };
    process.exporter("127.0.1.2").send(&message(300..303));
    let hostile = process.exporter("127.0.1.1");
    for (sent, first) in (2..).zip((300..3300).step_by(10)) {
        hostile.send(&message(first..first + 10));
        // No more at a time than the smallest receive buffer holds.
        if sent % 50 == 0 {
            process.wait_for_datagrams(sent);
        }
    }
    assert_eq!(process.wait_for_datagrams(301).value("templates_learned"), 3003);
    eventually("a trimmed file in statistics", || {
        (process.statistics().value("dropped_no_room") > 0).then_some(())
    });
    let finished = process.stop();
    let text = finished.text("templates");
    assert_eq!(text.matches("\"127.0.1.2\"").count(), 3);
    assert!(text.contains("\"127.0.1.1\"") && text.len() < 90_000, "{}", text.len());
    assert!(finished.log.contains("nfacctd_templates_file_size keeps more"), "{}", finished.log);
    // The daemon keeps the lock.
    assert!(!setup.files().contains(&"templates.lock".to_owned()), "{:?}", setup.files());
}

#[test]
fn templates_expire_thirty_days_after_their_last_announcement() {
    let setup = printing("src_port").more_config("nfacctd_templates_file: {dir}/templates");
    let now = u64::from(clock());
    let line = |id: u16, days: u64| {
        let seen = now - days * 86_400;
        format!(
            "{{\"exporter\":\"127.0.1.1\",\"domain\":1,\"template\":{id},\"fields\":[[0,7,2]],\"seen\":{seen}}}\n"
        )
    };
    let setup = setup.file("templates", line(300, 29) + &line(301, 31) + &line(302, 29));
    let process = start(&setup);
    process
        .exporter("127.0.1.1")
        .send(&Message::ipfix(1, 0, NOW).templates(&[&template(1, 300, vec![field(7, 2)])]).finish());
    process.wait_for_datagrams(1);
    let finished = process.stop();
    assert!(finished.log.contains("1 templates were not announced for 30 days"), "{}", finished.log);
    let seen = |id: u16| {
        let lines = finished.json("templates");
        lines.iter().find(|line| line["template"] == id).and_then(|line| line["seen"].as_u64())
    };
    // An announced template gets the current time; another keeps its own.
    assert!(seen(300) >= Some(now) && seen(301).is_none(), "{:?} {:?}", seen(300), seen(301));
    assert_eq!(seen(302), Some(now - 29 * 86_400));
}

#[test]
fn a_second_daemon_is_locked_out_of_the_files_of_the_first() {
    for (program, key) in [
        (env!("CARGO_BIN_EXE_nfacctd"), "nfacctd_templates_file"),
        (env!("CARGO_BIN_EXE_sfacctd"), "sfacctd_counter_file"),
    ] {
        let setup = |file: &str| {
            Setup::new(program).config(&format!(
                "nfacctd_ip: {{ip}}\nnfacctd_port: {{port}}\nplugins: print[p]\naggregate: src_host\n{key}: {file}"
            ))
        };
        let first = setup("{dir}/shared");
        let process = first.start();
        process.wait_for_log("waiting for");
        let path = first.path("shared").display().to_string();
        let second = setup(&path).run();
        assert_eq!(second.code(), Some(1), "{key}: {}", second.log);
        let named = format!("{key}: {path}.lock: in use by process {} (", process.id());
        assert!(second.log.contains(&named), "{}", second.log);
        process.stop();
        let third = setup(&path).start();
        third.wait_for_log("waiting for");
        third.stop();
    }
}

#[test]
fn daemonize_returns_the_result_of_the_start() {
    let setup = nfacctd(
        "plugins: memory[m]\naggregate: src_host\nimt_path: {dir}/pipe\npidfile: {dir}/pid\nlogfile: {dir}/log",
    );
    let began = setup.clone().arguments(["-D"]).run();
    assert_eq!(began.code(), Some(0), "{}", began.log);
    // Everything is ready when the command returns.
    let text = |name| fs::read_to_string(setup.path(name)).unwrap_or_default();
    assert!(
        text("log").contains("waiting for NetFlow/IPFIX data") && setup.path("pipe").exists(),
        "{}",
        text("log")
    );
    let second = setup.clone().arguments(["-D"]).run();
    assert_eq!(second.code(), Some(1));
    assert!(second.log.contains("pidfile: ") && second.log.contains("in use by process"), "{}", second.log);
    // The same port with another pid file.
    let third = setup.clone().more_config("pidfile: {dir}/other").arguments(["-D"]).run();
    assert_eq!(third.code(), Some(1));
    assert!(third.log.contains("another process uses this port"), "{}", third.log);
    // A dry run takes the same path.
    let dry = setup.clone().arguments(["-T", "setup"]).run();
    assert_eq!(dry.code(), Some(1));
    assert!(dry.log.contains("in use by process"), "{}", dry.log);
    let pid = text("pid");
    assert!(Command::new("kill").arg(pid.trim()).status().is_ok_and(|status| status.success()));
    eventually("the daemon to exit", || (!setup.path("pid").exists()).then_some(()));
    assert_eq!(setup.arguments(["-T", "setup"]).run().code(), Some(0));
}

#[test]
fn a_dry_run_of_the_setup_reports_the_errors_of_a_start() {
    let refused = nfacctd("plugins: sqlite3[s]\naggregate: src_host\nsql_db: {dir}/db\nsql_table: acct")
        .arguments(["-T", "setup"])
        .run();
    assert_eq!(refused.code(), Some(1), "{}", refused.log);
    assert!(refused.log.contains("sql_table[s]: no such table"), "{}", refused.log);
    // Another daemon has locked the spool. This needs no server.
    let spool = "plugins: kafka[k]\naggregate: src_host\nkafka_broker_port: 1\nplugin_write_timeout: 1\nplugin_spool_dir: ";
    let first = nfacctd(&format!("{spool}{{dir}}/spool")).start();
    let path = first.setup().path("spool").display().to_string();
    let second = nfacctd(&format!("{spool}{path}"));
    for dry in [&["-T", "setup"][..], &[]] {
        let refused = second.clone().arguments(dry).run();
        assert_eq!(refused.code(), Some(1), "{}", refused.log);
        assert!(refused.log.contains("another process uses it"), "{}", refused.log);
    }
}

#[test]
fn too_many_plugins_are_rejected() {
    let plugins = |count: usize| (0..count).map(|n| format!("print[p{n}]")).collect::<Vec<_>>().join(", ");
    let setup = |count| {
        nfacctd(&format!(
            "plugins: {}\naggregate: src_host\nprint_output_file: {{dir}}/$writer_id",
            plugins(count)
        ))
    };
    assert!(!check(&setup(32)).log.contains("one more"));
    for refused in [check(&setup(33)), setup(33).run()] {
        assert_eq!(refused.code(), Some(1));
        assert!(refused.log.contains("plugin 'p32' exceeds the limit of 32 plugins"), "{}", refused.log);
    }
}
