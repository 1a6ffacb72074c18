//! Telemetry over gRPC: routers that dial out, and gNMI targets that pmtelemetryd dials.

use crate::bgp_queries::{get, lines};
use crate::telemetry::{events, labels, message, other_port, payloads, pmtelemetryd, text, wait_for};
use prost::Message as _;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use telemetry_gpb::messages::cisco::MdtDialoutArgs;
use telemetry_gpb::messages::gnmi::subscribe_response::Response;
use telemetry_gpb::messages::gnmi::typed_value::Value as Typed;
use telemetry_gpb::messages::gnmi::{Notification, Path, PathElem, SubscribeResponse, TypedValue, Update};
use testkit::certificates::Authority;
use testkit::grpc::{Router, Target, Then};
use testkit::process::Signal;
use testkit::{Setup, eventually};

/// The method of Cisco's service.
const CISCO: &str = "/mdt_dialout.gRPCMdtDialout/MdtDialout";

/// A collector for routers that dial out, with these lines in the file of its sockets.
fn collector(lines: &str) -> (Setup, SocketAddr) {
    let setup = pmtelemetryd("telemetry_daemon_grpc_collector_conf: {dir}/dial-out\nhttp_listen: {dir}/http");
    let address = other_port(&setup);
    let settings = format!("socket_cisco = \"{address}\";\nso_bindtodevice_check = \"false\";\n{lines}");
    (setup.file("dial-out", settings), address)
}

fn cisco(data: &str) -> Vec<u8> {
    MdtDialoutArgs { req_id: 1, data: data.as_bytes().to_vec(), errors: String::new() }.encode_to_vec()
}

/// The number of events of a kind.
fn count(all: &[Value], kind: &str) -> usize {
    all.iter().filter(|event| event["event_type"] == kind).count()
}

#[test]
fn routers_dial_out_and_are_a_node_each() {
    let (setup, address) = collector("");
    let process = setup.spawn();
    process.wait_for_log("/grpc (cisco)");
    let router = Router::connect(address);
    let streams = [router.stream(CISCO), router.stream(CISCO)];
    for (number, stream) in streams.iter().enumerate() {
        stream.send(&cisco(&json!({"stream": number}).to_string()));
        let record = wait_for(&process, &json!({"stream": number}));
        assert_eq!(labels(&record)[1], text("serialization", "json"));
        assert_eq!(message(&record)["telemetry-message-metadata"]["session-protocol"], "telemetry");
    }
    // Not JSON, and no protobuf of Cisco.
    streams[0].send(&cisco("nonsense"));
    wait_for(&process, &json!("bm9uc2Vuc2U=\n"));
    let nodes = lines(&process, "/api/telemetry/nodes");
    assert_eq!((nodes.len(), &nodes[0]["transport"], &nodes[0]["messages"]), (1, &json!("grpc"), &json!(3)));
    let (_, metrics) = get(&process, "/metrics");
    assert!(metrics.contains("pmacct_telemetry_grpc_messages_received_total{source=\"cisco\"} 3"), "{metrics}");
    for stream in streams {
        stream.finish().expect("the daemon ends the stream");
    }
    eventually("the end of the node", || (count(&events(&process, "log.json"), "log_close") == 1).then_some(()));
    let finished = process.stop();
    assert_eq!((finished.code(), count(&finished.json("log.json"), "log_init")), (Some(0), 1));
}

#[test]
fn routers_dial_out_over_tls() {
    let authority = Authority::new();
    let client = authority.certify("router.example");
    let (setup, address) = collector(
        "enable_tls = \"true\";\ntls_cert_path = \"server.pem\";\ntls_key_path = \"server.key\";\ntls_ca_path = \"ca.pem\";",
    );
    let certificate = authority.certify("localhost");
    let setup = setup
        .file("ca.pem", authority.pem())
        .file("server.pem", &certificate.certificate)
        .file("server.key", &certificate.key);
    let process = setup.spawn();
    process.wait_for_log("with TLS");
    let router = Router::connect_tls(address, authority.pem(), Some(&client)).expect("it has a certificate");
    let stream = router.stream(CISCO);
    stream.send(&cisco("{\"over\":\"tls\"}"));
    wait_for(&process, &json!({"over": "tls"}));
    process.stop();
}

/// A notification of gNMI with one value.
fn notification(value: u64) -> Vec<u8> {
    let elem = vec![PathElem { name: "a".to_owned(), ..PathElem::default() }];
    let val = Some(TypedValue { value: Some(Typed::UintVal(value)) });
    let update = vec![Update { path: Some(Path { elem, ..Path::default() }), val, ..Update::default() }];
    let notification = Notification { timestamp: 5, update, ..Notification::default() };
    SubscribeResponse { response: Some(Response::Update(notification)), extension: vec![] }.encode_to_vec()
}

#[test]
fn targets_are_dialled_and_a_reload_changes_them() {
    let (one, two) =
        (Target::start(vec![notification(1)], Then::Wait), Target::start(vec![notification(2)], Then::Wait));
    let line = |target: &Target| format!("name=r1 address={} tls=false mode=on_change path=/a\n", target.address);
    let setup = pmtelemetryd("telemetry_gnmi_targets: {dir}/targets").file("targets", line(&one));
    let process = setup.spawn();
    let expected = |value: u64| json!({"timestamp": 5, "update": [{"path": "/a", "val": value}]});
    let record = wait_for(&process, &expected(1));
    assert_eq!(message(&record)["telemetry-message-metadata"]["session-protocol"], "gnmi");
    fs::write(setup.path("targets"), line(&two)).expect("it can be written");
    process.signal(Signal::SIGUSR2);
    wait_for(&process, &expected(2));
    assert_eq!(payloads(&events(&process, "log.json")).len(), 2);
    assert_eq!(process.stop().code(), Some(0));
}
