//! Sessions with scripted routers.

mod decoding;
mod peers;
mod stream;

use crate::{Config, Event, PeerChange, Session};
use bgp::capability::{self, AddPath, Code, MultipleLabels};
use bgp::message::{self, Message as BgpMessage, MessageType as BgpType};
use bgp::open;
use bmp::code::{DownReason, MessageType, TerminationTlv};
use bmp::frame::{self, Version};
use bmp::information::{Initiation, Termination};
use bmp::message::Message;
use bmp::mirroring::RouteMirroring;
use bmp::peer::PeerHeader;
use bmp::peer_down::PeerDown;
use bmp::peer_up::PeerUp;
use bmp::route_monitoring::RouteMonitoring;
use bmp::statistics::{CounterBuf, StatisticType, Statistics};
use bmp::tlv::{Tlv, TlvBuf, Tlvs};
use bmp::v4::CodePoints;
use std::net::Ipv4Addr;
use wire::{Afi, Asn, Safi, Writer};

const ROUTER_ID: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
const V4: (Afi, Safi) = (Afi::IPV4, Safi::UNICAST);
const V6: (Afi, Safi) = (Afi::IPV6, Safi::UNICAST);

/// The peer 192.0.2.`n` of AS 65000 + `n`.
fn peer(n: u8) -> PeerHeader {
    PeerHeader::global([192, 0, 2, n].into(), Asn(65_000 + u32::from(n)), Ipv4Addr::new(10, 0, 0, n))
}

fn write(message: &Message<'_>) -> Vec<u8> {
    write_as(Version::V3, message)
}

fn write_as(version: Version, message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.write(&mut out, version, &CodePoints::default()).unwrap();
    out
}

/// An OPEN of AS `asn` whose capabilities `write` adds.
fn open(asn: u32, id: Ipv4Addr, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut open = open::Builder::new(Asn(asn), 90, id);
    open.capabilities(write);
    open.finish().unwrap()
}

/// What an OPEN offers.
#[derive(Clone, Copy, Default)]
struct Offer<'a> {
    asn4: bool,
    /// Families that it receives, and sends, with path identifiers.
    receives: &'a [(Afi, Safi)],
    sends: &'a [(Afi, Safi)],
    labels: &'a [(Afi, Safi)],
    /// Families by the multiprotocol capability.
    families: &'a [(Afi, Safi)],
}

impl Offer<'_> {
    fn open(&self, asn: u32, id: Ipv4Addr) -> Vec<u8> {
        let all = self.receives.iter().chain(self.sends).copied();
        let add_path: Vec<_> = all
            .map(|(afi, safi)| AddPath {
                afi,
                safi,
                receive: self.receives.contains(&(afi, safi)),
                send: self.sends.contains(&(afi, safi)),
            })
            .collect();
        let labels: Vec<_> =
            self.labels.iter().map(|&(afi, safi)| MultipleLabels { afi, safi, count: 3 }).collect();
        open(asn, id, |w| {
            if self.asn4 {
                capability::write_four_octet_as(w, Asn(asn));
            }
            self.families.iter().for_each(|&(afi, safi)| capability::write_multiprotocol(w, afi, safi));
            capability::write_list(w, Code::ADD_PATH, &add_path).unwrap();
            capability::write_list(w, Code::MULTIPLE_LABELS, &labels).unwrap();
        })
    }
}

/// A peer up with OPENs of the router, AS 64512, and the peer.
fn up_with(peer: PeerHeader, router: Offer<'_>, other: Offer<'_>, tlvs: Tlvs<'_>) -> Vec<u8> {
    let (sent, received) = (router.open(64_512, ROUTER_ID), other.open(peer.asn.0, peer.bgp_id));
    let whole = |octets| BgpMessage::first(octets, true).unwrap().unwrap();
    write(&Message::PeerUp(PeerUp {
        peer,
        local_address: Ipv4Addr::new(192, 0, 2, 254).into(),
        local_port: 179,
        remote_port: 33_333,
        sent_open: whole(&sent),
        received_open: whole(&received),
        tlvs,
        fault: None,
    }))
}

fn up(peer: PeerHeader) -> Vec<u8> {
    let offer = Offer { asn4: true, ..Offer::default() };
    up_with(peer, offer, offer, Tlvs::of(&[], false))
}

fn down(peer: PeerHeader) -> Vec<u8> {
    write(&Message::PeerDown(PeerDown::new(peer, DownReason::REMOTE_NO_DATA, &[], Version::V3)))
}

fn bgp(kind: BgpType, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(message::write(&mut out, kind, body));
    out
}

/// A message with an UPDATE of this body, and TLVs in version 4.
fn routes_with(version: Version, peer: PeerHeader, body: &[u8], tlvs: Tlvs<'_>) -> Vec<u8> {
    let update = bgp(BgpType::UPDATE, body);
    let update = BgpMessage::first(&update, true).unwrap().unwrap();
    write_as(version, &Message::RouteMonitoring(RouteMonitoring { tlvs, ..RouteMonitoring::new(peer, update) }))
}

/// A message with an End-of-RIB of IPv4.
fn routes(peer: PeerHeader) -> Vec<u8> {
    routes_with(Version::V3, peer, &[0; 4], Tlvs::of(&[], true))
}

fn initiation(name: &str) -> Vec<u8> {
    let mut tlvs = TlvBuf::new(false);
    tlvs.text(2, name).unwrap();
    write(&Message::Initiation(Initiation { tlvs: tlvs.tlvs() }))
}

fn termination(reason: u16) -> Vec<u8> {
    let mut tlvs = TlvBuf::new(false);
    tlvs.add(Tlv::new(TerminationTlv::REASON.0, &reason.to_be_bytes())).unwrap();
    write(&Message::Termination(Termination { tlvs: tlvs.tlvs(), fault: None }))
}

fn statistics(peer: PeerHeader) -> Vec<u8> {
    let mut counters = CounterBuf::new();
    counters.gauge(StatisticType::ADJ_RIB_IN, 7);
    let (counters, tlvs) = (counters.counters(), Tlvs::of(&[], false));
    write(&Message::Statistics(Statistics { peer, counters, tlvs, fault: None }))
}

fn mirroring(peer: PeerHeader) -> Vec<u8> {
    let mut tlvs = TlvBuf::new(false);
    tlvs.add(Tlv::new(1, &[0, 1])).unwrap();
    write(&Message::RouteMirroring(RouteMirroring { peer, tlvs: tlvs.tlvs(), fault: None }))
}

/// A message whose body is not what its type wants, or of an unknown type.
fn raw(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(frame::write(&mut out, Version::V3, MessageType(kind), body));
    out
}

/// What a test remembers of an event; numbers are those of peers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Source(Option<String>),
    Initiation(Vec<u8>),
    Up(u32, PeerChange),
    Down(Option<u32>),
    Routes(u32),
    UnknownPeer,
    Statistics(Option<u32>),
    Mirroring(Option<u32>),
    Termination,
    Unknown(u8),
    Rejected(String),
    Skipped(u32),
}

/// Gives octets to a session.
fn feed(session: &mut Session, octets: &[u8]) -> Vec<(u64, Seen)> {
    let (mut input, mut all) = (octets, Vec::new());
    while let Some(received) = session.next(&mut input) {
        let seen = match received.event {
            Event::Source(source) => Seen::Source(source.map(|source| source.source.to_string())),
            Event::Initiation(message) => Seen::Initiation(message.sys_name().unwrap_or_default().into()),
            Event::PeerUp { peer, change, .. } => Seen::Up(peer.number.0, change),
            Event::PeerDown { peer, .. } => Seen::Down(peer.map(|peer| peer.number.0)),
            Event::Routes { peer, .. } => Seen::Routes(peer.number.0),
            Event::UnknownPeer(_) => Seen::UnknownPeer,
            Event::Statistics { peer, .. } => Seen::Statistics(peer.map(|peer| peer.number.0)),
            Event::RouteMirroring { peer, .. } => Seen::Mirroring(peer.map(|peer| peer.number.0)),
            Event::Termination(_) => Seen::Termination,
            Event::Unknown(kind) => Seen::Unknown(kind.0),
            Event::Rejected(rejection) => Seen::Rejected(rejection.to_string()),
            Event::Skipped { length, .. } => Seen::Skipped(length),
        };
        all.push((received.position, seen));
    }
    assert!(input.is_empty());
    all
}

/// What a session with the default configuration makes of octets.
fn seen(octets: &[u8]) -> Vec<Seen> {
    seen_by(&mut Session::new(Config::default()), octets)
}

fn seen_by(session: &mut Session, octets: &[u8]) -> Vec<Seen> {
    feed(session, octets).into_iter().map(|(_, seen)| seen).collect()
}

fn closed(session: &Session) -> String {
    session.closed().map(ToString::to_string).unwrap_or_default()
}
