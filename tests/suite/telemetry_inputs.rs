//! Telemetry over TCP, UDP and UDP-notif, from capture files and from ZeroMQ: how messages arrive, and whose they are.

use crate::bgp::own_address;
use crate::telemetry::{
    CBOR, JSON, NOTIF, TCP, UDP, cisco_v1, envelope, events, labels, message, node, notification, number,
    other_port, payloads, pmtelemetryd, segments, send_in_pieces, text, wait, wait_for,
};
use bytes::Bytes;
use omq_proto::Message;
use omq_proto::proto::{Connection, ConnectionConfig, Role, SocketType};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use testkit::Process;
use testkit::capture_file::pcap;
use testkit::sockets::free_tcp_port;

/// Members of a record that differ between runs.
fn stable(event: &Value) -> Value {
    let mut event = event.clone();
    let record = match event.get_mut("ietf-telemetry-message:message") {
        Some(inner) => inner.take(),
        None => event,
    };
    let mut record = record;
    let Some(members) = record.as_object_mut() else { panic!("an object") };
    for name in ["seq", "timestamp", "telemetry_node_port", "data-collection-manifest"] {
        members.remove(name);
    }
    if let Some(metadata) = members.get_mut("telemetry-message-metadata").and_then(Value::as_object_mut) {
        metadata.remove("collection-timestamp");
        metadata.remove("export-port");
    }
    record
}

#[test]
fn json_objects_over_tcp_become_records_in_any_segments() {
    let process = pmtelemetryd(TCP).start_tcp();
    let octets = b"{\"a\":1}{\"b\": [1, \"}{\"]}\n\n {\"c\":\r\n{\"d\":null}}";
    let mut seen = 0;
    for lengths in [&[usize::MAX][..], &[1], &[7, 1], &[3], &[20, 2]] {
        let source = own_address();
        let mut stream = node(&source, process.setup().address());
        send_in_pieces(&mut stream, octets, lengths);
        drop(stream);
        let all = wait(&process, seen + 5);
        let of_node: Vec<Value> = all[seen..].iter().map(stable).collect();
        let record = |seq: usize, payload: Value| {
            json!({
                "payload": payload,
                "network-operator-metadata": {"labels": [number("seq", (seen + seq) as u64), text("serialization", "json")]},
                "telemetry-message-metadata": {
                    "notification-event": "log", "session-protocol": "telemetry", "export-address": source,
                },
            })
        };
        let expected = [
            json!({"event_type": "log_init", "telemetry_node": source}),
            record(1, json!({"a": 1})),
            record(2, json!({"b": [1, "}{"]})),
            record(3, json!({"c": {"d": null}})),
            json!({"event_type": "log_close", "telemetry_node": source}),
        ];
        assert_eq!(of_node, expected, "pieces of {lengths:?}");
        seen = all.len();
    }
    assert_eq!(process.stop().code(), Some(0));
}

#[test]
fn datagrams_become_records_and_those_that_are_no_objects_are_dropped() {
    let process = pmtelemetryd(UDP).start();
    let exporter = process.exporter("127.0.1.1");
    exporter.send_all(["{\"a\":1}", "hello", "{\"a\":", "[1]", "{}", "{\"b\":2}"]);
    let all = wait(&process, 5);
    let records: Vec<Option<&Value>> = all[1..].iter().map(|event| event.get("payload")).collect();
    assert_eq!(records, [Some(&json!({"a": 1})), None, Some(&json!({})), Some(&json!({"b": 2}))]);
    let log = process.stop().log;
    assert!(log.contains("not a JSON object") && log.contains("logged without its payload"), "{log}");
}

#[test]
fn headers_of_cisco_tell_the_encoding() {
    let process =
        pmtelemetryd("telemetry_daemon_port_tcp: {port}\ntelemetry_daemon_decoder: cisco_v1").start_tcp();
    let mut stream = node(&own_address(), process.setup().address());
    let octets =
        [cisco_v1(2, b"{\"a\":1}"), cisco_v1(1, &[1, 2, 3]), cisco_v1(77, b"?"), cisco_v1(2, b"{\"b\":2}")];
    send_in_pieces(&mut stream, &octets.concat(), &[5, 11]);
    let all = wait(&process, 5);
    let described: Vec<(Option<&Value>, Value)> =
        all[1..].iter().map(|event| (event.get("payload"), labels(event)[1].clone())).collect();
    let (first, gpb, last) = (json!({"a": 1}), json!("AQID\n"), json!({"b": 2}));
    let expected = [
        (Some(&first), text("serialization", "json")),
        (Some(&gpb), text("serialization", "gpb")),
        (None, text("serialization", "unknown")),
        (Some(&last), text("serialization", "json")),
    ];
    assert_eq!(described, expected);
    process.stop();

    let setup = pmtelemetryd("telemetry_daemon_port_udp: {port}\ntelemetry_daemon_decoder: cisco_v1")
        .more_config("tmp_telemetry_decode_cisco_v1_json_string: true");
    let process = setup.start();
    process.exporter("127.0.1.1").send(&cisco_v1(2, b"{\"a\": 1}"));
    let all = wait(&process, 2);
    assert_eq!(all[1]["payload"], "{\"a\": 1}");
    assert_eq!(labels(&all[1])[1], text("serialization", "json-string"));
    process.stop();
}

#[test]
fn a_stream_that_cannot_be_read_on_ends_and_others_go_on() {
    let process = pmtelemetryd(TCP).start_tcp();
    let (mut first, mut second) =
        (node(&own_address(), process.setup().address()), node(&own_address(), process.setup().address()));
    first.write_all(b"{\"a\":1}nonsense{\"b\":2}").expect("it reads");
    let mut rest = Vec::new();
    // A reset is an end as well.
    let _ = first.read_to_end(&mut rest);
    assert!(rest.is_empty());
    second.write_all(b"{\"c\":3}").expect("it reads");
    wait_for(&process, &json!({"c": 3}));
    assert_eq!(payloads(&events(&process, "log.json")), [json!({"a": 1}), json!({"c": 3})]);
    process.wait_for_log("at octet 7 of the stream");
    process.stop();
}

#[test]
fn notifications_are_joined_from_segments_in_any_order() {
    let process = pmtelemetryd(NOTIF).start();
    let exporter = process.exporter("127.0.1.1");
    let long = json!({"long": "x".repeat(3000)});
    exporter.send(&notification(JSON, 1, b"{\"a\":1}"));
    let mut pieces = segments(JSON, 2, long.to_string().as_bytes(), 1000);
    pieces.reverse();
    exporter.send_all(&pieces);
    // One segment of this message is missing.
    exporter.send_all(&segments(JSON, 3, long.to_string().as_bytes(), 1000)[1..]);
    exporter.send(&notification(JSON, 4, b"{\"b\":2}"));
    let last = wait_for(&process, &json!({"b": 2}));
    assert_eq!(payloads(&events(&process, "log.json")), [json!({"a": 1}), long, json!({"b": 2})]);
    assert_eq!(message(&last)["telemetry-message-metadata"]["session-protocol"], "yang-push");
    process.stop();
}

#[test]
fn two_publishers_with_equal_ids_are_not_mixed() {
    let process = pmtelemetryd(NOTIF).start();
    let (one, two) = (json!({"one": "1".repeat(500)}), json!({"two": "2".repeat(500)}));
    let pieces = [&one, &two].map(|payload| segments(JSON, 1, payload.to_string().as_bytes(), 300));
    let exporters = [process.exporter("127.0.1.1"), process.exporter("127.0.1.2")];
    for number in 0..pieces[0].len() {
        exporters.iter().zip(&pieces).for_each(|(exporter, pieces)| exporter.send(&pieces[number]));
    }
    wait_for(&process, &one);
    wait_for(&process, &two);
    process.stop();
}

#[test]
fn updates_name_what_their_subscription_has_announced() {
    let process = pmtelemetryd(NOTIF).start();
    let exporter = process.exporter("127.0.1.1");
    let started = json!({"id": 5, "encoding": "encode-json"});
    let mut id = 0;
    let mut send = |payload: &Value| {
        id += 1;
        exporter.send(&notification(JSON, id, payload.to_string().as_bytes()));
        let event = wait_for(&process, payload);
        message(&event)["telemetry-message-metadata"]["ietf-yang-push-telemetry-message:yang-push-subscription"]
            .clone()
    };
    let update = |id: u32, value: u32| envelope("ietf-yang-push:push-update", json!({"id": id, "x": value}));
    assert_eq!(send(&update(5, 0)), Value::Null);
    assert_eq!(
        send(&envelope("ietf-subscribed-notifications:subscription-started", started.clone())),
        Value::Null
    );
    assert_eq!(send(&update(5, 1)), started);
    assert_eq!(send(&update(6, 2)), Value::Null);
    let end = envelope("ietf-subscribed-notifications:subscription-terminated", json!({"id": 5}));
    assert_eq!(send(&end), started);
    assert_eq!(send(&update(5, 3)), Value::Null);
    process.stop();
}

#[test]
fn cbor_is_decoded_if_configured_and_shown_in_base64_otherwise() {
    // {"a": [1, true]}
    let cbor = [0xa1, 0x61, b'a', 0x82, 0x01, 0xf5];
    for (lines, expected) in [("telemetry_decode: true", json!({"a": [1, true]})), ("", json!("oWFhggH1\n"))] {
        let process = pmtelemetryd(NOTIF).more_config(lines).start();
        process.exporter("127.0.1.1").send(&notification(CBOR, 1, &cbor));
        let all = wait(&process, 2);
        assert_eq!(message(&all[1])["payload"], expected);
        assert_eq!(labels(&all[1])[1], text("serialization", "cbor"));
        process.stop();
    }
}

#[test]
fn inputs_can_be_used_together() {
    let setup = pmtelemetryd(TCP).more_config("telemetry_daemon_port_udp: {port}");
    let notif = other_port(&setup);
    let setup = setup.more_config(&format!(
        "telemetry_daemon_udp_notif_ip: {}\ntelemetry_daemon_udp_notif_port: {}",
        notif.ip(),
        notif.port()
    ));
    let process = setup.start_tcp();
    process.wait_for_log("(UDP-notif)");
    let source = own_address();
    node(&source, setup.address()).write_all(b"{\"over\":\"tcp\"}").expect("it reads");
    process.exporter("127.0.1.1").send(b"{\"over\":\"udp\"}");
    let socket = std::net::UdpSocket::bind("127.0.1.2:0").expect("a socket");
    socket.send_to(&notification(JSON, 1, b"{\"over\":\"notif\"}"), notif).expect("it is sent");
    for over in ["tcp", "udp", "notif"] {
        wait_for(&process, &json!({"over": over}));
    }
    let finished = process.stop();
    assert_eq!(finished.code(), Some(0));
}

#[test]
fn options_of_the_command_line_are_those_of_pmacct() {
    let base = pmtelemetryd("");
    let setup = testkit::Setup::new(env!("CARGO_BIN_EXE_pmtelemetryd")).on(base.address().ip());
    let port = setup.address().port().to_string();
    let setup = setup
        .config("telemetry_daemon_decoder: json")
        .arguments(["-L", "{ip}", "-t", &port, "-u", &port, "-o", "{dir}/log.json"])
        .arguments(["-O", "{dir}/dump.json", "-i", "60"]);
    let process = setup.start();
    process.exporter("127.0.1.1").send(b"{\"a\":1}");
    node(&own_address(), setup.address()).write_all(b"{\"b\":2}").expect("it reads");
    wait_for(&process, &json!({"a": 1}));
    wait_for(&process, &json!({"b": 2}));
    process.stop();
}

#[test]
fn datagrams_of_a_capture_file_are_read() {
    let of = |text: &str| text.parse::<SocketAddrV4>().expect("an address");
    let datagrams = [
        (of("192.0.2.1:999"), of("192.0.2.9:1620"), b"{\"a\":1}".to_vec()),
        (of("192.0.2.2:999"), of("192.0.2.9:1621"), notification(JSON, 1, b"{\"b\":2}")),
        (of("192.0.2.3:999"), of("192.0.2.9:1622"), b"{\"c\":3}".to_vec()),
    ];
    let setup = pmtelemetryd(
        "pcap_savefile: {dir}/in.pcap
         telemetry_daemon_port_udp: 1620
         telemetry_daemon_udp_notif_port: 1621
         telemetry_daemon_decoder: json",
    );
    let finished = setup.file("in.pcap", pcap(1_700_000_000, &datagrams)).run();
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
    assert_eq!(payloads(&finished.json("log.json")).len(), 2);
    let nodes: Vec<Value> = finished
        .json("log.json")
        .iter()
        .filter(|event| event["event_type"] == "log_init")
        .map(|event| event["telemetry_node"].clone())
        .collect();
    assert_eq!(nodes, ["192.0.2.1", "192.0.2.2"]);
}

/// The side of ZeroMQ that sends.
pub(crate) struct Push {
    connection: Connection,
    stream: TcpStream,
}

impl Push {
    /// Waits for a daemon and its handshake.
    pub(crate) fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().expect("the daemon connects");
        let connection = Connection::new(ConnectionConfig::new(Role::Server, SocketType::Push));
        let mut push = Self { connection, stream };
        let mut buffer = [0; 4096];
        while !push.connection.is_ready() {
            push.transmit();
            let count = push.stream.read(&mut buffer).expect("the daemon speaks ZeroMQ");
            push.connection.handle_input(Bytes::copy_from_slice(&buffer[..count])).expect("a handshake");
        }
        push.transmit();
        push
    }

    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.connection
            .send_message(&Message::single(Bytes::copy_from_slice(octets.as_ref())))
            .expect("a message");
        self.transmit();
    }

    fn transmit(&mut self) {
        while self.connection.has_pending_transmit() {
            let octets = self.connection.poll_transmit();
            self.stream.write_all(&octets).expect("the daemon reads");
            self.connection.advance_transmit(octets.len());
        }
    }
}

/// The node of a record, and its port.
fn node_of(event: &Value) -> (Value, Value) {
    let metadata = &event["telemetry-message-metadata"];
    (metadata["export-address"].clone(), metadata["export-port"].clone())
}

#[test]
fn messages_of_a_zeromq_socket_name_their_node_and_the_connection_is_made_again() {
    let address: SocketAddr = free_tcp_port("127.0.0.1".parse().expect("an address"));
    let process: Process = pmtelemetryd(&format!("telemetry_daemon_zmq_address: {address}")).spawn();
    process.wait_for_log("telemetry_daemon_zmq_address: ");
    let listener = TcpListener::bind(address).expect("a free port");
    for round in 0..2 {
        let mut push = Push::accept(&listener);
        push.send(json!({"telemetry_node": "192.0.2.7", "telemetry_node_port": 99, "round": round}).to_string());
        push.send(json!({"collector": {"grpc": {"grpcPeer": "192.0.2.8"}}, "round": round}).to_string());
        push.send("{\"no\":\"node\"}");
        let count = 2 + 2 * (round + 1);
        let all = wait(&process, count);
        assert_eq!(node_of(&all[count - 1]), (json!("192.0.2.8"), json!(0)));
    }
    process.wait_for_log("telemetry_node is not the address of its node");
    let finished = process.stop();
    let nodes: Vec<_> =
        finished.json("log.json").iter().filter(|event| event["payload"]["round"] == 1).map(node_of).collect();
    assert_eq!(nodes.first(), Some(&(json!("192.0.2.7"), json!(99))));
}

#[test]
fn telemetry_is_a_part_of_the_daemons_of_flows_too() {
    let setup = crate::support::nfacctd("plugins: memory[m]\nimt_path[m]: {dir}/pipe\naggregate[m]: src_host");
    let port = free_tcp_port(setup.address().ip()).port();
    let setup = setup.more_config(&format!(
        "telemetry_daemon: true
         telemetry_daemon_ip: {{ip}}
         telemetry_daemon_port_tcp: {port}
         telemetry_daemon_decoder: json
         telemetry_daemon_msglog_file: {{dir}}/log.json"
    ));
    let process = setup.start();
    process.wait_for_log("waiting for telemetry data on ");
    node(&own_address(), SocketAddr::new(setup.address().ip(), port)).write_all(b"{\"a\":1}").expect("it reads");
    wait_for(&process, &json!({"a": 1}));
    assert_eq!(process.stop().code(), Some(0));
}

#[test]
fn what_has_arrived_before_the_end_is_logged() {
    let process = pmtelemetryd(TCP).more_config("telemetry_daemon_port_udp: {port}").start();
    let mut stream = node(&own_address(), process.setup().address());
    stream.write_all(b"{\"first\":1}").expect("it reads");
    wait_for(&process, &json!({"first": 1}));
    for number in 0..100 {
        stream.write_all(format!("{{\"tcp\":{number}}}").as_bytes()).expect("it reads");
        process.exporter("127.0.1.1").send(format!("{{\"udp\":{number}}}").as_bytes());
    }
    let finished = process.stop();
    let all = finished.json("log.json");
    assert_eq!(payloads(&all).len(), 201);
    // The nodes are still there, as far as the daemon knows.
    assert!(all.iter().all(|event| event["event_type"] != "log_close"));
}

#[test]
fn configurations_without_an_input_or_a_decoder_are_errors() {
    for (lines, what) in [
        ("", "no input is configured"),
        ("telemetry_daemon_port_tcp: {port}", "telemetry_daemon_port_tcp needs telemetry_daemon_decoder"),
        ("telemetry_daemon_zmq_address: nonsense", "telemetry_daemon_zmq_address: 'nonsense' is not HOST:PORT"),
        ("pcap_savefile: {dir}/in.pcap", "pcap_savefile: no port of telemetry is configured"),
    ] {
        let finished = pmtelemetryd(lines).arguments(["--check"]).run();
        assert_eq!(finished.code(), Some(1), "{}", finished.log);
        assert!(finished.log.contains(what), "{lines}: {}", finished.log);
    }
    let program = "telemetry_daemon_udp_notif_rp_ebpf_prog: missing.o";
    let finished = pmtelemetryd(NOTIF).more_config(program).arguments(["--check"]).run();
    assert_eq!(finished.code(), Some(1), "{}", finished.log);
    assert!(finished.log.contains(&format!("{program}: cannot read it: ")), "{}", finished.log);
    // The port is taken.
    let process = pmtelemetryd(TCP).start_tcp();
    let second = pmtelemetryd("").on(process.setup().address().ip()).more_config(&format!(
        "telemetry_daemon_port_tcp: {}\ntelemetry_daemon_decoder: json",
        process.setup().address().port()
    ));
    let finished = second.run();
    assert_eq!(finished.code(), Some(1), "{}", finished.log);
    assert!(finished.log.contains("telemetry_daemon_ip, telemetry_daemon_port_tcp: "), "{}", finished.log);
    process.stop();
}
