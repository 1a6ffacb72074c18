//! Sessions of BGP from capture files: `pcap_savefile`.

use crate::bgp::{pmbgpd, stable};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use testkit::Finished;
use testkit::bgp::message::keepalive;
use testkit::bgp::update::{prefix, with_path};
use testkit::bgp::{Open, Update};
use testkit::frames::{ETHERNET, IPV4, TCP, capture, ethernet, ipv4, tcp_at};

const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const COLLECTOR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PEER_PORT: u16 = 40_000;
/// Flags of TCP.
const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// One direction of a connection.
struct Stream {
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    octets: Vec<u8>,
}

impl Stream {
    /// Frames in order: the first one, pieces of 30 octets, the last one.
    fn frames(&self) -> Vec<Vec<u8>> {
        let segment = |sequence: u32, flags: u8, octets: &[u8]| {
            let segment = tcp_at(self.from.1, self.to.1, sequence, flags, octets);
            ethernet(IPV4, &ipv4(TCP, self.from.0, self.to.0, &segment))
        };
        // The numbers wrap around.
        let first = u32::MAX - 50;
        let mut next = first.wrapping_add(1);
        let mut frames = vec![segment(first, SYN, &[])];
        for piece in self.octets.chunks(30) {
            frames.push(segment(next, ACK, piece));
            next = next.wrapping_add(piece.len() as u32);
        }
        frames.push(segment(next, FIN | ACK, &[]));
        frames
    }
}

/// Both directions of a session with two paths of a prefix.
fn session(port: u16) -> [Vec<Vec<u8>>; 2] {
    let open = Open::new(65_001, PEER).add_path(1, 1).finish();
    let answer = Open::new(64_512, COLLECTOR).capability(69, &[0, 1, 1, 1]).finish();
    let route = Update::route(&[65_001], PEER);
    let paths = (1..=2).map(|path| with_path(path, &prefix("10.0.0.0/8"))).collect::<Vec<_>>().concat();
    let withdrawal = Update::new().withdraw_raw(&with_path(1, &prefix("10.0.0.0/8"))).finish();
    let (peer, collector) = ((PEER, PEER_PORT), (COLLECTOR, port));
    let octets = [open, keepalive(), route.announce_raw(&paths).finish(), withdrawal].concat();
    let there = Stream { from: peer, to: collector, octets };
    let back = Stream { from: collector, to: peer, octets: [answer, keepalive()].concat() };
    [there.frames(), back.frames()]
}

/// Reads a file of these frames.
fn read(frames: impl FnOnce(u16) -> Vec<Vec<u8>>) -> Finished {
    let setup = pmbgpd("pcap_savefile: {dir}/in.pcap");
    let frames = frames(setup.address().port());
    let timed = (0..).zip(frames).map(|(number, frame)| (1_700_000_000_000_000 + number, frame));
    let finished = setup.file("in.pcap", capture(ETHERNET, timed)).run();
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
    finished
}

/// The events of the file's log, in their order.
fn events(finished: &Finished) -> Vec<Value> {
    let text = finished.text("log.json");
    let lines =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    stable(&lines.collect::<Vec<_>>())
}

fn expected() -> Vec<Value> {
    let source = PEER.to_string();
    let update = |path: u32| {
        json!({
            "event_type": "log", "log_type": "update", "peer_ip_src": source, "afi": 1, "safi": 1,
            "ip_prefix": "10.0.0.0/8", "as_path_id": path, "bgp_nexthop": source, "as_path": "65001", "origin": "i",
        })
    };
    vec![
        json!({"event_type": "log_init", "peer_ip_src": source}),
        update(1),
        update(2),
        json!({
            "event_type": "log", "log_type": "withdraw", "peer_ip_src": source, "afi": 1, "safi": 1,
            "ip_prefix": "10.0.0.0/8", "as_path_id": 1,
        }),
        json!({"event_type": "log_close", "peer_ip_src": source}),
    ]
}

#[test]
fn sessions_of_a_capture_file_become_events() {
    let finished = read(|port| {
        let [there, back] = session(port);
        [&there[..2], &back, &there[2..]].concat()
    });
    assert_eq!(events(&finished), expected(), "{}", finished.log);
}

#[test]
fn segments_may_be_repeated_and_out_of_order() {
    let finished = read(|port| {
        let [mut there, back] = session(port);
        there.swap(3, 4);
        let again = there[2].clone();
        there.insert(5, again);
        [&there[..2], &back, &there[2..]].concat()
    });
    assert_eq!(events(&finished), expected(), "{}", finished.log);
}

#[test]
fn a_session_without_its_begin_is_not_guessed() {
    let finished = read(|port| session(port)[0][3..].to_vec());
    assert!(!finished.text("log.json").contains("ip_prefix"), "{}", finished.text("log.json"));
    assert!(finished.log.contains("WARN"), "{}", finished.log);
}

/// An MRT record (RFC 6396 section 2).
fn mrt(kind: u16, subtype: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short record");
    let mut octets = 1_700_000_000_u32.to_be_bytes().to_vec();
    octets.extend_from_slice(&kind.to_be_bytes());
    octets.extend_from_slice(&subtype.to_be_bytes());
    octets.extend_from_slice(&length.to_be_bytes());
    octets.extend_from_slice(body);
    octets
}

#[test]
fn messages_of_an_mrt_file_become_events() {
    // BGP4MP, MESSAGE_AS4: ASes, interface, IPv4, addresses, the message.
    let message = |octets: &[u8]| {
        let ases = [65_001_u32.to_be_bytes(), 64_512_u32.to_be_bytes()].concat();
        mrt(16, 4, &[&ases[..], &[0, 0, 0, 1], &PEER.octets()[..], &COLLECTOR.octets(), octets].concat())
    };
    let route = Update::route(&[65_001], PEER).announce(["10.0.0.0/8"]).finish();
    let withdrawal = Update::new().withdraw_raw(&prefix("10.0.0.0/8")).finish();
    // STATE_CHANGE_AS4 from Established to Idle.
    let ases = [65_001_u32.to_be_bytes(), 64_512_u32.to_be_bytes()].concat();
    let end =
        mrt(16, 5, &[&ases[..], &[0, 0, 0, 1], &PEER.octets()[..], &COLLECTOR.octets(), &[0, 6, 0, 1]].concat());
    let file = [message(&route), message(&withdrawal), mrt(99, 0, &[1]), end].concat();
    let finished = pmbgpd("pcap_savefile: {dir}/in.mrt").file("in.mrt", file).run();
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
    let kinds: Vec<Value> = events(&finished)
        .iter()
        .map(|event| event.get("log_type").or(event.get("event_type")).cloned().unwrap_or_default())
        .collect();
    assert_eq!(kinds, ["log_init", "update", "withdraw", "log_close"], "{}", finished.log);
}

#[test]
fn tables_of_an_mrt_file_become_routes_of_their_peers() {
    // PEER_INDEX_TABLE: the collector, no view, one peer with an AS number of four octets.
    let peer = [&[2][..], &[10, 0, 0, 1], &PEER.octets(), &65_001_u32.to_be_bytes()].concat();
    let index = mrt(13, 1, &[&COLLECTOR.octets()[..], &[0, 0, 0, 1], &peer].concat());
    // RIB_IPV4_UNICAST: number, prefix, one entry with its time and attributes.
    let attributes =
        [&[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1][..], &65_001_u32.to_be_bytes(), &[0x40, 3, 4], &PEER.octets()]
            .concat();
    let length = u16::try_from(attributes.len()).expect("few attributes").to_be_bytes();
    let entry = [&[0, 0][..], &1_700_000_000_u32.to_be_bytes(), &length, &attributes].concat();
    let rib = mrt(13, 2, &[&[0, 0, 0, 0][..], &prefix("10.0.0.0/8"), &[0, 1], &entry].concat());
    let damaged = mrt(13, 2, &[0, 0, 0, 0, 99]);
    let finished = pmbgpd("pcap_savefile: {dir}/in.mrt").file("in.mrt", [index, rib, damaged].concat()).run();
    assert_eq!(finished.code(), Some(0), "{}", finished.log);
    let events = events(&finished);
    let routes: Vec<&Value> = events.iter().filter(|event| event["log_type"] == "update").collect();
    let [route] = routes[..] else { panic!("{events:?}\n{}", finished.log) };
    assert_eq!(
        (&route["peer_ip_src"], &route["ip_prefix"], &route["as_path"], &route["bgp_nexthop"]),
        (&json!("192.0.2.1"), &json!("10.0.0.0/8"), &json!("65001"), &json!("192.0.2.1"))
    );
    assert!(finished.log.contains("1 MRT records could not be decoded"), "{}", finished.log);
}
