//! Peers that are slow, broken or malicious.

use crate::collector::{CISCO, Collector, limits, settings};
use crate::dial_out::cisco;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use telemetry_grpc::{End, Event, Limits, Settings};
use testkit::eventually;
use testkit::grpc::{Code, Router};

fn with(limits: Limits) -> Settings {
    Settings { limits, ..settings() }
}

#[test]
fn a_message_that_is_too_large_ends_its_stream_alone() {
    let mut collector = Collector::start(with(Limits { message: 10_000, ..limits() }));
    let router = Router::connect(collector.address);
    let (good, bad) = (router.stream(CISCO), router.stream(CISCO));
    bad.send(&[0; 20_000]);
    let (_, why) = collector.end();
    assert_eq!(why, End::Size(20_000, 10_000));
    assert_eq!(bad.ended().unwrap_err().code(), Code::OutOfRange);
    good.send(&cisco(b"{}"));
    collector.json();
    good.finish().unwrap();
}

#[test]
fn a_compressed_message_may_not_grow_beyond_the_limit() {
    let mut collector = Collector::start(with(Limits { message: 1 << 20, ..limits() }));
    let router = Router::connect(collector.address);
    let stream = router.compressed_stream(CISCO);
    // 8 MiB of blanks are 8 kB in gzip.
    stream.send(&cisco(&vec![b' '; 8 << 20]));
    let (_, why) = collector.end();
    assert_eq!(why, End::Size((1 << 20) + 1, 1 << 20));
    assert_eq!(stream.ended().unwrap_err().code(), Code::OutOfRange);
}

#[test]
fn connections_are_bounded_and_idle_ones_end() {
    let bounded = Limits { connections: 3, idle: Duration::from_millis(500), ..limits() };
    let mut collector = Collector::start(with(bounded));
    let mut idle: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(collector.address).unwrap()).collect();
    collector.expect("connections", "", 3);
    let mut refused = TcpStream::connect(collector.address).unwrap();
    assert_eq!(refused.read(&mut [0; 9]).unwrap_or(0), 0);
    collector.expect("connections_refused", "limit", 1);
    // They never say anything; after the limit they are closed.
    for socket in &mut idle {
        while socket.read(&mut [0; 99]).unwrap_or(0) > 0 {}
    }
    collector.expect("connections_refused", "idle", 3);
    let router = eventually("a place", || {
        Router::connect_tls(collector.address, "", None).err();
        Some(Router::connect(collector.address))
    });
    let stream = router.stream(CISCO);
    stream.send(&cisco(b"{}"));
    collector.json();
}

#[test]
fn what_is_not_http2_is_counted() {
    let collector = Collector::start(settings());
    for octets in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 100]] {
        let mut socket = TcpStream::connect(collector.address).unwrap();
        socket.write_all(octets).unwrap();
        while socket.read(&mut [0; 99]).unwrap_or(0) > 0 {}
    }
    collector.expect("connections_refused", "http", 2);
}

#[test]
fn messages_that_do_not_end_give_their_memory_back() {
    let slow =
        Limits { message_time: Duration::from_millis(500), message: 1 << 20, receiving: 1 << 20, ..limits() };
    let mut collector = Collector::start(with(slow));
    let mut sockets: Vec<Http2> = (0..4).map(|_| Http2::connect(collector.address)).collect();
    for socket in &mut sockets {
        // It claims all the memory that there is, and sends one octet.
        socket.begin(1, CISCO);
        socket.data(1, &[0, 0, 0x10, 0, 0, b'x']);
    }
    for _ in 0..4 {
        assert_eq!(collector.end().1, End::Slow);
    }
    let router = Router::connect(collector.address);
    let stream = router.stream(CISCO);
    stream.send(&cisco(b"{}"));
    collector.json();
}

#[test]
fn thousands_of_streams_that_are_reset_do_not_pile_up() {
    // Nobody reads events, so that all streams wait to say that they were opened.
    let mut collector = Collector::start(with(Limits { events: 1, streams: 20, ..limits() }));
    let mut socket = Http2::connect(collector.address);
    for number in 0..3000u32 {
        socket.begin(2 * number + 1, CISCO);
        if socket.try_reset(2 * number + 1).is_err() {
            break;
        }
    }
    // Either HTTP/2 ends the connection, which is an attack (CVE-2023-44487), or streams are refused.
    eventually("a refusal", || {
        let counters = collector.counters();
        let refused = ["streams", "http"].map(|label| counters.value("connections_refused", label));
        (refused.iter().sum::<u64>() > 0).then_some(())
    });
    assert!(collector.counters().value("streams_opened", "cisco") <= 40);
    drop(socket);
    let router = Router::connect(collector.address);
    let stream = router.stream(CISCO);
    stream.send(&cisco(b"{}"));
    collector.json();
}

#[test]
fn a_router_that_vanishes_is_noticed() {
    let keepalive = (Duration::from_millis(300), Duration::from_millis(300));
    let mut collector = Collector::start(with(Limits { keepalive, ..limits() }));
    // It has a stream, and answers no PING.
    let mut socket = Http2::connect(collector.address);
    socket.begin(1, CISCO);
    let (_, why) = collector.end();
    assert!(matches!(why, End::Reset(_)), "{why}");
}

#[test]
fn a_consumer_that_is_slow_holds_back_routers_and_loses_nothing() {
    let bounded = Limits { events: 4, queue: 100_000, window: 65_535, ..limits() };
    let mut collector = Collector::start(with(bounded));
    let router = Router::connect(collector.address);
    let stream = router.stream(CISCO);
    let text = |number: usize| format!("{{\"n\": {number}, \"text\": \"{}\"}}", "x".repeat(20_000));
    let mut sent = 0;
    while stream.offer(&cisco(text(sent).as_bytes()), Duration::from_millis(500)) {
        sent += 1;
        assert!(sent < 100, "nothing holds the router back");
    }
    // The queue, the window of HTTP/2, and what the client holds.
    assert!(collector.counters().value("messages", "cisco") <= 6);
    for number in 0..sent {
        assert_eq!(collector.json()["n"], number);
    }
    stream.finish().unwrap_or_else(|status| panic!("{status}"));
}

#[test]
fn a_stream_that_breaks_within_a_message_says_so() {
    let mut collector = Collector::start(settings());
    let mut socket = Http2::connect(collector.address);
    socket.begin(1, CISCO);
    socket.data(1, &[0, 0, 0, 0, 9, 1]);
    assert!(matches!(collector.event(), Event::Opened { .. }));
    drop(socket);
    let (_, why) = collector.end();
    assert!(matches!(why, End::Reset(_)) && why.is_fault(), "{why}");
    let mut socket = Http2::connect(collector.address);
    socket.begin(1, CISCO);
    socket.end(1, &[0, 0, 0, 0, 9, 1]);
    assert_eq!(collector.end().1, End::Truncated);
    // CANCEL between messages.
    let mut socket = Http2::connect(collector.address);
    socket.begin(1, CISCO);
    assert!(matches!(collector.event(), Event::Opened { .. }));
    socket.try_reset(1).unwrap();
    let (_, why) = collector.end();
    assert!(matches!(why, End::Reset(_)), "{why}");
    let mut socket = Http2::connect(collector.address);
    socket.begin(1, CISCO);
    socket.data(1, &[7, 0, 0, 0, 0]);
    assert_eq!(collector.end().1, End::Flag(7));
    let mut socket = Http2::connect(collector.address);
    socket.begin(1, CISCO);
    socket.data(1, &[1, 0, 0, 0, 0]);
    assert_eq!(collector.end().1, End::Encoding);
}

/// A client of HTTP/2 that does what it should not (RFC 9113).
struct Http2(TcpStream);

impl Http2 {
    fn connect(address: std::net::SocketAddr) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut client = Self(socket);
        // SETTINGS.
        client.frame(4, 0, 0, &[]).unwrap();
        client
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = (payload.len() as u32).to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat())
    }

    /// HEADERS, with literal fields (RFC 7541 section 6.2.2).
    fn begin(&mut self, stream: u32, path: &str) {
        let mut block = Vec::new();
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "collector"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ] {
            block.extend([0, name.len() as u8]);
            block.extend(name.as_bytes());
            block.push(value.len() as u8);
            block.extend(value.as_bytes());
        }
        let _ = self.frame(1, 4, stream, &block);
    }

    fn data(&mut self, stream: u32, octets: &[u8]) {
        self.frame(0, 0, stream, octets).unwrap();
    }

    /// DATA with END_STREAM.
    fn end(&mut self, stream: u32, octets: &[u8]) {
        self.frame(0, 1, stream, octets).unwrap();
    }

    /// RST_STREAM.
    fn try_reset(&mut self, stream: u32) -> std::io::Result<()> {
        self.frame(3, 0, stream, &[0, 0, 0, 8])
    }
}
