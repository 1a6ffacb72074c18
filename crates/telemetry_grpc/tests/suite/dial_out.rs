//! Routers that dial out.

use crate::collector::{CISCO, Collector, HUAWEI, JUNIPER, NOKIA, json, settings};
use prost::Message as _;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use telemetry_gpb::Fault;
use telemetry_gpb::messages::cisco::telemetry::NodeId;
use telemetry_gpb::messages::cisco::telemetry_field::ValueByType;
use telemetry_gpb::messages::cisco::{MdtDialoutArgs, Telemetry, TelemetryField};
use telemetry_gpb::messages::gnmi::subscribe_response::Response;
use telemetry_gpb::messages::gnmi::typed_value::Value;
use telemetry_gpb::messages::gnmi::{Notification, Path, PathElem, SubscribeResponse, TypedValue, Update};
use telemetry_gpb::messages::huawei::ServiceArgs;
use telemetry_gpb::messages::huawei::service_args::MessageData;
use telemetry_grpc::{End, Event, Payload, Service, Services, Settings, Source};
use testkit::grpc::{Code, Router};

pub(crate) fn cisco(data: &[u8]) -> Vec<u8> {
    MdtDialoutArgs { req_id: 1, data: data.to_vec(), errors: String::new() }.encode_to_vec()
}

fn key_value() -> Vec<u8> {
    let value = Some(ValueByType::Uint64Value(u64::MAX));
    let field = TelemetryField { name: "octets".to_owned(), value_by_type: value, ..TelemetryField::default() };
    let node_id = Some(NodeId::NodeIdStr("r1".to_owned()));
    Telemetry { node_id, data_gpbkv: vec![field], ..Telemetry::default() }.encode_to_vec()
}

pub(crate) fn notification() -> Vec<u8> {
    let elem = vec![PathElem { name: "a".to_owned(), ..PathElem::default() }];
    let path = Some(Path { elem, ..Path::default() });
    let val = Some(TypedValue { value: Some(Value::JsonIetfVal(b"{\"b\": 1}".to_vec())) });
    let update = vec![Update { path, val, ..Update::default() }];
    let notification = Notification { timestamp: 5, update, ..Notification::default() };
    SubscribeResponse { response: Some(Response::Update(notification)), extension: vec![] }.encode_to_vec()
}

#[test]
fn one_socket_has_the_services_of_all_vendors() {
    let mut collector = Collector::start(settings());
    let router = Router::connect(collector.address);
    let huawei = ServiceArgs { req_id: 1, errors: "x".to_owned(), message_data: None };
    let huawei = |data| ServiceArgs { message_data: Some(data), ..huawei.clone() }.encode_to_vec();
    let gnmi = json!({"sensor_path": [], "notification_timestamp": 5, "/a": {"b": 1}});
    let mut nokia = gnmi.clone();
    nokia["collected_path"] = json!("");
    let octets = json!({"octets": u64::MAX});
    for (path, service, message, expected) in [
        (CISCO, Service::Cisco, cisco(b" {\"a\":\n1}"), json!({"a": 1})),
        (
            CISCO,
            Service::Cisco,
            cisco(&key_value()),
            json!({"node_id": "r1", "encoding_path": "", "collection_id": 0, "collection_start_time": 0, "msg_timestamp": 0,
                "collection_end_time": 0, "data_gpbkv": [octets]}),
        ),
        (HUAWEI, Service::Huawei, huawei(MessageData::DataJson("[1]".to_owned())), json!([1])),
        (JUNIPER, Service::Juniper, notification(), gnmi),
        (NOKIA, Service::Nokia, notification(), nokia),
    ] {
        let stream = router.stream(path);
        stream.send(&message);
        assert!(matches!(collector.event(), Event::Opened { source, .. } if source == Source::DialOut(service)));
        let received = collector.message();
        assert_eq!((json(&received), received.source), (expected, Source::DialOut(service)));
        assert!(received.peer.ip().is_loopback() && received.peer.port() != 0);
        stream.finish().unwrap();
        assert_eq!(collector.end(), (Source::DialOut(service), End::Finished));
        collector.expect("streams_opened", service.name(), collector.counters().value("messages", service.name()));
    }
    collector.expect("streams_ended", "finished", 5);
    collector.expect("connections", "", 1);
    collector.expect("router_errors", "", 1);
}

#[test]
fn messages_of_one_stream_keep_their_order() {
    let mut collector = Collector::start(settings());
    let router = Router::connect(collector.address);
    for stream in [router.stream(CISCO), router.compressed_stream(CISCO)] {
        for number in 0..300 {
            stream.send(&cisco(
                format!("{{\"n\": {number}, \"text\": \"{}\"}}", "x".repeat(number * 10)).as_bytes(),
            ));
            if number % 10 == 9 {
                for expected in number - 9..=number {
                    assert_eq!(collector.json()["n"], json!(expected));
                }
            }
        }
        stream.finish().unwrap();
    }
    collector.expect("messages", "cisco", 600);
}

#[test]
fn what_cannot_be_decoded_is_handed_over_as_it_is() {
    let mut collector = Collector::start(settings());
    let router = Router::connect(collector.address);
    let stream = router.stream(CISCO);
    for (message, octets, fault) in [
        (cisco(b"{\"a\":"), &b"{\"a\":"[..], Some(Fault::NotJson)),
        (cisco(&[0x42, 0]), &[0x42, 0], Some(Fault::WireType { at: 0, number: 8, wire_type: 2 })),
        (vec![0x10, 1], &[0x10, 1], None),
    ] {
        stream.send(&message);
        match collector.message().payload {
            Payload::Undecoded { octets: found, fault: why } => {
                assert_eq!(&*found, octets);
                assert!(fault.is_none_or(|fault| fault == why), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    // Blanks keep a stream alive, and are nothing.
    for blank in [cisco(b" "), vec![]] {
        stream.send(&blank);
    }
    stream.send(&cisco(b"[]"));
    assert_eq!(collector.json(), json!([]));
    stream.finish().unwrap();
    collector.expect("messages_undecoded", "not_json", 1);
    collector.expect("messages_undecoded", "wire_type", 2);
    collector.expect("messages_ignored", "empty", 2);
}

#[test]
fn a_message_that_begins_like_json_may_be_protobuf() {
    let mut collector = Collector::start(settings());
    let router = Router::connect(collector.address);
    // The length of a name of 123 octets is "{", and the tag before it a line end.
    let node_id = Some(NodeId::NodeIdStr("n".repeat(123)));
    let data = Telemetry { node_id, ..Telemetry::default() }.encode_to_vec();
    assert!(data.starts_with(b"\n{"));
    let stream = router.stream(CISCO);
    stream.send(&cisco(&data));
    assert_eq!(collector.json()["node_id"], json!("n".repeat(123)));
    stream.finish().unwrap();
}

#[test]
fn a_socket_has_only_the_services_that_it_should() {
    let services = Services::NONE.with(Service::Nokia);
    let mut collector = Collector::listen(settings(), services, None);
    let router = Router::connect(collector.address);
    let status = router.stream(CISCO).finish().unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let stream = router.stream(NOKIA);
    stream.send(&notification());
    assert_eq!(collector.json()["collected_path"], json!(""));
    stream.finish().unwrap();
    collector.expect("connections_refused", "unknown_service", 1);
}

#[test]
fn a_stream_may_have_a_number_of_messages() {
    let mut collector = Collector::start(Settings { replies: [2, 0, 0, 0], ..settings() });
    let router = Router::connect(collector.address);
    let stream = router.stream(CISCO);
    for _ in 0..2 {
        stream.send(&cisco(b"{}"));
    }
    assert_eq!(collector.end().1, End::Replies);
    stream.ended().unwrap();
}

#[test]
fn routers_that_may_not_connect_are_refused_and_counted() {
    let may = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&may);
    let admit = Arc::new(move |_| asked.load(Ordering::Relaxed));
    let mut collector = Collector::start(Settings { admit, ..settings() });
    let socket = std::net::TcpStream::connect(collector.address).unwrap();
    assert!(matches!(collector.event(), Event::Refused { peer, .. } if peer == socket.local_addr().unwrap()));
    collector.expect("connections_refused", "not_allowed", 1);
    may.store(true, Ordering::Relaxed);
    Router::connect(collector.address).stream(CISCO).finish().unwrap();
}

#[test]
fn a_stop_tells_routers_and_ends_within_its_time() {
    let mut collector = Collector::start(settings());
    let router = Router::connect(collector.address);
    let stream = router.stream(CISCO);
    stream.send(&cisco(b"{}"));
    assert_eq!(collector.json(), json!({}));
    let left = collector.stop();
    assert!(matches!(&left[..], [Event::Closed { why: End::Stopped, .. }]), "{left:?}");
    assert_eq!(stream.ended().unwrap_err().code(), Code::Unavailable);
}
