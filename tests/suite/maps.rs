//! Maps: their effects, their diagnostics, and reloads.

use crate::support::{assert_rows, collected, nfacctd, one, printing, start, v5_of, web, without_event_type};
use netflow::encode::field;
use serde_json::{Value, json};
use testkit::mmdb;
use testkit::output::sum;
use testkit::process::Signal;
use testkit::{Process, Setup};

/// A collector with this pre_tag_map, which prints these primitives.
fn tagging(aggregate: &str, map: &str) -> Setup {
    printing(aggregate).more_config("pre_tag_map: {dir}/tags").file("tags", map)
}

/// The rows for a record of one packet from 10.0.0.1 and one of two packets from 10.0.0.2.
fn rows(setup: &Setup) -> Vec<Value> {
    let process = start(setup);
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 1000, 1, 10), web(2, 2000, 2, 20)]));
    without_event_type(process.stop().json("out.json"))
}

#[test]
fn tags_and_labels_are_set_by_exporter_interface_filter_and_jumps() {
    let map = "set_tag=1 ip=127.0.2.1
               set_tag=100 ip=127.0.1.0/24 in=1 jeq=hosts
               set_tag=9
               set_tag=1 stack=sum set_label=one filter='src host 10.0.0.1' label=hosts jeq=next
               set_tag2=7 set_label=all src_net=10.0.0.0/8";
    let row = |tag, label, packets| json!({"tag": tag, "tag2": 7, "label": label, "packets": packets, "bytes": packets * 10});
    assert_rows(rows(&tagging("tag, tag2, label", map)), [row(100, "all", 2), row(101, "one,all", 1)]);
}

#[test]
fn plugin_filters_select_by_tag_and_label() {
    let setup = nfacctd(
        "pre_tag_map: {dir}/tags
         plugins: print[one], print[other], print[none], print[own]
         print_output: json
         aggregate: src_host, tag
         pre_tag_filter[one]: 1
         pre_tag_filter[other]: -1
         pre_tag_label_filter[none]: x,y
         pre_tag_map[own]: {dir}/own
         post_tag2[own]: 5
         aggregate[own]: src_host, tag, tag2
         print_output_file[one]: {dir}/one.json
         print_output_file[other]: {dir}/other.json
         print_output_file[none]: {dir}/none.json
         print_output_file[own]: {dir}/own.json",
    )
    .file("tags", "set_tag=1 src_net=10.0.0.1/32")
    .file("own", "set_tag=77 dst_port=80");
    let process = start(&setup);
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 1000, 1, 10), web(2, 2000, 2, 20)]));
    let statistics = process.wait_for_datagrams(1);
    statistics.assert_all_accounted();
    let finished = process.stop();
    let shown = |file: &str| -> Vec<(Value, Value)> {
        finished.json(file).iter().map(|row| (row["ip_src"].clone(), row["tag"].clone())).collect()
    };
    assert_eq!(shown("one.json"), [(json!("10.0.0.1"), json!(1))]);
    assert_eq!(shown("other.json"), [(json!("10.0.0.2"), json!(0))]);
    assert!(!finished.setup().files().contains(&"none.json".to_owned()), "no record has a label");
    let own = finished.json("own.json");
    assert!(own.len() == 2 && own.iter().all(|row| row["tag"] == 77 && row["tag2"] == 5), "{own:?}");
}

#[test]
fn sampling_rates_come_from_a_map_or_a_key() {
    let lines = "nfacctd_renormalize: true\nsampling_map: {dir}/rates";
    let setup = printing("sampling_rate").more_config(lines);
    let row = |rate: u64| json!({"sampling_rate": 1, "packets": 3 * rate, "bytes": 30 * rate});
    let by_map = setup.clone().file("rates", "id=100 ip=127.0.1.1 in=9\nid=10 ip=127.0.1.0/24\n");
    assert_rows(rows(&by_map), [row(10)]);
    let unmatched = setup.more_config("nfacctd_ext_sampling_rate: 7").file("rates", "id=10 ip=192.0.2.1\n");
    assert_rows(rows(&unmatched), [row(7)]);
    let shown = printing("sampling_rate").more_config("nfacctd_ext_sampling_rate: 7");
    assert_rows(rows(&shown), [json!({"sampling_rate": 7, "packets": 3, "bytes": 30})]);
}

#[test]
fn a_configured_sampling_rate_overrides_that_of_records() {
    let record = [0, 7, 0, 0, 0, 100, 0, 0, 0, 30, 0, 0, 0, 3];
    let inline = one(&[field(7, 2), field(34, 4), field(1, 4), field(2, 4)], &record);
    let mut in_header = v5_of(&[web(1, 1000, 3, 30)]);
    // Mode 1, interval 100.
    in_header[22..24].copy_from_slice(&[0x40, 100]);
    for datagram in [inline, in_header] {
        let shown = |lines: &str| {
            let setup = printing("sampling_rate").more_config(lines).file("rates", "id=7 ip=127.0.1.1\n");
            without_event_type(collected(&setup, [&datagram]).json("out.json"))
        };
        let row = |shown: u64, rate: u64| json!({"sampling_rate": shown, "packets": 3 * rate, "bytes": 30 * rate});
        assert_rows(shown(""), [row(100, 1)]);
        assert_rows(shown("nfacctd_renormalize: true"), [row(1, 100)]);
        assert_rows(shown("nfacctd_ext_sampling_rate: 1000"), [row(1000, 1)]);
        let external = "nfacctd_renormalize: true\nnfacctd_ext_sampling_rate: 1000";
        assert_rows(shown(external), [row(1, 1000)]);
        assert_rows(shown(&format!("{external}\nsampling_map: {{dir}}/rates")), [row(1, 7)]);
    }
}

#[test]
fn route_distinguishers_come_from_a_map() {
    let setup = printing("mpls_vpn_rd").more_config("flow_to_rd_map: {dir}/rds");
    let setup = setup.file("rds", "id=0:65000:7 ip=127.0.1.1 in=2\nid=1:192.0.2.1:8 ip=127.0.1.1\n");
    let found = rows(&setup);
    assert_eq!((found.len(), &found[0]["mpls_vpn_rd"]), (1, &json!("1:192.0.2.1:8")));
    assert_eq!(found[0]["mpls_vpn_rd_origin"], "map");
}

#[test]
fn invalid_rules_are_reported_by_line_and_the_others_used() {
    let map = "set_tag=1 nonsense=3\nset_tag=2 in=1\nset_tag=3 in=x\n";
    let process = start(&tagging("tag", map));
    process.exporter("127.0.1.1").send(&v5_of(&[web(1, 1000, 1, 10)]));
    let finished = process.stop();
    for part in ["tags:1:11] Line ignored because of unknown key 'nonsense'", "tags:3:14] bad 'in' value: 'x'"] {
        assert!(finished.log.contains(part), "{part}:\n{}", finished.log);
    }
    assert_eq!(finished.json("out.json")[0]["tag"], 2);
}

#[test]
fn check_reports_every_problem_and_starts_nothing() {
    let good = tagging("tag", "set_tag=1 in=1\nset_tag=2 in=1 out=2\n").more_config("pidfile: {dir}/pid");
    let path = good.config_path().display().to_string();
    let checked = good.clone().arguments(["-f", &path, "--check"]).run();
    assert_eq!(checked.code(), Some(0), "{}", checked.log);
    assert!(checked.log.contains("tags:2] The rule never matches: the rule in line 1"), "{}", checked.log);
    assert!(!good.files().contains(&"pid".to_owned()));
    let bad =
        good.more_config("networks_file: {dir}/networks\nnonsense_key: 1\naggregate_filter[p]: not an expression");
    let bad = bad.file("networks", "64500,10.0.0.0/40\n").file("tags", "set_tag=x\n");
    let path = bad.config_path().display().to_string();
    let checked = bad.clone().arguments(["-f", &path, "--check"]).run();
    assert_eq!(checked.code(), Some(1), "{}", checked.log);
    for part in ["networks:1:", "nonsense_key", "aggregate_filter[p]", "tags:1:9]"] {
        assert!(checked.log.contains(part), "{part}:\n{}", checked.log);
    }
}

fn change(process: &Process, map: &str) {
    // Atomically: an earlier reload may be reading it.
    let setup = process.setup().clone().file("tags.new", map);
    assert!(std::fs::rename(setup.path("tags.new"), setup.path("tags")).is_ok());
}

#[test]
fn a_reloaded_map_can_need_more_fields() {
    let process = start(&tagging("tag", "set_tag=1 in=1\n"));
    let exporter = process.exporter("127.0.1.1");
    let send = |packets| exporter.send(&v5_of(&[web(1, 1000, packets, packets * 10)]));
    send(1);
    process.wait_for_datagrams(1);
    // Fields that no previous rule and no primitive needs.
    change(&process, "set_tag=2 src_as=64500 filter='tcp dst port 80' nexthop=10.0.0.254\n");
    process.wait_for_new_log("reloaded", || process.signal(Signal::SIGUSR2));
    send(10);
    process.wait_for_datagrams(2);
    change(&process, "set_tag=3 in=bad\n");
    process.wait_for_new_log("stays in force", || process.signal(Signal::SIGUSR2));
    send(100);
    process.wait_for_datagrams(3).assert_all_accounted();
    let row = |tag, packets| json!({"tag": tag, "packets": packets, "bytes": packets * 10});
    assert_rows(without_event_type(process.stop().json("out.json")), [row(1, 1), row(2, 110)]);
}

#[test]
fn changed_maps_are_reloaded_with_maps_watch() {
    let process = start(&tagging("tag", "set_tag=1\n").more_config("maps_watch: true"));
    let exporter = process.exporter("127.0.1.1");
    process.wait_for_new_log("reloaded", || change(&process, "set_tag=2\n! longer\n"));
    exporter.send(&v5_of(&[web(1, 1000, 1, 10)]));
    assert_eq!(process.stop().json("out.json")[0]["tag"], 2);
}

/// The indented blocks of a document, each with the line of text before it.
pub(crate) fn blocks(text: &str) -> Vec<(String, String)> {
    let (mut blocks, mut before, mut block) = (Vec::new(), String::new(), String::new());
    for line in text.lines().chain([""]) {
        if let Some(code) = line.strip_prefix("    ") {
            block += code;
            block.push('\n');
        } else {
            if !block.is_empty() {
                blocks.push((before.clone(), std::mem::take(&mut block)));
            }
            if !line.is_empty() {
                before = line.to_owned();
            }
        }
    }
    blocks
}

#[test]
fn the_documented_examples_are_valid() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/maps");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let blocks = blocks(&text);
        let Some((_, config)) = blocks.first().filter(|(_, block)| block.starts_with("! ")) else { continue };
        let mut setup = Setup::new(env!("CARGO_BIN_EXE_nfacctd"));
        // The line before the blocks names their files, in order.
        let mut config = config.replace("/usr/share/GeoIP/", "");
        let mut names: Vec<&str> =
            blocks[1..].iter().flat_map(|(line, _)| line.split('`').skip(1).step_by(2)).collect();
        names.dedup();
        let mut files: Vec<(&str, &str)> = Vec::new();
        for ((_, block), name) in blocks[1..].iter().zip(&names) {
            files.push((name, block));
        }
        let places = mmdb::city(&[]);
        for (name, contents) in
            files.iter().map(|(n, b)| (*n, b.as_bytes())).chain([("GeoLite2-City.mmdb", &places[..])])
        {
            config = config.replace(&format!(": {name}\n"), &format!(": {{dir}}/{name}\n"));
            setup = setup.file(name, contents);
        }
        let setup = setup.config(&config);
        let config = setup.config_path().display().to_string();
        let finished = setup.clone().arguments(["-f", &config, "--check"]).run();
        assert_eq!(finished.code(), Some(0), "{}: {}", path.display(), finished.log);
        checked += 1;
    }
    assert!(checked >= 7, "{checked}");
}

#[test]
fn reloads_under_traffic_are_atomic_and_lose_nothing() {
    let map = |n: u8| format!("set_tag={n} jeq=next\nset_tag2={n} jeq=next\nset_label=map{n}\n");
    let process = start(&tagging("tag, tag2, label", &map(1)).more_config("nfacctd_workers: 2"));
    let exporters = ["127.0.1.1", "127.0.1.2", "127.0.1.3"].map(|source| process.exporter(source));
    let datagram = v5_of(&[web(1, 1000, 1, 10); 20]);
    let mut sent = 0;
    let mut burst = || {
        for _ in 0..8 {
            exporters.iter().for_each(|exporter| exporter.send(&datagram));
            sent += exporters.len() as u64;
        }
        sent
    };
    for round in 0..12u8 {
        burst();
        change(&process, &map(2 - round % 2));
        process.signal(Signal::SIGUSR2);
        // At most what the smallest receive buffer holds at a time.
        process.wait_for_datagrams(burst());
    }
    let sent = burst();
    process.wait_for_datagrams(sent).assert_all_accounted();
    let rows = process.stop().json("out.json");
    assert_eq!(sum(&rows, "packets"), sent * 20);
    for row in &rows {
        let tag = row["tag"].as_u64().unwrap();
        assert!(tag > 0 && row["tag2"] == tag && row["label"] == format!("map{tag}"), "{row}");
    }
}
