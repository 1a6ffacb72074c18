//! What is written about telemetry: files of nodes, tags and labels, the format of pmacct 1.7.7, dumps, Kafka and AMQP; what reloads
//! change; and what the HTTP endpoint shows.

use crate::bgp::own_address;
use crate::bgp_queries::{get, lines};
use crate::clients::{Queue, json_of, kafka_messages};
use crate::telemetry::{
    JSON, NOTIF, TCP, UDP, events, labels, node, notification, number, payloads, pmtelemetryd, text, wait,
    wait_for,
};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::time::Duration;
use testkit::process::Signal;
use testkit::servers::{self, Address};
use testkit::{eventually, output};

#[test]
fn each_node_has_its_file_and_sighup_opens_it_again() {
    let setup = pmtelemetryd(UDP).more_config("telemetry_daemon_msglog_file: {dir}/new/$telemetry_node-log.json");
    let process = setup.start();
    let read = |name: &str| output::json_lines(&fs::read_to_string(setup.path(name)).unwrap_or_default());
    let one = "new/127_0_1_1-log.json";
    for source in ["127.0.1.1", "127.0.1.2"] {
        process.exporter(source).send(json!({"from": source}).to_string().as_bytes());
        let name = format!("new/{}-log.json", source.replace('.', "_"));
        eventually("its file", || (payloads(&read(&name)) == [json!({"from": source})]).then_some(()));
    }
    fs::rename(setup.path(one), setup.path("rotated.json")).expect("it is there");
    process.signal(Signal::SIGHUP);
    eventually("a new file", || {
        process.exporter("127.0.1.1").send(b"{\"after\":1}");
        read(one).iter().any(|event| event["payload"] == json!({"after": 1})).then_some(())
    });
    assert_eq!(payloads(&read("rotated.json"))[0], json!({"from": "127.0.1.1"}));
    process.stop();
}

#[test]
fn tags_and_labels_are_written_and_a_reload_changes_them() {
    let setup = pmtelemetryd(UDP)
        .more_config("telemetry_daemon_tag_map: {dir}/tags.map")
        .file("tags.map", "set_tag=5 set_label=site1 ip=127.0.1.1\nset_tag=10++ ip=127.0.1.2");
    let process = setup.start();
    process.exporter("127.0.1.1").send(b"{\"a\":1}");
    let first = wait_for(&process, &json!({"a": 1}));
    let serialization = text("serialization", "json");
    let expected = json!([number("seq", 1), number("tag", 5), text("label", "site1"), serialization]);
    assert_eq!(labels(&first), expected);
    let init = &events(&process, "log.json")[0];
    assert_eq!(
        (&init["event_type"], &init["tag"], &init["label"]),
        (&json!("log_init"), &json!(5), &json!("site1"))
    );
    process.exporter("127.0.1.2").send_all(["{\"b\":1}", "{\"b\":2}"]);
    let tags: Vec<Value> = [1, 2].map(|b| labels(&wait_for(&process, &json!({"b": b})))[1].clone()).into();
    // The log_init had the first number.
    assert_eq!(tags, [number("tag", 11), number("tag", 12)]);

    fs::write(setup.path("tags.map"), "set_label=moved").expect("it can be written");
    process.wait_for_new_log("telemetry", || process.signal(Signal::SIGUSR2));
    eventually("the new label", || {
        process.exporter("127.0.1.1").send(b"{\"c\":1}");
        events(&process, "log.json").iter().find(|event| labels(event)[1] == text("label", "moved")).map(drop)
    });
    process.stop();
}

#[test]
fn nodes_that_are_not_allowed_or_too_many_are_rejected() {
    let setup = pmtelemetryd(TCP)
        .more_config("telemetry_daemon_port_udp: {port}\ntelemetry_daemon_max_peers: 2")
        .more_config("telemetry_daemon_allow_file: {dir}/allowed")
        .file("allowed", "127.0.1.0/29");
    let process = setup.start();
    process.exporter("127.0.1.9").send(b"{\"not\":\"allowed\"}");
    process.wait_for_log("telemetry_daemon_allow_file does not list it");
    let mut first = node("127.0.1.1", setup.address());
    first.write_all(b"{\"a\":1}").expect("it reads");
    wait_for(&process, &json!({"a": 1}));
    process.exporter("127.0.1.2").send(b"{\"b\":2}");
    wait_for(&process, &json!({"b": 2}));
    process.exporter("127.0.1.3").send(b"{\"c\":3}");
    process.wait_for_log("telemetry_daemon_max_peers (2) is reached");
    drop(first);
    // A place that becomes free can be taken.
    eventually("a free place", || {
        process.exporter("127.0.1.3").send(b"{\"d\":4}");
        events(&process, "log.json").iter().any(|event| event["payload"] == json!({"d": 4})).then_some(())
    });
    // The file counts for nodes that are new.
    fs::write(setup.path("allowed"), "127.0.1.8/29").expect("it can be written");
    process.signal(Signal::SIGUSR2);
    eventually("a place for a node that is allowed now", || {
        process.exporter("127.0.1.9").send(b"{\"e\":5}");
        let log = process.log();
        log.lines().filter(|line| line.contains("is reached")).count().gt(&1).then_some(())
    });
    let all = process.stop().json("log.json");
    assert!(payloads(&all).iter().all(|payload| payload.get("c").is_none() && payload.get("not").is_none()));
}

#[test]
fn the_format_of_older_versions_has_one_level() {
    let process = pmtelemetryd(NOTIF).more_config("telemetry_output_format: flat").start();
    process.exporter("127.0.1.1").send(&notification(JSON, 1, b"{\"a\":1}"));
    let all = wait(&process, 2);
    let mut record = all[1].clone();
    let members = record.as_object_mut().expect("an object");
    let (timestamp, port) = (members.remove("timestamp"), members.remove("telemetry_port"));
    assert!(timestamp.is_some_and(|time| time.is_string()) && port.is_some_and(|port| port.is_u64()));
    let expected = json!({
        "event_type": "log", "seq": 1, "telemetry_node": "127.0.1.1", "telemetry_data": {"a": 1}, "serialization": "json",
    });
    assert_eq!(record, expected);
    process.stop();
}

#[test]
fn dumps_have_what_came_since_the_last_one_of_nodes_that_are_gone_too() {
    let setup = pmtelemetryd(TCP).more_config(
        "telemetry_daemon_port_udp: {port}
         telemetry_dump_file: {dir}/dump-$telemetry_node.json
         telemetry_dump_latest_file: {dir}/latest-$telemetry_node
         telemetry_dump_refresh_time: 60
         telemetry_dump_workers: 2",
    );
    let process = setup.start();
    let source = own_address();
    let dump = format!("dump-{}.json", source.replace('.', "_"));
    // Not shortly before a full minute.
    eventually("some time until the next dump", || (crate::support::clock() % 60 < 50).then_some(()));
    let mut stream = node(&source, setup.address());
    stream.write_all(b"{\"a\":1}{\"a\":2}").expect("it reads");
    drop(stream);
    process.exporter("127.0.1.1").send(b"{\"b\":1}");
    wait_for(&process, &json!({"a": 2}));
    wait_for(&process, &json!({"b": 1}));
    let read = |name: &str| events(&process, name);
    let rows = eventually("a dump", || Some(read(&dump)).filter(|rows| !rows.is_empty()));
    assert_eq!(payloads(&rows), [json!({"a": 1}), json!({"a": 2})]);
    let kinds: Vec<&Value> = rows.iter().map(|row| &row["event_type"]).collect();
    assert_eq!(kinds, [&json!("dump_init"), &Value::Null, &Value::Null, &json!("dump_close")]);
    assert_eq!(rows[0]["dump_period"], 60);
    assert_eq!(rows[1]["telemetry-message-metadata"]["notification-event"], "dump");
    let of_udp =
        eventually("the other dump", || Some(read("dump-127_0_1_1.json")).filter(|rows| !rows.is_empty()));
    assert_eq!(payloads(&of_udp), [json!({"b": 1})]);
    let link = format!("latest-{}", source.replace('.', "_"));
    eventually("the link", || fs::read_link(setup.path(&link)).ok());
    process.stop();
}

#[test]
fn messages_go_to_kafka_and_come_from_kafka() {
    let Some(kafka) = servers::kafka() else { return };
    let (input, output) = (servers::name("telemetry-in"), servers::name("telemetry-out"));
    kafka.create_topic(&input);
    kafka.create_topic(&output);
    let Address { host, port, .. } = &kafka.address;
    let process = pmtelemetryd(&format!(
        "telemetry_daemon_kafka_broker_host: {host}\ntelemetry_daemon_kafka_broker_port: {port}
         telemetry_daemon_kafka_topic: {input}
         telemetry_daemon_msglog_kafka_broker_host: {host}\ntelemetry_daemon_msglog_kafka_broker_port: {port}
         telemetry_daemon_msglog_kafka_topic: {output}\ntelemetry_daemon_msglog_kafka_partition: 0"
    ))
    .spawn();
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", format!("{host}:{port}")).create().expect("a producer");
    let message = json!({"telemetry_node": "192.0.2.7", "telemetry_node_port": 99, "a": [1, 2]});
    for payload in [message.to_string(), "no JSON".to_owned()] {
        let sent = producer.send(BaseRecord::<(), String>::to(&input).payload(&payload));
        assert!(sent.is_ok(), "the queue has room");
    }
    producer.flush(Duration::from_secs(20)).expect("the broker takes it");
    let record = wait_for(&process, &message);
    assert_eq!(record["telemetry-message-metadata"]["export-address"], "192.0.2.7");
    process.wait_for_log("telemetry_daemon_kafka_topic: a message is dropped: it is not a JSON object");
    let all = eventually("the record at Kafka", || {
        Some(json_of(&kafka_messages(&kafka.address, &output))).filter(|all| all.len() >= 2)
    });
    assert_eq!(payloads(&all), [message]);
    assert!(all.iter().all(|event| event["writer_id"].is_string()));
    process.stop();
}

#[test]
fn messages_go_to_amqp() {
    let Some(amqp) = servers::rabbitmq() else { return };
    let exchange = servers::name("telemetry");
    let queue = Queue::new(&amqp.address, &exchange, "node-127_0_1_1");
    let Address { host, port, user, password, .. } = &amqp.address;
    let process = pmtelemetryd(UDP)
        .more_config(&format!(
            "telemetry_daemon_msglog_amqp_host: {host}\ntelemetry_daemon_msglog_amqp_port: {port}
             telemetry_daemon_msglog_amqp_user: {user}\ntelemetry_daemon_msglog_amqp_passwd: {password}
             telemetry_daemon_msglog_amqp_persistent_msg: true
             telemetry_daemon_msglog_amqp_exchange: {exchange}
             telemetry_daemon_msglog_amqp_routing_key: node-$telemetry_node"
        ))
        .start();
    process.exporter("127.0.1.1").send(b"{\"a\":1}");
    process.exporter("127.0.1.2").send(b"{\"b\":1}");
    let mut all = Vec::new();
    eventually("the record at AMQP", || {
        all.extend(json_of(&queue.messages()));
        (payloads(&all) == [json!({"a": 1})]).then_some(())
    });
    process.stop();
}

#[test]
fn nodes_are_listed_and_counted_over_http() {
    let process =
        pmtelemetryd(TCP).more_config("telemetry_daemon_port_udp: {port}\nhttp_listen: {dir}/http").start();
    let source = own_address();
    let mut stream = node(&source, process.setup().address());
    stream.write_all(b"{\"a\":1}{\"a\":2}").expect("it reads");
    process.exporter("127.0.1.1").send_all(["{\"b\":1}", "{\"b\":", "hello"]);
    wait_for(&process, &json!({"a": 2}));
    wait(&process, 6);
    let mut nodes = lines(&process, "/api/telemetry/nodes");
    nodes.sort_by_key(|node| node["transport"].to_string());
    let described: Vec<Vec<Value>> = nodes
        .iter()
        .map(|node| {
            ["telemetry_node", "transport", "messages", "bytes", "payloads_invalid"]
                .map(|name| node[name].clone())
                .into()
        })
        .collect();
    let expected = [
        vec![json!(source), json!("tcp"), json!(2), json!(14), json!(0)],
        vec![json!("127.0.1.1"), json!("udp"), json!(2), json!(12), json!(1)],
    ];
    assert_eq!(described, expected);
    assert_eq!(lines(&process, "/api/telemetry/nodes?transport=udp").len(), 1);
    assert_eq!(lines(&process, "/api/telemetry/nodes?node=192.0.2.1").len(), 0);
    assert_eq!(get(&process, "/api/telemetry/nodes?transport=pigeon").0, 400);
    let (_, metrics) = get(&process, "/metrics");
    for line in [
        "pmacct_telemetry_nodes 2",
        "pmacct_telemetry_messages_received_total{transport=\"tcp\"} 2",
        "pmacct_telemetry_payloads_invalid_total{reason=\"truncated\"} 1",
        "pmacct_telemetry_dropped_total{transport=\"udp\",reason=\"not_json_object\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    let address = format!("node=\"{source}:");
    assert!(metrics.contains(&address), "{metrics}");
    process.stop();
}
