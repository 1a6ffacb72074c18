//! Where events of BGP go: files, brokers, table dumps; with tags, and with files that are renamed.

use crate::bgp::{Log, own_address, pmbgpd, stable};
use crate::bgp_sessions::route;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use testkit::bgp::update::numbered_nlri;
use testkit::bgp::{Open, Speaker, Update};
use testkit::process::Signal;
use testkit::{Process, Setup, eventually, output};

/// A session from an address of its own, with one route.
fn peer(process: &Process, asn: u32) -> (Speaker, String) {
    let source = own_address();
    let mut speaker = Speaker::simple(&source, asn, process.setup().address());
    speaker.send(&route(asn, "10.0.0.0/8"));
    (speaker, source)
}

fn named(address: &str) -> String {
    address.replace('.', "_")
}

#[test]
fn each_peer_can_have_a_file() {
    let setup = pmbgpd("").more_config("bgp_daemon_msglog_file: {dir}/logs/$peer_src_ip.json");
    let process = setup.start_tcp();
    let peers = [peer(&process, 65_001), peer(&process, 65_002)];
    for (number, (_, source)) in peers.iter().enumerate() {
        let mut log = Log::new(&process, &format!("logs/{}.json", named(source)), false);
        log.wait_for_routes(1);
        let as_path = &log.prefix("10.0.0.0/8")[0]["as_path"];
        assert_eq!(as_path, &Value::from(format!("{}", 65_001 + number)));
    }
    process.stop();
}

#[test]
fn a_renamed_log_is_continued_in_a_new_file_after_sighup() {
    let process = pmbgpd("").start_tcp();
    let (mut speaker, _) = peer(&process, 65_001);
    Log::of(&process).wait_for_routes(1);
    fs::rename(process.setup().path("log.json"), process.setup().path("old.json")).expect("the log is there");
    process.signal(Signal::SIGHUP);
    let mut log = Log::of(&process);
    // The signal may arrive after the next message.
    let mut next = (0..).map(|number| route(65_001, &format!("11.{number}.0.0/16")));
    eventually("a line in the new file", || {
        speaker.send(&next.next()?);
        log.update();
        (!log.events().is_empty()).then_some(())
    });
    let old = output::text(&process.setup().path("old.json"));
    assert!(old.contains("10.0.0.0/8") && old.ends_with('\n'), "{old}");
    let numbers =
        |events: &[Value]| -> Vec<u64> { events.iter().filter_map(|event| event["seq"].as_u64()).collect() };
    let mut all = numbers(&output::json_lines(&old));
    all.sort_unstable();
    all.extend(numbers(&log.events()));
    let expected: Vec<u64> = (0..all.len() as u64).collect();
    assert_eq!(all, expected, "no event is lost between the files");
    process.stop();
}

#[test]
fn peers_are_tagged_and_the_map_can_be_reloaded() {
    let (one, two) = (own_address(), own_address());
    let map = format!("set_tag=5 ip={one}/32\nset_tag=6 set_label=second ip={two}/32\n");
    let setup = pmbgpd("bgp_daemon_tag_map: {dir}/tags.map").file("tags.map", map);
    let process = setup.start_tcp();
    let mut log = Log::of(&process);
    let mut first = Speaker::simple(&one, 65_001, setup.address());
    let mut second = Speaker::simple(&two, 65_002, setup.address());
    first.send(&route(65_001, "10.0.0.0/8"));
    second.send(&route(65_002, "11.0.0.0/8"));
    log.wait_for_routes(2);
    let tag =
        |log: &Log, prefix: &str| (log.prefix(prefix)[0]["tag"].clone(), log.prefix(prefix)[0]["label"].clone());
    assert_eq!(tag(&log, "10.0.0.0/8"), (json!(5), Value::Null));
    assert_eq!(tag(&log, "11.0.0.0/8"), (json!(6), json!("second")));
    let _setup = setup.file("tags.map", format!("set_tag=7 ip={one}/32\n"));
    process.signal(Signal::SIGUSR2);
    let mut next = (0..).map(|number| format!("12.{number}.0.0/16"));
    eventually("the new tag", || {
        let prefix = next.next()?;
        first.send(&route(65_001, &prefix));
        log.wait("the route", |log| !log.prefix(&prefix).is_empty());
        (tag(&log, &prefix).0 == 7).then_some(())
    });
    process.stop();
}

#[test]
fn labels_choose_what_is_logged() {
    let (one, two) = (own_address(), own_address());
    let map = format!("set_label=wanted ip={one}/32\nset_label=other ip={two}/32\n");
    let setup = pmbgpd("bgp_daemon_tag_map: {dir}/tags.map\nbgp_daemon_msglog_label_filter: wanted");
    let process = setup.file("tags.map", map).start_tcp();
    let mut log = Log::of(&process);
    let mut second = Speaker::simple(&two, 65_002, process.setup().address());
    second.send(&route(65_002, "11.0.0.0/8"));
    // The answer comes after the message before it was handled.
    second.keepalive();
    let mut first = Speaker::simple(&one, 65_001, process.setup().address());
    first.send(&route(65_001, "10.0.0.0/8"));
    log.wait_for_routes(1);
    assert!(log.prefix("11.0.0.0/8").is_empty());
    process.stop();
}

#[test]
fn the_neighbors_file_lists_who_is_up() {
    let process = pmbgpd("bgp_neighbors_file: {dir}/neighbors").start_tcp();
    let (first, one) = peer(&process, 65_001);
    let (second, two) = peer(&process, 65_002);
    let listed = || -> Vec<String> {
        let mut lines: Vec<String> = process.text("neighbors").lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let mut both = vec![one, two.clone()];
    both.sort();
    eventually("both peers", || (listed() == both).then_some(()));
    drop(first);
    eventually("the second peer alone", || (listed() == [two.clone()]).then_some(()));
    drop(second);
    process.stop();
}

/// A dump each full minute, and the peers that fill its tables.
fn dumping(lines: &str) -> (Process, Vec<(Speaker, String)>) {
    let process =
        pmbgpd("bgp_table_dump_refresh_time: 60\nbgp_daemon_max_peers: 20").more_config(lines).start_tcp();
    let peers = (1..=2)
        .map(|number| {
            let source = own_address();
            let open = Open::new(65_000 + number, source.parse().expect("an IPv4 address")).hold_time(600);
            let mut speaker = Speaker::establish(&source, process.setup().address(), &open);
            let update = Update::route(&[65_000 + number], [10, 0, 0, 1].into());
            let count = 1000 * number;
            update.announcing(numbered_nlri(0..count)).iter().for_each(|message| speaker.send(message));
            speaker.send(&Update::withdrawing(numbered_nlri(0..10)).concat());
            (speaker, source)
        })
        .collect();
    let mut log = Log::with_tables(&process);
    log.wait_for_routes(2980);
    (process, peers)
}

/// What a complete dump of one peer has: its envelope, and that many entries.
fn check_dump(events: &[Value], source: &str, count: usize) {
    let of_peer: Vec<Value> = events.iter().filter(|event| event["peer_ip_src"] == source).cloned().collect();
    let of_peer = stable(&of_peer);
    let init = json!({"event_type": "dump_init", "peer_ip_src": source, "dump_period": 60});
    let close = json!({"event_type": "dump_close", "peer_ip_src": source, "entries": count, "tables": 1});
    assert_eq!(of_peer.first(), Some(&init));
    assert_eq!(of_peer.last(), Some(&close));
    assert_eq!(of_peer.len(), count + 2);
    let entries = &of_peer[1..=count];
    assert!(entries.iter().all(|entry| entry["event_type"] == "dump" && entry.get("log_type").is_none()));
    let mut prefixes: Vec<&str> = entries.iter().filter_map(|entry| entry["ip_prefix"].as_str()).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    assert_eq!(prefixes.len(), count);
}

/// The events of a file in their order.
fn lines_of(path: &Path) -> Vec<Value> {
    output::text(path).lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn has_closed(path: &Path, times: usize) -> Option<()> {
    (output::text(path).matches("dump_close").count() >= times).then_some(())
}

#[test]
fn tables_are_dumped_each_full_minute() {
    let (one, peers_of_one) =
        dumping("bgp_table_dump_file: {dir}/all.json\nbgp_table_dump_latest_file: {dir}/latest");
    let (each, peers_of_each) =
        dumping("bgp_table_dump_file: {dir}/of-$peer_src_ip.json\nbgp_table_dump_workers: 2");
    let slots = "bgp_table_dump_file: {dir}/$peer_src_ip-slots.json\nbgp_table_dump_time_slots: 6";
    let (slotted, peers_of_slotted) = dumping(slots);

    let all = one.setup().path("all.json");
    eventually("a dump of all", || has_closed(&all, 2));
    let events = lines_of(&all);
    for (number, (_, source)) in (1..).zip(&peers_of_one) {
        check_dump(&events, source, 1000 * number - 10);
    }
    let numbers: Vec<&Value> = events.iter().map(|event| &event["seq"]).collect();
    assert!(numbers.iter().all(|number| *number == numbers[0]), "all records of a dump have one number");
    let latest = one.setup().path("latest");
    eventually("the link to it", || (fs::read_link(&latest).ok()?.file_name()? == "all.json").then_some(()));

    for (number, (_, source)) in (1..).zip(&peers_of_each) {
        let path = each.setup().path(&format!("of-{}.json", named(source)));
        eventually("the dump of a peer", || has_closed(&path, 1));
        check_dump(&lines_of(&path), source, 1000 * number - 10);
    }
    for (number, (_, source)) in (1..).zip(&peers_of_slotted) {
        let path = slotted.setup().path(&format!("{}-slots.json", named(source)));
        eventually("the dump of a peer in its slot", || has_closed(&path, 1));
        check_dump(&lines_of(&path), source, 1000 * number - 10);
    }
    [one, each, slotted].into_iter().for_each(|process| drop(process.stop()));
}

/// The events of a session with one route that was withdrawn.
fn check_session(mut events: Vec<Value>, source: &str) {
    let writer = |event: &mut Value| event.as_object_mut().and_then(|members| members.remove("writer_id"));
    assert!(events.iter_mut().all(|event| writer(event).is_some_and(|writer| writer.is_string())));
    events.sort_by_key(|event| event["seq"].as_u64());
    let kinds: Vec<(&str, &str)> = events
        .iter()
        .map(|event| (event["event_type"].as_str().unwrap_or(""), event["log_type"].as_str().unwrap_or("")))
        .collect();
    let expected = [("log_init", ""), ("log", "update"), ("log", "withdraw"), ("log_close", "")];
    assert_eq!(kinds, expected);
    assert!(events.iter().all(|event| event["peer_ip_src"] == source));
}

/// Runs a session against a daemon whose log goes to a broker.
fn session(lines: &str) -> String {
    let setup = Setup::new(env!("CARGO_BIN_EXE_pmbgpd"))
        .config("bgp_daemon_ip: {ip}\nbgp_daemon_port: {port}\nbgp_daemon_as: 64512\nbgp_daemon_id: 10.255.0.1")
        .more_config(lines);
    let process = setup.start_tcp();
    let (mut speaker, source) = peer(&process, 65_001);
    speaker.send(&Update::new().withdraw(["10.0.0.0/8"]).finish());
    speaker.keepalive();
    process.stop();
    source
}

#[test]
fn messages_go_to_kafka() {
    use crate::clients::{json_of, kafka_messages};
    use testkit::servers::{self, Address};
    let Some(server) = servers::kafka() else { return };
    let topic = servers::name("bgp");
    server.create_topic(&topic);
    let Address { host, port, .. } = &server.address;
    let source = session(&format!(
        "bgp_daemon_msglog_kafka_broker_host: {host}\nbgp_daemon_msglog_kafka_broker_port: {port}
         bgp_daemon_msglog_kafka_topic: {topic}\nbgp_daemon_msglog_kafka_partition: 0"
    ));
    check_session(json_of(&kafka_messages(&server.address, &topic)), &source);
}

#[test]
fn messages_go_to_amqp() {
    use crate::clients::{Queue, json_of};
    use testkit::servers::{self, Address};
    let Some(server) = servers::rabbitmq() else { return };
    let (exchange, key) = (servers::name("bgp"), "log");
    let queue = Queue::new(&server.address, &exchange, key);
    let Address { host, port, user, password, .. } = &server.address;
    let source = session(&format!(
        "bgp_daemon_msglog_amqp_host: {host}\nbgp_daemon_msglog_amqp_port: {port}
         bgp_daemon_msglog_amqp_user: {user}\nbgp_daemon_msglog_amqp_passwd: {password}
         bgp_daemon_msglog_amqp_persistent_msg: true
         bgp_daemon_msglog_amqp_exchange: {exchange}\nbgp_daemon_msglog_amqp_routing_key: {key}"
    ));
    check_session(json_of(&queue.messages()), &source);
}
