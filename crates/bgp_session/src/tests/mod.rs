//! Sessions with a scripted peer and a made-up clock.

mod answers;
mod observed;
mod stream;
mod timers;
mod transitions;

use crate::{Closed, Config, Event, Session};
use bgp::message::{self, MessageType};
use bgp::{capability, open};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use wire::{Afi, Asn, Safi, Writer};

const KEEPALIVE: [u8; 19] = message::KEEPALIVE;

/// The smallest UPDATE: an End-of-RIB of IPv4.
const END_OF_RIB: &[u8] = &[0, 0, 0, 0];

/// What a test remembers of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Open(u32),
    Established,
    Keepalive,
    Update(u64, Vec<u8>),
    RouteRefresh(Afi, Safi, u8),
}

/// A session, its peer, and the time.
struct Pair {
    session: Session,
    now: Instant,
}

impl Pair {
    fn new(config: Config) -> Self {
        let now = Instant::now();
        Self { session: Session::new(config, now), now }
    }

    /// A session of AS 64512 with identifier 10.255.0.1.
    fn configured() -> Self {
        Self::new(config())
    }

    /// A session that got as far as Established, with an empty send buffer.
    fn established(config: Config, open: &[u8]) -> Self {
        let mut pair = Self::new(config);
        pair.peer_sends(&[open, &KEEPALIVE].concat());
        pair.peer_reads();
        pair
    }

    fn peer_sends(&mut self, mut octets: &[u8]) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Some(event) = self.session.next(&mut octets, self.now) {
            seen.push(match event {
                Event::Open(parameters) => Seen::Open(parameters.peer_as.0),
                Event::Established => Seen::Established,
                Event::Keepalive => Seen::Keepalive,
                Event::Update(update) => Seen::Update(update.position, update.message.body().to_vec()),
                Event::RouteRefresh(refresh) => Seen::RouteRefresh(refresh.afi, refresh.safi, refresh.subtype.0),
            });
        }
        assert!(octets.is_empty());
        seen
    }

    fn peer_reads(&mut self) -> Vec<u8> {
        let octets = self.session.send_buffer().to_vec();
        self.session.sent(octets.len(), self.now);
        octets
    }

    /// Lets time pass, and acts on timers.
    fn wait(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.session.deadline().filter(|&at| at <= until) {
            self.now = self.now.max(at);
            self.session.timeout(self.now);
        }
        self.now = until;
    }

    fn closed(&self) -> String {
        self.session.closed().map(Closed::to_string).unwrap_or_default()
    }
}

fn config() -> Config {
    Config { local_as: Some(Asn(64_512)), identifier: Ipv4Addr::new(10, 255, 0, 1), ..Config::default() }
}

/// An OPEN of AS 65001 with IPv4 and IPv6 unicast and AS numbers of four octets.
fn open(hold_time: u16) -> Vec<u8> {
    open_with(hold_time, |w| {
        capability::write_multiprotocol(w, Afi::IPV4, Safi::UNICAST);
        capability::write_multiprotocol(w, Afi::IPV6, Safi::UNICAST);
        capability::write_four_octet_as(w, Asn(65_001));
    })
}

fn open_with(hold_time: u16, capabilities: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut open = open::Builder::new(Asn(65_001), hold_time, Ipv4Addr::new(10, 0, 1, 1));
    open.capabilities(capabilities).finish().unwrap()
}

fn message(kind: MessageType, body: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    assert!(message::write(&mut octets, kind, body));
    octets
}

fn update(body: &[u8]) -> Vec<u8> {
    message(MessageType::UPDATE, body)
}

/// Octets written in hexadecimal; a dash stands for a marker.
fn hex(text: &str) -> Vec<u8> {
    let text = text.replace('-', &"ff".repeat(16)).replace(char::is_whitespace, "");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
