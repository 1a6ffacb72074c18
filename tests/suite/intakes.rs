//! Datagrams from Kafka and ZeroMQ: what a tee sends there is what collectors read.
#![cfg(all(feature = "kafka", feature = "zmq"))]

use crate::startup_errors::start_error;
use crate::support::{NOW, start, v5_of, web};
use crate::tee::tee;
use crate::telemetry_inputs::Push;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use testkit::process::Signal;
use testkit::servers::{self, Kafka};
use testkit::sockets::free_tcp_port;
use testkit::traffic::{Flows, Stream, Version};
use testkit::{Process, Setup, eventually};

const AGGREGATE: &str = "peer_src_ip, src_host, dst_host, src_port, dst_port, proto";

/// A collector that reads datagrams from elsewhere than a socket.
fn reading(lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_nfacctd"))
        .config(&format!(
            "plugins: print[p]
             aggregate[p]: {AGGREGATE}
             print_output[p]: json
             print_output_file[p]: {{dir}}/out.json
             print_refresh_time: 86400"
        ))
        .more_config(lines)
}

fn from_kafka(broker: SocketAddr, topic: &str, lines: &str) -> Setup {
    reading(lines).more_config(&format!(
        "nfacctd_kafka_broker_host: {}\nnfacctd_kafka_broker_port: {}\nnfacctd_kafka_topic: {topic}",
        broker.ip(),
        broker.port()
    ))
}

/// Options that let the broker wait no longer than necessary for other members of the group.
const OPTIONS: &str = "global, session.timeout.ms, 6000\n";

/// Datagrams of three exporters, whose templates come first, in two rounds.
fn rounds() -> [Vec<(String, Vec<u8>)>; 2] {
    let mut rounds = [Vec::new(), Vec::new()];
    for (host, version) in (1..).zip([Version::V5, Version::V9, Version::Ipfix]) {
        let flows: Vec<_> = Flows::new(host).ipv4().take(300).collect();
        let datagrams = Stream::new(version, 1, NOW).datagrams(&flows);
        let half = datagrams.len() / 2;
        for (number, datagram) in datagrams.into_iter().enumerate() {
            rounds[usize::from(number >= half)].push((format!("127.0.1.{host}"), datagram));
        }
    }
    rounds
}

fn send(to: &Process, round: &[(String, Vec<u8>)]) {
    for host in 1..=3 {
        let source = format!("127.0.1.{host}");
        let own = round.iter().filter(|(exporter, _)| *exporter == source);
        to.exporter(&source).send_all(own.map(|(_, datagram)| datagram));
    }
}

/// Asserts that the rows are the same, in any order.
#[track_caller]
fn assert_same(rows: &[Value], expected: &[Value]) {
    let [mut rows, mut expected] =
        [rows, expected].map(|rows| rows.iter().map(Value::to_string).collect::<Vec<_>>());
    rows.sort();
    expected.sort();
    let more: Vec<_> = rows.iter().filter(|row| expected.binary_search(row).is_err()).collect();
    let less: Vec<_> = expected.iter().filter(|row| rows.binary_search(row).is_err()).collect();
    assert!(rows == expected, "only here: {more:#?}\nmissing: {less:#?}");
}

/// What a collector prints that receives the datagrams itself.
fn direct(rounds: &[Vec<(String, Vec<u8>)>]) -> Vec<Value> {
    let collector = start(&reading("nfacctd_ip: {ip}\nnfacctd_port: {port}"));
    rounds.iter().for_each(|round| send(&collector, round));
    collector.wait_for_datagrams(rounds.iter().map(Vec::len).sum::<usize>() as u64);
    collector.stop().json("out.json")
}

fn ready(process: &Process) -> bool {
    use std::io::{Read, Write};
    let mut answer = String::new();
    let asked = std::net::TcpStream::connect(process.setup().address()).and_then(|mut stream| {
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        stream.read_to_string(&mut answer)
    });
    asked.is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// A collector of a consumer group with two workers and a metrics endpoint.
fn of_group(broker: SocketAddr, topic: &str) -> Setup {
    let lines = "nfacctd_kafka_group: collectors
                 nfacctd_kafka_config_file: {dir}/kafka.conf
                 nfacctd_workers: 2
                 http_listen: {ip}:{port}";
    from_kafka(broker, topic, lines).file("kafka.conf", OPTIONS)
}

#[test]
fn rows_from_kafka_are_those_of_a_direct_run() {
    let Some(mut kafka) = Kafka::start() else { return };
    kafka.kill();
    let collector = of_group(kafka.listens(), "flows").spawn();
    // It starts without the broker.
    collector.wait_for_log("reading NetFlow/IPFIX data from topic flows of");
    collector.wait_for_log("nfacctd_kafka_topic: ");
    assert!(!ready(&collector));
    kafka.restart();
    kafka.create_topic("flows");
    eventually("readiness", || ready(&collector).then_some(()));
    let receivers = format!("id=1 kafka_broker={} kafka_topic=flows", kafka.listens());
    let tee = start(&tee(&receivers, "tee_transparent: true"));
    let rounds = rounds();
    rounds.iter().for_each(|round| send(&tee, round));
    let sent = rounds.iter().map(Vec::len).sum::<usize>() as u64;
    collector.wait_for_datagrams(sent).assert_all_accounted();
    kafka.kill();
    eventually("the outage to be noticed", || (!ready(&collector)).then_some(()));
    assert_same(&collector.stop().json("out.json"), &direct(&rounds));
    tee.stop();
}

#[test]
fn an_outage_of_the_broker_costs_nothing() {
    use rdkafka::mocking::MockCluster;
    let cluster = MockCluster::new(1).expect("a cluster");
    cluster.create_topic("flows", 3, 1).expect("a topic");
    let broker: SocketAddr = cluster.bootstrap_servers().parse().expect("an address");
    let collector = of_group(broker, "flows").spawn();
    let receivers = format!("id=1 kafka_broker={broker} kafka_topic=flows");
    let rounds = rounds();
    let mut sent = 0;
    for round in &rounds {
        cluster.broker_up(1).expect("a broker");
        eventually("readiness", || ready(&collector).then_some(()));
        let tee = start(&tee(&receivers, "tee_transparent: true"));
        send(&tee, round);
        sent += round.len() as u64;
        collector.wait_for_datagrams(sent).assert_all_accounted();
        // A message that the broker has not confirmed would be sent again; there is none after the end of the tee.
        tee.stop();
        cluster.broker_down(1).expect("a broker");
        eventually("the outage to be noticed", || (!ready(&collector)).then_some(()));
    }
    assert_same(&collector.stop().json("out.json"), &direct(&rounds));
}

#[test]
fn without_a_group_a_topic_is_read_from_its_end() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = servers::name("flows");
    kafka.create_topic(&topic);
    let broker = SocketAddr::new(kafka.address.host.parse().expect("an address"), kafka.address.port);
    let receivers = format!("id=1 kafka_broker={broker} kafka_topic={topic}");
    let tee = start(&tee(&receivers, "tee_transparent: true"));
    let exporter = tee.exporter("127.0.1.1");
    exporter.send(&v5_of(&[web(1, 1, 1, 100)]));
    tee.wait_for_datagrams(1);
    let replicated =
        |count| eventually("replicas", || (tee.statistics().value("replicas_sent") >= count).then_some(()));
    replicated(1);
    // What has reached the broker before the collector started is not read; that is known once the tee has ended.
    tee.stop();
    let tee = start(&self::tee(&receivers, "tee_transparent: true"));
    let exporter = tee.exporter("127.0.1.1");
    let collector = from_kafka(broker, &topic, "").spawn();
    collector.wait_for_log("reading partitions [0]");
    eventually("a datagram", || {
        exporter.send(&v5_of(&[web(2, 2, 1, 100)]));
        (collector.statistics().value("datagrams_received") > 0).then_some(())
    });
    let rows = collector.stop().json("out.json");
    let sources: Vec<_> = rows.iter().map(|row| row["ip_src"].clone()).collect();
    assert_eq!(sources, ["10.0.0.2"]);
    tee.stop();
}

#[test]
fn sflow_is_read_from_kafka_too() {
    use crate::sflow::{datagram, head, header};
    let Some(kafka) = servers::kafka() else { return };
    let topic = servers::name("samples");
    kafka.create_topic(&topic);
    let (host, port) = (&kafka.address.host, kafka.address.port);
    let collector = Setup::new(env!("CARGO_BIN_EXE_sfacctd"))
        .config(&format!(
            "sfacctd_kafka_broker_host: {host}
             sfacctd_kafka_broker_port: {port}
             sfacctd_kafka_topic: {topic}
             sfacctd_kafka_group: {topic}
             sfacctd_kafka_config_file: {{dir}}/kafka.conf
             plugins: print[p]
             aggregate[p]: peer_src_ip, in_iface
             print_output[p]: json
             print_output_file[p]: {{dir}}/out.json
             print_refresh_time: 86400"
        ))
        .file("kafka.conf", OPTIONS)
        .spawn();
    let tee = Setup::new(env!("CARGO_BIN_EXE_sfacctd"))
        .config("sfacctd_ip: {ip}\nsfacctd_port: {port}\nplugins: tee[t]\ntee_receivers: {dir}/receivers.lst\ntee_transparent: true")
        .file("receivers.lst", format!("id=1 kafka_broker={host}:{port} kafka_topic={topic}"))
        .start();
    tee.wait_for_log("waiting for sFlow data");
    let frame = crate::packets::web(1, 0);
    let mut sent = datagram(1);
    for input in [1, 2, 1] {
        let head = ::sflow::FlowHead { input: ::sflow::Interface::index(input), ..head(1) };
        sent.flow(&head, &[header(&frame)]).expect("it fits");
    }
    tee.exporter("127.0.1.1").send(&sent.finish());
    collector.wait_for_datagrams(1).assert_all_accounted();
    let finished = collector.stop();
    let mut packets: Vec<_> =
        finished.json("out.json").iter().map(|row| (row["iface_in"].as_u64(), row["packets"].as_u64())).collect();
    packets.sort();
    assert_eq!(packets, [(Some(1), Some(2)), (Some(2), Some(1))]);
    tee.stop();
}

#[test]
fn a_daemon_of_a_group_continues_where_it_was() {
    let Some(kafka) = servers::kafka() else { return };
    let topic = servers::name("flows");
    kafka.create_topic(&topic);
    let broker = SocketAddr::new(kafka.address.host.parse().expect("an address"), kafka.address.port);
    let tee = start(&tee(&format!("id=1 kafka_broker={broker} kafka_topic={topic}"), "tee_transparent: true"));
    let exporter = tee.exporter("127.0.1.1");
    let setup = |lines: &str| {
        from_kafka(broker, &topic, "nfacctd_kafka_config_file: {dir}/kafka.conf")
            .more_config(&format!("nfacctd_kafka_group: {topic}"))
            .more_config(lines)
            .file("kafka.conf", OPTIONS)
    };
    let sources = |rows: Vec<Value>| rows.into_iter().map(|mut row| row["ip_src"].take()).collect::<Vec<_>>();
    // A clean end commits all that was read, although no table was written before.
    let collector = setup("").spawn();
    exporter.send(&v5_of(&[web(1, 1, 1, 100)]));
    collector.wait_for_datagrams(1);
    assert_eq!(sources(collector.stop().json("out.json")), ["10.0.0.1"]);
    // A daemon that is killed has committed what its plugins had taken, and nothing else.
    let collector = setup("print_refresh_time: 1\nprint_output_file[p]: {dir}/now.json").spawn();
    exporter.send(&v5_of(&[web(2, 1, 1, 100)]));
    eventually("a file", || (!collector.text("now.json").is_empty()).then_some(()));
    collector.wait_for_log("reading partitions [0]");
    eventually("a commit", || committed(broker, &topic).filter(|offset| *offset >= 2));
    collector.signal(Signal::SIGKILL);
    drop(collector);
    let collector = setup("").spawn();
    exporter.send(&v5_of(&[web(3, 1, 1, 100)]));
    collector.wait_for_datagrams(1);
    collector.signal(Signal::SIGKILL);
    drop(collector);
    let collector = setup("").spawn();
    collector.wait_for_datagrams(1);
    assert_eq!(sources(collector.stop().json("out.json")), ["10.0.0.3"]);
    tee.stop();
}

/// The committed position in partition 0 of a topic, of the group with the same name.
fn committed(broker: SocketAddr, topic: &str) -> Option<i64> {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::{ClientConfig, TopicPartitionList};
    let mut config = ClientConfig::new();
    let consumer: BaseConsumer =
        config.set("bootstrap.servers", broker.to_string()).set("group.id", topic).create().ok()?;
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition(topic, 0);
    let found = consumer.committed_offsets(partitions, Duration::from_secs(5)).ok()?;
    found.find_partition(topic, 0)?.offset().to_raw()
}

#[test]
fn rows_from_zeromq_are_those_of_a_direct_run_and_the_tee_may_be_restarted() {
    let address = free_tcp_port(Ipv4Addr::LOCALHOST.into());
    let collector =
        reading(&format!("nfacctd_zmq_address: {address}\nnfacctd_workers: 2\nhttp_listen: {{ip}}:{{port}}"))
            .spawn();
    collector.wait_for_log("nfacctd_zmq_address: ");
    assert!(!ready(&collector));
    let rounds = rounds();
    let mut sent = 0;
    for round in &rounds {
        let tee = start(&tee(&format!("id=1 zmq_address={address}"), "tee_transparent: true"));
        eventually("readiness", || ready(&collector).then_some(()));
        send(&tee, round);
        sent += round.len() as u64;
        collector.wait_for_datagrams(sent).assert_all_accounted();
        tee.stop();
        eventually("the end of the connection to be noticed", || (!ready(&collector)).then_some(()));
    }
    assert_same(&collector.stop().json("out.json"), &direct(&rounds));
}

/// A message of an IPv4 exporter.
fn message(exporter: [u8; 4], datagram: &[u8]) -> Vec<u8> {
    let [total, udp] = [28, 8].map(|headers| (headers + datagram.len() as u16).to_be_bytes());
    let mut message = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 255, 17, 0, 0];
    message.extend_from_slice(&exporter);
    message.extend_from_slice(&[0, 0, 0, 0, 4, 1, 0, 0, udp[0], udp[1], 0, 0]);
    message.extend_from_slice(datagram);
    message
}

/// A message of the IPv6 exporter 2001:db8::1.
fn message_v6(datagram: &[u8]) -> Vec<u8> {
    let [high, low] = (8 + datagram.len() as u16).to_be_bytes();
    let mut message = vec![0x60, 0, 0, 0, high, low, 17, 255, 0x20, 1, 0x0d, 0xb8];
    message.extend_from_slice(&[0; 11]);
    message.push(1);
    message.extend_from_slice(&[0; 16]);
    message.extend_from_slice(&[4, 1, 0, 0, high, low, 0, 0]);
    message.extend_from_slice(datagram);
    message
}

#[test]
fn malformed_messages_are_counted_and_attributed_to_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let collector =
        reading(&format!("nfacctd_zmq_address: tcp://{address}\nnfacctd_allow_file: {{dir}}/allow.lst"))
            .file("allow.lst", "192.0.2.0/24\n2001:db8::/32\n")
            .spawn();
    let mut push = Push::accept(&listener);
    let datagram = v5_of(&[web(1, 1, 1, 100)]);
    let good = message([192, 0, 2, 1], &datagram);
    let changed = |at: usize, octet: u8| {
        let mut message = good.clone();
        message[at] = octet;
        message
    };
    push.send(&good);
    push.send(message_v6(&datagram));
    let empty = message([192, 0, 2, 3], &[]);
    for bad in [
        &good[..10],
        b"",
        b"{\"not\": \"an IP packet\"}",
        &changed(9, 6),
        &changed(6, 0x20),
        &changed(3, 30),
        &good[..good.len() - 1],
        &message([198, 51, 100, 1], &datagram),
        &empty,
    ] {
        push.send(bad);
    }
    let report = collector.wait_for_datagrams(11);
    report.assert_all_accounted();
    for (reason, count) in [
        ("message_too_short", 2),
        ("message_not_ip", 1),
        ("message_not_udp", 1),
        ("message_fragment", 1),
        ("message_length", 2),
        ("not_allowed", 1),
        ("too_short", 1),
    ] {
        assert_eq!(report.value(&format!("datagrams_rejected[{reason}]")), count, "{reason}");
    }
    collector.wait_for_log("nfacctd_zmq_address: a message is not used: ");
    // A message that no packet can hold ends the connection, and the next one is as good as the first.
    push.send(vec![0x45; 100_000]);
    drop(push);
    let mut push = Push::accept(&listener);
    push.send(&good);
    collector.wait_for_datagrams(12).assert_all_accounted();
    let mut exporters: Vec<_> = collector
        .stop()
        .json("out.json")
        .iter()
        .map(|row| (row["peer_ip_src"].clone(), row["packets"].clone()))
        .collect();
    exporters.sort_by_key(|(exporter, _)| exporter.to_string());
    assert_eq!(exporters, [("192.0.2.1".into(), 2.into()), ("2001:db8::1".into(), 1.into())]);
}

#[test]
fn a_daemon_ends_at_once_while_its_broker_cannot_be_reached() {
    let address = free_tcp_port(Ipv4Addr::LOCALHOST.into());
    let port = address.port();
    for (lines, what) in [
        (format!("nfacctd_zmq_address: 127.0.0.1:{port}"), "nfacctd_zmq_address: "),
        (
            format!("nfacctd_kafka_broker_host: 127.0.0.1:{port}\nnfacctd_kafka_topic: t\nnfacctd_kafka_group: g"),
            "nfacctd_kafka_topic: ",
        ),
        (format!("nfacctd_kafka_broker_host: 127.0.0.1:{port}\nnfacctd_kafka_topic: t"), "nfacctd_kafka_topic: "),
    ] {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let collector = reading(&lines).spawn();
            collector.wait_for_log(what);
            let begun = Instant::now();
            collector.stop_with(signal);
            assert!(begun.elapsed() < Duration::from_secs(10), "{lines}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn settings_that_contradict_each_other_are_errors() {
    let kafka = "nfacctd_kafka_broker_host: 127.0.0.1\nnfacctd_kafka_topic: t";
    let exclusive = "pcap_savefile, nfacctd_ip, nfacctd_kafka_* and nfacctd_zmq_* are mutual exclusive. Exiting.";
    for (lines, what) in [
        ("nfacctd_kafka_topic: t", "requires both nfacctd_kafka_broker_host and nfacctd_kafka_topic"),
        ("nfacctd_kafka_broker_host: h", "requires both nfacctd_kafka_broker_host and nfacctd_kafka_topic"),
        (&format!("{kafka}\nnfacctd_ip: 127.0.0.1"), exclusive),
        (&format!("{kafka}\nnfacctd_port: 2100"), exclusive),
        (&format!("{kafka}\nnfacctd_zmq_address: 127.0.0.1:1"), exclusive),
        (&format!("{kafka}\npcap_savefile: /tmp/x"), exclusive),
        ("nfacctd_zmq_address: 127.0.0.1:1\npcap_savefile: /tmp/x", exclusive),
        (
            &format!("{kafka}\nplugins: tee[t]"),
            "Kafka collection is mutual exclusive with 'tee' plugins. Exiting.",
        ),
        (
            "nfacctd_zmq_address: 127.0.0.1:1\nplugins: tee[t]",
            "ZeroMQ collection is mutual exclusive with 'tee' plugins. Exiting.",
        ),
        ("nfacctd_zmq_address: nonsense", "nfacctd_zmq_address: 'nonsense' is not HOST:PORT."),
        (&format!("{kafka}\nnfacctd_kafka_config_file: {{dir}}/kafka.conf"), "nfacctd_kafka_config_file: "),
    ] {
        let plugins =
            if lines.contains("plugins") { "tee_receivers: {dir}/receivers.lst" } else { "plugins: print" };
        let setup = Setup::new(env!("CARGO_BIN_EXE_nfacctd"))
            .config(plugins)
            .more_config(lines)
            .file("receivers.lst", "id=1 ip=127.0.0.1:9\n")
            .file("kafka.conf", "global, no.such.option, 1\n")
            .arguments(["--check"]);
        let log = start_error(&setup);
        assert!(log.contains(what), "{lines}: {log}");
    }
}

#[test]
fn templates_are_forwarded_to_a_collector_that_has_data_only() {
    use crate::support::{nfacctd, printing, template};
    use netflow::encode::{Message, field};
    if !crate::tee::is_root() {
        return;
    }
    let fields = vec![field(8, 4), field(1, 4)];
    let templates = || Message::ipfix(7, 0, NOW).templates(&[&template(7, 256, fields.clone())]).finish();
    let data =
        |sequence| Message::ipfix(7, sequence, NOW).data(256, |w| _ = w.put(&[10, 0, 0, 9, 0, 0, 0, 50])).finish();
    let setup = printing("peer_src_ip, src_host");
    let port = testkit::sockets::free_port(setup.address().ip()).port();
    let second = start(&setup.more_config(&format!("nfacctd_templates_port: {port}\nnfacctd_workers: 3")));
    let first = start(&nfacctd(&format!(
        "nfacctd_templates_receiver: {}:{port}\nnfacctd_workers: 2\nplugins: print[p]\naggregate[p]: peer_src_ip\nprint_output_file[p]: {{dir}}/out.txt",
        second.setup().address().ip()
    )));
    for host in 1..=5 {
        second.exporter(&format!("127.0.1.{host}")).send_all([data(0), data(1)]);
    }
    assert_eq!(second.wait_for_datagrams(10).value("records_decoded"), 0);
    for host in 1..=5 {
        let exporter = first.exporter(&format!("127.0.1.{host}"));
        // What is sent along with templates is counted by the collector that receives it, and by no other.
        exporter.send_all([
            Message::ipfix(7, 0, NOW)
                .templates(&[&template(7, 256, fields.clone())])
                .data(256, |w| _ = w.put(&[10, 0, 0, 8, 0, 0, 0, 50]))
                .finish(),
            templates(),
            data(1),
            v5_of(&[web(1, 1, 1, 100)]),
        ]);
    }
    let report = first.wait_for_datagrams(20);
    report.assert_all_accounted();
    assert_eq!((report.value("templates_forwarded"), report.value("templates_forward_drops")), (10, 0));
    let report = second.wait_for_datagrams(20);
    report.assert_all_accounted();
    assert_eq!((report.value("records_decoded"), report.value("sets_recovered")), (10, 10));
    first.stop();
    // An exporter has no address of another family than its own.
    let first = nfacctd(&format!(
        "nfacctd_templates_receiver: {}:{port}\nplugins: print[p]\naggregate[p]: peer_src_ip\nprint_output_file[p]: {{dir}}/out.txt",
        second.setup().address().ip()
    ));
    let first = start(&first.on_ipv6());
    first.exporter("::1").send(&templates());
    assert_eq!(first.wait_for_datagrams(1).value("templates_forward_drops"), 1);
    first.stop();
    let mut rows: Vec<_> = second
        .stop()
        .json("out.json")
        .iter()
        .map(|row| (row["peer_ip_src"].to_string(), row["ip_src"].to_string(), row["bytes"].as_u64()))
        .collect();
    rows.sort();
    let expected = (1..=5).map(|host| (format!("\"127.0.1.{host}\""), "\"10.0.0.9\"".to_owned(), Some(100)));
    assert_eq!(rows, expected.collect::<Vec<_>>());
}

#[test]
fn a_receiver_of_templates_is_checked() {
    use crate::support::nfacctd;
    let setup = nfacctd("plugins: print[p]\nnfacctd_templates_receiver: nowhere").arguments(["--check"]);
    let log = start_error(&setup);
    assert!(log.contains("nfacctd_templates_receiver: 'nowhere' is not HOST:PORT."), "{log}");
}

#[test]
fn the_documented_examples_are_valid() {
    assert_eq!(crate::tee::check_document("intakes.md"), 6);
}
