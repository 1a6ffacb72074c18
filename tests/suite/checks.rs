//! What a check of the configuration says, and that a start says the same.

use crate::support::{collected, nfacctd, printing, start, v5_of, web};
use serde_json::json;
use testkit::capture_file;
use testkit::output::sum;
use testkit::{Finished, Setup};

/// The end of a check.
fn checked(setup: &Setup) -> Finished {
    setup.clone().arguments(["--check"]).run()
}

/// Checks and starts a configuration that must be refused, and returns the line of the refusal: each says it, with status 1.
#[track_caller]
fn refused(setup: &Setup, part: &str) -> String {
    let line = |finished: &Finished| {
        assert_eq!(finished.code(), Some(1), "{}", finished.log);
        let found = finished.log.lines().find(|line| line.starts_with("ERROR") && line.contains(part));
        found.unwrap_or_else(|| panic!("{part}:\n{}", finished.log)).to_owned()
    };
    let (check, run) = (line(&checked(setup)), line(&setup.run()));
    assert_eq!(check, run);
    check
}

/// A packet daemon with these lines.
fn pmacctd(lines: &str) -> Setup {
    let lines = format!("{lines}\nplugins: print[p]\naggregate: src_host\nprint_output_file: {{dir}}/out");
    Setup::new(env!("CARGO_BIN_EXE_pmacctd")).config(&lines)
}

#[test]
fn what_a_start_refuses_a_check_refuses_too() {
    let memory = "plugins: memory[a], memory[b]\naggregate: src_host\nimt_path: {dir}/s";
    assert!(refused(&nfacctd(memory), "imt_path[b]").contains("daemon.conf"));
    let long = nfacctd(&format!("plugins: memory[a]\naggregate: src_host\nimt_path: {{dir}}/{}", "s".repeat(108)));
    refused(&long, "imt_path[a]: ");
    let user = printing("src_host").more_config("run_as_user: no-such-user-here");
    assert!(refused(&user, "run_as_user").contains("no such user: no-such-user-here"));
    let group = printing("src_host").more_config("run_as_group: no-such-group-here");
    refused(&group, "run_as_group: no such group");
    let missing = printing("src_host").more_config("pcap_savefile: {dir}/none.pcap");
    refused(&missing, "none.pcap");
    let version = nfacctd("plugins: sqlite3[s]\naggregate: src_host\nsql_db: {dir}/db\nsql_table_version: 12");
    refused(&version, "sql_table_version[s]");
    let options = "plugins: kafka[k]\naggregate: src_host\nkafka_config_file: {dir}/k.conf";
    let options = nfacctd(options).file("k.conf", "\u{feff}global, acks, 1\r\nglobal acks 1\r\n");
    refused(&options, "kafka_config_file[k]: ");
    let certificates = "plugins: amqp[a]\naggregate: src_host\namqp_conn_ca_file: {dir}/none.pem";
    refused(&nfacctd(certificates), "amqp_conn_ca_file[a]: ");
    let certificates = "plugins: pgsql[d]\naggregate: src_host\nsql_conn_ca_file: {dir}/none.pem";
    refused(&nfacctd(certificates), "sql_conn_ca_file[d]: ");
    let allow = printing("src_host").more_config("nfacctd_allow_file: {dir}/allow").file("allow", "10.0.0.1\nx\n");
    refused(&allow, "allow:2]");
    refused(&pmacctd("pcap_interface: lo\npcap_filter: dst src net 192.0.2.0/24"), "pcap_filter: ");
    refused(&pmacctd("pcap_savefile: {dir}/none.pcap"), "none.pcap");
    // The link type of the file decides what an expression may ask for.
    let file = capture_file::pcap::<Vec<u8>>(0, &[]);
    let wireless = pmacctd("pcap_savefile: {dir}/f.pcap\npcap_filter: type mgt").file("f.pcap", file);
    refused(&wireless, "pcap_filter: ");
}

#[test]
fn a_filter_that_suits_the_frames_of_some_interface_is_good() {
    for good in ["ip and tcp", "type mgt", "vlan 5"] {
        let finished = checked(&pmacctd(&format!("pcap_interface: lo\npcap_filter: {good}")));
        assert_eq!(finished.code(), Some(0), "{good}: {}", finished.log);
    }
}

#[test]
fn a_daemon_that_would_count_nothing_does_not_start() {
    for (plugins, why) in [
        ("nfprobe[x]", "is available only in pmacctd and uacctd"),
        ("sfprobe[x], nfprobe[y]", "is available only in pmacctd and uacctd"),
    ] {
        let setup = nfacctd(&format!("plugins: {plugins}\naggregate: src_host"));
        let line = refused(&setup, "plugins: none of these");
        assert!(line.contains(plugins), "{line}");
        assert!(setup.run().log.contains(why), "{plugins}");
    }
    // One that can run is enough, and the other is named.
    let setup = nfacctd("plugins: nfprobe[x], print[p]\naggregate: src_host\nprint_output_file: {dir}/out");
    let log = start(&setup).stop().log;
    assert!(log.contains("plugin nfprobe[x] is available only in") && !log.contains("none of these"), "{log}");
}

#[test]
fn a_daemon_in_the_background_says_in_its_log_why_it_did_not_start() {
    let setup = nfacctd("daemonize: true\nlogfile: {dir}/log\nplugins: nfprobe[x]\naggregate: src_host");
    let finished = setup.run();
    assert_eq!(finished.code(), Some(1), "{}", finished.log);
    let log = finished.text("log");
    assert!(log.contains("plugins: none of these") && log.contains("nfprobe[x]"), "{log}");
}

#[test]
fn names_with_variables_that_nothing_fills_are_named() {
    let finished = checked(&nfacctd(
        "plugins: print[p], kafka[k], amqp[a], sqlite3[s]
         aggregate: src_host, tag
         print_output_file[p]: {dir}/$nosuch-$tag-$ref
         print_latest_file[p]: {dir}/$peer_src_ip
         kafka_topic[k]: t.$hst
         kafka_partition_key[k]: $bmp_router-$proto
         amqp_routing_key[a]: $tag2x
         sql_table[s]: t_$tag2
         writer_id_string[p]: $proc_nam",
    ));
    assert_eq!(finished.code(), Some(1), "{}", finished.log);
    for part in [
        "print_output_file[p]: '$nosuch' is not a variable here and is used literally.",
        "print_latest_file[p]: '$peer_src_ip' is the same for all aggregates: aggregate[p] has no peer_src_ip.",
        "kafka_topic[k]: '$hst' is not a variable here",
        "kafka_partition_key[k]: '$bmp_router' is not a variable here",
        "kafka_partition_key[k]: '$proto' is the same for all aggregates: aggregate[k] has no proto.",
        "amqp_routing_key[a]: '$tag2x' is not a variable here and is used literally. Did you mean '$tag2'?",
        "sql_table[s]: '$tag2' is the same for all aggregates: aggregate[s] has no tag2.",
        "writer_id_string[p]: '$proc_nam' is not a variable here and is used literally. Did you mean '$proc_name'?",
    ] {
        assert!(finished.log.contains(part), "{part}:\n{}", finished.log);
    }
    assert!(!finished.log.contains("'$tag' ") && !finished.log.contains("'$ref'"), "{}", finished.log);
}

#[test]
fn two_plugins_with_one_file_are_named_unless_they_lose_nothing() {
    let lines = "plugins: print[a], print[b]\naggregate: src_host\nprint_output_file: {dir}/same-%H";
    let finished = checked(&nfacctd(lines));
    assert!(finished.log.contains("print_output_file[b]: plugin 'a' writes the same file"), "{}", finished.log);
    for more in ["print_output_file_append: true", "print_output_file[b]: {dir}/other"] {
        let finished = checked(&nfacctd(lines).more_config(more));
        assert_eq!(finished.code(), Some(0), "{more}: {}", finished.log);
    }
}

#[test]
fn round_offs_without_effect_are_named_with_the_key_that_was_written() {
    let finished = checked(&nfacctd(
        "plugins: print[a], sqlite3[b]\naggregate: src_host\nprint_output_file: {dir}/f\nsql_db: {dir}/db\n\
         print_history: 1h\nprint_history_roundoff[a]: hx\nsql_history: 1h\nsql_history_roundoff[b]: dw",
    ));
    for part in
        ["print_history_roundoff[a]: 'x' means nothing", "sql_history_roundoff[b]: 'd' has no effect beside 'w'"]
    {
        assert!(finished.log.contains(part), "{part}:\n{}", finished.log);
    }
}

#[test]
fn networks_files_are_missed_where_a_plugin_has_none() {
    let lines = "nfacctd_net: file\nplugins: print[a], print[b]\naggregate: src_net\nnetworks_file[a]: {dir}/n
        print_output_file[a]: {dir}/a\nprint_output_file[b]: {dir}/b";
    let setup = nfacctd(lines).file("n", "10.0.0.0/8\n");
    let finished = checked(&setup);
    assert!(finished.log.contains("networks_file is not set for b."), "{}", finished.log);
    let finished = checked(&setup.clone().more_config("networks_file[b]: {dir}/n"));
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
    let finished = checked(&setup.more_config("nfacctd_net[b]: mask\nnetworks_mask[b]: 24"));
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
}

#[test]
fn all_files_may_begin_with_a_mark_and_end_lines_in_either_way() {
    let marked = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let setup = printing("tag, src_net, src_port, sampling_rate")
        .more_config(
            "pre_tag_map: {dir}/tags\nnetworks_file: {dir}/networks\nnfacctd_net: file\nports_file: {dir}/ports
             sampling_map: {dir}/sampling\nnfacctd_allow_file: {dir}/allow",
        )
        .file("tags", marked("set_tag=5 in=1\nset_tag=6"))
        .file("networks", marked("10.0.0.0/8"))
        .file("ports", marked("1000\n"))
        .file("sampling", marked("id=10 ip=127.0.1.1"))
        .file("allow", marked("127.0.1.1"));
    assert_eq!(checked(&setup).code(), Some(0));
    let finished = collected(&setup, [v5_of(&[web(1, 1000, 1, 10), web(1, 2000, 2, 20)])]);
    let mut rows = finished.json("out.json");
    assert_eq!((rows.len(), sum(&rows, "packets")), (2, 3), "{rows:?}");
    rows.sort_by_key(|row| row["port_src"].as_u64());
    for (row, port) in rows.iter().zip([0, 1000]) {
        assert_eq!((&row["tag"], &row["net_src"]), (&json!(5), &json!("10.0.0.0")), "{row}");
        assert_eq!((&row["port_src"], &row["sampling_rate"]), (&json!(port), &json!(10)), "{row}");
    }
    // How much was read is in the log.
    for (file, size) in [
        ("tags", "pre_tag_map, 2 rules."),
        ("networks", "networks_file, 1 network."),
        ("ports", "ports_file, 1 port."),
        ("sampling", "sampling_map, 1 rule."),
    ] {
        let line = format!("/{file}] map successfully (re)loaded: {size}");
        assert!(finished.log.contains(&line), "{line}:\n{}", finished.log);
    }
}

#[test]
fn lists_that_are_empty_are_remarked_and_used() {
    let setup = printing("src_port")
        .more_config("nfacctd_allow_file: {dir}/allow\nports_file: {dir}/ports")
        .file("allow", "! nobody\n")
        .file("ports", "");
    let process = start(&setup);
    for part in ["nobody may send", "there is no port in it"] {
        assert!(
            process.log().lines().any(|line| line.starts_with("WARN") && line.contains(part)),
            "{}",
            process.log()
        );
    }
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 1, 1, 10)]));
    assert_eq!(process.wait_for_datagrams(1).value("datagrams_rejected[not_allowed]"), 1);
    // A list may become empty while the daemon runs, too.
    process.signal(testkit::process::Signal::SIGUSR2);
    process.wait_for_log("maps, lists and networks: reloaded");
    process.stop();
}

#[test]
fn rows_that_repeat_a_network_and_many_bad_lines_are_one_warning_each() {
    let bad: String = (1..=199).map(|n| format!("set_tag={n} in=x{n}\n")).collect();
    let setup = printing("src_net")
        .more_config("networks_file: {dir}/networks\npre_tag_map: {dir}/tags")
        .file("networks", "1,10.0.0.0/8\n2,10.0.0.0/8\n")
        .file("tags", bad);
    let finished = checked(&setup);
    let lines: Vec<&str> = finished.log.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.contains("/tags")).count(), 1, "{}", finished.log);
    assert!(finished.log.contains("198 more are alike, in lines 2, 3, 4, "), "{}", finished.log);
    assert!(finished.log.contains("line 2 (as in 1)"), "{}", finished.log);
    assert!(finished.log.contains("200 warnings"), "{}", finished.log);
    // Repeated rows keep no reload from happening.
    let process = start(&setup.file("tags", ""));
    process.signal(testkit::process::Signal::SIGUSR2);
    process.wait_for_log("maps, lists and networks: reloaded");
    process.stop();
}

#[test]
fn a_port_has_one_owner_unless_a_cluster_shares_it() {
    for (program, name) in [(env!("CARGO_BIN_EXE_nfacctd"), "nfacctd"), (env!("CARGO_BIN_EXE_sfacctd"), "sfacctd")]
    {
        let setup = Setup::new(program);
        let (ip, port) = (setup.address().ip(), setup.address().port());
        // Each has a folder of its own, and all listen on one port.
        let daemon = |workers: u8, lines: &str| {
            Setup::new(program).config(&format!(
                "{name}_ip: {ip}\n{name}_port: {port}\nnfacctd_workers: {workers}\nplugins: print[p]
                 aggregate: src_host\nprint_output_file: {{dir}}/out\n{lines}"
            ))
        };
        let running = |setup: &Setup| {
            let process = setup.spawn();
            process.wait_for_log("waiting for");
            process
        };
        let first = running(&daemon(2, ""));
        for workers in [1, 2] {
            let second = daemon(workers, "").run();
            assert_eq!(second.code(), Some(1), "{}", second.log);
            let said = |line: &&str| {
                line.starts_with(&format!("ERROR ( default/core ): {name}_ip, {name}_port: "))
                    && line.contains("another process uses this port")
            };
            assert!(second.log.lines().any(|line| said(&line)), "{}", second.log);
        }
        // A check opens nothing, so it may be made beside the daemon that runs.
        assert_eq!(checked(&daemon(2, "")).code(), Some(0));
        first.stop();
        let both = [(); 2].map(|()| running(&daemon(2, "cluster_name: both")));
        assert_eq!(daemon(1, "").run().code(), Some(1));
        both.into_iter().for_each(|process| _ = process.stop());
    }
}

#[test]
fn labels_match_filters_by_their_parts() {
    let setup = nfacctd(
        "pre_tag_map: {dir}/tags\nplugins: print[part], print[not], print[none]\nprint_output: json
         aggregate: src_host, label
         pre_tag_label_filter[part]: two\npre_tag_label_filter[not]: -two\npre_tag_label_filter[none]: tw,null
         print_output_file[part]: {dir}/part\nprint_output_file[not]: {dir}/not\nprint_output_file[none]: {dir}/none",
    )
    .file("tags", "set_label=cust src_net=10.0.0.1/32 jeq=more\nset_label=one\nset_label=two label=more");
    let finished = collected(&setup, [v5_of(&[web(1, 1, 1, 10), web(2, 1, 2, 20)])]);
    let hosts = |file: &str| -> Vec<String> {
        finished.json(file).iter().map(|row| row["ip_src"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(hosts("part"), ["10.0.0.1"]);
    assert_eq!(hosts("not"), ["10.0.0.2"]);
    assert!(!finished.setup().path("none").exists());
}

#[test]
fn an_aggregate_without_a_value_counts_by_source() {
    let setup = nfacctd("plugins: print[p]\naggregate[p]:\nprint_output: json\nprint_output_file: {dir}/out.json");
    let finished = collected(&setup, [v5_of(&[web(1, 1, 1, 10), web(2, 1, 2, 20)])]);
    assert_eq!(finished.json("out.json").len(), 2);
    assert!(finished.log.contains("aggregate[p] has no value"), "{}", finished.log);
}

#[test]
fn statistics_name_rules_that_have_matched_nothing() {
    let setup = Setup::new(env!("CARGO_BIN_EXE_nfacctd"))
        .config(
            "nfacctd_ip: {ip}\nnfacctd_port: {port}\nplugins: print[p], print[q]\naggregate: tag\nnfacctd_workers: 2
             print_output_file[p]: {dir}/p\nprint_output_file[q]: {dir}/q
             pre_tag_map: {dir}/tags\nsampling_map: {dir}/sampling\npre_tag_map[q]: {dir}/own",
        )
        .file("tags", "! rules\nset_tag=1 in=77\nset_tag=2 in=1 jeq=more\nset_tag=3\nset_tag=4 label=more in=78\n")
        .file("sampling", "id=10 ip=127.0.1.9\nid=20 ip=127.0.1.1\n")
        .file("own", "set_tag=9\n");
    let process = start(&setup);
    let wanted = |lines: [&str; 3]| {
        let log = process.log();
        lines.iter().all(|line| log.lines().any(|logged| logged.ends_with(line)))
    };
    process.statistics();
    assert!(wanted([
        "/tags rules=4 unmatched=4 lines=2,3,4,5",
        "/sampling rules=2 unmatched=2 lines=1,2",
        "/own rules=1 unmatched=1 lines=1"
    ]));
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 1, 1, 10)]));
    process.wait_for_datagrams(1);
    process.statistics();
    let lines = [
        "/tags rules=4 unmatched=3 lines=2,4,5",
        "/sampling rules=2 unmatched=1 lines=1",
        "/own rules=1 unmatched=0",
    ];
    assert!(wanted(lines), "{}", process.log());
    // What was read again has matched nothing yet.
    process.signal(testkit::process::Signal::SIGUSR2);
    process.wait_for_log("maps, lists and networks: reloaded");
    let before = process.log().matches("/tags rules=4 unmatched=4").count();
    process.statistics();
    assert_eq!(process.log().matches("/tags rules=4 unmatched=4").count(), before + 1);
    process.stop();
}
