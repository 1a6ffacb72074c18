//! The decoder compared with two others: netgauze-bmp-pkt and bgpkit-parser.
//!
//! Messages are generated, or come from capture files in the folder that `BMP_CAPTURES` names. The generated ones keep to
//! what the others can read: registered types, text in UTF-8, valid OPENs.

#![allow(clippy::print_stdout, reason = "figures of the comparison with captures")]
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod captures;
mod generated;
mod theirs;

use bmp::frame::{Frame, Version};
use bmp::message::Message;
use bmp::mirroring::Mirrored;
use bmp::peer::PeerHeader;
use bmp::tlv::Tlvs;
use bmp::v4::CodePoints;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use wire::Prefix;

/// What a decoder found in a per-peer header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) kind: u8,
    /// V, L, A, O, or F.
    pub(crate) flags: u8,
    pub(crate) distinguisher: [u8; 8],
    pub(crate) address: IpAddr,
    pub(crate) asn: u32,
    pub(crate) id: Ipv4Addr,
    pub(crate) seconds: u32,
    pub(crate) microseconds: u32,
}

/// Type, family and value of a counter.
pub(crate) type Counter = (u16, Option<(u16, u8)>, u64);

/// What a decoder found in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) kind: u8,
    pub(crate) peer: Option<Peer>,
    /// TLVs with text, octets or numbers.
    pub(crate) tlvs: Vec<(u16, Vec<u8>)>,
    pub(crate) counters: Vec<Counter>,
    /// Address and port of the router, and port of the peer.
    pub(crate) endpoints: Option<(IpAddr, u16, u16)>,
    /// AS number (of two octets), hold time and identifier of both OPENs.
    pub(crate) opens: Vec<(u16, u16, Ipv4Addr)>,
    /// Of a peer down.
    pub(crate) reason: Option<u8>,
    pub(crate) event: Option<u16>,
    /// Code and subcode.
    pub(crate) notification: Option<(u8, u8)>,
    /// Prefixes of IPv4, announced and withdrawn.
    pub(crate) announced: BTreeSet<Prefix>,
    pub(crate) withdrawn: BTreeSet<Prefix>,
}

fn peer(header: &PeerHeader) -> Peer {
    let mask = if header.peer_type.0 == 3 { 0x80 } else { 0xf0 };
    Peer {
        kind: header.peer_type.0,
        flags: header.flags.0 & mask,
        distinguisher: header.distinguisher.0,
        address: header.address,
        asn: header.asn.0,
        id: header.bgp_id,
        seconds: header.time.seconds,
        microseconds: header.time.microseconds,
    }
}

fn texts(tlvs: Tlvs<'_>) -> Vec<(u16, Vec<u8>)> {
    tlvs.map(|tlv| (tlv.kind, tlv.value.to_vec())).collect()
}

/// The routes of IPv4 in an UPDATE without others.
fn routes(message: bgp::message::Message<'_>, asn4: bool, reading: &mut Reading) {
    use bgp::nlri::Nlri;
    use bgp::update::{Action, Decoder, Session};

    let mut decoder = Decoder::new();
    let update = decoder.decode(message.body(), &Session { asn4, ..Session::default() }).unwrap();
    for block in update.blocks() {
        for entry in block.entries() {
            let Nlri::Unicast(prefix) = entry.nlri else { continue };
            match block.action {
                Action::Announce => reading.announced.insert(prefix),
                Action::Withdraw => reading.withdrawn.insert(prefix),
            };
        }
    }
}

/// Our reading, with the routes of IPv4 if there are no others, and no path identifiers.
pub(crate) fn ours(octets: &[u8], with_routes: bool) -> Result<(Version, Reading), String> {
    let frame = Frame::first(octets, usize::MAX).map_err(|error| error.to_string())?.ok_or("incomplete")?;
    let message = Message::decode(frame, &CodePoints::default()).map_err(|error| error.to_string())?;
    if let Some(fault) = message.fault() {
        return Err(fault.to_string());
    }
    let mut reading = Reading { kind: frame.kind().0, peer: message.peer().map(peer), ..Reading::default() };
    match message {
        Message::Initiation(message) => reading.tlvs = texts(message.tlvs),
        Message::Termination(message) => reading.tlvs = texts(message.tlvs),
        Message::PeerUp(message) => {
            reading.endpoints = Some((message.local_address, message.local_port, message.remote_port));
            for open in [message.sent_open, message.received_open] {
                let [_, a, b, c, d, e, f, g, h, ..] = *open.body() else { panic!("{open:?}") };
                let id = Ipv4Addr::new(e, f, g, h);
                reading.opens.push((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), id));
            }
            reading.tlvs = texts(message.tlvs);
        }
        Message::PeerDown(message) => {
            reading.reason = Some(message.reason.0);
            reading.event = message.fsm_event;
            reading.notification = message.notification.map(|message| (message.body()[0], message.body()[1]));
            reading.tlvs = texts(message.tlvs);
        }
        Message::Statistics(message) => {
            for counter in message.counters {
                let number = |octets: &[u8]| octets.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet));
                reading.counters.push(match (counter.value(), counter.octets.len()) {
                    (Some(value), _) => {
                        let family = value.family.map(|(afi, safi)| (afi.0, safi.0));
                        (counter.kind.0, family, value.number)
                    }
                    // The others take a type that they do not know for a counter or a gauge, by its length.
                    (None, 4 | 8) if counter.kind.form().is_none() => {
                        (counter.kind.0, None, number(counter.octets))
                    }
                    _ => return Err("a counter without a value".into()),
                });
            }
        }
        Message::RouteMonitoring(message) if with_routes => {
            routes(message.update, !message.peer.is_two_octet_as(), &mut reading);
        }
        Message::RouteMirroring(message) => {
            for item in message.items() {
                match item {
                    Mirrored::Message(_) if !with_routes => {}
                    Mirrored::Message(octets) => {
                        let message = bgp::message::Message::first(octets, true).unwrap().unwrap();
                        routes(message, true, &mut reading);
                    }
                    Mirrored::Information(code) => reading.tlvs.push((1, code.0.to_be_bytes().to_vec())),
                    Mirrored::Other(tlv) => reading.tlvs.push((tlv.kind, tlv.value.to_vec())),
                }
            }
        }
        Message::RouteMonitoring(_) | Message::Unknown { .. } => {}
    }
    Ok((frame.version(), reading))
}
