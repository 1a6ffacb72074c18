//! What all tests of telemetry share: collectors, nodes that send, and what is logged about them.

use serde_json::{Value, json};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use testkit::sockets::{connect, free_port};
use testkit::{Process, Setup, eventually};

/// A pmtelemetryd that logs to `log.json`.
pub(crate) fn pmtelemetryd(lines: &str) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_pmtelemetryd"))
        .config("telemetry_daemon_ip: {ip}\ntelemetry_daemon_msglog_file: {dir}/log.json")
        .more_config(lines)
}

/// Lines for JSON over TCP.
pub(crate) const TCP: &str = "telemetry_daemon_port_tcp: {port}\ntelemetry_daemon_decoder: json";
/// Lines for JSON over UDP.
pub(crate) const UDP: &str = "telemetry_daemon_port_udp: {port}\ntelemetry_daemon_decoder: json";
/// Lines for UDP-notif.
pub(crate) const NOTIF: &str = "telemetry_daemon_udp_notif_ip: {ip}\ntelemetry_daemon_udp_notif_port: {port}";

/// Another port on the address of a setup.
pub(crate) fn other_port(setup: &Setup) -> SocketAddr {
    free_port(setup.address().ip())
}

/// A connection of a node.
pub(crate) fn node(source: &str, target: SocketAddr) -> TcpStream {
    connect(source, target, Duration::from_secs(10)).expect("the collector listens")
}

/// Sends octets in pieces of these lengths, which are repeated.
pub(crate) fn send_in_pieces(stream: &mut TcpStream, octets: &[u8], lengths: &[usize]) {
    let mut rest = octets;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            return;
        }
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        stream.write_all(piece).expect("the collector reads");
        rest = after;
    }
}

/// The events of a log that are complete.
pub(crate) fn events(process: &Process, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(process.setup().path(name)).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Waits until the log has that many events.
pub(crate) fn wait(process: &Process, count: usize) -> Vec<Value> {
    eventually(&format!("{count} events"), || Some(events(process, "log.json")).filter(|all| all.len() >= count))
}

/// Waits until a payload is logged.
pub(crate) fn wait_for(process: &Process, payload: &Value) -> Value {
    eventually(&format!("the payload {payload}"), || {
        events(process, "log.json").into_iter().find(|event| message(event)["payload"] == *payload)
    })
}

/// A record without the wrapping of UDP-notif.
pub(crate) fn message(event: &Value) -> &Value {
    event.get("ietf-telemetry-message:message").unwrap_or(event)
}

/// The payloads of records, in their order.
pub(crate) fn payloads(events: &[Value]) -> Vec<Value> {
    events.iter().filter_map(|event| message(event).get("payload").cloned()).collect()
}

/// The labels of a record.
pub(crate) fn labels(event: &Value) -> Value {
    message(event)["network-operator-metadata"]["labels"].clone()
}

/// A label with a text.
pub(crate) fn text(name: &str, value: &str) -> Value {
    json!({"name": name, "string-value": value})
}

/// A label with a number.
pub(crate) fn number(name: &str, value: u64) -> Value {
    json!({"name": name, "number-value": value})
}

/// A message with Cisco's header of 12 octets.
pub(crate) fn cisco_v1(encapsulation: u16, contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).expect("a length");
    [&[0, 1], &encapsulation.to_be_bytes()[..], &[0, 1, 0, 0], &length.to_be_bytes(), contents].concat()
}

/// Media types of UDP-notif.
pub(crate) const JSON: u8 = 1;
pub(crate) const CBOR: u8 = 3;

/// A datagram of UDP-notif with a whole message.
pub(crate) fn notification(media: u8, id: u32, contents: &[u8]) -> Vec<u8> {
    datagram(media, id, &[], contents)
}

/// The datagrams of a message in segments of that length.
pub(crate) fn segments(media: u8, id: u32, contents: &[u8], length: usize) -> Vec<Vec<u8>> {
    let count = contents.len().div_ceil(length);
    let segment = |(number, piece): (usize, &[u8])| {
        let number = u16::try_from(number).expect("15 bits") << 1 | u16::from(number + 1 == count);
        let option = [&[1, 4][..], &number.to_be_bytes()].concat();
        datagram(media, id, &option, piece)
    };
    contents.chunks(length).enumerate().map(segment).collect()
}

fn datagram(media: u8, id: u32, options: &[u8], contents: &[u8]) -> Vec<u8> {
    let header = 12 + options.len();
    let length = u16::try_from(header + contents.len()).expect("a datagram");
    let head = [0x20 | media, u8::try_from(header).expect("a header")];
    [&head[..], &length.to_be_bytes(), &7u32.to_be_bytes(), &id.to_be_bytes(), options, contents].concat()
}

/// A notification of YANG-Push in an envelope.
pub(crate) fn envelope(kind: &str, contents: Value) -> Value {
    json!({"ietf-yp-notification:envelope": {
        "event-time": "2026-11-01T00:00:00Z", "hostname": "r1", "sequence-number": 1, "contents": {kind: contents},
    }})
}
