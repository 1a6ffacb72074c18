//! Nodes that attack a collector of telemetry: it must stay small, and the messages of others must not notice.

use crate::bgp::own_address;
use crate::bgp_hostile::{ANSWER, FEW_LINES, GROWTH};
use crate::malformed::resident;
use crate::telemetry::{JSON, NOTIF, TCP, node, other_port, payloads, pmtelemetryd, segments, wait_for};
use serde_json::json;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Instant;
use testkit::{Process, Setup, eventually};

/// A node whose messages are measured during an attack.
struct Witness {
    stream: TcpStream,
    process: Process,
    before: u64,
    sent: u32,
}

impl Witness {
    fn start(setup: &Setup) -> Self {
        let process = setup.start_tcp();
        process.wait_for_log("waiting for telemetry data");
        let stream = node(&own_address(), setup.address());
        let before = resident(&process);
        let mut witness = Self { stream, process, before, sent: 0 };
        witness.lives();
        witness
    }

    fn target(&self) -> SocketAddr {
        self.process.setup().address()
    }

    /// Its next message is logged soon.
    fn lives(&mut self) {
        let begin = Instant::now();
        self.sent += 1;
        let message = json!({"witness": self.sent});
        self.stream.write_all(message.to_string().as_bytes()).expect("the collector reads");
        // Without parsing: the log may be long.
        let (path, text) = (self.process.setup().path("log.json"), format!("\"payload\": {message},"));
        eventually("the message of the witness", || {
            std::fs::read_to_string(&path).ok()?.contains(&text).then_some(())
        });
        assert!(begin.elapsed() < ANSWER, "{:?}", begin.elapsed());
    }

    /// The attack is over, and the daemon has logged only a few lines.
    fn check(mut self) -> Process {
        self.lives();
        let now = resident(&self.process);
        assert!(now < self.before + GROWTH, "{} bytes, {now} after the attack", self.before);
        let logged = self.process.log().lines().count();
        assert!(logged < FEW_LINES, "the log has {logged} lines");
        self.process
    }
}

fn both() -> (Setup, SocketAddr) {
    let setup = pmtelemetryd(TCP);
    let notif = other_port(&setup);
    let lines = format!(
        "telemetry_daemon_udp_notif_ip: {}\ntelemetry_daemon_udp_notif_port: {}\ntelemetry_daemon_udp_notif_memory: 1000000
         telemetry_daemon_max_message: 100000",
        notif.ip(),
        notif.port()
    );
    (setup.more_config(&lines), notif)
}

#[test]
fn connections_that_never_send_a_message_are_bounded() {
    let mut witness = Witness::start(&pmtelemetryd(TCP));
    let mut held: Vec<TcpStream> = (0..300).map(|_| node("127.0.1.9", witness.target())).collect();
    witness.lives();
    // Half of an object, and then nothing.
    for stream in &mut held {
        let _ = stream.write_all(b"{\"a\":[");
    }
    witness.lives();
    drop(held);
    witness.check().stop();
}

#[test]
fn endless_objects_end_their_connection() {
    let (setup, _) = both();
    let mut witness = Witness::start(&setup);
    for start in ["{\"a\":\"", "{\"a\":["] {
        let mut stream = node(&own_address(), witness.target());
        stream.write_all(start.as_bytes()).expect("it reads");
        let chunk = [b' '; 64 * 1024];
        // The collector closes the connection long before this is sent.
        let sent = (0..1000).take_while(|_| stream.write_all(&chunk).is_ok()).count();
        assert!(sent < 1000, "it reads on");
        witness.lives();
    }
    let process = witness.check();
    assert!(process.log().contains("exceeds the limit"), "{}", process.log());
    process.stop();
}

#[test]
fn deep_nesting_and_garbage_cost_their_message_only() {
    let (setup, notif) = both();
    let mut witness = Witness::start(&setup);
    let socket = UdpSocket::bind("127.0.1.8:0").expect("a socket");
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for number in 0..20_000u32 {
        let mut octets: Vec<u8> = (0..40)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            })
            .collect();
        // Half of them have the version, and a length that may be right.
        if number % 2 == 0 {
            octets[..4].copy_from_slice(&[0x21, 12, 0, u8::try_from(number % 64).expect("an octet")]);
        }
        let _ = socket.send_to(&octets, notif);
    }
    let mut stream = node(&own_address(), witness.target());
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    stream.write_all(deep.as_bytes()).expect("it reads");
    stream.write_all(b"{\"after\":1}").expect("it reads");
    wait_for(&witness.process, &json!({"after": 1}));
    witness.lives();
    witness.check().stop();
}

#[test]
fn segments_of_messages_that_are_never_complete_are_bounded() {
    let (setup, notif) = both();
    let mut witness = Witness::start(&setup);
    let socket = UdpSocket::bind("127.0.1.8:0").expect("a socket");
    let payload = "x".repeat(3000);
    for id in 0..5000 {
        // The last segment is missing.
        let pieces = segments(JSON, id, payload.as_bytes(), 1000);
        pieces.iter().take(2).for_each(|piece| drop(socket.send_to(piece, notif)));
    }
    witness.lives();
    // A whole message comes through.
    eventually("a message in segments", || {
        segments(JSON, 9999, b"{\"whole\": true}", 5).iter().for_each(|piece| drop(socket.send_to(piece, notif)));
        let all = crate::telemetry::events(&witness.process, "log.json");
        payloads(&all).contains(&json!({"whole": true})).then_some(())
    });
    witness.check().stop();
}

#[test]
fn a_node_that_sends_octet_by_octet_delays_nobody() {
    let mut witness = Witness::start(&pmtelemetryd(TCP));
    let mut slow = node(&own_address(), witness.target());
    slow.set_nodelay(true).expect("an option");
    let message = json!({"slow": "x".repeat(200)}).to_string();
    for (number, octet) in message.bytes().enumerate() {
        slow.write_all(&[octet]).expect("it reads");
        if number % 100 == 0 {
            witness.lives();
        }
    }
    wait_for(&witness.process, &serde_json::from_str(&message).expect("JSON"));
    witness.check().stop();
}

#[test]
fn a_flood_of_messages_from_one_node_does_not_starve_others() {
    let mut witness = Witness::start(&pmtelemetryd(TCP));
    let target = witness.target();
    let flood = std::thread::spawn(move || {
        let mut stream = node(&own_address(), target);
        let chunk = "{\"flood\":[1,2,3]}".repeat(4000);
        (0..40).take_while(|_| stream.write_all(chunk.as_bytes()).is_ok()).count()
    });
    for _ in 0..3 {
        witness.lives();
    }
    assert_eq!(flood.join().expect("no panic"), 40);
    witness.check().stop();
}

#[test]
fn notifications_without_a_sound_length_are_dropped_and_counted() {
    let process = pmtelemetryd(NOTIF).start();
    let exporter = process.exporter("127.0.1.1");
    for datagram in [
        &[0x21, 12][..],
        // The header is longer than the message.
        &[0x21, 200, 0, 14, 0, 0, 0, 1, 0, 0, 0, 1, b'{', b'}'],
        // The message is longer than the datagram.
        &[0x21, 12, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, b'{', b'}'],
        // An option of length 0.
        &[0x21, 16, 0, 18, 0, 0, 0, 1, 0, 0, 0, 1, 9, 0, 0, 0, b'{', b'}'],
    ] {
        exporter.send(datagram);
    }
    exporter.send(&crate::telemetry::notification(JSON, 1, b"{\"good\":1}"));
    wait_for(&process, &json!({"good": 1}));
    process.wait_for_new_log("stats [telemetry]", || process.signal(testkit::process::Signal::SIGUSR1));
    let log = process.stop().log;
    for reason in ["truncated", "header_length", "message_length", "option"] {
        assert!(log.contains(&format!("telemetry_dropped[udp_notif,{reason}]=1")), "{reason}: {log}");
    }
}
