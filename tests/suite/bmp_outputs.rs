//! What BMP writes besides logs in JSON: dumps, Avro, brokers, OpenBMP; and BMP from Kafka.

use crate::bgp::{Log, own_address};
use crate::bmp::{PREFIX, bare, peer, pmbmpd, reporting, reporting_from};
use crate::clients::{Queue, json_of, kafka_messages};
use apache_avro::types::Value as Avro;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use testkit::bmp::message::HEADER;
use testkit::bmp::{Router, Stat, initiation};
use testkit::process::Signal;
use testkit::servers::{self, Address};
use testkit::{Process, Setup, eventually};

/// What a router sends after [`reporting`].
fn more() -> Vec<u8> {
    [peer().statistics(&[Stat::gauge(7, 1)]), peer().routes(["11.0.0.0/8"]), peer().withdrawal(["11.0.0.0/8"])]
        .concat()
}

/// Numbers of events by type, log type, or type of BMP message.
fn kinds(events: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        let kind = ["log_type", "bmp_msg_type", "event_type"].iter().find_map(|name| event[*name].as_str());
        *counts.entry(kind.unwrap_or("none").to_owned()).or_insert(0) += 1;
    }
    counts
}

fn expected(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

/// The events that [`reporting`] and [`more`] make in a log.
fn logged() -> BTreeMap<String, usize> {
    expected(&[("log_init", 1), ("init", 1), ("peer_up", 1), ("update", 2), ("stats", 1), ("withdraw", 1)])
}

/// The events of a router's dump with them.
fn dumped() -> BTreeMap<String, usize> {
    expected(&[
        ("dump_init", 1),
        ("init", 1),
        ("peer_up", 1),
        ("route_monitor", 1),
        ("stats", 1),
        ("dump_close", 1),
    ])
}

/// The events of the first whole dump of a router.
fn dump_of(events: &[Value], router: &str) -> Option<Vec<Value>> {
    let of_router: Vec<&Value> = events.iter().filter(|event| event["bmp_router"] == router).collect();
    let number = &of_router.iter().find(|event| event["event_type"] == "dump_close")?["seq"];
    Some(of_router.iter().filter(|event| event["seq"] == *number).map(|event| (*event).clone()).collect())
}

fn loaded(process: &Process) -> (Router, String) {
    // All messages come before the same dump: it is at the full minute.
    eventually("the start of a minute", || (crate::support::clock() % 60 < 50).then_some(()));
    let (mut router, source) = reporting(process.setup().address());
    router.send(&more());
    (router, source)
}

#[test]
fn dumps_have_the_routes_and_the_messages_since_the_last_one() {
    let process = bare(
        "bmp_dump_file: {dir}/$bmp_router-%s.json
         bmp_dump_latest_file: {dir}/latest-$bmp_router
         bmp_dump_refresh_time: 60",
    )
    .start_tcp();
    let (mut router, source) = loaded(&process);
    let latest = process.setup().path(&format!("latest-{}", source.replace('.', "_")));
    let read = || dump_of(&json_of(&[std::fs::read(&latest).ok()?]), &source);
    let events = eventually("a dump", read);
    assert_eq!(kinds(&events), dumped());
    let first = &events[0];
    assert_eq!(first["dump_period"], 60);
    let route = events.iter().find(|event| event["ip_prefix"] == PREFIX).expect("the route");
    assert_eq!(
        (&route["event_type"], &route["peer_ip"], &route["as_path"], &route["bmp_rib_type"]),
        (&json!("dump"), &json!("192.0.2.1"), &json!("65001"), &json!("Adj-Rib-In Pre-Policy"))
    );
    // Messages are dumped once, routes as long as they exist.
    router.send(&[peer().routes(["12.0.0.0/8", "13.0.0.0/8"]), peer().withdrawal([PREFIX])].concat());
    let events = eventually("the next dump", || read().filter(|events| events[0]["seq"] != first["seq"]));
    assert_eq!(kinds(&events), expected(&[("dump_init", 1), ("route_monitor", 2), ("dump_close", 1)]));
    process.stop();
}

/// A field of a record, out of its union.
fn field<'a>(record: &'a Avro, name: &str) -> &'a Avro {
    let record = match record {
        Avro::Union(_, record) => record,
        record => record,
    };
    let Avro::Record(fields) = record else { panic!("no record: {record:?}") };
    let found = fields.iter().find(|(field, _)| field == name);
    let (_, value) = found.unwrap_or_else(|| panic!("no {name} in {record:?}"));
    match value {
        Avro::Union(_, value) => value,
        value => value,
    }
}

#[test]
fn a_log_in_avro_has_a_schema_for_each_kind_of_event() {
    let process = bare(
        "bmp_daemon_msglog_file: {dir}/log.avro
         bmp_daemon_msglog_output: avro
         bmp_daemon_msglog_avro_schema_file: {dir}/schema",
    )
    .start_tcp();
    let (_router, source) = loaded(&process);
    let text = |value: &Avro| match value {
        Avro::String(text) => Some(text.clone()),
        _ => None,
    };
    let mut found = Vec::new();
    eventually("all records", || {
        found.clear();
        for entry in std::fs::read_dir(process.setup().path("")).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if !name.starts_with("log.avro") {
                continue;
            }
            let Ok(reader) = apache_avro::Reader::new(std::fs::File::open(&path).expect("a file")) else {
                continue;
            };
            found.extend(reader.map_while(Result::ok));
        }
        (found.len() >= 7).then_some(())
    });
    for record in &found {
        assert_eq!(text(field(record, "bmp_router")).as_ref(), Some(&source));
    }
    let folder = std::fs::read_dir(process.setup().path("")).expect("a folder");
    let names: Vec<String> =
        folder.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    for kind in ["bmp_msglog_rm", "bmp_init", "bmp_peer_up", "bmp_stats"] {
        let name = format!("schema-{kind}");
        assert!(names.contains(&name), "{name}: {names:?}");
        let schema = std::fs::read_to_string(process.setup().path(&name)).expect("the schema");
        apache_avro::Schema::parse_str(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    process.stop();
}

#[test]
fn kafka_gets_logs_and_dumps() {
    let Some(kafka) = servers::kafka() else { return };
    let (log, dump) = (servers::name("log"), servers::name("dump"));
    kafka.create_topic(&log);
    kafka.create_topic(&dump);
    let Address { host, port, .. } = &kafka.address;
    let lines = |prefix: &str, topic: &str| {
        format!(
            "{prefix}_kafka_broker_host: {host}\n{prefix}_kafka_broker_port: {port}\n{prefix}_kafka_topic: {topic}\n"
        )
    };
    let process =
        bare(&(lines("bmp_daemon_msglog", &log) + &lines("bmp_dump", &dump) + "bmp_dump_refresh_time: 60"))
            .start_tcp();
    let (_router, source) = loaded(&process);
    eventually("the log", || {
        let events = json_of(&kafka_messages(&kafka.address, &log));
        assert!(events.iter().all(|event| event["bmp_router"] == source && event["writer_id"].is_string()));
        (kinds(&events) == logged()).then_some(())
    });
    eventually("the dump", || {
        let events = dump_of(&json_of(&kafka_messages(&kafka.address, &dump)), &source)?;
        assert_eq!(kinds(&events), dumped());
        Some(())
    });
    process.stop();
}

#[test]
fn amqp_gets_logs_and_dumps() {
    let Some(amqp) = servers::rabbitmq() else { return };
    let exchange = servers::name("bmp");
    let (log, dump) = (Queue::new(&amqp.address, &exchange, "log"), Queue::new(&amqp.address, &exchange, "dump"));
    let Address { host, port, user, password, .. } = &amqp.address;
    let lines = |prefix: &str, key: &str| {
        format!(
            "{prefix}_amqp_host: {host}\n{prefix}_amqp_port: {port}\n{prefix}_amqp_user: {user}
             {prefix}_amqp_passwd: {password}\n{prefix}_amqp_exchange: {exchange}
             {prefix}_amqp_routing_key: {key}\n{prefix}_amqp_persistent_msg: true\n"
        )
    };
    let process =
        bare(&(lines("bmp_daemon_msglog", "log") + &lines("bmp_dump", "dump") + "bmp_dump_refresh_time: 60"))
            .start_tcp();
    let (_router, source) = loaded(&process);
    let (mut of_log, mut of_dump) = (Vec::new(), Vec::new());
    eventually("the log", || {
        of_log.extend(json_of(&log.messages()));
        (kinds(&of_log) == logged()).then_some(())
    });
    eventually("the dump", || {
        of_dump.extend(json_of(&dump.messages()));
        let events = dump_of(&of_dump, &source)?;
        assert_eq!(kinds(&events), dumped());
        Some(())
    });
    process.stop();
}

/// A message in the format of OpenBMP: the parts that tests compare.
#[derive(Debug, PartialEq, Eq)]
struct Raw {
    admin_id: Vec<u8>,
    router: Ipv4Addr,
    data: Vec<u8>,
}

/// Reads messages one after the other, independently of the crate that writes them.
///
/// Magic (4 octets), version 1.7 (2), length of the header (2), of the data (4), flags (1), type (1), time (8), collector hash (16), its admin
/// id with a length of 2 octets, router hash (16), address (16), group with a length of 2 octets, rows (4).
fn raw(mut octets: &[u8]) -> Vec<Raw> {
    let number = |octets: &[u8]| octets.iter().fold(0_usize, |sum, octet| sum << 8 | usize::from(*octet));
    let mut messages = Vec::new();
    while !octets.is_empty() {
        assert_eq!(&octets[..6], b"OBMP\x01\x07");
        let (header, data) = (number(&octets[6..8]), number(&octets[8..12]));
        // Type 12: BMP as received.
        assert_eq!(octets[13], 12);
        let id = 40 + number(&octets[38..40]);
        let address = &octets[id + 16..id + 32];
        let group = id + 34 + number(&octets[id + 32..id + 34]);
        assert_eq!(header, group + 4);
        assert_eq!(number(&octets[group..header]), 1);
        messages.push(Raw {
            admin_id: octets[40..id].to_vec(),
            router: <[u8; 4]>::try_from(&address[..4]).expect("four octets").into(),
            data: octets[header..header + data].to_vec(),
        });
        octets = &octets[header + data..];
    }
    messages
}

#[test]
fn openbmp_has_each_message_as_it_was_sent() {
    let process = bare(
        "bmp_daemon_msglog_file: {dir}/raw
         bmp_daemon_msglog_output: openbmp
         bmp_daemon_openbmp_admin_id: here",
    )
    .start_tcp();
    let source = own_address();
    let mut router = Router::connect(&source, process.setup().address());
    let report =
        [initiation("r1", "raw"), peer().up(), peer().routes([PREFIX]), more(), peer().down(4, &[])].concat();
    router.send_in_segments(&report, &[7]);
    let messages = eventually("all messages", || {
        let octets = std::fs::read(process.setup().path("raw")).ok()?;
        (octets.len() > report.len() && octets.ends_with(&peer().down(4, &[]))).then(|| raw(&octets))
    });
    assert!(messages.iter().all(|message| message.admin_id == b"here" && message.router.to_string() == source));
    assert_eq!(messages.len(), 7);
    let data: Vec<Vec<u8>> = messages.into_iter().map(|message| message.data).collect();
    assert!(data.iter().all(|message| message.len() > HEADER));
    assert_eq!(data.concat(), report);
    process.stop();
}

/// Two daemons: one writes to a topic what routers send, the other one reads it.
fn chained(topic: &str, address: &Address, lines: &str) -> [Process; 2] {
    let Address { host, port, .. } = address;
    let first: Setup = bare(&format!(
        "bmp_daemon_msglog_output: openbmp\nbmp_daemon_msglog_kafka_topic: {topic}
         bmp_daemon_msglog_kafka_broker_host: {host}\nbmp_daemon_msglog_kafka_broker_port: {port}
         bmp_daemon_msglog_kafka_partition_key: $bmp_router"
    ));
    let second = pmbmpd(&format!(
        "bmp_daemon_kafka_topic: {topic}\nbmp_daemon_kafka_broker_host: {host}
         bmp_daemon_kafka_broker_port: {port}\n{lines}"
    ));
    [first.start_tcp(), second.start_tcp()]
}

#[test]
fn a_collector_reads_from_kafka_what_another_one_wrote() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = servers::name("bmp_raw");
    kafka.create_topic(&topic);
    let [first, second] = chained(&topic, &kafka.address, crate::bmp::TABLES);
    let mut log = Log::with_tables(&second);
    let sources = [own_address(), own_address()];
    let mut routers: Vec<Router> =
        sources.iter().map(|source| reporting_from(source, first.setup().address())).collect();
    log.wait_for_routes(2);
    for source in &sources {
        assert!(crate::bmp::has_route(&log, source), "{source}");
    }
    // A session of its own, too.
    let (_own, own) = reporting(second.setup().address());
    log.wait_for_routes(3);
    assert!(crate::bmp::has_route(&log, &own));
    routers[0].send(&peer().withdrawal([PREFIX]));
    log.wait_for_routes(2);
    routers[1].send(&peer().down(4, &[]));
    log.wait_for_routes(1);
    for process in [first, second] {
        let finished = process.stop();
        assert!(!finished.log.contains("ERROR"), "{}", finished.log);
    }
}

#[test]
fn a_router_of_which_the_topic_has_nothing_more_is_removed() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = servers::name("bmp_raw");
    kafka.create_topic(&topic);
    let [first, second] = chained(&topic, &kafka.address, "bmp_daemon_kafka_router_timeout: 3");
    let mut log = Log::of(&second);
    let (silent, talking) = (own_address(), own_address());
    let mut routers = [&silent, &talking].map(|source| reporting_from(source, first.setup().address()));
    log.wait("both routers", |log| log.count("log_init") == 2);
    eventually("the end of the silent one", || {
        routers[1].send(&peer().routes([PREFIX]));
        log.update();
        (log.count("log_close") == 1).then_some(())
    });
    let of = |event: &str| log.events().iter().filter(|e| e["event_type"] == event).cloned().collect::<Vec<_>>();
    assert_eq!(of("log_close")[0]["bmp_router"], silent.as_str());
    second.signal(Signal::SIGUSR1);
    second.wait_for_log("bmp_sessions_closed[expired]=1");
    second.wait_for_log("no message in the topic for 3 seconds (bmp_daemon_kafka_router_timeout)");
    [first, second].into_iter().for_each(|process| drop(process.stop()));
}

#[test]
fn noise_in_a_topic_costs_nothing_but_itself() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = servers::name("bmp_raw");
    kafka.create_topic(&topic);
    let [first, second] = chained(&topic, &kafka.address, "");
    let Address { host, port, .. } = &kafka.address;
    // The text of a log is not in the format of OpenBMP.
    let noise = bare(&format!(
        "bmp_daemon_msglog_kafka_topic: {topic}
         bmp_daemon_msglog_kafka_broker_host: {host}\nbmp_daemon_msglog_kafka_broker_port: {port}"
    ))
    .start_tcp();
    let (_noisy, _) = loaded(&noise);
    eventually("the noise", || (!kafka_messages(&kafka.address, &topic).is_empty()).then_some(()));
    let mut log = Log::of(&second);
    let (_router, source) = reporting(first.setup().address());
    log.wait_for_routes(1);
    assert!(crate::bmp::has_route(&log, &source));
    [first, second, noise].into_iter().for_each(|process| drop(process.stop()));
}

#[test]
fn a_log_that_was_moved_away_is_reopened() {
    let process = pmbmpd("").start_tcp();
    let mut log = Log::of(&process);
    let (mut router, _) = reporting(process.setup().address());
    log.wait_for_routes(1);
    std::fs::rename(process.setup().path("log.json"), process.setup().path("old.json")).expect("it can be moved");
    process.signal(Signal::SIGHUP);
    eventually("the new file", || {
        router.send(&peer().routes([PREFIX]));
        let text = std::fs::read_to_string(process.setup().path("log.json")).ok()?;
        text.contains(PREFIX).then_some(())
    });
    process.stop();
}

#[test]
fn messages_are_logged_by_label() {
    let (one, two) = (own_address(), own_address());
    let process = pmbmpd("bmp_daemon_tag_map: {dir}/map\nbmp_daemon_msglog_label_filter: core")
        .file("map", format!("set_label=core ip={one}\nset_label=edge ip={two}\n"))
        .start_tcp();
    let mut log = Log::of(&process);
    let _routers = [&two, &one].map(|source| reporting_from(source, process.setup().address()));
    log.wait_for_routes(1);
    assert!(crate::bmp::has_route(&log, &one));
    assert_eq!(log.prefix(PREFIX)[0]["label"], "core");
    process.stop();
}
